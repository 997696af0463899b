"""
Lay what a plan changes over a user as FOLIO has it now, so that what changed there since the plan is kept.

All records are in the form of the user import (see stored_users). A path is a field (barcode), a field of an object
(personal.email, customFields.note), or an address by its type (personal.addresses.Home).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC
from typing import Any, NamedTuple

from patronload.targets.delivery import Record
from patronload.targets.folio.comparison import moment

OBJECTS = ("personal", "customFields")
"""Objects whose fields are compared one by one; all others are one value."""

ADDRESSES = "personal.addresses"

IF_EMPTY = "?"
"""Before a path: the plan fills the field because it was empty, and leaves it alone if it no longer is."""

IF_SAME = "="
"""Before a hash, a colon and a path: the plan restores the field, and leaves it alone if its value has changed."""

DATES = ("expirationDate", "enrollmentDate", "personal.dateOfBirth")
CONTACT_TYPE = "personal.preferredContactTypeId"


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
        name = path_of(path)
        if path.startswith(IF_EMPTY) and now.get(name) not in (None, "", [], {}):
            continue
        if path.startswith(IF_SAME) and path != if_same(name, now.get(name)):
            continue
        if name in wanted:
            now[name] = wanted[name]
        else:
            now.pop(name, None)
    return _record(now)


def path_of(text: str) -> str:
    """The path of a planned change, without its condition."""
    if text.startswith(IF_SAME):
        return text.partition(":")[2]
    return text.removeprefix(IF_EMPTY)


def if_same(path: str, value: Any) -> str:
    """The path with the condition that the field still has this value."""
    text = json.dumps(_comparable(path, value), ensure_ascii=False, sort_keys=True)
    return f"{IF_SAME}{hashlib.sha256(text.encode()).hexdigest()[:16]}:{path}"


class Taken(NamedTuple):
    """The paths of a load's changes that can go back, and those whose values someone has changed since."""

    back: list[str]
    changed: list[str]


def undone(before: Record, written: Record, now: Record, paths: Iterable[str]) -> Taken:
    """
    The paths that a load wrote and that go back: where FOLIO (`now`) still has what the load wrote.

    A path is in neither list if FOLIO has what it had before.
    """
    was, wrote, has = _flat(before), _flat(written), _flat(now)
    taken = Taken([], [])
    for path in map(path_of, paths):
        if is_same(path, has.get(path), was.get(path)):
            continue
        (taken.back if is_same(path, has.get(path), wrote.get(path)) else taken.changed).append(path)
    return taken


def value_at(record: Record, path: str) -> Any:
    """The value of a record at a path; None if there is none."""
    return _flat(record).get(path)


def is_same(path: str, one: Any, other: Any) -> bool:
    """Whether two values of a field are the same to FOLIO, however they are written."""
    return bool(_comparable(path, one) == _comparable(path, other))


def _comparable(path: str, value: Any) -> Any:
    if value in (None, "", [], {}):
        return None
    if path in DATES:
        return _moment(str(value))
    if isinstance(value, list):
        return sorted(map(str, value))
    if isinstance(value, Mapping):
        inner = {name: _comparable("", one) for name, one in value.items() if name != "id" and one is not False}
        return {name: one for name, one in inner.items() if one is not None} or None
    return str(value).lower() if path == CONTACT_TYPE else value


def _moment(text: str) -> str:
    try:
        return moment(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return text


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
