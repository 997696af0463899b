"""
The owner of a field of an existing patron: the campus that sends the file, or the library.

* campus: the file's value overwrites.
* first: the file's value is used if the field is empty.
* library: the file's value is used for a new patron only; after that only the library changes it.
* last: whoever changed it last; the file's value is used if it differs from the last load (see mapping.last_changed).

A field that a mapping does not fill is never changed, whoever owns it.
"""

import re
from collections.abc import Iterable, Mapping

from patronload import systems
from patronload.systems import Owner

__all__ = ["Owner", "owner", "paths"]


def owner(policy: Mapping[str, Owner], target: str, path: str) -> Owner:
    """The owner of the field at `path`: from its longest part in the policy, then in the defaults, else the campus."""
    for known in (policy, systems.KNOWN[target].owners or {}):
        for part in _parts(path):
            if part in known:
                return known[part]
    return "campus"


def paths(target: str, filled: Iterable[str]) -> list[str]:
    """
    The paths that `ownership` may list: the fields that a mapping fills, and the objects around them.

    Without the key, by which a patron is found, and fields that never change. There are none for a system whose patrons
    cannot be read.
    """
    system = systems.KNOWN[target]
    if system.owners is None:
        return []
    named = [path for path in [*system.names, *filled] if path not in (system.key, *system.once)]
    parts = [part for path in named for part in reversed([*_parts(path)])]
    return [path for path in dict.fromkeys(parts) if not _is_within_a_whole(target, path)]


def _is_within_a_whole(target: str, path: str) -> bool:
    within = path.startswith(tuple(f"{whole}." for whole in systems.KNOWN[target].whole))
    return within or re.search(r"\]\.", path) is not None


def _parts(path: str) -> list[str]:
    """personal.addresses[0].city, personal.addresses[0], personal.addresses, personal."""
    steps = re.findall(r"\[\d\]|\.?[^.\[]+", path)
    return ["".join(steps[:end]) for end in range(len(steps), 0, -1)]
