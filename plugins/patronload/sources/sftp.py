"""Read from an SFTP server, whose host key is always checked."""

from __future__ import annotations

import logging
import posixpath
import socket
import stat
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from patronload import connections
from patronload.connections import Connection
from patronload.errors import ConfigError, SourceError, TransientError
from patronload.sources.deliveries import Entry, Kind, Place, inside, utc

if TYPE_CHECKING:
    from airflow.providers.sftp.hooks.sftp import SFTPHook
    from paramiko import SFTPAttributes, SFTPClient, SFTPFile

UNSAFE = ("no_host_key_check", "ignore_hostkey_verification", "allow_host_key_change")
"""Extras of an SFTP connection that let any machine pose as the server (SSHHook of Airflow's SSH provider)."""

PATIENCE = 60
"""Seconds that a server has to answer; paramiko's default is to wait for ever."""

BLOCK = 32768
"""Bytes that every server can send in one packet (draft-ietf-secsh-filexfer-02, section 3)."""

AHEAD = 64
"""Blocks requested before the first has arrived, as OpenSSH's sftp does, so that a distant server is not slow."""


class _Account(Place):
    """The folders of an SFTP account."""

    def __init__(self, client: SFTPClient, connection: Connection) -> None:
        self.client = client
        self.connection = connection

    def address(self, path: str) -> str:
        return path

    def display_name(self, path: str) -> str:
        return f"{path} on {self.connection.id}"

    def listing(self, folder: str) -> list[Entry]:
        with self._answers():
            return [self._entry(inside(folder, each.filename), each) for each in self.client.listdir_attr(folder)]

    def look(self, path: str) -> Entry:
        with self._answers():
            return _describe(path, self.client.stat(path))

    def blocks(self, entry: Entry) -> Generator[bytes]:
        with self._answers(), self.client.open(entry.path, "rb") as file:
            asked = 0
            while block := file.read(BLOCK):
                if file.tell() >= asked:
                    asked = min(file.tell() + AHEAD * BLOCK, entry.size)
                    _ask(file, asked)
                yield block

    def put(self, path: str, content: bytes) -> None:
        """Write a file; raises SourceError where this is not allowed. A reader never sees half of it."""
        folder, name = posixpath.split(path)
        part = posixpath.join(folder, f".{name}.part")
        try:
            with self._answers():
                self._make(folder)
                with self.client.open(part, "wb") as file:
                    file.write(content)
                self._rename(part, path)
        except (FileNotFoundError, PermissionError) as error:
            raise SourceError(
                f"We cannot write to {self.display_name(folder or '.')} ({_reason(error)}). Ask its "
                "owner to create the folder and to let our account write there."
            ) from error

    def _make(self, folder: str) -> None:
        try:
            self.client.stat(folder or ".")
        except FileNotFoundError:
            self.client.mkdir(folder)

    def _rename(self, part: str, path: str) -> None:
        try:
            self.client.posix_rename(part, path)
        except PermissionError:
            raise
        except OSError:  # a server without OpenSSH's extension, which does not replace a file
            with suppress(FileNotFoundError):
                self.client.remove(path)
            self.client.rename(part, path)

    def _entry(self, path: str, attributes: SFTPAttributes) -> Entry:
        """One entry. For links, and where a server leaves fields out of a listing, ask for the entry alone."""
        entry = _describe(path, attributes)
        if entry.kind == "other" or attributes.st_size is None or attributes.st_mtime is None:
            try:
                return _describe(path, self.client.stat(path))
            except OSError:
                return entry
        return entry

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Pass on errors about a path; all others mean that the connection is lost."""
        from paramiko import SSHException

        try:
            yield
        except (FileNotFoundError, PermissionError):
            raise
        except TimeoutError as error:
            raise TransientError(f"{_server(self.connection)} stopped answering. Try again later.") from error
        except (SSHException, EOFError, OSError) as error:
            raise TransientError(
                f"{_server(self.connection)} closed the connection ({_reason(error)}). Try again later."
            ) from error


def _ask(file: SFTPFile, until: int) -> None:
    """
    Request the bytes before `until`, to be read one after the other.

    paramiko sends its requests in a separate thread. We wait for it, because answers that arrive before the last
    request confuse it. Its error is not printed, because the next read reports the same broken connection.
    """
    hook = threading.excepthook
    threading.excepthook = lambda failure: None if _is_asking(failure.thread) else hook(failure)
    try:
        file.prefetch(until)
        for thread in threading.enumerate():
            if _is_asking(thread):
                thread.join(PATIENCE)
    finally:
        threading.excepthook = hook


def _is_asking(thread: threading.Thread | None) -> bool:
    return thread is not None and "_prefetch_thread" in thread.name


def open_account(connection_id: str) -> AbstractContextManager[Place]:
    """The account of an Airflow connection. Raises ConfigError and TransientError, each with what to do."""
    return account(connection_id)


@contextmanager
def account(connection_id: str) -> Iterator[_Account]:
    """Like `opened`, but for writing too."""
    connection = connections.get(connection_id)
    # It would log each attempt to connect, and print a traceback beside our own message for each failure.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    hook = _hook(connection)
    try:
        with _connect(hook, connection) as client:
            _take_names_as_they_are(client)
            yield _Account(client, connection)
    finally:
        if hook.client:
            hook.client.close()


def _take_names_as_they_are(client: SFTPClient) -> None:
    """
    Have paramiko accept names that are not UTF-8, as an old Windows server may send them: one such file in a folder
    would make the whole folder unreadable. The method is private; a test fails if it is no longer called.
    """
    private: Any = client
    request = private._request  # noqa: SLF001 - there is no public way

    def lenient(*arguments: Any) -> tuple[int, Any]:
        kind, message = request(*arguments)
        message.get_text = lambda: message.get_string().decode("utf-8", "surrogateescape")
        return kind, message

    private._request = lenient  # noqa: SLF001 - as above


def _hook(connection: Connection) -> SFTPHook:
    # Seconds to import, and the command line does without.
    from airflow.providers.common.compat.sdk import AirflowException
    from airflow.providers.sftp.hooks.sftp import SFTPHook
    from paramiko import SSHException

    for name in UNSAFE:
        if connection.says(name):
            raise ConfigError(f"Remove '{name}' from the connection '{connection.id}'. {_how_to_check(connection)}")
    try:
        # One attempt only: people see and configure the retries of the task in Airflow.
        hook = SFTPHook(ssh_conn_id=connection.id, conn_retry_attempts=1)
    except (AirflowException, SSHException, ValueError) as error:
        raise ConfigError(f"The connection '{connection.id}' cannot be used: {error}") from error
    hook.conn_timeout = hook.conn_timeout or PATIENCE
    return hook


@contextmanager
def _connect(hook: SFTPHook, connection: Connection) -> Iterator[SFTPClient]:
    managed = hook.get_managed_conn()
    try:
        client = managed.__enter__()
    except Exception as error:
        _close(error)
        raise refusal(connection, error) from error
    try:
        channel = client.get_channel()
        if channel:
            channel.settimeout(PATIENCE)
        yield client
    finally:
        # paramiko closes a connection that may be broken. That must not hide the cause, or discard what was read.
        with suppress(EOFError, OSError):
            managed.__exit__(None, None, None)


def _close(error: BaseException) -> None:
    """Close a client that failed to connect: the hook forgets it, and only the traceback would keep it open."""
    from paramiko import SSHClient

    for frame, _ in traceback.walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, SSHClient):
                value.close()


def refusal(connection: Connection, error: Exception) -> ConfigError | TransientError:
    """The error for a failed login, which decides whether it is retried."""
    sentence = _of_host_key(connection, error) or _of_login(connection, error) or _of_address(connection, error)
    if sentence:
        return ConfigError(sentence)
    return TransientError(f"{_server(connection)} cannot be reached ({_reason(error)}). Try again later.")


def _of_host_key(connection: Connection, error: Exception) -> str | None:
    from paramiko import BadHostKeyException

    if isinstance(error, BadHostKeyException):
        return (
            f"{_server(connection)} has a different host key than the connection (or known_hosts). Another machine may "
            "be posing as the server; no password was sent. Ask the server's owner whether the key was changed, and "
            "only then change it here."
        )
    if "not found in known_hosts" in str(error):
        return f"The connection '{connection.id}' has no host key. {_how_to_check(connection)}"
    return None


def _of_login(connection: Connection, error: Exception) -> str | None:
    from paramiko import AuthenticationException, BadAuthenticationType

    if isinstance(error, BadAuthenticationType):
        wanted = " or ".join(error.allowed_types)
        return (
            f"{_server(connection)} accepts only a login by {wanted}. Put that into the connection '{connection.id}'."
        )
    if isinstance(error, AuthenticationException) or "No authentication methods" in str(error):
        return (
            f"{_server(connection)} refused our login. Check user name, password or key in the connection "
            f"'{connection.id}'."
        )
    if isinstance(error, FileNotFoundError | PermissionError):
        return f"The key file that the connection '{connection.id}' names cannot be read ({_reason(error)})."
    return None


def _of_address(connection: Connection, error: Exception) -> str | None:
    from paramiko.ssh_exception import IncompatiblePeer

    if isinstance(error, IncompatiblePeer):
        return f"{_server(connection)} and we have no encryption method in common ({_reason(error)})."
    # EAI_AGAIN: a name server does not answer now. The others: there is no such name.
    if isinstance(error, UnicodeError) or (isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN):
        return f"There is no server '{connection.host}'. Correct the host in the connection '{connection.id}'."
    return None


def _server(connection: Connection) -> str:
    return f"The SFTP server {connection.host}:{connection.port or 22} ({connection.id})"


def _how_to_check(connection: Connection) -> str:
    scan = f"ssh-keyscan -p {connection.port or 22} {connection.host}"
    return (
        f"The server's host key must be known: get it with `{scan}`, compare it with the one that the server's owner "
        'gives you, and put it into the connection\'s extra as "host_key": "ssh-ed25519 AAAA...".'
    )


def _reason(error: BaseException) -> str:
    """The text of the system or of paramiko; it contains addresses, never a password."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip().rstrip(".")


def _describe(path: str, attributes: SFTPAttributes) -> Entry:
    mode = attributes.st_mode or 0
    kind: Kind = "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"
    return Entry(path, attributes.st_size or 0, utc(attributes.st_mtime or 0), kind)
