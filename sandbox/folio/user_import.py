"""mod-user-import 3.11: one request's users created and updated, with the module's own oddities and texts."""

from __future__ import annotations

import asyncio
import uuid
from copy import deepcopy
from typing import Any, Literal, NamedTuple

from sandbox.folio import users
from sandbox.folio.bodies import ImportBody, Personal, UserBody
from sandbox.folio.included import FieldsUnknown, prepare_custom_fields, prepare_departments
from sandbox.folio.refusals import Refusal
from sandbox.folio.store import Row, Store

PARTITION = 10
"""FOLIO: mod-user-import UserImportAPI.startImport cuts the users into partitions of ten."""

PAGE = 10
"""FOLIO: UserImportAPI lists users in pages of ten before it deactivates any."""

LONGEST_CAUSE = 500
"""FOLIO: mod-user-import cuts the middle out of a longer cause."""

IMPORTED = "Users were imported successfully."
NOT_DEACTIVATED = "Users were not deactivated because of import failures."
DEACTIVATED = "Deactivated missing users."
FAILED = "Failed to import users."
SEARCH_FAILED = "Failed to process user search result."
SEARCH_LOST = " Error message: Failed to process user search response.: Connection was closed"
SCHEMA_MISMATCH = "Failed to map existing users. This could be caused by schema mismatch."
CREATE_FAILED = "Failed to create new user with externalSystemId: "
UPDATE_FAILED = "Failed to update user with externalSystemId: "
PREFERENCE_INVALID = "User Preference validation failed: "

CONTACT_TYPES = {"mail": "001", "email": "002", "text": "003", "phone": "004", "mobile": "005"}

_KNOWN = set(UserBody.model_fields)
_KNOWN_PERSONAL = set(Personal.model_fields)

_SINCE = {"preferredEmailCommunication": (3, 8, 1), "profilePictureLink": (3, 8, 1), "pronouns": (3, 10, 2)}
"""FOLIO: mod-user-import's NEWS.md; properties that an older one does not know of stored users."""


class Answer(NamedTuple):
    """Status and body of the response."""

    status: int
    body: dict[str, Any]


class Done(NamedTuple):
    """What became of one user."""

    status: Literal["created", "updated", "failed"]
    username: str
    external_system_id: str
    error: str = ""


class Names(NamedTuple):
    """The tenant's reference data as mod-user-import keeps it during a request: names to ids, case-sensitive."""

    groups: dict[str, str]
    address_types: dict[str, str]
    departments: dict[str, str]
    custom_fields: dict[str, Row]
    service_points: set[str]


class Request(NamedTuple):
    """One user import under way."""

    store: Store
    body: ImportBody
    users: list[Row]
    names: Names
    preferences: dict[str, Row]
    author: str


class Trouble(NamedTuple):
    """What goes wrong inside one import; see faults.Fault."""

    seconds: float = 0.0
    failed_setup: str = ""
    failed_searches: tuple[int, ...] = ()
    breaks_off: int | None = None


NO_TROUBLE = Trouble()


class BrokenOff(Exception):  # noqa: N818 - the end of the module's process, not an error of this program
    """The module died; what it has written stays, what it has not never comes."""


class RowRefused(Exception):  # noqa: N818 - the module's answer, not an error of this program
    """A user that mod-user-import fails before any call to mod-users."""


class PartitionFailed(Exception):  # noqa: N818 - the same
    """FOLIO: UserImportAPI.processUserBatch; all users of the request are reported as failed, not the ten."""


async def run(store: Store, body: ImportBody, author: str, trouble: Trouble = NO_TROUBLE) -> Answer:
    """Import the users; its seconds are spent between the partitions, so that the work can be interrupted half-way.

    Raises:
        BrokenOff: when the trouble says so.
    """
    if body.totalRecords == 0:
        return Answer(200, {"message": "No users to import.", "totalRecords": 0})
    try:
        request = prepare(store, body, author, trouble.failed_setup)
    except (Refusal, FieldsUnknown) as refused:
        return _all_failed([user.model_dump(exclude_none=True) for user in body.users], str(refused))
    return await (_run_and_deactivate(request, trouble) if body.deactivateMissingUsers else _run(request, trouble))


