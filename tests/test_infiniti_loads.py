"""A school's loads by the steps, from export to report: what the stand-in Infiniti then holds, and the ledger."""

import csv
import html
import io
import json
import shutil
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
import yaml

from local.exports import wattlegrove
from patronload import targets
from patronload.artifacts import names, tables
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.errors import ConfigError, TargetError, TransientError, ValidationError
from patronload.loads.approval import Answer, Turn
from patronload.loads.load import Load
from patronload.reporting import smtp
from patronload.targets.infiniti import changes
from sandbox.infiniti import InfinitiServer
from tests import stages
from tests.targets.infiniti_loads import QUICK

DAY = date(2026, 11, 25)
ACCOUNT = "AIRFLOW_CONN_WATTLEGROVE_INFINITI"


@pytest.fixture
def infiniti():
    with InfinitiServer() as server:
        yield server


@pytest.fixture
def school(project, tmp_path, monkeypatch, infiniti):
    """The demo's own tenant file and mapping, with a folder as the source; takes changes of the target."""
    shutil.copytree(project / "include", tmp_path / "include")
    file = tmp_path / "include/tenants/wattlegrove.yaml"
    connection = {"conn_type": "http", "host": infiniti.url, "login": "autoimport", "password": infiniti.password}
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    monkeypatch.setenv(ACCOUNT, json.dumps(connection))

    def change(**target):
        written = yaml.safe_load(file.read_text())
        path = f"{tmp_path}/library_{{date:%Y-%m-%d}}.csv"
        written["source"] = {"type": "folder", "path": path, "encoding": "cp1252", "quiet_seconds": 0}
        written["target"] |= {"chunk_size": 100, "send": "all", **target}
        written["limits"] = {"max_rejects": "100%"}
        file.write_text(yaml.safe_dump(written))
        return tenants.load("wattlegrove")

    change()
    return change


@pytest.fixture
def load(school, tmp_path):
    """A load of a day, its export in the school's folder."""
    count = iter(range(1000))

    def make(rows=None, day=DAY, **options):
        export = wattlegrove(day, 300) if rows is None else None
        content = export.content if export else as_csv(rows)
        (tmp_path / f"library_{day:%Y-%m-%d}.csv").write_bytes(content)
        name = f"run{next(count)}"
        # The gates would stop most of these files; whether a file is the right one is told in test_right_file.py.
        asked = {"load_anyway": "as the test wants it", **options}
        return Load(tenants.load("wattlegrove"), Run(tmp_path / "artifacts" / "wattlegrove" / name), name, day, **asked)

    return make


def as_csv(rows):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("cp1252")


def row(number, **changed):
    plain = {name.replace("_", " "): value for name, value in changed.items()}
    return {
        "Code": f"S{number:05}", "Login": f"pupil{number}", "Family name": "Ó Dé", "Given name": "Zoë",
        "Second name": "", "Preferred": "", "Email": "", "Sex": "F", "Type": "Student", "Status": "Current",
        "Leaves in": "2031", "Form": "7A", "Group": "MID", "Card": f"00{number:04}",
    } | plain  # fmt: skip


def through(load, *, post=True):
    """All steps, and the report after a failure too; the report's figures."""
    try:
        for step in (stages.fetch, stages.validate, stages.transform, stages.plan, *([stages.post] if post else [])):
            step(load)
    finally:
        told = stages.report(load)
    return told


def as_the_export_says(line):
    """A row in Infiniti's words, said again without anything of ours."""
    return {
        "username": line["Login"].lower(),
        "enabled": line["Status"] == "Current",
        "staffmember": line["Type"] == "Staff",
        "givenname": line["Given name"],
        "surname": line["Family name"],
        "middlename": line["Second name"],
        "preferredname": line["Preferred"],
        "emailaddress": line["Email"].lower(),
        "graduationyear": line["Leaves in"],
        "librarybarcode": line["Card"],
        "adminsystemid": line["Code"],
        "gender": line["Sex"],
        "formclass": line["Form"],
        "presentationgrouplabel": {"": "", "MID": "Middle school", "SEN": "Senior school"}[line["Group"]],
    }


