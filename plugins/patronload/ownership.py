"""
Who owns a field of a patron whom the library system has already: the campus that sends the file, or the library.

* campus: the file's value overwrites.
* first: the file's value is taken as long as there is none.
* library: the file's value is taken for a new patron only; after that nobody but the library changes it.

What a mapping does not fill is never touched, whoever owns it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from patronload import fields

Owner = Literal["campus", "library", "first"]

DEFAULTS: dict[str, dict[str, Owner]] = {
    "folio": {
        "type": "first",
        "personal.preferredFirstName": "first",
        "personal.pronouns": "first",
        "personal.profilePictureLink": "first",
        "personal.preferredContactTypeId": "first",
        "preferredEmailCommunication": "first",
        "requestPreference": "first",
        "tags": "first",
    }
}
"""Where a mapping says nothing: what patrons choose for themselves in the library system stays as they chose it."""

KEYS = {"folio": ("externalSystemId",)}
"""Fields by which a patron is found; nobody can own them."""

WHOLE = {"folio": ("requestPreference", "tags")}
"""Objects that are one value: half of the file's and half of the library's would make no sense."""


def owner(policy: Mapping[str, Owner], target: str, path: str) -> Owner:
    """Who owns the field at `path`: as its longest part in the policy says, then in the defaults, else the campus."""
    for known in (policy, DEFAULTS[target]):
        for part in _parts(path):
            if part in known:
                return known[part]
    return "campus"


def paths(target: str, filled: Iterable[str]) -> list[str]:
    """What may stand below `ownership`: the fields that a mapping fills, and what is around them."""
    named = [path for path in [*fields.names(target), *filled] if path not in KEYS[target]]
    parts = [part for path in named for part in reversed([*_parts(path)])]
    return [path for path in dict.fromkeys(parts) if not _is_within_a_whole(target, path)]


def _is_within_a_whole(target: str, path: str) -> bool:
    within = path.startswith(tuple(f"{whole}." for whole in WHOLE[target]))
    return within or re.search(r"\]\.", path) is not None


def _parts(path: str) -> list[str]:
    """personal.addresses[0].city, personal.addresses[0], personal.addresses, personal."""
    steps = re.findall(r"\[\d\]|\.?[^.\[]+", path)
    return ["".join(steps[:end]) for end in range(len(steps), 0, -1)]
