"""A mapping file: what it says, and what is said about each mistake in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from patronload import settings
from patronload.config import mapping as mappings
from patronload.config import mapping_files
from patronload.config.mapping import Rule
from patronload.errors import ConfigError
from tests.config.conftest import change, write
from tests.config.files import JARGON, MAPPING

Change = Callable[[str, str], int]
NAME = "folio/people"


def test_reads_every_key(include: Path) -> None:
    """What is written is what is there, in the order of the file."""
    mapping = mapping_files.load(NAME)
    assert (mapping.target, mapping.description) == ("folio", "People of the college.")
    assert [(check.name, check.arguments) for check in mapping.expect.file] == [
        ("expect_table_columns_to_match_set", {"column_set": ["ID", "LOGIN"], "exact_match": False})
    ]
    assert [(check.name, check.arguments) for check in mapping.expect.rows] == [
        ("expect_column_values_to_not_be_null", {"column": "ID"})
    ]
    assert [(check.name, check.arguments) for check in mapping.expect.blank] == [
        ("expect_column_values_to_match_regex", {"column": "EMAIL", "regex": "@"})
    ]
    assert [(check.name, check.arguments) for check in mapping.expect.warn] == [
        ("expect_column_values_to_not_be_null", {"column": "CARD"})
    ]
    lines = MAPPING.partition("\nfields:\n")[2].partition("\nownership:\n")[0].splitlines()
    assert list(mapping.fields) == [line.split(": ")[0].strip() for line in lines]
    assert [step.name for step in mapping.fields["username"].steps] == ["lower"]
    assert mapping.fields["personal.middleName"].between == " "
    assert mapping.lookups == {
        "states": {"A": True, "otherwise": False},
        "groups": {"UG": "undergrad", "007": "staff"},
    }


def test_a_code_that_the_steps_change_is_refused(include: Path) -> None:
    """No cell has it after the last step, so the line in the lookup would have no effect."""
    change(include / "mappings/folio/people.yaml", "ROLE, lookup: groups", "ROLE, steps: [lower], lookup: groups")
    with pytest.raises(
        ConfigError, match=r"lookups.groups.UG: the step 'lower' changes each code first, so write 'ug'"
    ):
        mapping_files.load(NAME)


def test_a_code_with_an_invisible_character_is_refused(include: Path) -> None:
    """Such characters are removed from cells, so the line would have no effect; it looks right in every editor."""
    change(include / "mappings/folio/people.yaml", "UG: undergrad", "UG\u200b: undergrad")
    with pytest.raises(ConfigError, match=r"lookups.groups.*U\+200B, so this line has no effect"):
        mapping_files.load(NAME)


def test_a_code_with_an_accent_is_compared_with_cells(include: Path) -> None:
    """Cells have the accent and its letter as one character, however the mapping file is typed."""
    change(include / "mappings/folio/people.yaml", "UG: undergrad", "E\u0301T: undergrad")
    assert "\u00c9T" in mapping_files.load(NAME).lookups["groups"]


def test_tells_the_columns_it_reads(include: Path) -> None:
    """Each once, in the order of the file."""
    change(include / "mappings/folio/people.yaml", "personal.lastName: {column: SURNAME}", "personal.lastName: LOGIN")
    columns = "ID LOGIN CARD STATE ROLE DEPTS EXPIRES KNOWN_AS FIRST SECOND THIRD TOWN PHONE BORN JOINED CAMPUS"
    columns += " PRONOUNS SEX EXTRA IDS"
    assert list(mapping_files.load(NAME).columns) == columns.split()


def test_a_column_alone_is_short_for_a_rule(include: Path) -> None:
    """`barcode: CARD`."""
    mapping = mapping_files.load(NAME)
    assert mapping.fields["barcode"] == Rule(column="CARD")


def test_tells_what_a_row_cannot_do_without(include: Path) -> None:
    """What the target requires, whether or not the file says so, and what the file says."""
    assert sorted(mapping_files.load(NAME).required) == ["externalSystemId", "personal.lastName", "username"]
    change(include / "mappings/folio/people.yaml", "barcode: CARD", "barcode: {column: CARD, required: true}")
    assert "barcode" in mapping_files.load(NAME).required


def test_without_personal_no_last_name_is_needed(include: Path) -> None:
    """FOLIO asks for it only inside `personal`."""
    text = "target: folio\nfields:\n  externalSystemId: ID\n  username: LOGIN\n"
    write(include / "mappings/folio/short.yaml", text)
    mapping = mapping_files.load("folio/short")
    assert list(mapping.required) == ["externalSystemId", "username"]
    assert list(mapping.unique) == ["externalSystemId", "username"]
    assert mapping.description is None
    assert not mapping.expect.file


def test_tells_what_no_two_patrons_may_share(include: Path) -> None:
    """FOLIO's unique indexes."""
    assert list(mapping_files.load(NAME).unique) == ["externalSystemId", "username", "barcode"]


ID = "{column: ID, required: true}"
ID_KEY = "fields.externalSystemId"
EXPIRY_CHANGE = "fields.expirationDate.adjust"
EXPIRES = '{column: EXPIRES, date: "%d/%m/%Y"}'
CHECK = "expect_column_values_to_not_be_null: {column: ID}"
ONE_OF = "give exactly one of column, value, first_of, join, today; there "

