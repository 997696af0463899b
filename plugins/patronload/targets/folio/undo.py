"""
Plan how a load is undone: which fields of which users go back to what FOLIO had before, and what stays.

A field goes back only if FOLIO still has what that load wrote; a later edit stays. Users whom the load created are made
inactive, because FOLIO's import cannot delete. Ids that moved between users go back in an order in which each is given
up before it is taken over. Users who log in are never changed. Nothing is changed in FOLIO here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from patronload import rows
from patronload.folding import fold
from patronload.systems.folio import FOLIO
from patronload.targets.delivery import BEFORE, CHANGES, STAYS, UNCHANGED, Planned, Record, UndoFigures, Undoing
from patronload.targets.folio import (
    changes,
    identity_conflicts,
    lines,
    merge,
    preflight,
    stored_users,
    three_way,
    touched_users,
)
from patronload.targets.folio import protection as protected_fields
from patronload.targets.folio.client import Folio
from patronload.targets.folio.comparison import moment
from patronload.targets.folio.identity_conflicts import Claim, Order
from patronload.targets.folio.lines import Line, to_json, to_text
from patronload.targets.folio.protection import ALL, is_staff
from patronload.targets.folio.read_back import is_created_since
from patronload.targets.folio.values import Values
from patronload.targets.outgoing import Outgoing
from patronload.targets.spool import Spool

WHY = "as before the load"
"""Why a field changes, in the plan's changes."""

CHANGED = "changed in FOLIO since the load"
GONE = "FOLIO no longer has a user with this externalSystemId"
ANOTHER = "FOLIO has another user with this externalSystemId now"
FOREIGN = "the user was not created by this load"
STAFF = "users who log in are never changed"
PROTECTED = "protected by hand in FOLIO"
INSISTED = "FOLIO's user import cannot empty this field"
OLD_KEY = "another user in FOLIO has the externalSystemId from before the load now"
LOST = "what was there before the load no longer exists in FOLIO"
SHARED = "another library that feeds this FOLIO has this patron too"
OVER = "the expiry date has passed, so FOLIO would make the user inactive again"

NEVER_EMPTY = ("username", "personal.lastName", "type")
"""FOLIO: mod-user-import requires username and last name; without a type, a consortium refuses the user."""

BARCODE = "barcode"


class _Stay(NamedTuple):
    """A field that stays as it is, or the whole user if it is empty. The reason may hold values, the summary none."""

    field: str
    reason: str
    summary: str


class _Patron(NamedTuple):
    """
    A patron of the load: FOLIO's user of now and of before, and the record that the load sent, all as JSON in the form
    of the import; which paths go back, and what stays. `former` is the externalSystemId from before, "" for none.
    """

    row: int
    key: str
    created: bool
    stored: Record
    former: str
    now: str
    was: str
    wrote: str
    back: tuple[str, ...] = ()
    stays: tuple[_Stay, ...] = ()

    def without(self, path: str, stay: _Stay) -> _Patron:
        """The line with a path that stays after all."""
        back = tuple(one for one in self.back if one != path)
        return self._replace(back=back, stays=(*self.stays, stay))

    @property
    def record(self) -> Record:
        """The complete record that is sent; FOLIO finds the user by the externalSystemId of now."""
        record = three_way.apply(json.loads(self.now), json.loads(self.was), self.fields)
        return record if self.later is None else record | {"id": self.stored["id"]}

    @property
    def fields(self) -> tuple[str, ...]:
        """The paths that the import brings back: all but the externalSystemId."""
        return tuple(path for path in self.back if path != FOLIO.key)

    @property
    def later(self) -> str | None:
        """The externalSystemId that the user gets after the import; None for one who keeps theirs."""
        return self.former if FOLIO.key in self.back else None


def plan(folio: Folio, undoing: Undoing) -> Planned:
    """The plan that leads back. Raises TargetError when a permission is missing; TransientError."""
    return _Undoing(folio, undoing).plan()


