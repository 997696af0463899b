"""A person is asked before an unusual load: what is asked, what an answer is good for, and what becomes of the run."""

import html
import re
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from patronload.artifacts import names, questions
from patronload.config import tenants
from patronload.errors import Declined, RefusedError, TargetError, TransientError, ValidationError
from patronload.loads import approval, planning
from patronload.loads.approval import Answer, Turn
from patronload.loads.leases import Lease
from patronload.reporting import approval_question, smtp
from patronload.reporting import mails as mailing
from patronload.reporting import report as reports
from patronload.stages.post import check_loaded
from patronload.targets.folio.user_import import UserImport
from tests import stages
from tests.one_library import days_after

LINK = "https://airflow.example/dags/patron_load__lib/runs/x/tasks/approve/required_actions"
TURN = Turn(3, LINK)
NOW = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)
YES = Answer(approved=True, by="ann", at=NOW, reason="the registry was moved, says Mr Reed.")
NO = Answer(approved=False, by="ann", at=NOW, reason="it is last year's file")
SILENCE = Answer(approved=False, by=None, at=NOW, reason=None)
BEFORE = (stages.fetch, stages.validate, stages.transform, stages.plan)


@pytest.fixture
def asking(library, mails):
    """A library whose second load is much shorter than its first; it asks."""
    library.configure(approval={"ask": ["head@lib.example"]}, limits={"row_change": "20%"})
    library.deliver(range(20))
    library.loaded("first")
    library.deliver(range(6), day=days_after(1))
    return library


def planned(library, run="second", **options):
    load = library.load(run, day=days_after(1), **options)
    for step in BEFORE:
        step(load)
    return load


def told(load):
    stages.report(load)
    return reports.Report.from_json(load.run.read_json(names.REPORT))


def states(report):
    return {gate.gate: gate.state for gate in report.gates if gate.state != "passed"}


def test_nothing_is_asked_on_ordinary_days(asking, mails):
    """The file is as ever: no question, no mail, no account of one; the load goes through."""
    asking.deliver(range(21), day=days_after(1))
    load = planned(asking)
    assert stages.approve(load, TURN) is None
    stages.post(load)
    report = told(load)
    assert (report.outcome, report.approval, report.warnings) == ("loaded", None, ())
    assert not load.run.has(names.APPROVAL)
    assert mails == []


def test_the_question(asking, mails):
    """What is unusual and all that would be loaded, beside the last load; one mail with the link."""
    load = planned(asking)
    before = datetime.now(UTC)
    question = stages.approve(load, TURN)
    after = datetime.now(UTC)
    assert question.sentences == (
        "The file has 6 rows; expected 16 to 24 (the last load, of 20 November 2026, had 20 rows).",
    )
    assert {figure.name: figure[1:] for figure in question.figures} == {
        "Rows": ("6", "20"),
        "Rejected": ("0", "0"),
        "To create": ("0", ""),
        "To update": ("6", ""),
        "Group undergrad": ("4", "15"),
        "Group staff": ("2", "5"),
    }
    assert question.files == (
        "The file is patrons.csv, written 21 Nov 2026, 02:00 CST.",
        "The last load, of 20 November 2026, had patrons.csv, written 20 Nov 2026, 02:00 CST.",
    )
    asked = question.until.astimezone(UTC) - timedelta(hours=12)  # on a day of 25 hours, too
    assert before.replace(microsecond=0) <= asked <= after
    (mail,) = mails
    assert mail.to == ("head@lib.example",)
    assert mail.subject == "Is this load right? Please answer (A Library, 21 Nov 2026)"
    for text in (html.unescape(mail.html), mail.text):
        assert LINK in text
        assert question.sentences[0] in text
        assert "Group undergrad" in text
        assert question.files[1] in " ".join(text.split())
        assert f"{question.until:%H:%M}" in text


