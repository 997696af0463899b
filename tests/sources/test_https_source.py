"""An export from a web server: a real one with TLS, on loopback."""

import base64
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patronload import sources
from patronload.config.source import HttpsSource, Most
from patronload.errors import ConfigError, MissingError, PatronloadError, SourceError, TransientError
from tests.sources.places import DAY, EXPORT, PASSWORD, TEN_MEGABYTES, Taken
from tests.sources.web_server import Answer, FileServer

PATH = "reports/patrons.csv"
CHANGED = {"last-modified": "Fri, 20 Nov 2026 05:00:00 GMT"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server with a file, whose certificate this machine trusts."""
    with FileServer(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.authority))
        running.answers[f"/{PATH}"] = Answer(EXPORT, headers=CHANGED)
        yield running


@pytest.fixture
def connect(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make the connection `registrar`, right in all that is not given."""

    def connect(**given: Any) -> None:
        fields = {"conn_type": "http", "host": server.url, "login": "patrons", "password": PASSWORD} | given
        monkeypatch.setenv("AIRFLOW_CONN_REGISTRAR", json.dumps(fields))

    connect()
    return connect


def taken(path: str = PATH, most: int = 1_000_000_000, **options: Any) -> Taken:
    """What is fetched from a path."""
    into = io.BytesIO()
    source = HttpsSource(type="https", connection="registrar", path=path, most=Most(bytes=most))
    return Taken(sources.fetch(source, source.path_on(DAY), into, day=DAY, **options), into.getvalue())


def error(kind: type[PatronloadError], path: str = PATH, **options: Any) -> str:
    """The message of the error with which fetching ends; it never has the password."""
    with pytest.raises(kind) as raised:
        taken(path, **options)
    assert type(raised.value) is kind
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("content", [EXPORT, TEN_MEGABYTES, gzip.compress(EXPORT)], ids=["small", "large", "gzip"])
def test_takes_a_file_byte_for_byte(server: FileServer, content: bytes) -> None:
    """With its name, size, time and hash."""
    server.answers[f"/{PATH}"] = Answer(content, headers=CHANGED)
    found = taken()
    assert found.content == content
    assert found.delivered == (
        *("patrons.csv", PATH, len(content), datetime(2026, 11, 20, 5, tzinfo=UTC)),
        hashlib.sha256(content).hexdigest(),
    )


@pytest.mark.parametrize(
    ("fields", "header", "value"),
    [
        ({}, "authorization", "Basic " + base64.b64encode(f"patrons:{PASSWORD}".encode()).decode()),
        ({"login": ""}, "authorization", f"Bearer {PASSWORD}"),
        ({"login": "", "extra": {"header": "X-Api-Key"}}, "x-api-key", PASSWORD),
        ({"login": "", "password": ""}, "authorization", None),
    ],
)
def test_each_kind_of_login(
    server: FileServer, connect: Callable[..., None], fields: dict[str, Any], header: str, value: str | None
) -> None:
    """Name and password, a token, the server's own header, or none."""
    connect(**fields)
    assert taken().content == EXPORT
    assert server.asked[0][1].get(header) == value


@pytest.mark.usefixtures("connect")
def test_the_day_and_a_query(server: FileServer) -> None:
    """The day may stand anywhere in the path; blanks and accents are written as an address needs them."""
    server.answers["/r/pa%20tr%C3%B6n.csv?day=2026-11-20&of=19"] = Answer(EXPORT)
    found = taken("r/pa trön.csv?day={date:%Y-%m-%d}&of={date-1:%d}")
    assert found.content == EXPORT
    assert found.delivered.name == "pa trön.csv"


def test_an_address_with_a_folder(server: FileServer, connect: Callable[..., None]) -> None:
    """The path begins where the connection's address ends."""
    connect(host=f"{server.url}/reports/")
    assert taken("patrons.csv").content == EXPORT


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("answer", [Answer(status=404), Answer(status=410), Answer(status=204), Answer(b"")])
def test_a_file_that_is_not_there_yet(server: FileServer, answer: Answer) -> None:
    """A late file waits for it."""
    server.answers[f"/{PATH}"] = answer
    assert f"{PATH} on registrar" in error(MissingError)


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server(server: FileServer, status: int) -> None:
    """Worth another attempt, after the pause that the server asks for."""
    server.answers[f"/{PATH}"] = Answer(status=status, headers={"retry-after": "7"})
    with pytest.raises(TransientError, match=str(status)) as raised:
        taken()
    assert raised.value.retry_after == 7


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (Answer(status=401), ConfigError, "refuses our login"),
        (Answer(status=403), ConfigError, "refuses our login"),
        (Answer(status=400), SourceError, "answers 400"),
        (Answer(b"<p>Log in", headers={"content-type": "text/html; charset=utf-8"}), SourceError, "is a web page"),
        (Answer(b"x", headers={"content-encoding": "br"}), SourceError, "did not request"),
        (Answer(b"x" * 101), SourceError, "source.most.bytes"),
        (Answer(b"x" * 300, break_off=True), SourceError, "source.most.bytes"),
    ],
)
def test_an_answer_that_is_no_export(
    server: FileServer, answer: Answer, kind: type[PatronloadError], sentence: str
) -> None:
    """Each says what to do; another attempt would not help."""
    server.answers[f"/{PATH}"] = answer
    assert sentence in error(kind, most=100)


