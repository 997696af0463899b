"""
Log in to FOLIO, and put the token on each request.

Exactly one thing carries the token, a cookie (expiring login) or a header (legacy login): FOLIO's Kong answers 404 when
both are there and differ (folio-kong, handler.lua). The cookie is written by hand: FOLIO marks it Secure, so that no
cookie jar would send it over http, which is how a gateway is reached from within its own network.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple

import httpx
from httpx import codes

from patronload.errors import ConfigError, PatronloadError, TargetError, TransientError
from patronload.http_client import retry_after, server_time
from patronload.targets.connection import Connection
from patronload.targets.folio.errors import BUSY

TRIES = 3
"""The number of tries of a request that the server asked to repeat."""

RENEW_BEFORE = 60.0
"""Seconds. FOLIO finishes a request that it accepted before the token ran out; this has to outlast the way there."""


class Token(NamedTuple):
    """The result of a login: the header with the token, and when it expires by time.monotonic()."""

    header: str
    value: str
    ends: float

    def __repr__(self) -> str:
        return f"Token({self.header}, hidden)"


class Login(httpx.Auth):
    """
    One account at one FOLIO tenant. Logs in before the first request, shortly before the token expires, and once after
    a 401; never twice for one request.
    """

    def __init__(
        self, connection: Connection, url: httpx.URL, member_of: str | None = None, longest_pause: float = 0
    ) -> None:
        kind = connection.extra.get("login", "expiring")
        if kind not in _KINDS:
            raise ConfigError(
                f'The connection \'{connection.id}\' has the extra "login": "{kind}". Write "expiring" or "legacy".'
            )
        self._connection = connection
        self._member_of = member_of
        self._longest_pause = longest_pause
        self._path, self._token_in = _KINDS[kind]
        self._url = url.copy_with(path=url.path.rstrip("/") + self._path)
        self._token: Token | None = None

    def __repr__(self) -> str:
        return f"Login({self._connection.id})"

    @property
    def has_token(self) -> bool:
        """Whether a login succeeded."""
        return self._token is not None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The authentication flow of httpx: yields requests, receives responses."""
        fresh = self._token is None or self._token.ends - time.monotonic() < RENEW_BEFORE
        if fresh:
            self._token = self._read((yield from self._answer_to(request)))
        response = yield self._sign(request)
        if response.status_code == codes.UNAUTHORIZED and not fresh:
            self._token = self._read((yield from self._answer_to(request)))
            yield self._sign(request)

    def _answer_to(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, httpx.Response]:
        """The answer to a login, after any short pauses that a busy FOLIO asks for."""
        for _ in range(TRIES - 1):
            response = yield self._request(request)
            pause = retry_after(response) if response.status_code in BUSY else None
            if pause is None or pause > self._longest_pause:
                return response
            time.sleep(pause)
        return (yield self._request(request))

    def _request(self, original: httpx.Request) -> httpx.Request:
        """
        The login as a request, with the headers that go with every request to this tenant.

        FOLIO: in a consortium you log in at the central tenant; the token is valid at its members.
        """
        names = ("user-agent", "accept", "x-okapi-tenant")
        headers = {name: original.headers[name] for name in names}
        return httpx.Request(
            "POST",
            self._url,
            headers=headers | ({"x-okapi-tenant": self._member_of} if self._member_of else {}),
            json={"username": self._connection.login or "", "password": self._connection.password or ""},
            extensions=original.extensions,
        )

    def _sign(self, request: httpx.Request) -> httpx.Request:
        assert self._token is not None  # set by the caller
        request.headers[self._token.header] = self._token.value
        return request

    def _read(self, response: httpx.Response) -> Token:
        """The token in the answer to a login. Raises TargetError or TransientError; neither names the password."""
        response.read()
        if response.status_code != codes.CREATED:
            raise self._refusal(response)
        token = self._token_in(response)
        if token is None or not re.fullmatch(r"[\x21-\x7e]+", token.value):
            raise TargetError(
                f"{self._who()} logged in at {self._path}, but the answer contains no token. "
                "Is the connection's host the address of FOLIO's gateway?"
            )
        return token

    def _refusal(self, response: httpx.Response) -> PatronloadError:
        status = response.status_code
        if status in (codes.BAD_REQUEST, codes.UNAUTHORIZED, codes.UNPROCESSABLE_ENTITY):
            return TargetError(
                f"{self._who()} cannot log in: FOLIO does not accept the user name and password ({status}). "
                f"Correct the connection '{self._connection.id}'."
            )
        if status == codes.NOT_FOUND:
            other = "legacy" if "expiry" in self._path else "expiring"
            return TargetError(
                f"{self._who()} cannot log in: FOLIO has no {self._path} for this tenant any more, or not yet (404). "
                f'Set "login": "{other}" in the extra of the connection; if that does not help either, its host is not '
                "the address of FOLIO's gateway."
            )
        if status == codes.TOO_MANY_REQUESTS or response.is_server_error:
            busy = TransientError(f"{self._who()} cannot log in: FOLIO is busy or down ({status}).")
            busy.retry_after = retry_after(response)
            return busy
        return TargetError(f"{self._who()} cannot log in: {self._path} answers {status}. Ask FOLIO's administrator.")

    def _who(self) -> str:
        return f"The FOLIO user of the connection '{self._connection.id}'"


def _cookie(response: httpx.Response) -> Token | None:
    """FOLIO: mod-login LoginAPI, POST /authn/login-with-expiry: two cookies, and their expiry in the body."""
    try:
        ends = datetime.fromisoformat(response.json()["accessTokenExpiration"])
        seconds = (ends - (server_time(response) or datetime.now(UTC))).total_seconds()
        cookies = (SimpleCookie(header) for header in response.headers.get_list("set-cookie"))
        found = next(jar["folioAccessToken"] for jar in cookies if "folioAccessToken" in jar)
    except (ValueError, TypeError, KeyError, CookieError, StopIteration, RecursionError):
        return None
    return Token("cookie", f"folioAccessToken={found.value}", time.monotonic() + seconds)


def _header(response: httpx.Response) -> Token | None:
    """FOLIO: mod-login LoginAPI, POST /authn/login: a token that does not expire, in a header and in the body."""
    try:
        token = response.headers.get("x-okapi-token") or response.json()["okapiToken"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return Token("x-okapi-token", str(token), float("inf"))


_KINDS: dict[object, tuple[str, Callable[[httpx.Response], Token | None]]] = {
    "expiring": ("/authn/login-with-expiry", _cookie),
    "legacy": ("/authn/login", _header),
}
