"""An SFTP server that is strange, closed, down or dangerous."""

import io
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import asyncssh
import pytest

from patronload import sources
from patronload.errors import ConfigError, SourceError, TransientError
from patronload.sources import sftp
from sandbox.sftp import KeyPair, SftpServer, new_key_pair
from tests.sources.places import DAY, EXPORT, PASSWORD, TEN_MEGABYTES, Fetch, Interrupted, put

Connect = Callable[..., str]


def test_gets_in_with_a_password(home: Path, fetch_sftp: Fetch) -> None:
    """The path is relative to the account's own folder, or absolute."""
    put(home, "outgoing/patrons.csv")
    assert fetch_sftp("outgoing/patrons.csv").content == EXPORT
    assert fetch_sftp("/outgoing/patrons.csv").content == EXPORT
    assert fetch_sftp("/outgoing/*.csv").delivered.path == "/outgoing/patrons.csv"


def test_gets_in_with_a_key(server: SftpServer, key: KeyPair, connect: Connect, fetch_sftp: Fetch) -> None:
    """The private key stands in the connection, as text."""
    put(server.folder("northfield"), "patrons.csv")
    connect({"private_key": key.private}, login="northfield", password=None)
    assert fetch_sftp("patrons.csv").content == EXPORT


def test_a_wrong_password_is_for_whoever_keeps_the_connection(connect: Connect, fetch_sftp: Fetch) -> None:
    """Another try would be refused too, and could lock the account; the password itself is told to nobody."""
    connect(password="wrong-horse-battery")
    with pytest.raises(ConfigError, match=r"refused our login.*in the connection 'stclare_sftp'") as caught:
        fetch_sftp("patrons.csv")
    assert "wrong-horse-battery" not in repr(caught.value)


def test_a_wrong_key_is_for_whoever_keeps_the_connection(connect: Connect, fetch_sftp: Fetch) -> None:
    """A key that the server does not know."""
    connect({"private_key": new_key_pair().private}, login="northfield", password=None)
    with pytest.raises(ConfigError, match="refused our login"):
        fetch_sftp("patrons.csv")


def test_a_connection_without_password_and_key(connect: Connect, fetch_sftp: Fetch) -> None:
    """Somebody forgot to fill it in."""
    connect(password=None)
    with pytest.raises(ConfigError, match="refused our login"):
        fetch_sftp("patrons.csv")


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"private_key": "no key at all"}, "'stclare_sftp' cannot be used"),
        (
            {"private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"},
            "cannot be used",
        ),
        ({"key_file": "/no/such/key"}, "The key file that the connection 'stclare_sftp' names cannot be read"),
        ({"host_key": "ssh-ed25519"}, "cannot be used"),
        ({"host_key": "ssh-ed25519 %%%%"}, "cannot be used"),
        ({"host_key": "ssh-rsa AAAA"}, "cannot be used"),
    ],
)
def test_a_key_that_is_no_key(connect: Connect, fetch_sftp: Fetch, extra: dict[str, str], sentence: str) -> None:
    """A slip when the connection was filled in; the message does not repeat what is in it."""
    connect(extra, password=None)
    with pytest.raises(ConfigError, match=sentence) as caught:
        fetch_sftp("patrons.csv")
    assert "no key at all" not in str(caught.value)


def test_another_host_key_is_taken_seriously(home: Path, connect: Connect, fetch_sftp: Fetch) -> None:
    """Somebody in between must not get the password, nor bring us an export."""
    put(home, "patrons.csv")
    connect({"host_key": new_key_pair().public})
    with pytest.raises(ConfigError, match=r"different host key.*Another machine may be posing as the server") as caught:
        fetch_sftp("patrons.csv")
    assert PASSWORD not in str(caught.value)


def test_another_kind_of_host_key_is_no_way_round(home: Path, connect: Connect, fetch_sftp: Fetch) -> None:
    """A server that shows a key of a kind that the connection does not hold is not believed either."""
    put(home, "patrons.csv")
    ecdsa = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    connect({"host_key": ecdsa})
    with pytest.raises(ConfigError, match="different host key"):
        fetch_sftp("patrons.csv")


