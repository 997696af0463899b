"""
Describe what a load changes in Infiniti: each field as it was sent last, and as it is sent now.

Infiniti cannot be asked what it has. So the side before is the row of an earlier run, and counts only if the patron
ledger knows that Infiniti has confirmed exactly this row.
"""

from __future__ import annotations

from collections.abc import Iterator

from patronload.targets.delivery import Change, Record

FILE = "the file"
LEFT = "no longer in the file"
AGAIN = Change("", None, None, "sent again, because the last confirmation is too long ago")
UNKNOWN = Change("", None, None, "sent, because it is not known what Infiniti has")


def changes(before: Record | None, after: Record, why: str = FILE) -> list[Change]:
    """The differences between `after`, a row to be sent, and `before`, the row confirmed last; None if unknown."""
    if before is None:
        return [UNKNOWN]
    return list(_different(before, after, why)) or [AGAIN]


def _different(before: Record, after: Record, why: str) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name) or None, after.get(name) or None
        if old != new:
            yield Change(name, old, new, why)
