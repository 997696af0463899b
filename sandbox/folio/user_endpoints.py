"""The endpoints of /users and /user-import."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.folio import bodies, user_import, users
from sandbox.folio.gateway import Call, Endpoint
from sandbox.folio.import_request import Request as ImportRequest
from sandbox.folio.import_request import Trouble
from sandbox.folio.records import answer_page
from sandbox.folio.refusals import text


async def import_users(call: Call) -> Response:
    """POST /user-import. FOLIO: mod-user-import UserImportAPI."""
    body = await call.body(bodies.ImportBody)
    call.seen.external_system_ids = [user.externalSystemId for user in body.users]
    call.seen.flags = body.model_dump(exclude={"users", "included"}, exclude_unset=True)
    folio = call.folio
    request = ImportRequest(call.store, body, call.author, _trouble(call), folio.connections, folio.still_working)
    answer = await user_import.run(request)
    call.seen.counts = {name: count for name, count in answer.body.items() if name.endswith("Records")}
    return JSONResponse(answer.body, answer.status)


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
    return answer_page(call, call.store.users, "users")


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


async def delete_users(call: Call) -> Response:
    """FOLIO: mod-users UsersAPI.deleteUsers."""
    users.delete_found(call.store, call.request.query_params.get("query", ""))
    return Response(status_code=204)


async def expire_users(call: Call) -> Response:
    """FOLIO: mod-users UsersAPI.postUsersExpireTimer, which Okapi calls every minute."""
    users.expire(call.store, call.author)
    return Response(status_code=204)


async def _user(call: Call) -> dict[str, Any]:
    model = bodies.LaterUserBody if call.store.has_contact_lists else bodies.UserBody
    body = await call.body(model)
    return body.model_dump(exclude_none=True)


USER_ENDPOINTS = [
    Endpoint("POST", "/user-import", import_users, "user-import.post"),
    Endpoint("GET", "/users", list_users, "users.collection.get"),
    Endpoint("POST", "/users", post_user, "users.item.post"),
    Endpoint("DELETE", "/users", delete_users, "users.collection.delete"),
    Endpoint("POST", "/users/expire/timer", expire_users),
    Endpoint("GET", "/users/{user_id}", get_user, "users.item.get"),
    Endpoint("PUT", "/users/{user_id}", put_user, "users.item.put"),
    Endpoint("DELETE", "/users/{user_id}", delete_user, "users.item.delete"),
]
