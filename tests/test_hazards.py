"""docs/folio.md has a row for each hazard. The tests that it and docs/infiniti.md name exist."""

import re

import pytest

HAZARDS = [f"H{number}" for number in (*range(1, 34), *range(37, 45))]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.fixture(scope="module")
def page(project):
    """The page's text."""
    return (project / "docs" / "folio.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables(page):
    """The two tables of hazards, each as a row's cells by its name: the hazards themselves, and their tests."""
    found = []
    for part in page.split("## Appendix"):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines()]
        found.append({line[0]: line[1:] for line in lines if re.fullmatch(r"H\d+", line[0])})
    return found


def test_every_hazard_has_its_row(tables):
    """In order, each once, with what goes wrong, what is done and its state."""
    hazards, _ = tables
    assert list(hazards) == HAZARDS
    assert {len(cells) for cells in hazards.values()} == {3}


def test_what_is_held_names_its_tests(tables):
    """A hazard without a test in the appendix is open, and says so."""
    hazards, tests = tables
    assert {cells[2] for cells in hazards.values()} <= {"held", "partly", "open"}
    assert list(tests) == [name for name, cells in hazards.items() if cells[2] != "open"]
    assert all(NAMED.search(cells[0]) for cells in tests.values())


@pytest.mark.parametrize(("name", "least"), [("folio", 70), ("infiniti", 10)])
def test_every_test_that_is_named_is_there(project, name, least):
    """Renaming a test means renaming it in the table too."""
    named = NAMED.findall((project / "docs" / f"{name}.md").read_text(encoding="utf-8"))
    assert len(named) > least
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (project / file).exists() or f"def {name}(" not in (project / file).read_text(encoding="utf-8")
    ]
    assert missing == []
