"""
Who owns a field of a patron whom the library system has already: the campus that sends the file, or the library.

* campus: the file's value overwrites.
* first: the file's value is taken as long as there is none.
* library: the file's value is taken for a new patron only; after that nobody but the library changes it.
* last: whoever changed it last; the file's value is taken when it is another one than at the last load (see contested).

What a mapping does not fill is never touched, whoever owns it.
"""

import re
from collections.abc import Iterable, Mapping

from patronload import systems
from patronload.systems import Owner

__all__ = ["Owner", "owner", "paths"]


def owner(policy: Mapping[str, Owner], target: str, path: str) -> Owner:
    """Who owns the field at `path`: as its longest part in the policy says, then in the defaults, else the campus."""
    for known in (policy, systems.KNOWN[target].owners or {}):
        for part in _parts(path):
            if part in known:
                return known[part]
    return "campus"


def paths(target: str, filled: Iterable[str]) -> list[str]:
    """
    What may stand below `ownership`: the fields that a mapping fills, and what is around them.

    The key is not among them: by it a patron is found; nor is what never changes. Nothing is, where nobody can see what
    the target has.
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
