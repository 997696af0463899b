"""Expiry dates by the expiration offset that FOLIO has for a patron group."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from patronload.config.date_forms import GROUP_OFFSET
from patronload.targets.delivery import Record

OFFSET = "expirationOffsetInDays"
"""FOLIO: mod-users usergroup.json."""

EXPIRES = "expirationDate"


def is_open(ours: Record) -> bool:
    """Whether a patron of the file has an expiry date that only FOLIO knows."""
    return bool(ours.get(EXPIRES) == GROUP_OFFSET)


def without(ours: Record) -> Record:
    """A patron of the file without the expiry date that only FOLIO knows."""
    return {name: value for name, value in ours.items() if name != EXPIRES} if is_open(ours) else ours


class GroupOffsets:
    """The patron groups (see Reference.groups), and how many patrons have one without an offset, by its name."""

    def __init__(self, groups: dict[str, Record], today: date) -> None:
        self.lacking: Counter[str] = Counter()
        self._groups = groups
        self._today = today

    def with_expiry_date(self, ours: Record, group: str | None) -> Record:
        """A patron of the file with the expiry date of this group; without one if FOLIO has no offset for it."""
        offset: Any = self._groups.get(group or "", {}).get(OFFSET)
        if offset is None:
            self.lacking[group or ""] += 1
            return without(ours)
        return ours | {EXPIRES: (self._today + timedelta(days=int(offset))).isoformat()}
