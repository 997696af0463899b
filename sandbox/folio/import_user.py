"""Import one user as mod-user-import does: create or update, then the request preference."""

from __future__ import annotations

import uuid
from collections.abc import Coroutine
from copy import deepcopy
from typing import Any

from sandbox.folio import users
from sandbox.folio.import_request import Done, Partition, PartitionFailed, UpdateRefused, failed
from sandbox.folio.name_resolution import RowRefused, resolve_names
from sandbox.folio.refusals import Refusal
from sandbox.folio.request_preferences import check_preference
from sandbox.folio.store import Row

LONGEST_CAUSE = 500
"""FOLIO: mod-user-import cuts the middle out of a longer cause."""

NO_STORED_PERSONAL = (
    'Cannot invoke "org.folio.rest.jaxrs.model.Personal.getPreferredFirstName()"'
    ' because the return value of "org.folio.rest.jaxrs.model.User.getPersonal()" is null'
)
CREATE_FAILED = "Failed to create new user with externalSystemId: "
UPDATE_FAILED = "Failed to update user with externalSystemId: "


def process_user(partition: Partition, user: Row, existing: dict[str, Row]) -> Coroutine[Any, Any, Done]:
    """
    The work on a user, to be awaited; names are resolved and the stored user is taken out of `existing` at once.

    FOLIO: UserImportAPI.processUser; the user is changed in place, so a failure names the prefixed id.

    Raises:
        PartitionFailed: updateOnlyPresentFields meets a stored user without `personal`.
        UpdateRefused: from the work, when mod-users refuses the PUT.
    """
    request = partition.request
    user["externalSystemId"] = request.prefixed(user)
    try:
        resolve_names(user, request.names)
    except RowRefused as refused:
        return _answer(failed(user, str(refused)))
    stored = existing.pop(user["externalSystemId"], None)
    if stored is None:
        user.setdefault("id", str(uuid.uuid4()))
        return _create(partition, user)
    if request.body.updateOnlyPresentFields:
        user = merge_users(user, stored)
    user["id"] = stored["id"]
    return _update(partition, user)


async def _answer(done: Done) -> Done:
    return done


async def _create(partition: Partition, user: Row) -> Done:
    """FOLIO: UserImportAPI.createNewUser; the permission user is created first and stays if the user fails."""
    request = partition.request
    await partition.call()
    request.store.permission_users.put({"id": str(uuid.uuid4()), "userId": user["id"], "permissions": []})
    await partition.call()
    done = Done("created", user["username"], user["externalSystemId"])
    try:
        users.create(request.store, sent_form(user), request.author)
        request.written += 1
    except Refusal:
        done = failed(user, CREATE_FAILED + user["externalSystemId"])
    return await _with_preference(partition, user, done, _create_preference)


async def _update(partition: Partition, user: Row) -> Done:
    """FOLIO: UserImportAPI.updateUser; mod-users' answer follows the text, at most 500 characters of it."""
    request = partition.request
    await partition.call()
    try:
        users.change(request.store, user["id"], sent_form(user), request.author)
        request.written += 1
    except Refusal as refused:
        cause = f"Response status code {refused.status} is not equal to 204 - {refused.body}"
        raise UpdateRefused(f"{UPDATE_FAILED}{user['externalSystemId']}: {_cut(cause)}") from None
    done = Done("updated", user["username"], user["externalSystemId"])
    return await _with_preference(partition, user, done, _update_preference)


async def _with_preference(partition: Partition, user: Row, done: Done, write: Any) -> Done:
    """FOLIO: UserImportAPI.processUser; the preference is posted even after a failed create."""
    try:
        await write(partition, user)
    except RowRefused as refused:
        return failed(user, str(refused))
    return done


async def _create_preference(partition: Partition, user: Row) -> None:
    """FOLIO: UserImportAPI.createUserPreference."""
    preference = partition.request.preferences.get(user["username"])
    if preference is not None:
        await _put_preference(partition, user, preference, str(uuid.uuid4()))


async def _update_preference(partition: Partition, user: Row) -> None:
    """FOLIO: UserImportAPI.updateUserPreference; absent deletes the stored one, except with updateOnlyPresentFields."""
    request = partition.request
    await partition.call()
    stored = request.store.preferences.find("userId", user["id"])
    preference = request.preferences.get(user["username"])
    if stored is None:
        await _create_preference(partition, user)
    elif preference is not None:
        await _put_preference(partition, user, preference, stored["id"])
    elif not request.body.updateOnlyPresentFields:
        await partition.call()
        request.store.preferences.delete(stored["id"])


async def _put_preference(partition: Partition, user: Row, preference: Row, preference_id: str) -> None:
    request = partition.request
    check_preference(preference, user, request.names)
    await partition.call()
    address_type = request.names.address_types.get(preference.get("defaultDeliveryAddressTypeId", ""))
    wanted = {key: value for key, value in preference.items() if key != "defaultDeliveryAddressTypeId"}
    wanted |= {"defaultDeliveryAddressTypeId": address_type} if address_type else {}
    request.store.preferences.put(wanted | {"id": preference_id, "userId": user["id"]})


def sent_form(user: Row) -> Row:
    """FOLIO: the record mod-user-import sends to mod-users; an empty preferredEmailCommunication is left out."""
    own = {"createdDate", "updatedDate", "metadata"}
    sent = {key: value for key, value in user.items() if key not in own}
    if not sent.get("preferredEmailCommunication"):
        sent.pop("preferredEmailCommunication", None)
    return deepcopy(sent)


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_CAUSE else f"{message[:248]}...{message[-249:]}"


def merge_users(user: Row, stored: Row) -> Row:
    """Merge users as updateOnlyPresentFields really does.

    FOLIO: UserDataProcessingService.updateExistingUserWithIncomingFields, a shallow merge: `personal` and
    `customFields` that are sent replace the stored ones whole; departments and proxyFor default to empty and so are
    wiped; only addresses (by type) and a preferred first name are rescued.
    """
    if "personal" in user and "personal" not in stored and not _preferred_first_name(user):
        raise PartitionFailed(f" Error message: {NO_STORED_PERSONAL}")
    result = deepcopy(stored) | {"departments": [], "proxyFor": []} | deepcopy(user)
    if "personal" in user and "personal" in stored:
        result["personal"]["addresses"] = _merge_addresses(user, stored)
        if not _preferred_first_name(user):
            _copy(stored["personal"], result["personal"], "preferredFirstName")
    return result


def _merge_addresses(user: Row, stored: Row) -> list[Row]:
    by_type = {address.get("addressTypeId"): address for row in (stored, user) for address in users.addresses(row)}
    return list(by_type.values())


def _preferred_first_name(user: Row) -> str:
    return str(user["personal"].get("preferredFirstName") or "").strip()


def _copy(source: Row, target: Row, key: str) -> None:
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)
