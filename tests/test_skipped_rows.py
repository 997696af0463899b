"""A load whose mapping skips rows: they are neither sent nor rejected, and every row is still accounted for."""

import pytest
import yaml

from patronload.artifacts import tables
from patronload.reporting import words
from tests.leftovers import accounted

SKIP = [{"column": "patronGroup", "is": ["Alumni"], "reason": "alumni are not loaded"}]


@pytest.fixture
def folio_of_the_library(empty_folio):
    """No users of other tests."""
    return empty_folio


@pytest.fixture(autouse=True)
def mapping(library, tmp_path):
    """The library's mapping skips alumni."""
    path = tmp_path / "include/mappings/folio/flat_patrons.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"skip": SKIP}, sort_keys=False))


def test_skipped_rows_are_counted_and_not_sent(library):
    """Whatever is wrong with them; they do not count towards max_rejects, and their keys are kept for the plan."""
    library.configure(limits={"max_rejects": 0})
    library.deliver(range(1, 4))
    export = library.folder / "exports/patrons.csv"
    export.write_text(export.read_text() + "a-1,user1,000001,Alumni,,,not an address,,31/12/99\n,,,Alumni,x,,,,\n")
    report = library.loaded("run")
    assert (report.rows, report.created, report.rejected, report.skipped) == (5, 3, 0, 2)
    assert accounted(report) == report.rows
    assert [(skip.reason, skip.count) for skip in report.skips] == [("alumni are not loaded", 2)]
    assert tables.read_skipped(library.load().run)["key"].to_list() == ["a-1", None]
    assert sorted(key for seen in library.folio.imports for key in seen.external_system_ids) == ["u-1", "u-2", "u-3"]
    assert not library.load().run.has("rejects.csv") or "Alumni" not in library.load().run.read("rejects.csv").decode()


def test_the_mail_says_how_many_rows_were_skipped_and_why(library):
    """A load with nothing but skipped rows beside the loaded ones is a success."""
    library.deliver(range(1, 3))
    export = library.folder / "exports/patrons.csv"
    export.write_text(export.read_text() + "a-1,user9,000009,Alumni,,,,,\n")
    report = library.loaded("run")
    assert report.outcome == "loaded"
    (number,) = [number for number in words.content(report, "dag")["numbers"] if number.name == "Skipped"]
    assert (number.amount, number.meaning) == (1, "alumni are not loaded (1)")
