# ruff: noqa: ARG002 - the signatures are aiosmtpd's
"""A real mail server on this machine: accepts every mail, stores it as a file, and has a page on which to read them."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import threading
import time
from collections.abc import Coroutine
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.mail_page import mail_files, mail_page, read_mail
from sandbox.server import Server
from sandbox.web import WebServer, reachable


class MailServer(Server):
    """An SMTP server without log-in or TLS, for any sender and recipient, and a page on a port of its own.

    refused: recipients that get a 550, for tests.
    """

    def __init__(
        self, folder: Path | str, host: str = "127.0.0.1", port: int = 0, page_port: int = 0, page: bool = True
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.refused: set[str] = set()
        self._controller = _BoundController(_Mailbox(self.folder, self.refused), host, port)
        self.host = reachable(host)
        self.port = self._controller.port
        self._page = WebServer(mail_page(self.folder), host, page_port) if page else None

    @property
    def page_url(self) -> str:
        """Where to read the mails in a browser."""
        if self._page is None:
            raise RuntimeError("this mail server has no page")
        return self._page.url

    @property
    def mails(self) -> list[EmailMessage]:
        """All mails received so far, oldest first; X-RcptTo has their real recipients."""
        return [read_mail(path) for path in mail_files(self.folder)]

    def wait_for(self, count: int, seconds: float = 10.0) -> list[EmailMessage]:
        """The mails, once there are at least `count`.

        Raises:
            TimeoutError: when they do not come in time.
        """
        deadline = time.monotonic() + seconds
        while len(mail_files(self.folder)) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(mail_files(self.folder))} of {count} mails came within {seconds:g} seconds")
            time.sleep(0.02)
        return self.mails

    def start(self) -> Self:
        """Accept mail; returns when the first one can be sent."""
        # aiosmtpd logs every command with its addresses, which would bury the interesting lines of a demo or test.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        self._controller.start()
        if self._page:
            self._page.start()
        return self

    def stop(self) -> None:
        """Free the ports; the mails stay in the folder. A second call does nothing."""
        if self._controller.loop.is_closed():
            return
        if self._page:
            self._page.stop()
        self._controller.stop(no_assert=True)
        self._controller.free()


class _Mailbox:
    """Writes each mail to the folder, completely or not at all."""

    def __init__(self, folder: Path, refused: set[str]) -> None:
        self._folder = folder
        self._refused = refused
        self._lock = threading.Lock()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if address in self._refused:
            return "550 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        body = envelope.content
        assert isinstance(body, bytes)  # decode_data is off
        seen = f"X-MailFrom: {envelope.mail_from}\r\nX-RcptTo: {', '.join(envelope.rcpt_tos)}\r\n".encode()
        with self._lock:
            path = self._folder / f"{len(mail_files(self._folder)) + 1:04}-{_slug(body)}.eml"
            unfinished = path.with_suffix(".part")
            # Line ends as a mail spool on Unix keeps them; on the wire they are CR LF.
            unfinished.write_bytes((seen + body).replace(b"\r\n", b"\n"))
            unfinished.rename(path)
        return "250 OK"


def _slug(body: bytes) -> str:
    """The subject as a part of a file name."""
    subject = str(message_from_bytes(body, policy=policy.default)["subject"] or "mail")
    return re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")[:60] or "mail"


class _BoundController(Controller):
    """aiosmtpd's controller on a port that is bound at once, so that a free one can be asked for."""

    def __init__(self, handler: _Mailbox, host: str, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        super().__init__(handler, hostname=reachable(host), port=self._socket.getsockname()[1], enable_SMTPUTF8=True)

    def free(self) -> None:
        """Close what `stop` leaves open if the server was never started."""
        self._socket.close()
        if not self.loop.is_running():
            self.loop.close()

    def _create_server(self) -> Coroutine[Any, Any, asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._socket)
