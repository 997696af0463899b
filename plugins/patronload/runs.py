"""
One tenant's run and the artifacts it leaves: `<root>/<tenant>/<run>/`, in a folder or in a bucket.

Every file is there whole or not at all: in a folder it is written beside its place and then renamed, and a bucket shows
an object only when all of it has arrived.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from patronload import paths

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

EXPORT = "export.csv"
DELIVERY = "export.json"
ROWS = "rows.parquet"
RAGGED = "ragged.parquet"
FACTS = "rows.json"
MORE = "more"
VALIDATION = "validation.json"
PATRONS = "patrons.parquet"
PLAN = "plan.json"
PLANNED = "planned.parquet"
REJECTS = "rejects.csv"
FAILURE = "failure.json"
REPORT = "report.json"
REPORT_PAGE = "report.html"


class Run:
    """The folder of one run. Names are relative to it: `export.csv`, `results/0001.json`."""

    def __init__(self, folder: ObjectStoragePath | Path) -> None:
        self.folder = folder

    @property
    def url(self) -> str:
        """Where a person finds the folder."""
        return str(self.folder)

    def has(self, name: str) -> bool:
        """Whether the artifact is there; if it is, it is whole."""
        there: bool = self._path(name).exists()
        return there

    def read(self, name: str) -> bytes:
        """All of an artifact."""
        content: bytes = self._path(name).read_bytes()
        return content

    def write(self, name: str, content: bytes) -> None:
        """Put an artifact, in place of one of the same name."""
        with self.writing(name) as file:
            file.write(content)

    def read_json(self, name: str) -> Any:
        """An artifact that is JSON."""
        return json.loads(self.read(name))

    def write_json(self, name: str, content: Any) -> None:
        """Put an artifact that is JSON, written for people to read."""
        self.write(name, json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n")

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """An artifact to read from."""
        with self._path(name).open("rb") as file:
            yield file

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write into; it gets its name when the block ends well, and leaves nothing when it does not."""
        path = self._path(name)
        local = _local(path)
        with _written_here(local) if local else _written_there(path) as file:
            yield file

    def remove(self, name: str) -> None:
        """Take an artifact away, if it is there."""
        self._path(name).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """The files in a folder of the run, sorted: ["results/0001.json", ...]; none if there is no such folder."""
        path = self._path(folder)
        if not path.exists():
            return []
        return sorted(f"{folder}/{file.name}" for file in path.iterdir() if not file.name.startswith("."))

    def _path(self, name: str) -> Any:
        return self.folder / name


@contextmanager
def _written_here(path: Path) -> Iterator[IO[bytes]]:
    """Beside its place, for the eyes of this account only, and then renamed."""
    _make_private(path.parent)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with open(unfinished, "wb", opener=_privately) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _written_there(path: Any) -> Iterator[IO[bytes]]:
    """On this machine first: closing an object of a bucket finishes it, after an error as well."""
    with tempfile.NamedTemporaryFile() as file:
        yield file
        file.flush()
        path.fs.put_file(file.name, path.path)


def _privately(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this account only."""
    if not folder.exists():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _local(path: Any) -> Path | None:
    """The path as one of this machine's, or None for a bucket."""
    if isinstance(path, Path):
        return path
    return Path(path.path) if path.protocol in ("file", "local", "") else None


def open_run(tenant: str, run_id: str) -> Run:
    """The run with Airflow's `run_id`, below $PATRONLOAD_ARTIFACTS."""
    from airflow.sdk import ObjectStoragePath  # seconds to import, and the command line does without

    # Airflow's run ids are made of letters, digits and -_.~:+ unless an administrator allows more.
    safe = quote(run_id, safe="~:+").lstrip(".") or "run"
    return Run(ObjectStoragePath(paths.artifacts()) / tenant / safe)
