import gzip
import json
import logging
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
import zstandard

from patronload import http_client
from patronload.connections import Connection
from patronload.errors import ConfigError, PatronloadError, TargetError, TransientError
from patronload.targets import request_body, request_overhead
from patronload.targets.delivery import NothingWritten
from patronload.targets.folio.answers import Answer
from patronload.targets.folio.client import Folio, batches, cql_text, gateway
from sandbox.folio import FolioServer
from tests.targets.loads import FOLIO_TENANT, PASSWORD, QUICK, account, add_user, folio_target, people, person


@pytest.fixture
def folio(server: FolioServer) -> Iterator[Folio]:
    with Folio(folio_target(), account(server), QUICK) as connected:
        yield connected


def body(*records: dict[str, Any]) -> bytes:
    return request_body(folio_target(), [json.dumps(record) for record in records])


def logins(server: FolioServer) -> list[str]:
    return [seen.path for seen in server.journal if seen.path.startswith("/authn")]


def reason(folio: Folio) -> PatronloadError:
    """Why FOLIO did not take a patron; nothing was written."""
    with pytest.raises(NothingWritten) as caught:
        folio.post(body(person(1)))
    return caught.value.reason


@pytest.mark.parametrize(("kind", "path"), [("expiring", "/authn/login-with-expiry"), ("legacy", "/authn/login")])
def test_logs_in_once(server: FolioServer, kind: str, path: str):
    """One login serves a whole load, by the kind that the connection names."""
    with Folio(folio_target(), account(server, extra={"login": kind}), QUICK) as folio:
        for number in range(3):
            assert folio.post(body(person(number))).is_import_response
    assert logins(server) == [path]


def test_logs_in_anew_before_the_token_runs_out(server: FolioServer, folio: Folio):
    """A token with less than a minute left is not used."""
    server.tenants[FOLIO_TENANT].token_seconds = 59
    folio.post(body(person(1)))
    folio.post(body(person(2)))
    assert len(logins(server)) == 2
    assert [seen.status for seen in server.imports] == [200, 200]


def test_logs_in_anew_once_after_401(server: FolioServer, folio: Folio):
    """A token that FOLIO no longer knows costs one login and no patron."""
    folio.post(body(person(1)))
    server.logins.revoke()
    assert folio.post(body(person(2))).is_import_response
    assert [seen.status for seen in server.imports] == [200, 401, 200]


def test_never_logs_in_in_a_loop(server: FolioServer, folio: Folio):
    """When FOLIO refuses even a new token, somebody has to look at it."""
    folio.post(body(person(1)))
    server.faults.answer(401, times=99)
    error = reason(folio)
    assert isinstance(error, TargetError)
    assert FOLIO_TENANT in str(error)
    assert len(logins(server)) == 2


def test_wrong_password(server: FolioServer):
    """Tells which connection is wrong, and does not tell what is in it."""
    with Folio(folio_target(), account(server, password="not the password"), QUICK) as folio:
        error = reason(folio)
    assert isinstance(error, TargetError)
    assert "northfield_folio" in str(error)
    assert "not the password" not in str(error)
    assert not server.imports


@pytest.mark.parametrize(("kind", "other"), [("expiring", "legacy"), ("legacy", "expiring")])
def test_a_login_that_is_gone(server: FolioServer, kind: str, other: str):
    """FOLIO removes the old login tenant by tenant; the message says what to write into the connection."""
    setattr(server.tenants[FOLIO_TENANT], f"{kind}_login", False)
    with Folio(folio_target(), account(server, extra={"login": kind}), QUICK) as folio:
        error = reason(folio)
    assert isinstance(error, TargetError)
    assert f'"login": "{other}"' in str(error)


def test_an_unknown_kind_of_login(server: FolioServer):
    """A slip in the connection is told before anything is sent."""
    with pytest.raises(ConfigError, match='Write "expiring" or "legacy"'):
        Folio(folio_target(), account(server, extra={"login": "lagacy"}), QUICK)


