"""Pages behind signed links: what a contact and an approver do there, and what an attacker cannot do."""

from datetime import datetime, timedelta

import itsdangerous
import pytest

from patronload.artifacts import names, questions
from patronload.artifacts import run as runs
from patronload.artifacts.models import ApprovalRecord, Plan, Uploaded
from patronload.config import tenants
from patronload.in_airflow.pages import signed, uploads
from patronload.in_airflow.pages.rate_limits import Limiter
from patronload.reporting import places
from tests.pages.conftest import NOW, in_words
from tests.pages.signed import DAG, DESK, HEAD, KEY, OLD_KEY, READER, Links, connect

CORRECTED = b"ID,LOGIN,reject_row\n1,ann,2\n"


@pytest.fixture
def started(monkeypatch) -> list[dict]:
    """The runs that were started in Airflow."""
    found: list[dict] = []

    def start(dag_id, *, session, **given):
        found.append({"dag_id": dag_id, **given})

    monkeypatch.setattr(uploads, "trigger_dag", start)
    return found


@pytest.fixture
def later(monkeypatch):
    """Has the time pass for signatures."""

    def wait(time: timedelta) -> None:
        now = int((NOW + time).timestamp())
        monkeypatch.setattr(itsdangerous.TimestampSigner, "get_timestamp", lambda _: now)

    return wait


def test_a_contact_reads_the_report(links: Links):
    """Headline, numbers, reasons with who can fix them, steps in a contact's words; nothing of Airflow."""
    path = links.link(links.load_with_rejects(), DESK)
    words = in_words(links.client.get(path).text)
    assert "7 patrons are loaded, 3 rows are not" in words
    assert "Who can fix it: the sender of the export (a value in the file)" in words
    assert "Download rejects.xlsx" in words
    for word in ("Airflow", "task", "DAG", "manual__"):
        assert word not in words


def test_a_contact_downloads_and_is_recorded(links: Links):
    """In Airflow's audit log and in the run's folder: who, what, when, and from which address."""
    run_id = links.load_with_rejects()
    path = links.link(run_id, DESK)
    for ending, content in (("xlsx", b"PK workbook"), ("csv", b"ID,reject_row\n17,2\n")):
        answer = links.press(path, f"rejects.{ending}")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["content-disposition"].startswith('attachment; filename="northfield_')
    assert links.site.audit == [("patron_link_downloaded", DAG, DESK)] * 2
    assert '"address": "testclient"' in links.site.lines[0].extra
    first, _ = sorted(links.uses(run_id), key=lambda use: use["what"], reverse=True)
    assert (first["did"], first["by"], first["address"], first["what"]) == (
        "downloaded", DESK, "testclient", "rejects.xlsx",
    )  # fmt: skip
    assert datetime.fromisoformat(first["at"]).tzinfo


def test_a_contact_uploads_and_the_load_starts(links: Links, started):
    """The file lies in the new run's folder, and the contact is led to the page of the new run."""
    run_id = links.load_with_rejects()
    path = links.link(run_id, DESK)
    answer = links.press(path, "corrected", files={"file": ("corrected.csv", CORRECTED)})
    assert answer.status_code == 303
    ((run,)) = started
    assert (run["dag_id"], run["triggering_user_name"]) == (DAG, DESK)
    kept = runs.open_run("northfield", run["run_id"])
    assert kept.read(names.UPLOADED_FILE) == CORRECTED
    assert Uploaded.read(kept).by == DESK
    assert links.site.audit == [("patron_link_uploaded", DAG, DESK)]
    assert answer.headers["location"].startswith("/patron-links/northfield/")
    assert answer.headers["location"] != f"/patron-links{path}"


def test_a_file_that_is_not_a_corrected_one_is_refused_in_a_sentence(links: Links, started):
    """And nothing starts."""
    path = links.link(links.load_with_rejects(), DESK)
    answer = links.press(path, "corrected", files={"file": ("x.csv", b"ID\n1\n")})
    assert (answer.status_code, started) == (422, [])
    assert "not a corrected rejects file" in answer.text


