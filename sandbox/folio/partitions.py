"""mod-user-import's partitions of ten, all at once over five connections."""

from __future__ import annotations

import asyncio

from sandbox.folio.bodies import Personal, UserBody
from sandbox.folio.import_request import Done, Partition, PartitionFailed, Request, UpdateRefused
from sandbox.folio.import_user import process_user
from sandbox.folio.store import Row, Store

FAILED = "Failed to import users."
SEARCH_FAILED = "Failed to process user search result."
SEARCH_LOST = " Error message: Failed to process user search response.: Connection was closed"
SCHEMA_MISMATCH = "Failed to map existing users. This could be caused by schema mismatch."

_KNOWN = set(UserBody.model_fields)
_KNOWN_PERSONAL = set(Personal.model_fields)

_SINCE = {"preferredEmailCommunication": (3, 8, 1), "profilePictureLink": (3, 8, 1), "pronouns": (3, 10, 2)}
"""FOLIO: mod-user-import's NEWS.md; properties of stored users that an older one does not know."""


async def import_partitions(request: Request) -> list[list[Done]]:
    """FOLIO: UserImportAPI.startImport; all partitions start at once, so look-ups come before the first write."""
    work = (_import_partition(request, number, rows) for number, rows in enumerate(request.partitions()))
    return await asyncio.gather(*work)


async def _import_partition(request: Request, number: int, rows: list[Row]) -> list[Done]:
    """
    FOLIO: UserImportAPI.processUserBatch; the first refused update, and it alone, fails the partition's answer.

    `recover` then reports every user of the request as failed, and does not wait for the rest of the partition.
    """
    await Partition(request).call()
    if number in request.trouble.failed_searches:
        return request.fail_everybody(f"{SEARCH_FAILED}{SEARCH_LOST}")
    existing = _look_up(request, rows)
    await asyncio.sleep(request.trouble.seconds * (number + 1) / len(request.partitions()))
    if existing is None:
        return request.fail_everybody(SEARCH_FAILED + SCHEMA_MISMATCH)
    try:
        return await process_all(request, rows, existing)
    except UpdateRefused as refused:
        return request.fail_everybody(f"{SEARCH_FAILED} Error message: {FAILED}: {refused}")
    except PartitionFailed as failed:
        return request.fail_everybody(f"{SEARCH_FAILED}{failed}")


async def process_all(request: Request, rows: list[Row], existing: dict[str, Row]) -> list[Done]:
    """Work on all users at once. FOLIO: UserImportAPI.processUserSearchResult, Future.all.

    Raises:
        UpdateRefused: at the first refused update; the work on the others goes on.
    """
    partition = Partition(request)
    work: list[asyncio.Task[Done]] = []
    try:
        for row in rows:
            task = asyncio.ensure_future(process_user(partition, row, existing))
            request.unfinished.add(task)
            task.add_done_callback(request.unfinished.discard)
            work.append(task)
        return await asyncio.gather(*work)
    finally:
        partition.is_answered = True


def _look_up(request: Request, rows: list[Row]) -> dict[str, Row] | None:
    """FOLIO: one GET /users?query=externalSystemId==("a" or "b") a partition; None when the result cannot be mapped."""
    found = (request.store.users.find("externalSystemId", request.prefixed(row)) for row in rows)
    try:
        return map_users([user for user in found if user], request.store)
    except PartitionFailed:
        return None


def map_users(found: list[Row], store: Store) -> dict[str, Row]:
    """Stored users by their externalSystemId as it is spelled there, so keyed case-sensitively.

    FOLIO: UserDataProcessingService.extractExistingUsers.

    Raises:
        PartitionFailed: a user has a property that this mod-user-import does not know.
    """
    too_new = _too_new(store)
    for user in found:
        personal = user.get("personal") or {}
        if set(user) - _KNOWN | set(user) & too_new or set(personal) - _KNOWN_PERSONAL | set(personal) & too_new:
            raise PartitionFailed
    return {user["externalSystemId"]: user for user in found}


def _too_new(store: Store) -> set[str]:
    """The properties that this mod-user-import does not know yet. Requests are checked by 3.11's schema."""
    version = store.version("mod-user-import")
    return {known for known, since in _SINCE.items() if version < since}