@pytest.mark.parametrize("kind", ["expiring", "legacy"])
def test_secrets_are_not_shown(server: FolioServer, kind: str, caplog: pytest.LogCaptureFixture):
    """Neither password nor token nor a patron's id gets into a log, even when everything is logged."""
    caplog.set_level(logging.DEBUG)
    with Folio(folio_target(), account(server, extra={"login": kind}), QUICK) as folio:
        folio.post(body(person(1)))
        folio.users_by_external_system_ids(["00000001"])
        auth = folio.http.auth
        shown = caplog.text + repr(folio) + repr(auth) + repr(vars(auth))
    tokens = list(server.logins.tokens)
    assert tokens
    assert not [secret for secret in [*tokens, PASSWORD, "00000001", "patron1"] if secret in shown]


def test_one_carrier_of_the_token(server: FolioServer):
    """A cookie that a gateway sets is not sent back: beside our token it would be a second one, which Kong refuses."""
    said = json.dumps({"message": "Users were imported successfully.", "totalRecords": 1})
    server.faults.answer(200, body=said, headers={"set-cookie": "folioAccessToken=another; Path=/"})
    with Folio(folio_target(), account(server, extra={"login": "legacy"}), QUICK) as folio:
        folio.post(body(person(1)))
        assert folio.post(body(person(2))).is_import_response


def test_finds_users_by_any_id(server: FolioServer, folio: Folio):
    """Signs that mean something in CQL are found as they stand, and find nothing else."""
    odd = ['a"b', "a\\b", "a*", "a?", "^a", "a b", "ä/(or)=", "a"]
    for number, key in enumerate([*odd, "axb", "ab"], start=1):
        add_user(server, person(number, externalSystemId=key))
    assert set(folio.users_by_external_system_ids(odd)) == set(odd)


def test_finds_many_users(server: FolioServer, folio: Folio):
    """More users than fit into one query or one page are all found."""
    for record in people(350):
        add_user(server, record)
    assert len(folio.users_by_external_system_ids(record["externalSystemId"] for record in people(400))) == 350


def test_queries_are_short_enough():
    """A request line over 8 kB is refused by nginx; ids of any script and length make short queries."""
    texts = [cql_text("語" * 100) for _ in range(20)]
    assert [text for batch in batches(texts) for text in batch] == texts
    assert all(sum(len(text.encode()) * 3 for text in batch) < 4000 for batch in batches(texts))


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (403, TargetError, "permission user-import.post"),
        (404, TargetError, "Is the module enabled"),
        (413, TargetError, "chunk_bytes"),
        (302, TargetError, "Correct the host"),
        (429, TransientError, "busy or down"),
    ],
)
def test_what_the_gateway_kept_to_itself(
    server: FolioServer, folio: Folio, status: int, kind: type[PatronloadError], words: str
):
    """A request that did not get to the users says so, what to do, and whether a retry can help."""
    server.faults.answer(status, times=9)
    error = reason(folio)
    assert isinstance(error, kind)
    assert words in str(error)
    assert "northfield_folio" in str(error)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_answer_that_got_lost(server: FolioServer, folio: Folio, status: int):
    """A gateway that gave up says nothing about the users; the POST is not repeated."""
    server.faults.answer(status, work="first")
    with pytest.raises(TransientError, match="was lost"):
        folio.post(body(person(1)))
    assert len(server.imports) == 1


def test_an_import_that_takes_too_long(server: FolioServer):
    """A time-out says nothing about the users either."""
    server.faults.import_seconds = 1
    hurried = Folio(folio_target(), account(server), QUICK._replace(answer=0.2))
    with hurried, pytest.raises(TransientError, match="no answer in time"):
        hurried.post(body(person(1)))
    assert len(server.imports) == 1