def test_who_only_reads_gets_no_patron_data(links: Links, started):
    """The rejects are for those under links.rejects, or else notify.on_rejects."""
    run_id = links.load_with_rejects()
    path = links.link(run_id, READER)
    page = links.client.get(path).text
    assert "7 patrons are loaded" in page
    assert "Download" not in page
    other = links.form(links.link(run_id, DESK))
    for form in (other, ""):
        assert links.client.post(f"{path}/rejects.csv", data={"form": form}).status_code == 403
    signer = places.site(tenants.load("northfield"), "x").signer
    own = signer.form(path.rpartition("/")[2])
    assert links.client.post(f"{path}/rejects.csv", data={"form": own}).status_code == 403
    answer = links.client.post(f"{path}/corrected", data={"form": own}, files={"file": ("c.csv", CORRECTED)})
    assert (answer.status_code, started) == (403, [])
    links.configure(rejects=[READER])
    assert links.press(path, "rejects.csv").status_code == 200
    assert links.client.post(f"{links.link(run_id, DESK)}/rejects.csv", data={"form": other}).status_code == 403


@pytest.mark.parametrize("choice", ["Approve", "Reject"])
def test_an_approver_answers_once(links: Links, choice):
    """Airflow has the answer with the approver's address and reason, the task goes on, and a second one is refused."""
    run_id = links.question()
    path = links.answer_link(run_id)
    page = in_words(links.client.get(path).text)
    for told in ("Is this load right?", "9 of 9 active users would become inactive.", "Send the answer", HEAD):
        assert told in page
    form = links.form(path)
    assert links.answer(path, choice).status_code == 303
    detail = links.detail(run_id)
    assert (detail.chosen_options, detail.params_input) == ([choice], {"reason": "the registry moved"})
    assert detail.responded_by_user_name == HEAD
    assert detail.task_instance.state == "scheduled"
    assert links.site.audit == [("patron_link_answered", DAG, HEAD)]
    (use,) = links.uses(run_id)
    assert (use["did"], use["what"], use["by"]) == ("answered", choice, HEAD)
    assert "The answer was accepted" in links.client.get(path).text
    again = {"form": form, "choice": "Approve", "reason": "again and again"}
    assert links.client.post(f"{path}/answer", data=again).status_code == 409
    assert links.detail(run_id).chosen_options == [choice]
    assert len(links.uses(run_id)) == 1


def test_the_answer_is_shown_after_the_load(links: Links):
    """post plans once more, and carries the approval over; the link still says who answered."""
    run_id = links.question()
    path = links.answer_link(run_id)
    run = runs.open_run("northfield", run_id)
    given = {"answer": "approved", "by": HEAD, "answered": NOW, "reason": "the registry moved", "question": "another"}
    ApprovalRecord.read(run).model_copy(update=given).write(run)
    page = in_words(links.client.get(path).text)
    assert "This question was answered" in page
    assert f"{HEAD} approved it: ‘the registry moved’." in page
    assert "Send the answer" not in page


def test_two_answers_at_the_same_moment(links: Links, monkeypatch):
    """Airflow's own lock decides; the second one is refused."""
    path = links.answer_link(links.question())
    form = links.form(path)
    monkeypatch.setattr(signed, "_may_answer", lambda *_: True)
    told = {"form": form, "choice": "Approve", "reason": "it is right"}
    first, second = (links.client.post(f"{path}/answer", data=told, follow_redirects=False) for _ in range(2))
    assert (first.status_code, second.status_code) == (303, 409)


@pytest.mark.parametrize("told", [{"reason": "  "}, {"choice": "Delete all"}, {"choice": ""}])
def test_an_answer_needs_a_choice_and_a_reason(links: Links, told):
    """Nothing reaches Airflow without."""
    run_id = links.question()
    path = links.answer_link(run_id)
    assert links.press(path, "answer", **{"choice": "Approve", "reason": "good"} | told).status_code == 422
    assert links.detail(run_id).responded_at is None


def test_looking_changes_nothing(links: Links, started):
    """A scanner opens a link, and follows every address in the page, with GET and HEAD."""
    run_id = links.question()
    paths = [links.answer_link(run_id), links.link(links.load_with_rejects(), DESK)]
    for path in paths:
        for what in ("", "/answer", "/corrected", "/rejects.csv", "/rejects.xlsx"):
            for method in ("GET", "HEAD", "OPTIONS"):
                answer = links.client.request(method, f"{path}{what}")
                assert "attachment" not in answer.headers.get("content-disposition", "")
    assert links.detail(run_id).responded_at is None
    assert (links.site.audit, links.uses(run_id), started) == ([], [], [])
    assert "Send the answer" in links.client.get(paths[0]).text, "the person comes after the scanner"


