"""Serve an ASGI application on a port of this machine, in a thread, for as long as a `with` block lasts."""

from __future__ import annotations

import socket
import threading
import time
from typing import Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.server import Server

STARTING_TAKES_AT_MOST = 20.0
STOPPING_TAKES_AT_MOST = 5


class WebServer(Server):
    """One ASGI application behind one port. The port is bound at creation, so the URL is known at once."""

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                _with_hang_up(app),
                lifespan="off",
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=STOPPING_TAKES_AT_MOST,
            )
        )
        self._thread = threading.Thread(
            target=self._uvicorn.run, kwargs={"sockets": [self._socket]}, name=f"web-{self.port}", daemon=True
        )

    @property
    def url(self) -> str:
        """Where the application answers; a server bound to every address is reached on loopback."""
        return f"http://{reachable(self.host)}:{self.port}"

    def start(self) -> Self:
        """Serve; returns when the first request can be answered."""
        self._thread.start()
        deadline = time.monotonic() + STARTING_TAKES_AT_MOST
        while not self._uvicorn.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"the web server did not start on {self.host}:{self.port}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Finish the requests in flight (a few seconds at most) and free the port."""
        self._uvicorn.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOPPING_TAKES_AT_MOST + 5)
        self._socket.close()


def _with_hang_up(app: ASGIApp) -> ASGIApp:
    """Add scope["extensions"]["hang_up"], a function that closes the connection without an answer.

    ASGI has no such message; uvicorn's `send` is a method of the object that holds the connection.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None:
            scope.setdefault("extensions", {})["hang_up"] = transport.abort
        await app(scope, receive, send)

    return wrapped


def reachable(host: str) -> str:
    """The address a client on this machine uses for a server that was bound to `host`."""
    return "127.0.0.1" if host in ("", "0.0.0.0") else host
