"""Values from the field that have no better place: entities of HTML, and many forms of a date in one column."""

import json

import pytest

from patronload.checks import validation
from patronload.config.source import Layout
from patronload.exports import reading
from patronload.exports.reading import Export
from patronload.mapping.transform import transform
from patronload.rows import no_rejects

KEYS = """
target: folio
fields:
  externalSystemId: ID
  username: ID
"""

NAMES = "  personal.lastName: {column: A, steps: [decode_html]}\n"

DATES = """  expirationDate:
    column: A
    date: ["%m/%d/%Y", "%m-%d-%y", "%d-%b-%Y", "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"]
    latest: "2999-12-31"
"""


def patrons(mapping, frame, rules, *cells):
    """The patron of each cell, None for a reject."""
    table = frame(ID=[str(number) for number in range(len(cells))], A=list(cells))
    made = transform(table, mapping(KEYS + rules), no_rejects())
    found = {row: json.loads(patron) for row, patron in made.patrons.select("row", "patron").iter_rows()}
    return [found.get(row) for row in range(2, len(cells) + 2)]


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("O&#39;Brien", "O'Brien"),
        ("Smith &amp; Sons", "Smith & Sons"),
        ("Mu&ntilde;oz", "Muñoz"),
        ("D&#x2019;Arcy", "D’Arcy"),
        ("Zo&euml; &lt;3", "Zoë <3"),
        ("AT&T", "AT&T"),
        ("a &unknown; b", "a &unknown; b"),
        ("R&amp;amp;D", "R&D"),
    ],
)
def test_entities_of_html(mapping, frame, cell, name):
    """Decoded where the mapping says so; what only looks like one stays."""
    (patron,) = patrons(mapping, frame, "  personal.lastName: {column: A, steps: [decode_html]}\n", cell)
    assert patron["personal"]["lastName"] == name


@pytest.mark.parametrize("cell", ["Mu&ntilde;oz&nbsp;", "Mu&ntilde;&shy;oz", "Mun&#771;oz&#8203;"])
def test_entities_of_invisible_characters(mapping, frame, cell):
    """They never reach a value, and an accent of its own joins its letter."""
    (patron,) = patrons(mapping, frame, NAMES, cell)
    assert patron["personal"]["lastName"] == "Muñoz"


@pytest.mark.parametrize(
    ("cell", "is_noted"),
    [("O&#39;Brien", True), ("Smith &amp; Sons", True), ("O&apos;Neil", True), ("AT&T", False), ("R&D; M&S", False)],
)
def test_entities_that_no_step_decodes_are_reported(mapping, frame, cell, is_noted):
    """They are loaded as they are, and whoever looks after the mapping learns about the step."""
    table = frame(ID=["1"], A=[cell])
    export = Export(table, table.clear(), no_rejects())
    found = validation.validate(export, mapping(f"{KEYS}  personal.lastName: A\n"))
    assert [note.split(" ")[0] for note in found.noted["summary"]] == (["A"] if is_noted else [])
    assert validation.validate(export, mapping(KEYS + NAMES)).noted.is_empty()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-16-le", "cp037", "shift_jis"])
@pytest.mark.parametrize(("cell", "may_have"), [("O&#x27;Brien", True), ("R & D; A&B Ltd.", False), ("O'Brien", False)])
def test_entities_are_found_in_the_bytes_of_every_encoding(encoding, cell, may_have):
    """Files whose bytes have none are not searched cell by cell; in doubt they are."""
    export = reading.read(f"ID,A\n1,{cell}\n".encode(encoding), Layout(delimiter=",", encoding=encoding))
    assert export.may_have_entities is (may_have or encoding.startswith(("utf-16", "cp037")))


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("05/17/2037", "2037-05-17"),
        ("05-17-37", "2037-05-17"),
        ("12-MAY-2037", "2037-05-12"),
        ("2037-06-30 00:00:00", "2037-06-30"),
        ("2035/04/08", "2035-04-08"),
        ("20370101", "2037-01-01"),
        ("2037-06-30T23:59:59Z", "2037-06-30"),
        ("12-may-2037", "2037-05-12"),
        ("17/05/2037", None),
        ("2037-02-30", None),
        ("May 2037", None),
        ("00/00/0000", None),
    ],
)
def test_many_forms_of_a_date_in_one_column(mapping, frame, cell, day):
    """The first form that fits counts; what fits none rejects the row."""
    (patron,) = patrons(mapping, frame, DATES, cell)
    assert (patron or {}).get("expirationDate", "")[:10] == (day or "")
    assert (patron is None) == (day is None)
