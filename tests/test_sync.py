"""Loads that follow one another into one FOLIO: what is unchanged, who has left, who returns, and what is too much."""

import csv
import io
import json
import re
import shutil
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from patronload.artifacts import names, questions, tables
from patronload.errors import RefusedError, ValidationError
from patronload.loads import ledger_store
from patronload.loads.approval import Answer, Turn
from patronload.reporting import smtp
from patronload.reporting.mails import result_mail
from patronload.reporting.report import Report
from patronload.systems.folio import FOLIO
from sandbox.folio import reference
from tests import stages
from tests.one_library import days_after

CHANGED = {"send": "changed"}
ANY_IDS = {"known_ids": "0%"}
AFTER_TWO = {"action": "deactivate", "after": "2 days", "missing_loads": 2, "max": 10}


@pytest.fixture
def folio_of_the_library(empty_folio):
    """No users of other tests."""
    return empty_folio


@pytest.fixture
def library(library):
    """A library with complete files, whose patrons may leave."""
    library.configure(contains="everyone", target=CHANGED, leavers=AFTER_TWO, limits=ANY_IDS)
    return library


def night(library, number, patrons, blank=None, **cells):
    """A night's load of a complete file of these patrons, in another order each night; `blank` empties some text."""
    ordered = sorted(patrons, key=lambda one: (one * number) % 11)
    library.deliver(ordered, day=days_after(number), cells=cells)
    if blank:
        path = library.folder / "exports" / "patrons.csv"
        path.write_text(path.read_text().replace(blank, ""))
    return library.loaded(f"night{number}", day=days_after(number))


def user(library, number):
    return library.folio.store("main").user(f"u-{number}")


def sums_up(report):
    """Both laws of a report."""
    parts = ("created", "updated", "unchanged", "failed", "rejected", "not_sent", "unconfirmed")
    assert report.rows == sum(getattr(report, part) for part in parts), report
    if people := report.people:
        parts = ("in_file", "missing", "left", "inactive", "exempt", "gone", "waiting")
        assert people.known == sum(getattr(people, part) for part in parts), people


def test_a_file_that_changes_nothing_sends_nothing(library):
    """Every row of the second file is unchanged, and FOLIO gets no import of it."""
    assert night(library, 1, range(1, 10)).created == 9
    before = len(library.folio.imports)
    report = night(library, 2, range(1, 10), phone="")
    assert (report.outcome, report.unchanged, report.updated, report.created) == ("loaded", 9, 0, 0)
    sent = [seen for seen in library.folio.imports[before:] if seen.external_system_ids]
    assert sent == []
    sums_up(report)


def test_only_what_changed_is_sent(library):
    """One patron of nine has a new telephone number; the plan says so, field by field."""
    night(library, 1, range(1, 10))
    library.deliver(range(1, 10), day=days_after(2))
    path = library.folder / "exports" / "patrons.csv"
    path.write_text(path.read_text().replace("Adams,Ann,,,\n", "Adams,Ann,,555-0100,\n", 1))
    report = library.loaded("night2", day=days_after(2))
    assert (report.updated, report.unchanged) == (1, 8)
    changes = tables.read(library.load("night2").run, names.CHANGES)
    (line,) = changes.filter(pl.col("field").is_not_null()).iter_rows(named=True)
    assert (line["action"], line["field"], line["before"], json.loads(line["after"])) == (
        *("update", "personal.phone", None),
        "555-0100",
    )
    assert changes["action"].value_counts().sort("action").rows() == [("unchanged", 8), ("update", 1)]
    assert report.effects["fields"] == {"personal.phone": 1}
    sums_up(report)


def test_everything_is_sent_if_the_tenant_wants_that(library):
    """target.send: all."""
    night(library, 1, range(1, 8))
    library.configure(contains="everyone", target={"send": "all"}, limits=ANY_IDS)
    assert night(library, 2, range(1, 8)).updated == 7


