"""Checking: what stops the run, what rejects a row, and that nothing passes unseen."""

import json
from unittest.mock import patch

import polars as pl
import pytest
from great_expectations.execution_engine import pandas_execution_engine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patronload import expectations, limits, validation
from patronload.errors import ValidationError
from patronload.exports import Export
from patronload.folding import folded
from patronload.rows import ROW, no_rejects, without
from patronload.tenants import Limits
from patronload.transform import transform

MAPPING = """
target: folio
expect:
  file: [{file}]
  rows: [{rows}]
fields:
  externalSystemId: ID
  username: {{column: LOGIN, steps: [lower]}}
  barcode: CARD
"""


def export(frame):
    return Export(frame, frame.clear(), no_rejects())


def checked(mapping, frame, file="", rows="", **columns):
    count = len(next(iter(columns.values())))
    keys = {"ID": [f"i{n}" for n in range(count)], "LOGIN": [f"l{n}" for n in range(count)], "CARD": [""] * count}
    return validation.validate(export(frame(**(keys | columns))), mapping(MAPPING.format(file=file, rows=rows)))


def rejected(found):
    return dict(found.rejects.select("row", "reason").iter_rows())


def test_equal_barcodes_reject_every_row_that_has_one_and_name_the_others(mapping, frame):
    """Whose card it is cannot be told; the library gets all sides of the story."""
    found = checked(mapping, frame, CARD=["7", "8", "7", "", "", "7"])
    assert {row: reason.split(";")[0] for row, reason in rejected(found).items()} == {
        2: "CARD '7' is also in row 4, 7",
        4: "CARD '7' is also in row 2, 7",
        7: "CARD '7' is also in row 2, 4",
    }


def test_identifiers_are_compared_as_folio_compares_them(mapping, frame):
    """Without case and accents, after the mapping's own steps: otherwise FOLIO refuses the second one."""
    found = checked(mapping, frame, LOGIN=["JDoe", "jdoe", "josé", "JOSE", "ok"], ID=["Ä1", "a1", "a2", "a3", "a4"])
    assert set(rejected(found)) == {2, 3, 4, 5}
    assert found.refusals == []


@pytest.mark.parametrize("column", ["ID", "LOGIN"])
def test_what_folio_cannot_do_without_is_required_without_being_asked_for(mapping, frame, column):
    """mod-user-import refuses the whole request for one user without these."""
    found = checked(mapping, frame, **{column: ["a", " ", "b"]})
    assert list(rejected(found)) == [3]


def test_a_missing_column_stops_the_run(mapping, frame):
    """Or its field would be wiped for everybody."""
    table = frame(ID=["1"], LOGIN=["a"])
    found = validation.validate(export(table), mapping(MAPPING.format(file="", rows="")))
    assert "has no column CARD" in found.refusals[0]


def test_a_mapping_without_a_column_that_may_be_missing_still_checks_the_others(mapping, frame):
    """With source.missing_columns: keep; the checks of the missing column go, those of the others stay."""
    checks = "{expect_column_values_to_not_be_null: {column: CARD}}, {expect_column_values_to_not_be_null: {column: X}}"
    whole = mapping(MAPPING.format(file="", rows=checks))
    shorter = whole.over(["ID", "LOGIN", "X"])
    assert list(shorter.fields) == ["externalSystemId", "username"]
    found = validation.validate(export(frame(ID=["1", "2"], LOGIN=["a", "b"], X=["x", ""])), shorter)
    assert (list(rejected(found)), found.refusals) == ([3], [])


def test_a_failed_expectation_of_the_file_stops_the_run(mapping, frame):
    """In words, with the rows that are at fault."""
    check = "{expect_column_values_to_match_regex: {column: CARD, regex: '^[0-9]+$'}}"
    found = checked(mapping, frame, file=check, CARD=["1", "x", "2"])
    assert found.refusals == ["CARD is not written like ^[0-9]+$ (rows 3)."]
    assert rejected(found) == {}


def test_a_failed_expectation_of_the_rows_rejects_the_row(mapping, frame):
    """With the library's own words for it, if it gave some."""
    check = "{expect_column_value_lengths_to_equal: {column: CARD, value: 3, description: has not three digits}}"
    found = checked(mapping, frame, rows=check, CARD=["123", "12", ""])
    assert rejected(found) == {3: "CARD has not three digits: '12'"}
    assert found.refusals == []


def test_mostly_makes_an_expectation_of_the_rows_a_gate_for_the_file(mapping, frame):
    """Single slips reject their rows; when most rows are wrong it is the file that is wrong."""
    check = "{expect_column_values_to_match_regex: {column: CARD, regex: '^[0-9]+$', mostly: 0.5}}"
    found = checked(mapping, frame, rows=check, CARD=["1", "2", "x"])
    assert (list(rejected(found)), found.refusals) == ([4], [])
    found = checked(mapping, frame, rows=check, CARD=["1", "y", "x"])
    assert "at least 50% of the rows must be good" in found.refusals[0]


