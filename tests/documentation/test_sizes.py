"""The code stays easy to take in: no long module and no long function, and most functions are a few lines."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.conftest import PROJECT

FOLDERS = ("plugins", "dags", "sandbox", "local", "faults", "benchmarks", "docs")
MODULE, STAGE, FUNCTION, MEDIAN = 450, 250, 50, 6
"""The maximum number of lines."""

MODULES = sorted(path.relative_to(PROJECT) for folder in FOLDERS for path in (PROJECT / folder).rglob("*.py"))
STAGES = Path("plugins/patronload/stages")


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function with its number of lines, from `def` to the end."""
    for node in ast.walk(ast.parse((PROJECT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_module_and_no_function_is_long(path):
    """A module has one subject, and a function fits on a screen; a stage only calls what does its work."""
    lines = len((PROJECT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= (STAGE if path.parent == STAGES else MODULE), "split it by subject"
    assert [name for name, length in functions(path) if length > FUNCTION] == []


def test_most_functions_are_short():
    """The median function of the product has a few lines."""
    product = [path for path in MODULES if path.is_relative_to("plugins")]
    assert len(product) > 100
    assert median(length for path in product for _, length in functions(path)) <= MEDIAN