def test_infiniti_holds_exactly_what_the_export_says(load, infiniti):
    """Field by field, for every row but the faulty ones; and the report says so."""
    export = wattlegrove(DAY, 300)
    told = through(load())
    faulty = {number for numbers in export.faults.values() for number in numbers}
    good = [line for number, line in enumerate(export.rows, 2) if number not in faulty]
    assert infiniti.school.users == {line["Login"].lower(): as_the_export_says(line) for line in good}
    assert told["created"] == len(good)
    assert (told["failed"], told["rejected"]) == (2, len(faulty) - 2)
    assert told["rows"] == len(export.rows) == sum(told[name] for name in ("created", "updated", "failed", "rejected"))


def test_the_report_is_infinitis(load, infiniti):
    """The mail and the page speak of Infiniti, tell who cannot borrow, and name no patron."""
    made = load([row(1), row(2, Card=""), row(3, Email="not at all")])
    told = through(made)
    assert (told["outcome"], told["created"], told["failed"]) == ("loaded_with_rejects", 2, 1)
    report = made.run.read_json(names.REPORT)
    assert report["target"] == "Infiniti"
    assert report["warnings"][0] == "1 patron has no barcode and cannot borrow: row 3."
    assert [reason["reason"] for reason in report["reasons"]] == ["the e-mail address is not one that Infiniti accepts"]
    page = made.run.read(names.REPORT_PAGE).decode()
    assert "refused by Infiniti" in page
    assert "FOLIO" not in page
    assert not any(word in page for word in ("pupil", "S0000", "Zoë"))
    rejects = made.run.read(names.REJECTS).decode("cp1252").splitlines()
    assert rejects[1].endswith("4,post,,,Field (emailAddress) is not a well-formed email address.")


def test_rejects_that_were_mended_load(load, infiniti):
    """The library's way back is the same as for every target."""
    wrong = load([row(1), row(2, Leaves_in="")])
    assert through(wrong)["rejected"] == 1
    rejected = wrong.run.read(names.REJECTS).decode("cp1252").replace(",Current,,", ",Current,2030,")
    again = load([row(9)])
    again.run.write(names.EXPORT, rejected.encode("cp1252"))
    for step in (stages.validate, stages.transform, stages.plan, stages.post):
        told = step(again)
    assert told["created"] == 1
    assert infiniti.school.users["pupil2"]["graduationyear"] == "2030"


def test_who_is_not_in_the_file_stays_as_they_are(load, infiniti):
    """A leaver is disabled by a row that says so, and by nothing else."""
    through(load([row(1), row(2), row(3)]))
    through(load([row(2, Status="Left")], day=DAY + timedelta(1)))
    assert {name: user["enabled"] for name, user in infiniti.school.users.items()} == {
        "pupil1": True,
        "pupil2": False,
        "pupil3": True,
    }


def test_a_changed_username_waits_for_a_person(load, school, infiniti):
    """The next day's file has another login for the same person; nothing is sent for it until the tenant says so."""
    through(load([row(1), row(2)]))
    renamed = [row(1, Login="zoe.de"), row(2)]
    told = load(renamed, day=DAY + timedelta(1))
    assert through(told)["rejected"] == 1
    assert set(infiniti.school.users) == {"pupil1", "pupil2"}
    (reason,) = told.run.read_json(names.REPORT)["reasons"]
    assert reason["stage"] == "plan"
    assert "another username in the last load" in reason["reason"]
    infiniti.school.users["zoe.de"] = infiniti.school.users.pop("pupil1") | {"username": "zoe.de"}
    school(changed_usernames="send")
    assert through(load(renamed, day=DAY + timedelta(2)))["updated"] == 2
    school(changed_usernames="reject")
    assert through(load(renamed, day=DAY + timedelta(3)))["updated"] == 2


