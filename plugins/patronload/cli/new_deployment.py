"""Write the folders of a deployment of one's own: the DAG files, the plugin's file, and include/ without libraries."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from patronload import settings
from patronload.errors import ConfigError

SHIPPED = (
    "dags/patron_load.py",
    "dags/patron_loads_upkeep.py",
    "dags/tenant_files.py",
    "plugins/patron_loads_plugin.py",
    "include/mappings",
    "include/schemas",
    "include/templates",
)
"""The files to copy. The package itself is installed, so that an update replaces it and leaves these alone."""


def write(folder: Path) -> list[Path]:
    """
    Copy the shipped files into `folder`, and make an empty include/tenants; returns the files written.

    Raises ConfigError, before anything is written, if one of them is already there.
    """
    files = [relative for name in SHIPPED for relative in _files(name)]
    if there := [each for each in files if (folder / each).exists()]:
        raise ConfigError(
            f"{folder / there[0]} is already there, with {len(there) - 1} more of the files. Choose an empty folder."
        )
    (folder / "include" / "tenants").mkdir(parents=True, exist_ok=True)
    for each in files:
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(settings.deployment() / each, folder / each)
    return [folder / each for each in files]


def _files(name: str) -> Iterator[Path]:
    """The files of a shipped file or folder, relative to the deployment."""
    root = settings.deployment()
    path = root / name
    if path.is_file():
        yield path.relative_to(root)
        return
    yield from (each.relative_to(root) for each in sorted(path.rglob("*")) if each.is_file())