class _Undoing:
    def __init__(self, folio: Folio, undoing: Undoing) -> None:
        self.folio = folio
        self.undoing = undoing
        self.protection = protected_fields.of_target(folio.target)
        self.lines: list[_Patron] = []
        self.as_before: list[tuple[int, str]] = []
        """Patrons without anything to undo: row, key."""
        self.set_aside: list[tuple[int, str, _Stay]] = []
        """Patrons of whom nothing can go back: row, key, why."""
        self.left = 0

    def plan(self) -> Planned:
        permissions = preflight.log_in(self.folio, changes_users=_took_over(self.undoing.sent))
        self.drifts, warnings = preflight.drifts(self.folio)
        self.reference = preflight.reference(self.folio, permissions)
        patrons = _patrons(self.undoing.sent)
        self.stored = permissions.attempt(lambda: self._read(patrons), touched_users.NONE)
        permissions.check()
        self.now = self.folio.clock()
        for one in self.undoing.sent.iter_rows(named=True):
            self._look_at(one)
        self._free_barcodes()
        levels = self._settled()
        self._refuse_impossible()
        return self._planned(levels, warnings)

    def _read(self, patrons: pl.DataFrame) -> touched_users.Stored:
        """The users of the load, and those who have an externalSystemId that goes back."""
        former = [_former(one) for one in self.undoing.sent.filter(~pl.col("created")).iter_rows(named=True)]
        others = {key.removeprefix(self.folio.prefix) for key in former if key} - set(patrons[FOLIO.key])
        return touched_users.read(self.folio, patrons, sorted(others))

    # Patron by patron

    def _look_at(self, sent: dict[str, Any]) -> None:
        row, key = sent["row"], sent["key"]
        user = self.stored.user(self.folio.prefix + key)
        if sent["created"] and (user is None or self.undoing.leave):
            self.left += user is not None
            self.as_before.append((row, key))
        elif obstacle := self._obstacle(sent, user):
            self.set_aside.append((row, key, _Stay("", obstacle, obstacle)))
        elif user is not None:
            self.lines.append(self._line(sent, user))

    def _obstacle(self, sent: dict[str, Any], user: Record | None) -> str:
        """Why nothing of a patron can go back; empty if something can."""
        if user is None:
            return GONE
        if sent["created"]:
            obstacle = "" if is_created_since(user, sent["sent_at"]) else FOREIGN
        else:
            before = _before(sent)["user"]
            obstacle = ANOTHER if before["id"] != user["id"] else STAFF if is_staff(before) else ""
        return obstacle or self._of_user(user)

    def _of_user(self, user: Record) -> str:
        """Why the import may not or cannot update a user."""
        if is_staff(user):
            return STAFF
        unknown = stored_users.unknown_properties(user)
        unknown += [drift.property for drift in self.drifts if _has(user, drift.property)]
        if unknown:
            return f"FOLIO's user import cannot read this user, because of {', '.join(unknown)}"
        if not user["externalSystemId"].startswith(self.folio.prefix):
            return "FOLIO has this user under an externalSystemId whose prefix is spelt differently"
        return ""

    def _line(self, sent: dict[str, Any], user: Record) -> _Patron:
        now = self._as_import(user, self.stored.preference(user["id"]))
        wrote: Record = json.loads(sent["patron"])
        if sent["created"]:
            was, paths, lost = now | {"active": False}, ["active"], set[str]()
        else:
            before = _before(sent)
            was = self._as_import(before["user"], before["requestPreference"])
            paths = (sent["changed"] or "").split("\n") if sent["changed"] else []
            lost = stored_users.gone_values(before["user"], before["requestPreference"], self.reference)
        taken = three_way.undone(was, wrote, now, paths)
        texts = to_text(now), to_text(was), sent["patron"]
        line = _Patron(sent["row"], sent["key"], sent["created"], user, _former(sent), *texts)
        line = line._replace(
            back=(*taken.back, *_made_inactive_by_folio(taken.back, was, wrote, now, self.now)),
            stays=tuple(_Stay(path, CHANGED, CHANGED) for path in taken.changed),
        )
        return self._without_forbidden(line, was, now, lost)

    def _without_forbidden(self, line: _Patron, was: Record, now: Record, lost: set[str]) -> _Patron:
        """The line without what may not go back, whatever FOLIO has."""
        kept = self.protection.by_hand(now)
        for path in line.back:
            reason = ""
            if ALL in kept or any(path == one or path.startswith(f"{one}.") for one in kept):
                reason = PROTECTED
            elif path == FOLIO.key:
                reason = OLD_KEY if self.stored.user(line.former) else ""
            elif path in lost:
                reason = LOST
            elif path in NEVER_EMPTY and three_way.value_at(was, path) is None:
                reason = INSISTED
            if reason:
                line = line.without(path, _Stay(path, reason, reason))
        if "active" in line.back and line.record.get("active") and _is_over(line.record, self.now):
            line = line.without("active", _Stay("active", OVER, OVER))
        if "active" in line.back and not line.record.get("active") and line.key in self.undoing.kept:
            line = line.without("active", _Stay("active", SHARED, SHARED))
        return line

    def _as_import(self, user: Record, preference: Record | None) -> Record:
        return stored_users.as_import(user, self.folio.prefix, self.reference, preference)

    # All patrons together

    def _free_barcodes(self) -> None:
        """A user whom the load created gives a barcode back to the user who had it before."""
        wanted = {
            fold(value)
            for line in self.lines
            if BARCODE in line.back and (value := three_way.value_at(json.loads(line.was), BARCODE))
        }
        for place, line in enumerate(self.lines):
            held, wrote = (json.loads(text).get(BARCODE) for text in (line.now, line.wrote))
            if line.created and held and held == wrote and fold(held) in wanted and ALL not in self._kept(line):
                was = {name: value for name, value in json.loads(line.was).items() if name != BARCODE}
                self.lines[place] = line._replace(was=to_text(was), back=(*line.back, BARCODE))

    def _kept(self, line: _Patron) -> frozenset[str]:
        return self.protection.by_hand(json.loads(line.now))

    def _settled(self) -> dict[int, int]:
        """The levels of the lines. An id that cannot go back stays, and who waits for it is settled again."""
        by_key = {fold(self.folio.prefix + key): row for row, key, _ in self.set_aside}
        gone = {
            holder.id: by_key[fold(holder.external_system_id)]
            for holder in self.stored.holders()
            if fold(holder.external_system_id) in by_key
        }
        while True:
            order = identity_conflicts.settle([_claim(line) for line in self.lines], self.stored.holders(), gone)
            if not self._give_up(order):
                return order.levels

    def _give_up(self, order: Order) -> bool:
        """Leave one id of each line in conflict as it is; whether there were any."""
        given_up = False
        for place, line in enumerate(self.lines):
            conflict = order.conflicts.get(line.row)
            ids = [path for path in line.back if path in identity_conflicts.SHARED]
            if conflict and ids:
                path = conflict.field if conflict.field in ids else ids[0]
                self.lines[place] = line.without(path, _Stay(path, conflict.reason, conflict.summary))
                given_up = True
        return given_up

    def _refuse_impossible(self) -> None:
        """A record that FOLIO would refuse is not sent."""
        values = Values(self.folio.target, self.reference)
        for place, line in enumerate(self.lines):
            problems = values.problems({"type": merge.PATRON, **line.record}) if line.back else []
            if problems:
                stays = tuple(_Stay(one.field, one.words, one.words) for one in problems)
                self.lines[place] = line._replace(back=(), stays=(*line.stays, *stays))

    # The result

    def _planned(self, levels: dict[int, int], warnings: list[str]) -> Planned:
        going = [line for line in self.lines if line.back]
        going.sort(key=lambda line: (levels[line.row], line.row))
        quiet = [(line.row, line.key) for line in self.lines if not line.back and not line.stays]
        unchanged = pl.DataFrame(sorted([*self.as_before, *quiet]), schema=UNCHANGED, orient="row")
        whole = [*self.set_aside]
        whole += [(line.row, line.key, stay) for line in self.lines if not line.back for stay in line.stays]
        rejects = pl.DataFrame([_reject(*one) for one in whole], schema=rows.REJECTS, orient="row")
        stays = pl.DataFrame([*self._stays()], schema=STAYS, orient="row")
        kept = Counter((stay.field, stay.summary) for line in going for stay in line.stays)
        figures = UndoFigures(
            patrons=self.undoing.sent.height,
            back=len(going),
            partly=sum(bool(line.stays) for line in going),
            becoming_inactive=sum(_active(line) is False for line in going),
            becoming_active=sum(_active(line) is True for line in going),
            left=self.left,
            stays=[(*what, number) for what, number in kept.most_common()],
        )
        return Planned(
            patrons=Outgoing.of(lines.to_send([_to_send(line) for line in going], levels)),
            rejects=rejects,
            stops=[],
            summary={
                "patrons": self.undoing.sent.height,
                "new": 0,
                "known": len(going),
                "unchanged": unchanged.height,
                "rejected": rejects["row"].n_unique(),
                "read": self.stored.read,
                "warnings": warnings,
                "findings": [],
                "create": {},
                "undo": figures._asdict(),
            },
            unchanged=unchanged,
            changes=self._changes(going, unchanged),
            before=self._before(going),
            stays=stays,
        )

    def _stays(self) -> Iterator[tuple[Any, ...]]:
        for row, key, stay in self.set_aside:
            yield row, key, None, None, None, None, stay.reason
        for line in self.lines:
            records = [json.loads(text) for text in (line.was, line.wrote, line.now)]
            for stay in line.stays:
                values = (_shown(three_way.value_at(record, stay.field)) for record in records)
                yield line.row, line.key, stay.field, *values, stay.reason

    def _changes(self, going: list[_Patron], unchanged: pl.DataFrame) -> Spool:
        """The changes of the plan, field by field."""
        spool = Spool(CHANGES)
        for line in going:
            old, new = changes.flat(json.loads(line.now)), changes.flat(line.record)
            for path in sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path)):
                spool.add(line.row, line.key, "update", path, to_json(old.get(path)), to_json(new.get(path)), WHY)
            if line.later is not None:
                former = line.later.removeprefix(self.folio.prefix) or None
                spool.add(line.row, line.key, "update", FOLIO.key, to_json(line.key), to_json(former), WHY)
        for row, key in unchanged.iter_rows():
            spool.add(row, key, "unchanged", None, None, None, None)
        return spool

    def _before(self, going: list[_Patron]) -> Spool:
        spool = Spool(BEFORE)
        for line in going:
            preference = self.stored.preference(line.stored["id"])
            spool.add(line.row, line.key, to_text({"user": line.stored, "requestPreference": preference}))
        return spool