def test_a_changed_question_revokes_the_link(links: Links):
    """Planned again, the run asks something else; so it does when someone clears the task."""
    run_id = links.question()
    path = links.answer_link(run_id)
    form = links.form(path)
    run = runs.open_run("northfield", run_id)
    Plan.read(run).model_copy(update={"new": 2}).write(run)
    told = {"form": form, "choice": "Approve", "reason": "it is right"}
    assert links.client.post(f"{path}/answer", data=told).status_code == 409
    record = ApprovalRecord.read(run).model_copy(update={"question": questions.question_hash(run), "turn": 1})
    record.write(run)
    assert links.client.post(f"{path}/answer", data=told).status_code == 409
    page = links.client.get(path).text
    assert "This question is out of date" in page
    assert "Send the answer" not in page
    assert links.detail(run_id).responded_at is None
    assert links.answer(links.answer_link(run_id)).status_code == 303, "the newer mail has a link of its own"


def test_only_an_approver_answers(links: Links):
    """Not the desk, not by a link without a question, and not someone whom the tenant file no longer names."""
    run_id = links.question()
    mark = questions.mark(ApprovalRecord.read(runs.open_run("northfield", run_id)))
    site = places.site(tenants.load("northfield"), "https://airflow.example")
    assert site.answer(run_id, DESK, mark) is None
    forged = site.link(site.signer, run_id, DESK, mark).removeprefix("https://airflow.example/patron-links")
    own = site.signer.form(forged.rpartition("/")[2])
    told = {"form": own, "choice": "Approve", "reason": "it is right"}
    assert links.client.post(f"{forged}/answer", data=told).status_code == 409
    assert "Send the answer" not in links.client.get(links.link(run_id, HEAD)).text
    path = links.answer_link(run_id)
    form = links.form(path)
    links.configure(approvers=[])
    assert links.client.post(f"{path}/answer", data=told | {"form": form}).status_code == 404
    assert links.detail(run_id).responded_at is None


@pytest.mark.parametrize("text", ["x", "W10.x.y", "../../etc/passwd", "a" * 4000, "%00", "{}", "null"])
def test_a_guess_is_refused(links: Links, text):
    """Whatever is typed; and after some guesses the answer is another one."""
    links.load_with_rejects()
    assert links.client.get(f"/northfield/{text}").status_code == 404


def test_one_changed_letter_is_a_guess(links: Links):
    """Anywhere in the link."""
    path = links.link(links.load_with_rejects(), DESK)
    head, _, token = path.rpartition("/")
    for at in range(0, len(token), 7):
        other = "A" if token[at] != "A" else "B"
        assert links.client.get(f"{head}/{token[:at]}{other}{token[at + 1 :]}").status_code in (404, 429), at


def test_guesses_are_limited_and_good_links_still_work(links: Links):
    """No one can lock the others out by guessing."""
    path = links.link(links.load_with_rejects(), DESK)
    found = [links.client.get("/northfield/guess").status_code for _ in range(25)]
    assert found == [404] * 20 + [429] * 5
    assert links.client.get(path).status_code == 200


def test_one_link_is_limited(links: Links):
    """A program that opens the same link again and again is stopped; other links work."""
    run_id = links.load_with_rejects()
    path = links.link(run_id, DESK)
    found = [links.client.get(path).status_code for _ in range(62)]
    assert found == [200] * 60 + [429] * 2
    assert links.client.get(links.link(run_id, READER)).status_code == 200


def test_the_limit_ends():
    """After its time the next one is allowed, and keys do not add up without end."""
    now = [0.0]
    limiter = Limiter(2, 10, lambda: now[0])
    assert [limiter.allows("a") for _ in range(3)] == [True, True, False]
    assert limiter.allows("b")
    now[0] = 10.0
    assert limiter.allows("a")
    for number in range(20_000):
        limiter.allows(f"{number}")
    assert len(limiter._times) <= 10_000


def test_a_link_expires(links: Links, later):
    """After the time in the tenant file, whatever it was when the mail was sent."""
    path = links.link(links.load_with_rejects(), DESK)
    later(timedelta(days=6))
    assert links.client.get(path).status_code == 200
    later(timedelta(days=8))
    answer = links.client.get(path)
    assert answer.status_code == 410
    assert "This link has expired" in answer.text
    links.configure(valid="30 days")
    assert links.client.get(path).status_code == 200