def test_whoever_is_missing_leaves_after_days_and_loads(library):
    """Not before both have passed; and the users who left are inactive in FOLIO, as they were otherwise."""
    night(library, 1, range(1, 10))
    first = night(library, 2, range(1, 9))
    assert (first.people.missing, first.people.left) == (1, 0)
    quick = night(library, 3, range(1, 9))
    assert (quick.people.missing, quick.people.left) == (1, 0), "two loads, but one day"
    assert user(library, 9)["active"]
    before = user(library, 9)
    last = night(library, 4, range(1, 9))
    assert (last.people.left, last.people.missing, last.people.in_file, last.people.known) == (1, 0, 8, 9)
    assert (last.rows, last.unchanged) == (8, 8)
    mail = result_mail(library.load("night4").tenant, last).text
    for line in ("9  Known patrons (from earlier loads)", "8  In the file", "1  Made inactive (left with this load)"):
        assert line in mail
    after = user(library, 9)
    assert not after["active"]
    assert after["personal"]["lastName"] == before["personal"]["lastName"]
    assert after["patronGroup"] == before["patronGroup"]
    for report in (first, quick, last):
        sums_up(report)
    later = night(library, 5, range(1, 9))
    assert (later.people.inactive, later.people.left) == (1, 0)
    sums_up(later)


def test_the_list_of_leavers_names_them(library):
    """leavers.csv is for people who may start a load: key, name, group, days, state."""
    for number, count in ((1, 10), (2, 9), (3, 9), (4, 9)):
        night(library, number, range(1, count))
    load = library.load("night4")
    (line,) = csv.DictReader(io.StringIO(load.run.read(names.LEAVERS_FILE).decode()))
    assert (line["key"], line["name"], line["group"], line["state"]) == ("u-9", "Adams, Ann", "undergrad", "left")
    assert (line["last_seen"], line["missing_since"]) == (f"{days_after(1)}", f"{days_after(2)}")


def test_whoever_returns_is_active_again(library):
    """Through an ordinary update, counted as returned."""
    for number, count in ((1, 10), (2, 9), (3, 9), (4, 9)):
        night(library, number, range(1, count))
    report = night(library, 5, range(1, 10))
    assert user(library, 9)["active"]
    assert (report.people.returned, report.people.in_file, report.updated) == (1, 9, 1)
    sums_up(report)


def test_a_row_that_was_rejected_is_in_the_file(library):
    """Whoever has a row is not missing, whatever became of the row."""
    night(library, 1, range(1, 10))
    for number in (2, 3, 4):
        report = night(library, number, range(1, 10), blank="user9")
        assert (report.rejected, report.people.missing) == (1, 0)
    assert user(library, 9)["active"]


def test_too_many_leavers_wait(library):
    """Half a file never empties a library: its patrons are loaded, and those who are missing stay as they are."""
    library.configure(contains="everyone", target=CHANGED, leavers=AFTER_TWO | {"max": "20%"}, limits=ANY_IDS)
    night(library, 1, range(1, 10))
    for number in (2, 3, 4):
        report = night(library, number, range(1, 5))
    assert (report.people.left, report.people.waiting, report.outcome) == (0, 5, "loaded")
    assert any("more than leavers.max allows" in sentence for sentence in report.warnings)
    assert all(user(library, number)["active"] for number in range(1, 10))
    sums_up(report)


def test_nobody_leaves_by_a_file_that_a_gate_objected_to(library):
    """Neither are its patrons counted: a file that is loaded anyway proves nothing about who has left."""
    night(library, 1, range(1, 10))
    for number in (2, 3, 4, 5):
        library.deliver(range(1, 9), day=days_after(number), without=["phone"])
        report = library.loaded(f"night{number}", day=days_after(number), load_anyway="they left a column out")
        if number == 2:
            assert report.people is None
    assert user(library, 9)["active"]


def test_staff_and_exceptions_never_leave(library):
    """A user who logs in, and one of a patron group that is excepted, stay; the report counts them."""
    rules = AFTER_TWO | {"except": {"patron_groups": ["staff"]}}
    library.configure(contains="everyone", target=CHANGED, leavers=rules, limits=ANY_IDS)
    night(library, 1, range(1, 10))
    store = library.folio.store("main")
    store.users.put(user(library, 9) | {"type": "staff"})
    for number in (2, 3, 4):
        report = night(library, number, range(1, 8))
    assert (report.people.exempt, report.people.left) == (2, 0), "8 is of the group, 9 logs in"
    assert user(library, 8)["active"]
    assert user(library, 9)["active"]
    sums_up(report)


def test_without_a_ledger_nobody_leaves(library):
    """Losing it is safe: the next load begins a new one."""
    for number, count in ((1, 10), (2, 9), (3, 9)):
        night(library, number, range(1, count))
    (library.runs / names.LEDGER).unlink()
    report = night(library, 4, range(1, 9))
    assert report.people is None
    assert user(library, 9)["active"]
    ledger = ledger_store.read(library.load("night4").run, FOLIO)
    assert len(ledger) == 8


