"""Checking: what stops the run, what rejects a row, and that nothing passes unseen."""

import gc
import json
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pandas as pd
import polars as pl
import pytest
from great_expectations.execution_engine import pandas_execution_engine
from hypothesis import given, settings
from hypothesis import strategies as st

from patronload.checks import great_expectations, limits, validation
from patronload.checks.validation import MATTERS
from patronload.config import expectations
from patronload.config.mapping import Expectation
from patronload.config.source import Layout
from patronload.config.tenants import Limits
from patronload.errors import ConfigError
from patronload.exports import reading
from patronload.exports.reading import Export
from patronload.folding import fold_cells
from patronload.mapping.transform import transform
from patronload.rows import ROW, blank_noted, no_rejects, without

MAPPING = """
target: folio
expect:
  file: [{file}]
  rows: [{rows}]
  blank: [{blank}]
  warn: [{warn}]
fields:
  externalSystemId: ID
  username: {{column: LOGIN, steps: [lower]}}
  barcode: CARD
"""


def export(frame):
    return Export(frame, frame.clear(), no_rejects())


def written(**scopes):
    """The mapping above, with these expectations."""
    return MAPPING.format(**(dict.fromkeys(("file", "rows", "blank", "warn"), "") | scopes))


def checked(mapping, frame, file="", rows="", blank="", warn="", **columns):
    count = len(next(iter(columns.values())))
    keys = {"ID": [f"i{n}" for n in range(count)], "LOGIN": [f"l{n}" for n in range(count)], "CARD": [""] * count}
    rules = mapping(written(file=file, rows=rows, blank=blank, warn=warn))
    return validation.validate(export(frame(**(keys | columns))), rules)


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


@pytest.mark.parametrize(
    ("column", "cells"), [("CARD", ["008", "008", "9"]), ("ID", ["i1", "i1", "i2"]), ("LOGIN", ["a", "b", "b"])]
)
def test_a_check_that_is_built_in_gives_one_reason_only(mapping, frame, column, cells):
    """A mapping that asks for unique cards, too, does not say everything twice."""
    check = json.dumps({"expect_column_values_to_be_unique": {"column": column}})
    found = checked(mapping, frame, rows=check, **({"CARD": ["", "", ""]} | {column: cells}))
    assert found.rejects["row"].to_list() == ([2, 3] if cells[0] == cells[1] else [3, 4])
    assert set(found.rejects["column"]) == {column}


@pytest.mark.parametrize(
    "check",
    [
        {"expect_column_values_to_not_be_null": {"column": "ID"}},
        {"expect_column_values_to_not_be_null": {"column": "LOGIN"}},
        {"expect_compound_columns_to_be_unique": {"column_list": ["ID", "LOGIN"]}},
    ],
)
def test_an_empty_cell_is_one_reason(mapping, frame, check):
    """If a mapping asks for it, too, and if two fields are filled from it."""
    found = checked(mapping, frame, rows=json.dumps(check), ID=["1", "", "3"], LOGIN=["a", "", "c"])
    assert found.rejects.select("row", "column").rows() == [(3, "ID"), (3, "LOGIN")]
    rules = mapping("target: folio\nfields:\n  externalSystemId: ID\n  username: ID\n  barcode: CARD\n")
    table = frame(ID=["1", " "], CARD=["7", "8"])
    twice = validation.validate(Export(table, table.clear(), no_rejects()), rules)
    assert twice.rejects["reason"].to_list() == ["ID is empty; externalSystemId is required: fill it in"]


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
    found = validation.validate(export(table), mapping(written()))
    assert "has no column CARD" in found.refusals[0]


def test_a_mapping_without_a_column_that_may_be_missing_still_checks_the_others(mapping, frame):
    """With source.missing_columns: keep; the checks of the missing column go, those of the others stay."""
    checks = "{expect_column_values_to_not_be_null: {column: CARD}}, {expect_column_values_to_not_be_null: {column: X}}"
    whole = mapping(written(rows=checks))
    shorter = whole.over(["ID", "LOGIN", "X"])
    assert list(shorter.fields) == ["externalSystemId", "username"]
    found = validation.validate(export(frame(ID=["1", "2"], LOGIN=["a", "b"], X=["x", ""])), shorter)
    assert (list(rejected(found)), found.refusals) == ([3], [])