PRONOUNS = "[{when: {column: SEX, is: F}, value: she}, {column: PRONOUNS, default: they}]"
CASES = "fields.personal.pronouns"
SKIP = "{column: ROLE, is: [ALUM, GUEST], reason: alumni are not loaded}"

# What is written, what is written instead, the key that is named, and a part of what is said.
MISTAKES = [
    (
        PRONOUNS,
        "[{value: she}, {column: PRONOUNS}]",
        f"{CASES}",
        "cases[0] has no 'when', so it is for all rows. Make it",
    ),
    (PRONOUNS, "[]", f"{CASES}.cases", "needs at least one."),
    ("order: [FAC, UG]", "order: [FAC]", "prefer.order", "needs at least two."),
    ("order: [FAC, UG]", "order: [FAC, FAC]", "prefer.order", "'FAC' occurs twice"),
    ("newcomers: create", "newcomers: ignore", "newcomers", "takes 'create', 'reject' or 'skip'; 'ignore' was given."),
    (
        "{today: next 31 August}",
        "{today: group offset}",
        "fields.customFields.until",
        "only FOLIO's expirationDate can",
    ),
    (
        PRONOUNS,
        "[{when: {column: SEX, is: F}}]",
        f"{CASES}.cases[0]",
        "give exactly one of column, value, first_of, join, today",
    ),
    (
        PRONOUNS,
        "[{when: {column: SEX}, value: she}]",
        f"{CASES}.cases[0].when",
        "give exactly one of is, is_not, matches",
    ),
    (
        PRONOUNS,
        "[{column: A, lookup: grops}]",
        f"{CASES}.cases[0].lookup",
        "no such table in 'lookups'; did you mean 'groups'",
    ),
    (PRONOUNS, "[{value: true}]", f"{CASES}.cases[0]", "takes text, not true or false."),
    (PRONOUNS, "[{column: A, default: [b]}]", f"{CASES}.cases[0]", "takes text, not a list."),
    (
        PRONOUNS,
        "[{column: A}], column: A",
        CASES,
        "'cases' can only be combined with 'required'. Move 'column' into the",
    ),
    (
        "customFields.campus: CAMPUS",
        "customFields.campus: {cases: [{when: {column: B, is: C}, column: A, split: ';'}, {value: b}]}",
        "fields.customFields.campus",
        "all cases must give the same kind of value; these give lists and text.",
    ),
    (
        "customFields.campus: CAMPUS",
        "customFields.campus: {column: A, default: 7}",
        "fields.customFields.campus.default",
        "the number 7, not as text.",
    ),
    (
        "customFields.campus: CAMPUS",
        "customFields.campus: {value: A, default: b}",
        "fields.customFields.campus",
        "a fixed value cannot be combined",
    ),
    (
        "UG: undergrad",
        "'': undergrad",
        "lookups.groups.",
        "a blank cell is not a code, so this line has no effect. Write 'blank: ...'",
    ),
    (
        "UG: undergrad",
        "' UG': undergrad",
        "lookups.groups. UG",
        "cells are compared without blanks around them. Write 'UG'.",
    ),
    (ID, "{column: ID, steps: [lower, {pad: x}]}", f"{ID_KEY}.steps[1]", "the step 'pad' takes a value like {pad: 5}."),
    (ID, "{join: [{text: a}, {text: b}]}", ID_KEY, "'join' needs at least one column."),
    ('["NULL", "-"]', "[NULL]", "blank_words[0]", 'Write the word in quotes, like "NULL".'),
    ('["NULL", "-"]', "NONE", "blank_words", "takes a list; write [NONE], even for a single value."),
    (SKIP, "{is: ALUM}", "skip[0]", "the key 'column' is missing"),
    (SKIP, "{column: ROLE}", "skip[0]", "give exactly one of is, is_not, matches, blank; there is none."),
    (SKIP, "{column: ROLE, is: A, blank: true}", "skip[0]", "there are is and blank."),
    (
        SKIP,
        "{column: ROLE, equals: A}",
        "skip[0].equals",
        "no such key; there are: column, is, is_not, matches, blank,",
    ),
    (SKIP, "{column: ROLE, is: [7]}", "skip[0].is[0]", "the number 7, not as text. Write it in quotes."),
    (SKIP, "{column: ROLE, is: NO}", "skip[0].is", "YAML reads this as yes or no (false), not as text. Write it in"),
    (SKIP, "{column: ROLE, is: 7}", "skip[0].is", "YAML reads this as the number 7, not as text. Write it in quotes."),
    (SKIP, "{column: ROLE, is: []}", "skip[0].is", "needs at least one."),
    (SKIP, "{column: ROLE, is: ' A'}", "skip[0]", "' A' has blanks around it, but cells are compared without. Remove"),
    (SKIP, "{column: '*', is: A}", "skip[0].column", "a column with this name cannot be read"),
    (SKIP, "{column: ROLE, matches: '('}", "skip[0].matches", "'(' cannot be used as a pattern: unclosed group."),
    (
        SKIP,
        "{column: ROLE, matches: 'a(?=b)'}",
        "skip[0].matches",
        "lookaround such as (?=...) or (?<!...) is not supported",
    ),
    (SKIP, "{column: ROLE, matches: '(a)\\1'}", "skip[0].matches", "a backreference such as \\1 is not supported"),
    (SKIP, "{column: ROLE, matches: 'a{1000}{1000}'}", "skip[0].matches", "it is too large"),
    (SKIP, "{column: ROLE, is: A, and: {column: B, is: C}}", "skip[0].and", "takes a list"),
    (
        SKIP,
        "{column: ROLE, is: A, and: [{column: B}]}",
        "skip[0].and[0]",
        "give exactly one of is, is_not, matches, blank",
    ),
    ("UG: undergrad", "UG: ''", "lookups.groups.UG", "must not be empty"),
    (ID, "{value: ''}", f"{ID_KEY}.value", "must not be empty"),
    (ID, "{column: '*'}", ID_KEY, "a column with this name cannot be read"),
    (ID, "{column: ID, date: '%Y-%m-%d %H'}", f"{ID_KEY}.date", "must have day, month and year"),
    ("description: People", "type: folio\ndescription: People", "type", "no such key"),
    ("target: folio", "target: foliio", "target", "'folio'"),
    (
        "description: People",
        "descripton: People",
        "descripton",
        "no such key; did you mean 'description'? There are: target,",
    ),
    ("expect:", "expects:", "expects", "no such key; did you mean 'expect'?"),
    ("  rows:", "  row:", "expect.row", "no such key; did you mean 'rows'? There are: file, rows, blank, warn."),
    (
        CHECK,
        "expect_column_values_to_be_unique",
        "expect.rows[0]",
        "write one check per line, like '- expect_column_values_",
    ),
    (
        CHECK,
        "{expect_a: {}, expect_b: {}}",
        "expect.rows[0]",
        "write one check per line, like '- expect_column_values_",
    ),
    (CHECK, "column_values_to_be_unique: {column: ID}", "expect.rows[0]", "expect_"),
    (CHECK, "expect_column_values_to_be_unique: ID", "expect.rows[0]", "{column: "),
    (
        ID,
        "{colum: ID}",
        f"{ID_KEY}.colum",
        "no such key; did you mean 'column'? There are: column, value, first_of, join, today, with,",
    ),
    (
        ID,
        "{join: [A, B], between: x}",
        f"{ID_KEY}.between",
        "no such key; there are: column, value, first_of, join, today, with,",
    ),
    (ID, "{column: ID, jinja: x}", f"{ID_KEY}.jinja", "no such key; "),
    (ID, "{column: 7}", f"{ID_KEY}.column", "YAML reads this as the number 7, not as text. Write it in quotes."),
    (
        ID,
        "{join: [A, B], with: 7}",
        f"{ID_KEY}.with",
        "YAML reads this as the number 7, not as text. Write it in quotes.",
    ),
    (ID, "{value: 7}", f"{ID_KEY}.value", "YAML reads this as the number 7, not as text. Write it in quotes."),
    (ID, "{}", ID_KEY, f"{ONE_OF}is none."),
    (ID, "{required: true}", ID_KEY, f"{ONE_OF}is none."),
    (ID, "{column: ID, value: x}", ID_KEY, f"{ONE_OF}are column and value."),
    (ID, "{first_of: [A, B], join: [A, B]}", ID_KEY, f"{ONE_OF}are first_of and join."),
    (ID, "{column: A, with: ' '}", ID_KEY, "'with' can only be used together with 'join'."),
    (
        ID,
        "{value: x, required: true}",
        ID_KEY,
        "a fixed value cannot be combined with other keys such as steps, lookup, date, split or required.",
    ),
    (ID, "{value: x, steps: [lower]}", ID_KEY, "a fixed value cannot be combined with other keys such as steps"),
    (
        ID,
        "{column: ID, steps: [lowr]}",
        f"{ID_KEY}.steps[0]",
        "there is no step 'lowr'; did you mean 'lower'? There are: lower, upper, ",
    ),
    (ID, "{column: ID, steps: [eval]}", f"{ID_KEY}.steps[0]", "there is no step 'eval'; "),
    (ID, "{column: ID, split: ';'}", ID_KEY, "takes text, not a list."),
    (ID, "{column: ID, date: '%d/%m/%Y'}", ID_KEY, "takes text, not a date."),
    (
        ID,
        "{column: ID, lookup: grups}",
        f"{ID_KEY}.lookup",
        "no such table in 'lookups'; did you mean 'groups'? There are:",
    ),
    (
        ID,
        "{column: ID, lookup: groups, date: '%d/%m/%Y'}",
        ID_KEY,
        "'date' cannot be combined with 'lookup' or 'split'.",
    ),
    (ID, "{column: ID, split: ';', date: '%d/%m/%Y'}", ID_KEY, "'date' cannot be combined with 'lookup' or 'split'."),
    (ID, "", ID_KEY, "column"),
    (ID, "''", ID_KEY, "column"),
    (ID, "7", ID_KEY, "quotes"),
    (ID, "[ID]", ID_KEY, "column"),
    (ID, "{column: [A, B]}", f"{ID_KEY}.column", "join"),
    (ID, "{first_of: [A]}", f"{ID_KEY}.first_of", "two"),
    (ID, "{first_of: A}", f"{ID_KEY}.first_of", "["),
    (ID, "{column: ID, required: 'yes'}", f"{ID_KEY}.required", "true"),
    (ID, "{column: ID, steps: lower}", f"{ID_KEY}.steps", "[lower]"),
    (ID, "{column: ID, split: ''}", f"{ID_KEY}.split", ""),
    (
        "barcode: CARD",
        "barcde: CARD",
        "fields.barcde",
        "no such field; did you mean 'barcode'?",
    ),
    ("barcode: CARD", "meta: CARD", "fields.meta", "no such field; "),
    (
        "barcode: CARD",
        "personal.lastname: CARD",
        "fields.personal.lastname",
        "no such field; did you mean 'personal.lastName'?",
    ),
    ("barcode: CARD", "lastName: CARD", "fields.lastName", "no such field; did you mean 'personal.lastName'?"),
    ("barcode: CARD", "personal: CARD", "fields.personal", "no such field; "),
    ("barcode: CARD", "customFields: CARD", "fields.customFields", "no such field; "),
    ("barcode: CARD", "customFields.a b: CARD", "fields.customFields.a b", "no such field; "),
    (
        "barcode: CARD",
        "personal.addresses.city: CARD",
        "fields.personal.addresses.city",
        "did you mean 'personal.addresses[0].city'?",
    ),
    ("barcode: CARD", "deactivateMissingUsers: {value: true}", "fields.deactivateMissingUsers", "no such field; "),
    (
        "{column: STATE, lookup: states}",
        "STATE",
        "fields.active",
        "takes true or false. Write {value: true}, or use a lookup with",
    ),
    (
        "{column: STATE, lookup: states}",
        "{value: 'true'}",
        "fields.active",
        "takes true or false. Write {value: true}, or use a lookup",
    ),
    ("{column: STATE, lookup: states}", "true", "fields.active", "{value: true}"),
    (
        "states: {A: true, otherwise: false}",
        "states: {A: true, otherwise: 'no'}",
        "fields.active",
        "takes true or false. Write",
    ),
    (
        "{column: ROLE, lookup: groups}",
        "{value: true}",
        "fields.patronGroup",
        "takes text, not true or false. Write the value in quotes",
    ),
    (
        "groups: {UG: undergrad",
        "groups: {UG: NO",
        "fields.patronGroup",
        "takes text, not true or false. Write the value in quotes.",
    ),
    (EXPIRES, "EXPIRES", "fields.expirationDate", "takes a date. Add its form, like 'date: \"%m/%d/%Y\"'."),
    (EXPIRES, "{column: EXPIRES, date: dd/mm/yyyy}", "fields.expirationDate.date", "%d"),
    (EXPIRES, "{column: EXPIRES, date: ''}", "fields.expirationDate.date", "%d"),
    (EXPIRES, "{column: EXPIRES, date: '%d/%m'}", "fields.expirationDate.date", "%Y"),
    (EXPIRES, "{column: EXPIRES, date: []}", "fields.expirationDate.date", "needs at least one."),
    (
        EXPIRES,
        "{column: EXPIRES, date: ['%d/%m/%Y', '%m/%d/%Y']}",
        "fields.expirationDate",
        "the forms %d/%m/%Y and %m/%d/%Y read the same text as different days. Use one of them, or 'cases'.",
    ),
    (EXPIRES, "{column: EXPIRES, adjust: end of month}", "fields.expirationDate", "'adjust' can only be used together"),
    (
        EXPIRES,
        f"{EXPIRES[:-1]}, adjust: 31 Augst}}",
        EXPIRY_CHANGE,
        "'31 Augst' is not a change to a date.",
    ),
    (
        EXPIRES,
        f"{EXPIRES[:-1]}, adjust: 29 February}}",
        EXPIRY_CHANGE,
        "not a change to a date. Write one",
    ),
    (
        EXPIRES,
        f"{EXPIRES[:-1]}, adjust: [+1 fortnight]}}",
        f"{EXPIRY_CHANGE}[0]",
        "like +6 months, end of month,",
    ),
    (
        EXPIRES,
        f"{EXPIRES[:-1]}, outside: drop}}",
        "fields.expirationDate.outside",
        "takes 'reject', 'clamp' or 'blank'",
    ),
    (
        EXPIRES,
        "{column: EXPIRES, date: '%Y-%m-%d', renew_within: 30 days}",
        "fields.expirationDate",
        "together with 'today'",
    ),
    (
        EXPIRES,
        "{today: +120 days, renew_within: a month}",
        "fields.expirationDate.renew_within",
        "not a number of days",
    ),
    (
        "barcode: CARD",
        "enrollmentDate: {today: +1 days, renew_within: 3 days}",
        "fields.enrollmentDate.renew_within",
        "is for expirationDate only.",
    ),
    (EXPIRES, "{today: 31 August, column: EXPIRES}", "fields.expirationDate", "there are column and today."),
    (EXPIRES, "{today: 31 August, default: '2027-08-31'}", "fields.expirationDate", "a fixed value cannot be combined"),
    (
        EXPIRES,
        "{column: EXPIRES, lookup: groups}",
        "fields.expirationDate",
        "it lists 'undergrad'.",
    ),
    ("barcode: CARD", "barcode: {today: +1 days}", "fields.barcode", "takes text, not a date."),
    (
        "barcode: CARD",
        "barcode: {column: CARD, outside: blank}",
        "fields.barcode",
        "'outside' can only be used",
    ),
    (EXPIRES, "{value: tomorrow}", "fields.expirationDate", ""),
    (
        '{column: DEPTS, split: ";"}',
        "DEPTS",
        "fields.departments",
        "takes a list. Add the text between its values, like",
    ),
    (
        "customFields.campus: CAMPUS",
        "customFields.campus: {column: CAMPUS, split: '|', lookup: states}",
        "fields.customFields.campus",
        "Remove 'split'",
    ),
    (
        EXPIRES,
        "{column: EXPIRES, date: '%d.%m.%d.%Y'}",
        "fields.expirationDate.date",
        "day, month and year, each once",
    ),
    (EXPIRES, "{column: EXPIRES, date: '%Y-%Y'}", "fields.expirationDate.date", "day, month and year, each once"),
    (EXPIRES, "{column: EXPIRES, date: }", "fields.expirationDate.date", "is empty. Its meaning: the form of"),
    ("barcode: CARD", "personal.addresses[1].city: CARD", "fields.personal.addresses[1].city", "[1].addressTypeId."),
    (
        "personal.addresses[0].city: TOWN",
        "personal.addresses[1].addressTypeId: {value: home}",
        "fields.personal.addresses[1].addressTypeId",
        "is 'home', the same as personal.addresses[0].addressTypeId. Each entry needs a different value.",
    ),
    ("barcode: CARD", "requestPreference.holdShelf: {value: false}", "fields.requestPreference.holdShelf", "true here"),
    (
        "barcode: CARD",
        "requestPreference.holdShelf: {column: HOLD, lookup: states}",
        "fields.requestPreference.holdShelf",
        "FOLIO takes true here, in this spelling; false was given.",
    ),
    (
        "barcode: CARD",
        "requestPreference.delivery: {value: true}",
        "fields.requestPreference.delivery",
        "without requestPreference.fulfillment and requestPreference.defaultDeliveryAddressTypeId. Add them",
    ),
    (
        "barcode: CARD",
        "requestPreference.fulfillment: {value: Hold shelf}",
        "fields.requestPreference.fulfillment",
        "FOLIO takes 'Hold Shelf' or 'Delivery' here, in this spelling; 'Hold shelf' was given.",
    ),
    (
        "barcode: CARD",
        "preferredEmailCommunication: {value: [Support, Spam]}",
        "fields.preferredEmailCommunication",
        "FOLIO takes 'Support' or 'Programs' or 'Services' here, in this spelling; 'Spam' was given.",
    ),
    (
        "UG: undergrad",
        "UG: undergrad, GR: 7",
        "lookups.groups.GR",
        "YAML reads this as the number 7, not as text. Write it in quotes.",
    ),
    ("UG: undergrad", "UG: [undergrad]", "lookups.groups.UG", ""),
    ('groups: {UG: undergrad, "007": staff}', "groups: x", "lookups.groups", ""),
    ("personal.email: first", "personal.emial: first", "ownership.personal.emial", "did you mean 'personal.email'?"),
    (
        "personal.email: first",
        "externalSystemId: first",
        "ownership.externalSystemId",
        "no such field here, or it has no owner",
    ),
    (
        "personal.email: first",
        "requestPreference.delivery: first",
        "ownership.requestPreference.delivery",
        "requestPref",
    ),
    ("personal.email: first", "personal.addresses[0].city: first", "ownership.personal.addresses[0].city", "addresses"),
    ("personal.email: first", "personal.email: patron", "ownership.personal.email", "'library', 'first' or 'last'"),
]


