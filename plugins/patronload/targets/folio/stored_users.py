"""
Write a stored FOLIO user as the user import takes it, so that an update can send all of it back.

FOLIO: an import replaces the whole user; what is not sent is gone (mod-user-import UserImportAPI). mod-users keeps ids
where the import takes names, and has properties that the import does not know.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from patronload.targets.delivery import Record
from patronload.targets.folio.reference_data import CONTACT_NAMES, Reference

PLAIN = ("username", "barcode", "type", "enrollmentDate", "expirationDate")
PERSONAL = (
    "lastName",
    "firstName",
    "middleName",
    "preferredFirstName",
    "pronouns",
    "email",
    "phone",
    "mobilePhone",
    "dateOfBirth",
    "profilePictureLink",
)
ADDRESS = ("addressLine1", "addressLine2", "city", "region", "postalCode", "countryId", "primaryAddress")
PREFERENCE = ("holdShelf", "delivery", "defaultServicePointId", "fulfillment")

LISTS = ("departments", "proxyFor", "preferredEmailCommunication")

KNOWN = frozenset(
    (
        *PLAIN,
        *LISTS,
        *("id", "externalSystemId", "active", "patronGroup", "meta", "personal", "createdDate", "updatedDate"),
        *("metadata", "tags", "customFields"),
    )
)
"""FOLIO: the properties of mod-user-import 3.11's User (userdataimport.json)."""

KNOWN_PERSONAL = frozenset((*PERSONAL, "addresses", "preferredContactTypeId"))
KNOWN_ADDRESS = frozenset((*ADDRESS, "id", "addressTypeId"))


def unknown_properties(user: Record) -> list[str]:
    """
    Properties of a stored user that mod-user-import cannot read; one such user makes its whole partition of ten fail.

    FOLIO: UserDataProcessingService.extractExistingUsers maps users onto a class that takes no other properties.
    """
    personal: Record = user.get("personal") or {}
    addresses: list[Record] = personal.get("addresses") or []
    return [
        *_beyond(user, KNOWN, ""),
        *_beyond(personal, KNOWN_PERSONAL, "personal."),
        *(name for address in addresses for name in _beyond(address, KNOWN_ADDRESS, "personal.addresses.")),
    ]


def as_import(user: Record, prefix: str, reference: Reference, preference: Record | None) -> Record:
    """
    A stored user, with the request preference that FOLIO keeps apart, as one user of the import.

    Left out is what the server sets itself, what is empty, and what points to something that is gone: an address type,
    a department, a custom field, an option.
    """
    record: Record = {"externalSystemId": (user.get("externalSystemId") or "").removeprefix(prefix)}
    record |= _pick(user, PLAIN)
    record["active"] = bool(user.get("active"))
    record |= _pick(user, ("meta", "tags"))
    record |= {
        "patronGroup": reference.group_names.get(user.get("patronGroup") or ""),
        "departments": [*_known_names(user.get("departments"), reference.department_names)],
        "proxyFor": user.get("proxyFor"),
        "preferredEmailCommunication": user.get("preferredEmailCommunication"),
        "customFields": _custom_fields(user.get("customFields") or {}, reference),
        "requestPreference": _preference(preference, reference) if preference else None,
    }
    if user.get("personal"):
        record["personal"] = _personal(user["personal"], reference)
    return {name: value for name, value in record.items() if value not in (None, [], {})}


def gone_values(user: Record, preference: Record | None, reference: Reference) -> set[str]:
    """The paths (see three_way) at which a stored user points to something that FOLIO no longer has."""
    found = set()
    if user.get("patronGroup") and user["patronGroup"] not in reference.group_names:
        found.add("patronGroup")
    if any(one not in reference.department_names for one in user.get("departments") or ()):
        found.add("departments")
    for key, value in (user.get("customFields") or {}).items():
        names = reference.option_names.get(key)
        chosen = value if isinstance(value, list) else [value]
        if names is not None and any(isinstance(one, str) and one not in names for one in chosen):
            found.add(f"customFields.{key}")
    if preference and _points_to_nothing(preference, reference):
        found.add("requestPreference")
    return found


def _points_to_nothing(preference: Record, reference: Reference) -> bool:
    address_type, point = (preference.get(name) for name in ("defaultDeliveryAddressTypeId", "defaultServicePointId"))
    return bool(
        (address_type and address_type not in reference.address_type_names)
        or (point and point not in reference.service_points)
    )


def _beyond(record: Record, known: frozenset[str], where: str) -> Iterable[str]:
    return [f"{where}{name}" for name in record if name not in known]


def _pick(record: Record, names: Iterable[str]) -> Record:
    return {name: record[name] for name in names if record.get(name) is not None}


def _known_names(ids: Iterable[str] | None, names: dict[str, str]) -> Iterable[str]:
    return (names[one] for one in ids or () if one in names)


def _personal(personal: Record, reference: Reference) -> Record:
    contact = CONTACT_NAMES.get(str(personal.get("preferredContactTypeId")))
    addresses = [
        _pick(address, ("id", *ADDRESS)) | {"addressTypeId": reference.address_type_names[address["addressTypeId"]]}
        for address in personal.get("addresses") or []
        if address.get("addressTypeId") in reference.address_type_names
    ]
    made = _pick(personal, PERSONAL)
    made |= {"preferredContactTypeId": contact} if contact else {}
    return made | ({"addresses": addresses} if addresses else {})


def _custom_fields(fields: Record, reference: Reference) -> Record:
    made = {key: _label(key, value, reference) for key, value in fields.items() if key in reference.custom_fields}
    return {key: value for key, value in made.items() if value not in (None, "", [])}


def _label(key: str, value: Any, reference: Reference) -> Any:
    """FOLIO: a field with options keeps the options' ids; other fields keep what was written."""
    names = reference.option_names.get(key)
    if names is None or not isinstance(value, str | list):
        return value
    return [*_known_names(value, names)] if isinstance(value, list) else names.get(value)


def _preference(preference: Record, reference: Reference) -> Record:
    made = _pick(preference, PREFERENCE)
    type_name = reference.address_type_names.get(preference.get("defaultDeliveryAddressTypeId") or "")
    return made | ({"defaultDeliveryAddressTypeId": type_name} if type_name else {})


def has(user: Record, path: str) -> bool:
    """Whether a property is there; an empty one cannot be read either."""
    inside, _, name = path.rpartition(".")
    holder = (user.get(inside) or {}) if inside else user
    return holder.get(name) is not None
