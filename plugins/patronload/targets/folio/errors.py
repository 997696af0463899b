"""Describe an error between us and FOLIO in a sentence, and decide whether a retry can help."""

from __future__ import annotations

from typing import NamedTuple

import httpx
from httpx import codes

from patronload import http_client
from patronload.errors import PatronloadError, TargetError, TransientError

BUSY = (codes.TOO_MANY_REQUESTS, codes.SERVICE_UNAVAILABLE)
"""Come again later."""

NOT_PASSED_ON = (
    codes.UNAUTHORIZED,
    codes.FORBIDDEN,
    codes.NOT_FOUND,
    codes.REQUEST_ENTITY_TOO_LARGE,
    codes.TOO_MANY_REQUESTS,
)
"""FOLIO: answers of a gateway (Okapi, Kong, nginx) that kept the request to itself."""

PERMISSIONS = {
    "POST /user-import": "user-import.post",
    "GET /users": "users.collection.get",
    "PUT /users": "users.item.put",
    "GET /groups": "usergroups.collection.get",
    "GET /addresstypes": "addresstypes.collection.get",
    "GET /departments": "departments.collection.get",
    "GET /custom-fields": "user-settings.custom-fields.collection.get",
    "GET /_/proxy/tenants/TENANT/modules": "okapi.proxy.tenants.modules.list",
    "GET /service-points": "inventory-storage.service-points.collection.get",
    "POST /departments": "departments.item.post",
    "PUT /custom-fields": "user-settings.custom-fields.item.put",
    "GET /request-preference-storage/request-preference": "circulation-storage.request-preferences.collection.get",
}


class Place(NamedTuple):
    """The FOLIO in a message."""

    url: httpx.URL
    connection: str
    folio_tenant: str
    chunk_bytes: int

    def __str__(self) -> str:
        return f"FOLIO at {self.url} (connection '{self.connection}')"


def refusal(place: Place, what: str, response: httpx.Response) -> PatronloadError:
    """The error for the status of an answer; `what` is a method and a path, like GET /users."""
    status = response.status_code
    if status in BUSY or response.is_server_error:
        return TransientError(f"{place} is busy or down ({what}, {status}).")
    if response.is_redirect:
        return TargetError(
            f"{place} redirects {what} to another address ({status}). Correct the host of the connection."
        )
    sentence = SENTENCES.get(status, "{place} refuses {what} ({status}). Ask FOLIO's administrator.")
    permission = PERMISSIONS.get(what.replace(f"/{place.folio_tenant}/", "/TENANT/"), "for it")
    size = len(response.request.content)
    return TargetError(
        sentence.format(place=place, what=what, status=status, permission=permission, size=size, at=place)
    )


SENTENCES: dict[int, str] = {
    codes.UNAUTHORIZED: (
        "{place} does not accept the token it has just issued ({what}, {status}). "
        "Does the user belong to the FOLIO tenant {place.folio_tenant}?"
    ),
    codes.FORBIDDEN: (
        "The FOLIO user of the connection '{place.connection}' may not {what} in the FOLIO tenant {place.folio_tenant} "
        "({status}). Give the user the permission {permission}."
    ),
    codes.NOT_FOUND: (
        "{place} has no {what} for the FOLIO tenant {place.folio_tenant} ({status}). "
        "Is the module enabled there, and is the host the address of FOLIO's gateway?"
    ),
    codes.REQUEST_ENTITY_TOO_LARGE: (
        "{place} refuses a request of {size:,} bytes as too large ({status}), though it is for a single patron: a "
        "target.chunk_bytes below {place.chunk_bytes:,} does not help. Ask the gateway's administrator to raise "
        "the limit, then clear this task."
    ),
}


def unreachable(place: Place, error: httpx.RequestError) -> PatronloadError:
    """The error for a harmless request without an answer."""
    return http_client.unreachable(str(place), error)


def lost_answer(place: Place, why: str) -> TransientError:
    """A chunk was posted and not answered."""
    return TransientError(
        f"The answer of {place} to a chunk was lost: {why}. FOLIO may still be working on it. Patronload looks "
        f"up what FOLIO has, and sends only what is missing."
    )


def not_folio(place: Place, what: str) -> TargetError:
    """The error for an answer that is not from FOLIO."""
    return TargetError(f"{place} answers {what} in a way FOLIO never does. Is the host the address of its gateway?")