def test_a_patron_who_is_inactive_already_is_in_the_plan(library):
    """When their turn comes, the plan says so; nothing is sent for them."""
    night(library, 1, range(1, 10))
    library.folio.store("main").users.put(user(library, 9) | {"active": False})
    for number in (2, 3, 4):
        report = night(library, number, range(1, 9))
    assert (report.people.inactive, report.people.left) == (1, 0)
    assert report.effects["actions"] == {"inactive": 1, "unchanged": 8}
    changes = tables.read(library.load("night4").run, names.CHANGES)
    (line,) = changes.filter(pl.col("action") == "inactive").iter_rows(named=True)
    assert (line["key"], line["why"], line["row"]) == ("u-9", "no longer in the file", 10)
    sums_up(report)


def test_a_dry_run_says_what_it_would_do(library):
    """It changes nothing, counts nobody, and has the same tables."""
    night(library, 1, range(1, 10))
    library.deliver(range(1, 12), day=days_after(2))
    report = library.loaded("dry", day=days_after(2), dry_run=True)
    assert report.outcome == "dry_run"
    assert report.effects["actions"] == {"create": 2, "unchanged": 9}
    assert report.unchanged == 9
    assert report.not_sent == 2
    sums_up(report)
    would = "would create 2, leave 9 unchanged"
    load = library.load("dry", day=days_after(2), dry_run=True)
    mail = result_mail(load.tenant, report)
    assert mail.subject.startswith(f"Dry run: {would}")
    page = load.run.read(names.REPORT_PAGE).decode()
    for text in (mail.text, mail.html, page):
        assert "Would create" in text
    assert stages.report(load)["would"] == would.removeprefix("would ")


def test_a_column_of_past_dates_stops_the_load(library):
    """It would make every user inactive: 9 of 9."""
    night(library, 1, range(1, 10))
    library.deliver(range(1, 10), day=days_after(2), cells={"expirationDate": "2026-06-30"})
    with pytest.raises(ValidationError, match="9 of 9 active users would become inactive"):
        library.loaded("night2", day=days_after(2))
    assert all(user(library, number)["active"] for number in range(1, 10))


def test_expire_also_ends_the_card(library):
    """The day of the load is the last one."""
    library.configure(contains="everyone", target=CHANGED, leavers=AFTER_TWO | {"action": "expire"}, limits=ANY_IDS)
    for number, count in ((1, 10), (2, 9), (3, 9), (4, 9)):
        night(library, number, range(1, count))
    assert user(library, 9)["expirationDate"].startswith(f"{days_after(5)}T05:59:59"), "the end of the day in Chicago"


def test_whoever_has_a_row_that_cannot_be_read_stays(library):
    """A row with a cell too many, or without an id, may be anybody's whose number stands in it."""
    night(library, 1, range(1, 10))
    path = library.folder / "exports" / "patrons.csv"
    for number in (2, 3, 4):
        library.deliver(range(1, 8), day=days_after(number))
        # 8 has a cell too many; 9 has no id, but a barcode.
        odd = "u-8,user8,000008,Staff,Adams,Ann,,,,one too many\n,user9,000009,Student,Adams,Ann,,,\n"
        path.write_text(
            f"{path.read_text()}{odd}{','.join(['', 'x', str(number), 'Student', 'Odd', '', '', '', ''])}\n"
        )
        report = library.loaded(f"night{number}", day=days_after(number))
        sums_up(report)
    assert report.people.left == 0
    assert user(library, 8)["active"]
    assert user(library, 9)["active"]


def test_a_backfill_takes_nobodys_count_forward_or_back(library):
    """A file of a past day says nothing about who has left since."""
    rules = AFTER_TWO | {"missing_loads": 3}
    library.configure(contains="everyone", target=CHANGED, leavers=rules, limits=ANY_IDS | {"older_file": "warn"})
    night(library, 1, range(1, 10))
    night(library, 4, range(1, 9))
    night(library, 5, range(1, 9))
    before = ledger_of(library, "night5", "u-9")
    library.deliver(range(1, 8), day=days_after(2))
    report = library.loaded("backfill", day=days_after(2))
    assert report.people is None
    assert ledger_of(library, "backfill", "u-9") == before
    library.deliver([*range(1, 8), 9], day=days_after(3))
    library.loaded("backfill with 9", day=days_after(3))
    after = ledger_of(library, "backfill with 9", "u-9")
    assert (after["state"], after["missing_since"], after["missing_loads"]) == ("missing", days_after(4), 2)


