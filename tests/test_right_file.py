"""Is it the right file? One library's loads, one after the other: its folder, its ledger, the stand-in FOLIO."""

import html
from collections import Counter

import polars as pl
import pytest

from patronload.artifacts import history, names
from patronload.artifacts.history import History
from patronload.artifacts.run import Run
from patronload.checks import gates
from patronload.config import tenants
from patronload.errors import ConfigError, TargetError, TransientError, ValidationError
from patronload.reporting import mails
from patronload.reporting.next_steps import next_steps
from tests import stages
from tests.one_library import STEPS, days_after

REASON = "the registry has moved, says Mr Reed"


def test_the_first_load_has_nothing_to_compare_with(library):
    """It says so, goes through, and is what the next one is compared with."""
    library.configure(limits={"row_change": "10%", "group_change": "10%", "reject_change": "1%"}, contains="everyone")
    library.deliver(range(8))
    told = library.loaded("first")
    assert told.outcome == "loaded"
    assert {gate.gate: gate.state for gate in told.gates} == dict.fromkeys(
        ["same_file", "older_file", "changed_columns", "row_change", "known_ids", "group_change", "reject_change"],
        "passed",
    )
    assert Counter(gate.sentence == gates.NO_EARLIER for gate in told.gates) == {True: 6, False: 1}
    assert told.warnings == ()
    assert library.ledger == ["first"]


def test_the_same_file_again_is_nothing_to_do(library):
    """A night without a new file is no failure: the report says when it was loaded, nothing is read or sent."""
    library.deliver(range(3))
    library.loaded("first")
    before = len(library.folio.journal)
    told = library.loaded("second", day=days_after(1))
    assert (told.outcome, told.rows, told.not_sent) == ("already_loaded", 0, 0)
    assert len(library.folio.journal) == before
    assert told.nothing_to_do == (
        "This file was already loaded: patrons.csv, with the load of 20 November 2026. There is nothing to do."
    )
    assert library.ledger == ["first"]
    mail = mails.result_mail(tenants.load("lib"), told)
    assert mail.subject.startswith("Nothing to do: the file is already loaded")
    assert mail.to == ()
    assert told.nothing_to_do in html.unescape(mail.html)
    assert "'Load anyway'" in mail.text


def test_the_same_file_stops_the_run_where_a_library_wants_that(library):
    """Who is promised a new file each night wants to hear that there is none."""
    library.configure(limits={"same_file": "stop"})
    library.deliver(range(3))
    library.loaded("first")
    told = library.stopped("second", r"already loaded: patrons.csv, with the load of 20 November 2026\.")
    assert [gate.gate for gate in told.gates if gate.state == "failed"] == ["same_file"]


def test_the_same_file_with_a_reason_is_loaded_and_the_reason_is_told(library):
    """In report.json, report.html and the mail."""
    library.deliver(range(3))
    library.loaded("first")
    told = library.loaded("second", load_anyway=REASON)
    assert (told.outcome, told.updated, told.load_anyway) == ("loaded", 3, REASON)
    (warning,) = told.warnings
    assert REASON in warning
    assert "This file was already loaded" in warning
    page = html.unescape(Run(library.runs / "second").read(names.REPORT_PAGE).decode())
    mail = mails.result_mail(tenants.load("lib"), told)
    for text in (page, html.unescape(mail.html), mail.text):
        assert REASON in text
    assert library.ledger == ["second"]


def test_a_run_that_is_cleared_does_not_stand_in_its_own_way(library):
    """From the first task on, and after it went through; the ledger has it once."""
    library.deliver(range(3))
    for _ in range(2):
        assert library.loaded("first").outcome == "loaded"
    assert library.ledger == ["first"]
    library.deliver(range(4), day=days_after(1))
    library.loaded("second", day=days_after(1))
    assert library.loaded("first").outcome == "loaded"
    assert library.ledger == ["first", "second"]


