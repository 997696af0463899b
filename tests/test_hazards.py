"""docs/folio.md: a row for each hazard. What it and docs/infiniti.md name as tests is there."""

import re

import pytest

HAZARDS = [f"H{number}" for number in (*range(1, 34), 37, 38)]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.fixture(scope="module")
def page(project):
    """The page's text."""
    return (project / "docs" / "folio.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rows(page):
    """The table of hazards, a row's cells by its name."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| H")
    ]
    return {line[0]: line[1:] for line in lines}


def test_every_hazard_has_its_row(rows):
    """In order, each once, with what goes wrong, what is done, its state and its tests."""
    assert list(rows) == HAZARDS
    assert {len(cells) for cells in rows.values()} == {4}


def test_what_is_held_names_its_tests(rows):
    """A row without a test is open, and says so."""
    states = {"held", "partly", "open"}
    assert {cells[2] for cells in rows.values()} <= states
    assert not [name for name, cells in rows.items() if cells[2] != "open" and not NAMED.search(cells[3])]


@pytest.mark.parametrize(("name", "least"), [("folio", 70), ("infiniti", 10)])
def test_every_test_that_is_named_is_there(project, name, least):
    """A test that was renamed takes its row along."""
    named = NAMED.findall((project / "docs" / f"{name}.md").read_text(encoding="utf-8"))
    assert len(named) > least
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (project / file).exists() or f"def {name}(" not in (project / file).read_text(encoding="utf-8")
    ]
    assert missing == []