def test_a_failed_expectation_of_the_file_stops_the_run(mapping, frame):
    """In words, with the rows that are at fault."""
    check = "{expect_column_values_to_match_regex: {column: CARD, regex: '^[0-9]+$'}}"
    found = checked(mapping, frame, file=check, CARD=["1", "x", "2"])
    assert found.refusals == ["CARD does not match the pattern ^[0-9]+$ (rows 3)."]
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


def test_what_mostly_wants_is_told_as_it_is_written(mapping, frame):
    """Of 0.995 it was said that all rows must be good."""
    check = "{expect_column_values_to_match_regex: {column: CARD, regex: '^[0-9]+$', mostly: 0.995}}"
    (refusal,) = checked(mapping, frame, rows=check, CARD=["1", "2", "x"]).refusals
    assert "at least 99.5% of the rows must be good" in refusal


def test_great_expectations_takes_no_fingerprint_of_the_table(mapping, frame):
    """It costs as much as all checks together; the switch is a private name of theirs, so it is watched here."""
    assert pandas_execution_engine.HASH_THRESHOLD == 0
    with patch.object(pandas_execution_engine, "hash_pandas_dataframe", side_effect=AssertionError) as taken:
        checked(mapping, frame, rows="{expect_column_values_to_not_be_null: {column: ID}}", CARD=["1", "2"])
    taken.assert_not_called()


@pytest.mark.parametrize("column", ["CARD", "no such column"])
def test_great_expectations_lets_go_of_a_table(column):
    """A table of a million rows would stay in memory beside the next one, also after a check that could not be made."""
    table = pd.DataFrame({"CARD": ["1", None]}, index=[2, 3])
    gone = weakref.ref(table)
    expectation = Expectation(name="expect_column_values_to_not_be_null", arguments={"column": column})
    (found,) = great_expectations.results(table, [expectation])
    del table
    gc.collect()
    assert gone() is None
    assert great_expectations.failing_rows(expectation.name, found) == ([3] if column == "CARD" else None)


def test_tables_of_two_threads_are_not_mistaken_for_each_other(monkeypatch):
    """What is set up once is shared, and answers of the table that it was given last."""
    name, real, having = "expect_column_values_to_not_be_null", great_expectations.evaluate, []

    def put(table, made):
        having.append(table)
        time.sleep(0.05)
        return real(having[-1], made)

    def failing(odd):
        table = pd.DataFrame({"CARD": [None if row % 2 == odd else "1" for row in range(20)]})
        asked = [Expectation(name=name, arguments={"column": "CARD"})]
        return great_expectations.failing_rows(name, *great_expectations.results(table, asked))

    monkeypatch.setattr(great_expectations, "evaluate", put)
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(failing, [0, 1])] == [[*range(0, 20, 2)], [*range(1, 20, 2)]]


def test_an_expectation_that_cannot_be_looked_at_stops_the_run(mapping, frame):
    """Great Expectations does not raise then; an unlooked-at rule must not pass for a kept one."""
    check = "{expect_column_values_to_match_regex: {column: NOPE, regex: x}}"
    found = checked(mapping, frame, rows=check, CARD=["1"])
    assert "could not be evaluated" in found.refusals[0]


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
        assert "could not be evaluated" not in "".join(found.refusals)
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
    assert "X is not a number " in rejected(found)[2 + cells.index("senior")]
    assert found.refusals == []


def test_a_check_may_be_written_twice(mapping, frame):
    """Great Expectations would leave one of them out, and the answers would be too few for the questions."""
    check = json.dumps({expectations.BETWEEN: {"column": "X", "min_value": 2}})
    found = checked(mapping, frame, file=check, rows=f"{check}, {check}", X=["1", "2"])
    assert found.refusals == ["X is not a number of at least 2 (rows 2)."]
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
    whole = mapping(written(file=json.dumps(header)[1:-1], rows=json.dumps(several)[1:-1]))
    found = validation.validate(export(frame(ID=["1"], LOGIN=["a"], X=["x"])), whole.over(["ID", "LOGIN", "X"]))
    assert found.refusals == ["The file does not have the columns X, CARD."]
    assert [check.expectation for check in found.checks if check.columns == ["X", "CARD"]] == []


