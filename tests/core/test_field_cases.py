"""Values from the field that have no better place: entities of HTML, and many forms of a date in one column."""

import json

import pytest

from patronload.mapping.transform import transform
from patronload.rows import no_rejects

KEYS = """
target: folio
fields:
  externalSystemId: ID
  username: ID
"""

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
