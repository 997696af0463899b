"""The sandbox's SFTP server, met by paramiko as Airflow's SFTP provider does."""

import base64
import io
from contextlib import contextmanager

import paramiko
import pytest

from sandbox.sftp import SftpAccount, SftpServer, new_key_pair

PAIR = new_key_pair("northfield")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    accounts = [SftpAccount("northfield", public_key=PAIR.public), SftpAccount("stclare", password="st-clare-1")]
    with SftpServer(tmp_path_factory.mktemp("sftp"), accounts) as running:
        yield running


@contextmanager
def connected(server, username, password=None, private_key=None, host_key=None):
    """A session as that account; the host key must be the one the server has."""
    client = paramiko.SSHClient()
    known = paramiko.Ed25519Key(data=base64.b64decode((host_key or server.host_key).split()[1]))
    client.get_host_keys().add(f"[{server.host}]:{server.port}", "ssh-ed25519", known)
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(private_key)) if private_key else None
    with client:
        client.connect(
            server.host, server.port, username, password, pkey=key, look_for_keys=False, allow_agent=False, timeout=60
        )
        yield client.open_sftp()


def test_a_key_and_a_password_open_the_accounts_own_folder(server):
    """Each account sees its folder as / and nothing of the others."""
    (server.folder("northfield") / "patrons.csv").write_text("ID\n0001\n")
    with connected(server, "northfield", private_key=PAIR.private) as sftp:
        assert sftp.listdir("/") == ["patrons.csv"]
        assert sftp.open("patrons.csv").read() == b"ID\n0001\n"
    with connected(server, "stclare", "st-clare-1") as sftp:
        assert sftp.listdir("/") == []
        for outside in ("../northfield/patrons.csv", "/../../northfield/patrons.csv", "/etc/passwd"):
            with pytest.raises(FileNotFoundError):
                sftp.open(outside)


def test_size_and_time_are_those_of_the_file(server):
    """A fetch judges by them."""
    path = server.folder("stclare") / "a.csv"
    path.write_bytes(b"x" * 1234)
    with connected(server, "stclare", "st-clare-1") as sftp:
        found = sftp.stat("a.csv")
        assert (found.st_size, found.st_mtime) == (1234, int(path.stat().st_mtime))
    path.unlink()


@pytest.mark.parametrize(
    "credentials",
    [
        {"username": "stclare", "password": "wrong"},
        {"username": "stclare", "private_key": PAIR.private},
        {"username": "northfield", "password": "st-clare-1"},
        {"username": "northfield", "private_key": new_key_pair().private},
        {"username": "nobody", "password": "st-clare-1"},
    ],
)
def test_wrong_credentials_are_refused(server, credentials):
    """A closed way in is closed."""
    with pytest.raises(paramiko.AuthenticationException), connected(server, **credentials):
        pass


def test_a_client_that_knows_another_host_key_does_not_connect(server):
    """The server presents the key that it says it has."""
    other = new_key_pair().public
    with pytest.raises(paramiko.BadHostKeyException), connected(server, "stclare", "st-clare-1", host_key=other):
        pass


def test_a_file_without_read_permission_is_refused_even_to_root(server):
    """Tests run as root, too, where the file system would let everybody in."""
    path = server.folder("stclare") / "closed.csv"
    path.write_text("x")
    path.chmod(0)
    closed = server.folder("stclare") / "closed"
    closed.mkdir(mode=0o300)
    with connected(server, "stclare", "st-clare-1") as sftp:
        with pytest.raises(PermissionError):
            sftp.open("closed.csv")
        with pytest.raises(PermissionError):
            sftp.listdir("closed")
        assert sftp.stat("closed.csv").st_size == 1
    path.unlink()
    closed.rmdir()


def test_files_can_be_put_renamed_and_removed(server):
    """A sender uploads under another name and renames."""
    with connected(server, "stclare", "st-clare-1") as sftp:
        sftp.putfo(io.BytesIO(b"1"), "a.part")
        sftp.rename("a.part", "a.csv")
        assert (server.folder("stclare") / "a.csv").read_bytes() == b"1"
        sftp.remove("a.csv")


def test_a_server_started_again_in_its_folder_keeps_its_host_key(tmp_path):
    """A client need not learn a new key after a restart, and a stopped server's port is free."""
    with SftpServer(tmp_path, [SftpAccount("a", "pass-word")]) as first, connected(first, "a", "pass-word") as sftp:
        sftp.listdir()
    with SftpServer(tmp_path, [SftpAccount("a", "pass-word")], port=first.port) as second:
        assert second.host_key == first.host_key
        with connected(second, "a", "pass-word") as sftp:
            assert sftp.listdir() == []
    assert (tmp_path / ".host_key").stat().st_mode & 0o077 == 0


def test_stopping_closes_what_is_open(tmp_path):
    """A fetch in mid-transfer sees the connection go."""
    server = SftpServer(tmp_path, [SftpAccount("a", "pass-word")]).start()
    with connected(server, "a", "pass-word") as sftp:
        server.stop()
        with pytest.raises((OSError, EOFError, paramiko.SSHException)):
            sftp.listdir()
