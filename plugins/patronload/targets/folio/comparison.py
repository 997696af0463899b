"""
Compare a patron that was sent with FOLIO's user, to find out whether the import reached it.

Both are brought into one form: a flat dictionary from a field's path to its value, with ids instead of names. Fields
that mod-user-import drops silently (unknown address and contact types) are left out of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeAlias

from patronload.targets.delivery import Record
from patronload.targets.folio.client import Folio
from patronload.targets.folio.reference_data import CONTACT_TYPES, LISTS, option_ids

Flat: TypeAlias = dict[str, Any]

_TEXTS = ("username", "barcode", "type")
_DATES = ("enrollmentDate", "expirationDate")
_PERSONAL = (
    "lastName",
    "firstName",
    "middleName",
    "preferredFirstName",
    "pronouns",
    "email",
    "phone",
    "mobilePhone",
    "profilePictureLink",
)
_PREFERENCE = ("holdShelf", "delivery", "fulfillment", "defaultServicePointId", "defaultDeliveryAddressTypeId")
_ADDRESS = ("addressLine1", "addressLine2", "city", "region", "postalCode", "countryId")


class Comparison:
    """Compares users of one FOLIO tenant; asks for its reference data once, and only for what is needed."""

    def __init__(self, folio: Folio) -> None:
        self._folio = folio

    def holds(self, sent: Record, stored: Record) -> bool:
        """Whether the stored user is what an import of the sent patron leaves behind."""
        wanted = _flat(self._with_ids(sent))
        # An address need not have an id.
        found = {path: value for path, value in _flat(stored).items() if path in wanted or not path.endswith(".id")}
        if _has_run_out(wanted):
            found["active"] = True  # FOLIO: mod-users ExpirationTool has made the user inactive since
        return wanted == found

    def holds_preference(self, sent: Record, stored: Record | None) -> bool:
        """The same for the request preference, which FOLIO keeps apart from the user."""
        wanted = sent.get("requestPreference")
        if wanted is None:
            return stored is None  # FOLIO: UserImportAPI.updateUserPreference deletes what is not sent
        type_name = wanted.get("defaultDeliveryAddressTypeId")
        wanted = wanted | {"defaultDeliveryAddressTypeId": self._address_types.get(type_name)}
        return stored is not None and all(stored.get(name) == wanted.get(name) for name in _PREFERENCE)

    def _with_ids(self, sent: Record) -> Record:
        """The patron with ids where FOLIO keeps ids. FOLIO: mod-user-import UserDataProcessingService."""
        record = dict(sent)
        if "patronGroup" in sent:
            record["patronGroup"] = self._groups.get(sent["patronGroup"], "unknown")
        if sent.get("departments"):
            record["departments"] = [self._departments.get(name, "unknown") for name in sent["departments"]]
        if "personal" in sent:
            record["personal"] = self._personal_with_ids(sent["personal"])
        if "customFields" in sent:
            record["customFields"] = {key: self._option_ids(key, value) for key, value in sent["customFields"].items()}
        return record

    def _personal_with_ids(self, personal: Record) -> Record:
        contact = CONTACT_TYPES.get(str(personal.get("preferredContactTypeId")).lower())
        addresses = [
            address | {"addressTypeId": self._address_types[address["addressTypeId"]]}
            for address in personal.get("addresses", [])
            if address.get("addressTypeId") in self._address_types
        ]
        return personal | {"preferredContactTypeId": contact, "addresses": addresses}

    def _option_ids(self, key: str, value: Any) -> Any:
        """FOLIO: select fields keep their options' ids, like opt_0; other fields keep what was sent."""
        options = self._options.get(key, {})
        return [options.get(one, one) for one in value] if isinstance(value, list) else options.get(value, value)

    @cached_property
    def _groups(self) -> dict[str, str]:
        return _ids(self._folio.names(*LISTS["groups"]))

    @cached_property
    def _departments(self) -> dict[str, str]:
        return _ids(self._folio.names(*LISTS["departments"]))

    @cached_property
    def _address_types(self) -> dict[str, str]:
        return _ids(self._folio.names(*LISTS["address_types"]))

    @cached_property
    def _options(self) -> dict[str, dict[str, str]]:
        """The ids of the options of each custom field, by what a person calls them."""
        fields = self._folio.names(*LISTS["custom_fields"])
        return {key: option_ids(field) for key, field in fields.items() if field.get("selectField")}


def _ids(entries: dict[str, Record]) -> dict[str, str]:
    return {name: entry["id"] for name, entry in entries.items()}


def _flat(record: Record) -> Flat:
    """A user as {"barcode": ..., "personal.email": ..., "address ID.city": ...}; what is null or empty is left out."""
    personal = record.get("personal") or {}
    flat = {name: record.get(name) for name in (*_TEXTS, "patronGroup")}
    flat |= {name: _moment(record.get(name)) for name in _DATES}
    flat |= {"active": bool(record.get("active")), "username": str(record.get("username", "")).strip()}
    flat |= {f"personal.{name}": personal.get(name) for name in (*_PERSONAL, "preferredContactTypeId")}
    flat["personal.dateOfBirth"] = _moment(personal.get("dateOfBirth"))
    flat |= {"departments": _set(record.get("departments")), "tags": _set((record.get("tags") or {}).get("tagList"))}
    flat["preferredEmailCommunication"] = _set(record.get("preferredEmailCommunication"))
    flat |= {f"customFields.{key}": _comparable(value) for key, value in (record.get("customFields") or {}).items()}
    flat = {path: value for path, value in flat.items() if value not in (None, "", frozenset())}
    return flat | _flat_addresses(personal.get("addresses") or [])


def _flat_addresses(addresses: Iterable[Record]) -> Flat:
    """An address that is there has all of its fields, so that one that lost a line is not taken for the same."""
    return {
        f"address {address.get('addressTypeId')}.{name}": value
        for address in addresses
        for name, value in (
            *((name, address.get(name) or "") for name in _ADDRESS),
            ("primaryAddress", bool(address.get("primaryAddress"))),
            *((("id", address["id"]),) if address.get("id") else ()),
        )
    }


def _has_run_out(wanted: Flat) -> bool:
    ends = wanted.get("expirationDate")
    return bool(wanted.get("active")) and isinstance(ends, datetime) and ends < datetime.now(UTC)


def moment(text: str) -> datetime:
    """A date as FOLIO reads it: without a zone it is UTC, without a time midnight. Raises ValueError."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _moment(value: Any) -> datetime | str | None:
    try:
        return moment(value) if isinstance(value, str) else None
    except ValueError:
        return str(value)


def _set(values: Iterable[str] | None) -> frozenset[str]:
    return frozenset(values or ())


def _comparable(value: Any) -> Any:
    return _set(value) if isinstance(value, list) else value