@pytest.mark.parametrize(("old", "new", "key", "sentence"), MISTAKES)
def test_a_mistake_gives_file_line_key_and_a_way_out(
    change_mapping: Change, old: str, new: str, key: str, sentence: str
) -> None:
    """Whoever wrote it can mend it without us."""
    line = change_mapping(old, new)
    with pytest.raises(ConfigError) as caught:
        mapping_files.load(NAME)
    said = str(caught.value).splitlines()
    # What does not fit a field may come from the table that the field looks in; then the field's line is told.
    places = {line} | ({16, 17} if new.startswith(("states", "groups")) else set())
    about = [text for text in said for place in places if text.startswith(f"people.yaml, line {place}: {key}: ")]
    assert about, said
    assert sentence in about[0]
    assert not JARGON.search(str(caught.value)), said


@pytest.mark.parametrize(
    ("left_out", "sentence"),
    [
        ("target: folio\n", "people.yaml, line 1: the file: the key 'target' is missing. Add it."),
        (
            "  externalSystemId: {column: ID, required: true}\n",
            "fields: externalSystemId is missing; FOLIO refuses",
        ),
        ("  username: {column: LOGIN, steps: [lower]}\n", "fields: username is missing; FOLIO refuses a patron"),
        (
            "  personal.lastName: {column: SURNAME}\n",
            "fields: personal.lastName is missing; FOLIO refuses a patron",
        ),
        ("  states: {A: true, otherwise: false}\n", "people.yaml, line 16: fields.active.lookup: no such table in"),
        (
            "  active: {column: STATE, lookup: states}\n",
            "lookups.states: no rule uses this table. Remove it, or name it",
        ),
    ],
)
def test_what_is_missing_is_named(change_mapping: Change, left_out: str, sentence: str) -> None:
    """What the target requires is asked for before the first run, not by FOLIO in the night."""
    change_mapping(left_out, "")
    with pytest.raises(ConfigError) as caught:
        mapping_files.load(NAME)
    assert sentence in str(caught.value)


