"""The mail: to whom, what it tells and what it never tells, and how it is sent; a real SMTP server takes it."""

import asyncio
import base64
import json
import logging
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import polars as pl
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from leftovers import TENANT, build, failure, patrons, rejects, result

from patronload import settings
from patronload.errors import ConfigError, TargetError, TransientError
from patronload.reporting import mails, report_page, smtp, words
from patronload.reporting.next_steps import next_steps
from patronload.reporting.report import Report
from patronload.reporting.smtp import Mail
from sandbox.smtp import MailServer

SYSTEMS, CIRCULATION, ONCALL = "systems@library.example", "circulation@library.example", "oncall@consortium.example"
LIBRARY = TENANT.model_copy(
    update={
        "notify": TENANT.notify.model_copy(
            update={"always": [SYSTEMS], "on_rejects": [CIRCULATION], "on_failure": [ONCALL, SYSTEMS.upper()]}
        )
    }
)
MAIL = Mail("Zoë: 3 patrons are loaded", (SYSTEMS, CIRCULATION), "<p>Zoë &amp; all</p>", "Zoë & all\n")

NOTHING: dict[str, Any] = {"patrons": None, "sent": set(), "results": []}
WITH_REJECTS: dict[str, Any] = {
    "rejects": rejects((2, "validate", "CARD (barcode) is empty"), (3, "validate", "CARD (barcode) is empty")),
    "patrons": patrons({1: [4, 5, 6], 2: [7, 8, 9, 10, 11]}),
    "results": [result(1, created=2, failed=[6]), result(2, updated=5)],
}
OUTCOMES: dict[str, dict[str, Any]] = {
    "loaded": {},
    "loaded_with_rejects": WITH_REJECTS,
    "stopped": NOTHING | {"failure": failure("ValidationError", "validate", "The file is too short.")},
    "failed": {
        "failure": failure("TransientError", "post", "FOLIO is down."),
        "results": [result(1, created=5)],
        "sent": {1},
    },
    "no_file": NOTHING | {"failure": failure("MissingError", "fetch", "There is no file."), "validation": None},
    "declined": {
        "gates": {"already_loaded": None, "load_anyway": None, "steps": {}},
        "approval": {
            "asked": "2026-11-21T11:00:00+00:00",
            "until": "2026-11-21T19:00:00+00:00",
            "told": "2026-11-21T11:00:01+00:00",
            "answer": "declined",
            "by": "ann",
            "answered": "2026-11-21T14:05:00+00:00",
            "reason": "it is last year's file",
        },
        "failure": failure("Declined", "approve", "It is half as long as ever."),
        "sent": set(),
        "results": [],
    },
    "already_loaded": NOTHING
    | {
        "gates": {"already_loaded": "This very file was loaded on 20 November.", "load_anyway": None, "steps": {}},
        "validation": None,
    },
    "dry_run": {"dry_run": True, "sent": set(), "results": []},
}


class _Words(HTMLParser):
    """The words that a reader of an HTML mail sees."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hidden = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - HTMLParser's
        self.hidden = tag in ("style", "title")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - HTMLParser's
        self.hidden = False

    def handle_data(self, data: str) -> None:
        self.words += [] if self.hidden else data.split()


def text_of(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    return " ".join(parser.words)


def lines(part: EmailMessage) -> list[str]:
    """What a part says; lines end as they do on the wire."""
    return str(part.get_content()).splitlines()


@pytest.fixture
def airflow(tmp_path, monkeypatch) -> Callable[..., None]:
    """Airflow with a connection to the mail server on a port."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))

    def connect(port: int, login: str | None = None, **extra: Any) -> None:
        plain = {"disable_tls": True, "disable_ssl": True, "from_email": "Patronload <patronload@consortium.example>"}
        told = {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": port,
            "extra": plain | {"timeout": 5, "retry_limit": 0} | extra,
        }
        login_too = {"login": login, "password": "invented"} if login else {}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(told | login_too))

    return connect


