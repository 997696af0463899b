"""
Measures which statements of plugins/ the tests run, in each worker, prints the share, and fails below a floor.

When a module of plugins/ is imported, each of its statements gets a mark in front of it. coverage.py makes the same
tests take 70 % more processor time on Python 3.11, because its tracer slows down all other packages too.

What runs in processes that the tests start (Airflow's tasks, `python -m patronload`) is not measured.
"""

import ast
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import pytest

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"
MARKS = "__statements_run__"
"""What a module keeps its marks in: a byte for each line."""

ON_SCREEN = 5
"""How many modules the screen shows; the file coverage.txt has them all."""

RUN: dict[str, bytearray] = {}
"""File -> its marks, from this process and from the workers that have ended."""

_BLOCKS = ("body", "orelse", "finalbody")


class Module(NamedTuple):
    """How much of a module the tests ran."""

    name: str
    statements: int
    missing: Sequence[int]
    """Line numbers, ascending."""


class Marking(SourceFileLoader):
    """Loads a module, and notes which of its statements run."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # one file is one module
        """The code with the marks, which the byte code in the cache does not have."""
        return compile(marked(self.get_data(self.path)), self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        """A module that is imported a second time adds to its marks."""
        vars(module)[MARKS] = RUN.setdefault(self.path, bytearray(self.get_data(self.path).count(b"\n") + 2))
        super().exec_module(module)


class MarkingFinder(MetaPathFinder):
    """Has the modules of a folder loaded by `Marking`."""

    def __init__(self, folder: Path) -> None:
        self._folder = f"{folder}/"

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """None for a module that lies elsewhere."""
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or not (spec.origin or "").startswith(self._folder):
            return None
        spec.loader = Marking(name, str(spec.origin))
        return spec


sys.meta_path.insert(0, MarkingFinder(PLUGINS))


def marked(source: bytes) -> ast.Module:
    """The module with `__statements_run__[line] = 1` in front of each statement."""
    module = ast.parse(source)
    for node in ast.walk(module):
        for block in (getattr(node, field, None) for field in _BLOCKS):
            if isinstance(block, list):
                block[:] = [each for statement in block for each in (*_mark(statement), statement)]
    return ast.fix_missing_locations(module)


def statements(source: bytes) -> Collection[int]:
    """The lines on which a statement begins that can run."""
    return {node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt) and _can_run(node)}


def _mark(statement: ast.AST) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.stmt) and _can_run(statement):
        line = ast.Subscript(ast.Name(MARKS, ast.Load()), ast.Constant(statement.lineno), ast.Store())
        yield ast.copy_location(ast.Assign([line], ast.Constant(1)), statement)


def _can_run(statement: ast.stmt) -> bool:
    """A docstring, an ellipsis and a declaration do nothing; a docstring and a __future__ import have to stay first."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.ImportFrom):
        return statement.module != "__future__"
    return not isinstance(statement, ast.Global | ast.Nonlocal)


def modules(folder: Path, run: Mapping[str, bytes | bytearray]) -> Sequence[Module]:
    """Every module in a folder, those that no test imports as well; most missing statements first."""
    found = [_module(file, folder, run.get(str(file), b"")) for file in folder.rglob("*.py")]
    return sorted(found, key=lambda module: (-len(module.missing), module.name))


def _module(file: Path, folder: Path, marks: bytes | bytearray) -> Module:
    lines = statements(file.read_bytes())
    missing = sorted(line for line in lines if line >= len(marks) or not marks[line])
    return Module(str(file.relative_to(folder)), len(lines), missing)


def share(of: Collection[Module]) -> float:
    """Per cent of the statements that ran."""
    total = sum(module.statements for module in of)
    return 100 * (1 - sum(len(module.missing) for module in of) / total) if total else 100.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make test` gives the floor when it runs all tests."""
    parser.addoption("--coverage-floor", type=float, default=0.0, help="per cent of the statements; less fails")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended; one that crashed hands over nothing, and its test has failed."""
    for file, marks in getattr(node, "workeroutput", {}).get(MARKS, {}).items():
        seen = RUN.setdefault(file, bytearray(len(marks)))
        seen[:] = bytes(one | other for one, other in zip(seen, marks, strict=True))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over its marks; the process that started the workers judges."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[MARKS] = {file: bytes(marks) for file, marks in RUN.items()}
    elif session.exitstatus == pytest.ExitCode.OK and _is_below(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _is_below(config: pytest.Config) -> bool:
    return share(modules(PLUGINS, RUN)) < config.getoption("--coverage-floor")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The share, and which modules have most statements that did not run."""
    found = modules(PLUGINS, RUN)
    floor = config.getoption("--coverage-floor")
    terminalreporter.section("coverage of plugins/")
    for module in found[:ON_SCREEN]:
        terminalreporter.line(_words(module))
    wanted = f"; at least {floor:g} % is required" if floor else ""
    total = sum(module.statements for module in found)
    terminalreporter.line(f"{share(found):.1f} % of {total:,} statements{wanted}", red=share(found) < floor)
    if keep := os.environ.get("PATRONLOAD_TEST_KEEP"):
        lines = [f"{_words(module)}: {', '.join(map(str, module.missing))}\n" for module in found]
        Path(keep).mkdir(parents=True, exist_ok=True)
        Path(keep, "coverage.txt").write_text("".join(lines))


def _words(module: Module) -> str:
    return f"{share([module]):5.1f} %  {module.name}, {len(module.missing)} of {module.statements} did not run"