def _patrons(sent: pl.DataFrame) -> pl.DataFrame:
    """The patrons as touched_users.read takes them: each with the ids that it had before the load."""
    lines = []
    for key, before in sent.select("key", "before").iter_rows():
        user = json.loads(before)["user"] if before else {}
        lines.append((key, user.get("username"), user.get("barcode"), None, "{}"))
    schema = dict.fromkeys((*merge.IDS, "id", "patron"), pl.String)
    return pl.DataFrame(lines, schema=schema, orient="row")


def _took_over(sent: pl.DataFrame) -> bool:
    """Whether the load gave a user the externalSystemId of a row."""
    return any(FOLIO.key in map(three_way.path_of, (text or "").split("\n")) for text in sent["changed"].unique())


def _former(sent: dict[str, Any]) -> str:
    """The externalSystemId that a user had before the load, as FOLIO stores it; "" for none."""
    return "" if sent["created"] else _before(sent)["user"].get(FOLIO.key) or ""


def _before(sent: dict[str, Any]) -> dict[str, Any]:
    """The stored user and its request preference as the load's plan found them."""
    found: dict[str, Any] = json.loads(sent["before"])
    return found


def _made_inactive_by_folio(
    back: Iterable[str], was: Record, wrote: Record, now: Record, at: datetime
) -> tuple[str, ...]:
    """FOLIO: ExpirationTool makes users inactive if the load gave them a past date; they go back with the date."""
    ended = "expirationDate" in back and _is_over(wrote, at)
    return ("active",) if ended and was["active"] and wrote.get("active") and not now["active"] else ()


