"""What needs attention, as Airflow tells it to an account, and the mail to those on call."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from leftovers import TENANT

from patronload.config import tenants
from patronload.errors import ConfigError, TargetError, TransientError
from patronload.in_airflow import ping, watch
from patronload.reporting import attention_mail
from patronload.reporting.attention_mail import Mailed, Problem

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FAILED = Problem("Ashford", ("The last load failed.",))
SWITCHED_OFF = Problem("Bexley", ("The DAG is switched off.",))


class Airflow:
    """A server that answers as Airflow does; `status` for each path that has another one than 200."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status: dict[str, int] = {}
        self.libraries: list[dict[str, Any]] = []
        self.body: str | None = None
        self.asked: list[str] = []


@contextmanager
def server() -> Iterator[Airflow]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            login = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            right = login == {"username": "watch", "password": "secret-of-watch"}
            self.answer({"access_token": "a-token"}, 201 if right else 401)

        def do_GET(self) -> None:
            right = self.headers["Authorization"] == "Bearer a-token"
            self.answer({"libraries": airflow.libraries}, 200 if right else 401)

        def answer(self, told: Any, status: int) -> None:
            airflow.asked.append(self.path)
            self.send_response(airflow.status.get(self.path.partition("?")[0], status))
            self.end_headers()
            self.wfile.write((airflow.body or json.dumps(told)).encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        airflow = Airflow(f"http://127.0.0.1:{running.server_port}")
        thread = Thread(target=running.serve_forever)
        thread.start()
        try:
            yield airflow
        finally:
            running.shutdown()
            thread.join()


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    with server() as running:
        connect(monkeypatch, running.url)
        monkeypatch.setattr(tenants, "load_all", lambda: iter(()))
        yield running


def connect(monkeypatch: pytest.MonkeyPatch, host: str, password: str = "secret-of-watch", **extra: Any) -> None:
    told = {"conn_type": "http", "host": host, "login": "watch", "password": password}
    extra = {"mail_to": "oncall@a.example, ann@a.example"} | extra
    monkeypatch.setenv("AIRFLOW_CONN_PATRONLOAD_AIRFLOW", json.dumps(told | {"extra": extra}))


def shown(tenant: str, *attention: str) -> dict[str, Any]:
    return {"tenant": tenant, "library": f"{tenant.title()} Library", "attention": list(attention)}


def test_what_airflow_tells(airflow: Airflow, monkeypatch):
    """The sentences of the page over all libraries, but for loads that wait: these have had a mail of their own."""
    connect(monkeypatch, airflow.url, quiet_days="9", page="https://a.example/loads")
    waits = "The file is not there yet. It is loaded as soon as it arrives."
    airflow.libraries = [shown("bexley", "The DAG is switched off.", waits), shown("ashford"), shown("corvey", waits)]
    assert watch.look() == (
        ("oncall@a.example", "ann@a.example"),
        "https://a.example/loads",
        [Problem("Bexley Library", ("The DAG is switched off.",))],
    )
    assert airflow.asked[-1] == "/patron-loads/loads.json?most=1&quiet_days=9"


def test_a_tenant_file_that_does_not_load(airflow: Airflow, monkeypatch):
    """It is named with the line, also for a library that Airflow has never had; a file without a DAG is named too."""
    wrong = ConfigError("ashford.yaml, line 3: key 'chunk_syze' is not known.")
    files = [("ashford", wrong), ("bexley", wrong), ("corvey", TENANT), ("dunmore", TENANT)]
    monkeypatch.setattr(tenants, "load_all", lambda: iter(files))
    airflow.libraries = [shown("ashford", "Its tenant file cannot be loaded, or was deleted."), shown("dunmore")]
    found = {problem.library: problem.sentences for problem in watch.look().problems}
    assert found.keys() == {"Ashford Library", "bexley", "corvey"}
    assert found["Ashford Library"] == (f"Its tenant file does not load. {wrong}",)
    assert "Its DAG is not in Airflow" in found["corvey"][0]


@pytest.mark.parametrize(
    ("path", "status", "error", "words"),
    [
        ("/auth/token", 503, TransientError, "status 503"),
        ("/auth/token", 404, TargetError, "Check its host"),
        ("/patron-loads/loads.json", 403, TargetError, "refused the login"),
        ("/patron-loads/loads.json", 302, TargetError, "status 302"),
    ],
)
def test_an_airflow_that_refuses(airflow: Airflow, path: str, status: int, error: type[Exception], words: str):
    """What can pass is tried again, and what cannot is said with the connection to look at."""
    airflow.status[path] = status
    with pytest.raises(error, match=words):
        watch.look()


def test_another_password(airflow: Airflow, monkeypatch):
    """The message names the connection and not the password."""
    connect(monkeypatch, airflow.url, password="another-secret")
    with pytest.raises(TargetError, match="'patronload_airflow'") as raised:
        watch.look()
    assert "another-secret" not in str(raised.value)


def test_another_program_at_the_address(airflow: Airflow):
    """A page in HTML is not Airflow's answer."""
    airflow.body = "<html>"
    with pytest.raises(TargetError, match="is not an Airflow with Patronload's pages"):
        watch.look()


def test_an_address_that_is_none(monkeypatch, closed_port):
    """No scheme is a mistake in the connection; a closed port may pass."""
    connect(monkeypatch, "api-server")
    with pytest.raises(ConfigError, match="Write it like"):
        watch.look()
    connect(monkeypatch, f"http://127.0.0.1:{closed_port}")
    with pytest.raises(TransientError, match="does not answer"):
        watch.look()


@pytest.mark.parametrize("extra", [{"mail_to": ""}, {"mail_to": "no-address"}, {"quiet_days": "x"}, {"quiet_days": 0}])
def test_an_extra_that_is_wrong(airflow: Airflow, monkeypatch, extra):
    """Refused before anything is asked."""
    connect(monkeypatch, airflow.url, **extra)
    with pytest.raises(ConfigError, match="patronload_airflow"):
        watch.look()
    assert airflow.asked == []


def mailed(*problems: Problem, hours: int = 1) -> Mailed:
    return Mailed(attention_mail.marks(problems), NOW - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("problems", "last", "due"),
    [
        pytest.param([FAILED], Mailed(), True, id="the first one"),
        pytest.param([], Mailed(), False, id="all has always been well"),
        pytest.param([FAILED], mailed(FAILED), False, id="known"),
        pytest.param([FAILED], mailed(FAILED, hours=24), True, id="after a day"),
        pytest.param([FAILED, SWITCHED_OFF], mailed(FAILED), True, id="new"),
        pytest.param([FAILED], mailed(FAILED, SWITCHED_OFF), False, id="fewer"),
        pytest.param([], mailed(FAILED), True, id="all is well again"),
    ],
)
def test_when_a_mail_is_due(problems: list[Problem], last: Mailed, due: bool):
    """When something is new, once a day while something remains, and when all is over."""
    assert attention_mail.is_due(problems, last, NOW) is due


def test_the_mail():
    """Each library with its sentences, the way to the page, and what to do."""
    mail = attention_mail.mail(["oncall@a.example"], [FAILED, SWITCHED_OFF], "https://a.example/loads", NOW)
    assert mail.to == ("oncall@a.example",)
    assert mail.subject == "2 libraries need attention (24 Nov 2026)"
    for text in (mail.text, mail.html):
        for words in ("The last load failed.", "The DAG is switched off.", "https://a.example/loads"):
            assert words in text
    over = attention_mail.mail(["oncall@a.example"], [], "https://a.example/loads", NOW)
    assert over.subject.startswith("No library needs attention")


def test_the_mail_about_a_deadline():
    """To those who hear of failures, each once, with the run and the time that was allowed."""
    both = {"always": ("a@x.example",), "on_failure": ("a@x.example", "b@x.example")}
    contacts = TENANT.notify.model_copy(update=both)
    tenant = TENANT.model_copy(update={"deadline": "4 hours", "notify": contacts})
    mail = attention_mail.deadline_mail(tenant, "manual__1", NOW.date(), "https://a.example/run")
    assert mail.to == ("a@x.example", "b@x.example")
    assert mail.subject.startswith("The load has not ended after 4 hours")
    for text in (mail.text, mail.html):
        assert "manual__1" in text
        assert "https://a.example/run" in text


def test_a_ping(airflow: Airflow, monkeypatch, caplog):
    """The address in the connection is asked for, and stands in no log."""
    caplog.set_level("INFO", logger="patronload")
    assert ping.send("attention") is False
    monkeypatch.setenv(
        "AIRFLOW_CONN_PATRONLOAD_PING_ATTENTION", json.dumps({"conn_type": "http", "host": f"{airflow.url}/a-secret"})
    )
    airflow.status["/a-secret"] = 200
    assert ping.send("attention") is True
    assert airflow.asked == ["/a-secret"]
    airflow.status["/a-secret"] = 500
    assert ping.send("attention") is False
    assert "a-secret" not in caplog.text
    assert "status 500" in caplog.text


@pytest.mark.parametrize("host", ["no-scheme", "http://127.0.0.1:{port}/a-secret", "http://[", ""])
def test_a_ping_that_fails(monkeypatch, caplog, closed_port, host):
    """A warning, and no error: the alarm goes off elsewhere."""
    told = {"conn_type": "http", "host": host.format(port=closed_port)}
    monkeypatch.setenv("AIRFLOW_CONN_PATRONLOAD_PING_PURGE", json.dumps(told))
    assert ping.send("purge") is False
    assert "'patronload_ping_purge' failed" in caplog.text
    assert "a-secret" not in caplog.text