def prepare(store: Store, body: ImportBody, author: str, failure: str = "") -> Request:
    """FOLIO: UserImportAPI.prepareUserImportData; what `included` asks for is done before any user is looked at.

    All of it runs in parallel, so that departments may be made even when a `failure` then ends the request with 500.
    """
    check_one_module_has_custom_fields(store)
    if body.included:
        prepare_custom_fields(store, body.included.customFields or [])
        prepare_departments(store, body.included.departments or [])
    if failure:
        raise Refusal(500, failure)
    rows = [user.model_dump(exclude_none=True) for user in body.users]
    preferences = {row["username"]: row.pop("requestPreference") for row in rows if "requestPreference" in row}
    return Request(store, body, rows, names(store), preferences, author)


def check_one_module_has_custom_fields(store: Store) -> None:
    """FOLIO: CustomFieldsService; exactly one mod-users has to provide the interface custom-fields."""
    found = [name for name, provides in store.modules.items() if "custom-fields" in provides and "mod-users-" in name]
    if len(found) != 1:
        raise Refusal(500, "Failed to get module id for mod-users module providing interface custom-fields")


def names(store: Store) -> Names:
    """FOLIO: the lists mod-user-import fetches at the start of each request."""
    return Names(
        {row["group"]: row["id"] for row in store.groups},
        {row["addressType"]: row["id"] for row in store.address_types},
        {row["name"]: row["id"] for row in store.departments},
        {row["refId"]: row for row in store.custom_fields},
        {row["id"] for row in store.service_points},
    )


async def _run(request: Request, trouble: Trouble) -> Answer:
    """FOLIO: UserImportAPI.startImport; all partitions start at once, so all look-ups come before the first write."""
    partitions = _partitions(request.users)
    found = [_look_up(request, partition) for partition in partitions]
    results: list[list[Done]] = []
    for number, (partition, existing) in enumerate(zip(partitions, found, strict=True)):
        if number == trouble.breaks_off:
            raise BrokenOff
        await asyncio.sleep(trouble.seconds / len(partitions))
        if number in trouble.failed_searches:
            results.append(_everybody_failed(request, f"{SEARCH_FAILED}{SEARCH_LOST}"))
        else:
            results.append(_process_partition(request, partition, existing))
    return Answer(200, _summary(results, IMPORTED))


async def _run_and_deactivate(request: Request, trouble: Trouble) -> Answer:
    """FOLIO: UserImportAPI.startImportWithDeactivatingUsers; per request, so each chunk of a file hits all others."""
    try:
        existing = _list_all(request)
    except PartitionFailed:
        return _all_failed(request.users, SCHEMA_MISMATCH)
    results: list[list[Done]] = []
    partitions = _partitions(request.users)
    for partition in partitions:
        await asyncio.sleep(trouble.seconds / len(partitions))
        results.append([process_user(request, user, existing) for user in partition])
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
                users.change(request.store, user["id"], _sent(user | {"active": False}), request.author)
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
    return _mapped(deepcopy([user for rows in (first.rows, *pages) for user in rows]), _too_new(request.store))


def _look_up(request: Request, partition: list[Row]) -> dict[str, Row] | None:
    """FOLIO: one GET /users?query=externalSystemId==("a" or "b") a partition; None when the result cannot be mapped."""
    found = (request.store.users.find("externalSystemId", _prefixed(request, user)) for user in partition)
    try:
        return _mapped([user for user in found if user], _too_new(request.store))
    except PartitionFailed:
        return None


def _too_new(store: Store) -> set[str]:
    """What this mod-user-import does not know yet. What is sent is judged by 3.11's schema all the same."""
    (name,) = [name for name in store.modules if name.startswith("mod-user-import-")]
    version = tuple(int(part) for part in name.removeprefix("mod-user-import-").split("."))
    return {known for known, since in _SINCE.items() if version < since}


