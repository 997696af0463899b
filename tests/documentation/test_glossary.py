"""docs/glossary.md: one word for each concept, in the code and in everything that people read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from patronload.in_airflow import tasks
from patronload.reporting import report as reports
from tests.documentation.pages import PROJECT, TASKS, page, table
from tests.documentation.wording import lines

GLOSSARY = "docs/glossary.md"
ENTRIES = {cells[0]: cells[1:] for cells in table(page(GLOSSARY))}
UNUSED = [word for _, words in ENTRIES.values() for word in words.split(", ") if word]
CODE = ("plugins/**/*.py", "dags/*.py", "sandbox/**/*.py", "local/*.py", "faults/*.py")


def test_every_concept_has_one_entry():
    """No word has two meanings, and no word in use is also one to avoid."""
    concepts = re.findall(r"^\| ([a-z][^|]*?) \| [A-Z]", page(GLOSSARY), re.MULTILINE)
    assert len(concepts) == len(set(concepts)) > 40
    assert not set(concepts) & set(UNUSED)


@pytest.mark.parametrize("word", UNUSED)
def test_a_word_that_is_not_ours_is_in_no_text(word):
    """Not in the docs, the mails, the pages, the messages, the YAML or the comments."""
    pattern = re.compile(rf"(?<![\w`-]){re.escape(word)}s?(?![\w`-])", 0 if word.isupper() else re.IGNORECASE)
    found = [str(line) for line in lines() if line.file != GLOSSARY and pattern.search(line.text)]
    assert not found, "\n".join(found)


def names(path: Path) -> Iterator[tuple[int, str]]:
    """The names that a module defines, with their lines: its own functions, classes, arguments and variables."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def words(name: str) -> str:
    """The words in a name: `read_rows` and `ReadRows` are both "read rows"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", name).lower().strip()


@pytest.fixture(scope="module")
def all_names() -> list[tuple[str, str]]:
    """Where each name in the code is, and its words."""
    return [
        (f"{path.relative_to(PROJECT)}:{line}: {name}", words(name))
        for pattern in CODE
        for path in PROJECT.glob(pattern)
        for line, name in names(path)
    ]


@pytest.mark.parametrize("word", UNUSED)
def test_a_word_that_is_not_ours_is_in_no_name(word, all_names):
    """Functions, classes, arguments and variables use the glossary's words too."""
    pattern = re.compile(rf"\b{re.escape(word.lower())}s?\b")
    found = [place for place, name in all_names if pattern.search(name)]
    assert not found, "\n".join(found)


def test_the_stages_and_outcomes_are_those_of_the_code():
    """In their order."""
    stages = ", ".join(TASKS)
    assert stages in ENTRIES["stage"][0]
    assert all(f"`{outcome}`" in ENTRIES["outcome"][0] for outcome in reports.Outcome.__args__)
    assert set(TASKS) <= set(vars(tasks))