@pytest.fixture
def server(tmp_path, airflow) -> Iterator[MailServer]:
    with MailServer(tmp_path / "mails", page=False) as server:
        airflow(server.port)
        yield server


class Moody:
    """Answers each RCPT with the next of the given replies, and with 250 after the last; keeps whom mails went to."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.taken: list[list[str]] = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: ARG002, N802 - aiosmtpd's
        reply = self.replies.pop(0) if self.replies else "250 OK"
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):  # noqa: ARG002, N802 - aiosmtpd's
        self.taken.append(list(envelope.rcpt_tos))
        return "250 OK"


@pytest.fixture
def serve(airflow) -> Iterator[Callable[..., None]]:
    """Start a real SMTP server with a handler of the test's own."""
    running: list[Controller] = []

    def start(handler: object, login: str | None = None, **more: Any) -> int:
        with_port = Controller(handler, hostname="127.0.0.1", port=free_port(), **more)
        with_port.start()
        running.append(with_port)
        airflow(with_port.port, login)
        return int(with_port.port)

    yield start
    for controller in running:
        # A connection that a client broke off is closed by the server's loop, which `stop` does not wait for.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.1), controller.loop).result()
        controller.stop()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("loaded", [SYSTEMS]),
        ("loaded_with_rejects", [SYSTEMS, CIRCULATION]),
        ("stopped", [SYSTEMS, ONCALL]),
        ("failed", [SYSTEMS, ONCALL]),
        ("dry_run", [SYSTEMS]),
    ],
)
def test_recipients(outcome, told):
    """Each outcome is told to those whom the tenant names for it, and to nobody twice."""
    report = build(**OUTCOMES[outcome])
    assert report.outcome == outcome
    assert mails.recipients(LIBRARY, report) == told


def test_a_failure_with_rejects_is_told_to_all():
    """Those who mend rows hear of rejects also when the run failed."""
    report = build(**WITH_REJECTS | {"failure": failure("TargetError")})
    assert mails.recipients(LIBRARY, report) == [SYSTEMS, CIRCULATION, ONCALL]


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        ("loaded", "10 patrons are loaded"),
        ("loaded_with_rejects", "7 patrons are loaded, 3 rows are not"),
        ("stopped", "The load was stopped; nothing was sent"),
        ("failed", "The load failed after 5 of 10 patrons"),
        ("dry_run", "Dry run: 10 patrons would be sent"),
    ],
)
def test_subject(outcome, says):
    """The subject begins with what happened and ends with where and when."""
    assert (
        mails.result_mail(LIBRARY, build(**OUTCOMES[outcome])).subject
        == f"{says} (Northfield University Library, 21 Nov 2026)"
    )


def test_subject_is_one_line():
    """A library's name with a line break cannot add a header to the mail."""
    report = build().model_copy(update={"library": "Northfield\r\nBcc: someone@else.example"})
    assert not set("\r\n") & set(mails.result_mail(LIBRARY, report).subject)


@pytest.mark.parametrize("part", ["html", "text", "page"])
def test_the_mail_tells_the_whole_story(part):
    """What arrived, how many of each, why in words, where the artifacts are and what to do next: in each part."""
    report = build(**WITH_REJECTS)
    mail = mails.result_mail(LIBRARY, report)
    text = {
        "html": text_of(mail.html),
        "text": " ".join(mail.text.split()),
        "page": text_of(report_page.page(LIBRARY, report)),
    }[part]
    for fact in ("patrons_20261121.csv", "Sat 21 Nov 2026, 03:58 CST", "1.2 MB", report.artifacts, report.run):
        assert fact in text
    assert "CARD (barcode) is empty" in text
    assert "rows 2 and 3" in text
    for step in next_steps(report):
        assert step in text
    for name, number in {"Rows": 10, "Created": 2, "Updated": 5, "Failed": 1, "Rejected": 2}.items():
        after = rf"{name} [a-z A-Z]*{number}\b"
        assert re.search(after if part == "html" else rf"\b{number} {name}", text), name


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_its_mail_and_page(outcome):
    """Each outcome shows its word, what stopped it, and its own colour; nothing is loaded from elsewhere."""
    report = build(**OUTCOMES[outcome])
    mail, page = mails.result_mail(LIBRARY, report), report_page.page(LIBRARY, report)
    for part in (text_of(mail.html), mail.text, text_of(page)):
        assert words.LOOKS[report.outcome].word in part
        assert words.headline(report).casefold() in part.casefold()
        assert (report.failure.message if report.failure else "") in part
    for html in (mail.html, page):
        assert words.LOOKS[report.outcome].colour in html
        assert not re.search(r"(src|href|url\()\s*=?\s*[\"']?(https?:)?//", html)
        assert "<script" not in html


