"""Mapping: each word of the vocabulary, and the laws that hold for any text."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronload.config.mapping import BLANK_WORDS, Rule
from patronload.mapping.date_values import span
from patronload.mapping.transform import AT_A_TIME, LEAST, PART, part_size, transform
from patronload.rows import no_rejects

KEYS = """
target: folio
fields:
  externalSystemId: ID
  username: ID
"""


def patrons(frame, mapping):
    """The patrons without the two key fields, and the rejects as row and reason."""
    made = transform(frame, mapping, no_rejects())
    records = [json.loads(text) for text in made.patrons["patron"]]
    for record in records:
        del record["externalSystemId"], record["username"]
    return records, dict(made.rejects.select("row", "reason").iter_rows())


def only(mapping, frame, rules, lookups="", **columns):
    height = len(next(iter(columns.values())))
    return patrons(frame(ID=[str(n) for n in range(height)], **columns), mapping(f"{KEYS}{rules}{lookups}"))


def test_a_column_is_taken_without_the_blanks_around_it_and_an_empty_one_is_absent(mapping, frame):
    """Absent stays absent: never null, never an empty text."""
    records, _ = only(mapping, frame, "  barcode: CARD", CARD=[" 0042 ", "", "  ", "\u00a0\t"])
    assert records == [{"barcode": "0042"}, {}, {}, {}]


def test_a_fixed_value_is_in_every_patron(mapping, frame):
    """Text, true and false, in their own JSON types."""
    records, _ = only(mapping, frame, "  active: {value: false}\n  type: {value: patron}", X=["", "x"])
    assert records == [{"active": False, "type": "patron"}] * 2


def test_first_of_takes_the_first_column_that_is_not_empty(mapping, frame):
    """A blank cell is passed over like an empty one."""
    records, _ = only(mapping, frame, "  barcode: {first_of: [A, B]}", A=["1", " ", ""], B=["2", "3", ""])
    assert records == [{"barcode": "1"}, {"barcode": "3"}, {}]


def test_join_puts_columns_together_without_gaps(mapping, frame):
    """What is empty leaves no doubled separator behind."""
    columns = {"A": ["12 Elm St", "", ""], "B": ["Flat B", "Flat C", ""]}
    records, _ = only(mapping, frame, '  barcode: {join: [A, B], with: ", "}', **columns)
    assert records == [{"barcode": "12 Elm St, Flat B"}, {"barcode": "Flat C"}, {}]


def test_steps_are_taken_in_their_order_and_may_leave_nothing(mapping, frame):
    """A phone number without digits is no phone number."""
    records, _ = only(
        mapping, frame, "  barcode: {column: A, steps: [digits, without_leading_zeros]}", A=["No 007", "ext"]
    )
    assert records == [{"barcode": "7"}, {}]


def test_a_list_is_split_trimmed_and_each_value_is_there_once(mapping, frame):
    """FOLIO's schema wants the departments to be unique."""
    records, _ = only(mapping, frame, '  departments: {column: A, split: ";"}', A=["b; a;b;;", " ; ", "x"])
    assert records == [{"departments": ["b", "a"]}, {}, {"departments": ["x"]}]


def test_an_unlisted_code_rejects_the_row_and_an_empty_cell_does_not(mapping, frame):
    """Nothing is guessed, and `otherwise` is for codes, not for their absence."""
    lookups = "\nlookups:\n  groups: {UG: undergrad}\n"
    records, rejects = only(mapping, frame, "  patronGroup: {column: A, lookup: groups}", lookups, A=["UG", "ug", ""])
    assert records == [{"patronGroup": "undergrad"}, {}]
    assert list(rejects) == [3]
    assert "'ug' is a code that is not set up in the mapping yet" in rejects[3]
    lookups = "\nlookups:\n  groups: {UG: undergrad, otherwise: guest}\n"
    records, rejects = only(mapping, frame, "  patronGroup: {column: A, lookup: groups}", lookups, A=["UG", "ug", ""])
    assert records == [{"patronGroup": "undergrad"}, {"patronGroup": "guest"}, {}]
    assert rejects == {}


def summaries(mapping, frame, rule, cells):
    """Why the rows were rejected, as the report says it, each with the number of its rows."""
    told = mapping(f"{KEYS}  patronGroup: {rule}\nlookups:\n  groups: {{UG: undergrad}}\n")
    made = transform(frame(ID=[str(n) for n in range(len(cells))], A=cells), told, no_rejects())
    return dict(made.rejects.group_by("summary").len().iter_rows())


GENERIC = "A (patronGroup) has a code that is not set up in the mapping yet"