def test_without_a_host_key_nothing_is_accepted(
    connect: Connect, fetch_sftp: Fetch, server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown server is never trusted on first sight; the message says how to get its key."""
    monkeypatch.setenv("HOME", str(tmp_path))
    connect({"host_key": None})
    with pytest.raises(ConfigError, match=f"has no host key.*ssh-keyscan -p {server.port} 127.0.0.1"):
        fetch_sftp("patrons.csv")
    assert not (tmp_path / ".ssh").exists()


def test_the_host_key_may_stand_in_known_hosts(
    home: Path, connect: Connect, fetch_sftp: Fetch, server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an administrator keeps known_hosts, the connection needs no host key."""
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path, ".ssh/known_hosts", f"[{server.host}]:{server.port} {server.host_key}\n".encode())
    put(home, "patrons.csv")
    connect({"host_key": None})
    assert fetch_sftp("patrons.csv").content == EXPORT


@pytest.mark.parametrize("name", ["no_host_key_check", "ignore_hostkey_verification", "allow_host_key_change"])
@pytest.mark.parametrize("value", [True, "true", "True"])
@pytest.mark.parametrize("with_key", [True, False])
def test_the_host_key_check_cannot_be_switched_off(
    connect: Connect, fetch_sftp: Fetch, name: str, value: object, with_key: bool
) -> None:
    """Not by any of the three words that Airflow knows for it, whatever else the connection says."""
    connect({name: value} if with_key else {name: value, "host_key": None})
    with pytest.raises(ConfigError, match=f"Remove '{name}' from the connection 'stclare_sftp'.*ssh-keyscan"):
        fetch_sftp("patrons.csv")


@pytest.mark.parametrize("name", ["no_host_key_check", "allow_host_key_change"])
def test_saying_that_the_host_key_is_checked_is_fine(
    home: Path, connect: Connect, fetch_sftp: Fetch, name: str
) -> None:
    """Airflow's documentation shows these words with false."""
    put(home, "patrons.csv")
    connect({name: "false"})
    assert fetch_sftp("patrons.csv").content == EXPORT


def test_a_file_that_we_may_not_read(home: Path, fetch_sftp: Fetch) -> None:
    """Only the server's owner can help."""
    put(home, "patrons.csv").chmod(0)
    with pytest.raises(SourceError, match=r"no permission to read patrons\.csv on stclare_sftp"):
        fetch_sftp("patrons.csv")


def test_a_folder_that_we_may_not_look_into(home: Path, fetch_sftp: Fetch) -> None:
    """With a pattern the folder has to be listed; without one its files may be had all the same."""
    put(home, "outgoing/patrons.csv")
    (home / "outgoing").chmod(0o100)
    with pytest.raises(SourceError, match=r"no permission to read outgoing/\*\.csv on stclare_sftp"):
        fetch_sftp("outgoing/*.csv")
    with pytest.raises(
        SourceError, match=r"There is no file outgoing/x\.csv .* no permission to see what is in its folder"
    ):
        fetch_sftp("outgoing/x.csv")
    assert fetch_sftp("outgoing/patrons.csv").content == EXPORT


def test_a_server_that_is_down(connect: Connect, fetch_sftp: Fetch, server: SftpServer) -> None:
    """It may be up again for the next try; this one ends at once."""
    connect()
    server.stop()
    start = time.monotonic()
    with pytest.raises(TransientError, match=f"127.0.0.1:{server.port} .stclare_sftp. cannot be reached"):
        fetch_sftp("patrons.csv")
    assert time.monotonic() - start < 20


