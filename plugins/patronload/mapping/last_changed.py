"""
The file's values of fields whose owner is `last`: the campus in its file or someone in FOLIO, who changed them last.

The campus has changed a field if the file's value differs from the last load. So that value is kept, as a hash (see
artifacts.patron_ledger).
"""

from __future__ import annotations

import json
import re
from typing import Any

from patronload.config.mapping import Mapping

OWNER = "last"


def paths(mapping: Mapping) -> list[str]:
    """The fields of a mapping whose owner is `last`; in place of a part, the object that is owned as a whole."""
    owned = [path for path in mapping.fields if mapping.owner(path) == OWNER]
    return list(dict.fromkeys(whole(path, mapping) for path in owned))


def whole(path: str, mapping: Mapping) -> str:
    """The object that is owned as a whole: personal.addresses[0] for ...[0].city; most fields are their own."""
    if found := re.match(r".*?\]", path):
        return found[0]
    return next((whole for whole in mapping.system.whole if path.startswith(f"{whole}.")), path)


def values(record: dict[str, Any], contested: list[str], mapping: Mapping) -> dict[str, str]:
    """
    A patron's values in the contested fields, as JSON, by path; an address by its type.

    An address that the patron does not have has no entry.
    """
    found: dict[str, str] = {}
    for path in contested:
        place, _, _ = path.partition("[")
        value = _at(record, place)
        if place == path:
            found[path] = _text(value)
        else:
            found |= {
                f"{place} {entry.get(mark)}": _text(entry) for mark in _marks(place, mapping) for entry in value or ()
            }
    return found


def _marks(place: str, mapping: Mapping) -> list[str]:
    """The property that identifies an entry of a list."""
    return [path.rpartition(".")[2] for path in mapping.system.apart if path.startswith(f"{place}[]")]


def _at(record: dict[str, Any], path: str) -> Any:
    value: Any = record
    for name in path.split("."):
        value = (value or {}).get(name)
    return value


def _text(value: Any) -> str:
    """The value as JSON; the order of tags or departments has no meaning."""
    if isinstance(value, dict):
        value = {name: _in_order(inner) for name, inner in value.items()}
    return json.dumps(_in_order(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _in_order(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value
