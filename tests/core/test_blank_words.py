"""Words that other systems write for nothing."""

import json

import pytest

from patronload.checks import validation
from patronload.exports.reading import Export
from patronload.mapping.transform import transform
from patronload.rows import no_rejects

MAPPING = """
target: folio
fields:
  externalSystemId: ID
  username: LOGIN
  barcode: CARD
  patronGroup: {column: ROLE, lookup: groups}
  personal.lastName: LAST
lookups:
  groups: {UG: undergrad, "-": visitor, otherwise: staff}
"""


def table(frame, **cells):
    usual = {"ID": ["1"], "LOGIN": ["a"], "CARD": ["7"], "ROLE": ["UG"], "LAST": ["Adams"]}
    return frame(**usual | cells)


@pytest.mark.parametrize(
    "word",
    [
        "NULL",
        "null",
        r"\\N",
        "(null)",
        "(NULL)",
        "<NULL>",
        "[NULL]",
        "-",
        "---",
        "\u2014",
        " NULL ",
        "N/A",
        "(Null)",
        "n.a.",
        "NaN",
        "<NA>",
    ],
)
def test_a_word_is_a_blank_cell(mapping, frame, word):
    """In checks and in patrons: two rows with NULL as their card do not share a card."""
    word = word.replace("\\\\", "\\")
    rules = mapping(MAPPING)
    export = table(frame, ID=["1", "2"], LOGIN=["a", "b"], CARD=[word, word], ROLE=["UG"] * 2, LAST=["Adams"] * 2)
    found = validation.validate(Export(export, export.clear(), no_rejects()), rules)
    assert found.rejects.is_empty()
    made = transform(export, rules, found.rejects)
    assert [json.loads(text).get("barcode") for text in made.patrons["patron"]] == [None, None]


@pytest.mark.parametrize("name", ["NULL", "Null", "null", "Nullington"])
def test_a_person_may_be_called_null(mapping, frame, name):
    """The default cannot hurt them."""
    made = transform(table(frame, LAST=[name]), mapping(MAPPING), no_rejects())
    assert json.loads(made.patrons["patron"][0])["personal"]["lastName"] == name


def test_a_required_field_without_a_value_is_missed(mapping, frame):
    """A last name of "-" is none."""
    export = table(frame, LAST=["-"])
    found = validation.validate(Export(export, export.clear(), no_rejects()), mapping(MAPPING))
    assert found.rejects["row"].to_list() == [2]


def test_a_word_that_is_a_code_stays_a_code(mapping, frame):
    """The lookup lists it."""
    made = transform(table(frame, ROLE=["-"]), mapping(MAPPING), no_rejects())
    assert made.groups.to_list() == ["visitor"]


def test_a_mapping_names_its_own_words_or_none(mapping, frame):
    """They replace the default, for every column."""
    own = transform(table(frame, CARD=["NONE"], LAST=["-"]), mapping(f"{MAPPING}blank_words: [NONE]"), no_rejects())
    record = json.loads(own.patrons["patron"][0])
    assert ("barcode" in record, record["personal"]["lastName"]) == (False, "-")
    off = transform(table(frame, CARD=["NULL"]), mapping(f"{MAPPING}blank_words: []"), no_rejects())
    assert json.loads(off.patrons["patron"][0])["barcode"] == "NULL"