@pytest.fixture
def closing_door() -> Iterator[int]:
    """The port of a server that hangs up at once, as sshd does when too many are at its door."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def hang_up() -> None:
            while True:
                try:
                    door.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_server_that_hangs_up(connect: Connect, fetch_sftp: Fetch, closing_door: int) -> None:
    """Another try may find it less busy."""
    connect(port=closing_door)
    with pytest.raises(TransientError, match="cannot be reached"):
        fetch_sftp("patrons.csv")


def test_a_server_that_breaks_off(home: Path, server: SftpServer, fetch_sftp: Fetch) -> None:
    """In the middle of the file: what has arrived is not taken for the whole."""
    put(home, "patrons.csv", TEN_MEGABYTES)
    with pytest.raises(TransientError, match="closed the connection"):
        fetch_sftp("patrons.csv", Interrupted(server.stop))


def test_a_line_that_dies_before_the_goodbye(home: Path, server: SftpServer, connect: Connect) -> None:
    """The server is busy, so that paramiko does not know yet that its line is dead: what was read stays read."""
    put(home, "patrons.csv")
    connect()
    with sftp.open_account("stclare_sftp") as place:
        content = b"".join(place.blocks(place.look("patrons.csv")))
        server.loop.call_soon_threadsafe(time.sleep, 1)
        client = cast("Any", place).client
        client.get_channel().get_transport().sock.shutdown(socket.SHUT_WR)
    assert content == EXPORT


def test_a_server_that_falls_silent(
    home: Path, server: SftpServer, fetch_sftp: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line stands, but nothing comes any more: a task that waits for ever would be seen by nobody."""
    monkeypatch.setattr(sftp, "PATIENCE", 0.5)
    put(home, "patrons.csv", TEN_MEGABYTES)
    with pytest.raises(TransientError, match="stopped answering"):
        fetch_sftp("patrons.csv", Interrupted(lambda: server.loop.call_soon_threadsafe(time.sleep, 2)))


@pytest.mark.parametrize("host", ["no such host", "a..b"])
def test_a_server_that_does_not_exist(connect: Connect, fetch_sftp: Fetch, host: str) -> None:
    """A slip in the connection's host."""
    connect(host=host)
    with pytest.raises(ConfigError, match=f"There is no server '{host}'. Correct the host in the connection"):
        fetch_sftp("patrons.csv")


def test_a_name_server_that_does_not_answer() -> None:
    """Nobody knows yet whether the server exists: worth another try."""
    error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    refusal = sftp.refusal(sftp.Connection("stclare_sftp", "sftp.stclare.example"), error)
    assert isinstance(refusal, TransientError)
    assert "Temporary failure in name resolution" in str(refusal)


def test_a_missing_connection_says_how_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenant file names it, Airflow does not have it."""
    source = sources.SftpSource(type="sftp", connection="nowhere", path="x")
    with pytest.raises(ConfigError, match="AIRFLOW_CONN_NOWHERE"):
        sources.fetch(source, "x", io.BytesIO(), day=DAY)


def test_the_log_is_quiet_and_tells_no_secret(
    home: Path, key: KeyPair, connect: Connect, fetch_sftp: Fetch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the library's chatter nor a traceback beside our own sentence, and never a password or key."""
    caplog.set_level(logging.DEBUG)
    put(home, "patrons.csv")
    fetch_sftp("patrons.csv")
    connect({"host_key": new_key_pair().public, "private_key": key.private})
    with pytest.raises(ConfigError):
        fetch_sftp("patrons.csv")
    ours = [record for record in caplog.records if not record.name.startswith("asyncssh")]
    assert [record for record in ours if record.name.startswith("paramiko")] == []
    text = "\n".join(record.getMessage() for record in ours)
    assert PASSWORD not in text
    assert not any(line in text for line in key.private.splitlines()[1:-1])


@pytest.mark.parametrize(
    ("extra", "given"),
    [
        ({}, {}),
        ({}, {"password": "wrong-horse"}),
        ({}, {"password": None}),
        ({"key_file": "/no/such/key"}, {"password": None}),
    ],
)
def test_leaves_no_connection_open(
    home: Path, server: SftpServer, connect: Connect, fetch_sftp: Fetch, extra: dict[str, str], given: dict[str, str]
) -> None:
    """However it ends; a server allows only so many."""
    put(home, "patrons.csv")
    connect(extra, **given)
    before = threading.active_count()
    try:
        fetch_sftp("patrons.csv")
    except ConfigError as error:
        kept = error  # as Airflow keeps it, with all that its traceback holds
        assert kept.__cause__
    deadline = time.monotonic() + 5
    while server.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not server.connections
    assert threading.active_count() <= before + 1  # asyncssh keeps a worker


def test_a_full_account_is_read_at_once(
    tmp_path: Path, connect: Connect, fetch_sftp: Fetch, server: SftpServer
) -> None:
    """Years of exports in one folder: the newest of a thousand is found with one question, not a thousand."""
    folder = server.folder("stclare")
    for number in range(1000):
        put(folder, f"patrons_{number:04}.csv", b"x", 1_700_000_000 + number)
    start = time.monotonic()
    assert fetch_sftp("patrons_*.csv").delivered.name == "patrons_0999.csv"
    assert time.monotonic() - start < 20