@pytest.mark.parametrize("scope", ["file", "rows", "blank", "warn"])
def test_whatever_a_rule_does_one_that_was_not_looked_at_stops_the_run(mapping, frame, scope):
    """A warning that is not looked at would be silence; a rule for cells would let all of them through."""
    check = "{expect_column_values_to_match_regex: {column: NOPE, regex: x}}"
    found = checked(mapping, frame, **{scope: check}, CARD=["1"])
    assert "could not be evaluated" in found.refusals[0]
    assert [check.scope for check in found.checks if not check.passed] == ["file"]


ALL_KINDS = [
    ("expect_column_values_to_not_be_null", {}, [4]),
    ("expect_column_values_to_be_null", {}, [2, 3, 5, 6]),
    ("expect_column_values_to_be_unique", {}, [2, 3]),
    ("expect_compound_columns_to_be_unique", {"column_list": ["A", "B"]}, [2, 3]),
    ("expect_column_values_to_match_regex", {"regex": "^[0-9]+$"}, [5, 6]),
    ("expect_column_values_to_not_match_regex", {"regex": "^[0-9]+$"}, [2, 3]),
    ("expect_column_values_to_match_regex_list", {"regex_list": ["^[0-9]+$", "^x"]}, [6]),
    ("expect_column_values_to_not_match_regex_list", {"regex_list": ["^[0-9]+$", "^x"]}, [2, 3, 5]),
    ("expect_column_values_to_match_strftime_format", {"strftime_format": "%H"}, [5, 6]),
    ("expect_column_values_to_be_in_set", {"value_set": ["10"]}, [5, 6]),
    ("expect_column_values_to_not_be_in_set", {"value_set": ["10"]}, [2, 3]),
    ("expect_column_value_lengths_to_equal", {"value": 2}, [5, 6]),
    ("expect_column_value_lengths_to_be_between", {"min_value": 2, "max_value": 2}, [5, 6]),
    ("expect_column_values_to_be_between", {"min_value": 2, "max_value": 9}, [2, 3, 5, 6]),
    ("expect_column_values_to_be_between", {"min_value": 9}, [5, 6]),
    ("expect_column_pair_values_to_be_equal", {"column_A": "A", "column_B": "B"}, [3, 5]),
]


@pytest.mark.parametrize(("name", "arguments", "rows"), ALL_KINDS)
def test_every_kind_of_check_finds_its_rows_and_can_look_at_empty_columns(mapping, frame, name, arguments, rows):
    """Each that a mapping may have: the failing rows, none in an empty file, and no stop in a column that is empty."""
    named = arguments if any("column" in key for key in arguments) else {"column": "A"} | arguments
    check = json.dumps({name: named})
    cells = {"A": ["10", "10", "", "x", "yy z"], "B": ["10", "", "10", "y", "yy z"]}
    cells["B"] = ["10", "10", "", "x", "yy z"] if name == "expect_compound_columns_to_be_unique" else cells["B"]
    if "pair" in name:
        rows = [row for row, pair in enumerate(zip(cells["A"], cells["B"], strict=True), 2) if pair[0] != pair[1]]
        rows = [row for row in rows if row in (3, 4, 5)]
    found = checked(mapping, frame, rows=check, CARD=["1", "2", "3", "4", "5"], **cells)
    assert found.refusals == []
    told = found.checks[-1]
    assert (list(told.rows), told.failed, told.looked_at) == (rows, len(rows), 5)
    assert told.arguments == named
    assert sorted(rejected(found)) == rows
    for emptied in ({"CARD": [], "A": [], "B": []}, {"CARD": ["1"], "A": [""], "B": [" "]}):
        assert checked(mapping, frame, rows=check, **emptied).refusals == []


def test_every_kind_of_check_of_rows_is_in_that_list():
    """A new one has to find its rows."""
    kinds = {name for name, known in expectations.KNOWN.items() if known.of_rows}
    assert kinds == {name for name, *_ in ALL_KINDS}


UNIQUE = "expect_column_values_to_be_unique"


