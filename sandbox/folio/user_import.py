"""mod-user-import 3.11: one request's users created and updated, with the module's own oddities and texts."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Any, NamedTuple

from sandbox.folio import users
from sandbox.folio.import_request import Done, PartitionFailed, Request, UpdateRefused
from sandbox.folio.import_user import sent_form
from sandbox.folio.included import prepare_custom_fields, prepare_departments
from sandbox.folio.name_resolution import read_names
from sandbox.folio.partitions import (
    FAILED,
    SCHEMA_MISMATCH,
    import_partitions,
    map_users,
    process_all,
)
from sandbox.folio.refusals import Refusal
from sandbox.folio.store import Row, Store

PAGE = 10
"""FOLIO: UserImportAPI lists users in pages of ten before it deactivates any."""

IMPORTED = "Users were imported successfully."
NOT_DEACTIVATED = "Users were not deactivated because of import failures."
DEACTIVATED = "Deactivated missing users."


class Answer(NamedTuple):
    """Status and body of the response."""

    status: int
    body: dict[str, Any]


async def run(request: Request) -> Answer:
    """Import the users of a request.

    Raises:
        BrokenOff: when the trouble says so.
    """
    if request.body.totalRecords == 0:
        return Answer(200, {"message": "No users to import.", "totalRecords": 0, "failedUsers": []})
    try:
        prepare(request)
    except Refusal as refused:
        return _fail_all(request, str(refused))
    if request.body.deactivateMissingUsers:
        return await _run_and_deactivate(request)
    return Answer(200, _summary(await import_partitions(request), IMPORTED))


def prepare(request: Request) -> None:
    """FOLIO: UserImportAPI.prepareUserImportData; `included` is processed before any user.

    Everything runs in parallel, so departments may be created even if a failed set-up then ends the request.

    Raises:
        Refusal: the request is answered with 500.
    """
    store, included = request.store, request.body.included
    check_one_module_has_custom_fields(store)
    if included:
        prepare_custom_fields(store, included.customFields or [])
        prepare_departments(store, included.departments or [])
    if request.trouble.failed_setup:
        raise Refusal(500, request.trouble.failed_setup)
    request.names = read_names(store)


def check_one_module_has_custom_fields(store: Store) -> None:
    """FOLIO: CustomFieldsService; exactly one mod-users has to provide the interface custom-fields."""
    found = [name for name, provides in store.modules.items() if "custom-fields" in provides and "mod-users-" in name]
    if len(found) != 1:
        raise Refusal(500, "Failed to get module id for mod-users module providing interface custom-fields")


async def _run_and_deactivate(request: Request) -> Answer:
    """FOLIO: UserImportAPI.startImportWithDeactivatingUsers; per request, so each chunk of a file hits all others."""
    try:
        existing = _list_all(request)
    except PartitionFailed:
        return _fail_all(request, SCHEMA_MISMATCH)
    try:
        results = await asyncio.gather(*(process_all(request, rows, existing) for rows in request.partitions()))
    except UpdateRefused as refused:
        return _fail_all(request, f"{FAILED} Error message: {FAILED}: {refused}")
    except PartitionFailed as failed:
        return _fail_all(request, f"{FAILED}{failed}")
    body = _summary(results, IMPORTED)
    if existing and body["failedRecords"]:
        body["message"] = f"{IMPORTED} {NOT_DEACTIVATED}"
    elif existing:
        deactivate(request, existing)
        body["message"] = DEACTIVATED
    return Answer(200, body)


def deactivate(request: Request, missing: dict[str, Row]) -> None:
    """FOLIO: UserImportAPI.deactivateUsers puts the records back as read; its errors are swallowed."""
    for user in missing.values():
        if user.get("active"):
            try:
                users.change(request.store, user["id"], sent_form(user | {"active": False}), request.author)
            except Refusal:
                continue


def _list_all(request: Request) -> dict[str, Row]:
    """FOLIO: UserImportAPI.listAllUsersWithExternalSystemId; the prefix is a full-text query, it finds more sources.

    Pages of ten without a sortBy, as many as totalRecords says: above a thousand, users are missed.
    """
    source = request.body.sourceType
    query = f"externalSystemId=^{source}_*" if source else "externalSystemId<>''"
    first = request.store.users.search(query, PAGE, 0)
    pages = [request.store.users.search(query, PAGE, offset).rows for offset in range(PAGE, first.total, PAGE)]
    return map_users(deepcopy([user for rows in (first.rows, *pages) for user in rows]), request.store)


def _summary(results: list[list[Done]], message: str) -> dict[str, Any]:
    """FOLIO: UserImportAPI.processFutureResponses; totalRecords is the sum of the three counts, whatever was sent."""
    done = [one for result in results for one in result]
    counts = {status: sum(one.status == status for one in done) for status in ("created", "updated", "failed")}
    return {
        "message": message,
        "createdRecords": counts["created"],
        "updatedRecords": counts["updated"],
        "failedRecords": counts["failed"],
        "failedUsers": [_failed_user(one) for one in done if one.status == "failed"],
        "totalRecords": len(done),
    }


def _failed_user(done: Done) -> dict[str, str]:
    return {"username": done.username, "externalSystemId": done.external_system_id, "errorMessage": done.error}


def _fail_all(request: Request, error: str) -> Answer:
    """FOLIO: UserImportAPI.processErrorResponse; 500 with everyone in failedUsers."""
    failed = [_failed_user(one) for one in request.fail_everybody(error)]
    counts = {"createdRecords": 0, "updatedRecords": 0, "failedRecords": len(failed), "totalRecords": len(failed)}
    return Answer(500, {"message": FAILED, "error": error, **counts, "failedUsers": failed})
