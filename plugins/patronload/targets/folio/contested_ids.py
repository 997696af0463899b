"""
Find the rows of a load whose ids anyone else wants or holds. The others need no look at what all of them want.

Of a million rows usually hardly any are contested. So all claims are kept as hashes, and only those that are contested
are compared (identity_conflicts).
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np

from patronload.folding import fold
from patronload.targets.folio.identity_conflicts import SHARED, Claim, Holder
from patronload.targets.folio.touched_users import Stored
from patronload.targets.hashed_column import NOTHING, HashedColumn, Hashes, Places

EMAIL = "personal.email"


class Contested(NamedTuple):
    """The rows that have to be compared with each other, and with these stored users."""

    rows: frozenset[int]
    holders: list[Holder]


class Claims:
    """The ids that the rows of a load will have, as hashes."""

    def __init__(self) -> None:
        self._rows = array("I")
        self._stored = HashedColumn()
        self._wants = {name: HashedColumn() for name in SHARED}
        self._emails = HashedColumn()

    def add(self, claim: Claim) -> None:
        """Add a row's claim."""
        self._rows.append(claim.row)
        self._stored.add(claim.stored_id and fold(claim.stored_id))
        for name, column in self._wants.items():
            column.add(claim.wants.get(name))
        self._emails.add(claim.email)

    def contested(self, stored: Stored) -> Contested:
        """
        The rows that want an id of another row or of another user; newcomers with a stored user's e-mail address; and
        the rows that these have to be compared with.
        """
        ids = stored.held["id"].hashes
        own, emails = self._stored.hashes, self._emails.hashes
        wants = {name: column.hashes for name, column in self._wants.items()}
        newcomers = np.where(own == NOTHING, emails, NOTHING)
        found = np.isin(newcomers, _some(stored.held[EMAIL].hashes))
        for name in SHARED:
            found |= _repeated(wants[name]) | _of_others(wants[name], own, stored.held[name], ids)
        if not found.any():
            return Contested(frozenset(), [])
        asked = {name: wants[name][found] for name in SHARED} | {EMAIL: newcomers[found]}
        holders = np.zeros(len(ids), dtype=bool)
        for name, values in asked.items():
            holders |= np.isin(stored.held[name].hashes, _some(values))
        found |= np.isin(own, _some(ids[holders])) | np.isin(emails, _some(asked[EMAIL]))
        rows = np.array(self._rows)[found]
        return Contested(frozenset(rows.tolist()), [stored.holder(int(place)) for place in np.flatnonzero(holders)])


def _some(hashes: Hashes) -> Hashes:
    return np.unique(hashes[hashes != NOTHING])


def _repeated(hashes: Hashes) -> Places:
    """Whether a value is there more than once."""
    some, counts = np.unique(hashes, return_counts=True)
    return np.isin(hashes, some[(counts > 1) & (some != NOTHING)])


def _of_others(wants: Hashes, own: Hashes, held: HashedColumn, ids: Hashes) -> Places:
    """Whether anyone but the row's own stored user holds the value. `ids` are those of all users."""
    hashes, places = held.in_order()
    first, end = np.searchsorted(hashes, wants, "left"), np.searchsorted(hashes, wants, "right")
    is_held = (end > first) & (wants != NOTHING)
    holder = ids[places[np.minimum(first, max(len(places) - 1, 0))]] if len(places) else np.zeros_like(wants)
    found: Places = is_held & ((end - first > 1) | (holder != own))
    return found
