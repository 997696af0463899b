# ruff: noqa: ARG002 - the signatures are asyncssh's
"""A real SFTP server on this machine: real folders and files, password or key, one folder per account."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import asyncssh

from sandbox.server import Server
from sandbox.web import reachable

Result = TypeVar("Result")

STOPPING_TAKES_AT_MOST = 5.0


@dataclass(frozen=True)
class SftpAccount:
    """Who may log in. `public_key` is a line as in authorized_keys; None for a method that is not allowed."""

    username: str
    password: str | None = field(default=None, repr=False)
    public_key: str | None = None


class SftpServer(Server):
    """Serves `root`/USERNAME to each account, as its `/`.

    host_key: the server's public key, "ssh-ed25519 AAAA...", which a client must know. The private half is kept in
        `root`/.host_key, so that clients recognise a server that is started again in the same folder.
    """

    def __init__(
        self, root: Path | str, accounts: Iterable[SftpAccount], host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.root = Path(root)
        self.accounts = {account.username: account for account in accounts}
        for username in self.accounts:
            self.folder(username).mkdir(parents=True, exist_ok=True)
        self._key = _read_or_make_key(self.root / ".host_key")
        self.host_key = self._key.export_public_key().decode().strip()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.host = reachable(host)
        self.port: int = self._socket.getsockname()[1]
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=f"sftp-{self.port}", daemon=True)
        self._listener: asyncssh.SSHAcceptor | None = None

    def folder(self, username: str) -> Path:
        """Where the files of an account are."""
        return self.root / username

    def start(self) -> Self:
        """Serve; returns when the first client can connect."""
        asyncssh.set_log_level(logging.WARNING)  # it logs every connection and file
        self._thread.start()
        self._listener = self._do(self._listen())
        return self

    def stop(self) -> None:
        """Close all connections and free the port."""
        if self._thread.is_alive():
            self._do(self._close())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(STOPPING_TAKES_AT_MOST)
        self.loop.close()
        self._socket.close()

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            sock=self._socket,
            server_host_keys=[self._key],
            server_factory=lambda: _Login(self),
            sftp_factory=self._files_of,
            allow_scp=False,
        )

    async def _close(self) -> None:
        if self._listener:
            self._listener.close()
        for connection in list(self.connections):
            connection.abort()
            await connection.wait_closed()

    def _files_of(self, channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        username = channel.get_extra_info("username")
        return _Files(channel, chroot=os.fsencode(self.folder(username).resolve()))


class _Login(asyncssh.SSHServer):
    """Decides who may log in."""

    def __init__(self, server: SftpServer) -> None:
        self._server = server
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._server.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection:
            self._server.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        account = self._server.accounts.get(username)
        return account is not None and account.password is not None and account.password == password

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        account = self._server.accounts.get(username)
        if account is None or account.public_key is None:
            return False
        return bool(asyncssh.import_public_key(account.public_key).public_data == key.public_data)


class _Files(asyncssh.SFTPServer):
    """The files of one account.

    A file or folder that its owner may not read is refused even if the server runs as root, who could read it.
    """

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        real = self._real(path)
        if real.exists():
            _check_mode(real, stat.S_IRUSR if pflags & asyncssh.FXF_READ else stat.S_IWUSR)
        return super().open(path, pflags, attrs)

    async def scandir(self, path: bytes) -> Any:
        _check_mode(self._real(path), stat.S_IRUSR | stat.S_IXUSR)
        async for entry in super().scandir(path):
            yield entry

    def _real(self, path: bytes) -> Path:
        return Path(os.fsdecode(self.map_path(path)))


def _check_mode(path: Path, bits: int) -> None:
    if path.stat().st_mode & bits != bits:
        raise asyncssh.SFTPPermissionDenied("Permission denied")


def _read_or_make_key(path: Path) -> asyncssh.SSHKey:
    if path.exists():
        return asyncssh.read_private_key(path)
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    key.write_private_key(path)
    return key


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 key pair for a client: PEM text (OpenSSH format) and the line for authorized_keys."""

    private: str = field(repr=False)
    public: str


def new_key_pair(comment: str = "") -> KeyPair:
    """A new key pair, as ssh-keygen creates one."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
    return KeyPair(key.export_private_key().decode(), key.export_public_key().decode().strip())