def _is_over(record: Record, at: datetime) -> bool:
    ends = record.get("expirationDate")
    return bool(ends) and moment(str(ends)) < at


def _has(user: Record, path: str) -> bool:
    inside, _, name = path.rpartition(".")
    holder = (user.get(inside) or {}) if inside else user
    return holder.get(name) is not None


def _claim(line: _Patron) -> Claim:
    """The ids that a user will have."""
    now, was = json.loads(line.now), json.loads(line.was)
    ids = {name: (was if name in line.back else now).get(name) for name in identity_conflicts.SHARED}
    return Claim(line.row, line.stored["id"], {name: fold(value) for name, value in ids.items() if value}, None)


def _active(line: _Patron) -> bool | None:
    """The new value of `active`; None if it stays."""
    return bool(json.loads(line.was)["active"]) if "active" in line.back else None


def _reject(row: int, _key: str, stay: _Stay) -> tuple[Any, ...]:
    column = stay.field or FOLIO.key
    return row, column, None, f"{column}: {stay.reason}", stay.summary


def _to_send(line: _Patron) -> Line:
    """The patron as a line of an ordinary plan; each path has its condition."""
    now = json.loads(line.now)
    paths = "\n".join(three_way.if_same(path, three_way.value_at(now, path)) for path in line.fields)
    return Line(line.row, line.record, line.stored["id"], paths, [], action="update", later=line.later)


def _shown(value: Any) -> str | None:
    return value if isinstance(value, str) else to_json(value)
