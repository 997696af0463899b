"""One mail a week: to whom, and what it tells."""

import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from leftovers import TENANT, build, failure

from patronload.config import tenants
from patronload.reporting import digests
from patronload.reporting.words import LOOKS

UNTIL = datetime(2026, 11, 23, 6, tzinfo=UTC)


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two libraries that share a reader, and one that wants no such mail; the artifacts' folder."""
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"file://{tmp_path}")
    made = []
    for name, weekly in (
        ("ashford", ["Head@a.example", "both@x.example"]),
        ("bexley", ["BOTH@x.example"]),
        ("corvey", []),
    ):
        contacts = TENANT.notify.model_copy(update={"weekly": tuple(weekly)})
        changes = {"tenant": name, "library": f"{name.title()} <Library>", "notify": contacts}
        made.append((name, TENANT.model_copy(update=changes)))
    monkeypatch.setattr(tenants, "load_all", lambda: iter(made))
    return tmp_path


def leave(root: Path, tenant: str, day: date, **more) -> None:
    folder = root / tenant / f"manual__{day}"
    folder.mkdir(parents=True)
    made = build(**more).model_copy(update={"day": day})
    (folder / "report.json").write_text(made.model_dump_json())
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()
    os.utime(folder / "report.json", (moment, moment))


def test_a_week(libraries: Path):
    """The last seven days' loads in their order, without dry runs, each address once."""
    for back in (8, 7, 3, 1, 0):
        leave(libraries, "ashford", UNTIL.date() - timedelta(days=back))
    leave(libraries, "ashford", date(2026, 11, 18), dry_run=True, sent=set(), results=[])
    leave(libraries, "corvey", date(2026, 11, 18))
    found = digests.digests(UNTIL)
    assert {address: [week.tenant.tenant for week in weeks] for address, weeks in found.items()} == {
        "Head@a.example": ["ashford"],
        "both@x.example": ["ashford", "bexley"],
    }
    (week,) = found["Head@a.example"]
    assert [load.day.day for load in week.loads] == [16, 20, 22]


def test_the_mail(libraries: Path):
    """How many succeeded, each load with its result, and which library had none at all."""
    leave(libraries, "ashford", date(2026, 11, 20))
    stopped = failure("ValidationError", "validate", "The file is too short.")
    leave(libraries, "ashford", date(2026, 11, 21), failure=stopped, patrons=None, sent=set(), results=[])
    mail = digests.mail("both@x.example", digests.digests(UNTIL)["both@x.example"], UNTIL)
    assert mail.to == ("both@x.example",)
    assert mail.subject == "1 of 2 loads succeeded (2 libraries, week to 22 Nov 2026)"
    for told in ("There was no load for Bexley", "Fri 20 Nov", "Stopped", "No load", "16 Nov 2026 to 22 Nov 2026"):
        assert told in mail.text
        assert told in mail.html
    assert "&lt;Library&gt;" in mail.html
    assert "<Library>" not in mail.html


def test_undone_loads_are_counted_apart(libraries: Path):
    """An undo is no load, and the mail says how many loads were undone."""
    leave(libraries, "ashford", date(2026, 11, 20))
    leave(libraries, "ashford", date(2026, 11, 21))
    file = libraries / "ashford" / "manual__2026-11-21" / "report.json"
    written = file.stat()
    file.write_text(re.sub('"outcome":"\\w+"', '"outcome":"undone"', file.read_text()))
    os.utime(file, (written.st_atime, written.st_mtime))
    mail = digests.mail("Head@a.example", digests.digests(UNTIL)["Head@a.example"], UNTIL)
    assert mail.subject.startswith("1 of 1 load succeeded")
    assert "Undone: 1 load." in mail.text
    assert "Undone: 1 load." in mail.html


def test_a_week_without_a_load(libraries: Path):
    """That is news, too."""
    mail = digests.mail("Head@a.example", digests.digests(UNTIL)["Head@a.example"], UNTIL)
    assert mail.subject == "No load this week (Ashford <Library>, week to 22 Nov 2026)"


def test_a_file_that_was_loaded_before_is_no_failure(libraries: Path):
    """It counts neither as a success nor as a failed load, and the mail says so in words."""
    leave(libraries, "ashford", date(2026, 11, 20))
    before = {"already_loaded": "This file was loaded already.", "load_anyway": None, "stages": {}}
    leave(libraries, "ashford", date(2026, 11, 21), gates=before, patrons=None, sent=set(), results=[])
    mail = digests.mail("Head@a.example", digests.digests(UNTIL)["Head@a.example"], UNTIL)
    assert mail.subject.startswith("1 of 1 load succeeded")
    assert "Already loaded: 1 file, with nothing to do." in mail.text
    (line,) = [line for line in mail.text.splitlines() if line.startswith("Sat 21 Nov")]
    assert line.endswith(f"0  {LOOKS['already_loaded'].word}")
    assert "Already loaded: 1 file, with nothing to do." in mail.html


@pytest.mark.parametrize(
    ("zone", "days", "week"),
    [
        ("America/Chicago", [16, 22], "16 Nov 2026 to 22 Nov 2026"),
        ("Australia/Sydney", [15, 16], "16 Nov 2026 to 22 Nov 2026"),
        ("Pacific/Honolulu", [15, 16], "15 Nov 2026 to 21 Nov 2026"),
    ],
)
def test_the_week_is_the_librarys_own(libraries: Path, monkeypatch, zone: str, days: list[int], week: str):
    """Seven whole days by the library's clocks, which may be another week than by ours."""
    mine = next(tenant for _, tenant in tenants.load_all() if tenant.tenant == "ashford")
    there = mine.model_copy(update={"timezone": zone})
    monkeypatch.setattr(tenants, "load_all", lambda: iter([("ashford", there)]))
    # 15 November, 14:00 UTC is the 16th in Sydney; 23 November, 05:30 UTC is the 22nd in Chicago and in Honolulu.
    for day, moment in (
        (15, datetime(2026, 11, 15, 14, tzinfo=UTC)),
        (16, datetime(2026, 11, 16, 12, tzinfo=UTC)),
        (22, datetime(2026, 11, 23, 5, 30, tzinfo=UTC)),
    ):
        leave(libraries, "ashford", date(2026, 11, day))
        file = libraries / "ashford" / f"manual__2026-11-{day}" / "report.json"
        os.utime(file, (moment.timestamp(), moment.timestamp()))
    (found,) = digests.digests(UNTIL)["Head@a.example"]
    assert (found.days, [load.day.day for load in found.loads]) == (week, days)
    assert week in digests.mail("Head@a.example", [found], UNTIL).text


def test_libraries_of_two_zones_have_their_own_days(libraries: Path, monkeypatch):
    """In one mail, each under its name."""
    zones = {"ashford": "Pacific/Honolulu", "bexley": "Australia/Sydney"}
    found = [(name, tenant) for name, tenant in tenants.load_all() if name in zones]
    there = [(name, tenant.model_copy(update={"timezone": zones[name]})) for name, tenant in found]
    monkeypatch.setattr(tenants, "load_all", lambda: iter(there))
    text = digests.mail("both@x.example", digests.digests(UNTIL)["both@x.example"], UNTIL).text
    assert "ASHFORD <LIBRARY>, 15 NOV 2026 TO 21 NOV 2026" in text
    assert "BEXLEY <LIBRARY>, 16 NOV 2026 TO 22 NOV 2026" in text