def test_markup_in_a_message_is_text():
    """What a file name or a server's message holds is shown, never taken for HTML."""
    report = build(**NOTHING | {"failure": failure("SourceError", "fetch", "No <b>file</b> & no 'folder'.")})
    assert "No &lt;b&gt;file&lt;/b&gt; &amp; no" in mails.result_mail(LIBRARY, report).html
    assert "No <b>file</b> & no 'folder'." in mails.result_mail(LIBRARY, report).text


@pytest.mark.parametrize(
    "template", sorted(settings.shipped_templates().rglob("*.[hc][ts]*")), ids=lambda path: path.name
)
def test_each_rule_of_a_style_ends_where_it_should(template):
    """A bracket too many ended the rules for paper, so that they held for screens: the report had no margins."""
    text = template.read_text()
    style = text if template.suffix == ".css" else "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    depth = 0
    for sign in re.sub(r"\{[{%#].*?[%}#]\}", "", style, flags=re.DOTALL):
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0


def test_own_templates(tmp_path, monkeypatch):
    """An installation may bring one template of its own; the others stay the project's."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mail.txt").write_text("Dear {{ report.library }}: {{ headline }}")
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path))
    mail = mails.result_mail(LIBRARY, build())
    assert mail.text == "Dear Northfield University Library: 10 patrons are loaded"
    assert "<html" in mail.html


CANARIES = ("Ada Quillfeather", "20417700012345", "aquill@northfield.example", "N00417712")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_no_patron_in_mail_or_report(outcome):
    """Whatever patrons' values the run left behind, none is in report.json, the subject, the mail or the page."""
    left = dict(OUTCOMES[outcome])
    canary = " ".join(CANARIES)
    given = left.get("rejects", rejects((2, "validate", "CARD (barcode) is empty")))
    left["rejects"] = given.with_columns(pl.lit(canary).alias("value"), pl.lit(canary).alias("reason"))
    answers = left.get("results", [result(1, created=4, failed=[5])])
    for answer in answers:
        answer["answers"] = [{"message": canary, "failedUsers": [{"username": canary}]}]
        for user in answer["failed"]:
            user["message"] = canary
    left["results"] = answers
    left["validation"] = {"rows": 10, "columns": ["ID"], "checks": [], "seen": canary}
    report: Report = build(**left)
    mail = mails.result_mail(LIBRARY, report)
    everything = (json.dumps(report.to_json()), mail.subject, mail.html, mail.text, report_page.page(LIBRARY, report))
    for canary in CANARIES:
        assert not [part for part in everything if canary in part]


def test_sent_and_received(server):
    """The mail arrives as it was written: both parts, all recipients, the sender of the connection, no attachment."""
    smtp.send(MAIL)
    (received,) = server.wait_for(1)
    assert received["Subject"] == MAIL.subject
    assert received["To"] == ", ".join(MAIL.to)
    assert received["From"] == "Patronload <patronload@consortium.example>"
    assert received["Date"]
    assert received["Auto-Submitted"] == "auto-generated"
    assert received.get_content_type() == "multipart/alternative"
    plain, html = received.iter_parts()
    assert (plain.get_content_type(), lines(plain)) == ("text/plain", MAIL.text.splitlines())
    assert (html.get_content_type(), lines(html)) == ("text/html", MAIL.html.splitlines())