def test_great_expectations_takes_no_fingerprint_of_the_table(mapping, frame):
    """It costs as much as all checks together; the switch is a private name of theirs, so it is watched here."""
    assert pandas_execution_engine.HASH_THRESHOLD == 0
    with patch.object(pandas_execution_engine, "hash_pandas_dataframe", side_effect=AssertionError) as taken:
        checked(mapping, frame, rows="{expect_column_values_to_not_be_null: {column: ID}}", CARD=["1", "2"])
    taken.assert_not_called()


def test_an_expectation_that_cannot_be_looked_at_stops_the_run(mapping, frame):
    """Great Expectations does not raise then; an unlooked-at rule must not pass for a kept one."""
    check = "{expect_column_values_to_match_regex: {column: NOPE, regex: x}}"
    found = checked(mapping, frame, rows=check, CARD=["1"])
    assert "could not be looked at" in found.refusals[0]


X = {"column": "X"}
PAIR = {"column_A": "X", "column_B": "Y"}
CODES = {"value_set": ["a", "b"]}

# Of rows: the arguments, and two columns; the first row passes, the others fail.
OF_ROWS = {
    "expect_column_values_to_not_be_null": (X, ["a", ""], None),
    "expect_column_values_to_be_null": (X, ["", "a"], None),
    "expect_column_values_to_be_unique": (X, ["a", "b", "b"], None),
    "expect_compound_columns_to_be_unique": ({"column_list": ["X", "Y"]}, ["a", "a", "a"], ["1", "", ""]),
    "expect_column_values_to_match_regex": (X | {"regex": "^[0-9]+$"}, ["12", "x"], None),
    "expect_column_values_to_not_match_regex": (X | {"regex": "^T"}, ["a", "T1"], None),
    "expect_column_values_to_match_regex_list": (
        X | {"regex_list": ["^a", "b$"], "match_on": "all"},
        ["ab", "a", "b"],
        None,
    ),
    "expect_column_values_to_not_match_regex_list": (X | {"regex_list": ["^a", "^b"]}, ["c", "a", "b"], None),
    "expect_column_values_to_match_strftime_format": (
        X | {"strftime_format": "%m/%d/%Y"},
        ["9/30/2027", "30/9/2027"],
        None,
    ),
    "expect_column_values_to_be_in_set": (X | CODES, ["a", "c"], None),
    "expect_column_values_to_not_be_in_set": (X | CODES, ["c", "a"], None),
    "expect_column_value_lengths_to_equal": (X | {"value": 3}, ["007", "07"], None),
    "expect_column_value_lengths_to_be_between": (X | {"min_value": 2, "max_value": 3}, ["07", "7", "0007"], None),
    "expect_column_values_to_be_between": (X | {"min_value": 2, "max_value": 10}, ["9", "1", "11", "1x"], None),
    "expect_column_pair_values_to_be_equal": (PAIR, ["a", "a", "a"], ["a", "b", ""]),
}

# Of the file: arguments with which the three rows of X (a, b, b) pass, and others with which they fail.
OF_FILE = {
    "expect_column_unique_value_count_to_be_between": (X | {"min_value": 2}, X | {"max_value": 1}),
    "expect_column_distinct_values_to_be_in_set": (X | CODES, X | {"value_set": ["a"]}),
    "expect_column_distinct_values_to_contain_set": (X | {"value_set": ["a"]}, X | {"value_set": ["a", "c"]}),
    "expect_table_row_count_to_be_between": ({"min_value": 3, "max_value": 3}, {"max_value": 3, "strict_max": True}),
    "expect_table_row_count_to_equal": ({"value": 3}, {"value": 4}),
    "expect_table_column_count_to_be_between": ({"max_value": 4}, {"min_value": 5}),
    "expect_table_column_count_to_equal": ({"value": 4}, {"value": 3}),
    "expect_table_columns_to_match_set": (
        {"column_set": ["X", "ID"], "exact_match": False},
        {"column_set": ["X", "ID"]},
    ),
    "expect_table_columns_to_match_ordered_list": (
        {"column_list": ["ID", "LOGIN", "CARD", "X"]},
        {"column_list": ["X", "ID", "LOGIN", "CARD"]},
    ),
}


def test_each_expectation_that_is_offered_is_run_here():
    """None is offered that cannot be looked at."""
    assert [*OF_ROWS, *OF_FILE] == list(expectations.KNOWN)
    assert [name for name, known in expectations.KNOWN.items() if known.of_rows] == list(OF_ROWS)