def test_the_ledger_is_written_by_loads_only(load, tmp_path, infiniti):
    """Not by a dry run, not by a plan, not by a load that sent nothing; and it names nobody."""
    ledger = tmp_path / "artifacts" / "wattlegrove" / names.LEDGER
    through(load([row(1)], dry_run=True), post=False)
    assert not ledger.exists()
    infiniti.oddities.unauthorised = 200
    infiniti.password = "another"
    with pytest.raises(TargetError, match="Unauthorised"):
        through(load([row(1)]))
    assert not ledger.exists()
    infiniti.password = "Import-pass-1"
    through(load([row(1), row(2, Email="odd")]))
    known = pl.read_parquet(ledger)
    assert known["key"].to_list() == ["pupil1"], "who was refused is not there"
    assert not any(word in ledger.read_bytes() for word in (b"S0000", b"0001"))
    assert ledger.stat().st_mode & 0o077 == 0


def test_a_load_that_failed_half_way_is_remembered_as_far_as_it_came(load, tmp_path, school, infiniti):
    """Also those of whom nobody knows: they may be there, and must not be sent a password again."""
    school(chunk_size=1)
    infiniti.faults.answer(404, nth=3)
    half = load([row(1), row(2), row(3)])
    with pytest.raises(TargetError, match="no user import"):
        through(half)
    assert pl.read_parquet(tmp_path / "artifacts" / "wattlegrove" / names.LEDGER).height == 2
    stages.post(half)
    assert pl.read_parquet(tmp_path / "artifacts" / "wattlegrove" / names.LEDGER).height == 3


def test_a_run_of_long_ago_that_is_cleared_changes_nothing_in_the_ledger(load, tmp_path, school):
    """Its answers are all there; what came after holds."""
    old = load([row(1)])
    through(old)
    school(changed_usernames="send")
    through(load([row(1, Login="zoe.de"), row(2)], day=DAY + timedelta(1)))
    before = (tmp_path / "artifacts" / "wattlegrove" / names.LEDGER).read_bytes()
    stages.post(old)
    assert (tmp_path / "artifacts" / "wattlegrove" / names.LEDGER).read_bytes() == before


def test_past_days_in_their_order(load, infiniti):
    """A backfill knows of the days before it; a person who was renamed on the way is noticed on that day."""
    for ahead, login in enumerate(["pupil1", "pupil1", "zoe.de"]):
        told = through(load([row(1, Login=login), row(2)], day=DAY + timedelta(ahead)))
    assert (told["updated"], told["rejected"]) == (1, 1)


def test_passwords_go_to_newcomers_once(load, school, tmp_path, infiniti):
    """The first load sends none, the second one to who is new, the third one to nobody."""
    mapping = tmp_path / "include/mappings/infiniti/school_patrons.yaml"
    written = yaml.safe_load(mapping.read_text())
    written["fields"]["password"] = {"value": "Welcome-1"}
    mapping.write_text(yaml.safe_dump(written))
    school(passwords="newcomers")
    for ahead, people in enumerate([[row(1)], [row(1), row(2)], [row(1), row(2)]]):
        made = load(people, day=DAY + timedelta(ahead))
        through(made)
    given = [event.username for event in infiniti.school.history if event.what == "password"]
    assert given == ["pupil2"]
    assert "password" not in infiniti.school.users["pupil1"]
    assert "Welcome" not in made.run.read(names.REPORT).decode()


def test_a_missing_column_is_not_sent(load, infiniti):
    """What is made of it stays as Infiniti has it; a column that Infiniti requires stops the run."""
    through(load([row(1)]))
    short = [{name: value for name, value in row(1).items() if name != "Form"}]
    assert through(load(short, day=DAY + timedelta(1)))["updated"] == 1
    assert "formclass" not in infiniti.imports[-1].columns
    assert infiniti.school.users["pupil1"]["formclass"] == "7A"


def test_an_answer_that_is_none_is_told_with_what_to_do(load, infiniti):
    """A page of a proxy is not in the report, and its kind of error is one that people know."""
    infiniti.faults.answer(200, body="<html>pupil1</html>")
    odd = load([row(1)])
    with pytest.raises(TargetError):
        through(odd)
    stages.report(odd)
    report = odd.run.read_json(names.REPORT)
    assert (report["failure"]["kind"], report["unconfirmed"]) == ("TargetError", 1)
    assert (
        "Fix what is named above in Infiniti, or in its Airflow connection" in odd.run.read(names.REPORT_PAGE).decode()
    )
    assert "pupil1" not in json.dumps(report)