def changed_results(monkeypatch, change):
    """Have Great Expectations' results changed before anybody reads them."""
    real = great_expectations.results

    def results(table, expectations):
        made = real(table, expectations)
        for result in made:
            change(result)
        return made

    monkeypatch.setattr(great_expectations, "results", results)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda result: result.result.clear(), id="no details"),
        pytest.param(lambda result: result.result.pop("unexpected_index_list", None), id="no rows"),
        pytest.param(lambda result: result.result.pop("unexpected_count", None), id="no count"),
        pytest.param(
            lambda result: result.result.update(
                unexpected_index_list=result.result.get("unexpected_index_list", [])[1:]
            ),
            id="not all rows",
        ),
        pytest.param(
            lambda result: result.exception_info.update(a_metric={"raised_exception": True}), id="a metric raised"
        ),
        pytest.param(lambda result: result.exception_info.update(raised_exception=True), id="it raised"),
    ],
)
def test_half_an_answer_stops_the_run(mapping, frame, monkeypatch, change):
    """Fewer rows than it counts, none at all, or an exception in one of its figures: nothing of that is a pass."""
    changed_results(monkeypatch, change)
    found = checked(mapping, frame, CARD=["7", "7", "8"])
    assert any("could not be evaluated" in refusal for refusal in found.refusals)


def test_an_exception_of_one_figure_is_seen_by_great_expectations_own_account(mapping, frame, monkeypatch):
    """A real exception in the computation of a real metric, in a rule that rejects rows."""

    def fail(*_, **__):
        raise ValueError("Adams, Ann")

    monkeypatch.setattr("pandas.Series.duplicated", fail)
    found = checked(mapping, frame, CARD=["7", "7", "8"])
    assert f"{UNIQUE} could not be evaluated" in " ".join(found.refusals)
    assert "Adams" not in json.dumps([check._asdict() for check in found.checks])


def test_an_answer_that_is_missing_is_no_pass(mapping, frame, monkeypatch):
    """One result fewer than was asked for: nobody knows whose it is."""
    real = great_expectations.results
    monkeypatch.setattr(great_expectations, "results", lambda *given: [*real(*given)[:-1], None])
    found = checked(mapping, frame, CARD=["7", "7", "8"])
    assert "could not be evaluated" in found.refusals[0]


def test_the_same_check_twice_is_answered_twice(mapping, frame):
    """A mapping and a tenant file may ask the same with different consequences; it would take both for one."""
    digits = "{expect_column_values_to_match_regex: {column: CARD, regex: '^[0-9]+$'}}"
    between = "{expect_column_values_to_be_between: {column: CARD, min_value: 5}}"
    below = "{expect_column_values_to_be_between: {column: CARD, max_value: 5}}"
    found = checked(
        mapping,
        frame,
        rows=f"{digits}, {digits}, {between}",
        warn=f"{digits}, {between}, {below}, {{expect_column_values_to_not_be_null: {{column: CARD}}}}",
        file="{expect_column_values_to_not_be_null: {column: ID}}",
        CARD=["7", "x", "1"],
    )
    assert found.refusals == []
    told = [(check.scope, check.failed) for check in found.checks if check.columns == ["CARD"] and not check.passed]
    assert told == [("rows", 1), ("rows", 1), ("rows", 2), ("warn", 1), ("warn", 2), ("warn", 2)]
    assert set(found.rejects["row"]) == {3, 4}
    assert noted(found) == [(2, "warn", "CARD", "7"), *[(3, "warn", "CARD", "x")] * 3, (4, "warn", "CARD", "1")]


MAIL = "{expect_column_values_to_match_regex: {column: MAIL, regex: '^[^@ ]+@[^@ ]+$'}}"


def noted(found):
    return list(found.noted.select("row", "effect", "column", "value").iter_rows())


def test_a_failed_expectation_of_blank_empties_the_cell_and_keeps_the_row(mapping, frame):
    """It is told row by row with what stood there; in the summary, which goes to the mail, it does not stand."""
    found = checked(mapping, frame, blank=MAIL, CARD=["1", "2", "3"], MAIL=["a@b.example", "secret", ""])
    assert (rejected(found), found.refusals) == ({}, [])
    assert noted(found) == [(3, "blank", "MAIL", "secret")]
    assert found.noted["summary"].to_list() == [
        "MAIL does not match the pattern ^[^@ ]+@[^@ ]+$; the cell counts as empty"
    ]
    table = frame(MAIL=["a@b.example", "secret", ""], CARD=["1", "2", "3"])
    assert blank_noted(table, found.noted)["MAIL"].to_list() == ["a@b.example", "", ""]
    assert blank_noted(table, found.noted)["CARD"].to_list() == ["1", "2", "3"]