def number(question, *names, column=1):
    """The sum of some figures of a question, by the beginning of their names; `column` 2 is the last load's."""
    found = [figure for figure in question.figures if figure.name.startswith(names)]
    return sum(int(figure[column].replace(",", "")) for figure in found if figure[column])


PLANNED = ("To create", "To update", "To bring back", "Unchanged")
BY_GROUP = ("Group", "Other groups", "In patron groups", "Without a patron group")


@pytest.mark.parametrize("loads", [0, 1])
def test_the_figures_add_up(library, loads):
    """The patron groups are as many as the plan sends or leaves, and with the rejected rows they are all rows."""
    library.configure(approval={"first_load": True}, limits={"row_change": "20%"})
    library.deliver(range(1, 21), cells={"patronGroup": "Student"})
    for _ in range(loads):
        before = planned(library, "first")
        stages.approve(before, TURN)
        stages.approve(before, TURN, YES)
        stages.post(before)
        stages.report(before)
    # Other users of FOLIO have these user names, so only the plan can reject the rows.
    users = library.folio.store("main").users
    taken = (7_100_001, 7_100_002)
    for each in taken:
        users.put({"id": f"{uuid.uuid4()}", "username": f"user{each}", "externalSystemId": f"x-{each}"})
    library.deliver([*range(1, 8), *taken], day=days_after(1))
    question = stages.approve(planned(library), TURN)
    assert number(question, "Rejected") == 2
    assert number(question, *PLANNED) == 7
    assert number(question, *BY_GROUP) == 7
    assert number(question, "Rows") == number(question, *BY_GROUP, "Rejected", "Skipped")
    if loads:
        assert number(question, "Rows", column=2) == number(question, *BY_GROUP, "Rejected", column=2) == 20


def test_one_load_is_called_the_last_one(asking, mails):
    """A mail once named two. A dry run since does not count, and all sentences agree."""
    asking.deliver(range(21), day=days_after(1))
    asking.loaded("between", day=days_after(1))
    asking.deliver(range(19), day=days_after(2))
    asking.loaded("dry", day=days_after(2), dry_run=True)
    asking.deliver(range(6), day=days_after(3))
    load = asking.load("asks", day=days_after(3))
    for step in BEFORE:
        step(load)
    question = stages.approve(load, TURN)
    said = f"{question.sentences} {question.files}"
    named = re.findall(r"(?:last load, of|by the last 2 loads; that of) (\d+ \w+ \d{4})", said)
    assert len(named) > 1
    assert set(named) == {"21 November 2026"}
    (mail,) = mails
    assert "20 November 2026" not in mail.text
    assert "22 November 2026" not in mail.text


def test_airflows_page(asking):
    """The same in Markdown, where no sign of a file's name makes a table of its own."""
    load = planned(asking)
    question = stages.approve(load, TURN)
    figures = (*question.figures, approval_question.Figure("Group a|b_*", "1", ""))
    page = approval_question.markdown(question._replace(figures=figures), "FOLIO")
    assert "|  | Now | Last load |" in page
    assert "| Rows | 6 | 20 |" in page
    assert r"| Group a\|b\_\* | 1 |  |" in page
    assert "* The file has 6 rows; expected 16 to 24" in page


def test_the_first_load_has_no_other_beside_it(library, mails):
    """There is one column of figures, and no group is named: nobody knows yet whether they are groups."""
    library.configure(approval={}, limits={"min_rows": 10})
    library.deliver(range(3))
    question = stages.approve(planned(library), TURN)
    assert question.files == ("The file is patrons.csv, written 20 Nov 2026, 02:00 CST.",)
    assert approval_question.Figure("In patron groups", "3", "") in question.figures
    assert "| Rows | 3 |\n" in approval_question.markdown(question, "FOLIO")
    assert mails[0].to == ("oncall@lib.example",)