def _mapped(found: list[Row], too_new: set[str]) -> dict[str, Row]:
    """FOLIO: UserDataProcessingService.extractExistingUsers; keyed case-sensitively, unknown properties break it."""
    for user in found:
        personal = user.get("personal") or {}
        if set(user) - _KNOWN | set(user) & too_new or set(personal) - _KNOWN_PERSONAL | set(personal) & too_new:
            raise PartitionFailed
    return {user["externalSystemId"]: user for user in found}


def _process_partition(request: Request, partition: list[Row], existing: dict[str, Row] | None) -> list[Done]:
    if existing is None:
        return _everybody_failed(request, SEARCH_FAILED + SCHEMA_MISMATCH)
    try:
        return [process_user(request, user, existing) for user in partition]
    except PartitionFailed:
        return _everybody_failed(request, SEARCH_FAILED)


def process_user(request: Request, user: Row, existing: dict[str, Row]) -> Done:
    """FOLIO: UserImportAPI.processUser; the user is changed in place, so a failure names the prefixed id."""
    try:
        user["externalSystemId"] = _prefixed(request, user)
        resolve_names(user, request.names)
    except RowRefused as refused:
        return Done("failed", user["username"], user["externalSystemId"], str(refused))
    stored = existing.pop(user["externalSystemId"], None)
    if stored is None:
        return _with_preference(request, user, _create(request, user))
    if request.body.updateOnlyPresentFields:
        user = merged(user, stored)
    user["id"] = stored["id"]
    return _with_preference(request, user, _update(request, user))


def _prefixed(request: Request, user: Row) -> str:
    """FOLIO: UserDataProcessingService.updateUserData puts sourceType and an underscore before the externalSystemId."""
    source = request.body.sourceType
    return f"{source}_{user['externalSystemId']}" if source else str(user["externalSystemId"])


def resolve_names(user: Row, known: Names) -> None:
    """FOLIO: UserDataProcessingService.updateUserData; names become ids."""
    resolve_patron_group(user, known)
    resolve_personal(user, known)
    resolve_departments(user, known)
    resolve_custom_fields(user, known)


def resolve_patron_group(user: Row, known: Names) -> None:
    """FOLIO: PatronGroupMappingFailedException; absent is fine since 3.7.1."""
    if "patronGroup" in user:
        if user["patronGroup"] not in known.groups:
            raise RowRefused(f"Patron group does not exist in the system: [{user['patronGroup']}]")
        user["patronGroup"] = known.groups[user["patronGroup"]]


def resolve_personal(user: Row, known: Names) -> None:
    """FOLIO: UserDataProcessingService.setAddressTypes, setPreferredContactType; the unknown is dropped in silence."""
    if "personal" not in user:
        return
    personal = user["personal"]
    personal["addresses"] = [
        address | {"addressTypeId": known.address_types[address["addressTypeId"]]}
        for address in personal.get("addresses", [])
        if address.get("addressTypeId") in known.address_types
    ]
    contact = CONTACT_TYPES.get(personal.pop("preferredContactTypeId", "").lower())
    if contact:
        personal["preferredContactTypeId"] = contact


def resolve_departments(user: Row, known: Names) -> None:
    """FOLIO: DepartmentMappingFailedException; all missing names at once, sorted."""
    missing = sorted(set(user.get("departments", [])) - known.departments.keys())
    if missing:
        raise RowRefused(f"Departments do not exist in the system: [{', '.join(missing)}]")
    user["departments"] = [known.departments[name] for name in dict.fromkeys(user.get("departments", []))]


