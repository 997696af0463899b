"""A folder of configuration with one tenant file and one mapping file, to put mistakes into."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.config.files import MAPPING, TENANT


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Patronload's $PATRONLOAD_INCLUDE, with a good tenant `riverside` and its mapping `folio/people`."""
    write(tmp_path / "tenants/riverside.yaml", TENANT)
    write(tmp_path / "mappings/folio/people.yaml", MAPPING)
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path))
    return tmp_path


@pytest.fixture
def change_tenant(include: Path) -> Callable[[str, str], int]:
    """Put a mistake into the tenant file; tells the line."""
    return lambda old, new: change(include / "tenants/riverside.yaml", old, new)


@pytest.fixture
def change_mapping(include: Path) -> Callable[[str, str], int]:
    """Put a mistake into the mapping file; tells the line."""
    return lambda old, new: change(include / "mappings/folio/people.yaml", old, new)


def change(path: Path, old: str, new: str) -> int:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
