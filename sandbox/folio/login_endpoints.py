"""mod-login's endpoints, and the account that is logged in."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.responses import JSONResponse, Response

from sandbox.folio import bodies
from sandbox.folio.gateway import Call, Endpoint
from sandbox.folio.logins import FolioTenant, Logins, carried_token
from sandbox.folio.refusals import Refusal, text


async def login(call: Call) -> Response:
    """FOLIO: mod-login LoginAPI.postAuthnLogin; a tenant outside legacy.token.tenants gets 404."""
    if not call.tenant.legacy_login:
        raise text(404, "Not found")
    await _credentials(call)
    token, _ = call.folio.logins.issue(call.tenant, "legacy")
    return JSONResponse({"okapiToken": token}, 201, {"x-okapi-token": token})


async def login_with_expiry(call: Call) -> Response:
    """FOLIO: mod-login LoginAPI.postAuthnLoginWithExpiry."""
    if not call.tenant.expiring_login:
        raise text(404, "Not found")
    await _credentials(call)
    return _new_tokens(call.folio.logins, call.tenant)


async def refresh(call: Call) -> Response:
    """FOLIO: mod-login LoginAPI.postAuthnRefresh; both cookies, each refresh token once."""
    call.folio.logins.use_refresh_token(call.tenant, call.request.headers)
    return _new_tokens(call.folio.logins, call.tenant)


async def logout(call: Call) -> Response:
    """FOLIO: mod-login LoginAPI.postAuthnLogout."""
    call.folio.logins.forget(carried_token(call.request.headers))
    return Response(status_code=204)


async def _credentials(call: Call) -> None:
    try:
        given = await call.body(bodies.Credentials)
    except Refusal:
        raise text(400, "You must provide a username and a password") from None
    call.folio.logins.check_password(call.tenant, given.username, given.password)


def _new_tokens(logins: Logins, tenant: FolioTenant) -> Response:
    """FOLIO: mod-login LoginAPI; the cookies are Secure, so a cookie jar does not send them back over http."""
    access, access_ends = logins.issue(tenant, "access")
    refresh_token, refresh_ends = logins.issue(tenant, "refresh")
    body = {"accessTokenExpiration": _moment(access_ends), "refreshTokenExpiration": _moment(refresh_ends)}
    response = JSONResponse(body, 201)
    now = logins.clock()
    for name, value, path, ends in (
        ("folioAccessToken", access, "/", access_ends),
        ("folioRefreshToken", refresh_token, "/authn", refresh_ends),
    ):
        response.set_cookie(
            name, value, max_age=int(ends - now), path=path, secure=True, httponly=True, samesite="none"
        )
    return response


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


async def own_user(call: Call) -> Response:
    """FOLIO: mod-users-bl; the user who is logged in, who is not among the patrons kept here."""
    if call.request.path_params["username"] != call.tenant.username:
        raise text(404, "Not found")
    return JSONResponse({"user": {"id": call.author, "username": call.tenant.username, "active": True}})


LOGIN_ENDPOINTS = [
    Endpoint("POST", "/authn/login", login),
    Endpoint("POST", "/authn/login-with-expiry", login_with_expiry),
    Endpoint("POST", "/authn/refresh", refresh),
    Endpoint("POST", "/authn/logout", logout),
    Endpoint("GET", "/bl-users/by-username/{username}", own_user),
]
