"""Loads that are undone: what goes back, what stays, and what the library knows of it afterwards."""

import csv
import io
import json
import os
from datetime import UTC, datetime

import pytest

from patronload.artifacts import names, tables
from patronload.artifacts.models import Plan, Remembered
from patronload.errors import Declined, ValidationError
from patronload.loads import leavers, ledger_store
from patronload.loads.approval import Answer, Turn
from patronload.reporting import report as reports
from patronload.reporting.mails import result_mail
from patronload.systems.folio import FOLIO
from patronload.targets.folio import three_way
from patronload.targets.folio.user_import import UserImport
from tests import stages
from tests.one_library import days_after

CHANGED = {"send": "changed"}
ANY_IDS = {"known_ids": "0%", "changed_fields": {}, "becoming_inactive": "100%"}
TURN = Turn(1, None)
YES = Answer(approved=True, by="ann", at=datetime(2026, 11, 21, 14, 5, tzinfo=UTC), reason="it was the wrong file")
BEFORE = (stages.fetch, stages.validate, stages.transform, stages.plan)


@pytest.fixture
def folio_of_the_library(empty_folio):
    """No users of other tests."""
    return empty_folio


@pytest.fixture
def library(library, mails):
    """A library with complete files."""
    library.configure(contains="everyone", target=CHANGED, limits=ANY_IDS)
    return library


def load(library, number, patrons, changed=None, called=None):
    """The load of a day; `changed` gives single patrons other cells."""
    deliver(library, number, patrons, changed)
    return library.loaded(called or f"day{number}", day=days_after(number))


def deliver(library, number, patrons, changed=None):
    """A file, in another order each day."""
    library.deliver(sorted(patrons, key=lambda one: (one * number) % 11), day=days_after(number))
    path = library.folder / "exports" / "patrons.csv"
    lines = path.read_text().splitlines()
    for one, (old, new) in (changed or {}).items():
        place = next(place for place, line in enumerate(lines) if line.startswith(f"u-{one},"))
        assert old in lines[place]
        lines[place] = lines[place].replace(old, new)
    keep_time(path, "\n".join(lines) + "\n")


