"""A FOLIO to load patrons into: stores users and answers like mod-login, mod-users and mod-user-import.

`FolioServer` serves it on a port, `folio_app` is the same application in process::

    with FolioServer(["fs00001234"]) as folio:
        httpx.post(f"{folio.url}/authn/login-with-expiry", ...)
        folio.store("fs00001234").user("1001")     # a stored user
        folio.imports                              # the user imports that came in
        folio.faults.answer(503, nth=2)            # the second user import is refused

Each rule is a small function that names its place in the real modules (mod-user-import 3.11, mod-users 19.6).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from starlette.applications import Starlette

from sandbox.faults import Fault, Faults, Seen
from sandbox.folio.app import application
from sandbox.folio.gateway import Folio
from sandbox.folio.logins import FolioTenant
from sandbox.folio.store import Store
from sandbox.server import Server
from sandbox.web import WebServer

__all__ = ["Fault", "Faults", "Folio", "FolioServer", "FolioTenant", "Seen", "Store", "folio_app"]


def folio_app(tenants: Iterable[FolioTenant | str]) -> Starlette:
    """The stand-in in process; what it keeps is `app.state.folio`."""
    return application(Folio(tenants))


class FolioServer(Folio, Server):
    """The stand-in on a port. A tenant given by name alone gets the account of `FolioTenant`'s defaults."""

    def __init__(self, tenants: Iterable[FolioTenant | str], host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(tenants)
        self._web = WebServer(application(self), host, port)
        self.url = self._web.url
        self.port = self._web.port

    def start(self) -> Self:
        """Serve; returns when the first request can be answered."""
        self._web.start()
        return self

    def stop(self) -> None:
        """Finish the requests in flight and free the port."""
        self._web.stop()