def test_an_emptied_cell_is_an_empty_one_to_every_other_check(mapping, frame):
    """Also to those that are not asked for: two cards that are emptied are not the same card."""
    found = checked(
        mapping,
        frame,
        blank="{expect_column_value_lengths_to_equal: {column: CARD, value: 3}}",
        rows="{expect_column_values_to_not_be_null: {column: CARD}}",
        CARD=["123", "7", "7"],
    )
    assert rejected(found) == {3: "CARD is empty", 4: "CARD is empty"}
    assert [row for row, *_ in noted(found)] == [3, 4]


def test_a_failed_expectation_of_warn_is_only_told(mapping, frame):
    """Of single rows with their numbers, of the file as a whole as one sentence."""
    found = checked(
        mapping,
        frame,
        warn=f"{MAIL}, {{expect_table_row_count_to_be_between: {{min_value: 100}}}}",
        CARD=["1", "2"],
        MAIL=["a@b.example", "x"],
    )
    assert (rejected(found), found.refusals) == ({}, [])
    assert noted(found) == [(3, "warn", "MAIL", "x")]
    told = [(check.scope, check.failed, check.sentence) for check in found.checks if not check.passed]
    assert told == [
        ("warn", 1, "MAIL does not match the pattern ^[^@ ]+@[^@ ]+$ (rows 3)."),
        ("warn", 0, "The file does not have at least 100 rows."),
    ]


def test_mostly_in_the_other_scopes(mapping, frame):
    """Below blank it is a gate as below rows; below warn it is what may be without a word."""
    mostly = MAIL.replace(", regex:", ", mostly: 0.5, regex:")
    cells = {"CARD": ["1", "2", "3"], "MAIL": ["a@b.example", "c@d.example", "x"]}
    few = checked(mapping, frame, warn=mostly, blank=mostly, **cells)
    assert ([row for row, effect, *_ in noted(few) if effect == "blank"], few.refusals) == ([4], [])
    assert [effect for _, effect, *_ in noted(few)] == ["blank"]
    many = checked(mapping, frame, blank=mostly, **(cells | {"MAIL": ["y", "c@d.example", "x"]}))
    assert "at least 50% of the rows must be good" in many.refusals[0]
    warned = checked(mapping, frame, warn=mostly, **(cells | {"MAIL": ["y", "c@d.example", "x"]}))
    assert ([row for row, *_ in noted(warned)], warned.refusals) == ([2, 4], [])


@pytest.mark.parametrize(
    ("check", "complaint"),
    [
        (
            "{expect_column_pair_values_to_be_equal: {column_A: CARD, column_B: LOGIN}}",
            "so no single cell can be emptied",
        ),
        ("{expect_compound_columns_to_be_unique: {column_list: [CARD, LOGIN]}}", "so no single cell can be emptied"),
        ("{expect_table_row_count_to_equal: {value: 3}}", "Move it to 'file' or 'warn'"),
        (
            "{expect_column_values_to_be_unique: {column: ID}}",
            "cannot be emptied, because externalSystemId is required",
        ),
        ("{expect_column_values_to_be_unique: {column: LOGIN}}", "cannot be emptied, because username is required"),
    ],
)
def test_what_cannot_be_emptied_is_told_beforehand(mapping, frame, check, complaint):
    """By `patronload check` already: a rule that would reject every bad row is not what blank says."""
    with pytest.raises(ConfigError, match=complaint):
        checked(mapping, frame, blank=check, CARD=["1"])