def test_an_older_file_is_stopped_and_with_a_reason_the_ledger_does_not_go_back(library):
    """Yesterday's file over today's would bring back what was changed; and the next one is compared with today's."""
    library.deliver(range(4), hour=9)
    library.loaded("new")
    library.deliver(range(5), hour=8)
    told = library.stopped("old", "The file is older than the newest one loaded")
    assert "(written 20 Nov 2026, 02:00 CST)" in told.failure.message
    assert "(written 20 Nov 2026, 03:00 CST)" in told.failure.message
    assert "start the load again with a reason in 'Load anyway'" in told.failure.message
    _wrong, right, always = next_steps(told)
    assert "with a reason in 'Load anyway'" in right
    assert "have limits.older_file changed in the tenant file, and clear the task 'validate'" in always
    assert library.loaded("on purpose", load_anyway=REASON).loaded == 5
    assert library.ledger == ["on purpose", "new"]
    assert History(library.load().run).newest().run == "new"


@pytest.fixture
def dated(library):
    """A library with a file for each of three days, the last of them DAY; nothing is loaded yet."""
    library.configure(path="patrons_{date:%Y%m%d}.csv")
    for back in (2, 1, 0):
        day = days_after(-back)
        library.deliver([back, 7], day=day, name=f"patrons_{day:%Y%m%d}.csv")
    return library


def test_past_days_in_their_order_need_no_reason(dated):
    """A gap is filled from its beginning: each day's file is newer than the one before, and then comes today's."""
    for back in (2, 1):
        assert dated.loaded(f"{back} days ago", day=days_after(-back), past=True).outcome == "loaded"
    assert dated.loaded("today").warnings == ()
    assert dated.ledger == ["2 days ago", "1 days ago", "today"]


def test_a_backfill_of_older_days_is_stopped_and_with_a_reason_goes_through(dated):
    """Whoever fills a gap does not mean to bring back what newer files changed; the newest file stays the newest."""
    dated.loaded("today")
    yesterday = days_after(-1)
    told = dated.stopped("backfill", "it is from 19 November 2026", day=yesterday, past=True)
    assert [gate.gate for gate in told.gates if gate.state == "failed"] == ["older_file"]
    assert "with a reason in 'Load anyway'" in " ".join(next_steps(told))
    told = dated.loaded("with a reason", day=yesterday, past=True, load_anyway=REASON)
    assert (told.outcome, REASON in told.warnings[0]) == ("loaded", True)
    assert dated.ledger == ["with a reason", "today"]
    assert dated.loaded("again", day=yesterday, past=True).outcome == "already_loaded"
    dated.stopped("further", "it is from 18 November 2026", day=days_after(-2), past=True)
    assert dated.ledger == ["with a reason", "today"]


def test_a_library_may_have_older_files_loaded_and_told(dated):
    """With limits.older_file: warn, which is right where no file says anything of a patron of another one."""
    dated.configure(path="patrons_{date:%Y%m%d}.csv", limits={"older_file": "warn"})
    dated.loaded("today")
    told = dated.loaded("backfill", day=days_after(-1), past=True)
    assert "The file is older than the newest one loaded" in told.warnings[0]
    assert dated.ledger == ["backfill", "today"]


def test_the_ledger_tells_all_runs_that_have_loaded_a_file(library):
    """A day that is loaded again takes nothing of its history away; a run that is cleared is told once."""
    library.deliver(range(3))
    for run in ("first", "second", "third", "third"):
        library.loaded(run, load_anyway=REASON)
    newest = History(library.load().run).newest()
    assert (newest.run, newest.earlier) == ("third", ("first", "second"))
    assert all(Run(library.runs / run).has(names.REPORT) for run in ("first", "second", "third"))


def test_by_dated_names_the_day_counts_and_not_when_a_file_was_written(library):
    """Files that were copied have all been written now, in any order."""
    library.configure(path="patrons_{date:%Y%m%d}.csv")
    library.deliver([1], hour=9, name="patrons_20261120.csv")
    library.deliver([2], hour=8, name="patrons_20261121.csv")
    library.loaded("first")
    assert library.loaded("second", day=days_after(1)).outcome == "loaded"


