"""
What a file says of the fields that belong to whoever changed them last: the campus in its file, or somebody in FOLIO.

The campus has changed a field when the file says something else than at the last load. So what it said then is kept,
as a hash (see ledger).
"""

from __future__ import annotations

import json
import re
from typing import Any

from patronload.config.mapping import Mapping

OWNER = "last"


def paths(mapping: Mapping) -> list[str]:
    """The contested fields of a mapping, and in their places what is owned as a whole."""
    owned = [path for path in mapping.fields if mapping.owner(path) == OWNER]
    return list(dict.fromkeys(whole(path, mapping) for path in owned))


def whole(path: str, mapping: Mapping) -> str:
    """What is owned as one: personal.addresses[0] for personal.addresses[0].city; most fields are it themselves."""
    if found := re.match(r".*?\]", path):
        return found[0]
    return next((whole for whole in mapping.system.whole if path.startswith(f"{whole}.")), path)


def said(record: dict[str, Any], contested: list[str], mapping: Mapping) -> dict[str, str]:
    """
    What a patron of the file has in the contested fields, by path, as JSON; an address goes by its type.

    Of an address that the patron has none of, nothing is said.
    """
    told: dict[str, str] = {}
    for path in contested:
        place, _, _ = path.partition("[")
        value = _at(record, place)
        if place == path:
            told[path] = _text(value)
        else:
            told |= {
                f"{place} {entry.get(mark)}": _text(entry) for mark in _marks(place, mapping) for entry in value or ()
            }
    return told


def _marks(place: str, mapping: Mapping) -> list[str]:
    """The property by which the entries of a list are told apart."""
    return [path.rpartition(".")[2] for path in mapping.system.apart if path.startswith(f"{place}[]")]


def _at(record: dict[str, Any], path: str) -> Any:
    value: Any = record
    for name in path.split("."):
        value = (value or {}).get(name)
    return value


def _text(value: Any) -> str:
    """As JSON; the order of tags or departments says nothing."""
    if isinstance(value, dict):
        value = {name: _in_order(inner) for name, inner in value.items()}
    return json.dumps(_in_order(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _in_order(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value
