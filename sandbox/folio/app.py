"""FOLIO's gateway and the endpoints behind it, as one ASGI application."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.faults import Fault, Faults, Seen
from sandbox.folio import bodies, user_import, users
from sandbox.folio.connections import Connections
from sandbox.folio.import_request import BrokenOff, Trouble
from sandbox.folio.import_request import Request as ImportRequest
from sandbox.folio.logins import FolioTenant, Logins, carried_token
from sandbox.folio.reference import made_up_id
from sandbox.folio.refusals import Refusal, errors, text
from sandbox.folio.store import Consortium, Row, Store, Table
from sandbox.trouble import NO_ANSWER, Working, under

LARGEST = 2**31 - 1
"""FOLIO: RMB's limit and offset are Java ints."""

WITHOUT_TOKEN = ("/authn/login", "/authn/login-with-expiry", "/authn/refresh")


class Folio:
    """All that the stand-in keeps: tenants and their stores, log-ins, faults, and the journal of requests."""

    def __init__(self, tenants: Iterable[FolioTenant | str], clock: Callable[[], float] = time.time) -> None:
        known = [FolioTenant(tenant) if isinstance(tenant, str) else tenant for tenant in tenants]
        self.tenants = {tenant.name: tenant for tenant in known}
        self.stores = {tenant.name: Store() for tenant in known}
        self.consortia = _consortia(known, self.stores)
        self.logins = Logins(clock)
        self.faults = Faults()
        self.connections = Connections()
        self.journal: list[Seen] = []
        self.still_working: Working = set()

    def store(self, folio_tenant: str) -> Store:
        """What is kept for a tenant."""
        return self.stores[folio_tenant]

    @property
    def imports(self) -> list[Seen]:
        """The journal's user imports, in the order they came in."""
        return [seen for seen in self.journal if seen.path == "/user-import"]


def _consortia(tenants: Iterable[FolioTenant], stores: dict[str, Store]) -> dict[str, Consortium]:
    """The consortia by their central tenant; each store of a member, and the central one, knows its own."""
    found: dict[str, Consortium] = {}
    for tenant in tenants:
        if tenant.central:
            consortium = found.setdefault(tenant.central, Consortium(tenant.central))
            for name in (tenant.central, tenant.name):
                consortium.stores[name] = stores[name]
                stores[name].consortium = consortium
    return found


class Call(NamedTuple):
    """A request that got past the gateway, and the tenant it is for."""

    folio: Folio
    request: Request
    tenant: FolioTenant
    store: Store
    seen: Seen
    fault: Fault | None = None

    @property
    def author(self) -> str:
        """The id of the user who is logged in."""
        return made_up_id("login", f"{self.tenant.name}/{self.tenant.username}")


Handler = Callable[[Call], Awaitable[Response]]


class Endpoint(NamedTuple):
    """A method and path of a module, and the permission that the gateway asks for."""

    method: str
    path: str
    handler: Handler
    permission: str = ""


async def answer(folio: Folio, request: Request, handler: Endpoint) -> Response:
    """What the gateway does with every request: journal, faults, tenant, token, permission, then the module."""
    seen = Seen(request.method, request.url.path, request.headers.get("x-okapi-tenant", ""), request.url.query)
    folio.journal.append(seen)
    started = time.monotonic()
    fault = folio.faults.strike(seen)
    response = await under(fault, request, folio.still_working, lambda: _true(folio, request, handler, seen, fault))
    seen.status, seen.seconds = response.status_code, time.monotonic() - started
    return response


async def _true(folio: Folio, request: Request, endpoint: Endpoint, seen: Seen, fault: Fault | None = None) -> Response:
    try:
        seen.bytes = len(await request.body())
        _check_size(folio, seen)
        tenant = _check_tenant(folio, request)
        call = Call(folio, request, tenant, folio.stores[tenant.name], seen, fault)
        if request.url.path not in WITHOUT_TOKEN:
            folio.logins.check(tenant, request.headers)
            _check_permission(call, endpoint.permission)
        await asyncio.sleep(folio.faults.call_seconds + (fault.delay if fault else 0))
        return await endpoint.handler(call)
    except Refusal as refused:
        return Response(refused.body, refused.status, media_type=refused.media_type)
    except BrokenOff:
        return PlainTextResponse("", NO_ANSWER)


def _check_permission(call: Call, permission: str) -> None:
    """FOLIO: mod-authtoken; who lacks an endpoint's permission is told which. On Eureka capabilities stand for it."""
    if permission and permission in call.tenant.forbidden:
        user = f"'{call.tenant.username}' ({call.author})"
        raise text(403, f"Access for user {user} requires permission: {permission}")


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
    folio = call.folio
    request = ImportRequest(call.store, body, call.author, _trouble(call), folio.connections, folio.still_working)
    done = await user_import.run(request)
    call.seen.counts = {name: count for name, count in done.body.items() if name.endswith("Records")}
    return JSONResponse(done.body, done.status)


