"""Webhook and Slack: what a real server gets, and what happens if there is none."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from leftovers import TENANT, build
from test_mail_looks import QUESTION
from test_notify import CANARIES, OUTCOMES

from patronload.artifacts.run import Run
from patronload.errors import TransientError
from patronload.loads.load import Load
from patronload.reporting import channels, smtp
from patronload.stages.notify import notify


class Got(NamedTuple):
    """A request that the server got."""

    path: str
    headers: dict[str, str]
    body: Any


class Receiver(ThreadingHTTPServer):
    """A server for webhooks; keeps what it gets, and answers with `status`."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """Keeps the request in its server."""

    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(Got(self.path, dict(self.headers), json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A server, with an Airflow connection for each channel that leads to it."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    connect(monkeypatch, server.server_port)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def connect(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    host, secret = f"http://127.0.0.1:{port}", {"Authorization": "Bearer secret-of-hook"}
    hook = {"conn_type": "http", "host": f"{host}/hook", "extra": secret}
    slack = {"conn_type": "slackwebhook", "password": f"{host}/services/T0/B0/secret-of-slack"}
    monkeypatch.setenv("AIRFLOW_CONN_LOADS_WEBHOOK", json.dumps(hook))
    monkeypatch.setenv("AIRFLOW_CONN_LOADS_SLACK", json.dumps(slack))


NAMED = {"webhook": "loads_webhook", "slack": "loads_slack", "on_rejects": ("oncall@consortium.example",)}
LIBRARY = TENANT.model_copy(update={"notify": TENANT.notify.model_copy(update=NAMED)})


@pytest.fixture
def end(tmp_path, mails) -> Callable[..., Load]:
    """A run that has ended, and its stage notify."""

    def make(outcome: str, **options: Any) -> Load:
        run = Run(tmp_path / "northfield" / "run")
        report = build(tenant=LIBRARY, **OUTCOMES[outcome])
        run.write_json("report.json", report.to_json())
        return Load(LIBRARY, run, "run", report.day, **options)

    return make


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_a_webhook_and_slack_get(receiver: Receiver, end, mails, outcome):
    """The headline, the sentence below it and the totals of the mail; no personal data, no row, no reason."""
    notify(end(outcome))
    hook, slack = receiver.got
    assert (hook.path, hook.headers["Authorization"]) == ("/hook", "Bearer secret-of-hook")
    assert hook.headers["Content-Type"] == "application/json"
    assert set(hook.body) == {"tenant", "library", "day", "outcome", "headline", "lead", "totals"}
    assert (hook.body["tenant"], hook.body["day"], hook.body["outcome"]) == ("northfield", "2026-11-21", outcome)
    assert mails[0].subject.startswith(hook.body["headline"])
    assert slack.path == "/services/T0/B0/secret-of-slack"
    assert hook.body["headline"] in slack.body["text"]
    everything = json.dumps([hook.body, slack.body])
    assert not [told for told in (*CANARIES, "CARD", "rows 2", "Airflow", "file://") if told in everything]


def test_the_totals_are_numbers(receiver: Receiver, end):
    """A program adds them up; a person reads them."""
    notify(end("loaded_with_rejects"))
    hook, slack = receiver.got
    assert hook.body["totals"] == {"rows": 10, "created": 2, "updated": 5, "failed": 1, "rejected": 2}
    assert "Rows 10, Created 2, Updated 5, Failed 1, Rejected 2" in slack.body["text"]


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_that_refuses_stops_neither_mail_nor_run(receiver: Receiver, end, mails, caplog, status):
    """The log names the connection, and no secret."""
    receiver.status = status
    assert notify(end("loaded"))["outcome"] == "loaded"
    assert len(mails) == 1
    ours = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("patronload"))
    assert "The webhook did not accept the message" in ours
    assert "Check the Airflow connection 'loads_slack'" in ours
    assert "secret" not in ours


def test_no_server_at_all(end, mails, caplog, monkeypatch, closed_port):
    """As above, where nothing listens; and where there is no such connection."""
    connect(monkeypatch, closed_port)
    notify(end("loaded"))
    monkeypatch.delenv("AIRFLOW_CONN_LOADS_WEBHOOK")
    notify(end("loaded"))
    assert len(mails) == 2
    assert caplog.text.count("The webhook did not accept the message") == 2


def test_a_mail_server_that_is_down_does_not_repeat_the_message(receiver: Receiver, end, monkeypatch):
    """The task is tried again until the mail is sent; the webhook has its message once."""
    load, sent = end("loaded"), []

    def down(_mail):
        raise TransientError("The mail server does not answer.")

    monkeypatch.setattr(smtp, "send", down)
    for _ in range(2):
        with pytest.raises(TransientError):
            notify(load)
    monkeypatch.setattr(smtp, "send", sent.append)
    notify(load)
    assert (len(receiver.got), len(sent)) == (2, 1)
    assert not load.run.has("mailed.json")


def test_one_mail_that_fails_stops_no_other_one(end, monkeypatch):
    """And the retry sends only that one."""
    load, tried = end("loaded_with_rejects"), []

    def send(mail):
        tried.append(mail.to)
        if len(tried) == 1:
            raise TransientError("The mail server defers 1 of 1 recipients.")

    monkeypatch.setattr(smtp, "send", send)
    monkeypatch.setattr(channels.Posting, "post", lambda *_: None)
    with pytest.raises(TransientError):
        notify(load)
    notify(load)
    first, second, third = tried
    assert first == third != second


def test_the_question_and_the_wait(receiver: Receiver):
    """They are news as well."""
    channels.Posting(LIBRARY, channels.question(LIBRARY, QUESTION.until.date(), QUESTION)).post_all()
    expected = datetime(2026, 11, 24, 12, tzinfo=UTC)
    channels.Posting(LIBRARY, channels.late(LIBRARY, expected.date(), expected)).post_all()
    asked, _, late, _ = (got.body for got in receiver.got)
    assert (asked["outcome"], asked["headline"]) == ("waiting_for_an_answer", "Is this load right?")
    assert (late["outcome"], late["headline"]) == ("waiting_for_the_file", "No file yet; it was expected by 06:00")


def test_slack_finds_no_link_or_mention_in_a_name():
    """The name of a library or a file stays text."""
    library = LIBRARY.model_copy(update={"library": "A & B <!channel> <http://evil.example|x>"})
    text = channels.message(library, datetime(2026, 11, 24, tzinfo=UTC).date(), None).text()
    assert "A &amp; B &lt;!channel&gt;" in text
    assert "<" not in text
