"""Who is logged in: FOLIO's two kinds of login, their tokens and how each request's token is checked."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Literal, NamedTuple

from sandbox.folio.refusals import errors, text

WEEK = 7 * 24 * 3600.0


@dataclass
class FolioTenant:
    """One tenant of the stand-in. Everything can be changed while the server runs.

    token_seconds: life of an access token; FOLIO's default is ten minutes.
    legacy_login, expiring_login: whether /authn/login and /authn/login-with-expiry exist.
    forbidden: permissions that the account lacks, such as user-import.post; what needs one is 403.
    account_is_a_user: whether the account has a record among FOLIO's users (which /users does not list here).
    central: for a member of a consortium, the tenant in the middle, whose logins are good here too.
    """

    name: str
    username: str = "loader"
    password: str = field(default="Loader-pass-1", repr=False)
    token_seconds: float = 600.0
    refresh_seconds: float = WEEK
    legacy_login: bool = True
    expiring_login: bool = True
    forbidden: set[str] = field(default_factory=set)
    account_is_a_user: bool = True
    central: str | None = None


class Token(NamedTuple):
    """The session behind a token."""

    kind: Literal["access", "refresh", "legacy"]
    tenant: str
    expires: float


class Logins:
    """All tokens in force. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.tokens: dict[str, Token] = {}

    def check_password(self, tenant: FolioTenant, username: str, password: str) -> None:
        """FOLIO: mod-login LoginAPI; wrong credentials are 422."""
        if not secrets.compare_digest(f"{username}\n{password}".encode(), _expected(tenant)):
            raise errors("Password does not match", "username", username)

    def issue(self, tenant: FolioTenant, kind: Literal["access", "refresh", "legacy"]) -> tuple[str, float]:
        """A new token and when it ends."""
        seconds = {"access": tenant.token_seconds, "refresh": tenant.refresh_seconds, "legacy": 100 * 365 * 86400.0}
        token = ".".join(secrets.token_urlsafe(24) for _ in range(3))
        expires = self.clock() + seconds[kind]
        self.tokens[token] = Token(kind, tenant.name, expires)
        return token, expires

    def check(self, tenant: FolioTenant, headers: Mapping[str, str]) -> None:
        """FOLIO: mod-authtoken Token.validateCommon; unknown, expired or missing is 401, another tenant's is 403.

        FOLIO: in a consortium a user of the central tenant has a shadow user in each member, and one token for all.
        """
        token = carried_token(headers)
        if not token:
            raise text(401, "Token missing, access requires permission")
        found = self.tokens.get(token)
        if found is None or found.kind == "refresh":
            raise text(401, "Invalid token")
        if found.expires <= self.clock():
            raise text(401, "Access token has expired")
        if found.tenant not in (tenant.name, tenant.central):
            raise text(403, "Tenant mismatch: tenant in header does not equal tenant in token")

    def use_refresh_token(self, tenant: FolioTenant, headers: Mapping[str, str]) -> None:
        """FOLIO: mod-login LoginAPI folds every failure into 422; a refresh token works once."""
        found = self.tokens.pop(cookies(headers).get("folioRefreshToken", ""), None)
        if found is None or found.kind != "refresh" or found.tenant != tenant.name or found.expires <= self.clock():
            raise errors("token refresh failed")

    def forget(self, token: str) -> None:
        """End one token."""
        self.tokens.pop(token, None)

    def revoke(self, tenant: str | None = None) -> None:
        """Forget the tokens of a tenant, or of all."""
        self.tokens = {token: kept for token, kept in self.tokens.items() if tenant not in (None, kept.tenant)}


def carried_token(headers: Mapping[str, str]) -> str:
    """The token of a request: header, bearer or cookie.

    FOLIO: folio-kong's auth-headers-manager refuses a cookie and a header that differ with 404.
    """
    cookie = cookies(headers).get("folioAccessToken", "")
    bearer = headers.get("authorization", "")
    header = headers.get("x-okapi-token") or (bearer[7:] if bearer.lower().startswith("bearer ") else "")
    if cookie and header and cookie != header:
        name = "X-Okapi-Token" if headers.get("x-okapi-token") else "Authorization"
        raise text(404, f"{name} token is not equal to folioAccessToken token in cookies")
    return cookie or header


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """The cookies of a request by name."""
    jar: SimpleCookie = SimpleCookie(headers.get("cookie", ""))
    return {name: morsel.value for name, morsel in jar.items()}


def _expected(tenant: FolioTenant) -> bytes:
    return f"{tenant.username}\n{tenant.password}".encode()