def test_a_librarys_first_load_is_asked_about_where_the_tenant_wants_it(library, mails):
    """Nothing can be compared with it, however large it is; the next loads and dry runs are not asked about."""
    library.configure(approval={"ask": ["head@lib.example"], "first_load": True})
    library.deliver(range(20))
    dry = library.load("dry", dry_run=True)
    for step in BEFORE:
        step(dry)
    assert stages.approve(dry, TURN) is None
    load = library.load("first")
    for step in BEFORE:
        step(load)
    question = stages.approve(load, TURN)
    assert question.sentences == ("This is the library's first load: 20 rows.",)
    assert stages.approve(load, TURN, YES) is None
    stages.post(load)
    assert told(load).outcome == "loaded"
    library.deliver(range(21), day=days_after(1))
    assert stages.approve(planned(library), TURN) is None


def test_approved(asking, mails):
    """The load goes through, and report, page and mail tell who let it, when and why."""
    load = planned(asking)
    stages.approve(load, TURN)
    assert stages.approve(load, TURN, YES) is None
    stages.post(load)
    report = told(load)
    assert (report.outcome, report.updated) == ("loaded", 6)
    assert states(report) == {"row_change": "approved"}
    assert report.approval.by == "ann"
    said = (
        "Approved by ann on 21 Nov 2026, 08:05 CST; the reason given: 'the registry was moved, says Mr Reed'. "
        "The file has 6 rows; expected 16 to 24 (the last load, of 20 November 2026, had 20 rows)."
    )
    assert report.warnings == (said,)
    mail = mailing.result_mail(tenants.load("lib"), report)
    for text in (mail.html, mail.text, load.run.read(names.REPORT_PAGE).decode()):
        assert said in html.unescape(text)
    assert asking.ledger == ["first", "second"]
    assert len(mails) == 1


@pytest.mark.parametrize(
    ("answer", "says", "headline"),
    [
        (NO, "ann declined this load on 21 Nov 2026, 08:05 CST: 'it is last year's file'", "The load was declined"),
        (NO._replace(reason=None), "ann declined this load .*, without a reason", "The load was declined"),
        (
            SILENCE,
            "No one answered in time whether this load is right. The question was asked on",
            "No one approved the load",
        ),
        (YES._replace(reason=None), "ann approved the load without a reason", "No one approved the load"),
    ],
)
def test_not_approved(asking, answer, says, headline):
    """Nothing is sent, the ledger is as it was, and those named for it hear who said no, or that nobody answered."""
    load = planned(asking)
    stages.approve(load, TURN)
    with pytest.raises(Declined, match=says):
        stages.approve(load, TURN, answer)
    report = told(load)
    assert (report.outcome, report.sent, report.not_sent) == ("declined", 0, 6)
    assert report.failure.stage == "approve"
    assert load.run.names("sent") == []
    assert asking.ledger == ["first"]
    mail = mailing.result_mail(tenants.load("lib"), report)
    assert mail.subject.startswith(f"{headline}; nothing was sent")
    assert mail.to == ("oncall@lib.example",)
    assert report.failure.message in html.unescape(mail.html)
    assert "clear the task 'approve'" in mail.text


def test_an_answer_stands_when_the_task_is_tried_again(asking, mails):
    """A worker that dies after the answer asks nobody twice; one that dies before sends no second mail."""
    load = planned(asking)
    first = stages.approve(load, TURN)
    assert stages.approve(load, TURN).until == first.until
    assert len(mails) == 1
    stages.approve(load, TURN, YES)
    assert stages.approve(load, TURN) is None


def test_clearing_the_task_asks_again(asking, mails):
    """Whatever was said before; and the next answer is the one that counts."""
    load = planned(asking)
    for number, answer in ((3, NO), (5, YES)):
        turn = Turn(number, LINK)
        assert stages.approve(load, turn) is not None
        if not answer.approved:
            with pytest.raises(Declined):
                stages.approve(load, turn, answer)
            assert told(load).outcome == "declined"
        else:
            stages.approve(load, turn, answer)
    stages.post(load)
    assert told(load).outcome == "loaded"
    assert len(mails) == 2