def resolve_custom_fields(user: Row, known: Names) -> None:
    """FOLIO: CustomFieldMappingFailedException; the text on options begins with a blank when it stands alone."""
    fields: Row = user.get("customFields", {})
    missing = sorted(fields.keys() - known.custom_fields.keys())
    unknown_options: dict[str, list[str]] = {}
    for ref_id in sorted(fields.keys() & known.custom_fields.keys()):
        fields[ref_id], unknown = _option_ids(known.custom_fields[ref_id], fields[ref_id])
        if unknown:
            unknown_options[ref_id] = unknown
    if missing or unknown_options:
        raise RowRefused(_custom_fields_refusal(missing, unknown_options))


def _custom_fields_refusal(missing: list[str], unknown_options: dict[str, list[str]]) -> str:
    message = f"Custom fields do not exist in the system: [{', '.join(missing)}]." if missing else ""
    if unknown_options:
        options = "; ".join(f"refId = {ref}, options: [{', '.join(gone)}]" for ref, gone in unknown_options.items())
        message += f" Custom field's options do not exist in the system: [{options}]."
    return message


def _option_ids(field: Row, value: Any) -> tuple[Any, list[str]]:
    """FOLIO: UserDataProcessingService.setOptionIds; names of options become their ids, unknown ones are told."""
    if "selectField" not in field or not isinstance(value, str | list):
        return value, []
    ids = {option["value"]: option["id"] for option in field["selectField"]["options"]["values"]}
    wanted = [value] if isinstance(value, str) else value
    found = [ids[name] for name in wanted if name in ids]
    unknown = sorted({name for name in wanted if name not in ids})
    return (found[0] if isinstance(value, str) and found else found), unknown


def merged(user: Row, stored: Row) -> Row:
    """FOLIO: UserDataProcessingService.updateExistingUserWithIncomingFields, what updateOnlyPresentFields really does.

    A shallow merge: `personal` and `customFields` that are sent replace the stored ones whole; departments and proxyFor
    default to empty and so are wiped; only addresses (by type) and a preferred first name are rescued.
    """
    if "personal" in user and "personal" not in stored and not _preferred_first_name(user):
        raise PartitionFailed  # FOLIO: a NullPointerException in the real module
    result = deepcopy(stored) | {"departments": [], "proxyFor": []} | deepcopy(user)
    if "personal" in user and "personal" in stored:
        result["personal"]["addresses"] = _merged_addresses(user, stored)
        if not _preferred_first_name(user):
            _copy(stored["personal"], result["personal"], "preferredFirstName")
    return result


def _merged_addresses(user: Row, stored: Row) -> list[Row]:
    by_type = {address.get("addressTypeId"): address for row in (stored, user) for address in users.addresses(row)}
    return list(by_type.values())


def _preferred_first_name(user: Row) -> str:
    return str(user["personal"].get("preferredFirstName") or "").strip()


def _copy(source: Row, target: Row, key: str) -> None:
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)


def _create(request: Request, user: Row) -> Done:
    """FOLIO: UserImportAPI.createNewUser; the permission user comes first and stays when the user fails; no cause."""
    user.setdefault("id", str(uuid.uuid4()))
    request.store.permission_users.put({"id": str(uuid.uuid4()), "userId": user["id"], "permissions": []})
    try:
        users.create(request.store, _sent(user), request.author)
    except Refusal:
        return _failed(user, CREATE_FAILED + user["externalSystemId"])
    return Done("created", user["username"], user["externalSystemId"])


def _update(request: Request, user: Row) -> Done:
    """FOLIO: UserImportAPI.updateUser; mod-users' answer follows the text, at most 500 characters of it."""
    try:
        users.change(request.store, user["id"], _sent(user), request.author)
    except Refusal as refused:
        cause = f"Response status code {refused.status} is not equal to 204 - {refused.body}"
        return _failed(user, f"{UPDATE_FAILED}{user['externalSystemId']}: {_cut(cause)}")
    return Done("updated", user["username"], user["externalSystemId"])


