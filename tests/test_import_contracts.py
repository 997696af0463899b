"""
The import contracts in pyproject.toml catch what they are meant to catch.

The graph of imports is built once from the code, one import is added to it, and import-linter checks the contracts
against that: as `make check` would if the import stood in the file, without starting a process for each.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import product

import grimp
import pytest
from importlinter import api
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

from tests.conftest import PROJECT

CONTRACTS = {"layers": LayersContract, "forbidden": ForbiddenContract, "acyclic_siblings": AcyclicSiblingsContract}
WITHOUT_AIRFLOW = (
    *("stages", "loads", "checks", "artifacts", "reporting", "targets", "exports", "mapping", "config", "systems"),
    *("documents", "cli"),
)
MAY_IMPORT_AIRFLOW = {"patronload.artifacts.run", "patronload.artifacts.bucket_store"}
"""Both read a path of Airflow's object storage."""


class Contracts:
    """The graph of imports and the contracts over it."""

    def __init__(self) -> None:
        configuration = api.read_configuration(str(PROJECT / "pyproject.toml"))
        self.graph = grimp.build_graph("patronload", include_external_packages=True, cache_dir=None)
        self.options = configuration["contracts_options"]
        self.layers = next(each["layers"] for each in self.options if each["type"] == "layers")
        self.session = configuration["session_options"]

    def broken(self, kind: str) -> bool:
        """Whether a contract of this kind is broken."""
        return any(not self._check(options) for options in self.options if options["type"] == kind)

    def _check(self, options: dict) -> bool:
        contract = CONTRACTS[options["type"]](options["name"], self.session, options)
        # A contract may change the graph that it checks.
        return bool(contract.check(deepcopy(self.graph), verbose=False).kept)

    @contextmanager
    def importing(self, importer: str, imported: str) -> Iterator[None]:
        """One more import; there must be none from the one to the other yet."""
        assert imported not in self.graph.find_modules_directly_imported_by(importer)
        self.graph.add_import(importer=importer, imported=imported, line_number=1, line_contents=f"import {imported}")
        yield
        self.graph.remove_import(importer=importer, imported=imported)

    def modules(self, package: str) -> list[str]:
        """A package, or module, with all modules in it."""
        return sorted({f"patronload.{package}", *self.graph.find_descendants(f"patronload.{package}")})

    def imports_inside(self, package: str) -> list[tuple[str, str]]:
        """The imports from one module of a package to another beside it."""
        inside = f"patronload.{package}."
        pairs = (
            (importer, imported)
            for importer in self.modules(package)
            for imported in sorted(self.graph.find_modules_directly_imported_by(importer))
            if importer.startswith(inside) and imported.startswith(inside)
        )
        return [pair for pair in pairs if len({module.split(".")[2] for module in pair}) > 1]

    @property
    def floors(self) -> list[list[str]]:
        """The packages, from the top floor to the lowest."""
        return [[name.strip() for name in layer.split("|")] for layer in self.layers]


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    return Contracts()


def test_the_code_keeps_them(contracts):
    """Or nothing below would mean anything."""
    assert not any(contracts.broken(kind) for kind in CONTRACTS)


@pytest.mark.parametrize("package", WITHOUT_AIRFLOW)
def test_no_module_of_these_packages_can_import_airflow(contracts, package):
    """Whichever module it is, a new one as well: the contracts name packages."""
    for module in contracts.modules(package):
        if module in MAY_IMPORT_AIRFLOW:
            continue
        with contracts.importing(module, "airflow"):
            assert contracts.broken("forbidden"), module


def test_no_package_can_import_one_above_it(contracts):
    """Nor one beside it, on the same floor."""
    floors = contracts.floors
    for level, floor in enumerate(floors):
        above = [package for higher in floors[:level] for package in higher]
        for lower, higher in product(floor, [*above, *floor]):
            if lower != higher:
                with contracts.importing(f"patronload.{lower}", f"patronload.{higher}"):
                    assert contracts.broken("layers"), f"{lower} imports {higher}"


def test_every_package_has_a_floor(contracts):
    """A package that no one has given a place breaks the contract, even if it imports nothing."""
    contracts.graph.add_module("patronload.a_new_package")
    assert contracts.broken("layers")
    contracts.graph.remove_module("patronload.a_new_package")


def test_no_package_can_have_a_cycle_inside(contracts):
    """In each package that has imports between its modules, the opposite import closes a circle."""
    found = set()
    for package in (package for floor in contracts.floors for package in floor):
        for importer, imported in contracts.imports_inside(package)[:1]:
            with contracts.importing(imported, importer):
                assert contracts.broken("acyclic_siblings"), f"{imported} imports {importer}"
            found.add(package)
    assert {"loads", "artifacts", "reporting", "exports", "config"} <= found


def test_make_check_says_so(tmp_path):
    """The same by import-linter's own command, once, with the line in a file."""
    shutil.copytree(PROJECT / "plugins", tmp_path / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    with (tmp_path / "plugins" / "patronload" / "loads" / "leases.py").open("a") as file:
        file.write("\nimport airflow.sdk\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "plugins")}
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "patronload.loads.leases -> airflow" in done.stdout
