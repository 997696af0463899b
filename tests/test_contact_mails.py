"""What contacts read: their own words, their own links, who can fix a row, and buttons."""

import ast
import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from leftovers import TENANT, build, left_behind, rejects
from test_notify import OUTCOMES, WITH_REJECTS, text_of

from patronload import errors
from patronload.config.links import Links
from patronload.reporting import (
    account,
    approval_question,
    contact_steps,
    mails,
    places,
    signed_links,
    who_fixes,
    words,
)
from patronload.reporting.places import Reader
from patronload.reporting.report import Reason, Undo

BASE = "https://loads.example"
DESK, HEAD, ONCALL = "desk@library.example", "head@library.example", "oncall@consortium.example"
CONTACT = Reader(on_call=False)
PLAIN = TENANT.model_copy(
    update={"notify": TENANT.notify.model_copy(update={"always": (DESK,), "on_rejects": (), "on_failure": (ONCALL,)})}
)
LINKED = PLAIN.model_copy(update={"links": Links(rejects=(DESK,), approvers=(HEAD,))})
AIRFLOW_WORDS = re.compile(r"\b(Airflow|tasks?|DAGs?|XCom|clear(ed)?|stage|tenant file|manual__|scheduled__)\b")


@pytest.fixture
def key(monkeypatch):
    connection = {"conn_type": "generic", "password": "k" * 48}
    monkeypatch.setenv("AIRFLOW_CONN_PATRONLOAD_LINKS", json.dumps(connection))


LEFT_OUT = ("drafts.py", "preview.py")
"""Messages of the command line; no mail has them."""

PLACEHOLDER = "Seven"


def messages():
    """Every message of the code that a contact may read, with a word in the place of each value."""
    for path in sorted(Path(errors.__file__).parent.rglob("*.py")):
        calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args)
        for call in calls if path.name not in LEFT_OUT else ():
            if isinstance(call.func, ast.Name) and call.func.id in words.EXPORTS_OWN:
                yield text_of_code(call.args[0])


def text_of_code(node):
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of_code(part) for part in node.values)
    return PLACEHOLDER


def of(tenant, outcome, base=BASE):
    report = build(tenant=tenant, **OUTCOMES[outcome]).model_copy(update={"run": "scheduled__2026-11-21"})
    return {mail.to: mail for mail in mails.result_mails(places.site(tenant, base), report)}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_contact_reads_no_word_of_airflow(key, outcome):
    """Neither in the text nor in the HTML, with and without links; nor a run id."""
    for tenant in (PLAIN, LINKED):
        mail = of(tenant, outcome)[(DESK,)]
        without_links = re.sub(r"https://\S+", "", mail.text)
        for part in (without_links, text_of(mail.html)):
            assert not AIRFLOW_WORDS.search(part), AIRFLOW_WORDS.search(part)


@pytest.mark.parametrize("message", [*messages()])
def test_no_message_loses_its_point_or_names_what_a_contact_does_not_know(message):
    """Every error that a contact reads: something is left of it, and no word of Airflow, no key, no run."""
    left = contact_steps.without_technical(message)
    assert left or re.search(r"tenant file|\brun\b", message), "nothing is left of a message about the export"
    assert not AIRFLOW_WORDS.search(left)
    assert not re.search(r"\b(limits|source|target|keep)\.[a-z]|\bruns?\b|not_undone", left), left


def test_keys_of_the_tenant_file_have_words():
    """A contact reads a limit, and not its key; the name of a file stays."""
    told = "The export has 6 rows; limits.min_rows requires at least 10. It is outgoing/source.pgp."
    assert contact_steps.without_technical(told) == (
        "The export has 6 rows; the limit requires at least 10. It is outgoing/source.pgp."
    )


UNDO = Undo(run="scheduled__1", day=date(2026, 11, 16), export="patrons.csv", patrons=7, back=7, partly=1)


