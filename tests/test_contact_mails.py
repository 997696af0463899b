"""What contacts read: their own words, their own links, who can fix a row, and buttons."""

import json
import re

import pytest
from leftovers import TENANT, build, rejects
from test_notify import OUTCOMES, WITH_REJECTS, text_of

from patronload.config.links import Links
from patronload.reporting import contact_steps, mails, places, signed_links, who_fixes
from patronload.reporting.places import Reader
from patronload.reporting.report import Reason

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