def test_an_answer_is_no_good_for_other_figures(asking):
    """With another file or plan nothing is sent until somebody has approved that; the report tells nothing old."""
    load = planned(asking)
    stages.approve(load, TURN)
    stages.approve(load, TURN, YES)
    asking.deliver(range(4), day=days_after(1))
    planned(asking)
    with pytest.raises(Declined, match=r"no one has approved it\. Clear the task 'approve'"):
        stages.post(load)
    report = told(load)
    assert (report.outcome, report.approval) == ("declined", None)
    assert states(report) == {"row_change": "asked"}
    assert stages.approve(load, TURN) is not None


def test_an_answer_that_comes_after_another_plan_does_not_count(asking):
    """Whoever approved has seen other figures than those that would be sent now."""
    load = planned(asking)
    stages.approve(load, TURN)
    asking.deliver(range(4), day=days_after(1))
    planned(asking)
    with pytest.raises(Declined, match="planned again while the question was open"):
        stages.approve(load, TURN, YES)
    assert told(load).outcome == "declined"
    with pytest.raises(Declined):
        stages.post(load)


def test_a_question_that_airflow_shows_in_other_words_is_none(asking):
    """The run ends, and says what to do."""
    load = planned(asking)
    stages.approve(load, TURN)
    with pytest.raises(Declined, match="Airflow still shows an earlier question"):
        approval.refuse_old_question(load)
    report = told(load)
    assert (report.outcome, report.failure.stage, report.not_sent) == ("declined", "approve", 6)


def test_who_marks_the_task_as_done_has_not_approved(asking):
    """post asks for the answer itself."""
    load = planned(asking)
    stages.approve(load, TURN)
    with pytest.raises(Declined, match="This load has to be approved"):
        stages.post(load)
    assert load.run.names("sent") == []


def test_once_something_was_sent_the_answer_stays(asking):
    """The load goes on with what was sent; who clears all tasks is not asked about it."""
    load = planned(asking)
    stages.approve(load, TURN)
    stages.approve(load, TURN, YES)
    stages.post(load)
    planned(asking)
    assert stages.approve(load, Turn(9, LINK)) is None
    stages.post(load)
    assert told(load).outcome == "loaded"


def test_an_older_file_may_be_approved_over_the_newer_one_that_was_known(asking):
    """And over no other: when an even newer one is loaded while the question waits, nothing is sent."""
    asking.configure(approval={})
    asking.deliver(range(22), day=days_after(5))
    asking.loaded("newest", day=days_after(5))
    asking.deliver(range(19), day=days_after(1))
    old = planned(asking, "old")
    (sentence,) = stages.approve(old, TURN).sentences
    assert sentence.startswith("The file is older than the newest one loaded")
    stages.approve(old, TURN, YES)
    overtaken = planned(asking, "overtaken")
    stages.approve(overtaken, TURN)
    stages.approve(overtaken, TURN, YES)
    stages.post(old)
    assert told(old).outcome == "loaded"
    assert asking.ledger == ["first", "old", "newest"]
    stages.report(overtaken)
    asking.deliver(range(21), day=days_after(6))
    asking.loaded("even newer", day=days_after(6))
    with pytest.raises(ValidationError, match="The file is older than the newest one loaded"):
        stages.post(overtaken)
    assert told(overtaken).outcome == "stopped"


def test_a_file_that_says_itself_that_it_is_not_whole_is_stopped(asking):
    """Nobody who is asked can know better."""
    asking.configure(approval={}, limits={"row_change": "20%"}, trailer="TRAILER,{rows}")
    asking.deliver(range(6), day=days_after(1), trailer="TRAILER,20\n")
    with pytest.raises(ValidationError, match="The trailer line counts 20 rows; found 6"):
        planned(asking)
    report = told(asking.load("second", day=days_after(1)))
    assert (report.outcome, states(report)) == ("stopped", {"trailer": "failed", "row_change": "asked"})