@pytest.mark.parametrize("name", OF_ROWS)
def test_an_expectation_of_rows_rejects_the_rows_that_fail_it(mapping, frame, name):
    """All but the first, with a reason for each."""
    arguments, first, second = OF_ROWS[name]
    columns = {"X": first, "Y": second or [""] * len(first)}
    found = checked(mapping, frame, rows=json.dumps({name: arguments}), **columns)
    assert (list(rejected(found)), found.refusals) == (list(range(3, 2 + len(first))), [])
    assert all(reason.startswith("X ") for reason in rejected(found).values())


@pytest.mark.parametrize("name", OF_FILE)
def test_an_expectation_of_the_file_stops_the_run(mapping, frame, name):
    """In its own words, and only then."""
    passing, failing = OF_FILE[name]
    for arguments, stops in ((passing, False), (failing, True)):
        found = checked(mapping, frame, file=json.dumps({name: arguments}), X=["a", "b", "b"])
        assert bool(found.refusals) is stops, arguments
        assert "could not be looked at" not in "".join(found.refusals)
        assert "The file" in "".join(found.refusals) or not stops or name.startswith("expect_column")


@pytest.mark.parametrize(
    ("bounds", "bad"),
    [
        ({"min_value": 2, "max_value": 10}, ["1", "10.5", "-3"]),
        ({"min_value": 2}, ["1", "-3"]),
        ({"max_value": 9.5}, ["10", "10.5"]),
        ({"min_value": 2, "strict_min": True, "max_value": 10}, ["1", "2", "10.5", "-3"]),
    ],
)
def test_numbers_are_compared_as_numbers(mapping, frame, bounds, bad):
    """9 is below 10, which as text it is not; what is no number fails, and an empty cell passes."""
    none = ["senior", "1,000", "nan", "inf", "1e1", "0x5", "٣"]
    cells = ["1", "2", "009", "10", "10.5", "-3", "", *none]
    found = checked(mapping, frame, rows=json.dumps({expectations.BETWEEN: {"column": "X", **bounds}}), X=cells)
    assert [cells[row - 2] for row in rejected(found)] == [cell for cell in cells if cell in [*bad, *none]]
    assert "X is not a number between" in rejected(found)[2 + cells.index("senior")]
    assert found.refusals == []


def test_a_check_may_be_written_twice(mapping, frame):
    """Great Expectations would leave one of them out, and the answers would be too few for the questions."""
    check = json.dumps({expectations.BETWEEN: {"column": "X", "min_value": 2}})
    found = checked(mapping, frame, file=check, rows=f"{check}, {check}", X=["1", "2"])
    assert found.refusals == ["X is not a number between 2 and anything (rows 2)."]
    assert set(rejected(found)) == {2}


def test_the_numbers_of_a_file_stop_the_run(mapping, frame):
    """The same check below `file`."""
    check = json.dumps({expectations.BETWEEN: {"column": "X", "min_value": 1, "max_value": 6}})
    found = checked(mapping, frame, file=check, X=["1", "7", ""])
    assert found.refusals == ["X is not a number between 1 and 6 (rows 3)."]


def test_rows_that_share_an_empty_cell_and_the_rest_name_each_other(mapping, frame):
    """With a reason: an empty cell beside a full one is part of what is compared."""
    check = json.dumps({"expect_compound_columns_to_be_unique": {"column_list": ["X", "Y"]}})
    found = checked(mapping, frame, rows=check, X=["a", "a", "b"], Y=["", "", ""])
    assert rejected(found)[2].startswith("X and Y 'a' is also in row 3")


@pytest.mark.parametrize(
    ("name", "arguments", "ignoring"),
    [
        ("expect_column_pair_values_to_be_equal", PAIR, "either_value_is_missing"),
        ("expect_compound_columns_to_be_unique", {"column_list": ["X", "Y"]}, "any_value_is_missing"),
    ],
)
def test_an_empty_cell_beside_a_full_one_is_a_value_unless_it_is_to_be_ignored(
    mapping, frame, name, arguments, ignoring
):
    """As the page says: only a row whose cells are all empty passes by itself."""
    columns = {"X": ["", "", "a", "a"], "Y": ["", "", "", ""]}
    found = checked(mapping, frame, rows=json.dumps({name: arguments}), **columns)
    assert list(rejected(found)) == [4, 5]
    found = checked(mapping, frame, rows=json.dumps({name: arguments | {"ignore_row_if": ignoring}}), **columns)
    assert rejected(found) == {}


