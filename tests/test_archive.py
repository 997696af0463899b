"""The archive of earlier runs: a past day's own file, when the library no longer has it."""

import html
import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from patronload.artifacts import names, purging
from patronload.artifacts import run as runs
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.config.tenants import Keep
from patronload.errors import MissingError, SourceError
from patronload.in_airflow.pages import notes
from patronload.loads.load import Load
from patronload.reporting import mails
from tests import stages
from tests.one_library import DAY, days_after

DATED = "patrons_{date:%Y%m%d}.csv"


def name_of(day):
    return f"patrons_{day:%Y%m%d}.csv"


def exports(library):
    return library.folder / "exports"


@pytest.fixture
def loaded(library):
    """A library with dated files, whose file of one day was loaded and has been taken from its server since."""
    library.configure(path=DATED)
    library.deliver(range(3), name=name_of(DAY))
    library.loaded("first")
    (exports(library) / name_of(DAY)).unlink()
    return library


def about(library, run):
    return Run(library.runs / run).read_json(names.DELIVERY)


def test_a_past_day_whose_file_is_gone_is_taken_from_the_run_that_fetched_it(loaded):
    """Byte for byte, with its own name and time; where it comes from is in export.json, report, mail and note."""
    told = loaded.loaded("again", past=True, load_anyway="the records were lost")
    assert (loaded.runs / "again" / "export.csv").read_bytes() == (loaded.runs / "first" / "export.csv").read_bytes()
    first, again = about(loaded, "first"), about(loaded, "again")
    assert again["archive"] == {"run": "first", "fetched": first["fetched"]}
    for kept in ("name", "path", "size", "modified", "sha256", "day"):
        assert again[kept] == first[kept]
    assert (told.outcome, told.updated, told.export.archive.run) == ("loaded", 3, "first")
    page = html.unescape(Run(loaded.runs / "again").read(names.REPORT_PAGE).decode())
    mail = mails.result_mail(tenants.load("lib"), told)
    for text in (page, html.unescape(mail.html), mail.text):
        assert "taken from the archive of an earlier run, which fetched it" in text
    handed_on = stages.report(loaded.load("again", past=True))
    assert notes.sentence(handed_on).startswith(
        "Day 2026-11-20, patrons_20261120.csv (taken from the archive of run first): loaded"
    )


def test_only_who_asks_for_a_past_day_gets_it(loaded):
    """A scheduled run whose file has not come must not load what an earlier run had; nor one with a named file."""
    with pytest.raises(MissingError, match=r"There is no file .*patrons_20261120.csv"):
        stages.fetch(loaded.load("scheduled"))
    with pytest.raises(MissingError) as missing:
        stages.fetch(loaded.load("named", past=True, source_path=name_of(DAY)))
    assert "archive" not in str(missing.value)


def test_the_librarys_own_file_comes_first(loaded):
    """As long as it is on the server, it is the one to load: it may have been mended."""
    loaded.deliver(range(4), name=name_of(DAY), hour=9)
    told = loaded.loaded("again", past=True)
    assert (told.rows, told.export.archive) == (4, None)


def test_of_several_runs_the_export_that_was_fetched_last_is_taken(loaded):
    """Not a copy of an older one that was made later, and not another day's."""
    loaded.loaded("copy", past=True, load_anyway="x")
    copied = datetime.now(UTC).replace(microsecond=0)
    for number, (run, day) in enumerate([("second", DAY), ("next day", days_after(1))]):
        loaded.deliver(range(4 + number), name=name_of(day), day=day, hour=9)
        later = loaded.load(run, day=day)
        stages.fetch(later)
        known = later.run.read_json(names.DELIVERY)
        later.run.write_json(names.DELIVERY, known | {"fetched": (copied + timedelta(days=number + 1)).isoformat()})
        (exports(loaded) / name_of(day)).unlink()
    told = loaded.loaded("again", past=True)
    assert (told.export.archive.run, told.rows) == ("second", 4)


def test_all_files_of_a_delivery_are_taken(library):
    """Also when only one of them is gone: two halves of two deliveries are none."""
    library.configure(path=DATED, files=[f"{library.folder}/exports/staff_{{date:%Y%m%d}}.csv"])
    library.deliver(range(3), name=name_of(DAY))
    library.deliver(range(10, 12), name=f"staff_{DAY:%Y%m%d}.csv")
    assert library.loaded("first").rows == 5
    library.deliver(range(9), name=name_of(DAY), hour=10)
    (exports(library) / f"staff_{DAY:%Y%m%d}.csv").unlink()
    told = library.loaded("again", past=True, load_anyway="x")
    assert (told.rows, told.export.archive.run) == (5, "first")
    assert [each["name"] for each in about(library, "again")["more"]] == ["staff_20261120.csv"]
    (library.runs / "first" / "more" / "0002.csv").unlink()
    shutil.rmtree(library.runs / "again")
    with pytest.raises(MissingError, match="so it has been deleted"):
        stages.fetch(library.load("third", past=True))


