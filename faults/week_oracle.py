"""
Who must be active after each night of a week, and with which values.

Written from docs/leavers.md on the registries' own cells, without any of the product's code, so that the two agree only
if both are right.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from faults.week import KEPT_GROUP, UNKNOWN, Edit, Night, Week

HERE, AWAY, LEFT, ASIDE = "here", "away", "left", "aside"
"""Of a patron whom a tenant's loads brought in: in its last file; missing; made inactive; inactive before or gone."""


@dataclass
class User:
    """What the library system must have of someone."""

    cells: dict[str, str]
    active: bool = True
    staff: bool = False
    note: str = ""
    ends: date | None = None
    """The day on which `expire` ended the card."""
    loans: int = 0


@dataclass
class Memory:
    """What a tenant's loads know of one patron."""

    state: str = HERE
    since: date | None = None
    loads: int = 0


@dataclass
class Outcome:
    """What a night must come to; `left` and `waiting` are None where nothing is said about leavers."""

    outcome: str
    left: int | None = None
    waiting: int | None = None


@dataclass
class Oracle:
    """Plays a week without a product."""

    week: Week
    asks: bool = True
    """Whether the library system can be read, and so knows staff, loans and groups."""
    users: dict[str, User] = field(default_factory=dict)
    memory: dict[str, dict[str, Memory]] = field(default_factory=dict)
    newest: dict[str, date] = field(default_factory=dict)
    counted: dict[str, date] = field(default_factory=dict)
    last: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.memory = {tenant: {} for tenant in self.week.tenants}

    def edit(self, edits: Iterable[Edit]) -> None:
        """Librarians work by hand."""
        for edit in edits:
            user = self.users.get(edit.key)
            if user is None:
                continue
            if edit.what == "note":
                user.note = edit.value
            elif edit.what == "off":
                user.active = False
            elif edit.what == "staff":
                user.staff = True
            elif edit.what == "lend":
                user.loans += 1
            elif user.loans:
                user.loans -= 1

    def night(self, night: Night) -> Outcome:
        """What the night must come to; the users are then as they must be."""
        self.edit(night.edits)
        if night.kind == "nothing":
            return Outcome("no file")
        if night.kind == "again":
            return Outcome("already_loaded")
        if night.kind == "old":
            return Outcome("stopped")
        if night.kind == "dry run":
            return Outcome("dry_run")
        rejected = any(row["GROUP"] == UNKNOWN for row in night.rows)
        outcome = Outcome("loaded_with_rejects" if rejected else "loaded")
        counts = night.kind != "by hand" and bool(self.memory[night.tenant])
        due = self._due(night) if counts else []
        for row in night.rows:
            if row["GROUP"] != UNKNOWN:
                self._load(night, row)
        if counts:
            outcome.left, outcome.waiting = self._depart(night, due)
        if night.kind != "by hand":
            self._remember(night)
        return outcome

    def _load(self, night: Night, row: dict[str, str]) -> None:
        key = row["ID"]
        memory = self.memory[night.tenant].get(key)
        user = self.users.get(key)
        if user is None:
            self.users[key] = User(dict(row))
        else:
            kept = {"GROUP": user.cells["GROUP"]} if user.staff and self.asks else {}
            user.cells = {**row, **kept}
            returns = memory is not None and memory.state == LEFT
            if returns and user.ends and not user.staff:
                user.ends = None
            if not user.staff and (self.week.fills_active or returns) and user.ends is None:
                user.active = True
        self.memory[night.tenant][key] = Memory()

    def _due(self, night: Night) -> list[str]:
        """Whose days and loads are over with this file, and who is in the files of no other tenant."""
        present = {row["ID"] for row in night.rows}
        found = []
        for key, memory in self.memory[night.tenant].items():
            if key in present or memory.state not in (HERE, AWAY):
                continue
            since = memory.since or night.day
            if self._is_over(night.day, since, memory.loads + 1) and not self._elsewhere(night, key):
                found.append(key)
        return sorted(found)

    def _is_over(self, day: date, since: date, loads: int) -> bool:
        return (day - since).days >= self.week.rules.after and loads >= self.week.rules.loads

    def _elsewhere(self, night: Night, key: str) -> bool:
        """Whether another tenant still has them: in its last file, or missing for not as long as it waits."""
        for tenant, known in self.memory.items():
            memory = known.get(key)
            if tenant == night.tenant or memory is None or memory.state not in (HERE, AWAY):
                continue
            if memory.since is None or not self._is_over(night.day, memory.since, memory.loads):
                return True
        return False

    def _depart(self, night: Night, due: list[str]) -> tuple[int, int]:
        going = [key for key in due if not self._is_kept(key)]
        if len(due) > self.week.rules.most:
            return 0, sum(self.users[key].active for key in going)
        left = 0
        for key in going:
            user, memory = self.users[key], self.memory[night.tenant][key]
            if not user.active and self.asks:
                memory.state = ASIDE
                continue
            left += 1
            user.active = False
            memory.state = LEFT
            if self.week.rules.action == "expire" and self.asks:
                user.ends = night.day
        return left, 0

    def _is_kept(self, key: str) -> bool:
        user = self.users[key]
        if not self.asks:
            return False
        return user.staff or user.cells["GROUP"] == KEPT_GROUP or bool(self.week.rules.watches_loans and user.loans)

    def _remember(self, night: Night) -> None:
        """Count the night for those whom its file lacks; whoever has a row at all is there."""
        present = {row["ID"] for row in night.rows}
        for key, memory in self.memory[night.tenant].items():
            if key in present:
                if memory.state == AWAY:
                    memory.state = HERE
                memory.since, memory.loads = None, 0
            elif memory.state in (HERE, AWAY):
                memory.state = AWAY
                memory.since, memory.loads = memory.since or night.day, memory.loads + 1
