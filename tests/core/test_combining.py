"""A person in several rows of a file: the lists of all rows are combined, and each row is accounted for."""

import json

import pytest

from patronload.checks import validation
from patronload.cli import preview
from patronload.config import mapping_files
from patronload.config.source import Layout
from patronload.config.tenants import Limits
from patronload.errors import ConfigError
from patronload.exports import reading
from patronload.mapping import combining
from tests.documentation.pages import put

MAPPING = """
target: folio
combine: [departments, personal.addresses]
fields:
  externalSystemId: {column: ID, steps: [lower]}
  username: LOGIN
  departments: {column: DEPT, lookup: departments, split: ";"}
  personal.lastName: NAME
  personal.addresses[0].addressTypeId: TYPE
  personal.addresses[0].city: CITY
  personal.addresses[0].primaryAddress: {value: true}
lookups:
  departments: {HIS: History, LAW: Law, MED: Medicine}
"""
PREFER = MAPPING.replace("combine:", "prefer: {column: ROLE, order: [FAC, STF, UG]}\ncombine:")
HEADER = "ID,LOGIN,DEPT,NAME,TYPE,CITY,ROLE"


def loaded(tmp_path, text, *rows):
    """The patrons by row, the skipped rows with their reason, and the rejects with theirs."""
    put(tmp_path / "m.yaml", text)
    put(tmp_path / "export.csv", "\n".join([HEADER, *rows]))
    found = preview.preview(str(tmp_path / "m.yaml"), tmp_path / "export.csv", Layout(), Limits())
    patrons = dict(found.patrons.select("row", "patron").iter_rows())
    skipped = dict(found.skipped.select("row", "reason").iter_rows())
    rejects = dict(found.rejects.select("row", "reason").reverse().iter_rows())
    assert sorted([*patrons, *skipped, *rejects]) == list(range(2, len(rows) + 2)), "each row once"
    return {row: json.loads(patron) for row, patron in patrons.items()}, skipped, rejects


def test_departments_and_addresses_of_all_rows(tmp_path):
    """Each department once, and one address of each type; only one of them is the primary one."""
    patrons, skipped, rejects = loaded(
        tmp_path,
        MAPPING,
        "1,a,HIS,Adams,Home,Berlin,",
        "2,b,LAW,Baker,Home,Rome,",
        "1,a,LAW;HIS,Adams,Work,Paris,",
        "1,a,MED,Adams,Home,Oslo,",
    )
    assert list(patrons) == [2, 3]
    assert patrons[2]["departments"] == ["History", "Law", "Medicine"]
    assert patrons[2]["personal"]["addresses"] == [
        {"addressTypeId": "Home", "city": "Berlin", "primaryAddress": True},
        {"addressTypeId": "Work", "city": "Paris", "primaryAddress": False},
    ]
    assert patrons[3]["departments"] == ["Law"]
    assert skipped == {4: combining.REASON, 5: combining.REASON}
    assert rejects == {}


def test_what_only_another_row_has(tmp_path):
    """The person's own row may lack all that is combined."""
    patrons, *_ = loaded(tmp_path, MAPPING, "1,a,,Adams,,,", "1,a,LAW,Adams,Work,Paris,")
    assert patrons[2]["departments"] == ["Law"]
    assert [address["city"] for address in patrons[2]["personal"]["addresses"]] == ["Paris"]


@pytest.mark.parametrize(
    ("text", "rows", "outcome"),
    [
        ("alike", ["1,a,HIS,Adams,,,", "1,b,LAW,Adams,,,"], ([], [], [2, 3])),
        ("alike", ["1,a,HIS,Adams,,,", "1,a,LAW,Baker,,,"], ([], [], [2, 3])),
        ("alike", ["A1,a,HIS,Adams,,,", "a1,a,LAW,Adams,,,"], ([], [], [2, 3])),
        ("alike", ["1,a,HIS,Adams,,,", "1,a,HIS,Adams,,,"], ([2], [], [3])),
        ("alike", ["1,a,HIS,Adams,,,", "1,a,HIS,Adams,,,", "1,a,LAW,Adams,,,"], ([2], [4], [3])),
        ("alike", ["1,a,HIS,Adams,,,", "2,a,LAW,Adams,,,"], ([], [], [2, 3])),
        ("alike", [",a,HIS,Adams,,,", ",b,LAW,Adams,,,"], ([], [], [2, 3])),
        ("prefer", ["1,a,HIS,Adams,,,UG", "1,a2,LAW,Adam,,,FAC"], ([3], [2], [])),
        ("prefer", ["1,a,HIS,Adams,,,FAC", "1,a2,LAW,Adam,,,UG", "1,a,MED,Adams,,,FAC"], ([2], [3, 4], [])),
        ("prefer", ["1,a,HIS,Adams,,,FAC", "1,b,LAW,Adams,,,FAC"], ([], [], [2, 3])),
        ("prefer", ["1,a,HIS,Adams,,,FAC", "1,a,LAW,Adams,,,ALUM"], ([], [], [2, 3])),
    ],
)
def test_which_rows_are_combined(tmp_path, text, rows, outcome):
    """Only rows that say the same otherwise, unless `prefer` decides; two people with one id are never made one."""
    found = loaded(tmp_path, {"alike": MAPPING, "prefer": PREFER}[text], *rows)
    assert tuple(sorted(part) for part in found) == outcome


@pytest.mark.parametrize("bad", [0, 1])
def test_half_a_person_is_not_loaded(tmp_path, bad):
    """A row that cannot be turned rejects all rows of its person, so that all come back in the corrected file."""
    rows = ["1,a,HIS,Adams,,,", "1,a,LAW,Adams,,,"]
    rows[bad] = rows[bad].replace("HIS", "XXX").replace("LAW", "XXX")
    patrons, skipped, rejects = loaded(tmp_path, MAPPING, *rows, "2,b,LAW,Baker,,,")
    assert (list(patrons), skipped) == ([4], {})
    assert "not set up in the mapping yet" in rejects[2 + bad]
    assert rejects[3 - bad].startswith(f"row {2 + bad} of the same person is rejected")


def test_checks_are_for_all_rows(tmp_path):
    """What a check refuses in a row refuses the person; the other row says which one."""
    text = MAPPING.replace(
        "fields:", "expect:\n  rows:\n    - expect_column_values_to_not_be_null: {column: CITY}\nfields:"
    )
    _, skipped, rejects = loaded(tmp_path, text, "1,a,HIS,Adams,Home,Berlin,", "1,a,LAW,Adams,Work,,")
    assert skipped == {}
    assert rejects[2].startswith("row 3 of the same person")


def test_the_skipped_row_names_the_person_for_the_plan(mapping):
    """So that no one counts as missing."""
    export = reading.read(f"{HEADER}\nA1,a,HIS,Adams,,,\nA1,a,LAW,Adams,,,\n".encode(), Layout())
    found = validation.validate(export, mapping(MAPPING))
    assert found.skipped.rows() == [(3, combining.REASON, "a1")]
    assert found.combined.rows() == [(3, 2)]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "combine: [department]",
            "line 3: combine[0]: 'department' is not a list that this mapping fills; did you",
        ),
        ("combine: [username]", "there are: departments, personal.addresses."),
        ("combine: departments", "combine"),
    ],
)
def test_what_cannot_be_combined(tmp_path, line, sentence):
    """Only lists that the mapping fills."""
    put(tmp_path / "m.yaml", MAPPING.replace("combine: [departments, personal.addresses]", line))
    with pytest.raises(ConfigError) as error:
        mapping_files.load_file(tmp_path / "m.yaml")
    assert sentence in str(error.value)
