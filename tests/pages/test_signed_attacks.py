"""What someone could try with the pages behind signed links, and with a link that is theirs."""

import pytest
from airflow.models.dagrun import DagRun
from test_signed_links import CORRECTED

from patronload.artifacts import names
from patronload.artifacts import run as runs
from patronload.artifacts.models import ApprovalRecord
from patronload.in_airflow.pages import body_sizes, signed, uploads
from tests.pages.conftest import NOW, Site, in_words
from tests.pages.signed import DESK, HEAD, READER, Links

SCRIPT = "<script>alert(1)</script>"
PRIVATE = ("cache-control", "content-security-policy", "referrer-policy", "x-robots-tag")


@pytest.fixture
def started(monkeypatch, links: Links) -> list[str]:
    """The runs that were started; each is there at once, as in Airflow."""
    found: list[str] = []

    def start(dag_id, *, run_id, **_):
        assert not uploads._starting.acquire(blocking=False), "another request could start the same file meanwhile"
        links.site.add_run(dag_id, run_id)
        found.append(run_id)

    monkeypatch.setattr(uploads, "trigger_dag", start)
    return found


def test_another_address_in_a_header_does_not_lift_the_limit(links: Links):
    """Anyone can write X-Forwarded-For; only a proxy that the server is told to trust counts."""
    found = [
        links.client.get("/northfield/guess", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
        for number in range(25)
    ]
    assert found == [404] * 20 + [429] * 5


def test_no_header_changes_who_is_recorded_or_where_a_page_leads(links: Links, started):
    """Neither the network address in the audit log, nor the host that someone writes."""
    run_id = links.load_with_rejects()
    path = links.link(run_id, DESK)
    forged = {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7", "X-Forwarded-Host": "evil.example"}
    links.client.headers.update(forged | {"Host": "evil.example", "X-Forwarded-Prefix": "/evil"})
    answer = links.press(path, "corrected", files={"file": ("c.csv", CORRECTED)})
    assert answer.headers["location"].startswith("/patron-links/northfield/")
    assert links.uses(run_id)[0]["address"] == "testclient"
    assert "192.0.2.7" not in links.site.lines[0].extra
    assert "evil" not in links.client.get(path).text


@pytest.mark.parametrize("address", ["{path}/", "/northfield/", "/", "/northfield", "{path}/x"])
def test_no_other_address_leads_anywhere(links: Links, address):
    """It is not corrected by leading on, which would hand the link to whatever host the request names."""
    path = links.link(links.load_with_rejects(), DESK)
    answer = links.client.get(address.format(path=path), follow_redirects=False, headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "This link does not work" in answer.text
    assert all(name in answer.headers for name in PRIVATE)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("what", ["", "/answer", "/corrected", "/rejects.csv"])
def test_no_other_method_does_anything(links: Links, started, method, what):
    """With the right form in it, too; the answer is as private as the page."""
    run_id = links.question()
    path = links.answer_link(run_id)
    told = f"form={links.form(path)}&choice=Approve&reason=right"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = links.client.request(method, f"{path}{what}", content=told, headers=headers)
    assert answer.status_code == 405
    assert all(name in answer.headers for name in PRIVATE)
    assert (started, links.detail(run_id).responded_at, links.uses(run_id)) == ([], None, [])


def test_what_is_too_long_or_missing_is_refused_as_a_page(links: Links, started):
    """Nothing of what was sent comes back."""
    run_id = links.question()
    path = links.answer_link(run_id)
    form = links.form(path)
    answers = [
        links.client.post(f"{path}/answer", data={"form": form, "choice": "Approve", "reason": SCRIPT * 1000}),
        links.client.post(f"{path}/answer", data={"form": form, "choice": SCRIPT * 50, "reason": "right"}),
        links.client.post(f"{path}/answer", data={"form": SCRIPT * 50, "choice": "Approve", "reason": "right"}),
        links.client.post(f"{path}/rejects.exe", data={"form": form}),
        links.client.post(f"{path}/corrected", data={"form": form}),
        links.client.post(
            f"{path}/corrected", content=b"--x\r\nnonsense", headers={"Content-Type": "multipart/form-data; boundary=x"}
        ),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 422, 403]
    for answer in answers:
        assert "Go back, and fill in the form again." in answer.text or answer.status_code == 403
        assert "alert" not in answer.text
        assert all(name in answer.headers for name in PRIVATE)
    assert (started, links.detail(run_id).responded_at) == ([], None)


@pytest.mark.parametrize(("letters", "status"), [(500, 303), (501, 422)])
def test_a_reason_of_several_lines(links: Links, letters, status):
    """A browser sends two characters for each line break; only one counts."""
    run_id = links.question()
    lines = ["x" * 9] * 49 + ["x" * (letters - 490)]
    answer = links.answer(links.answer_link(run_id), reason="\r\n".join(lines))
    assert answer.status_code == status
    assert bool(links.detail(run_id).responded_at) is (status == 303)
    if status == 422:
        assert "The reason has 501 letters; 500 fit." in in_words(answer.text)


def test_a_script_in_a_reason_is_text(links: Links):
    """On the page, and as Airflow keeps it: one line, without characters that hide or turn the text."""
    run_id = links.question()
    path = links.answer_link(run_id)
    links.answer(path, reason=f"{SCRIPT}\x00\u202e\r\nX-Header: 1")
    kept = links.detail(run_id).params_input["reason"]
    assert kept.startswith(SCRIPT)
    assert kept.isprintable()
    run = runs.open_run("northfield", run_id)
    given = {"answer": "approved", "by": HEAD, "answered": NOW, "reason": kept}
    ApprovalRecord.read(run).model_copy(update=given).write(run)
    page = links.client.get(path).text
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.exe", b"MZ\x90\x00\x03\x00\x00\x00"),
        ("c.pdf", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"),
        ("c.xlsx", b"PK\x03\x04 not a workbook"),
        ("c.csv", b""),
        ("c.csv", b"\x00" * 500),
        ("c.html", SCRIPT.encode()),
    ],
)
def test_any_other_kind_of_file_is_refused(links: Links, started, name, content):
    """In a sentence, whatever it is called; nothing starts, and nothing of it is shown."""
    path = links.link(links.load_with_rejects(), DESK)
    answer = links.press(path, "corrected", files={"file": (name, content)})
    assert (answer.status_code, started) == (422, [])
    assert "This was not accepted" in answer.text
    assert SCRIPT not in answer.text
    assert "tenant file" not in answer.text, "a contact does not know it"


def test_a_huge_body_is_not_kept(links: Links, started, monkeypatch, tmp_path):
    """With a link or without one: before anyone is asked for it, and whatever size the request names."""
    monkeypatch.setattr(uploads, "MOST_BYTES", 100_000)
    kept: list[int] = []
    monkeypatch.setattr(signed, "_visit", lambda *_: pytest.fail("no one looks at the link of such a request"))
    monkeypatch.setattr(uploads, "_check", lambda content, _: kept.append(len(content)))
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="c.csv"\r\n\r\n' + b"x" * 500_000
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    for content in (body, (body[at : at + 5_000] for at in range(0, len(body), 5_000))):
        answer = links.client.post("/northfield/guess/corrected", content=content, headers=head)
        assert answer.status_code == 413
        assert "The file is larger than" in answer.text
    long_form = {"form": "x" * (body_sizes.MOST_OF_A_FORM + 1)}
    assert links.client.post("/northfield/guess/answer", data=long_form).status_code == 413
    assert (kept, started) == ([], [])


def test_a_huge_body_is_not_kept_by_airflows_page_either(site: Site, monkeypatch):
    """Its login is asked for only after the body was read."""
    monkeypatch.setattr(uploads, "MOST_BYTES", 100_000)
    site.rights = None
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="c.csv"\r\n\r\n' + b"x" * 500_000
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = site.client.post("/runs/patron_load__northfield/manual__1/corrected", content=body, headers=head)
    assert answer.status_code == 413


def test_no_upload_once_the_address_is_gone(links: Links, started):
    """A page that was opened before is worth nothing: neither for someone else's right nor for one's own."""
    run_id = links.load_with_rejects()
    path = links.link(run_id, DESK)
    form = links.form(path)
    told = {"data": {"form": form}, "files": {"file": ("c.csv", CORRECTED)}}
    links.configure(rejects=[READER])
    assert links.client.post(f"{path}/corrected", **told).status_code == 403
    links.configure(links=None)
    assert links.client.post(f"{path}/corrected", **told).status_code == 404
    assert (started, links.uses(run_id)) == ([], [])


def test_a_button_that_is_pressed_twice_starts_one_load(links: Links, started):
    """The second time leads to the load that is under way; another file starts another load."""
    path = links.link(links.load_with_rejects(), DESK)
    for _ in range(2):
        answer = links.press(path, "corrected", files={"file": ("c.csv", CORRECTED)})
        assert answer.status_code == 303
    assert len(started) == 1
    links.press(path, "corrected", files={"file": ("c.csv", CORRECTED + b"4,bob,5\n")})
    assert len(started) == 2


def test_the_same_rows_can_be_uploaded_again_after_their_load(links: Links, started, site: Site):
    """The first load may have failed."""
    path = links.link(links.load_with_rejects(), DESK)
    links.press(path, "corrected", files={"file": ("c.csv", CORRECTED)})
    for run in site.session.query(DagRun).filter_by(run_id=started[0]):
        run._state = "failed"
    site.session.flush()
    links.press(path, "corrected", files={"file": ("c.csv", CORRECTED)})
    assert len(started) == 2


def test_storage_that_does_not_answer_is_a_page_too(links: Links, monkeypatch):
    """Not a white page; the log has the kind of error, and no patron."""
    run_id = links.load_with_rejects()
    path = links.link(run_id, DESK)
    form = links.form(path)

    def fail(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(runs.Run, "has", fail)
    answer = links.client.post(f"{path}/{names.REJECTS}", data={"form": form})
    assert answer.status_code == 503
    assert "Try again later." in answer.text
    assert "disk" not in answer.text
    assert all(name in answer.headers for name in PRIVATE)