@pytest.mark.parametrize("how", ["whole", "changed", "older"])
def test_a_run_that_is_cleared_keeps_what_it_fetched_itself(library, how):
    """All files of the delivery; unless they are not as they were, or another run has fetched later ones."""
    library.configure(path=DATED, files=[f"{library.folder}/exports/staff_{{date:%Y%m%d}}.csv"])
    for first in (0, 1) if how == "older" else (0,):
        library.deliver(range(first, 3), name=name_of(DAY), hour=9 + first)
        library.deliver(range(10, 12), name=f"staff_{DAY:%Y%m%d}.csv")
        run = library.load(f"run{first}", past=True)
        stages.fetch(run)
    told = run.run.read_json(names.DELIVERY)
    for name in (name_of(DAY), f"staff_{DAY:%Y%m%d}.csv"):
        (exports(library) / name).unlink()
    cleared = library.load("run0", past=True)
    if how == "changed":
        (library.runs / "run0" / "more" / "0002.csv").write_text("somebody changed it")
        with pytest.raises(MissingError):
            stages.fetch(cleared)
        return
    if how == "older":
        other = run.run.read_json(names.DELIVERY)
        run.run.write_json(names.DELIVERY, other | {"fetched": "2099-01-01T00:00:00+00:00"})
    assert stages.fetch(cleared)["more_files"] == 1
    now = cleared.run.read_json(names.DELIVERY)
    if how == "whole":
        assert now == told
    else:
        assert now["archive"]["run"] == "run1"
    assert stages.validate(cleared)["rows"] == (5 if how == "whole" else 4)


def test_a_file_that_is_not_what_was_fetched_is_not_taken(loaded):
    """Its SHA-256 is another one; nothing of it is left in the run."""
    (loaded.runs / "first" / "export.csv").write_text("somebody changed it")
    load = loaded.load("again", past=True)
    with pytest.raises(SourceError, match=r"The copy that run first kept of patrons_20261120\.csv is not the file"):
        stages.fetch(load)
    assert not load.run.has(names.EXPORT)


def test_an_export_that_was_purged_says_so_and_what_to_do(loaded):
    """Patrons are kept for so long only; before there was any run, the message says that."""
    long_after = datetime(2099, 1, 1, tzinfo=UTC)
    run = Run(loaded.runs / "first")
    purging.take_patrons(run, long_after)
    assert json.loads((loaded.runs / "first" / "export.json").read_text())["day"] == "2026-11-20"
    with pytest.raises(MissingError) as gone:
        stages.fetch(loaded.load("again", past=True))
    assert "Run first fetched the export of 20 November 2026, but patrons are kept for only 30 days" in str(gone.value)
    assert str(gone.value).endswith("Ask the sender for the file.")
    assert Keep().patrons == "30 days"
    with pytest.raises(MissingError, match=r"No earlier run has kept an export of this day either\.$"):
        stages.fetch(loaded.load("further", day=days_after(-1), past=True))


@pytest.mark.parametrize("path", ["patrons.csv", "patron*.csv"])
def test_without_a_date_in_its_name_a_past_days_file_is_the_one_that_was_fetched_for_it(library, path):
    """What lies there today is another day's; the newest file that was there before that day was over is its own."""
    library.configure(path=path)
    library.deliver(range(3))
    library.loaded("first")
    library.deliver(range(5), day=days_after(1))
    library.loaded("second", day=days_after(1))
    told = library.loaded("again", past=True, load_anyway="to go back")
    assert (told.rows, told.export.archive.run) == (3, "first")
    with pytest.raises(MissingError, match=r"after the requested day had ended.* No earlier run has kept"):
        stages.fetch(library.load("before", day=days_after(-1), past=True))
    told = library.loaded("as it lies there", day=days_after(1), past=True)
    assert (told.outcome, told.export.archive) == ("already_loaded", None)


def test_what_a_run_has_fetched_on_a_later_day_is_not_that_days(library):
    """A run by schedule that was cleared days later has taken what lay there then, under its own old day."""
    library.configure(path="patrons.csv")
    library.deliver(range(3))
    library.loaded("first")
    library.deliver(range(5), day=days_after(2))
    stages.fetch(library.load("then cleared"))
    library.deliver(range(6), day=days_after(3))
    assert library.loaded("again", past=True, load_anyway="to go back").rows == 3
    assert about(library, "again")["archive"]["run"] == "first"


def test_of_several_undated_files_the_newest_of_its_time_is_taken(library):
    """A pattern still matches that day's file on the server, beside newer ones."""
    library.configure(path="patrons_*.csv")
    for number in range(3):
        library.deliver(range(number + 1), day=days_after(number), name=f"patrons_{number}.csv")
    told = library.loaded("past", day=days_after(1), past=True)
    assert (told.export.name, told.export.archive) == ("patrons_1.csv", None)
    library.configure(path="patrons_*.csv", files="all")
    assert library.loaded("all of them", day=days_after(1), past=True).export.name == "patrons_0.csv"
    assert len(about(library, "all of them")["more"]) == 1


def test_the_runs_are_looked_through_wherever_they_are(library, root):
    """In a folder and in a bucket: one day's export among those of a dozen."""
    library.configure(path=DATED)
    for number in range(12):
        day = days_after(number)
        library.deliver(range(number + 1), name=name_of(day), day=day)
        stages.fetch(load_in(number, f"scheduled__{number:02}"))
        (exports(library) / name_of(day)).unlink()
    again = load_in(7, "backfill__7", past=True)
    stages.fetch(again)
    assert again.run.read_json(names.DELIVERY)["archive"]["run"] == "scheduled__07"
    assert again.run.read(names.EXPORT) == runs.open_run("lib", "scheduled__07").read(names.EXPORT)


def load_in(number, run_id, **options):
    """A load of a day whose artifacts are where $PATRONLOAD_ARTIFACTS says."""
    return Load(tenants.load("lib"), runs.open_run("lib", run_id), run_id, days_after(number), **options)