def keep_time(path, text):
    """Change a file, and not when it was written."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, (before.st_atime, before.st_mtime))


def undo(library, run, called="undo", answer=YES, **options):
    """A run that undoes another one, with the answer of a person; its report."""
    undoing = library.load(called, day=days_after(9), undo=run, **options)
    for stage in BEFORE:
        stage(undoing)
    if not undoing.dry_run:
        assert stages.approve(undoing, TURN) is not None, "a person is always asked"
        stages.approve(undoing, TURN, answer)
        stages.post(undoing)
    stages.report(undoing)
    return report_of(undoing)


def report_of(load):
    report = reports.Report.from_json(load.run.read_json(names.REPORT))
    parts = ("created", "updated", "unchanged", "failed", "rejected", "skipped", "not_sent", "unconfirmed")
    assert report.rows == sum(getattr(report, part) for part in parts), report
    return report


def user(library, number):
    return library.folio.store("main").user(f"u-{number}")


def edit(library, number, **changes):
    """Somebody changes a user in FOLIO."""
    library.folio.store("main").users.put(user(library, number) | changes)


def content(library, numbers):
    """The users without what the server sets."""
    kept = {}
    for number in numbers:
        stored = user(library, number)
        kept[number] = {name: value for name, value in stored.items() if name not in ("updatedDate", "metadata")}
    return kept


def stays(library, run="undo"):
    text = library.load(run).run.read(names.NOT_UNDONE).decode("utf-8-sig")
    return [(line["key"], line["field"], line["reason"]) for line in csv.DictReader(io.StringIO(text))]


def test_updates_go_back_and_created_users_become_inactive(library):
    """All else stays as it is; the report has the counts, and its law holds."""
    load(library, 1, range(1, 6))
    before = content(library, range(1, 6))
    load(library, 2, range(1, 8), {1: ("Adams", "Brown"), 2: ("user2", "other2"), 3: ("000003", "999003")})
    assert user(library, 1)["personal"]["lastName"] == "Brown"
    report = undo(library, "day2")
    assert content(library, range(1, 6)) == before
    assert [user(library, number)["active"] for number in (6, 7)] == [False, False]
    assert (report.outcome, report.rows, report.updated) == ("undone", 5, 5)
    assert report.undo.becoming_inactive == 2
    assert report.approval.by == "ann"
    assert stays(library) == []


def test_a_later_edit_stays(library):
    """A field that someone has changed since is left as it is, and listed; the other fields of the patron go back."""
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 6), {1: ("Adams,Ann,", "Brown,Bea,")})
    edit(library, 1, personal=user(library, 1)["personal"] | {"lastName": "Green"})
    report = undo(library, "day2")
    personal = user(library, 1)["personal"]
    assert (personal["lastName"], personal["firstName"]) == ("Green", "Ann")
    assert stays(library) == [("u-1", "personal.lastName", "changed in FOLIO since the load")]
    assert (report.updated, report.undo.partly) == (1, 1)
    assert "personal.lastName stays as it is for 1 patron: changed in FOLIO since the load." in report.warnings


def test_an_edit_between_plan_and_sending_stays(library, monkeypatch):
    """The condition is checked again for each field as the patron is sent."""
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 6), {1: ("Adams,Ann,", "Brown,Bea,")})
    undoing = library.load("undo", undo="day2")
    for stage in BEFORE:
        stage(undoing)
    stages.approve(undoing, TURN)
    stages.approve(undoing, TURN, YES)
    again = stages.plan.__globals__["planning"].plan

    def then_edit(*given):
        counts = again(*given)
        edit(library, 1, personal=user(library, 1)["personal"] | {"lastName": "Green"})
        return counts

    monkeypatch.setattr(stages.plan.__globals__["planning"], "plan", then_edit)
    stages.post(undoing)
    personal = user(library, 1)["personal"]
    assert (personal["lastName"], personal["firstName"]) == ("Green", "Ann")


def test_an_undo_over_an_edit_would_be_noticed(library, monkeypatch):
    """A deliberate mistake: without the comparison the edit of the test before is lost, in FOLIO and in the list."""
    monkeypatch.setattr(three_way, "undone", lambda *given: three_way.Taken(list(given[-1]), []))
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 6), {1: ("Adams,Ann,", "Brown,Bea,")})
    edit(library, 1, personal=user(library, 1)["personal"] | {"lastName": "Green"})
    undo(library, "day2")
    assert user(library, 1)["personal"]["lastName"] == "Adams"
    assert stays(library) == []


def test_a_patron_of_whom_nothing_can_go_back(library):
    """They are counted apart, with the reason; staff, deleted users and users of that id who are others among them."""
    load(library, 1, range(1, 7))
    load(library, 2, range(1, 7), dict.fromkeys(range(1, 6), ("Adams", "Brown")))
    edit(library, 1, personal=user(library, 1)["personal"] | {"lastName": "Green"})
    edit(library, 2, type="staff")
    users = library.folio.store("main").users
    users.delete(user(library, 3)["id"])
    report = undo(library, "day2")
    assert (report.updated, report.rejected, report.outcome) == (2, 3, "undone")
    assert {reason.reason for reason in report.reasons} == {
        "changed in FOLIO since the load",
        "users who log in are never changed",
        "FOLIO no longer has a user with this externalSystemId",
    }
    assert user(library, 2)["personal"]["lastName"] == "Brown"


def test_created_users_are_left_if_wanted(library):
    """`leave`: they stay active, and the report says so."""
    load(library, 1, range(1, 4))
    load(library, 2, range(1, 6), {1: ("Adams", "Brown")})
    report = undo(library, "day2", leave=True)
    assert [user(library, number)["active"] for number in (4, 5)] == [True, True]
    assert (report.updated, report.unchanged, report.undo.left) == (1, 2, 2)
    assert "Left as they are, because 'Leave created users' was chosen: 2 created patrons." in report.warnings


def test_a_patron_of_another_library_stays_active(library, monkeypatch):
    """Two libraries feed one FOLIO, and both files have the patron whom the load of one has created."""
    load(library, 1, range(1, 4))
    load(library, 2, range(1, 6))
    monkeypatch.setattr(leavers, "of_other_tenants", lambda *_, **__: {"u-4"})
    report = undo(library, "day2")
    assert [user(library, number)["active"] for number in (4, 5)] == [True, False]
    assert stays(library) == [("u-4", "active", "another library that feeds this FOLIO has this patron too")]
    assert (report.updated, report.rejected) == (1, 1)


def test_ids_that_moved_go_back_in_order(library):
    """A barcode that one patron gave up and another took over, also one that a created user took over."""
    load(library, 1, range(1, 5))
    before = content(library, range(1, 5))
    swapped = {1: ("000001", "999991"), 2: ("000002", "000001"), 3: ("000003", "999993"), 5: ("000005", "000003")}
    load(library, 2, range(1, 6), swapped)
    assert (user(library, 2)["barcode"], user(library, 5)["barcode"]) == ("000001", "000003")
    report = undo(library, "day2")
    assert content(library, range(1, 5)) == before
    assert not user(library, 5)["active"]
    assert "barcode" not in user(library, 5)
    assert (report.updated, report.failed, stays(library)) == (4, 0, [])


def test_an_id_that_another_user_has_now_stays(library):
    """The rest of the patron goes back; who waits for the id is looked at again."""
    load(library, 1, range(1, 5))
    load(library, 2, range(1, 5), {1: ("000001,Student,Adams", "999991,Student,Brown"), 2: ("000002", "000001")})
    library.folio.store("main").users.put(
        {"id": "00000000-0000-4000-8000-00000000abcd", "username": "new", "barcode": "000002", "active": True}
        | {"personal": {"lastName": "Other"}}
    )
    report = undo(library, "day2")
    assert (user(library, 1)["barcode"], user(library, 1)["personal"]["lastName"]) == ("999991", "Adams")
    assert user(library, 2)["barcode"] == "000001"
    assert [(key, field) for key, field, _ in stays(library)] == [("u-1", "barcode"), ("u-2", "barcode")]
    assert (report.updated, report.rejected) == (1, 1)


def test_leavers_become_active_again(library):
    """And the ledger has them as before: missing, with the count of before."""
    leavers = {"action": "deactivate", "after": "1 days", "missing_loads": 2, "max": 10}
    library.configure(contains="everyone", target=CHANGED, leavers=leavers, limits=ANY_IDS)
    load(library, 1, range(1, 8))
    load(library, 2, range(1, 7))
    before = ledger_line(library, "u-7")
    load(library, 3, range(1, 7))
    assert not user(library, 7)["active"]
    report = undo(library, "day3")
    assert user(library, 7)["active"]
    assert (report.undo.becoming_active, report.updated) == (1, 1)
    assert ledger_line(library, "u-7") == before
    assert load(library, 4, range(1, 7)).people.left == 1, "the next file counts as the second without them"


def ledger_line(library, key):
    ledger = ledger_store.read(library.load("any").run, FOLIO)
    (line,) = [line for line in ledger.patrons.iter_rows(named=True) if line["hash"] == ledger.hash(key)]
    return line


def test_the_right_file_can_be_loaded_afterwards(library):
    """An older file counts as newer than the load that was undone, and its own file not as loaded before."""
    load(library, 1, range(1, 6))
    load(library, 3, range(1, 9))
    undo(library, "day3")
    assert library.ledger == ["day1", "day3"]
    older = load(library, 2, range(1, 6), {1: ("Adams", "Brown")})
    assert (older.outcome, older.updated) == ("loaded", 1)
    again = load(library, 3, range(1, 9), called="again")
    assert (again.outcome, again.rows) == ("loaded", 8)


def test_without_the_undo_the_older_file_is_refused(library):
    """What the test before this one relies on."""
    load(library, 1, range(1, 6))
    load(library, 3, range(1, 9))
    library.deliver(range(1, 7), day=days_after(2))
    library.stopped("older", "The file is older than the newest one loaded", day=days_after(2))


def test_an_undo_can_be_undone(library):
    """The load is there again, in FOLIO, in the history and in the ledger; and can be undone once more."""
    load(library, 1, range(1, 6))
    before = content(library, range(1, 6))
    load(library, 2, range(1, 8), {1: ("Adams", "Brown"), 2: ("000002", "999992")})
    after, known = content(library, range(1, 8)), ledger_line(library, "u-6")
    undo(library, "day2")
    assert ledger_line(library, "u-6")["last_load"] is None
    report = undo(library, "undo", "redo")
    assert content(library, range(1, 8)) == after
    assert ledger_line(library, "u-6") == known
    assert (report.outcome, report.undo.undoes_load, report.undo.becoming_active) == ("undone", False, 2)
    library.deliver(range(1, 7), day=days_after(1))
    library.stopped("older", "The file is older than the newest one loaded", day=days_after(1))
    undo(library, "redo", "undo again")
    assert content(library, range(1, 6)) == before


def test_the_first_of_two_loads_of_a_file_counts_again(library):
    """A load is undone, its file loaded again and that undone too; when the first undo is undone, it is loaded."""
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 8), {1: ("Adams", "Brown")})
    after = content(library, range(1, 8))
    undo(library, "day2", "undo1")
    load(library, 2, range(1, 8), {1: ("Adams", "Brown")}, called="again")
    undo(library, "again", "undo2")
    assert user(library, 1)["personal"]["lastName"] == "Adams"
    undo(library, "undo1", "redo")
    assert content(library, range(1, 8)) == after
    library.deliver(range(1, 7), day=days_after(1))
    library.stopped("older", "The file is older than the newest one loaded", day=days_after(1))
    undo(library, "redo", "undo3")
    assert load(library, 2, range(1, 8), {1: ("Adams", "Brown")}, called="once more").updated == 3


def test_a_dry_run_says_what_would_go_back(library):
    """Nobody is asked, and nothing is sent or noted."""
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 8), {1: ("Adams", "Brown")})
    before = content(library, range(1, 8))
    report = undo(library, "day2", dry_run=True)
    assert (report.outcome, report.not_sent) == ("dry_run", 3)
    assert content(library, range(1, 8)) == before
    assert not library.load("day2").run.has(names.UNDONE)
    assert undo(library, "day2", "for real").updated == 3


def test_it_is_always_asked_about_and_never_sent_without_a_yes(library, mails):
    """Also where the tenant file has no `approval`; the mail has the counts and no patron."""
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 8), {1: ("Adams", "Brown")})
    undoing = library.load("undo", undo="day2")
    for stage in BEFORE:
        stage(undoing)
    with pytest.raises(Declined, match="This load has to be approved"):
        stages.post(undoing)
    question = stages.approve(undoing, TURN)
    assert question.sentences == ("This run undoes a load (of 22 November 2026, with the file patrons.csv).",)
    assert {figure.name: figure.now for figure in question.figures} == {
        "Patrons sent by that load": "3",
        "Go back": "3",
        "of these only in part": "0",
        "Become inactive": "2",
        "Become active": "0",
        "Already as before": "0",
        "Cannot go back": "0",
    }
    (mail,) = mails
    assert mail.subject.startswith("Undo this load? Please answer")
    assert "Become inactive" in mail.text
    assert "Adams" not in mail.text
    with pytest.raises(Declined):
        stages.approve(undoing, TURN, YES._replace(approved=False))
    stages.report(undoing)
    declined = report_of(undoing)
    assert (declined.outcome, declined.sent) == ("declined", 0)
    assert "The undo was not approved" in result_mail(undoing.tenant, declined).subject
    assert not library.load("day2").run.has(names.UNDONE)


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ("nothing", "has no run nothing, or its artifacts are gone"),
        ("undo", "cannot undo itself"),
        ("other/day2", "a run of another library"),
        ("dry", "has sent nothing"),
        ("same", "has sent nothing"),
        ("../lib/day2", "a run of another library"),
    ],
)
def test_what_cannot_be_undone(library, run, says):
    """Nothing is done, and the report says why."""
    load(library, 1, range(1, 6))
    deliver(library, 2, range(1, 8))
    library.loaded("dry", day=days_after(2), dry_run=True)
    load(library, 3, range(1, 6), called="same")
    undoing = library.load("undo", undo=run)
    with pytest.raises(ValidationError, match=says):
        stages.fetch(undoing)
    stages.report(undoing)
    report = report_of(undoing)
    assert (report.outcome, report.rows) == ("stopped", 0)
    assert "nothing was undone" in result_mail(undoing.tenant, report).subject


def test_a_load_whose_artifacts_are_gone_is_not_undone(library):
    """Purged, or deleted by hand: it says so and does nothing."""
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 6), {1: ("Adams", "Brown")})
    run = library.load("day2").run
    run.remove(names.BEFORE)
    with pytest.raises(ValidationError, match=r"before\.parquet is missing"):
        stages.fetch(library.load("undo", undo="day2"))
    run.write_json(names.PURGED, {"purged": "2026-11-25T00:00:00+00:00"})
    with pytest.raises(ValidationError, match="was deleted because of its age"):
        stages.fetch(library.load("undo", undo="day2"))


def test_of_a_load_that_was_killed_only_what_was_sent_goes_back(library, monkeypatch):
    """Also what was sent without an answer; the rest of the load is not sent any more."""
    library.configure(contains="everyone", target=CHANGED | {"chunk_size": 2}, limits=ANY_IDS)
    load(library, 1, range(1, 7))
    before = content(library, range(1, 7))
    deliver(library, 2, range(1, 9), dict.fromkeys(range(1, 7), ("Adams", "Brown")))
    killed = library.load("day2", day=days_after(2))
    for stage in BEFORE:
        stage(killed)
    send, count = UserImport.deliver, iter(range(9))

    def die_in_the_second_chunk(target, *given):
        result = send(target, *given)
        if next(count) == 1:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(UserImport, "deliver", die_in_the_second_chunk)
    with pytest.raises(KeyboardInterrupt):
        stages.post(killed)
    monkeypatch.setattr(UserImport, "deliver", send)
    stages.report(killed)
    assert sum(user(library, number)["personal"]["lastName"] == "Brown" for number in range(1, 7)) == 4
    report = undo(library, "day2")
    assert (report.rows, report.updated, report.unchanged) == (4, 4, 0)
    assert content(library, range(1, 7)) == before
    with pytest.raises(ValidationError, match="This load was undone by run undo"):
        stages.post(killed)


def test_an_undo_that_was_killed_goes_on(library, monkeypatch):
    """Clearing its post sends the rest, and nothing twice."""
    library.configure(contains="everyone", target=CHANGED | {"chunk_size": 2}, limits=ANY_IDS)
    load(library, 1, range(1, 7))
    before = content(library, range(1, 7))
    load(library, 2, range(1, 7), dict.fromkeys(range(1, 7), ("Adams", "Brown")))
    undoing = library.load("undo", undo="day2")
    for stage in BEFORE:
        stage(undoing)
    stages.approve(undoing, TURN)
    stages.approve(undoing, TURN, YES)
    send, count = UserImport.deliver, iter(range(9))

    def die_after_the_second_chunk(target, *given):
        result = send(target, *given)
        if next(count) == 1:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(UserImport, "deliver", die_after_the_second_chunk)
    with pytest.raises(KeyboardInterrupt):
        stages.post(undoing)
    monkeypatch.setattr(UserImport, "deliver", send)
    assert stages.post(undoing)["patrons"] == 6
    assert content(library, range(1, 7)) == before
    stages.report(undoing)
    assert report_of(undoing).outcome == "undone"


def test_a_killed_undo_takes_the_ledger_back_once(library, monkeypatch):
    """A worker that dies after it wrote the ledger does it again: who was missing before the load still is."""
    library.configure(contains="everyone", target=CHANGED, limits=ANY_IDS, leavers={"action": "report"})
    load(library, 1, range(1, 8))
    load(library, 2, range(1, 7))
    missing = ledger_line(library, "u-7")
    load(library, 3, range(1, 7), {1: ("Adams", "Brown")})
    assert ledger_line(library, "u-7")["missing_loads"] == missing["missing_loads"] + 1 == 2
    undoing = library.load("undo", day=days_after(9), undo="day3")
    for stage in BEFORE:
        stage(undoing)
    stages.approve(undoing, TURN)
    stages.approve(undoing, TURN, YES)
    with monkeypatch.context() as patch:
        patch.setattr(Remembered, "write", _die)
        with pytest.raises(KeyboardInterrupt):
            stages.post(undoing)
    stages.post(undoing)
    assert ledger_line(library, "u-7") == missing


def _die(*_given):
    raise KeyboardInterrupt


def test_a_load_is_undone_once_and_not_resumed(library):
    """A second undo is refused with the way back; and what is left of the load is not sent any more."""
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 6), {1: ("Adams", "Brown")})
    undo(library, "day2")
    with pytest.raises(ValidationError, match="was already undone, by run undo"):
        stages.fetch(library.load("second", undo="day2"))
    with pytest.raises(ValidationError, match="This load was undone by run undo"):
        stages.post(library.load("day2", day=days_after(2)))


def test_the_stages_before_plan_say_that_they_have_nothing_to_do(library, caplog):
    """There is no file."""
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 6), {1: ("Adams", "Brown")})
    caplog.set_level("INFO")
    undoing = library.load("undo", undo="day2")
    assert [stage(undoing) for stage in BEFORE[:3]] == [{"undo": "day2"}] * 3
    for words in ("Nothing to fetch", "There is no export to check", "There are no rows to map"):
        assert words in caplog.text
    assert not undoing.run.has(names.EXPORT)


def test_the_plan_can_be_read_like_any_other(library):
    """changes.parquet has each field with the value of now and the one that it gets."""
    load(library, 1, range(1, 6))
    load(library, 2, range(1, 6), {1: ("Adams", "Brown")})
    undo(library, "day2")
    (line,) = tables.read(library.load("undo").run, names.CHANGES).iter_rows(named=True)
    assert (line["field"], json.loads(line["before"]), json.loads(line["after"])) == (
        "personal.lastName",
        "Brown",
        "Adams",
    )
    assert line["why"] == "as before the load"
    assert Plan.read(library.load("undo").run).effects["fields"] == {"personal.lastName": 1}