@pytest.mark.parametrize(
    ("outcome", "left", "step"),
    [
        ("undone", "loaded", "which patrons could not go back"),
        ("dry_run", "dry_run", "This was a trial."),
        ("stopped", "stopped", "The people on call have the same mail"),
        ("failed", "failed", "The people on call have the same mail"),
        ("declined", "declined", "If the load has to be undone after all, ask the people who look after your loads."),
    ],
)
def test_a_contact_reads_about_an_undo(key, outcome, left, step):
    """What follows from each end of it, in a contact's words; whoever sends the export can do nothing about it."""
    ended = left_behind(**{name: value for name, value in OUTCOMES[left].items() if name != "dry_run"})
    report = account.build(LINKED, "scheduled__2", UNDO.day, ended, dry_run=left == "dry_run", undo="scheduled__1")
    report = report.model_copy(update={"undo": UNDO, "outcome": outcome})
    (text,) = (mail.text for mail in mails.result_mails(places.site(LINKED, BASE), report) if DESK in mail.to)
    told = " ".join(re.sub(r"https://\S+", "", text).split())
    assert step in told
    assert "the sender of the export" not in told
    assert not AIRFLOW_WORDS.search(told)


def test_an_approver_by_link_reads_no_key_no_path_and_no_run(key):
    """The question in the mail and on the page is for people without an account in Airflow."""
    question = approval_question.Question(
        ("12 of 60 rows are rejected; limits.max_rejects allows 5%.",),
        (
            "Run to undo: scheduled__1.",
            "Details: file:///artifacts/x/not_undone.csv has what stays.",
            "The file is a.csv.",
        ),
        (approval_question.Figure("Rows", "60", ""),),
        datetime(2026, 11, 21, 18, tzinfo=UTC),
    )
    (mail,) = mails.question_mails(places.site(LINKED, BASE), "scheduled__2", UNDO.day, question, None, "m")[:1]
    assert mail.to == (HEAD,)
    told = " ".join(re.sub(r"https://\S+", "", mail.text).split())
    assert "12 of 60 rows are rejected; the limit allows 5%." in told
    assert "The file is a.csv." in told
    for unknown in ("limits.", "scheduled__", "file://", "not_undone"):
        assert unknown not in told


@pytest.mark.parametrize("outcome", ["stopped", "failed", "no_file", "declined"])
def test_people_on_call_read_airflows_words(key, outcome):
    """Their mail names the run, and what to do in Airflow."""
    mail = next(mail for to, mail in of(PLAIN, outcome).items() if ONCALL in to or outcome == "declined")
    if ONCALL in mail.to:
        assert "Run: scheduled__2026-11-21" in mail.text
        assert "Airflow" in mail.text


def test_a_run_id_is_in_no_sentence(key):
    """It stands beside its name, for people on call."""
    mail = of(PLAIN, "failed")[(ONCALL,)]
    for line in mail.text.splitlines():
        if "scheduled__2026-11-21" in line and "http" not in line:
            assert re.fullmatch(r"Run: \S+|\S*", line), line


def test_a_contact_without_links_is_sent_to_the_folder():
    """The folder as the library sees it, and a person to ask."""
    people = PLAIN.people.model_copy(update={"airflow": "Consortium desk, 0123"})
    mail = of(PLAIN.model_copy(update={"people": people}), "loaded_with_rejects")[(DESK,)]
    told = " ".join(mail.text.split())
    assert "Upload it to outgoing/ on your SFTP server, and ask Consortium desk, 0123 to load it." in told


def test_each_has_a_mail_of_their_own_with_links_of_their_own(key):
    """The contact's lead to their page, those of people on call into Airflow; no link is in two mails."""
    tenant = LINKED.model_copy(
        update={"notify": LINKED.notify.model_copy(update={"always": (DESK, HEAD), "on_rejects": (ONCALL,)})}
    )
    found = of(tenant, "loaded_with_rejects")
    assert set(found) == {(DESK,), (HEAD,), (ONCALL,)}
    hrefs = {to: set(re.findall(r'href="(https://[^"#]+)', mail.html)) for to, mail in found.items()}
    (desk,), (head,) = ({url for url in hrefs[(who,)] if "how-to-fix" not in url} for who in (DESK, HEAD))
    assert desk.startswith(f"{BASE}/patron-links/northfield/")
    assert desk != head
    assert all("/patron-links/northfield/" not in url for url in hrefs[(ONCALL,)])
    signer = signed_links.signer(tenant)
    assert signer
    link = signer.read(desk.rpartition("/")[2], LINKED.links.age)
    assert signed_links.person(tenant, link).address == DESK
    assert "Download and correct the rejects" in found[(DESK,)].html
    assert "Download and correct the rejects" not in found[(HEAD,)].html, "the head may not have the rejects"