def test_load_anyway_does_not_take_the_place_of_an_approver(asking, mails):
    """Anyone who may start a load can write a reason; who approves it is for the library to say."""
    anyway = planned(asking, "anyway", load_anyway="says Mr Reed")
    assert stages.approve(anyway, TURN) is not None
    with pytest.raises(Declined):
        stages.post(anyway)
    assert len(mails) == 1
    assert states(told(anyway)) == {"row_change": "asked"}


def test_load_anyway_overrides_no_trailer_where_a_person_would_be_asked(asking):
    """The file itself says that it is incomplete."""
    asking.configure(approval={}, trailer="TRAILER,{rows}")
    asking.deliver(range(6), day=days_after(1), trailer="TRAILER,20\n")
    with pytest.raises(ValidationError, match="The trailer line counts 20 rows; found 6"):
        planned(asking, load_anyway="says Mr Reed")


def test_neither_a_dry_run_nor_load_anyway_asks(asking, mails):
    """The one sends nothing, and tells; of the other a person has given the reason, where the tenant file wants it."""
    asking.configure(approval={"load_anyway": True}, limits={"row_change": "20%"})
    dry = planned(asking, dry_run=True)
    assert stages.approve(dry, TURN) is None
    assert told(dry).warnings[0].startswith("In a real load this would need attention: The file has 6 rows")
    anyway = planned(asking, "anyway", load_anyway="says Mr Reed")
    assert stages.approve(anyway, TURN) is None
    assert states(told(anyway)) == {"row_change": "overridden"}
    assert mails == []


def test_the_same_file_is_skipped_and_nobody_is_asked(asking, mails):
    """There is nothing to do, whoever would say yes."""
    asking.deliver(range(20))
    assert asking.loaded("again", day=days_after(1)).outcome == "already_loaded"
    assert mails == []


def test_rejects_that_were_approved_do_not_count_once_more(asking, monkeypatch):
    """Whoever let a load through with its rejects is not told afterwards that they were too many."""
    asking.configure(approval={}, limits={"max_rejects": 1})
    asking.deliver(range(8), day=days_after(1))
    file = asking.folder / "exports" / "patrons.csv"
    file.write_text(file.read_text().replace("Adams", "", 3).replace("Student", "Nobody", 1))
    load = planned(asking)
    question = stages.approve(load, TURN)
    assert "limits.max_rejects allows 1" in question.sentences[0]
    stages.approve(load, TURN, YES)
    stages.post(load)
    assert told(load).outcome == "loaded_with_rejects"
    figures = load.run.read_json(names.REPORT)
    totals = type("Totals", (), {"created": 0, "updated": 4, "failed": 1})
    check_loaded(load, totals, figures["rejected"])


def test_rejects_that_nobody_was_asked_about_count(asking):
    """A yes to fewer rows is no yes to more rejects than the limits allow."""
    load = planned(asking)
    stages.approve(load, TURN)
    stages.approve(load, TURN, YES)
    asking.configure(approval={}, limits={"max_rejects": 1})
    load = asking.load("second", day=days_after(1))
    totals = type("Totals", (), {"created": 0, "updated": 4, "failed": 1})
    check_loaded(load, totals, 0)
    with pytest.raises(RefusedError, match="2 of 6 rows were not loaded"):
        check_loaded(load, totals, 1)


def test_who_clears_validate_alone_sends_nothing_unasked(asking):
    """What transform and plan would have asked is not known any more; so there is no plan either."""
    asking.configure(approval={}, limits={"max_rejects": 1})
    asking.deliver(range(8), day=days_after(1))
    file = asking.folder / "exports" / "patrons.csv"
    file.write_text(file.read_text().replace("Student", "Nobody", 3))
    load = planned(asking)
    assert stages.approve(load, TURN) is not None
    stages.validate(load)
    for step in (lambda: stages.approve(load, Turn(5, LINK)), lambda: stages.post(load)):
        with suppress(TargetError):
            step()
    assert load.run.names("sent") == []
    with pytest.raises(TargetError, match="there is no plan to send"):
        stages.post(load)


