"""Rules by condition, and values for blank cells."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patronload.checks import validation
from patronload.exports.reading import Export
from patronload.mapping.transform import transform
from patronload.rows import no_rejects

MAPPING = """
target: folio
fields:
  externalSystemId: ID
  username: ID
"""


def records(frame, mapping, rules, **columns):
    """The patrons without the two key fields, and the rejects as row and reason."""
    height = len(next(iter(columns.values())))
    table = frame(ID=[str(number) for number in range(height)], **columns)
    made = transform(table, mapping(f"{MAPPING}{rules}"), no_rejects())
    found = [json.loads(text) for text in made.patrons["patron"]]
    return [
        {key: value for key, value in record.items() if key not in ("externalSystemId", "username")} for record in found
    ], made


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        (
            "departments: {cases: [{when: {column: A, is: x}, value: [Music]}, {column: B, split: ';'}]}",
            [["Music"], ["p", "q"], None],
        ),
        ("active: {cases: [{when: {column: A, blank: true}, value: false}, {value: true}]}", [True, True, False]),
        (
            "expirationDate: {cases: [{when: {column: A, is: x}, value: '2027-08-31'}, {column: C, date: '%Y%m%d'}]}",
            ["2027-08-31", "2027-09-30", None],
        ),
        (
            "barcode: {cases: [{when: {column: A, is: x}, column: B, steps: [upper]}, {column: A, steps: [upper]}]}",
            ["P;Q", "Y", None],
        ),
    ],
)
def test_a_case_gives_any_kind_of_value(mapping, frame, rule, values):
    """Lists, true or false, and text; a row that no case is for has no value."""
    path = rule.partition(":")[0]
    found, _ = records(frame, mapping, f"  {rule}", A=["x", "y", ""], B=["p;q", "p;q", ""], C=["", "20270930", ""])
    assert [record.get(path) for record in found] == values


def test_the_group_and_unique_fields_are_known_for_each_case(mapping, frame):
    """The gates compare groups, and the plan compares ids."""
    rules = "  barcode: {cases: [{when: {column: A, is: x}, column: B}, {column: A}]}\n"
    rules += "  patronGroup: {cases: [{when: {column: A, is: x}, value: staff}, {column: B}]}"
    _, made = records(frame, mapping, rules, A=["x", "y", "x"], B=["1", "2", "3"])
    assert made.patrons["barcode"].to_list() == ["1", "y", "3"]
    assert made.groups.to_list() == ["staff", "2", "staff"]


def test_two_cases_may_not_give_the_same_card(mapping, frame):
    """Unique is unique, whichever case a value comes from."""
    rules = mapping(f"{MAPPING}  barcode: {{cases: [{{when: {{column: A, is: x}}, column: B}}, {{column: A}}]}}")
    table = frame(ID=["1", "2"], A=["x", "7"], B=["7", ""])
    found = validation.validate(Export(table, table.clear(), no_rejects()), rules)
    assert found.rejects["row"].to_list() == [2, 3]


def test_a_required_field_may_come_from_a_default(mapping, frame):
    """A row is rejected only if there is no value at all."""
    rules = mapping(
        f"{MAPPING}  personal.lastName: {{column: LAST, default: '-'}}\n  barcode: {{column: CARD, required: true}}"
    )
    table = frame(ID=["1", "2"], LAST=["", "Adams"], CARD=["7", ""])
    found = validation.validate(Export(table, table.clear(), no_rejects()), rules)
    assert found.rejects["row"].to_list() == [3]


def test_an_address_with_nothing_but_a_type_is_left_out(mapping, frame):
    """It would be an empty address in FOLIO."""
    rules = "  personal.lastName: ID\n  personal.addresses[0].addressTypeId: TYPE\n  personal.addresses[0].city: CITY"
    found, _ = records(frame, mapping, rules, TYPE=["Home", "Home", ""], CITY=["", "Cork", ""])
    assert [record["personal"].get("addresses") for record in found] == [
        None,
        [{"addressTypeId": "Home", "city": "Cork"}],
        None,
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cells=st.lists(st.sampled_from(["a", "b", "c", "", " a "]), min_size=1, max_size=12))
def test_each_row_gets_the_first_case_that_holds_in_its_own_place(mapping, frame, cells):
    """Rows are taken apart by case and put together in their order."""
    rules = "  barcode: {cases: [{when: {column: A, is: a}, column: B}, {column: A, default: none}]}"
    found, _ = records(frame, mapping, rules, A=cells, B=[f"n{number}" for number in range(len(cells))])
    expected = [{"a": f"n{number}", "": "none"}.get(cell.strip(), cell.strip()) for number, cell in enumerate(cells)]
    assert [record["barcode"] for record in found] == expected