def test_checks_over_several_columns_go_with_a_column_that_may_be_missing(mapping, frame):
    """With source.missing_columns: keep. What asks for the columns of the file itself stays."""
    several = [
        {"expect_column_pair_values_to_be_equal": {"column_A": "X", "column_B": "CARD"}},
        {"expect_column_pair_values_to_be_equal": {"column_A": "CARD", "column_B": "X"}},
        {"expect_compound_columns_to_be_unique": {"column_list": ["X", "CARD"]}},
    ]
    header = [{"expect_table_columns_to_match_set": {"column_set": ["X", "CARD"], "exact_match": False}}]
    whole = mapping(MAPPING.format(file=json.dumps(header)[1:-1], rows=json.dumps(several)[1:-1]))
    found = validation.validate(export(frame(ID=["1"], LOGIN=["a"], X=["x"])), whole.over(["ID", "LOGIN", "X"]))
    assert found.refusals == ["The file does not have the columns X, CARD."]
    assert [check.expectation for check in found.checks if check.columns == ["X", "CARD"]] == []


@pytest.mark.parametrize("name", ["A\\B", "A\u00a0B", 'it\'s "q"', "A\u200eB", "sharers", "a.b"])
def test_an_expectation_sees_its_column_whatever_it_is_called(mapping, frame, name):
    """A column that is taken for unused is empty to the checks, and bad rows would pass."""
    check = {"expect_column_values_to_match_regex": {"column": name, "regex": "^[0-9]+$"}}
    found = checked(mapping, frame, rows=json.dumps(check), CARD=["1", "2"], **{name: ["7", "x"]})
    assert list(rejected(found)) == [3]


def test_the_sentences_of_the_checks_hold_no_values(mapping, frame):
    """They go to the report and into the mail; the values are in the rejects file only."""
    found = checked(mapping, frame, CARD=["secret", "secret", "x"], LOGIN=["", "b", "c"])
    told = " ".join(check.sentence for check in found.checks) + " ".join(found.rejects["summary"])
    assert "secret" not in told
    assert "secret" in " ".join(found.rejects["reason"])


def test_the_limits_stop_a_run_that_is_too_short_or_too_faulty():
    """At the limit is within it."""
    allowed = Limits(fewest_rows=10, most_rejects="20%")
    nine, ten = (export(pl.DataFrame({ROW: range(rows)})) for rows in (9, 10))
    limits.check(allowed, ten, 2)
    with pytest.raises(ValidationError, match="wants at least 10"):
        limits.check(allowed, nine, 0)
    with pytest.raises(ValidationError, match="3 of 10 rows are rejected"):
        limits.check(allowed, ten, 3)
    with pytest.raises(ValidationError, match="allows 0"):
        limits.check(Limits(most_rejects=0), ten, 1)


def test_the_limits_do_not_hold_for_a_rejects_file_that_comes_back():
    """The mail asks for it to be mended and sent again; it is a handful of rows, and some may still be wrong."""
    limits.check(Limits(fewest_rows=1000), export(pl.DataFrame({ROW: [2]}))._replace(mended=True), 1)


def test_folding_is_that_of_postgresql():
    """What select lower(unaccent(...)) gave in a PostgreSQL 15; in planes 0 to 2 only newer capitals differ."""
    told = {
        "JOSÉ": "jose",
        "Ærø": "aero",
        "Straße": "strasse",
        "ŁÓDŹ": "lodz",
        "ﬁn": "fin",
        "O’Brien": "o'brien",
        "½": "1/2",
    }
    kept = {"हिन्दी": "हिन्दी", "北京": "北京", "e\u0301": "e", "ё": "е", "a b": "a b"}
    pairs = told | kept
    made = pl.DataFrame({"t": list(pairs)}).select(folded(pl.col("t")))["t"].to_list()
    assert made == list(pairs.values())


KEYS = st.sampled_from(["", "a", "A", "á", "b", "c", "d", " e", "f"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(KEYS, KEYS, KEYS), min_size=1, max_size=8))
def test_every_row_becomes_a_patron_or_a_reject(mapping, frame, rows):
    """And the patrons that are left share no identifier, as FOLIO compares them."""
    ids, logins, cards = (list(column) for column in zip(*rows, strict=True))
    table = frame(ID=ids, LOGIN=logins, CARD=cards)
    rules = mapping(MAPPING.format(file="", rows=""))
    found = validation.validate(export(table), rules)
    made = transform(table, rules, found.rejects)
    assert {*made.patrons["row"], *found.rejects["row"]} == set(table[ROW])
    assert made.patrons.height == without(table, found.rejects).height
    for key in ("externalSystemId", "username", "barcode"):
        values = made.patrons.select(folded(pl.col(key)))[key].drop_nulls()
        assert values.n_unique() == len(values)
