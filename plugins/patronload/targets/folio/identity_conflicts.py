"""
Find out, before anything is sent, which patrons cannot get the ids they want, and in which order the others go.

FOLIO: mod-users keeps externalSystemId, username and barcode unique, without case and accents; mod-user-import finds a
user by externalSystemId alone and changes all users of a request at once. So a username that one patron gives up and
another takes over is free only in a later request. The id, a UUID, is given up by no one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from patronload.folding import fold

SHARED = ("username", "barcode", "id")
"""Ids that another user may already have. (The other unique id, the externalSystemId, identifies a patron.)"""


class Holder(NamedTuple):
    """A stored user, as far as ids go. Values are as stored; `email` is in lower case."""

    id: str
    external_system_id: str
    username: str | None
    barcode: str | None
    email: str | None
    is_staff: bool = False
    """Whether the user is of a type that logs in; the same person may also have a patron account."""


class Claim(NamedTuple):
    """
    The ids that a row will have. `stored_id`: of the stored user with its externalSystemId, who also wants that and no
    other; `wants`: folded; `others`: the ids of stored users of whom someone has decided that they are other people.
    """

    row: int
    stored_id: str | None
    wants: dict[str, str]
    email: str | None
    others: frozenset[str] = frozenset()


class Conflict(NamedTuple):
    """A row that cannot be sent, and why: the field, a sentence with both parties, a summary without values."""

    row: int
    field: str
    reason: str
    summary: str


class Order(NamedTuple):
    """Levels by row: rows of a level are sent before those of a higher one. A row is in one of the two."""

    levels: dict[int, int]
    conflicts: dict[int, Conflict]
    same_email: list[int]
    """Rows of new patrons with the e-mail address of a user who is not in the load; none where they are conflicts."""


def settle(
    claims: list[Claim],
    holders: Iterable[Holder],
    gone: dict[str, int] | None = None,
    *,
    rejects_same_email: bool = False,
) -> Order:
    """
    The order of the rows, and the rows that are to be set aside.

    `gone` are rows that were set aside before, by the stored user whom they are about: that one keeps what it has.
    `rejects_same_email`: a new patron with the e-mail address of a user who is not in the load is set aside.
    """
    return Settling(claims, list(holders), gone or {}, rejects_same_email=rejects_same_email).order()


class Settling:
    """The work of `settle`, step by step."""

    def __init__(
        self, claims: list[Claim], holders: list[Holder], gone: dict[str, int], *, rejects_same_email: bool
    ) -> None:
        self.claims = claims
        self.rejects_same_email = rejects_same_email
        self.same_email: list[int] = []
        self.gone = gone
        self.rows = {claim.row: claim for claim in claims}
        self.by_stored = {claim.stored_id: claim for claim in claims if claim.stored_id}
        self.holders = {
            field: {fold(value): holder for holder in holders if (value := getattr(holder, field)) is not None}
            for field in SHARED
        }
        self.holders_of = _by_email(holders)
        self.claims_of = _by_email(claims)
        self.conflicts: dict[int, Conflict] = {}
        self.waits: dict[int, set[int]] = defaultdict(set)
        """For each row, the rows that have to be through before it."""

    def order(self) -> Order:
        """See `settle`."""
        self._find_doubles()
        for claim in self.claims:
            if claim.row not in self.conflicts:
                self._find_conflict(claim)
        for claim in self.claims:
            if claim.stored_id is None and claim.row not in self.conflicts:
                self._find_changed_id(claim)
        self._spread()
        levels = self._levels()
        return Order(levels, self.conflicts, [row for row in self.same_email if row in levels])

    def _find_doubles(self) -> None:
        """Two rows that would end with one id; the user who has it already may keep it."""
        for field in SHARED:
            wanted: dict[str, list[Claim]] = defaultdict(list)
            for claim in self.claims:
                if field in claim.wants:
                    wanted[claim.wants[field]].append(claim)
            for value, claims in wanted.items():
                holder = self.holders[field].get(value)
                takers = [claim for claim in claims if holder is None or claim.stored_id != holder.id]
                if len(takers) > 1:
                    for claim in takers:
                        others = ", ".join(str(other.row) for other in claims if other is not claim)
                        self._set_aside(
                            claim, field, f"the {field} is also in row {others}",
                            f"two rows would have the same {field}",
                        )  # fmt: skip

    def _find_conflict(self, claim: Claim) -> None:
        for field, value in claim.wants.items():
            holder = self.holders[field].get(value)
            if holder is None or holder.id == claim.stored_id:
                continue
            other = self.by_stored.get(holder.id)
            if other is None and claim.stored_id is None and holder.id not in {*self.gone, *claim.others}:
                reason, summary = _perhaps_the_same(field, holder)
                self._set_aside(claim, field, reason, summary)
            elif other is None or other.wants.get(field) == value:
                self._set_aside(
                    claim, field, f"the {field} is held in FOLIO by {_name(holder)}, {self._where(holder, other)}",
                    f"the {field} is already used by another user in FOLIO",
                )  # fmt: skip
            else:
                self.waits[claim.row].add(other.row)

    def _where(self, holder: Holder, other: Claim | None) -> str:
        if other is not None:
            return f"row {other.row}, which keeps it"
        if holder.id in self.gone:
            return f"row {self.gone[holder.id]}, which was set aside too"
        return "who is not in this load"

    def _find_changed_id(self, claim: Claim) -> None:
        """A new patron with the e-mail address of a stored user who is no longer in the file."""
        found = self.holders_of.get(claim.email or "", [])
        alone = len(found) == 1 and len(self.claims_of[claim.email or ""]) == 1
        if not alone or found[0].is_staff or found[0].id in {*self.by_stored, *self.gone, *claim.others}:
            return
        if not self.rejects_same_email:
            self.same_email.append(claim.row)
            return
        reason, summary = _perhaps_the_same("e-mail address", found[0])
        self._set_aside(claim, "personal.email", reason, summary)

    def _spread(self) -> None:
        """A row that waits for a row that is set aside is set aside too."""
        blocked = True
        while blocked:
            blocked = False
            for row, waits in self.waits.items():
                held = sorted(other for other in waits if other in self.conflicts)
                if held and row not in self.conflicts:
                    field = self._field_between(row, held[0])
                    self._set_aside(
                        self.rows[row], field, f"the {field} is held by row {held[0]}, which was set aside too",
                        f"the {field} is held by another row that was set aside",
                    )  # fmt: skip
                    blocked = True

    def _levels(self) -> dict[int, int]:
        """Each row after those it waits for; what goes round in a circle is set aside."""
        levels = {
            claim.row: 0 for claim in self.claims if claim.row not in self.conflicts and not self.waits[claim.row]
        }
        waiting = [row for row in self.waits if self.waits[row] and row not in self.conflicts]
        while waiting:
            ready = [row for row in waiting if all(other in levels for other in self.waits[row])]
            if not ready:
                self._set_circle_aside(waiting)
                break
            for row in ready:
                levels[row] = 1 + max(levels[other] for other in self.waits[row])
            waiting = [row for row in waiting if row not in levels]
        return levels

    def _set_circle_aside(self, rows: list[int]) -> None:
        for row in rows:
            other = min(other for other in self.waits[row] if other in rows)
            field = self._field_between(row, other)
            self._set_aside(
                self.rows[row], field,
                f"the {field} is held by row {other}, which waits for another row in turn: they would swap. "
                "Change one of them in FOLIO first",
                f"rows would swap their {field}, which FOLIO cannot do in one load",
            )  # fmt: skip

    def _field_between(self, row: int, other: int) -> str:
        """The field that one claim wants from the other."""
        stored = self.rows[other].stored_id
        for field, value in self.rows[row].wants.items():
            holder = self.holders[field].get(value)
            if holder is not None and holder.id == stored:
                return field
        return SHARED[0]

    def _set_aside(self, claim: Claim, field: str, reason: str, summary: str) -> None:
        self.conflicts.setdefault(claim.row, Conflict(claim.row, field, reason, summary))


def _perhaps_the_same(what: str, holder: Holder) -> tuple[str, str]:
    """The reason and the summary for a new patron who has the username, barcode or address of a stored user."""
    reason = f"the {what} is that of {_name(holder)} in FOLIO, who is not in this load: perhaps the same person, "
    if holder.external_system_id:
        reason += (
            "whose externalSystemId has changed. Change it in FOLIO, add both ids to the list of "
            "target.match.identities, or correct the row"
        )
        return reason, f"the {what} is another user's in FOLIO; perhaps the same person under another externalSystemId"
    reason += (
        "added by hand. Give the user the externalSystemId of the row in FOLIO, or let the load do it "
        "(target.match.users_without_id)"
    )
    return reason, f"the {what} is that of a user without an externalSystemId in FOLIO; perhaps the same person"


def _name(holder: Holder) -> str:
    if holder.external_system_id:
        return f"the user with the externalSystemId '{holder.external_system_id}'"
    for field, value in (("username", holder.username), ("barcode", holder.barcode)):
        if value:
            return f"the user with the {field} '{value}' and no externalSystemId"
    return f"the user with the id '{holder.id}' and no externalSystemId"


Someone = TypeVar("Someone", Holder, Claim)


def _by_email(people: list[Someone]) -> dict[str, list[Someone]]:
    found: dict[str, list[Someone]] = defaultdict(list)
    for one in people:
        if one.email:
            found[one.email].append(one)
    return found