def test_a_whole_report_survives_the_way(server):
    """Long lines, accents and every template come out of the mail server as they went in."""
    library = LIBRARY.model_copy(update={"library": "Bibliothèque de l'Université, Zoë's \u201cother\u201d place"})
    mail = mails.result_mail(library, build(**WITH_REJECTS | {"tenant": library}))
    smtp.send(mail)
    (received,) = server.wait_for(1)
    assert received["Subject"] == mail.subject
    plain, html = received.iter_parts()
    assert lines(plain) == mail.text.splitlines()
    assert lines(html) == mail.html.splitlines()


def test_the_same_mail_has_the_same_id(server):
    """A mail that is sent again, its answer lost, can be told for the same one; another mail has another id."""
    smtp.send(MAIL)
    smtp.send(MAIL)
    smtp.send(MAIL._replace(text="4 patrons"))
    ids = [mail["Message-ID"] for mail in server.wait_for(3)]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].endswith("@consortium.example>")


def test_nobody_to_tell(airflow):
    """Where nobody is named for an outcome no mail server is needed."""
    airflow(1)
    smtp.send(MAIL._replace(to=()))


def test_server_down(airflow, closed_port):
    """A server that is down is a TransientError, after the tries that were asked for."""
    airflow(closed_port)
    with pytest.raises(TransientError, match="does not answer"):
        smtp.send(MAIL, waits=(0.01, 0.01))


def test_no_connection(monkeypatch, tmp_path):
    """Without an Airflow connection the sentence says which one to add."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    with pytest.raises(ConfigError, match="No Airflow connection is called 'smtp_default'"):
        smtp.send(MAIL)


def test_no_sender(server, airflow):
    """A connection without a sender is told by its key."""
    airflow(server.port, from_email="")
    with pytest.raises(ConfigError, match='"from_email"'):
        smtp.send(MAIL)


@pytest.mark.parametrize("extra", [{"disable_ssl": False}, {"disable_tls": False}])
def test_encryption_that_the_server_has_not(server, airflow, extra):
    """A server without TLS where the connection wants it is a setting to correct, not a server to wait for."""
    airflow(server.port, **extra)
    with pytest.raises(ConfigError, match="disable_ssl, disable_tls"):
        smtp.send(MAIL)


def test_login_refused(serve):
    """A wrong password is told without the password."""
    serve(
        Moody(),
        login="patronload",
        authenticator=lambda *_: AuthResult(success=False, handled=False),
        auth_require_tls=False,
    )
    with pytest.raises(TargetError, match="refused our login") as caught:
        smtp.send(MAIL)
    assert "invented" not in str(caught.value)


class Tokens(BaseHTTPRequestHandler):
    """Gives the token `good` to the client `us`, as the login service of a mail server does."""

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = asked["client_id"] == ["us"] and asked["grant_type"] == ["client_credentials"]
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(b'{"access_token": "good"}' if known else b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def token_url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Tokens)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    thread.join()
    server.server_close()


class TakesTokens(Moody):
    """A mail server that logs in whoever brings the token `good`."""

    logins: tuple[bool, ...] = ()

    async def auth_XOAUTH2(self, _server: object, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's
        user, bearer = base64.b64decode(args[1]).decode().split("\x01")[:2]
        good = (user, bearer) == ("user=patronload", "auth=Bearer good")
        self.logins = (*self.logins, good)
        return AuthResult(success=good, handled=False)


@pytest.mark.parametrize(
    "extra", [{"access_token": "good"}, {"client_id": "us", "client_secret": "invented"}], ids=["token", "client"]
)
def test_login_with_a_token(serve, airflow, token_url, extra):
    """A mail server that takes OAuth 2.0 only is logged in to with a token, given or fetched."""
    handler = TakesTokens()
    port = serve(handler, login="patronload", auth_require_tls=False)
    airflow(port, "patronload", auth_type="oauth2", token_url=token_url, **extra)
    smtp.send(MAIL, waits=())
    assert (handler.logins, handler.taken) == ((True,), [list(MAIL.to)])


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"access_token": "stale"}, "refused our login"),
        ({"client_id": "others", "client_secret": "invented"}, "gave no token"),
    ],
)
def test_a_token_refused(serve, airflow, token_url, extra, says):
    """A token or a client that is refused is reported without quoting it."""
    port = serve(TakesTokens(), login="patronload", auth_require_tls=False)
    airflow(port, "patronload", auth_type="oauth2", token_url=token_url, **extra)
    with pytest.raises(TargetError, match=says) as caught:
        smtp.send(MAIL, waits=())
    assert not {"stale", "others", "invented"} & set(str(caught.value).split())


@pytest.fixture(scope="module")
def tls(tmp_path_factory) -> ssl.SSLContext:
    """A mail server's certificate that no authority has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "mail.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize("way", ["from the start", "STARTTLS"])