def test_without_links_the_buttons_lead_into_airflow():
    """To the tab with the report, the rejects and the plan; each says that it asks for a login."""
    effects = {"actions": {"create": 2, "update": 5}, "fields": {}, "transitions": {}}
    report = build(tenant=PLAIN, **WITH_REJECTS).model_copy(update={"effects": effects, "run": "manual__1"})
    for mail in mails.result_mails(places.site(PLAIN, BASE), report):
        dag = "patron_load__northfield"
        assert f'href="{BASE}/dags/{dag}/runs/manual__1/plugin/load-report"' in mail.html
        assert f'href="{BASE}/patron-loads/runs/{dag}/manual__1/rejects.xlsx"' in mail.html
        assert f'href="{BASE}/dags/{dag}/runs/manual__1/plugin/load-plan"' in mail.html
        assert "Open the report (login)" in mail.html
        assert f"{BASE}/dags/{dag}/runs/manual__1/plugin/load-report" in mail.text


def test_where_airflow_does_not_know_its_address_there_is_no_button():
    """The mail is sent all the same."""
    for mail in of(PLAIN, "loaded_with_rejects", base=None).values():
        assert "href" not in mail.html


def test_without_a_key_the_mails_are_sent_and_lead_into_airflow(monkeypatch, caplog):
    """The log says what is missing."""
    monkeypatch.delenv("AIRFLOW_CONN_PATRONLOAD_LINKS", raising=False)
    (mail,) = of(LINKED, "loaded").values()
    assert "/plugin/load-report" in mail.html
    assert "No Airflow connection is called 'patronload_links'" in caplog.text


@pytest.mark.parametrize(
    ("stage", "reason", "key"),
    [
        ("validate", "CARD (barcode) is empty", "registry"),
        ("transform", "EXP (expirationDate) is not a date like 08/31/2029 (month/day/year)", "registry"),
        ("transform", "ROLE (patronGroup) has a code that is not set up in the mapping yet", "mapping"),
        ("transform", "ROLE (patronGroup): the code 'ALUM' is not set up in the mapping yet", "mapping"),
        ("plan", "FOLIO does not know the patron group", "office"),
        ("plan", "the barcode is already used by another user in FOLIO", "library"),
        ("plan", "the barcode was under another username in the last load; perhaps the same patron", "library"),
        ("plan", "FOLIO's custom field takes a list: map it with 'split'", "mapping"),
        ("post", "the username is already used by another user in FOLIO", "library"),
        ("post", "FOLIO refused the patron (see the rejects file)", "office"),
        ("post", "FOLIO could not read its stored users; ask FOLIO's administrator", "office"),
    ],
)
def test_who_can_fix_a_row(stage, reason, key):
    """The sender of the export, the library, or the people who look after the mapping or the library system."""
    assert who_fixes.fixer(Reason(reason=reason, count=1, stage=stage, rows=(2,)), "FOLIO").key == key


def test_it_stands_beside_each_reason(key):
    """With a link to what they do."""
    report = build(tenant=LINKED, rejects=rejects((2, "validate", "CARD (barcode) is empty")))
    (mail,) = mails.result_mails(places.site(LINKED, BASE), report)
    assert f'href="{BASE}/patron-links/how-to-fix#registry"' in mail.html
    assert "who can fix it: the sender of the export (a value in the file)" in mail.text


@pytest.mark.parametrize(
    ("message", "left"),
    [
        (
            "Nothing was sent. The file has 6 rows; expected 16 to 24. Clear the task 'approve' in Airflow to go on.",
            "Nothing was sent. The file has 6 rows; expected 16 to 24.",
        ),
        ("There is no file outgoing/patrons.csv. The newest there: a.csv", None),
        ("Correct source.path in the tenant file.", ""),
    ],
)
def test_sentences_for_people_on_call_are_left_out(message, left):
    """What is about the export stays."""
    assert contact_steps.without_technical(message) == (message if left is None else left)
