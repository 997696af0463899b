"""The code stays easy to take in: short modules and functions, and names and docstrings that say what they are."""

import ast
import re
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

PARTICIPLE = re.compile(
    r"_*(\w*[a-z](?<!ee)ed|built|chosen|found|given|held|kept|known|left|lost|made|met|said|sent|shown|spent|taken|told|written)"
)
VERBS = {"feed", "need", "speed", "seed", "exceed", "proceed", "embed"}


def is_participle(name: str) -> bool:
    """Whether a name is a single participle, like `made` or `_looked`; `failed_rows` says of what."""
    return "_" not in name.strip("_") and bool(PARTICIPLE.fullmatch(name)) and name.strip("_") not in VERBS


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


@pytest.mark.parametrize("path", [path for path in MODULES if path.is_relative_to("plugins")], ids=str)
def test_functions_are_named_by_what_they_do_or_return(path):
    """A verb or a noun, and a docstring that begins with what the thing is; properties may be participles."""
    tree = ast.parse((PROJECT / path).read_text(encoding="utf-8"))
    named = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and is_participle(node.name)]
    assert [
        node.name for node in named if not any("property" in ast.unparse(each) for each in node.decorator_list)
    ] == []
    documented = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    assert [text for node in documented if (text := ast.get_docstring(node) or "").startswith("What ")] == []
