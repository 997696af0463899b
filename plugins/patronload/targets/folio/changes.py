"""
Describe what an update changes in a stored user: each field with its value before and after, and why.

Both sides are in the form of the user import (see stored_users), flat: a field's path, such as `patronGroup`,
`personal.email`, `personal.addresses Home.city` or `customFields.homeCampus`, and its value.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from patronload.config.mapping import Mapping
from patronload.targets.delivery import Change, Record
from patronload.targets.folio.comparison import moment

DATES = ("expirationDate", "enrollmentDate", "personal.dateOfBirth")

BY_OWNER = {"campus": "the file", "first": "empty in FOLIO", "last": "changed last by the campus"}
"""Why a field takes the file's value, by who owns it."""

BLANK = "blank cell"
EXPIRY = "expiry date"
LEFT = "no longer in the file"
TAKEN_OVER = "taken over: a user without an externalSystemId"
NEW_ID = "new id, accepted in the tenant's list"
CLEAN_UP = "points to something that FOLIO no longer has"

NOTHING = Change("", None, None, "sent although nothing that the import loads differs")
"""For a user who is sent although each field that is shown is the same."""


def changes(before: Record, after: Record, mapping: Mapping) -> list[Change]:
    """The differences between `before`, the stored user, and `after`, the record to send; sorted by field."""
    old, new = flat(before), flat(after)
    paths = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    return [Change(path, old.get(path), new.get(path), _why(path, after, new.get(path), mapping)) for path in paths]


def of_key(former: str | None, key: str) -> list[Change]:
    """The change of a user's externalSystemId; `former` is "" for a user without one, None for one who keeps theirs."""
    if former is None:
        return []
    return [Change("externalSystemId", former or None, key, NEW_ID if former else TAKEN_OVER)]


def flat(record: Record) -> dict[str, Any]:
    """The record by path. Lists are sorted, dates are moments in UTC, and what is empty is left out."""
    found = {path: _plain(path, value) for path, value in _paths(record)}
    return {path: value for path, value in found.items() if value not in (None, "", [])}


def _paths(record: Record) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if name == "personal":
            yield from _personal(value or {})
        elif name in ("requestPreference", "customFields", "tags"):
            yield from ((f"{name}.{inner}", one) for inner, one in (value or {}).items())
        elif name not in ("externalSystemId", "id", "meta", "proxyFor"):
            yield name, value


def _personal(personal: Record) -> Iterator[tuple[str, Any]]:
    for name, value in personal.items():
        if name != "addresses":
            yield f"personal.{name}", value
    for address in personal.get("addresses") or ():
        place = f"personal.addresses {address.get('addressTypeId')}"
        yield from (
            (f"{place}.{name}", value) for name, value in address.items() if name not in ("id", "addressTypeId")
        )


def _plain(path: str, value: Any) -> Any:
    if isinstance(value, list):
        return sorted(map(str, value))
    if path in DATES and isinstance(value, str):
        return _moment(value)
    if path.endswith(".primaryAddress"):
        return True if value else None
    return value


def _moment(text: str) -> str:
    try:
        return moment(text).astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        return text


def _why(path: str, record: Record, after: Any, mapping: Mapping) -> str:
    """Who or what asked for the change of a field."""
    if path == "active" and "active" not in mapping.fields:
        return EXPIRY
    if path == "active" and after is False and record.get("expirationDate") and not _file_says(mapping):
        return EXPIRY
    mapped = _mapped_field(path, mapping)
    if mapped is None:
        return CLEAN_UP
    return BLANK if after is None else BY_OWNER.get(mapping.owner(mapped), BY_OWNER["campus"])


def _file_says(mapping: Mapping) -> bool:
    """Whether `active` comes from the file's cells, and not from one value for everyone."""
    return bool(mapping.fields["active"].columns)


def _mapped_field(path: str, mapping: Mapping) -> str | None:
    """The mapping's field behind a path; None when nothing in the mapping fills it."""
    if path.startswith("personal.addresses "):
        name = path.rpartition(".")[2]
        found = [field for field in mapping.fields if field.startswith("personal.addresses[")]
        return next((field for field in found if field.endswith(f".{name}")), found[0] if found else None)
    if path in mapping.fields or path in ("type", "active"):
        return path
    whole = path.partition(".")[0]
    return next((field for field in mapping.fields if field.startswith(f"{whole}.") and whole != "personal"), None)