def _trouble(call: Call) -> Trouble:
    fault, faults = call.fault, call.folio.faults
    usual = Trouble(faults.import_seconds, faults.call_seconds, faults.late_seconds)
    if fault is None:
        return usual
    own = faults.import_seconds if fault.seconds is None else fault.seconds
    return usual._replace(
        seconds=own,
        failed_setup=fault.failed_setup,
        failed_searches=fault.failed_searches,
        breaks_off=fault.breaks_off,
    )


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
    model = bodies.LaterUserBody if call.store.has_contact_lists else bodies.UserBody
    body = bodies.read(model, _content_type(call), await call.request.body())
    return body.model_dump(exclude_none=True)


class Records(NamedTuple):
    """Records that are kept as they are sent: the table in the store, their name in a list, and what they are like."""

    table: str
    key: str
    body: type[bodies.Body]
    unique: tuple[str, ...]


def posting(records: Records) -> Handler:
    """A handler for POST. FOLIO: RMB's PgUtil.post; a unique value that is taken is 422."""

    async def handler(call: Call) -> Response:
        row = await _record(call, records)
        row["id"] = row.get("id") or str(uuid.uuid4())
        _check_unique(call, records, row)
        getattr(call.store, records.table).put(row)
        return JSONResponse(row, 201)

    return handler


def putting(records: Records) -> Handler:
    """A handler for PUT. FOLIO: RMB's PgUtil.put; 404 for an id that is not there."""

    async def handler(call: Call) -> Response:
        row = await _record(call, records) | {"id": call.request.path_params["record_id"]}
        _stored(call, records)
        _check_unique(call, records, row)
        getattr(call.store, records.table).put(row)
        return Response(status_code=204)

    return handler


def getting(records: Records) -> Handler:
    """A handler for GET by id."""

    async def handler(call: Call) -> Response:
        return JSONResponse(_stored(call, records))

    return handler


def deleting(records: Records) -> Handler:
    """A handler for DELETE."""

    async def handler(call: Call) -> Response:
        getattr(call.store, records.table).delete(_stored(call, records)["id"])
        return Response(status_code=204)

    return handler


async def _record(call: Call, records: Records) -> Row:
    body = bodies.read(records.body, _content_type(call), await call.request.body())
    return body.model_dump(exclude_none=True)


def _stored(call: Call, records: Records) -> Row:
    found: Row | None = getattr(call.store, records.table).get(call.request.path_params["record_id"])
    if found is None:
        raise text(404, "Not found")
    return found


def _check_unique(call: Call, records: Records, row: Row) -> None:
    for column in records.unique:
        if getattr(call.store, records.table).holder(column, row):
            value = str(row[column])
            words = (
                f"lower(f_unaccent(jsonb ->> '{column}'::text)) value already exists in table {records.table}: {value}"
            )
            raise errors(words, column, value)


async def list_custom_fields(call: Call) -> Response:
    """FOLIO: Okapi; custom-fields is an interface of several modules, so a request has to say which one it means."""
    _check_module(call)
    return _page(call, call.store.custom_fields, "customFields")


async def put_custom_field(call: Call) -> Response:
    """FOLIO: folio-custom-fields; the body is the whole field, its refId and type do not change."""
    _check_module(call)
    stored = _stored(call, CUSTOM_FIELDS)
    row = await _record(call, CUSTOM_FIELDS) | {name: stored[name] for name in ("id", "refId", "type")}
    call.store.custom_fields.put(row)
    return Response(status_code=204)


def _check_module(call: Call) -> None:
    module = call.request.headers.get("x-okapi-module-id", "")
    if "custom-fields" not in call.store.modules.get(module, ()):
        raise text(404, f"No suitable module found for path {call.request.url.path} for tenant {call.tenant.name}")


async def consortia(call: Call) -> Response:
    """FOLIO: mod-consortia; only the central tenant has it."""
    consortium = call.store.consortium
    if consortium is None or consortium.central != call.tenant.name:
        raise text(404, f"No suitable module found for path /consortia for tenant {call.tenant.name}")
    row = {"id": made_up_id("consortium", consortium.central), "name": f"Consortium of {consortium.central}"}
    return JSONResponse({"consortia": [row], "totalRecords": 1})


async def consortium_tenants(call: Call) -> Response:
    """FOLIO: mod-consortia; the tenants of a consortium, the central one too."""
    consortium = call.store.consortium
    if consortium is None or consortium.central != call.tenant.name:
        raise text(404, "Not found")
    rows = [{"id": name, "name": name, "isCentral": name == consortium.central} for name in consortium.stores]
    return JSONResponse({"tenants": rows, "totalRecords": len(rows)})


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


