"""
Find the user behind a row whose externalSystemId FOLIO does not have.

Both ways are opt-in: a user without an externalSystemId has the row's barcode or username
(`target.match.users_without_id`), or the tenant's list says that the row's id is the new one of a stored user. Staff
are never taken over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import polars as pl

from patronload.folding import fold
from patronload.systems.folio import FOLIO
from patronload.targets.delivery import Identity, Problem, Record
from patronload.targets.folio.client import Folio
from patronload.targets.folio.protection import ALL, Protection, is_staff
from patronload.targets.folio.touched_users import Stored
from patronload.targets.spool import in_parts

NO_STAFF = "the user without an externalSystemId who has it in FOLIO is staff; a load never takes over staff"
TWO_USERS = "the barcode and the username are those of two users without an externalSystemId in FOLIO"
TWO_ROWS = "the user without an externalSystemId who has it in FOLIO could be that of another row too"
DISAGREE = (
    "the user without an externalSystemId in FOLIO who has the {} of this row has another {}; a load takes over only "
    "users whose ids agree"
)
STAFF_ID = "the list of changed ids names a user who is staff; change the externalSystemId of staff in FOLIO"
BOTH_IN_FILE = "the list of changed ids says that this is another row's patron under a new id; correct the list"
KEPT = "the user in FOLIO whom this row would take over is protected by hand"


class Found(NamedTuple):
    """
    The stored user of a row, if any, and what is against sending the row.

    former: the externalSystemId, without the prefix, that a user has until the load gives them the row's; "" for none;
    None for a user who keeps theirs.
    """

    user: Record | None = None
    problems: Sequence[Problem] = ()
    former: str | None = None

    def protection_problems(self, theirs: Record | None, protection: Protection) -> Iterator[Problem]:
        """Users who are protected by hand are not taken over."""
        if theirs and self.former is not None and protection.by_hand(theirs) & {ALL, FOLIO.key}:
            yield Problem(FOLIO.key, "", KEPT)

    def ids(self, ours: Record) -> Record:
        """The additional fields of a user who is taken over: the row's externalSystemId, and the user's id."""
        if self.user is None or self.former is None:
            return {}
        return {"externalSystemId": ours["externalSystemId"], "id": self.user["id"]}


class TakingOver:
    """The stored users of a file's rows. `refused` are the folded keys, with the prefix, of rows refused before."""

    def __init__(
        self,
        folio: Folio,
        identities: Sequence[Identity],
        stored: Stored,
        patrons: pl.LazyFrame,
        refused: Collection[str] = (),
    ) -> None:
        self._fields = folio.target.match.users_without_id
        self._prefix = folio.prefix
        self._stored = stored
        self._old = {fold(self._bare(one.new)): self._bare(one.old) for one in identities if one.is_same}
        self._another: dict[str, list[str]] = defaultdict(list)
        for one in identities:
            if not one.is_same:
                self._another[fold(self._bare(one.new))].append(fold(self._prefix + self._bare(one.old)))
        self._in_file = self._listed_in_file(patrons) | set(refused) if identities else set[str]()
        self._shared = self._users_of_several_rows(patrons)

    def find(self, ours: Record) -> Found:
        """The stored user of a row: the one with its externalSystemId, or one who is taken over."""
        key = ours["externalSystemId"]
        if user := self._stored.user(self._prefix + key):
            return Found(user)
        if fold(key) in self._old:
            return self._with_old_key(key, self._old[fold(key)])
        return self._without_id(ours)

    def others(self, key: str) -> frozenset[str]:
        """The ids of stored users of whom the tenant's list says that the patron with this key is another person."""
        if not self._another:
            return frozenset()
        holders = (self._stored.holder_of_key(old) for old in self._another.get(fold(key), ()))
        return frozenset(holder.id for holder in holders if holder is not None)

    @cached_property
    def renamed(self) -> frozenset[str]:
        """The ids of stored users whose new externalSystemId, according to the tenant's list, is in the file."""
        old = [self._stored.user(self._prefix + old) for new, old in self._old.items() if self._is_in_file(new)]
        return frozenset(user["id"] for user in old if user)

    @property
    def doubles(self) -> int:
        """Lines of the tenant's list whose two ids FOLIO has both, as two users."""
        pairs = ((self._stored.user(self._prefix + one) for one in pair) for pair in self._old.items())
        return sum(all(pair) for pair in pairs)

    def _is_in_file(self, key: str) -> bool:
        return fold(self._prefix + key) in self._in_file

    def _bare(self, key: str) -> str:
        """A key of the list, which may have been copied from a reject with FOLIO's prefix."""
        return key.removeprefix(self._prefix)

    def _with_old_key(self, key: str, old: str) -> Found:
        user = self._stored.user(self._prefix + old)
        if user is None:
            return Found()
        former = user["externalSystemId"].removeprefix(self._prefix)
        if is_staff(user):
            return Found(user, [Problem("externalSystemId", key, STAFF_ID)], former)
        if self._is_in_file(old):
            return Found(user, [Problem("externalSystemId", key, BOTH_IN_FILE)], former)
        return Found(user, former=former)

    def _without_id(self, ours: Record) -> Found:
        found = list(self._matches(ours))
        if not found:
            return Found()
        name, user = found[0]
        return Found(user, list(self._problems(ours, name, user, found))[:1], "")

    def _matches(self, ours: Record) -> Iterator[tuple[str, Record]]:
        """Each id that a user without an externalSystemId shares with the row, and that user."""
        for name in self._fields:
            user = self._stored.without_key(name, ours[name]) if ours.get(name) else None
            if user is not None:
                yield name, user

    def _problems(self, ours: Record, name: str, user: Record, found: list[tuple[str, Record]]) -> Iterator[Problem]:
        if len({other["id"] for _, other in found}) > 1:
            yield Problem(name, ours[name], TWO_USERS)
        for other in self._fields:
            if ours.get(other) and user.get(other) and fold(ours[other]) != fold(user[other]):
                yield Problem(other, ours[other], DISAGREE.format(name, other))
        if is_staff(user):
            yield Problem(name, ours[name], NO_STAFF)
        if user["id"] in self._shared:
            yield Problem(name, ours[name], TWO_ROWS)

    def _listed_in_file(self, patrons: pl.LazyFrame) -> set[str]:
        """The keys of the tenant's list that the file has, folded and with the prefix."""
        listed = {fold(self._prefix + key) for pair in self._old.items() for key in pair}
        keys = (key for part in in_parts(patrons, FOLIO.key) for key in part[FOLIO.key])
        return {folded for key in keys if (folded := fold(self._prefix + key)) in listed}

    def _users_of_several_rows(self, patrons: pl.LazyFrame) -> set[str]:
        """The ids of users without an externalSystemId of whom more than one row has an id."""
        first: dict[str, str] = {}
        shared: set[str] = set()
        if not self._stored.has_without_key:
            return shared
        for part in in_parts(patrons, FOLIO.key, *self._fields):
            for ours in part.iter_rows(named=True):
                if self._stored.user(self._prefix + ours[FOLIO.key]) is None:
                    for _, user in self._matches(ours):
                        if first.setdefault(user["id"], ours[FOLIO.key]) != ours[FOLIO.key]:
                            shared.add(user["id"])
        return shared