def test_every_failing_row_is_told_whatever_follows_from_it(mapping, frame):
    """By the place of the check, and without values; thousands of them, though 200 is as many as they would show."""
    count = 5000
    columns = {
        "CARD": ["7" if number % 2 else f"c{number}" for number in range(count)],
        "MAIL": ["x" if number % 5 == 0 else "a@b.example" for number in range(count)],
        "ROLE": ["UG" if number % 3 else "XX" for number in range(count)],
    }
    role = "{expect_column_values_to_be_in_set: {column: ROLE, value_set: [UG]}}"
    found = checked(mapping, frame, warn=MAIL, rows=role, **columns)
    expected = {
        "folded barcode": [2 + number for number in range(count) if number % 2],
        "MAIL": [2 + number for number in range(count) if number % 5 == 0],
        "ROLE": [2 + number for number in range(count) if number % 3 == 0],
    }
    for place, check in enumerate(found.checks):
        rows = found.failing.filter(pl.col("check") == place)["row"].to_list()
        assert rows == expected.get(check.arguments.get("column", ""), [])
        assert check.failed == len(rows)
        assert list(check.rows) == rows[: validation.ROWS_NAMED]
        assert check.looked_at in (None, count)
    assert [row for row, *_ in noted(found)] == expected["MAIL"]
    assert set(expected["ROLE"]) <= set(rejected(found))
    assert found.failing.schema == {"check": pl.UInt16, "row": pl.UInt32}


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
    allowed = Limits(min_rows=10, max_rejects="20%")
    nine, ten = (export(pl.DataFrame({ROW: range(rows)})) for rows in (9, 10))
    assert limits.breaches(allowed, ten, 2) == []
    assert "requires at least 10" in "".join(limits.breaches(allowed, nine, 0))
    assert "3 of 10 rows are rejected" in "".join(limits.breaches(allowed, ten, 3))
    assert "allows 0" in "".join(limits.breaches(Limits(max_rejects=0), ten, 1))


def test_the_limits_do_not_hold_for_a_rejects_file_that_comes_back():
    """The mail asks for it to be mended and sent again; it is a handful of rows, and some may still be wrong."""
    assert limits.breaches(Limits(min_rows=1000), export(pl.DataFrame({ROW: [2]}))._replace(mended=True), 1) == []


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
    made = pl.DataFrame({"t": list(pairs)}).select(fold_cells(pl.col("t")))["t"].to_list()
    assert made == list(pairs.values())


KEYS = st.sampled_from(["", "a", "A", "á", "b", "c", "d", " e", "f"])


@settings(max_examples=25)
@given(rows=st.lists(st.tuples(KEYS, KEYS, KEYS), min_size=1, max_size=8))
def test_every_row_becomes_a_patron_or_a_reject(mapping, frame, rows):
    """And the patrons that are left share no identifier, as FOLIO compares them."""
    ids, logins, cards = (list(column) for column in zip(*rows, strict=True))
    table = frame(ID=ids, LOGIN=logins, CARD=cards)
    rules = mapping(written())
    found = validation.validate(export(table), rules)
    made = transform(table, rules, found.rejects)
    assert {*made.patrons["row"], *found.rejects["row"]} == set(table[ROW])
    assert made.patrons.height == without(table, found.rejects).height
    for key in ("externalSystemId", "username", "barcode"):
        values = made.patrons.select(fold_cells(pl.col(key)))[key].drop_nulls()
        assert values.n_unique() == len(values)


@pytest.fixture
def odd_delivery(mapping):
    """An export with each of the things that can be the matter with a row; the rows in which it is."""
    text = "ID,LOGIN,CARD,SURNAME\n1,a,01,Ash\n2,b,02\n3,c,03,Cole\n3,c,03,Cole\n5,e,2.1E+12,Eve\n6,f,06,JosÃ©\n"
    fields = "externalSystemId: ID, username: LOGIN, barcode: CARD, personal.lastName: SURNAME"
    rules = mapping(f"target: folio\nfields: {{{fields}}}\n")
    return reading.read(text.encode(), Layout()), rules


def test_great_expectations_is_the_validator_of_what_is_looked_for_without_being_asked(odd_delivery):
    """Each thing is a check of its own with its rows; the rejects say the same."""
    read, rules = odd_delivery
    found = validation.validate(read, rules)
    by_matter = {check.arguments["column"]: check for check in found.checks if check.arguments.get("column") in MATTERS}
    assert {name: check.rows for name, check in by_matter.items()} == {
        "not whole": (3,),
        "repeated": (5,),
        "spoilt number": (6,),
        "garbled text": (7,),
    }
    assert {check.expectation for check in by_matter.values()} == {"expect_column_values_to_be_null"}
    assert {check.looked_at for check in by_matter.values()} == {6}
    assert set(found.rejects["row"]) == {3, 5, 6, 7}
    assert set(found.failing["row"]) >= {3, 5, 6, 7}
    assert not found.refusals


@pytest.mark.parametrize("matter", MATTERS)
def test_what_great_expectations_could_not_look_at_stops_the_run(odd_delivery, monkeypatch, matter):
    """Also where we ourselves have seen what is the matter with the rows."""
    real = great_expectations.results

    def results(table, expectations):
        made = real(table, expectations)
        asked = [each.arguments.get("column") for each in expectations]
        return [None if column == matter else result for column, result in zip(asked, made, strict=True)]

    monkeypatch.setattr(great_expectations, "results", results)
    (refusal,) = validation.validate(*odd_delivery).refusals
    assert "could not be evaluated" in refusal