def ledger_of(library, run, key):
    ledger = ledger_store.read(library.load(run).run, FOLIO)
    return ledger.patrons.filter(pl.col("hash") == ledger.hash(key)).row(0, named=True)


def test_two_tenants_that_feed_one_folio(library):
    """Whoever is in the other one's files has not left, though it has a connection of its own; nor if it is broken."""
    night(library, 1, range(1, 10))
    tenant = library.folder / "include" / "tenants" / "lib.yaml"
    other = tenant.read_text().replace("tenant: lib\n", "tenant: other\n").replace("lib_folio", "other_folio")
    (tenant.parent / "other.yaml").write_text(other)
    shutil.copytree(library.runs, library.runs.parent / "other")
    for number in (2, 3, 4):
        report = night(library, number, range(1, 9))
    assert (report.people.left, report.people.missing) == (0, 1)
    (tenant.parent / "other.yaml").write_text("tenant: [")
    report = night(library, 5, range(1, 9))
    assert (report.people.left, report.people.missing) == (0, 1)
    (tenant.parent / "other.yaml").unlink()
    assert night(library, 6, range(1, 9)).people.left == 1


def test_a_user_whom_the_import_cannot_read_stays(library):
    """The update of one would fail for nine others with it."""
    night(library, 1, range(1, 10))
    store = library.folio.store("main")
    store.users.put(user(library, 9) | {"newerProperty": "x"})
    for number in (2, 3, 4):
        report = night(library, number, range(1, 9))
    assert (report.people.exempt, report.people.left) == (1, 0)


def test_open_loans_keep_a_patron(library):
    """As long as they are open, and readable; afterwards the patron leaves."""
    rules = AFTER_TWO | {"while": ["open_loans", "open_fees"]}
    library.configure(contains="everyone", target=CHANGED, leavers=rules, limits=ANY_IDS)
    night(library, 1, range(1, 10))
    store = library.folio.store("main")
    loan = store.lend(user(library, 9)["id"])
    for number in (2, 3, 4):
        report = night(library, number, range(1, 9))
    assert (report.people.exempt, report.people.left) == (1, 0)
    store.loans.put(loan | {"status": {"name": "Closed"}})
    assert night(library, 5, range(1, 9)).people.left == 1


YES = Answer(approved=True, by="ann", at=datetime(2026, 11, 24, 14, 5, tzinfo=UTC), reason="a faculty was closed")
WITHOUT = YES._replace(leavers=False, reason="the file is cut off")
SILENCE = Answer(approved=False, by=None, at=YES.at, reason=None)
TURN = Turn(1, None)


@pytest.fixture
def asking(library, monkeypatch):
    """Half of the patrons are missing for the third time, and a person is asked; the load before its answer."""
    monkeypatch.setattr(smtp, "send", lambda _: None)
    rules = AFTER_TWO | {"max": 1}
    library.configure(contains="everyone", target=CHANGED, leavers=rules, limits=ANY_IDS, approval={})
    night(library, 1, range(1, 10))
    night(library, 2, range(1, 5))
    night(library, 3, range(1, 5))
    library.deliver(range(1, 5), day=days_after(4), cells={"phone": "555-0100"})
    load = library.load("night4", day=days_after(4))
    for step in (stages.fetch, stages.validate, stages.transform, stages.plan):
        step(load)
    return load


def answered(library, load, answer):
    """The report of the load after the answer."""
    question = stages.approve(load, TURN)
    listed = list(csv.DictReader(io.StringIO(load.run.read(names.LEAVERS_FILE).decode())))
    assert sorted(line["key"] for line in listed) == [f"u-{number}" for number in range(5, 10)], "the list to review"
    assert "5 of 9 known patrons would leave at once" in question.sentences[0]
    assert [choice.name for choice in question.choices] == ["Approve", "Approve without leavers"]
    assert stages.approve(load, TURN, answer) is None
    stages.post(load)
    stages.report(load)
    report = Report.from_json(load.run.read_json(names.REPORT))
    assert report.updated == 4, "the patrons in the file are loaded whatever the answer is"
    assert report.outcome == "loaded"
    sums_up(report)
    return report


def test_too_many_leavers_leave_if_a_person_says_so(library, asking):
    """The question has their number, leavers.csv lists them, and the report says who approved."""
    report = answered(library, asking, YES)
    assert (report.people.left, report.people.waiting) == (5, 0)
    assert not any(user(library, number)["active"] for number in range(5, 10))
    assert any(sentence.startswith("Approved by ann") for sentence in report.warnings)