def test_addresses_are_numbered_without_a_gap(change_mapping: Change) -> None:
    """A hole in the list would be an empty address."""
    change_mapping("personal.addresses[0].city: TOWN", "personal.addresses[2].city: TOWN")
    with pytest.raises(
        ConfigError, match=r"fields: personal\.addresses has the numbers \[0, 2\]. Number from \[0\] without gaps"
    ):
        mapping_files.load(NAME)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{column: ROLE, lookup: groups}", "{column: ROLE, lookup: groups, steps: [upper], required: true}"),
        ("customFields.campus: CAMPUS", "customFields.campus: {value: true}"),
        ("barcode: CARD", "barcode: {column: CARD, steps: [digits, without_leading_zeros]}"),
        ("barcode: CARD", "customFields.a-b_1: {column: X, split: '|'}"),
        ("barcode: CARD", "customFields.flag: {column: X, lookup: states}"),
        ("barcode: CARD", "barcode: 'Card number (new)'"),
        ("barcode: CARD", "barcode: 'NO'"),
        ("barcode: CARD", "tags.tagList: {column: TAGS, split: ', '}"),
        ("barcode: CARD", "enrollmentDate: {value: '2026-09-01'}"),
        ("barcode: CARD", "personal.addresses[1].addressTypeId: {value: Work}"),
        ("barcode: CARD", "requestPreference.delivery: {value: false}"),
        ("barcode: CARD", "requestPreference.delivery: {column: HOME, lookup: states}"),
        ("barcode: CARD", "preferredEmailCommunication: {value: [Support, Services]}"),
        ("barcode: CARD", "customFields.since: {column: SINCE, date: '%d/%m/%Y'}"),
        ('"007": staff}', '"007": staff, otherwise: guest}'),
        (
            "    - expect_column_values_to_not_be_null: {column: ID}",
            "    - expect_column_values_to_be_null: {column: ID}",
        ),
        (
            "    - expect_column_values_to_not_be_null: {column: ID}",
            "    - expect_column_values_to_match_strftime_format: {column: ID, strftime_format: '%d.%m.'}",
        ),
    ],
)
def test_what_is_right_is_taken(change_mapping: Change, old: str, new: str) -> None:
    """The whole vocabulary."""
    change_mapping(old, new)
    mapping_files.load(NAME)


