"""FOLIO's gateway and the endpoints behind it, as one ASGI application."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.folio import bodies, user_import, users
from sandbox.folio.faults import Fault, Faults, Seen
from sandbox.folio.logins import FolioTenant, Logins, carried_token
from sandbox.folio.reference import made_up_id
from sandbox.folio.refusals import Refusal, text
from sandbox.folio.store import Store, Table

LARGEST = 2**31 - 1
"""FOLIO: RMB's limit and offset are Java ints."""

NO_ANSWER = 599
"""What the journal says of a connection that was closed without an answer."""

WITHOUT_TOKEN = ("/authn/login", "/authn/login-with-expiry", "/authn/refresh")


class Folio:
    """All that the stand-in keeps: tenants and their stores, log-ins, faults, and the journal of requests."""

    def __init__(self, tenants: Iterable[FolioTenant | str], clock: Callable[[], float] = time.time) -> None:
        known = [FolioTenant(tenant) if isinstance(tenant, str) else tenant for tenant in tenants]
        self.tenants = {tenant.name: tenant for tenant in known}
        self.stores = {tenant.name: Store() for tenant in known}
        self.logins = Logins(clock)
        self.faults = Faults()
        self.journal: list[Seen] = []
        self.still_working: set[asyncio.Task[Response]] = set()

    def store(self, folio_tenant: str) -> Store:
        """What is kept for a tenant."""
        return self.stores[folio_tenant]

    @property
    def imports(self) -> list[Seen]:
        """The journal's user imports, in the order they came in."""
        return [seen for seen in self.journal if seen.path == "/user-import"]


class Call(NamedTuple):
    """A request that got past the gateway, and the tenant it is for."""

    folio: Folio
    request: Request
    tenant: FolioTenant
    store: Store
    seen: Seen

    @property
    def author(self) -> str:
        """The id of the user who is logged in."""
        return made_up_id("login", f"{self.tenant.name}/{self.tenant.username}")


Handler = Callable[[Call], Awaitable[Response]]


async def answer(folio: Folio, request: Request, handler: Handler) -> Response:
    """What the gateway does with every request: journal, faults, tenant, token, then the module."""
    seen = Seen(request.method, request.url.path, request.headers.get("x-okapi-tenant", ""), request.url.query)
    folio.journal.append(seen)
    started = time.monotonic()
    fault = folio.faults.strike(seen)
    response = await (_faulty(folio, request, handler, seen, fault) if fault else _true(folio, request, handler, seen))
    seen.status, seen.seconds = response.status_code, time.monotonic() - started
    return response


async def _faulty(folio: Folio, request: Request, handler: Handler, seen: Seen, fault: Fault) -> Response:
    if fault.work == "first":
        await _true(folio, request, handler, seen)
    elif fault.work == "goes on":
        await request.body()
        task = asyncio.create_task(_true(folio, request, handler, seen))
        folio.still_working.add(task)
        task.add_done_callback(folio.still_working.discard)
    if not fault.status:
        await _hang_up(request)
    return PlainTextResponse(fault.body, fault.status or NO_ANSWER, fault.headers)


async def _hang_up(request: Request) -> None:
    drop = request.scope.get("extensions", {}).get("hang_up")
    if drop:
        drop()
        await asyncio.sleep(0.01)  # lets the server notice, so that it writes no answer


async def _true(folio: Folio, request: Request, handler: Handler, seen: Seen) -> Response:
    try:
        seen.bytes = len(await request.body())
        _check_size(folio, seen)
        tenant = _check_tenant(folio, request)
        if request.url.path not in WITHOUT_TOKEN:
            folio.logins.check(tenant, request.headers)
        return await handler(Call(folio, request, tenant, folio.stores[tenant.name], seen))
    except Refusal as refused:
        return Response(refused.body, refused.status, media_type=refused.media_type)


def _check_size(folio: Folio, seen: Seen) -> None:
    """FOLIO: Kong (nginx client_max_body_size) refuses a body over the limit before any module sees it."""
    if folio.faults.most_bytes is not None and seen.bytes > folio.faults.most_bytes:
        raise text(413, "Request Entity Too Large")


def _check_tenant(folio: Folio, request: Request) -> FolioTenant:
    """FOLIO: Okapi; without a tenant, or with one it does not know, 400."""
    name = request.headers.get("x-okapi-tenant")
    if not name:
        raise text(400, "Missing Tenant")
    if name not in folio.tenants:
        raise text(400, f"No such Tenant {name}")
    return folio.tenants[name]


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
        given = bodies.read(bodies.Credentials, _content_type(call), await call.request.body())
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


async def import_users(call: Call) -> Response:
    """POST /user-import. FOLIO: mod-user-import UserImportAPI."""
    body = bodies.read(bodies.ImportBody, _content_type(call), await call.request.body())
    call.seen.external_system_ids = [user.externalSystemId for user in body.users]
    call.seen.flags = body.model_dump(exclude={"users", "included"}, exclude_unset=True)
    done = await user_import.run(call.store, body, call.author, call.folio.faults.import_seconds)
    call.seen.counts = {name: count for name, count in done.body.items() if name.endswith("Records")}
    return JSONResponse(done.body, done.status)


async def list_users(call: Call) -> Response:
    """FOLIO: mod-users UsersAPI.getUsers."""
    return _page(call, call.store.users, "users")