@pytest.mark.parametrize("checked", [True, False])
def test_tls(serve, airflow, tls, way, checked):
    """Both ways to encrypt work, and a certificate is checked unless the connection says not to."""
    handler = Moody()
    at_once = way == "from the start"
    port = serve(handler, **({"ssl_context": tls} if at_once else {"tls_context": tls, "require_starttls": True}))
    extra = {"disable_ssl": not at_once, "disable_tls": at_once} | ({} if checked else {"ssl_context": "none"})
    airflow(port, **extra)
    if checked:
        with pytest.raises(ConfigError, match="expects a different encryption setting"):
            smtp.send(MAIL, waits=())
    else:
        smtp.send(MAIL, waits=())
    assert bool(handler.taken) is not checked


def test_one_recipient_refused(server, caplog):
    """One wrong address does not keep the mail from the others; the error counts and names none."""
    server.refused.add(CIRCULATION)
    with caplog.at_level(logging.DEBUG), pytest.raises(TargetError, match="refused 1 of the 2 recipients") as caught:
        smtp.send(MAIL)
    (received,) = server.wait_for(1)
    assert received["X-RcptTo"] == SYSTEMS
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("patronload")]
    assert not [text for text in (str(caught.value), *ours) if "@" in text]
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_all_recipients_refused(server):
    """When no address is right the error says so, and says where the addresses are."""
    server.refused.update(MAIL.to)
    with pytest.raises(TargetError, match=r"refused 2 of the 2 recipients\. Check the addresses under notify"):
        smtp.send(MAIL)
    assert not server.mails


def test_greylisting(serve):
    """A recipient that the server puts off gets the mail at the next try, and the others do not get it twice."""
    handler = Moody("250 OK", "450 come again", "451 and again")
    serve(handler)
    smtp.send(MAIL, waits=(0.01, 0.01))
    assert handler.taken == [[SYSTEMS], [CIRCULATION]]


def test_put_off_for_long(serve):
    """A server that puts off every try is a TransientError: Airflow tries again later."""
    handler = Moody(*["450 come again"] * 9)
    serve(handler)
    with pytest.raises(TransientError, match="defers 2 of 2"):
        smtp.send(MAIL, waits=(0.01,))
    assert not handler.taken


def test_the_mail_itself_is_refused(serve):
    """A server that takes the addresses and refuses the mail is told with its reply's number."""

    class Strict(Moody):
        async def handle_DATA(self, *_: object) -> str:  # noqa: N802 - aiosmtpd's
            return "554 5.7.1 No"

    serve(Strict())
    with pytest.raises(TargetError, match="reply 554"):
        smtp.send(MAIL, waits=())


def test_importing_smtp_is_cheap(project: Path):
    """Airflow is imported when a mail is sent, not before."""
    code = (
        "import sys; sys.path.insert(0, 'plugins'); import patronload.reporting.smtp;sys.exit('airflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=project, check=False).returncode == 0