def test_what_to_do_next_is_true_for_infiniti(load, infiniti, monkeypatch):
    """Nothing can be looked up there by the machine; what got lost is sent once more, and the report says so."""
    monkeypatch.setattr(targets, "Patience", lambda: QUICK)
    infiniti.faults.hang_up(times=2)
    lost = load([row(1)])
    with pytest.raises(TransientError):
        through(lost)
    assert stages.report(lost)["outcome"] == "failed"
    assert lost.run.read_json(names.REPORT)["unconfirmed"] == 1
    page = lost.run.read(names.REPORT_PAGE).decode()
    assert "sends those whose answer was lost again, which does no harm" in html.unescape(page)
    assert "sending a patron twice does no harm" in page
    stages.post(lost)
    assert stages.report(lost)["outcome"] == "loaded"


def test_a_row_that_infiniti_confirmed_is_not_sent_again(load, school, infiniti):
    """Until it says something else, or a week has passed: Infiniti cannot be asked what it has."""
    school(send="changed")
    assert through(load([row(1), row(2)]))["created"] == 2
    files = len(infiniti.journal)
    told = through(load([row(2), row(1)], day=DAY + timedelta(1)))
    assert (told["unchanged"], told["updated"], told["rows"]) == (2, 0, 2)
    assert len(infiniti.journal) == files
    told = through(load([row(1, Email="new@school.example"), row(2)], day=DAY + timedelta(2)))
    assert (told["unchanged"], told["updated"]) == (1, 1)
    told = through(load([row(2), row(1, Email="new@school.example")], day=DAY + timedelta(7)))
    assert (told["unchanged"], told["updated"]) == (1, 1), "the second pupil was confirmed a week ago"


def changes_of(load):
    """The lines of a plan: key, action, field, before, after, why."""
    lines = tables.read(load.run, names.CHANGES)
    return lines.select("key", "action", "field", "before", "after", "why").rows()


def test_the_plan_compares_with_the_row_that_was_confirmed(load, school):
    """Field by field; once that run is purged, or when it never was confirmed, the plan says that it does not know."""
    school(send="changed")
    through(load([row(1), row(2)]))
    second = load([row(1, Email="new@school.example", Form=""), row(2)], day=DAY + timedelta(1))
    assert through(second)["updated"] == 1
    assert changes_of(second) == [
        ("pupil1", "update", "emailaddress", None, '"new@school.example"', "the file"),
        ("pupil1", "update", "formclass", '"7A"', None, "the file"),
        ("pupil2", "unchanged", None, None, None, None),
    ]
    weekly = load([row(1, Email="new@school.example", Form=""), row(2)], day=DAY + timedelta(7))
    through(weekly)
    assert [line for line in changes_of(weekly) if line[0] == "pupil2"] == [
        ("pupil2", "update", None, None, None, changes.AGAIN.why)
    ]
    for each in (second, weekly):
        each.run.remove(names.PATRONS)
    third = load([row(1, Email="other@school.example", Form=""), row(2)], day=DAY + timedelta(8))
    through(third)
    assert changes_of(third)[0] == ("pupil1", "update", None, None, None, changes.UNKNOWN.why)


def test_a_pupil_who_left_is_disabled(load, school, infiniti, tmp_path):
    """With the columns of the last row that was sent, which every row of Infiniti's needs."""
    school(send="changed")
    file = tmp_path / "include/tenants/wattlegrove.yaml"
    written = yaml.safe_load(file.read_text())
    written["source"]["contains"] = "everyone"
    written["leavers"] = {"action": "deactivate", "after": "2 days", "missing_loads": 2, "max": 5}
    written["limits"] |= {"known_ids": "0%"}
    file.write_text(yaml.safe_dump(written))
    through(load([row(1), row(2), row(3)], load_anyway=None))
    for ahead, email in enumerate(["a@school.example", "b@school.example", "c@school.example"], start=1):
        told = load([row(1, Email=email), row(2)], day=DAY + timedelta(ahead), load_anyway=None)
        through(told)
    people = told.run.read_json(names.REPORT)["people"]
    assert (people["left"], people["known"], people["in_file"]) == (1, 3, 2)
    assert ("pupil3", "leave", "enabled", '"Y"', '"N"', "no longer in the file") in changes_of(told)
    users = infiniti.school.users
    assert {name: user["enabled"] for name, user in users.items()} == {"pupil1": True, "pupil2": True, "pupil3": False}


