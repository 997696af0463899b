"""The endpoints of /custom-fields. FOLIO: folio-custom-fields in mod-users."""

from __future__ import annotations

import uuid

from starlette.responses import JSONResponse, Response

from sandbox.folio import field_definitions
from sandbox.folio.bodies import CustomFieldBody
from sandbox.folio.gateway import Call, Endpoint
from sandbox.folio.records import answer_page, find_stored
from sandbox.folio.refusals import text
from sandbox.folio.store import Row

PERMISSION = "user-settings.custom-fields"


async def list_custom_fields(call: Call) -> Response:
    """FOLIO: CustomFieldsImpl.getCustomFields."""
    _check_module(call)
    return answer_page(call, call.store.custom_fields, "customFields")


async def get_custom_field(call: Call) -> Response:
    """FOLIO: CustomFieldsImpl.getCustomFieldsById."""
    _check_module(call)
    return JSONResponse(find_stored(call, call.store.custom_fields))


async def post_custom_field(call: Call) -> Response:
    """FOLIO: CustomFieldsImpl.postCustomFields; the refId is made from the name, a given one is ignored."""
    row = await _definition(call)
    _check_account(call)
    row = field_definitions.complete(call.store, {"id": str(uuid.uuid4())} | row)
    call.store.custom_fields.put(row)
    return JSONResponse(row, 201)


async def put_custom_field(call: Call) -> Response:
    """FOLIO: CustomFieldsImpl.putCustomFieldsById; the body is the whole field, its refId and order stay."""
    row = await _definition(call)
    stored = find_stored(call, call.store.custom_fields)
    row |= {name: stored[name] for name in ("id", "refId", "order") if name in stored}
    row = field_definitions.with_defaults(row)
    field_definitions.check_unchanged(row, stored)
    _check_account(call)
    call.store.custom_fields.put(row)
    return Response(status_code=204)


async def delete_custom_field(call: Call) -> Response:
    """FOLIO: CustomFieldsImpl.deleteCustomFieldsById; the users lose their values."""
    _check_module(call)
    stored = find_stored(call, call.store.custom_fields)
    call.store.custom_fields.delete(stored["id"])
    for user in call.store.users:
        user.get("customFields", {}).pop(stored["refId"], None)
    return Response(status_code=204)


async def _definition(call: Call) -> Row:
    _check_module(call)
    row = (await call.body(CustomFieldBody)).model_dump(exclude_none=True)
    field_definitions.check_definition(row)
    return row


def _check_account(call: Call) -> None:
    """FOLIO: folio-custom-fields UserService; who writes a field has to be found in /users."""
    if not (call.tenant.account_is_a_user or call.author in call.store.users):
        raise text(404, "User not found")


def _check_module(call: Call) -> None:
    """FOLIO: Okapi; custom-fields is an interface of several modules, so a request has to name the one it means."""
    module = call.request.headers.get("x-okapi-module-id", "")
    if "custom-fields" not in call.store.modules.get(module, ()):
        raise text(404, f"No suitable module found for path {call.request.url.path} for tenant {call.tenant.name}")


FIELD_ENDPOINTS = [
    Endpoint("GET", "/custom-fields", list_custom_fields, f"{PERMISSION}.collection.get"),
    Endpoint("POST", "/custom-fields", post_custom_field, f"{PERMISSION}.collection.post"),
    Endpoint("GET", "/custom-fields/{record_id}", get_custom_field, f"{PERMISSION}.item.get"),
    Endpoint("PUT", "/custom-fields/{record_id}", put_custom_field, f"{PERMISSION}.item.put"),
    Endpoint("DELETE", "/custom-fields/{record_id}", delete_custom_field, f"{PERMISSION}.item.delete"),
]