@pytest.mark.parametrize(("answer", "says"), [(WITHOUT, "as decided by ann"), (SILENCE, "no one answered in time")])
def test_too_many_leavers_wait_without_a_yes(library, asking, answer, says):
    """A no and no answer let them wait; the next complete file asks again."""
    report = answered(library, asking, answer)
    assert (report.people.left, report.people.waiting) == (0, 5)
    assert all(user(library, number)["active"] for number in range(1, 10))
    assert any(says in sentence for sentence in report.warnings)
    (states,) = {line["state"] for line in csv.DictReader(io.StringIO(asking.run.read(names.LEAVERS_FILE).decode()))}
    assert states == "waiting"
    library.deliver(range(1, 5), day=days_after(5), cells={"phone": "555-0101"})
    load = library.load("night5", day=days_after(5))
    for step in (stages.fetch, stages.validate, stages.transform, stages.plan):
        step(load)
    assert questions.asks_only_about_leavers(load.run)


def test_leavers_are_announced(library):
    """The mail says some days in advance how many patrons will leave."""
    rules = AFTER_TWO | {"after": "3 days", "missing_loads": 1, "announce": "2 days"}
    library.configure(contains="everyone", target=CHANGED, leavers=rules, limits=ANY_IDS)
    night(library, 1, range(1, 10))
    reports = [night(library, number, range(1, 9)) for number in (2, 3, 4, 5)]
    assert [report.people.announced for report in reports] == [0, 1, 1, 0]
    assert [report.people.left for report in reports] == [0, 0, 0, 1]
    sentence = "1 patron will leave within 2 days if the next files do not contain them either; see leavers.announce."
    assert [sentence in report.warnings for report in reports] == [False, True, True, False]
    assert sentence in result_mail(library.load("night3").tenant, reports[1]).text.replace("\n", " ")


def test_fields_are_set_with_the_departure(library):
    """`today` is the day of the load; other text is taken as it is."""
    rules = AFTER_TWO | {"set": {"personal.middleName": "left", "enrollmentDate": "today"}}
    library.configure(contains="everyone", target=CHANGED, leavers=rules, limits=ANY_IDS)
    for number, count in ((1, 10), (2, 9), (3, 9), (4, 9)):
        night(library, number, range(1, count))
    gone = user(library, 9)
    assert gone["personal"]["middleName"] == "left"
    assert gone["enrollmentDate"].startswith(f"{days_after(4)}")
    assert gone["personal"]["lastName"] == "Adams"


def test_whoever_returns_gets_the_card_back(library):
    """The file has no expiry date, and the mapping does not fill `active`: what `expire` did is taken back."""
    mapping = library.folder / "include" / "mappings" / "folio" / "flat_patrons.yaml"
    mapping.write_text(re.sub(r"(?m)^  active: .*\n", "", mapping.read_text()))
    library.configure(contains="everyone", target=CHANGED, leavers=AFTER_TWO | {"action": "expire"}, limits=ANY_IDS)
    for number, count in ((1, 10), (2, 9), (3, 9), (4, 9)):
        night(library, number, range(1, count))
    assert not user(library, 9)["active"]
    report = night(library, 5, range(1, 10))
    assert (report.people.returned, report.updated) == (1, 1)
    assert user(library, 9)["active"]
    assert "expirationDate" not in user(library, 9)


def test_a_rolling_expiry_date_is_renewed_when_it_is_near(library):
    """Patrons with more than 30 days left are unchanged; nearer dates get the full time again."""
    mapping = library.folder / "include" / "mappings" / "folio" / "flat_patrons.yaml"
    rolling = '{today: "+120 days", renew_within: 30 days}'
    mapping.write_text(re.sub(r"(?m)^(  expirationDate:) .*\n", rf"\1 {rolling}\n", mapping.read_text()))
    assert night(library, 1, range(1, 10)).created == 9
    full = user(library, 9)["expirationDate"]
    store, now = library.folio.store("main"), datetime.now(UTC)
    for number, days in ((1, 29), (2, 31), (3, 400)):
        ends = (now + timedelta(days=days)).isoformat(timespec="milliseconds")
        store.users.put(user(library, number) | {"expirationDate": ends})
    report = night(library, 2, range(1, 10))
    assert (report.updated, report.unchanged) == (1, 8)
    assert user(library, 1)["expirationDate"] >= full