def test_no_users_can_be_taken_over(load, school):
    """Infiniti cannot be queried, and the run says so before anything is sent."""
    school(send="changed")
    with pytest.raises(ConfigError, match="Infiniti cannot be queried"):
        through(load([row(1)], load_anyway=None, adopt="prefix"))


@pytest.fixture
def undo(load, monkeypatch):
    """Undo a run, with the yes of a person; what the report hands on, and the load."""
    monkeypatch.setattr(smtp, "send", lambda _: None)

    def make(run):
        undoing = load([row(9)], day=DAY + timedelta(9), undo=run, load_anyway=None)
        for step in (stages.fetch, stages.validate, stages.transform, stages.plan):
            step(undoing)
        assert stages.approve(undoing, Turn(1, None)) is not None
        stages.approve(undoing, Turn(1, None), Answer(True, "ann", datetime.now(UTC), "it was the wrong file"))
        stages.post(undoing)
        return stages.report(undoing), undoing

    return make


def test_an_undo_sends_the_rows_of_the_load_before(load, undo, infiniti):
    """Created users are disabled; a row that says the same is not sent; the next file enables them again."""
    through(load([row(1), row(2)]))
    before = deepcopy(infiniti.school.users)
    through(load([row(1, Family_name="Brown"), row(2), row(4)], day=DAY + timedelta(1)))
    told, undoing = undo("run1")
    users = infiniti.school.users
    assert {name: users[name] for name in before} == before
    assert not users["pupil4"]["enabled"]
    assert (told["outcome"], told["rows"], told["updated"], told["unchanged"]) == ("undone", 3, 2, 1)
    report = undoing.run.read_json(names.REPORT)
    assert any("changes made there since the load are overwritten" in warning for warning in report["warnings"])
    told, _ = undo("run2")
    assert users["pupil1"]["surname"] == "Brown"
    assert users["pupil4"]["enabled"]
    through(load([row(1), row(4)], day=DAY + timedelta(2)))
    assert users["pupil1"]["surname"] == "Ó Dé"


def test_an_undo_without_the_rows_of_before_does_nothing(load, undo, infiniti):
    """What Infiniti had is not known then; the message says so."""
    through(load([row(1)]))
    first = load([row(1, Family_name="Brown")], day=DAY + timedelta(1))
    shutil.rmtree(first.run.folder.parent / "run0")
    through(first)
    sent = len(infiniti.school.history)
    with pytest.raises(ValidationError, match="the rows that earlier loads sent are no longer kept"):
        undo("run1")
    assert len(infiniti.school.history) == sent


def test_a_patron_whose_row_of_before_is_not_kept_is_listed(load, undo, infiniti):
    """The others go back."""
    through(load([row(1)]))
    through(load([row(2)], day=DAY + timedelta(1)))
    wrong = load([row(1, Family_name="Brown"), row(2, Family_name="Brown")], day=DAY + timedelta(2))
    shutil.rmtree(wrong.run.folder.parent / "run0")
    through(wrong)
    told, undoing = undo("run2")
    assert [infiniti.school.users[name]["surname"] for name in ("pupil1", "pupil2")] == ["Brown", "Ó Dé"]
    assert (told["updated"], told["rejected"]) == (1, 1)
    (line,) = csv.DictReader(io.StringIO(undoing.run.read(names.NOT_UNDONE).decode("utf-8-sig")))
    assert (line["key"], line["reason"]) == ("pupil1", "the row that was sent before this load is no longer kept")
