"""Find a patron: in which runs, in which row, what came of it, and what changed; and who may search."""

import os

import pytest

from patronload import __main__ as command
from patronload.artifacts import names
from patronload.artifacts.run import Run, runs_in
from patronload.config import tenants
from patronload.reporting import finding
from tests.one_library import days_after
from tests.test_sync import AFTER_TWO, ANY_IDS, CHANGED, night


@pytest.fixture
def folio_of_the_library(empty_folio):
    """No users of other tests."""
    return empty_folio


@pytest.fixture
def library(library):
    """A library with complete files."""
    library.configure(contains="everyone", target=CHANGED, leavers=AFTER_TWO, limits=ANY_IDS)
    return library


def found(library, value):
    """What the search finds, the newest run first: run, row, outcome."""
    hits = finding.search(runs_in(library.runs), tenants.load("lib"), value).hits
    return [(hit.run_id, hit.row, hit.outcome) for hit in hits]


@pytest.fixture
def weeks(library):
    """Five nights: patron 9 is created, changed, rejected, missing and made inactive."""
    night(library, 1, range(1, 10))
    for number, cell, other in ((2, "Ann,,,", "Ann,Kim@campus.example,,"), (3, "user9,", ",")):
        library.deliver(range(1, 10), day=days_after(number))
        path = library.folder / "exports" / "patrons.csv"
        *rows, last = path.read_text().splitlines()
        written = path.stat().st_mtime
        path.write_text("\n".join([*rows, last.replace(cell, other)]))
        os.utime(path, (written, written))
        library.loaded(f"night{number}", day=days_after(number))
    for number in (4, 5, 6):
        night(library, number, range(1, 9))
    return library


def test_every_run_that_had_the_patron(weeks):
    """By id, username, barcode or address; the oldest run says created, the last one that the patron left."""
    hits = finding.search(runs_in(weeks.runs), tenants.load("lib"), "U-9").hits
    assert [(hit.run_id, hit.row, hit.outcome) for hit in hits] == [
        ("night6", None, "not in the file: made inactive"),
        ("night3", 10, "rejected"),
        ("night2", 10, "updated"),
        ("night1", 10, "created"),
    ]
    changed = {change.field: (change.before, change.after.lower(), change.why) for change in hits[2].changes}
    assert changed["personal.email"] == ("", "kim@campus.example", "the file")
    assert "username" in hits[1].reason
    assert hits[2].result == "Loaded"
    assert hits[3].day == f"{days_after(1)}"


@pytest.mark.parametrize(
    ("value", "runs"),
    [
        ("user9", ["night6", "night3", "night2", "night1"]),
        (" 000009 ", ["night6", "night3", "night2", "night1"]),
        ("kim@CAMPUS.example", ["night6", "night3", "night2"]),
        ("u-99", []),
        ("Adams", []),
        ("9", []),
    ],
)
def test_what_one_may_type(weeks, value, runs):
    """Case and blanks around it do not matter; a part of an id, or a surname, finds no one."""
    shown = [run for run, *_ in found(weeks, value)]
    assert set(shown) >= set(runs) if runs else shown == []


def test_other_outcomes(library):
    """Unchanged, skipped, failed, and not sent by a dry run."""
    night(library, 1, range(1, 8))
    night(library, 2, range(1, 8))
    library.deliver(range(1, 10), day=days_after(3))
    library.loaded("dry", day=days_after(3), dry_run=True)
    assert [line[0::2] for line in found(library, "u-1")] == [
        ("dry", "unchanged"),
        ("night2", "unchanged"),
        ("night1", "created"),
    ]
    assert [line[0::2] for line in found(library, "u-9")] == [("dry", "not sent")]


def test_a_purged_run_is_not_searched(weeks):
    """Its patrons are no longer kept."""
    Run(weeks.runs / "night2").write_json(names.PURGED, {"purged": "2026-11-20T10:30:04+00:00"})
    assert "night2" not in [run for run, *_ in found(weeks, "u-9")]


def test_a_mapping_that_no_longer_loads(weeks):
    """Then every column of the file is searched."""
    tenant = tenants.load("lib")
    (weeks.folder / "include" / "mappings" / "folio" / "flat_patrons.yaml").write_text("[")
    hits = finding.search(runs_in(weeks.runs), tenant, "u-9").hits
    assert [hit.run_id for hit in hits] == ["night6", "night3", "night2", "night1"]


def test_the_command(weeks, monkeypatch, capsys):
    """The same in a terminal; without the value it asks, so that it stays out of the shell's history."""
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"file://{weeks.runs.parent}")
    assert command.main(["find", "lib", "user9"]) == 0
    text = capsys.readouterr().out
    assert "row 10, u-9, created" in text
    assert "personal.email: (empty) -> kim@campus.example" in " ".join(text.lower().split())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: "u-9")
    assert command.main(["find", "lib"]) == 0
    assert "made inactive" in capsys.readouterr().out
    assert command.main(["find", "elsewhere", "u-9"]) == 1