CARD = "{column: CARD, "

# A check below `rows`, the key that is named after it, and a part of what is said.
CHECKS = [
    (
        "expect_column_values_to_be_uniqe: {column: CARD}",
        "",
        "no such check; did you mean 'expect_column_values_to_be_un",
    ),
    ("expect_column_values_to_match_json_schema: {column: CARD, json_schema: {}}", "", "no such check; "),
    ("expect_column_values_to_be_of_type: {column: CARD, type_: int}", "", "no such check; "),
    ("expect_table_row_count_to_equal: {value: 3}", "", "not single rows. Move it to 'file' or 'warn'."),
    ("expect_column_values_to_be_unique:", "", "the key 'column' is missing. Add it, like column: CARD."),
    (
        "expect_column_values_to_be_unique: {column: 5}",
        ".column",
        'the number 5, not as text. Write it in quotes: "5".',
    ),
    ("expect_column_values_to_be_unique: {column: }", ".column", "is left empty. Write it like CARD."),
    ("expect_column_values_to_be_unique: {column: ''}", ".column", "must not be empty. Write it like CARD."),
    ("expect_column_values_to_be_unique: {column: [A]}", ".column", "takes a single text, like CARD, not a list."),
    ("expect_column_values_to_be_unique: {column: {A: B}}", ".column", "takes a single text, like CARD, not keys."),
    (
        "expect_column_values_to_be_unique: {column: 2026-01-31}",
        ".column",
        "as a date, not as text. Write it in quotes.",
    ),
    (
        f"expect_column_values_to_be_unique: {CARD}row_condition: '@x'}}",
        ".row_condition",
        "no such key; there are: colu",
    ),
    (f"expect_column_values_to_be_unique: {CARD}condition_parser: pandas}}", ".condition_parser", "no such key; "),
    (f"expect_column_values_to_be_unique: {CARD}meta: {{a: b}}}}", ".meta", "no such key; "),
    (f"expect_column_values_to_be_unique: {CARD}mostly: }}", ".mostly", "is left empty. Write it like 0.95."),
    (
        f"expect_column_values_to_be_unique: {CARD}mostly: [1]}}",
        ".mostly",
        "takes a number between 0 and 1 without quotes",
    ),
    (f"expect_column_values_to_be_unique: {CARD}mostly: '0.9'}}", ".mostly", "takes a number between 0 and 1 without"),
    (
        f"expect_column_values_to_be_unique: {CARD}mostly: 95}}",
        ".mostly",
        "takes a number between 0 and 1 without quotes",
    ),
    (f"expect_column_values_to_be_unique: {CARD}mostly: .nan}}", ".mostly", "takes a number between 0 and 1 without"),
    (f"expect_column_values_to_be_unique: {CARD}mostly: yes}}", ".mostly", "takes a number between 0 and 1 without"),
    ("expect_column_values_to_match_regex: {column: CARD}", "", "the key 'regex' is missing. Add it, like regex: \"^"),
    (f"expect_column_values_to_match_regex: {CARD}regex: }}", ".regex", "is left empty. Write it like"),
    (f"expect_column_values_to_match_regex: {CARD}regex: 8}}", ".regex", "Write it in quotes: "),
    (f"expect_column_values_to_match_regex: {CARD}regex: '['}}", ".regex", "is not a regular expression: "),
    (
        f"expect_column_values_to_match_regex: {CARD}regex: 'a{{99999999999}}'}}",
        ".regex",
        "is not a regular expression: ",
    ),
    (
        f"expect_column_values_to_match_regex_list: {CARD}regex_list: }}",
        ".regex_list",
        "is left empty. Write it like [",
    ),
    (
        f"expect_column_values_to_match_regex_list: {CARD}regex_list: 5}}",
        ".regex_list",
        "takes a list. Write it like [",
    ),
    (f"expect_column_values_to_match_regex_list: {CARD}regex_list: '[a]'}}", ".regex_list", "takes a list."),
    (f"expect_column_values_to_match_regex_list: {CARD}regex_list: []}}", ".regex_list", "needs at least one."),
    (
        f"expect_column_values_to_match_regex_list: {CARD}regex_list: [a, '[']}}",
        ".regex_list[1]",
        "is not a regular expr",
    ),
    (
        f"expect_column_values_to_match_regex_list: {CARD}regex_list: [a], match_on: b}}",
        ".match_on",
        "takes any or all;",
    ),
    (f"expect_column_values_to_be_in_set: {CARD}value_set: [A, 9]}}", ".value_set[1]", 'Write it in quotes: "9".'),
    (
        f"expect_column_values_to_be_in_set: {CARD}value_set: [yes]}}",
        ".value_set[0]",
        "yes or no (true), not as text. W",
    ),
    (f"expect_column_values_to_be_in_set: {CARD}value_set: abc}}", ".value_set", "takes a list. Write it like [UG]."),
    (f"expect_column_values_to_be_in_set: {CARD}value_set: {{$PARAMETER: x}}}}", ".value_set", "takes a list."),
    (
        f"expect_column_values_to_match_strftime_format: {CARD}strftime_format: '%Q'}}",
        ".strftime_format",
        "is not the form of a date",
    ),
    (
        f"expect_column_values_to_match_strftime_format: {CARD}strftime_format: '%Y %Y'}}",
        ".strftime_format",
        "is not the form of a date",
    ),
    (f"expect_column_values_to_be_between: {CARD}min_value: '1'}}", ".min_value", "takes a number without quotes"),
    (f"expect_column_values_to_be_between: {CARD}min_value: 2026-01-31}}", ".min_value", "takes a number without"),
    ("expect_column_values_to_be_between: {column: CARD}", "", "has no bounds. Add min_value, max_value or both"),
    (
        f"expect_column_values_to_be_between: {CARD}min_value: 9, max_value: 1}}",
        "",
        "there is nothing between 9 and 1.",
    ),
    (
        f"expect_column_value_lengths_to_equal: {CARD}value: 8.5}}",
        ".value",
        "takes a whole number without quotes, like 8",
    ),
    (
        f"expect_column_value_lengths_to_be_between: {CARD}max_value: 9, strict_max: 1}}",
        ".strict_max",
        "takes true or f",
    ),
    ("expect_compound_columns_to_be_unique: {column_list: [A]}", ".column_list", "needs at least two."),
]