def test_a_file_named_by_hand_is_held_to_the_gates_too_and_is_no_measure(library):
    """It may be the wrong one as well; but three patrons of the desk are not what the next export is held against."""
    library.configure(limits={"row_change": "10%"}, contains="everyone")
    library.deliver(range(20))
    library.loaded("first")
    library.deliver(range(90, 93), name="desk.csv", hour=12)
    told = library.stopped("by hand", "The file has 3 rows; expected 18 to 22", source_path="desk.csv")
    assert {gate.gate for gate in told.gates if gate.state == "failed"} == {"row_change"}
    told = library.loaded("by hand, with a reason", source_path="desk.csv", load_anyway=REASON)
    assert (told.outcome, "0% of the patrons are known" in told.warnings[0]) == ("loaded", True)
    library.deliver(range(21), day=days_after(1))
    told = library.loaded("next", day=days_after(1))
    # The desk's three patrons are not in the complete file: they are counted, and nothing is compared.
    assert told.warnings == ()
    assert (told.people.known, told.people.missing) == (23, 3)


def test_a_column_that_is_gone_stops_the_run_once(library):
    """After somebody said that it is right, it is the new measure."""
    library.deliver(range(3))
    library.loaded("first")
    library.deliver(range(3), day=days_after(1), without=["phone"])
    library.stopped("second", "expected 9, found 8; missing phone")
    library.loaded("third", load_anyway=REASON)
    library.deliver(range(4), day=days_after(2), without=["phone"])
    told = library.loaded("fourth")
    assert [gate.state for gate in told.gates] == ["passed"] * 3


def test_another_librarys_file_is_stopped(library):
    """It has the columns and the size of ours, but nobody of our patrons."""
    library.configure(contains="everyone")
    library.deliver(range(10))
    library.loaded("first")
    library.deliver([*range(9, 10), *range(100, 109)], day=days_after(1))
    told = library.stopped("second", r"10% of the patrons are known from the last load \(1 of 10")
    assert "Is it another library's file?" in told.failure.message
    assert told.failure.stage == "transform"
    library.deliver([*range(5), *range(100, 105)], day=days_after(1))
    assert library.loaded("third").outcome == "loaded"


def test_an_export_of_updates_is_compared_with_several_loads(library):
    """It has other patrons each day; the ledger keeps the marks of the last few."""
    library.configure(limits={"known_ids": "50%"})
    for day in range(gates.LAST + 2):
        library.deliver([2 * day, 2 * day + 1, *([2 * day - 2, 2 * day - 1] if day else [])], day=days_after(day))
        assert library.loaded(f"day {day}", day=days_after(day)).outcome == "loaded"
    folder = library.runs / history.FOLDER
    assert len(list(folder.glob("*.parquet"))) == gates.LAST
    library.deliver([0], day=days_after(50))
    library.stopped("too old to be known", "0% of the patrons are known")
    library.deliver([6, 7, 50, 51], day=days_after(50))
    assert library.loaded("half").outcome == "loaded"


def test_the_ledger_holds_no_patron(library):
    """Counts, columns, groups, and of ids only keyed hashes, for the eyes of this account."""
    library.configure(contains="everyone")
    library.deliver(range(1000, 1010))
    library.loaded("first")
    folder = library.runs / history.FOLDER
    kept = {file.suffix: file for file in folder.iterdir()}
    assert kept.keys() == {".json", ".parquet"}
    content = b"".join(file.read_bytes() for file in kept.values())
    assert not any(cell.encode() in content for cell in ("u-1001", "user1001", "001001", "Adams"))
    assert pl.read_parquet(kept[".parquet"]).schema == {"mark": pl.UInt64}
    assert folder.stat().st_mode & 0o077 == 0
    library.configure()
    library.deliver(range(5), day=days_after(1))
    library.loaded("second")
    assert len(list(folder.glob("*.parquet"))) == 1, "what no gate asks for is not kept"


def test_a_reason_that_was_not_needed_is_told_as_that(library):
    """It opened nothing, so nothing was loaded anyway."""
    library.deliver(range(3))
    told = library.loaded("first", load_anyway=REASON)
    assert (told.load_anyway, told.warnings) == (REASON, ())
    page = html.unescape(Run(library.runs / "first").read(names.REPORT_PAGE).decode())
    assert f"A reason to load it anyway was given, but was not needed: {REASON}" in page


