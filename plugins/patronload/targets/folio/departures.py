"""
Plan the departure of users who have left: which of them may be touched, and the record that is sent.

The users were brought in by earlier loads of this library, by their exact keys. Each is read again before the plan says
anything about them: a user who logs in, whom an exception names, or who still has loans or fees stays as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import polars as pl

from patronload.config.leavers import Exceptions
from patronload.errors import TargetError
from patronload.folding import fold
from patronload.targets.delivery import DEPARTURES, TOO_MANY, WAITING, Leaving, Record
from patronload.targets.folio import merge
from patronload.targets.folio.client import Folio
from patronload.targets.folio.protection import ALL, is_staff
from patronload.targets.folio.touched_users import Stored

CHECKS = {"open_loans": ("/circulation/loans", "loans"), "open_fees": ("/accounts", "accounts")}
"""Where FOLIO says whether a user has open loans or unpaid fees. FOLIO: mod-circulation, mod-feesfines."""

REASONS = {"open_loans": "has open loans", "open_fees": "has unpaid fees"}


class Departure(NamedTuple):
    """A user who leaves: as FOLIO has them, in the form of the import, and the record that is sent."""

    row: int
    user: Record
    theirs: Record
    record: Record


class Reading(NamedTuple):
    """
    How the plan reads a stored user: `as_import` writes the user as the import takes it, and `obstacle` says why
    the import could not update the user at all; empty if it could.
    """

    as_import: Callable[[Record], Record]
    obstacle: Callable[[Record], str]


class Departures(NamedTuple):
    """
    The leavers, the result for each patron whose turn it is (see DEPARTURES), sentences for the report, and the
    rows and keys of those who are inactive already.
    """

    leave: list[Departure]
    outcomes: pl.DataFrame
    warnings: list[str]
    inactive: list[tuple[int, str]]


NOBODY = Departures([], pl.DataFrame(schema=DEPARTURES), [], [])
"""A load in which no patron's turn to leave has come."""


def plan(folio: Folio, leaving: Leaving, stored: Stored, reading: Reading, rules: merge.Rules) -> Departures:
    """The departures of the patrons in `leaving`. Raises TransientError."""
    return _Departing(folio, leaving, stored, reading, rules).plan()


class _Departing:
    def __init__(
        self,
        folio: Folio,
        leaving: Leaving,
        stored: Stored,
        reading: Reading,
        rules: merge.Rules,
    ) -> None:
        self.folio = folio
        self.leaving = leaving
        self.stored = stored
        self.reading = reading
        self.mentioned = {fold(cell) for cell in leaving.mentioned}
        self.rules = rules
        self.excepted = {fold(folio.prefix + key) for key in leaving.excepted}
        self.warnings: list[str] = []

    def plan(self) -> Departures:
        found = list(self._candidates())
        open_cases = self._open_cases([user["id"] for _, user, _, reason in found if user and not reason])
        leave, outcomes, inactive = [], [], []
        for (key, user, theirs, reason), row in zip(found, range(self.leaving.first_row, 1 << 32), strict=False):
            kept = reason or (open_cases.get(user["id"], "") if user else "")
            state = "gone" if user is None else self._state(user, kept)
            if user is not None and theirs is not None and state == "left":
                leave.append(Departure(row, user, theirs, self._record(theirs)))
            if state == "inactive":
                inactive.append((row, key))
            why = TOO_MANY if state == WAITING else kept
            outcomes.append(_outcome(key, row, user, theirs, state, why))
        found_out = pl.DataFrame(outcomes, schema=DEPARTURES, orient="row")
        return Departures(leave, found_out, self.warnings, inactive)

    def _candidates(self) -> Iterator[tuple[str, Record | None, Record | None, str]]:
        """Each patron's key, the stored user, the same as the import would write it, and why the user stays."""
        for key in self.leaving.keys:
            user = self.stored.user(self.folio.prefix + key)
            theirs = self.reading.as_import(user) if user else None
            yield key, user, theirs, self._exception(key, user, theirs)

    def _exception(self, key: str, user: Record | None, theirs: Record | None) -> str:
        """Why the user stays as they are; empty if nothing speaks for that, or there is no user."""
        return "" if user is None or theirs is None else next(self._reasons(key, user, theirs), "")

    def _reasons(self, key: str, user: Record, theirs: Record) -> Iterator[str]:
        if is_staff(user):
            yield f"is a user of type {user['type']}"
        if why := self.reading.obstacle(user):
            yield why
        if self.mentioned & {fold(str(user[name])) for name in merge.IDS if user.get(name)}:
            yield "may be in a row of the file whose id cannot be read"
        if self.rules.protection.by_hand(theirs) & {"active", ALL}:
            yield "is protected by hand in FOLIO"
        if fold(self.folio.prefix + key) in self.excepted:
            yield "is on the list of exceptions"
        yield from _excepted_values(theirs, self.leaving.rules.exceptions)

    def _open_cases(self, ids: list[str]) -> dict[str, str]:
        """The user id -> what is still open. If that cannot be read, everyone stays."""
        found: dict[str, str] = {}
        for check in self.leaving.rules.unless:
            try:
                users = self.folio.users_with_open(*CHECKS[check], ids)
            except TargetError as error:
                self.warnings.append(f"No patron leaves, because FOLIO could not say who {REASONS[check]}. {error}")
                return dict.fromkeys(ids, f"FOLIO could not say whether this user {REASONS[check]}")
            found |= dict.fromkeys(users, REASONS[check])
        return found

    def _state(self, user: Record, kept: str) -> str:
        if kept:
            return "exempt"
        return self.leaving.state if user.get("active") else "inactive"

    def _record(self, theirs: Record) -> Record:
        """The whole user, inactive; and with the day of the load as the last one if the action is `expire`."""
        record: dict[str, Any] = {**theirs, "active": False, "type": theirs.get("type") or merge.PATRON}
        if self.leaving.rules.action == "expire":
            record["expirationDate"] = merge.end_of_day(self.leaving.day.isoformat(), self.rules.zone)
        for path, value in self.leaving.rules.set.items():
            given = self.leaving.day.isoformat() if value == "today" else value
            inside, _, name = path.rpartition(".")
            if inside:
                record[inside] = {**(record.get(inside) or {}), name: given}
            else:
                record[name] = given
        return record


def _excepted_values(theirs: Record, rules: Exceptions) -> Iterator[str]:
    if theirs.get("patronGroup") in rules.patron_groups:
        yield f"patron group {theirs['patronGroup']}"
    yield from (f"department {name}" for name in theirs.get("departments") or () if name in rules.departments)
    for name, value in rules.custom_fields.items():
        given = (theirs.get("customFields") or {}).get(name)
        if given == value or (isinstance(given, list) and value in given):
            yield f"custom field {name}"


def _outcome(
    key: str, row: int, user: Record | None, theirs: Record | None, state: str, reason: str
) -> tuple[Any, ...]:
    personal = (theirs or {}).get("personal") or {}
    name = ", ".join(part for part in (personal.get("lastName"), personal.get("firstName")) if part)
    group = (theirs or {}).get("patronGroup")
    return key, row if state == "left" and user else None, name or None, group, state, reason or None