def test_a_page_that_was_open_for_too_long(links: Links, later):
    """Its buttons are refused; the link itself still works."""
    path = links.link(links.load_with_rejects(), DESK)
    form = links.form(path)
    later(timedelta(days=1))
    answer = links.client.post(f"{path}/rejects.csv", data={"form": form})
    assert answer.status_code == 403
    assert "Open the link in the mail again" in answer.text
    assert links.press(path, "rejects.csv").status_code == 200


def test_a_link_of_another_run_or_tenant(links: Links, monkeypatch):
    """The link of one tenant opens nothing of another one, although both have the same key; nor one run another."""
    links.configure("southfield")
    links.site.add_library("southfield")
    own, other = links.load_with_rejects(), links.load_with_rejects("southfield")
    token = links.link(own, DESK).rpartition("/")[2]
    assert links.client.get(f"/southfield/{token}").status_code == 404
    assert (
        links.client.get(f"/northfield/{links.link(other, DESK, 'southfield').rpartition('/')[2]}").status_code == 404
    )
    question = links.question()
    path, form = links.answer_link(question), links.form(links.link(own, DESK))
    told = {"form": form, "choice": "Approve", "reason": "it is right"}
    assert links.client.post(f"{path}/answer", data=told).status_code == 403, "the form of another page"
    site = places.site(tenants.load("northfield"), "https://a.example")
    unknown = site.link(site.signer, "manual__2020-01-01", DESK).removeprefix("https://a.example/patron-links")
    assert links.client.get(unknown).status_code == 404


@pytest.mark.parametrize("sent_from", ["cross-site", "same-site", "none"])
def test_a_form_on_another_site_is_refused(links: Links, sent_from):
    """Even with the right text in it."""
    run_id = links.question()
    path = links.answer_link(run_id)
    told = {"form": links.form(path), "choice": "Approve", "reason": "it is right"}
    answer = links.client.post(f"{path}/answer", data=told, headers={"Sec-Fetch-Site": sent_from})
    assert (answer.status_code, links.detail(run_id).responded_at) == (403, None)


def test_keys_are_changed_without_breaking_links(links: Links, monkeypatch):
    """The newest key signs, the older ones are still valid; a key that was removed revokes its links."""
    run_id = links.load_with_rejects()
    connect(monkeypatch, OLD_KEY)
    old = links.link(run_id, DESK)
    connect(monkeypatch, KEY, OLD_KEY)
    new = links.link(run_id, DESK)
    assert [links.client.get(path).status_code for path in (old, new)] == [200, 200]
    connect(monkeypatch, KEY)
    assert [links.client.get(path).status_code for path in (old, new)] == [404, 200]


def test_without_links_in_the_tenant_file_nothing_opens(links: Links):
    """They are off by default; an address that is no longer in the tenant file has no link either."""
    run_id = links.load_with_rejects()
    path = links.link(run_id, DESK)
    links.configure(links=None)
    assert links.client.get(path).status_code == 404
    links.configure()
    other = links.link(run_id, "gone@library.example")
    assert links.client.get(other).status_code == 404
    assert links.client.get(path).status_code == 200


def test_a_link_names_no_person_and_no_address(links: Links):
    """What stands in it: the run, and hashes."""
    run_id = links.question()
    for path in (links.link(run_id, DESK), links.answer_link(run_id)):
        _, payload = itsdangerous.URLSafeTimedSerializer("any").loads_unsafe(path.rpartition("/")[2])
        shown = str(payload)
        assert run_id in shown
        assert "@" not in shown
        assert "library" not in shown


def test_every_answer_is_private(links: Links):
    """Not stored, not listed, not framed, nothing from elsewhere, and no address handed on; refusals too."""
    path = links.link(links.load_with_rejects(), DESK)
    for answer in (links.client.get(path), links.client.get("/northfield/x"), links.press(path, "rejects.csv")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in answer.headers["x-robots-tag"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers


def test_how_to_fix_is_open_to_everyone(links: Links):
    """The same for all, without data: each kind of person has a section that mails lead to."""
    page = links.client.get("/how-to-fix").text
    for key in ("registry", "library", "mapping", "office"):
        assert f'id="{key}"' in page
