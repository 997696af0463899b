"""FOLIO's gateway: what the stand-in stores, and what happens to a request before it reaches a module."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sandbox.faults import Fault, Faults, Seen
from sandbox.folio.connections import Connections
from sandbox.folio.import_request import BrokenOff
from sandbox.folio.jackson import Read, read
from sandbox.folio.logins import FolioTenant, Logins
from sandbox.folio.reference import made_up_id
from sandbox.folio.refusals import Refusal, text
from sandbox.folio.store import Consortium, Store
from sandbox.trouble import NO_ANSWER, Working, under

WITHOUT_TOKEN = ("/authn/login", "/authn/login-with-expiry", "/authn/refresh")


class Folio:
    """The state of the stand-in: tenants and their data, log-ins, faults, and the journal of requests."""

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
        """The data of a tenant."""
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

    async def body(self, model: type[Read]) -> Read:
        """The request's body.

        Raises:
            Refusal: see jackson.read.
        """
        return read(model, self.request.headers.get("content-type", ""), await self.request.body())


Handler = Callable[[Call], Awaitable[Response]]


class Endpoint(NamedTuple):
    """A method and path of a module, and the permission that the gateway asks for."""

    method: str
    path: str
    handler: Handler
    permission: str = ""


async def answer(folio: Folio, request: Request, handler: Endpoint) -> Response:
    """Handle a request as the gateway does: journal, faults, tenant, token, permission, then the module."""
    seen = Seen(request.method, request.url.path, request.headers.get("x-okapi-tenant", ""), request.url.query)
    folio.journal.append(seen)
    started = time.monotonic()
    fault = folio.faults.strike(seen)
    response = await under(fault, request, folio.still_working, lambda: _handle(folio, request, handler, seen, fault))
    seen.status, seen.seconds = response.status_code, time.monotonic() - started
    return response


async def _handle(
    folio: Folio, request: Request, endpoint: Endpoint, seen: Seen, fault: Fault | None = None
) -> Response:
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
    """FOLIO: mod-authtoken; a missing permission is named in the answer. On Eureka capabilities replace permissions."""
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