def test_a_failed_set_up(server: FolioServer, folio: Folio):
    """mod-user-import that cannot list the patron groups has written nothing."""
    answer = {"message": "Failed to import users.", "error": "Failed to list patron groups.", "totalRecords": 1}
    server.faults.answer(500, body=json.dumps(answer))
    error = reason(folio)
    assert isinstance(error, TransientError)
    assert "Failed to list patron groups" in str(error)


def test_something_else_answers(server: FolioServer, folio: Folio):
    """A welcome page with status 200 is no success."""
    server.faults.answer(200, body="<html>Please log in to the wireless network</html>")
    with pytest.raises(TargetError, match="host the address"):
        folio.post(body(person(1)))


@pytest.mark.parametrize(("method", "status"), [("POST", 429), ("GET", 429), ("GET", 503)])
def test_waits_as_asked(server: FolioServer, folio: Folio, method: str, status: int):
    """A busy FOLIO gets the pause it asks for, if it is short."""
    path = "/user-import" if method == "POST" else "/users"
    server.faults.answer(status, method=method, path=path, headers={"Retry-After": "0"}, times=2)
    if method == "POST":
        assert folio.post(body(person(1))).is_import_response
    else:
        assert folio.users_by_external_system_ids(["1"]) == {}


def test_waits_as_asked_before_the_login(server: FolioServer, folio: Folio):
    """A FOLIO that is busy with logins gets its pause too; a long one is left to Airflow, with its length."""
    server.faults.answer(429, path="/authn/login-with-expiry", headers={"Retry-After": "0"}, times=2)
    assert folio.post(body(person(1))).is_import_response
    assert len(logins(server)) == 3
    server.faults.answer(429, path="/authn/login-with-expiry", headers={"Retry-After": "3600"})
    with Folio(folio_target(), account(server), QUICK) as other:
        error = reason(other)
    assert isinstance(error, TransientError)
    assert error.retry_after == 3600


def test_an_answer_that_trickles_in(server: FolioServer):
    """Each piece is in time, and all of them are not: what became of the patrons is unknown, and will be looked up."""
    server.faults.trouble(trickle=4)
    patience = QUICK._replace(answer=2)
    with Folio(folio_target(), account(server), patience) as folio, pytest.raises(TransientError, match="was lost"):
        folio.post(body(person(1)))


def test_does_not_wait_for_ever(server: FolioServer, folio: Folio):
    """A long pause is left to Airflow's retry, which holds no worker meanwhile."""
    server.faults.answer(429, headers={"Retry-After": "3600"})
    error = reason(folio)
    assert isinstance(error, TransientError)
    assert error.retry_after == 3600