@pytest.mark.usefixtures("connect")
def test_a_file_that_grows_beyond_the_limit_on_the_way(server: FileServer) -> None:
    """The server need not say how long the file is."""
    chunk = b"64\r\n" + b"x" * 100 + b"\r\n"
    server.answers[f"/{PATH}"] = Answer(chunk * 3, headers={"transfer-encoding": "chunked"}, no_length=True)
    assert "source.most.bytes" in error(SourceError, most=100)


@pytest.mark.usefixtures("connect")
def test_a_file_that_breaks_off(server: FileServer) -> None:
    """Half a file is never taken for a whole one."""
    server.answers[f"/{PATH}"] = Answer(TEN_MEGABYTES, break_off=True)
    assert "cut" in error(TransientError)


@pytest.mark.usefixtures("connect")
def test_a_redirect_at_the_same_server(server: FileServer) -> None:
    """It is followed, with our login."""
    server.answers["/latest"] = Answer(status=302, headers={"location": f"/{PATH}"})
    assert taken("latest").content == EXPORT
    assert [asked[1]["authorization"][:5] for asked in server.asked] == ["Basic", "Basic"]


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server(server: FileServer, tmp_path: Path, status: int) -> None:
    """It is never asked, whether by another name, another port or without TLS; the message has its name only."""
    with FileServer(tmp_path, tls=False) as other:
        for place in (other.url, server.url.replace("127.0.0.1", "localhost"), server.url.replace("https", "http")):
            server.answers[f"/{PATH}"] = Answer(status=status, headers={"location": f"{place}/x?token=of-theirs"})
            message = error(ConfigError)
            assert "another server" in message
            assert "of-theirs" not in message
        assert other.asked == []


@pytest.mark.usefixtures("connect")
@pytest.mark.parametrize("place", ["/reports/patrons.csv", "https://[", "//"])
def test_a_redirect_that_leads_nowhere(server: FileServer, place: str) -> None:
    """In a circle, or to what is no address."""
    server.answers[f"/{PATH}"] = Answer(status=302, headers={"location": place})
    error(ConfigError)
    assert len(server.asked) <= 6


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("http://files.example.edu", "unencrypted"),
        ("", "no usable host"),
        ("https://user@files.example.edu", "no usable host"),
    ],
)
def test_a_connection_that_is_not_safe(connect: Callable[..., None], host: str, sentence: str) -> None:
    """Nothing is sent. Unlike with a library system in one's own network, there is no way around https."""
    connect(host=host, extra={"allow_http": True})
    assert sentence in error(ConfigError)


def test_on_this_machine_plain_http_is_fine(tmp_path: Path, connect: Callable[..., None]) -> None:
    """For a proxy of one's own."""
    with FileServer(tmp_path, tls=False) as plain:
        plain.answers[f"/{PATH}"] = Answer(EXPORT)
        connect(host=plain.url)
        assert taken().content == EXPORT


@pytest.mark.usefixtures("connect")
def test_a_certificate_that_nothing_vouches_for(monkeypatch: pytest.MonkeyPatch, server: FileServer) -> None:
    """Another machine may be posing as the server; it sees no password."""
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "certificate" in error(ConfigError)
    assert server.asked == []


def test_a_server_that_is_down(connect: Callable[..., None], closed_port: int) -> None:
    """Worth another attempt."""
    connect(host=f"https://127.0.0.1:{closed_port}")
    assert "refused" in error(TransientError)


@pytest.mark.usefixtures("connect")
def test_a_past_day(server: FileServer) -> None:
    """A file without a day in its path counts if it was changed before the day had ended."""
    assert taken(until=datetime(2026, 11, 20, 6, tzinfo=UTC)).content == EXPORT
    assert "may not be that day's file" in error(MissingError, until=datetime(2026, 11, 20, 5, tzinfo=UTC))
    server.answers[f"/{PATH}"] = Answer(EXPORT)
    assert "the server gives no time" in error(MissingError, until=datetime(2026, 11, 20, 6, tzinfo=UTC))


@pytest.mark.usefixtures("connect", "server")
def test_what_doctor_sees() -> None:
    """The size; the file is not kept."""
    source = HttpsSource(type="https", connection="registrar", path=PATH)
    assert sources.look(source, DAY, ZoneInfo("UTC")) == f"{PATH} on registrar is there and has {len(EXPORT)} bytes."


@pytest.mark.parametrize(
    "path", ["https://files.example.edu/x", "//files.example.edu/x", "../x", "a/../x", "a#b", "a/*.csv"]
)
def test_a_path_that_is_not_below_the_address(path: str) -> None:
    """The tenant file names a file of this server, and of no other."""
    with pytest.raises(ValueError, match="not the path of one file"):
        HttpsSource(type="https", connection="registrar", path=path)


def test_the_path_of_a_person() -> None:
    """A file in the same folder, for one run."""
    source = HttpsSource(type="https", connection="registrar", path="r/{date:%Y}/patrons.csv?key=a/b")
    day = date(2026, 11, 20)
    assert source.path_instead("fixed.csv", day) == "r/2026/fixed.csv"
    assert source.path_instead("r/2025/fixed.csv?x=/", day) == "r/2025/fixed.csv?x=/"
    assert source.path_instead("too%20late.csv?x=%2f", day) == "r/2026/too%20late.csv?x=%2f"
    escaped = ("..%2f..%2Fother.csv", "r/2026/%2e%2e", "..%5cother.csv", "x%0d%0aHost:evil.example")
    for path in (*escaped, "other/fixed.csv", "../fixed.csv", "https://evil.example/r/2026/x", "r/2026/../x"):
        with pytest.raises((ConfigError, ValueError)):
            source.path_instead(path, day)
