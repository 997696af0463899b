"""DAG files as Airflow reads them, without a scheduler."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.config.files import MAPPING, TENANT


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """$PATRONLOAD_INCLUDE with the mapping `folio/people` and no tenant yet."""
    (tmp_path / "tenants").mkdir()
    (tmp_path / "mappings/folio").mkdir(parents=True)
    (tmp_path / "mappings/folio/people.yaml").write_text(MAPPING, encoding="utf-8")
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path))
    return tmp_path


@pytest.fixture
def add_tenant(include: Path) -> Callable[..., Path]:
    """Add a tenant file; `changes` are old text -> new text."""

    def add(name: str, changes: dict[str, str] | None = None) -> Path:
        text = TENANT.replace("riverside", name)
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        path = include / "tenants" / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return add


@pytest.fixture
def read(project: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Run one of the DAG files, by its name, as Airflow does."""
    names = []

    def run(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"dag_file_{name}_{len(names)}", project / "dags" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Airflow's parser finds a module here, too.
        sys.modules[spec.name] = module
        names.append(spec.name)
        spec.loader.exec_module(module)
        return module

    yield run
    for name in names:
        del sys.modules[name]
