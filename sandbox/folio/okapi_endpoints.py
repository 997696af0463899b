"""Okapi's own endpoints, and what a consortium says about its tenants."""

from __future__ import annotations

from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.folio.gateway import Call, Endpoint
from sandbox.folio.reference import made_up_id
from sandbox.folio.refusals import text


async def version(_: Call) -> Response:
    """FOLIO: Okapi's own version."""
    return PlainTextResponse("6.2.3")


async def modules(call: Call) -> Response:
    """FOLIO: Okapi; which modules a tenant has, and with `provide` which provide an interface."""
    return _provide(call, call.request.query_params.get("provide"))


async def interface_modules(call: Call) -> Response:
    """FOLIO: Okapi; which modules of a tenant provide an interface, as mod-user-import asked before 3.10."""
    return _provide(call, call.request.path_params["interface"])


def _provide(call: Call, wanted: str | None) -> Response:
    found = [name for name, provides in call.store.modules.items() if wanted is None or wanted in provides]
    return JSONResponse([{"id": name} for name in found])


async def no_route(call: Call) -> Response:
    """FOLIO: Okapi, no module of the tenant has this path."""
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


async def user_tenants(call: Call) -> Response:
    """FOLIO: mod-users UserTenantsAPI; a tenant of a consortium has at least one record, another one none."""
    row = _user_tenant(call)
    wanted = {name: value for name, value in call.request.query_params.items() if name in row and value}
    rows = [row] if row and all(row[name] == value for name, value in wanted.items()) else []
    return JSONResponse({"userTenants": rows, "totalRecords": len(rows)})


def _user_tenant(call: Call) -> dict[str, str]:
    """FOLIO: mod-consortia's dummy record, by which mod-users knows that the tenant is in a consortium."""
    consortium = call.store.consortium
    if consortium is None:
        return {}
    return {
        "id": made_up_id("user-tenant", call.tenant.name),
        "userId": made_up_id("user-tenant-user", call.tenant.name),
        "username": "dummy_user",
        "tenantId": call.tenant.name,
        "centralTenantId": consortium.central,
        "consortiumId": made_up_id("consortium", consortium.central),
    }


OKAPI_ENDPOINTS = [
    Endpoint("GET", "/_/version", version),
    Endpoint("GET", "/_/proxy/tenants/{tenant}/modules", modules, "okapi.proxy.tenants.modules.list"),
    Endpoint(
        "GET",
        "/_/proxy/tenants/{tenant}/interfaces/{interface}",
        interface_modules,
        "okapi.proxy.tenants.interface.get",
    ),
    Endpoint("GET", "/consortia", consortia),
    Endpoint("GET", "/consortia/{consortium}/tenants", consortium_tenants),
    Endpoint("GET", "/user-tenants", user_tenants, "user-tenants.collection.get"),
]