def test_each_kind_of_exception_keeps_a_patron(library):
    """A department, a value of a custom field, and the library's own list; leavers.csv says which."""
    kept = {"departments": ["Emeriti"], "custom_fields": {"keepActive": "yes"}, "ids": "exceptions.csv"}
    (library.folder / "include" / "tenants" / "exceptions.csv").write_text("u-7,a donor\n")
    library.configure(contains="everyone", target=CHANGED, leavers=AFTER_TWO | {"except": kept}, limits=ANY_IDS)
    night(library, 1, range(1, 10))
    store = library.folio.store("main")
    (emeriti,) = reference.departments("Emeriti")
    store.departments.put(emeriti)
    store.custom_fields.put(reference.text_field("keepActive", "Keep active"))
    store.users.put(user(library, 8) | {"departments": [emeriti["id"]]})
    store.users.put(user(library, 9) | {"customFields": {"keepActive": "yes"}})
    for number in (2, 3, 4):
        report = night(library, number, range(1, 7))
    assert (report.people.exempt, report.people.left) == (3, 0)
    lines = csv.DictReader(io.StringIO(library.load("night4").run.read(names.LEAVERS_FILE).decode()))
    assert sorted((line["key"], line["reason"]) for line in lines) == [
        ("u-7", "is on the list of exceptions"),
        ("u-8", "department Emeriti"),
        ("u-9", "custom field keepActive"),
    ]


def test_unpaid_fees_keep_a_patron_and_what_cannot_be_read_keeps_all(library):
    """Without the permission to read loans nobody leaves, and the report says so."""
    rules = AFTER_TWO | {"while": ["open_loans", "open_fees"]}
    library.configure(contains="everyone", target=CHANGED, leavers=rules, limits=ANY_IDS)
    night(library, 1, range(1, 10))
    store = library.folio.store("main")
    store.charge(user(library, 9)["id"], 5.0)
    for number in (2, 3):
        night(library, number, range(1, 8))
    library.folio.faults.answer(403, method="GET", path="/circulation/loans", times=99)
    report = night(library, 4, range(1, 8))
    assert (report.people.exempt, report.people.left) == (2, 0)
    assert any("No patron leaves, because FOLIO could not say who has open loans" in line for line in report.warnings)
    library.folio.faults.clear()
    report = night(library, 5, range(1, 8))
    assert (report.people.exempt, report.people.left) == (1, 1)
    assert user(library, 9)["active"]


def test_a_load_with_too_many_refused_does_not_count(library):
    """FOLIO refuses more rows than max_rejects allows: the load fails, and who is missing is not missing longer."""
    limits = ANY_IDS | {"max_rejects": "10%", "changed_fields": {}}
    library.configure(contains="everyone", target=CHANGED, leavers=AFTER_TWO, limits=limits)
    night(library, 1, range(1, 10))
    night(library, 2, range(1, 9))
    before = ledger_store.read(library.load("night2").run, FOLIO)
    library.deliver(range(1, 9), day=days_after(3), cells={"lastName": "Brown"})
    users = [{"externalSystemId": f"u-{one}", "errorMessage": "Failed to update: 500"} for one in (1, 2, 3)]
    answer = {"totalRecords": 8, "createdRecords": 0, "updatedRecords": 5, "failedRecords": 3, "failedUsers": users}
    library.folio.faults.answer(200, nth=2, body=json.dumps({"message": "Users were imported successfully.", **answer}))
    with pytest.raises(RefusedError, match="3 of 8 rows were not loaded"):
        library.loaded("night3", day=days_after(3))
    after = ledger_store.read(library.load("night3").run, FOLIO)
    counts = ("key", "missing_since", "missing_loads", "state")
    assert after.patrons.select(counts).rows() == before.patrons.select(counts).rows()
    assert after.last_counted == days_after(2)


def test_a_row_has_the_reasons_of_one_stage(library):
    """Rows that a check has rejected are not counted again because they could not be mapped either."""
    library.deliver(range(1, 10))
    path = library.folder / "exports" / "patrons.csv"
    # Two rows without a last name, whose group the mapping does not know either.
    text = (
        path.read_text().replace("000002,Student,Adams", "000002,ODD,").replace("000003,Student,Adams", "000003,ODD,")
    )
    path.write_text(text)
    report = library.loaded("night1")
    assert [(reason.stage, reason.count) for reason in report.reasons] == [("validate", report.rejected)]
    assert (report.rejected, report.created) == (2, 7)
    sums_up(report)