def test_codes_are_named_where_they_are_few_and_repeated(mapping, frame):
    """Whoever looks after the mapping needs them; a code of a few rows may be a patron's own."""
    rule = "{column: A, lookup: groups}"
    found = summaries(mapping, frame, rule, ["ALUM"] * 6 + ["UG"] + ["PHD"] * 5 + ["Ada Quillfeather"] * 4)
    assert found == {
        "A (patronGroup): the code 'ALUM' is not set up in the mapping yet": 6,
        "A (patronGroup): the code 'PHD' is not set up in the mapping yet": 5,
        GENERIC: 4,
    }


def test_many_codes_are_none(mapping, frame):
    """Another column, or free text, is not named, however often a value is repeated."""
    rule = "{column: A, lookup: groups}"
    assert summaries(mapping, frame, rule, [f"name {n % 6}" for n in range(60)]) == {GENERIC: 60}
    assert summaries(mapping, frame, rule, ["x" * 41] * 6) == {GENERIC: 6}


def test_a_code_is_counted_over_all_parts(mapping, frame):
    """A large export is mapped in parts; the report has one line for a code."""
    rule = "{column: A, lookup: groups}"
    cells = ["UG"] * (LEAST * 2)
    cells[:3], cells[-3:] = ["ALUM"] * 3, ["ALUM"] * 3
    assert summaries(mapping, frame, rule, cells) == {
        "A (patronGroup): the code 'ALUM' is not set up in the mapping yet": 6
    }


def test_a_lookup_may_give_true_and_false(mapping, frame):
    """FOLIO refuses the text "true" where it wants true."""
    lookups = "\nlookups:\n  status: {A: true, I: false}\n"
    records, _ = only(mapping, frame, "  active: {column: S, lookup: status}", lookups, S=["A", "I", ""])
    assert records == [{"active": True}, {"active": False}, {}]


def test_each_value_of_a_list_is_looked_up(mapping, frame):
    """One unlisted code among several rejects the row; it must not quietly be left out."""
    rules = '  departments: {column: A, split: ",", lookup: depts}'
    lookups = "\nlookups:\n  depts: {M: Maths, P: Physics}\n"
    records, rejects = only(mapping, frame, rules, lookups, A=["M,P", "M,X", "", "P"])
    assert records == [{"departments": ["Maths", "Physics"]}, {}, {"departments": ["Physics"]}]
    assert list(rejects) == [3]


def test_a_date_is_written_the_iso_way_and_one_that_is_none_rejects_the_row(mapping, frame):
    """The 31st of February, the year 26 and a date in another order are no guesses of ours."""
    dates = ["02/29/2028", "02/29/2027", "1/5/26", "2028-02-29", "", " 01/05/2026 "]
    records, rejects = only(mapping, frame, '  expirationDate: {column: A, date: "%m/%d/%Y"}', A=dates)
    assert records == [{"expirationDate": "2028-02-29"}, {}, {"expirationDate": "2026-01-05"}]
    assert list(rejects) == [3, 4, 5]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("%Y%m%d", "20271103", "2027113"),
        ("%y%m%d", "271103", "27113"),
        ("%m/%d/%Y", "1/2/2027", "12/31/+20226"),
        ("%d %b %Y", "3 NOV 2027", "3 Nov 27"),
        ("%d.%m.%Y", "03.11.2027", "3.11.2027 x"),
    ],
)
def test_a_date_is_read_only_if_it_would_be_written_so(mapping, frame, form, good, bad):
    """Zeros before a number and the case do not matter; a missing digit does."""
    records, rejects = only(mapping, frame, f'  expirationDate: {{column: A, date: "{form}"}}', A=[good, bad])
    assert len(records) == 1
    assert list(rejects) == [3]


def test_a_custom_field_may_be_called_by_a_number(mapping, frame):
    """It is a name all the same, not a place in a list."""
    records, _ = only(mapping, frame, "  customFields.2024: N", N=["x"])
    assert records == [{"customFields": {"2024": "x"}}]


def test_an_address_made_only_of_fixed_values_is_left_out(mapping, frame):
    """An address that says nothing but "Home, US" is none; a second one stays without the first."""
    rules = """
  personal.lastName: N
  personal.addresses[0].addressTypeId: {value: Home}
  personal.addresses[0].addressLine1: A
  personal.addresses[1].addressTypeId: {value: Work}
  personal.addresses[1].addressLine1: B
"""
    records, _ = only(mapping, frame, rules, N=["x"] * 3, A=["1 Elm", "", ""], B=["", "2 Oak", ""])
    home, work = {"addressTypeId": "Home", "addressLine1": "1 Elm"}, {"addressTypeId": "Work", "addressLine1": "2 Oak"}
    assert [record["personal"].get("addresses") for record in records] == [[home], [work], None]