@pytest.mark.parametrize(("check", "key", "sentence"), CHECKS)
def test_a_mistake_in_an_expectation_gives_file_line_key_and_a_way_out(
    change_mapping: Change, check: str, key: str, sentence: str
) -> None:
    """Before any row is looked at; in Great Expectations' own words nobody could mend it."""
    line = change_mapping(CHECK, check)
    with pytest.raises(ConfigError) as caught:
        mapping_files.load(NAME)
    place = f"people.yaml, line {line}: expect.rows[0].{check.partition(':')[0]}{key}: "
    assert [said for said in str(caught.value).splitlines() if said.startswith(place) and sentence in said], (
        caught.value
    )
    assert not JARGON.search(str(caught.value))


def test_the_mistakes_of_all_expectations_are_told_beside_all_others(include: Path) -> None:
    """Also beside one that keeps the file from being understood."""
    path = include / "mappings/folio/people.yaml"
    change(
        path, CHECK, "expect_a: {}\n    - expect_b: {}\n    - expect_column_values_to_be_null: {column: 1, mostly: 2}"
    )
    change(path, "barcode: CARD", "barcode: 7")
    with pytest.raises(ConfigError) as caught:
        mapping_files.load(NAME)
    said = [told.split(": ")[:2] for told in str(caught.value).splitlines()]
    key = "expect.rows[2].expect_column_values_to_be_null"
    assert said == [
        ["people.yaml, line 17", "fields.barcode"],
        ["people.yaml, line 7", "expect.rows[0].expect_a"],
        ["people.yaml, line 8", "expect.rows[1].expect_b"],
        ["people.yaml, line 9", f"{key}.column"],
        ["people.yaml, line 9", f"{key}.mostly"],
    ]


