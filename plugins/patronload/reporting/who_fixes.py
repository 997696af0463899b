"""Who can fix the rows of a reason: the sender, the library, or those who look after the mapping or the system."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from patronload.reporting.report import UNCONFIRMED, Reason

REGISTRY, LIBRARY, MAPPING, OFFICE = "registry", "library", "mapping", "office"

_OF_MAPPING = (
    r"not set up in the mapping yet$",
    r"^one of the fields is not known",
    r"^FOLIO does not know one of the custom fields",
    r"custom field takes (true or false|a list|one text|a date)",
    r"^FOLIO takes (Hold|Support)|requires holdShelf|request preference|same address type|in the mapping",
    r"target\.encoding",
)
_OF_OFFICE = (
    r"^FOLIO does not know",
    r"administrator|user import cannot read|property that the import",
    r"could not (store|create)|see the rejects file|refused the whole file",
)
_OF_LIBRARY = (
    r"already used by|already has a user|has this user|another user's|is that of a user",
    r"users? without an externalSystemId|is staff|bec[ao]me staff",
    r"changed ids|protected by hand|take over|another username|under a second account|swap their",
    r"does not have this patron|held by another row|externalSystemId in FOLIO|prefix is spelt",
)


class Fixer(NamedTuple):
    """Who can fix a row: the key of the section on the help page, and the words beside the reason."""

    key: str
    words: str


def fixer(reason: Reason, target: str) -> Fixer:
    """Who can fix the rows of a reason. A reason of the checks or of a value is the sender's."""
    key = _key(reason)
    words = {
        REGISTRY: "the sender of the export (a value in the file)",
        LIBRARY: f"the library (the patron in {target})",
        MAPPING: "the people who look after the mapping",
        OFFICE: f"the people who look after {target}",
    }
    return Fixer(key, words[key])


def _key(reason: Reason) -> str:
    if reason.reason == UNCONFIRMED:
        return LIBRARY
    for key, patterns in ((MAPPING, _OF_MAPPING), (OFFICE, _OF_OFFICE), (LIBRARY, _OF_LIBRARY)):
        if _matches(patterns, reason.reason):
            return key
    return OFFICE if reason.stage == "post" else REGISTRY


def _matches(patterns: Iterable[str], text: str) -> bool:
    return any(re.search(pattern, text) for pattern in patterns)