def test_the_lease_is_not_held_while_a_person_thinks(asking):
    """Another load into the same library system does not wait for the answer; this one is then planned anew."""
    load = planned(asking)
    folder = asking.runs.parent / "_leases"
    assert list(folder.glob("*.held.json"))
    stages.approve(load, TURN)
    assert not list(folder.glob("*.held.json"))


def test_what_was_changed_in_folio_while_a_person_thought_is_not_undone(asking):
    """Hours may pass until the answer, or days until somebody clears the task: what the library did then stays."""
    load = planned(asking)
    stages.approve(load, TURN)
    users = asking.folio.store("main").users
    edited = asking.folio.store("main").user("u-1")
    users.put(edited | {"personal": edited["personal"] | {"middleName": "Mary"}})
    stages.approve(load, TURN, YES)
    stages.post(load)
    assert asking.folio.store("main").user("u-1")["personal"]["middleName"] == "Mary"
    report = told(load)
    assert (report.outcome, report.updated, states(report)) == ("loaded", 6, {"row_change": "approved"})


def test_nor_what_was_changed_until_somebody_cleared_post(asking, monkeypatch):
    """FOLIO was down all night: in the morning the plan is made anew, of an ordinary load, too."""
    asking.deliver(range(20), day=days_after(1), cells={"firstName": "Bea"})
    load = planned(asking)
    monkeypatch.setattr(planning, "MAX_AGE", timedelta(0))
    edited = asking.folio.store("main").user("u-1")
    asking.folio.store("main").users.put(edited | {"personal": edited["personal"] | {"middleName": "Mary"}})
    stages.post(load)
    personal = asking.folio.store("main").user("u-1")["personal"]
    assert (personal["firstName"], personal["middleName"]) == ("Bea", "Mary")
    assert told(load).outcome == "loaded"


@pytest.fixture
def no_staff(library):
    """Takes the patron group away from FOLIO; what it gives back gives it back."""
    groups = library.folio.store("main").groups
    staff = groups.find("group", "staff")
    yield lambda: groups.delete(staff["id"])
    groups.put(staff)


@pytest.mark.parametrize("why", ["stopped", "rejects"])
def test_a_plan_anew_that_stops_is_made_once_more_when_post_is_cleared(library, no_staff, monkeypatch, why):
    """What it left is no plan to send: without chunks post would be green, and nobody loaded."""
    library.configure(limits={"max_rejects": 0})
    library.deliver(range(5))
    load = library.load("first")
    for step in BEFORE:
        step(load)
    plan = UserImport.plan
    with monkeypatch.context() as patched:
        patched.setattr(planning, "MAX_AGE", timedelta(0))
        if why == "rejects":
            no_staff()
        else:
            patched.setattr(UserImport, "plan", lambda *given: plan(*given)._replace(stops=["A permission lacks."]))
        with pytest.raises((TargetError, ValidationError)):
            stages.post(load)
    if why == "rejects":
        with pytest.raises(ValidationError, match="2 of 5 rows are rejected"):
            stages.post(load)
    else:
        assert stages.post(load)["patrons"] == 5
        assert told(load).outcome == "loaded"


def test_what_is_unusual_only_when_it_is_planned_anew_is_asked_too(asking, no_staff, monkeypatch):
    """Nothing was to be asked when it was planned; hours later a patron group is gone, and its rows with it."""
    asking.configure(approval={}, limits={"max_rejects": 1})
    asking.deliver(range(20), day=days_after(1), cells={"firstName": "Bea"})
    load = planned(asking)
    assert stages.approve(load, TURN) is None
    no_staff()
    monkeypatch.setattr(planning, "MAX_AGE", timedelta(0))
    with pytest.raises(Declined, match="no one has"):
        stages.post(load)
    assert load.run.names("sent") == []
    stages.approve(load, TURN)
    stages.approve(load, TURN, YES)
    stages.post(load)
    report = told(load)
    assert (report.outcome, report.updated, report.rejected) == ("loaded_with_rejects", 15, 5)