def test_an_address_with_nothing_but_its_type_and_a_flag_is_left_out(mapping, frame):
    """Both come from the row, and say nothing about where the person lives."""
    rules = """
  personal.lastName: N
  personal.addresses[0].addressTypeId: T
  personal.addresses[0].primaryAddress: {column: T, lookup: primary}
  personal.addresses[0].city: C
lookups:
  primary: {CM: true, PM: false}
"""
    records, _ = only(mapping, frame, rules, N=["x"] * 3, T=["CM", "PM", "CM"], C=["", "", "Rome"])
    there = {"addressTypeId": "CM", "primaryAddress": True, "city": "Rome"}
    assert [record["personal"].get("addresses") for record in records] == [None, None, [there]]


def test_a_row_that_was_refused_before_is_looked_at_and_not_sent(mapping, frame):
    """The library learns of all that is to be mended in a row at once."""
    table = frame(ID=["1", "2"], A=["13/13/2026", "01/01/2027"])
    rules = mapping(f'{KEYS}  expirationDate: {{column: A, date: "%m/%d/%Y"}}')
    refused = transform(table.head(1), rules, no_rejects()).rejects
    again = transform(table, rules, refused)
    assert again.patrons["row"].to_list() == [3]
    assert again.rejects["row"].to_list() == [2]


@given(cells=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_text_survives_from_cell_to_json(mapping, frame, cells):
    """Except for surrounding blanks, what a library wrote is what FOLIO gets; words for a blank cell are not text."""
    records, _ = only(mapping, frame, "  personal.lastName: N", N=cells)
    trimmed = [cell.strip("".join(BLANKS)) for cell in cells]
    kept = ["" if cell in BLANK_WORDS else cell for cell in trimmed]
    assert [record.get("personal", {}).get("lastName", "") for record in records] == kept


BLANKS = [chr(code) for code in range(0x3001) if chr(code).isspace() and chr(code) not in "\x1c\x1d\x1e\x1f"]
"""Unicode's White_Space; Python also counts four control characters to it."""


def test_a_date_that_makes_no_sense_rejects_the_row(mapping, frame):
    """Nobody is born in the future; a card that never expires has to be allowed."""
    now = datetime.now(UTC)
    ahead, today = ((now + timedelta(days=days)).date().isoformat() for days in (3, 0))
    rules = '  personal.lastName: N\n  personal.dateOfBirth: {column: B, date: "%Y-%m-%d"}'
    records, rejects = only(mapping, frame, rules, N=["x"] * 3, B=[ahead, "1899-12-31", today])
    assert (len(records), list(rejects)) == (1, [2, 3])
    assert "is before 1900-01-01 or after today" in rejects[2]
    never = '  expirationDate: {column: E, date: "%Y-%m-%d", latest: "2099-12-31"}'
    records, rejects = only(mapping, frame, never, E=["2099-12-31", "2100-01-01"])
    assert (records, list(rejects)) == ([{"expirationDate": "2099-12-31"}], [3])


@pytest.mark.parametrize(
    ("now", "latest", "day"),
    [
        # Kiritimati is 14 hours ahead.
        ("2028-02-29T11:00", "today", "2028-03-01"),
        ("2028-02-29T09:00", "today", "2028-02-29"),
        ("2028-02-29T09:00", "+1 years", "2029-02-28"),
        ("2028-02-29T09:00", "+4 years", "2032-02-29"),
        ("2027-12-31T09:00", "+1 years", "2028-12-31"),
        ("2026-12-31T10:00", "today", "2027-01-01"),
    ],
)
def test_today_is_the_day_of_the_library_wherever_it_is(now, latest, day):
    """A library in Auckland has a day that a server in Chicago has not reached; and 29 February is a day, too."""
    rule = Rule(column="B", date="%Y-%m-%d", latest=latest)
    assert span("personal.dateOfBirth", rule, "folio", datetime.fromisoformat(f"{now}+00:00")).latest == day


def test_a_telephone_number_is_written_the_international_way_and_nothing_is_made_up(mapping, frame):
    """An extension or a word would be lost, and an area code cannot be known, so such a cell stays as it is."""
    rules = "  personal.lastName: N\n  personal.phone: {column: P, phone: US}"
    cells = ["(312) 555-0199", "+353 20 910 1234", "312 555 0199 ext. 5", "none", "", "555-0199", "1-312-555-0199"]
    records, _ = only(mapping, frame, rules, N=["x"] * 7, P=cells)
    numbers = [record["personal"].get("phone") for record in records]
    unchanged = ["312 555 0199 ext. 5", "none", None, "555-0199"]
    assert numbers == ["+13125550199", "+353209101234", *unchanged, "+13125550199"]


@given(st.integers(0, 5_000_000))
def test_the_parts_of_an_export_are_alike(rows):
    """As many parts as are made at a time, or a multiple; none too large, and the last one hardly smaller."""
    size = part_size(rows)
    parts = -(-rows // size)
    assert LEAST <= size <= PART
    assert rows <= AT_A_TIME * LEAST or (parts % AT_A_TIME == 0 and rows - (parts - 1) * size > size - parts)
