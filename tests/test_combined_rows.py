"""A load of a file with several rows for a person: what arrives, and what the counts say."""

import json

import pytest
import yaml

from patronload.artifacts import names
from tests import stages

HEADER = "externalSystemId,username,barcode,patronGroup,lastName,firstName,email,phone,expirationDate,DEPT\n"


@pytest.fixture
def folio_of_the_library(empty_folio):
    """A FOLIO without users for each test."""
    return empty_folio


@pytest.fixture
def departments(library):
    """The library's mapping combines departments, of which FOLIO knows two."""
    path = library.folder / "include" / "mappings" / "folio" / "flat_patrons.yaml"
    mapping = yaml.safe_load(path.read_text())
    mapping["fields"]["departments"] = {"column": "DEPT", "split": ";", "lookup": "departments"}
    mapping["lookups"] = (mapping.get("lookups") or {}) | {"departments": {"HIS": "History", "LAW": "Law"}}
    path.write_text(yaml.safe_dump(mapping | {"combine": ["departments"]}, sort_keys=False))
    library.configure(target={"send": "all", "create": ["departments"]})
    return library


def deliver(library, *rows):
    """An export of these people and departments."""
    lines = [f"{number},u{number},{number:06},Student,Adams,Ann,,,,{dept}\n" for number, dept in rows]
    (library.folder / "exports" / "patrons.csv").write_text(HEADER + "".join(lines))


def test_each_row_is_counted_once(departments):
    """Two rows of one person are one patron created and one row skipped; half a person is rejected as a whole."""
    library = departments
    deliver(library, (1, "HIS"), (2, "LAW"), (1, "LAW"), (3, "HIS"), (3, "XXX"))
    report = library.loaded("run")
    assert (report.rows, report.created, report.skipped, report.rejected) == (5, 2, 1, 2)
    sent = [json.loads(line) for line in patrons(library.load("run"))]
    assert [patron.get("departments") for patron in sent] == [["History", "Law"], ["Law"]]
    assert {reason.stage for reason in report.reasons} == {"transform"}
    rejects = library.load("run").run.read(names.REJECTS).decode()
    assert rejects.count("\n") == 3, "both rows of the person come back"


def test_a_cleared_transform_gives_the_same(departments):
    """What was taken out of the skipped rows stays out."""
    library = departments
    deliver(library, (1, "HIS"), (1, "LAW"), (3, "HIS"), (3, "XXX"))
    load = library.load("run")
    for step in (stages.fetch, stages.validate, stages.transform):
        first = step(load)
    before = (patrons(load), load.run.read(names.TRANSFORM_REJECTS), load.run.read(names.SKIPPED))
    assert stages.transform(load) == first
    assert (patrons(load), load.run.read(names.TRANSFORM_REJECTS), load.run.read(names.SKIPPED)) == before


def patrons(load):
    """The patrons as text, in order."""
    from patronload.artifacts import tables

    return tables.read(load.run, names.PATRONS)["patron"].to_list()