def test_a_list_may_have_a_fixed_value(change_mapping: Change) -> None:
    """The same department or tag for everybody."""
    change_mapping('{column: DEPTS, split: ";"}', "{value: [Library]}")
    mapping_files.load(NAME)


def test_all_mistakes_are_told_at_once(include: Path) -> None:
    """Not one a day."""
    path = include / "mappings/folio/people.yaml"
    change(path, "barcode: CARD", "barcde: CARD")
    change(path, "lookup: groups", "lookup: grups")
    change(path, EXPIRES, "EXPIRES")
    with pytest.raises(ConfigError) as caught:
        mapping_files.load(NAME)
    for key in ("fields.barcde", "fields.patronGroup.lookup", "fields.expirationDate"):
        assert f": {key}: " in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("UG: undergrad", "UG: 7"),
        (ID, "{value: 7}"),
        (ID, "{colum: ID}"),
    ],
)
def test_one_mistake_is_told_once(change_mapping: Change, old: str, new: str) -> None:
    """Two sentences about one slip send people looking for the second."""
    change_mapping(old, new)
    with pytest.raises(ConfigError) as caught:
        mapping_files.load(NAME)
    assert len(str(caught.value).splitlines()) == 1, caught.value


def test_a_mapping_that_is_not_there(include: Path) -> None:
    """Named by its file."""
    with pytest.raises(ConfigError, match=r"folio/nobody\.yaml: cannot be read"):
        mapping_files.load("folio/nobody")