def test_a_yes_to_other_figures_than_those_that_come_of_it_does_not_count(asking):
    """Patrons whom somebody has deleted in FOLIO meanwhile would be created: that was not approved."""
    load = planned(asking)
    stages.approve(load, TURN)
    stages.approve(load, TURN, YES)
    users = asking.folio.store("main").users
    users.delete(asking.folio.store("main").user("u-1")["id"])
    with pytest.raises(
        Declined, match="would now create 1 and update 5 patrons, and reject 0 rows; approved were 0, 6 "
    ):
        stages.post(load)
    assert load.run.names("sent") == []
    assert told(load).outcome == "declined"
    with pytest.raises(Declined, match="no one has"):
        stages.post(load)
    again = Turn(5, LINK)
    figures = {figure.name: figure.now for figure in stages.approve(load, again).figures}
    assert (figures["To create"], figures["To update"]) == ("1", "5")
    stages.approve(load, again, YES)
    stages.post(load)
    assert told(load).outcome == "loaded"


def test_a_newer_file_that_is_loaded_while_post_waits_for_its_turn(asking, monkeypatch):
    """The load would set patrons back: it is stopped, although it was approved."""
    load = planned(asking)
    stages.approve(load, TURN)
    stages.approve(load, TURN, YES)
    hold = Lease.hold

    def after_another(lease):
        monkeypatch.setattr(Lease, "hold", hold)
        asking.deliver(range(19), day=days_after(3))
        asking.loaded("newer", day=days_after(3))
        hold(lease)

    monkeypatch.setattr(Lease, "hold", after_another)
    with pytest.raises(ValidationError, match="The file is older than the newest one loaded"):
        stages.post(load)
    assert load.run.names("sent") == []
    assert told(load).outcome == "stopped"


def test_a_yes_outlives_a_library_system_that_does_not_answer(asking, monkeypatch):
    """Airflow tries post again; no one is asked anew, and no row is lost from the account."""
    load = planned(asking)
    stages.approve(load, TURN)
    stages.approve(load, TURN, YES)

    def down(*_anything):
        raise TransientError("FOLIO does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(UserImport, "plan", down)
        with pytest.raises(TransientError):
            stages.post(load)
    assert told(load).not_sent == 6
    stages.post(load)
    assert told(load).outcome == "loaded"


def test_a_mail_server_that_is_down(asking, monkeypatch, caplog):
    """The question waits in Airflow all the same, and is mailed when the task is tried again."""

    def down(mail):
        raise TransientError("The mail server does not answer.")

    load = planned(asking)
    monkeypatch.setattr(smtp, "send", down)
    assert stages.approve(load, TURN) is not None
    assert "The question could not be mailed" in caplog.text
    assert load.run.read_json(names.APPROVAL)["mailed"] is None


def test_without_an_address_of_airflows_the_mail_says_where_to_go(asking, mails):
    """Nobody told Airflow what it is called from outside."""
    stages.approve(planned(asking), Turn(3, None))
    assert "task 'approve', tab Required Action" in mails[0].text
    assert "href" not in mails[0].html


def test_no_patron_is_in_what_is_kept_and_mailed(asking, mails):
    """Only counts, names of files and of groups that were there before."""
    asking.deliver(range(1000, 1006), day=days_after(1))
    load = planned(asking)
    page = approval_question.markdown(stages.approve(load, TURN), "FOLIO")
    everything = page + mails[0].html + mails[0].text + load.run.read(names.APPROVAL).decode()
    assert not [cell for cell in ("u-1001", "user1001", "001001", "Adams") if cell in everything]


def test_asked_is_once_for_each_sentence(asking):
    """Three steps may find the same of a limit."""
    asking.configure(approval={}, limits={"min_rows": 10})
    load = planned(asking)
    assert len(questions.verdicts_to_answer(load.run)) == 1
