"""
Lay what a plan changes over a user as FOLIO has it now, so that what changed there since the plan is kept.

All records are in the form of the user import (see stored_users). A path is a field (barcode), a field of an object
(personal.email, customFields.note), or an address by its type (personal.addresses.Home).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from patronload.targets.delivery import Record

OBJECTS = ("personal", "customFields")
"""Objects whose fields are compared one by one; all others are one value."""

ADDRESSES = "personal.addresses"

IF_EMPTY = "?"
"""Before a path: the plan fills the field because it was empty, and leaves it alone if it no longer is."""


def changed_paths(
    record: Record, stored: Record, fills_only_if_empty: Callable[[str], bool] = lambda _: False
) -> list[str]:
    """The paths at which a planned record differs from the stored user it is made from."""
    planned, before = _flat(record), _flat(stored)
    different = [path for path in {**planned, **before} if planned.get(path) != before.get(path)]
    return [f"{IF_EMPTY}{path}" if fills_only_if_empty(path) else path for path in different]


def every_path(record: Record) -> list[str]:
    """The paths that a record fills: what a new patron brings along."""
    return list(_flat(record))


def apply(current: Record, planned: Record, paths: Iterable[str]) -> Record:
    """The user as FOLIO has it now, with the planned values at these paths; a value that is not planned goes."""
    now, wanted = _flat(current), _flat(planned)
    for path in paths:
        name = path.removeprefix(IF_EMPTY)
        if path != name and now.get(name) not in (None, "", [], {}):
            continue
        if name in wanted:
            now[name] = wanted[name]
        else:
            now.pop(name, None)
    return _record(now)


def _flat(record: Record) -> dict[str, Any]:
    return dict(_fields(record))


def _fields(record: Record) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if name not in OBJECTS or not isinstance(value, Mapping):
            yield name, value
            continue
        for inner, held in value.items():
            if f"{name}.{inner}" == ADDRESSES:
                yield from ((f"{ADDRESSES}.{address.get('addressTypeId')}", address) for address in held)
            else:
                yield f"{name}.{inner}", held


def _record(flat: Mapping[str, Any]) -> Record:
    record: Record = {}
    for path, value in flat.items():
        around, _, name = path.partition(".")
        if path.startswith(f"{ADDRESSES}."):
            record.setdefault("personal", {}).setdefault("addresses", []).append(value)
        elif around in OBJECTS and name:
            record.setdefault(around, {})[name] = value
        else:
            record[path] = value
    return record