def test_the_mappings_of_the_project_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the demo libraries use, and all others."""
    monkeypatch.delenv("PATRONLOAD_INCLUDE", raising=False)
    found = sorted(settings.mappings().rglob("*.yaml"))
    assert found
    for path in found:
        mapping_files.load_file(path)


def test_the_file_of_these_tests_uses_every_key() -> None:
    """A new key comes with a test."""
    # A second rule for the same field, and what a mapping has instead of 'prefer'.
    others = "expirationDate: {today: +120 days, renew_within: 30 days}\ncombine: [departments]"
    for name, field in [*mappings.Mapping.model_fields.items(), *Rule.model_fields.items()]:
        assert f"{field.alias or name}:" in MAPPING + others


def test_a_table_may_be_a_file_beside_the_mapping(include: Path) -> None:
    """A library's list of codes stays a list that the library keeps."""
    folder = include / "mappings/folio"
    (folder / "groups.csv").write_text("code,group\nUG,undergrad\n007, staff \n\n", encoding="utf-8-sig")
    change(folder / "people.yaml", 'groups: {UG: undergrad, "007": staff}', "groups: groups.csv")
    assert mapping_files.load(NAME).lookups["groups"] == {"UG": "undergrad", "007": "staff"}


@pytest.mark.parametrize("table", ["UG,undergrad\nUG,staff\n", "UG\n", "UG,\n"])
def test_a_table_with_a_mistake_is_told_with_its_line(include: Path, table: str) -> None:
    """A code twice would quietly mean the last one."""
    folder = include / "mappings/folio"
    (folder / "groups.csv").write_text(f"code,group\n{table}")
    change(folder / "people.yaml", 'groups: {UG: undergrad, "007": staff}', "groups: groups.csv")
    with pytest.raises(ConfigError, match=r"groups.csv, line \d: write a code and its value, and each code only once"):
        mapping_files.load(NAME)


def test_a_table_in_another_encoding_is_told_with_its_line(include: Path) -> None:
    """Excel saves CSV as Windows-1252; of the two files it is the table that is to be saved anew."""
    folder = include / "mappings/folio"
    (folder / "groups.csv").write_text("code,group\nÉTU,undergrad\n", encoding="cp1252")
    change(folder / "people.yaml", 'groups: {UG: undergrad, "007": staff}', "groups: groups.csv")
    with pytest.raises(ConfigError, match=r"people.yaml, line \d+: lookups.groups: groups.csv, line 2: is not UTF-8."):
        mapping_files.load(NAME)


def test_a_table_lies_beside_the_mapping_and_nowhere_else(include: Path) -> None:
    """No file of the machine is read because a mapping names it."""
    change(include / "mappings/folio/people.yaml", 'groups: {UG: undergrad, "007": staff}', "groups: ../../passwd.csv")
    with pytest.raises(ConfigError, match="there is no file"):
        mapping_files.load(NAME)