def _sent(user: Row) -> Row:
    """FOLIO: the record mod-user-import sends to mod-users; an empty preferredEmailCommunication is left out."""
    own = {"createdDate", "updatedDate", "metadata"}
    sent = {key: value for key, value in user.items() if key not in own}
    if not sent.get("preferredEmailCommunication"):
        sent.pop("preferredEmailCommunication", None)
    return deepcopy(sent)


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_CAUSE else f"{message[:248]}...{message[-249:]}"


def _with_preference(request: Request, user: Row, done: Done) -> Done:
    """FOLIO: UserImportAPI.processUser; posted after a failed create all the same, not after a failed update."""
    if done.status == "failed" and done.error.startswith(UPDATE_FAILED):
        return done
    try:
        _put_preference(request, user)
    except RowRefused as refused:
        return _failed(user, str(refused))
    return done


def _put_preference(request: Request, user: Row) -> None:
    """FOLIO: UserImportAPI.updateUserPreference; absent deletes the stored one, except with updateOnlyPresentFields."""
    stored = request.store.preferences.find("userId", user["id"])
    preference = request.preferences.get(user["username"])
    if preference is not None:
        validate_preference(preference, user, request.names)
        address_type = request.names.address_types.get(preference.get("defaultDeliveryAddressTypeId", ""))
        wanted = {key: value for key, value in preference.items() if key != "defaultDeliveryAddressTypeId"}
        wanted |= {"defaultDeliveryAddressTypeId": address_type} if address_type else {}
        wanted["id"] = stored["id"] if stored else str(uuid.uuid4())
        request.store.preferences.put(wanted | {"userId": user["id"]})
    elif stored and not request.body.updateOnlyPresentFields:
        request.store.preferences.delete(stored["id"])


def validate_preference(preference: Row, user: Row, known: Names) -> None:
    """FOLIO: mod-user-import UserRequestManagerValidator."""
    service_point = preference.get("defaultServicePointId")
    if service_point is not None and service_point not in known.service_points:
        raise _not_in("defaultServicePointId", "service point")
    if preference["delivery"]:
        _validate_delivery(preference, user, known)
    else:
        _must_be(preference, "fulfillment", present=False)
        _must_be(preference, "defaultDeliveryAddressTypeId", present=False)


def _validate_delivery(preference: Row, user: Row, known: Names) -> None:
    _must_be(preference, "fulfillment", present=True)
    _must_be(preference, "defaultDeliveryAddressTypeId", present=True)
    address_type = known.address_types.get(preference["defaultDeliveryAddressTypeId"])
    if address_type is None:
        raise _not_in("defaultDeliveryAddressTypeId", "addresses")
    if address_type not in {address.get("addressTypeId") for address in users.addresses(user)}:
        raise _not_in("defaultDeliveryAddressTypeId", "user addresses")


def _not_in(name: str, collection: str) -> RowRefused:
    return RowRefused(f"{PREFERENCE_INVALID}Provided {name} value does not exist in {collection} collection")


def _must_be(preference: Row, name: str, present: bool) -> None:
    if (preference.get(name) is not None) != present:
        raise RowRefused(f"{PREFERENCE_INVALID}{name} must {'not be null' if present else 'be not specified'}")


def _failed(user: Row, error: str) -> Done:
    return Done("failed", user["username"], user["externalSystemId"], error)


def _everybody_failed(request: Request, error: str) -> list[Done]:
    return [_failed(user, error) for user in request.users]


def _partitions(rows: list[Row]) -> list[list[Row]]:
    return [rows[at : at + PARTITION] for at in range(0, len(rows), PARTITION)] or [[]]


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


def _all_failed(rows: list[Row], error: str) -> Answer:
    """FOLIO: UserImportAPI.processErrorResponse; the set-up failed, 500 with everybody in failedUsers."""
    failed = [_failed_user(_failed(row, error)) for row in rows]
    counts = {"createdRecords": 0, "updatedRecords": 0, "failedRecords": len(rows), "totalRecords": len(rows)}
    return Answer(500, {"message": FAILED, "error": error, **counts, "failedUsers": failed})