@pytest.mark.parametrize(
    ("name", "arguments", "rows"),
    [
        ("expect_column_values_to_match_regex", {"regex": r"^(\w+)*$"}, [3]),
        ("expect_column_values_to_not_match_regex", {"regex": r"^(\w+)*$"}, [2, 4]),
        ("expect_column_values_to_match_regex_list", {"regex_list": [r"^(\w+)*$", "^[aé]"], "match_on": "all"}, [3]),
        ("expect_column_values_to_not_match_regex_list", {"regex_list": [r"^(\w+)*$", "x"]}, [2, 4]),
    ],
)
def test_patterns_are_matched_in_linear_time(name, arguments, rows):
    """Pandas would take Python's engine here, because one cell has an accent, and that would need years for another."""
    table = pd.DataFrame({"NAME": ["é", "a" * 60 + "!", "ab", None]}, dtype="str").set_axis(pd.RangeIndex(2, 6))
    (result,) = great_expectations.results(table, [Expectation(name=name, arguments={"column": "NAME", **arguments})])
    assert great_expectations.failing_rows(name, result) == rows


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?!a)b", "(?<=a)b", "(?<!a)b", r"(a)\1", "(?P<x>a)(?P=x)", r"a\Z"])
def test_a_pattern_that_cannot_be_matched_in_linear_time_is_refused(pattern):
    """When the file is checked, with the words that help, and not when the export has arrived."""
    asked = {"expect": {"rows": [{"expect_column_values_to_match_regex": {"column": "A", "regex": pattern}}]}}
    ((_, sentence),) = expectations.mistakes(asked)
    assert "linear time" in sentence
    taken = {"expect": {"rows": [{"expect_column_values_to_match_regex": {"column": "A", "regex": r"^(?:a|b)\d\\1$"}}]}}
    assert list(expectations.mistakes(taken)) == []


EVERY_KIND = [
    {"expect_column_values_to_not_be_null": {"column": "CARD"}},
    {"expect_column_values_to_be_null": {"column": "NOTE"}},
    {"expect_column_values_to_be_unique": {"column": "CARD"}},
    {"expect_compound_columns_to_be_unique": {"column_list": ["NOTE", "CODE"]}},
    {"expect_column_values_to_match_regex": {"column": "CARD", "regex": "^[0-9]+$"}},
    {"expect_column_values_to_match_regex": {"column": "CODE", "regex": "^[A-C]$", "mostly": 0.6}},
    {"expect_column_values_to_not_match_regex": {"column": "CARD", "regex": "^9"}},
    {"expect_column_values_to_match_regex_list": {"column": "CARD", "regex_list": ["^1", "^2"], "match_on": "any"}},
    {"expect_column_values_to_not_match_regex_list": {"column": "CARD", "regex_list": ["^3", "^4"]}},
    {"expect_column_values_to_match_strftime_format": {"column": "DAY", "strftime_format": "%d.%m.%Y"}},
    {"expect_column_values_to_be_in_set": {"column": "CODE", "value_set": ["A", "B"]}},
    {"expect_column_values_to_not_be_in_set": {"column": "CODE", "value_set": ["C"]}},
    {"expect_column_value_lengths_to_equal": {"column": "CARD", "value": 2}},
    {"expect_column_value_lengths_to_be_between": {"column": "NOTE", "max_value": 3}},
    {"expect_column_values_to_be_between": {"column": "NUMBER", "min_value": 2, "max_value": 5}},
    {"expect_column_pair_values_to_be_equal": {"column_A": "CODE", "column_B": "NOTE"}},
]
OF_THE_FILE = [
    {"expect_column_unique_value_count_to_be_between": {"column": "CODE", "min_value": 3}},
    {"expect_column_distinct_values_to_contain_set": {"column": "CODE", "value_set": ["A", "Z"]}},
    {"expect_table_row_count_to_be_between": {"min_value": 5}},
    {"expect_table_column_count_to_equal": {"value": 8}},
    {"expect_table_columns_to_match_ordered_list": {"column_list": ["LOGIN", "ID"]}},
]


