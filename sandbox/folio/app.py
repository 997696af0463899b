"""All of FOLIO's endpoints, as one ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.folio import bodies, users
from sandbox.folio.field_endpoints import FIELD_ENDPOINTS
from sandbox.folio.gateway import Endpoint, Folio, answer
from sandbox.folio.included import check_department_is_free
from sandbox.folio.login_endpoints import LOGIN_ENDPOINTS
from sandbox.folio.notes import check_note_type
from sandbox.folio.okapi_endpoints import OKAPI_ENDPOINTS, no_route
from sandbox.folio.records import Records, listing, record_endpoints
from sandbox.folio.user_endpoints import USER_ENDPOINTS

KEPT = [
    Records(
        "/groups", "groups", "usergroups", bodies.GroupBody, "usergroups", ("group",),
        check_unused=users.check_group_is_unused,
    ),
    Records(
        "/addresstypes", "address_types", "addressTypes", bodies.AddressTypeBody, "addresstypes", ("addressType",),
        check_unused=users.check_address_type_is_unused,
    ),
    Records(
        "/departments", "departments", "departments", bodies.DepartmentBody, "departments", ("name", "code"),
        check_department_is_free,
    ),
    Records(
        "/request-preference-storage/request-preference", "preferences", "requestPreferences",
        bodies.StoredRequestPreference, "circulation-storage.request-preferences", ("userId",),
    ),
    Records("/perms/users", "permission_users", "permissionUsers", bodies.PermissionUser, "perms.users", ("userId",)),
    Records(
        "/service-points-users", "service_points_users", "servicePointsUsers", bodies.ServicePointsUser,
        "inventory-storage.service-points-users", ("userId",),
    ),
    Records("/proxiesfor", "proxies", "proxiesFor", bodies.ProxyFor, "proxiesfor"),
    Records("/notes", "notes", "notes", bodies.Note, "notes", (), check_note_type),
    Records("/note-types", "note_types", "noteTypes", bodies.NoteType, "note.types", ("name",)),
    Records("/manualblocks", "manual_blocks", "manualblocks", bodies.ManualBlock, "manualblocks"),
    Records("/accounts", "accounts", "accounts", bodies.Account, "accounts"),
]  # fmt: skip

LISTED = [
    ("/service-points", "service_points", "servicepoints", "inventory-storage.service-points"),
    ("/circulation/loans", "loans", "loans", "circulation.loans"),
]
"""Path, table, name in the answer and permission of what can only be listed here."""

ENDPOINTS: list[Endpoint] = [
    *LOGIN_ENDPOINTS,
    *USER_ENDPOINTS,
    *FIELD_ENDPOINTS,
    *OKAPI_ENDPOINTS,
    *(endpoint for records in KEPT for endpoint in record_endpoints(records)),
    *(Endpoint("GET", path, listing(table, key), f"{name}.collection.get") for path, table, key, name in LISTED),
]


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