async def get_user(call: Call) -> Response:
    """FOLIO: mod-users UsersAPI.getUsersByUserId."""
    user = call.store.users.get(call.request.path_params["user_id"])
    if user is None:
        raise text(404, "Not found")
    return JSONResponse(user)


async def post_user(call: Call) -> Response:
    """FOLIO: mod-users UsersAPI.postUsers."""
    user = users.create(call.store, await _user(call), call.author)
    return JSONResponse(user, 201, {"location": f"/users/{user['id']}"})


async def put_user(call: Call) -> Response:
    """FOLIO: mod-users UsersAPI.putUsersByUserId."""
    users.change(call.store, call.request.path_params["user_id"], await _user(call), call.author)
    return Response(status_code=204)


async def delete_user(call: Call) -> Response:
    """FOLIO: mod-users UsersAPI.deleteUsersByUserId."""
    users.delete(call.store, call.request.path_params["user_id"])
    return Response(status_code=204)


async def _user(call: Call) -> dict[str, Any]:
    body = bodies.read(bodies.UserBody, _content_type(call), await call.request.body())
    return body.model_dump(exclude_none=True)


async def own_user(call: Call) -> Response:
    """FOLIO: mod-users-bl; the user who is logged in, who is not among the patrons kept here."""
    if call.request.path_params["username"] != call.tenant.username:
        raise text(404, "Not found")
    return JSONResponse({"user": {"id": call.author, "username": call.tenant.username, "active": True}})


async def version(_: Call) -> Response:
    """FOLIO: Okapi's own version."""
    return PlainTextResponse("6.2.3")


async def modules(call: Call) -> Response:
    """FOLIO: Okapi; which modules a tenant has, and with `provide` which provide an interface."""
    wanted = call.request.query_params.get("provide")
    found = [name for name, provides in call.store.modules.items() if wanted is None or wanted in provides]
    return JSONResponse([{"id": name} for name in found])


async def no_route(call: Call) -> Response:
    """FOLIO: Okapi, no module of the tenant has this path."""
    raise text(404, f"No suitable module found for path {call.request.url.path} for tenant {call.tenant.name}")


def listing(table: str, key: str) -> Handler:
    """A handler for a list of reference data; `key` is what FOLIO calls the list in the answer."""

    async def handler(call: Call) -> Response:
        return _page(call, getattr(call.store, table), key)

    return handler


def _page(call: Call, table: Table, key: str) -> Response:
    """FOLIO: RMB; limit 10 and offset 0 when not said, totalRecords counts all that the query finds."""
    query = call.request.query_params.get("query", "")
    page = table.search(query, _number(call, "limit", 10), _number(call, "offset", 0))
    return JSONResponse({key: page.rows, "totalRecords": page.total})


def _number(call: Call, name: str, default: int) -> int:
    """FOLIO: RMB refuses a limit or offset that is not a whole number from 0 up."""
    value = call.request.query_params.get(name, str(default))
    if not value.isdecimal() or int(value) > LARGEST:
        raise text(400, f"'{name}' parameter is incorrect. parameter value {{{value}}} is not valid")
    return int(value)


def _content_type(call: Call) -> str:
    return call.request.headers.get("content-type", "")


ENDPOINTS: list[tuple[str, str, Handler]] = [
    ("POST", "/authn/login", login),
    ("POST", "/authn/login-with-expiry", login_with_expiry),
    ("POST", "/authn/refresh", refresh),
    ("POST", "/authn/logout", logout),
    ("POST", "/user-import", import_users),
    ("GET", "/users", list_users),
    ("POST", "/users", post_user),
    ("GET", "/users/{user_id}", get_user),
    ("PUT", "/users/{user_id}", put_user),
    ("DELETE", "/users/{user_id}", delete_user),
    ("GET", "/bl-users/by-username/{username}", own_user),
    ("GET", "/groups", listing("groups", "usergroups")),
    ("GET", "/addresstypes", listing("address_types", "addressTypes")),
    ("GET", "/departments", listing("departments", "departments")),
    ("GET", "/custom-fields", listing("custom_fields", "customFields")),
    ("GET", "/service-points", listing("service_points", "servicepoints")),
    ("GET", "/request-preference-storage/request-preference", listing("preferences", "requestPreferences")),
    ("GET", "/_/version", version),
    ("GET", "/_/proxy/tenants/{tenant}/modules", modules),
]


def application(folio: Folio) -> Starlette:
    """The ASGI application over what is kept in `folio`."""

    def endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            return await answer(folio, request, handler)

        return respond

    async def journal(_: Request) -> Response:
        return JSONResponse([asdict(seen) for seen in folio.journal])

    async def faults(request: Request) -> Response:
        wanted = await request.json()
        folio.faults.set(wanted)
        for tenant in folio.tenants.values():
            tenant.token_seconds = wanted.get("token_seconds", tenant.token_seconds)
        return Response(status_code=204)

    async def revoke(request: Request) -> Response:
        folio.logins.revoke(request.query_params.get("folio_tenant"))
        return Response(status_code=204)

    own = [
        Route("/_sandbox/journal", journal, methods=["GET"]),
        Route("/_sandbox/faults", faults, methods=["POST"]),
        Route("/_sandbox/revoke", revoke, methods=["POST"]),
    ]
    routes = [Route(path, endpoint(handler), methods=[method]) for method, path, handler in ENDPOINTS]
    anything = Route("/{path:path}", endpoint(no_route), methods=["GET", "POST", "PUT", "DELETE"])
    app = Starlette(routes=[*own, *routes, anything])
    app.state.folio = folio
    return app
