"""Names in an import become the tenant's ids: patron group, address types, departments, custom fields."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from sandbox.folio.store import Row, Store
from sandbox.folio.users import NULL_ADDRESS

NULL_DEPARTMENT = 'Cannot invoke "java.lang.Comparable.compareTo(Object)" because "k1" is null'
"""FOLIO: TreeSet.add in UserDataProcessingService.setDepartments."""

CONTACT_TYPES = {"mail": "001", "email": "002", "text": "003", "phone": "004", "mobile": "005"}


class Names(NamedTuple):
    """The tenant's reference data as mod-user-import keeps it during a request: names to ids, case-sensitive."""

    groups: dict[str, str]
    address_types: dict[str, str]
    departments: dict[str, str]
    custom_fields: dict[str, Row]
    service_points: set[str]


class RowRefused(Exception):  # noqa: N818 - the module's answer, not an error of this program
    """A user that mod-user-import fails before any call to mod-users."""


def read_names(store: Store) -> Names:
    """FOLIO: the lists mod-user-import fetches at the start of each request."""
    return Names(
        {row["group"]: row["id"] for row in store.groups},
        {row["addressType"]: row["id"] for row in store.address_types},
        {row["name"]: row["id"] for row in store.departments},
        {row["refId"]: row for row in store.custom_fields},
        {row["id"] for row in store.service_points},
    )


def resolve_names(user: Row, known: Names) -> None:
    """Replace the names in a user by ids. FOLIO: UserDataProcessingService.updateUserData.

    Raises:
        RowRefused: for a name the tenant does not have; its text is the user's errorMessage.
    """
    _resolve_patron_group(user, known)
    _resolve_personal(user, known)
    _resolve_departments(user, known)
    _resolve_custom_fields(user, known)


def _resolve_patron_group(user: Row, known: Names) -> None:
    """FOLIO: PatronGroupMappingFailedException; absent is fine since 3.7.1."""
    if "patronGroup" in user:
        if user["patronGroup"] not in known.groups:
            raise RowRefused(f"Patron group does not exist in the system: [{user['patronGroup']}]")
        user["patronGroup"] = known.groups[user["patronGroup"]]


def _resolve_personal(user: Row, known: Names) -> None:
    """FOLIO: UserDataProcessingService.setAddressTypes, setPreferredContactType; the unknown is dropped silently."""
    if "personal" not in user:
        return
    personal = user["personal"]
    if None in (personal.get("addresses") or []):
        raise RowRefused(NULL_ADDRESS)
    personal["addresses"] = [
        address | {"addressTypeId": known.address_types[address["addressTypeId"]]}
        for address in personal.get("addresses") or []
        if address.get("addressTypeId") in known.address_types
    ]
    contact = CONTACT_TYPES.get(personal.pop("preferredContactTypeId", "").lower())
    if contact:
        personal["preferredContactTypeId"] = contact


def _resolve_departments(user: Row, known: Names) -> None:
    """FOLIO: DepartmentMappingFailedException; all missing names at once, sorted. The ids come in a HashSet's order."""
    names = user.get("departments") or []
    if None in names:
        raise RowRefused(NULL_DEPARTMENT)
    missing = sorted(set(names) - known.departments.keys())
    if missing:
        raise RowRefused(f"Departments do not exist in the system: [{', '.join(missing)}]")
    user["departments"] = hash_set_order([known.departments[name] for name in dict.fromkeys(names)])


def hash_set_order(texts: list[str]) -> list[str]:
    """Different texts in the order in which Java's HashSet gives them back."""
    buckets = 16
    while len(texts) > buckets * 3 // 4:
        buckets *= 2
    return sorted(texts, key=lambda text: _spread(_hash_code(text)) & (buckets - 1))


def _hash_code(text: str) -> int:
    """Java's String.hashCode, as 32 bits without a sign."""
    code = 0
    for unit in struct.unpack(f"<{len(text.encode('utf-16-le')) // 2}H", text.encode("utf-16-le")):
        code = (31 * code + unit) & 0xFFFFFFFF
    return code


def _spread(code: int) -> int:
    """Java's HashMap.hash."""
    return code ^ (code >> 16)


def _resolve_custom_fields(user: Row, known: Names) -> None:
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
    """The ids of the options a value names, and the names that are not options.

    FOLIO: UserDataProcessingService.setOptionIds.
    """
    if "selectField" not in field or not isinstance(value, str | list):
        return value, []
    ids = {option["value"]: option["id"] for option in field["selectField"]["options"]["values"]}
    wanted = [value] if isinstance(value, str) else value
    found = [ids[name] for name in wanted if name in ids]
    unknown = sorted({name for name in wanted if name not in ids})
    return (found[0] if isinstance(value, str) and found else found), unknown