@pytest.mark.parametrize("scope", ["file", "rows", "blank", "warn"])
@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_a_large_file_is_checked_in_parts_with_the_same_result(mapping, frame, monkeypatch, scope, at_once):
    """Each check that looks at a row alone gets the file in parts; no check, reject or note differs."""
    fits = [one for one in EVERY_KIND if scope != "blank" or "column" in next(iter(one.values()))]
    listed = {scope: ", ".join(map(json.dumps, [*fits, *(OF_THE_FILE if scope in ("file", "warn") else [])]))}
    columns = {
        "CARD": ["12", "", "12", "94", "x", "33", "", "21", "22"],
        "CODE": ["A", "B", "A", "", "C", "B", "D", "A", "A"],
        "NOTE": ["", "B", "", "", "long", "B", "", "A", "A"],
        "DAY": ["01.02.2027", "", "31.02.2027", "", "1/2/27", "", "", "", ""],
        "NUMBER": ["1", "3", "", "9", "x", "2", "5", "", ""],
    }
    checks = {"frame": frame, "mapping": mapping, **listed, **columns, "EMPTY": [""] * 9}
    whole = checked(**checks)
    calls = []
    monkeypatch.setattr(validation, "ROWS_AT_ONCE", at_once)
    monkeypatch.setattr(
        great_expectations, "merge", lambda parts, merge=great_expectations.merge: calls.append(parts) or merge(parts)
    )
    parts = checked(**checks)
    assert calls, "the file was checked in parts"
    assert parts.checks == whole.checks
    assert parts.rejects.equals(whole.rejects)
    assert parts.noted.equals(whole.noted)
    assert parts.failing.equals(whole.failing)


@given(st.lists(st.none() | st.sampled_from(["", "a", "A", "é", "1", "1.0"]), max_size=12))
def test_numbers_stand_for_texts_where_only_equality_counts(cells):
    """Two cells have the same number exactly if they have the same text; an empty one has none."""
    numbers = great_expectations.as_numbers(pl.Series("CARD", cells, dtype=pl.String)).to_list()
    assert [number is None for number in numbers] == [cell is None for cell in cells]
    same = [(one == other) for one in cells for other in cells]
    assert [(one == other) for one in numbers for other in numbers] == same


def test_an_error_in_one_part_is_the_error_of_the_check(mapping, frame, monkeypatch):
    """A check that Great Expectations cannot evaluate in a part of the file stops the run, as in one part."""
    check = "{expect_column_values_to_match_regex: {column: CARD, regex: '^[0-9]+$'}}"
    results, asked = great_expectations.results, []

    def failing(table, every):
        found = results(table, every)
        asked.append(every)
        wanted = [each.name == "expect_column_values_to_match_regex" for each in every]
        return [None if odd and len(asked) > 4 else one for one, odd in zip(found, wanted, strict=True)]

    monkeypatch.setattr(validation, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(great_expectations, "results", failing)
    found = checked(mapping, frame, rows=check, CARD=["1", "2", "3", "4", "5", "6"])
    assert any("could not be evaluated" in sentence for sentence in found.refusals)


def test_the_name_of_a_column_stays_as_the_library_writes_it(mapping, frame):
    """Also where it begins a sentence."""
    check = "expect_column_values_to_be_in_set: {column: patronGroup, value_set: [UG]}"
    found = checked(mapping, frame, file=check, patronGroup=["UG", "GR"])
    assert found.refusals == ["patronGroup is not one of UG (rows 3)."]


def test_what_holds_is_said_of_each_check(mapping, frame):
    """Each check has a sentence that is true if no row fails it; empty cells are passed over."""
    check = "expect_column_values_to_be_in_set: {column: ROLE, value_set: [UG, GR]}"
    described = "expect_column_values_to_match_regex: {column: ROLE, regex: ^..$, description: is odd}"
    found = checked(mapping, frame, rows=f"{check}, {described}", ROLE=["UG", ""])
    holds = {each.holds for each in found.checks}
    assert "ROLE is one of UG, GR wherever it is filled" in holds
    assert "No row in which ROLE is odd" in holds
    assert "ID (externalSystemId) is never empty" in holds
    assert "Every row is whole" in holds
    assert all(each.holds for each in found.checks)
    assert expectations.HOLDS.keys() == expectations.KNOWN.keys()