def test_a_gate_that_is_new_to_a_library_has_nothing_to_compare_with(library):
    """The loads before it kept no marks of ids."""
    library.deliver(range(3))
    library.loaded("first")
    library.configure(contains="everyone")
    library.deliver(range(7, 9), day=days_after(1))
    told = library.loaded("second", day=days_after(1))
    assert "The last load kept no ids to compare with." in [gate.sentence for gate in told.gates]
    library.deliver(range(4), day=days_after(2))
    library.stopped("third", "0% of the patrons are known", day=days_after(2))


def test_bands_of_the_last_loads_stop_a_run_before_anything_is_sent(library):
    """Rows in validate, groups in transform; each sentence with what was expected, what was found, and which day."""
    library.configure(limits={"row_change": "20%", "group_change": "10%"})
    library.deliver(range(20))
    library.loaded("first")
    library.deliver(range(10), day=days_after(1))
    library.stopped("half", r"The file has 10 rows; expected 16 to 24 \(the last load, of 20 November 2026, had 20")
    library.deliver(range(0, 80, 4), day=days_after(1))
    told = library.stopped("all staff", "'staff' expected 15% to 35%, found 100%")
    assert "'undergrad' expected 65% to 85%, found 0%" in told.failure.message


def test_more_rejects_than_usual_stop_a_run(library):
    """Those of the mapping count, and those of the plan."""
    library.configure(limits={"reject_change": "10%"})
    library.deliver(range(20))
    library.loaded("first")
    library.deliver(range(20), day=days_after(1), cells={"expirationDate": "soon"}, name="bad.csv")
    bad = (library.folder / "exports" / "bad.csv").read_text().splitlines()
    good = (library.folder / "exports" / "patrons.csv").read_text().splitlines()
    (library.folder / "exports" / "patrons.csv").write_text("\n".join([*good[:17], *bad[17:]]) + "\n")
    library.stopped("second", r"20% of the rows are rejected \(4 of 20\); expected at most 10%")


def test_a_trailer_that_does_not_fit_stops_the_run(library):
    """A file that was cut short; a good one loads without its trailer, and nothing of it becomes a reject."""
    library.configure(trailer="TRAILER,{rows}")
    library.deliver(range(3), trailer="TRAILER,4\n")
    library.stopped("short", "The trailer line counts 4 rows; found 3")
    library.deliver(range(3))
    library.stopped("cut", "its last line is not the trailer")
    library.deliver(range(3), trailer="TRAILER,3")
    told = library.loaded("whole")
    assert (told.rows, told.created + told.updated, told.rejected) == (3, 3, 0)


def test_a_mended_rejects_file_is_held_to_no_gate_and_is_no_measure(library):
    """It is a handful of rows, with other columns, and may be sent again and again."""
    library.configure(limits={"row_change": "10%", "min_rows": 10}, contains="everyone")
    library.deliver(range(20))
    library.loaded("first")
    library.deliver([900], name="mended.csv", day=days_after(-5), without=["email"])
    mended = library.folder / "exports" / "mended.csv"
    header, row = mended.read_text().splitlines()
    mended.write_text(f"{header},reject_row,reject_reason\n{row},7,x\n")
    for run in ("mended", "mended again"):
        assert library.loaded(run, source_path="mended.csv").loaded == 1
    assert library.ledger == ["first"]


def test_a_dry_run_asks_as_a_real_load_and_leaves_no_trace(library):
    """It is stopped by what would stop it, but for an old or known file: a mapping is tried with last night's."""
    library.configure(limits={"row_change": "10%"})
    library.deliver(range(20))
    dry = library.loaded("dry", dry_run=True)
    assert (dry.outcome, library.ledger) == ("dry_run", [])
    library.loaded("first")
    told = library.loaded("dry again", dry_run=True)
    assert told.outcome == "dry_run"
    assert told.warnings[0].startswith("In a real load this would need attention: This file was already loaded")
    library.deliver(range(5), day=days_after(1))
    library.stopped("dry and short", "expected 18 to 22", dry_run=True)
    assert library.ledger == ["first"]


