"""A school's Infiniti to load patrons into: takes CSV files as Concord Infiniti's non-interactive user import does.

`InfinitiServer` serves it on a port, `infiniti_app` is the same application in process::

    with InfinitiServer() as infiniti:
        httpx.post(f"{infiniti.url}/api/import/users", auth=(...), files={"file": b"username,enabled,..."})
        infiniti.school.users["jdoe1"]             # a stored user; also on the page and at /_sandbox/users
        infiniti.imports                           # the imports that came in
        infiniti.oddities.details = "array"        # what the vendor's article leaves open
        infiniti.faults.answer(503, nth=2)         # the second import is refused
"""

from __future__ import annotations

from typing import Self

from starlette.applications import Starlette

from sandbox.infiniti.app import IMPORT, Infiniti, Seen, application
from sandbox.infiniti.users import COLUMNS, Oddities, School, User
from sandbox.server import Server
from sandbox.web import WebServer

__all__ = ["COLUMNS", "IMPORT", "Infiniti", "InfinitiServer", "Oddities", "School", "Seen", "User", "infiniti_app"]


def infiniti_app() -> Starlette:
    """The stand-in in process; what it keeps is `app.state.infiniti`."""
    return application(Infiniti())


class InfinitiServer(Infiniti, Server):
    """The stand-in on a port, for one school."""

    def __init__(
        self,
        username: str = "autoimport",
        password: str = "Import-pass-1",
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(username, password)
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
