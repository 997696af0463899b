"""Partial feeds: files about patrons whom the library system already has, and files with fewer columns."""

import pytest
import yaml

from tests.leftovers import accounted
from tests.one_library import days_after


@pytest.fixture
def folio_of_the_library(empty_folio):
    """No users of other tests."""
    return empty_folio


@pytest.fixture
def mapping(library, tmp_path):
    """Change the library's mapping."""
    path = tmp_path / "include/mappings/folio/flat_patrons.yaml"

    def change(fields=None, **parts):
        written = yaml.safe_load(path.read_text())
        lookups = (
            {} if fields and not any("lookup" in rule for rule in fields.values()) else {"lookups": written["lookups"]}
        )
        content = {"target": "folio", "fields": fields or written["fields"], **lookups, **parts}
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    return change


CARDS = {"externalSystemId": {"column": "externalSystemId"}, "barcode": {"column": "barcode"}}


def user(library, number):
    """A stored user."""
    return library.folio.store("main").users.find("externalSystemId", f"u-{number}")


@pytest.mark.parametrize(("newcomers", "rejected", "skipped"), [("reject", 1, 0), ("skip", 0, 1)])
def test_a_card_office_feed_changes_known_patrons_only(library, mapping, newcomers, rejected, skipped):
    """Their barcode, and nothing else; an unknown patron is rejected or skipped, and never created."""
    library.deliver(range(1, 4))
    library.loaded("first")
    mapping(CARDS, newcomers=newcomers)
    library.configure(limits={"changed_columns": "warn", "changed_fields": {"barcode": "100%"}})
    export = library.folder / "exports/patrons.csv"
    export.write_text("externalSystemId,barcode\nu-1,900001\nu-2,\nu-9,900009\n")
    report = library.loaded("second", day=days_after(1))
    assert (report.rows, report.created, report.updated, report.rejected, report.skipped) == (
        3,
        0,
        2,
        rejected,
        skipped,
    )
    assert accounted(report) == report.rows
    assert (user(library, 1)["barcode"], user(library, 2)["barcode"]) == ("900001", "000002")
    assert user(library, 1)["personal"]["lastName"] == "Adams"
    assert user(library, 9) is None
    words = [reason.reason for reason in report.reasons] + [skip.reason for skip in report.skips]
    assert any(reason.startswith("FOLIO does not have this patron") for reason in words)


def test_one_mapping_serves_files_with_and_without_the_columns_for_names(library, mapping):
    """Known patrons keep their names; a new patron without a last name is rejected."""
    without = ("lastName", "firstName", "email", "phone")
    library.configure(limits={"changed_columns": "warn"})
    mapping(
        {
            "externalSystemId": {"column": "externalSystemId"},
            "username": {"column": "username"},
            "patronGroup": {"column": "patronGroup", "lookup": "patron_groups"},
            "personal.lastName": {"column": "lastName"},
            "personal.firstName": {"column": "firstName"},
            "personal.preferredContactTypeId": {"value": "email"},
        }
    )
    library.deliver(range(1, 3))
    library.loaded("first")
    library.deliver(range(1, 4), without=without, cells={"patronGroup": "Lecturer"}, day=days_after(1))
    report = library.loaded("second", day=days_after(1))
    assert (report.updated, report.created, report.rejected) == (2, 0, 1)
    (reason,) = report.reasons
    assert reason.reason == "FOLIO refuses a patron without it, and neither the file nor FOLIO has one"
    assert (user(library, 1)["personal"]["lastName"], user(library, 1)["personal"]["firstName"]) == ("Adams", "Ann")
    assert any("no columns lastName, firstName" in warning for warning in report.warnings)


def test_a_column_that_no_rule_reads_is_reported_once(library):
    """With its number of filled cells; the next load of the same columns says nothing."""
    library.deliver(range(1, 4))
    export = library.folder / "exports/patrons.csv"
    rows = export.read_text().splitlines()
    more = ["tags,notes", "urgent,", "vip,", ",", *["," for _ in rows[4:]]]
    text = "\n".join(f"{row},{cells}" for row, cells in zip(rows, more, strict=False)) + "\n"
    export.write_text(text)
    sentence = "No rule reads these columns: tags (2 filled)."
    assert sentence in library.loaded("dry", dry_run=True).warnings
    assert sentence in library.loaded("first").warnings
    export.write_text(text.replace("Adams", "Baker"))
    assert sentence not in library.loaded("second", day=days_after(1)).warnings