def test_nobody_answers(server: FolioServer):
    """A server that is down is worth a retry; nothing was sent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Folio(folio_target(), account(server, host=host), QUICK) as folio:
            error = reason(folio)
    assert isinstance(error, TransientError)
    assert "the connection was refused" in str(error)


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("folio.example.edu", None, "https://folio.example.edu"),
        ("folio.example.edu", 8443, "https://folio.example.edu:8443"),
        ("folio.example.edu/okapi/", None, "https://folio.example.edu/okapi"),
        ("http://folio.example.edu:9130/okapi", None, "http://folio.example.edu:9130/okapi"),
        ("http://10.0.0.1", 9130, "http://10.0.0.1:9130"),
    ],
)
def test_the_gateways_address(host: str, port: int | None, url: str):
    """However the host is written in the connection, it is https unless it says otherwise."""
    assert str(gateway(Connection("folio", host=host, port=port, extra={"allow_http": True}))) == url


@pytest.mark.parametrize("host", ["", "ftp://folio.example.edu", "https://me:secret@folio.example.edu", "https://"])
def test_a_host_that_makes_no_sense(host: str):
    """Is told with the name of the connection, and without what may be a password."""
    with pytest.raises(ConfigError, match="'folio' needs the address") as caught:
        gateway(Connection("folio", host=host))
    assert "secret" not in str(caught.value)


def test_a_path_in_the_address(server: FolioServer):
    """A gateway below a path is called there, for the login too."""
    with Folio(folio_target(), account(server, host=f"{server.url}/gate"), QUICK) as folio:
        error = reason(folio)
    assert isinstance(error, TargetError)
    assert [seen.path for seen in server.journal] == ["/gate/authn/login-with-expiry"]


@pytest.mark.parametrize("source_type", [None, "banner"])
def test_the_request(source_type: str | None):
    """Is the patrons' JSON as it is, with the tenant's flags; deactivateMissingUsers is not among them."""
    target = folio_target(source_type=source_type)
    texts = [json.dumps(person(number), ensure_ascii=False) for number in (1, 2)]
    written = request_body(target, texts)
    assert json.loads(written) == {
        "users": [person(1), person(2)],
        "totalRecords": 2,
        "updateOnlyPresentFields": False,
        **({"sourceType": source_type} if source_type else {}),
    }
    assert request_overhead(target) + sum(len(text.encode()) + 1 for text in texts) >= len(written)
    assert all(text.encode() in written for text in texts)


def test_the_servers_clock(server: FolioServer, folio: Folio):
    """Is known without having posted anything, and is never ahead, so that no new user counts as an old one."""
    before = folio.clock()
    folio.post(body(person(1)))
    user = folio.users_by_external_system_ids(["00000001"])["00000001"]
    assert before.isoformat() <= user["createdDate"]
    assert not [seen for seen in server.journal if seen.path == "/user-import" and seen.time < before.timestamp()]


def test_the_servers_clock_after_a_long_import(folio: Folio):
    """A Date that was written when a long request began does not turn the clock back: a new chunk would look old."""
    now = datetime.now(UTC)
    for shown in (now, now - timedelta(seconds=50)):
        folio.note_time(httpx.Response(200, headers={"date": format_datetime(shown, usegmt=True)}))
    assert abs(folio.clock() - now) < timedelta(seconds=10)


@contextmanager
def answering(encoding: str, contents: Callable[[int], bytes]) -> Iterator[str]:
    """The address of a server that answers /N with what `contents` makes of N, as packed in this encoding."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = contents(int(self.path[1:]))
            self.send_response(200)
            self.send_header("content-encoding", encoding)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_an_answer_that_unpacks_to_too_much_fills_no_memory(monkeypatch: pytest.MonkeyPatch):
    """Whoever answers in a library system's place could end the worker with a few kilobytes."""
    monkeypatch.setattr(http_client, "MOST_ANSWER", 1 << 20)
    with (
        answering("gzip", lambda size: gzip.compress(b"0" * size)) as address,
        httpx.Client(transport=http_client.BoundedTransport()) as client,
    ):
        assert len(client.get(f"{address}/{1 << 20}").content) == 1 << 20
        with pytest.raises(http_client.TooLarge) as error:
            client.get(f"{address}/{100 << 20}")
    assert str(http_client.unreachable("FOLIO", error.value)).endswith("its answer is larger than 1 MB.")


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip, gzip", lambda content: gzip.compress(gzip.compress(content))),
        ("GZIP,identity , Deflate", lambda content: zlib.compress(gzip.compress(content))),
        ("zstd", zstandard.compress),
    ],
)
def test_an_answer_is_packed_once_and_as_asked_for(encoding: str, pack: Callable[[bytes], bytes]):
    """Packed twice, 7 kB unpack to 4 GB in one step, before anything is counted."""
    with (
        answering(encoding, lambda size: pack(b"0" * size)) as address,
        httpx.Client(transport=http_client.BoundedTransport()) as client,
        pytest.raises(http_client.OddlyPacked) as error,
    ):
        client.get(f"{address}/100")
    assert "packed more than once" in str(http_client.unreachable("FOLIO", error.value))


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000], ids=["lists", "objects"])
def test_an_answer_that_is_nested_deeply_is_none(text: str):
    """It is reported as an answer that the system never gives."""
    assert Answer.of(200, text).content is None