CUSTOM_FIELDS = Records("custom_fields", "customFields", bodies.CustomFieldBody, ())
DEPARTMENTS = Records("departments", "departments", bodies.DepartmentBody, ("name", "code"))
PREFERENCES = Records("preferences", "requestPreferences", bodies.StoredRequestPreference, ("userId",))
PERMISSION_USERS = Records("permission_users", "permissionUsers", bodies.PermissionUser, ("userId",))
SERVICE_POINTS_USERS = Records("service_points_users", "servicePointsUsers", bodies.ServicePointsUser, ("userId",))


def _endpoints_of(records: Records, path: str, permission: str) -> list[Endpoint]:
    """List, read, make, change and delete; `permission` is what the permissions' names begin with."""
    one = f"{path}/{{record_id}}"
    return [
        Endpoint("GET", path, listing(records.table, records.key), f"{permission}.collection.get"),
        Endpoint("POST", path, posting(records), f"{permission}.item.post"),
        Endpoint("GET", one, getting(records), f"{permission}.item.get"),
        Endpoint("PUT", one, putting(records), f"{permission}.item.put"),
        Endpoint("DELETE", one, deleting(records), f"{permission}.item.delete"),
    ]


ENDPOINTS: list[Endpoint] = [
    Endpoint("POST", "/authn/login", login),
    Endpoint("POST", "/authn/login-with-expiry", login_with_expiry),
    Endpoint("POST", "/authn/refresh", refresh),
    Endpoint("POST", "/authn/logout", logout),
    Endpoint("POST", "/user-import", import_users, "user-import.post"),
    Endpoint("GET", "/users", list_users, "users.collection.get"),
    Endpoint("POST", "/users", post_user, "users.item.post"),
    Endpoint("GET", "/users/{user_id}", get_user, "users.item.get"),
    Endpoint("PUT", "/users/{user_id}", put_user, "users.item.put"),
    Endpoint("DELETE", "/users/{user_id}", delete_user, "users.item.delete"),
    Endpoint("GET", "/bl-users/by-username/{username}", own_user),
    Endpoint("GET", "/groups", listing("groups", "usergroups"), "usergroups.collection.get"),
    Endpoint("GET", "/addresstypes", listing("address_types", "addressTypes"), "addresstypes.collection.get"),
    Endpoint(
        "GET", "/service-points", listing("service_points", "servicepoints"),
        "inventory-storage.service-points.collection.get",
    ),
    Endpoint("GET", "/custom-fields", list_custom_fields, "user-settings.custom-fields.collection.get"),
    Endpoint("GET", "/custom-fields/{record_id}", getting(CUSTOM_FIELDS), "user-settings.custom-fields.item.get"),
    Endpoint("PUT", "/custom-fields/{record_id}", put_custom_field, "user-settings.custom-fields.item.put"),
    *_endpoints_of(DEPARTMENTS, "/departments", "departments"),
    *_endpoints_of(
        PREFERENCES, "/request-preference-storage/request-preference", "circulation-storage.request-preferences"
    ),
    *_endpoints_of(PERMISSION_USERS, "/perms/users", "perms.users"),
    *_endpoints_of(SERVICE_POINTS_USERS, "/service-points-users", "inventory-storage.service-points-users"),
    Endpoint("GET", "/consortia", consortia),
    Endpoint("GET", "/consortia/{consortium}/tenants", consortium_tenants),
    Endpoint("GET", "/_/version", version),
    Endpoint("GET", "/_/proxy/tenants/{tenant}/modules", modules, "okapi.proxy.tenants.modules.list"),
]  # fmt: skip


def application(folio: Folio) -> Starlette:
    """The ASGI application over what is kept in `folio`."""

    def endpoint(of: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            return await answer(folio, request, of)

        return respond

    async def journal(_: Request) -> Response:
        return JSONResponse([asdict(seen) for seen in folio.journal])

    async def faults(request: Request) -> Response:
        wanted = await request.json()
        folio.faults.set(wanted)
        for tenant in folio.tenants.values():
            tenant.token_seconds = wanted.get("token_seconds", tenant.token_seconds)
        for store in folio.stores.values():
            store.parallel = wanted.get("parallel", store.parallel)
        return Response(status_code=204)

    async def revoke(request: Request) -> Response:
        folio.logins.revoke(request.query_params.get("folio_tenant"))
        return Response(status_code=204)

    own = [
        Route("/_sandbox/journal", journal, methods=["GET"]),
        Route("/_sandbox/faults", faults, methods=["POST"]),
        Route("/_sandbox/revoke", revoke, methods=["POST"]),
    ]
    routes = [Route(of.path, endpoint(of), methods=[of.method]) for of in ENDPOINTS]
    unknown = endpoint(Endpoint("", "", no_route))
    anything = Route("/{path:path}", unknown, methods=["GET", "POST", "PUT", "DELETE"])
    app = Starlette(routes=[*own, *routes, anything])
    app.state.folio = folio
    return app