def test_limits_give_way_to_a_reason_too(library):
    """An unusual night needs no change of the tenant file."""
    library.configure(limits={"min_rows": 10})
    library.deliver(range(3))
    library.stopped("short", "limits.min_rows requires at least 10")
    told = library.loaded("short again", load_anyway=REASON)
    assert (told.outcome, "limits.min_rows" in told.warnings[0]) == ("loaded", True)


def test_a_newer_file_that_was_loaded_meanwhile_stops_a_run_before_its_first_patron(library):
    """A run that waited, or is cleared a day later, does not lay an old file over a new one."""
    library.deliver(range(3))
    late = library.load("late")
    for step in STEPS[:-1]:
        step(late)
    stages.report(late)
    library.deliver(range(4), day=days_after(1))
    library.loaded("meanwhile", day=days_after(1))
    with pytest.raises(ValidationError, match="The file is older than the newest one loaded"):
        stages.post(late)
    stages.report(late)
    assert late.run.read_json(names.REPORT)["outcome"] == "stopped"
    assert late.run.names("sent") == []


def test_a_load_that_did_not_go_through_is_not_in_the_ledger(library):
    """Neither one that broke off nor one of which nothing was loaded; when the rest went through, it is."""
    library.deliver(range(3))
    broken = library.load("broken")
    for step in STEPS[:-1]:
        step(broken)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("patronload.loads.posting.post.post", _busy)
        with pytest.raises(TransientError):
            stages.post(broken)
    assert library.ledger == []
    stages.post(broken)
    assert library.ledger == ["broken"]


def _busy(*_arguments, **_more):
    raise TransientError("busy")


def test_a_process_that_dies_while_it_writes_the_ledger_leaves_no_half_of_it(library, monkeypatch):
    """The entry is there whole or not at all; the retry of post, which sends nothing more, puts it there."""
    library.configure(contains="everyone")
    library.deliver(range(3))
    load = library.load("killed")
    for step in STEPS[:-1]:
        step(load)
    real = Run.write_json

    def die(self, name, content):
        if name.startswith(history.FOLDER):
            raise KeyboardInterrupt
        real(self, name, content)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "write_json", die)
        with pytest.raises(KeyboardInterrupt):
            stages.post(load)
    assert library.ledger == []
    before = len(library.folio.imports)
    stages.post(load)
    assert len(library.folio.imports) == before
    assert library.ledger == ["killed"]


def test_a_ledger_that_somebody_changed_says_what_to_do(library):
    """What is not known must not pass for no earlier load."""
    library.deliver(range(3))
    library.loaded("first")
    (entry,) = (library.runs / history.FOLDER).glob("*.json")
    entry.write_text("{}")
    library.deliver(range(4), day=days_after(1))
    with pytest.raises(ConfigError, match=r"it was changed or is damaged\. Restore it, or delete it"):
        library.loaded("second")


def test_another_file_in_the_same_run_does_not_leave_the_first_ones_figures_behind(library):
    """A run that is cleared with a file that is known by then has nothing to tell of the one before."""
    library.deliver(range(3))
    library.loaded("first")
    known = (library.folder / "exports" / "patrons.csv").read_bytes()
    library.deliver(range(9), day=days_after(1))
    second = library.load("second", day=days_after(1))
    for step in STEPS[:3]:
        step(second)
    (library.folder / "exports" / "patrons.csv").write_bytes(known)
    told = library.loaded("second", day=days_after(1))
    assert (told.outcome, told.rows, told.not_sent, told.reasons) == ("already_loaded", 0, 0, ())
    assert not second.run.has(names.PATRONS)


def test_who_clears_fetch_alone_does_not_have_the_new_file_taken_for_loaded(library):
    """What was planned of the file before is not sent in its name, and the new one is loaded by the next run."""
    library.deliver(range(3))
    load = library.load("first")
    for step in STEPS[:4]:
        step(load)
    library.deliver(range(9), day=days_after(1))
    stages.fetch(load)
    with pytest.raises(TargetError, match="there is no plan to send"):
        stages.post(load)
    assert (load.run.names("sent"), library.ledger) == ([], [])
    stages.report(load)
    assert library.loaded("second", day=days_after(1)).loaded == 9
