"""Rows that a mapping skips: who they are, and that nothing else happens to them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patronload.checks import validation
from patronload.exports.reading import Export
from patronload.mapping.skipping import find_skipped
from patronload.mapping.transform import transform
from patronload.rows import ROW, no_rejects, without

MAPPING = """
target: folio
skip:
  {skip}
fields:
  externalSystemId: ID
  username: ID
  barcode: CARD
  patronGroup: {{column: ROLE, lookup: groups}}
lookups:
  groups: {{UG: undergrad}}
"""


def skipping(mapping, skip):
    return mapping(MAPPING.format(skip=skip))


def skipped_rows(frame, rules):
    return find_skipped(frame, rules)["row"].to_list()


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("{column: ROLE, is: ALUM}", [3]),
        ("{column: ROLE, is: [ALUM, UG]}", [2, 3, 5]),
        ("{column: ROLE, is_not: UG}", [3, 4, 6]),
        ("{column: ROLE, blank: true}", [4]),
        ("{column: ROLE, blank: false}", [2, 3, 5, 6]),
        ("{column: ROLE, matches: '^AL'}", [3]),
        ("{column: ROLE, matches: '(?i)^al'}", [3, 6]),
        ("{column: ROLE, is: UG, and: [{column: CARD, blank: true}]}", [5]),
        ("{column: ROLE, is: UG, and: [{column: CARD, blank: false, and: [{column: ID, is: '9'}]}]}", []),
    ],
)
def test_a_condition_holds_for_these_rows(mapping, frame, condition, rows):
    """Cells are compared without the blanks around them, and with their case; a blank cell is none of any list."""
    table = frame(ID=list("01234"), ROLE=[" UG ", "ALUM", " ", "UG", "alum"], CARD=["7", "8", "9", " ", ""])
    assert skipped_rows(table, skipping(mapping, f"- {condition}")) == rows


def test_a_skipped_row_is_reported_once_with_the_first_rule_that_holds(mapping, frame):
    """A row that two rules skip is counted once; the key is there for whoever has to know the patron."""
    rules = skipping(mapping, "- {column: ROLE, is: ALUM, reason: alumni}\n  - {column: CARD, blank: true}")
    found = find_skipped(frame(ID=["a", "b", "c"], ROLE=["ALUM", "UG", "UG"], CARD=["", "", "1"]), rules)
    assert found.rows() == [(2, "alumni", "a"), (3, "CARD is blank", "b")]


def test_a_skipped_row_is_neither_checked_nor_rejected(mapping, frame):
    """Whatever is wrong with it: a missing id, an unknown code, a card that another row has."""
    rules = skipping(mapping, "- {column: ROLE, is: ALUM}")
    table = frame(ID=["1", "", "3"], ROLE=["UG", "ALUM", "ALUM"], CARD=["7", "7", "2.1E+12"])
    found = validation.validate(Export(table, table.clear(), no_rejects()), rules)
    assert found.skipped["row"].to_list() == [3, 4]
    assert found.rejects.is_empty()
    made = transform(without(table, found.skipped), rules, found.rejects)
    assert made.patrons["row"].to_list() == [2]


def test_a_rule_without_its_column_stops_the_run(mapping, frame):
    """Otherwise the rows that it is there for would be loaded."""
    rules = skipping(mapping, "- {column: STATUS, is: LEFT}")
    table = frame(ID=["1"], ROLE=["UG"], CARD=["7"])
    rules = rules.over(table.columns)
    found = validation.validate(Export(table, table.clear(), no_rejects()), rules)
    assert "STATUS" in found.refusals[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cells=st.lists(st.text(alphabet="AB \t", max_size=3), min_size=1, max_size=8))
def test_a_row_is_skipped_or_loaded_and_never_both_or_neither(mapping, frame, cells):
    """Every row is accounted for."""
    rules = skipping(mapping, "- {column: ROLE, is: A}\n  - {column: ROLE, matches: 'B.*B'}")
    table = frame(ID=[f"{n}" for n in range(len(cells))], ROLE=cells, CARD=[""] * len(cells))
    left_out = find_skipped(table, rules)["row"].to_list()
    rest = without(table, find_skipped(table, rules))
    assert sorted([*left_out, *rest[ROW]]) == table[ROW].to_list()
    for row, cell in zip(table[ROW].to_list(), cells, strict=True):
        assert (row in left_out) == (cell.strip() == "A" or cell.count("B") > 1)
