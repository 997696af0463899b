"""
Who must be active after each night of a week, and with which values.

Written from docs/leavers.md and docs/undo.md on the registries' own cells, without any of the product's code, so that
the two agree only if both are right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date

from faults import week_undo
from faults.week import BETWEEN, KEPT_GROUP, UNKNOWN, Edit, Night, Week
from faults.week_undo import ASIDE, AWAY, HERE, LEFT, Memory, Ran, User

__all__ = ["ASIDE", "AWAY", "HERE", "LEFT", "Memory", "Oracle", "Outcome", "User"]


@dataclass
class Outcome:
    """The required result of a night; `left` and `waiting` are None where nothing is said about leavers."""

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
    runs: dict[str, dict[str, Ran]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.memory = {tenant: {} for tenant in self.week.tenants}
        self.runs = {tenant: {} for tenant in self.week.tenants}

    def edit(self, edits: Iterable[Edit]) -> None:
        """Librarians work by hand."""
        for edit in edits:
            user = self.users.get(edit.key)
            if user is None:
                continue
            if edit.what == "note":
                user.note = edit.value
            elif edit.what == "phone" and self.asks:
                user.cells = user.cells | {"PHONE": edit.value}
            elif edit.what == "off":
                user.active = False
            elif edit.what == "staff":
                user.staff = True
            elif edit.what == "lend":
                user.loans += 1
            elif user.loans:
                user.loans -= 1

    def settle(self, phone_of: Callable[[str], str | None]) -> None:
        """Look how far a load came that was killed: users may not be there, or have the cells of before."""
        for key, user in list(self.users.items()):
            phone = phone_of(key)
            if user.instead and phone == user.instead["PHONE"]:
                user.cells = user.instead
            user.instead = None
            if user.maybe and phone is None:
                del self.users[key]
                for memory in self.memory.values():
                    memory.pop(key, None)

    def night(self, night: Night) -> Outcome:
        """Move on by a night: its required result. The users are then as they must be."""
        self.edit(night.edits)
        if night.kind == "nothing":
            return Outcome("no file")
        if night.kind in BETWEEN:
            return Outcome(self._undo(night, night.undoes) if night.kind == "undo" else self._give_up(night))
        standing = [ran for ran in self.runs[night.tenant].values() if ran.rows and not ran.is_undone]
        if night.kind != "dry run" and any(ran.rows == night.rows for ran in standing):
            return Outcome("already_loaded")
        if night.kind == "old" and standing:
            return Outcome("stopped")
        return Outcome("dry_run") if night.kind == "dry run" else self._load_all(night)

    def _give_up(self, night: Night) -> str:
        """The outcome of undoing a load that was killed: whom it created may be there, and is inactive then."""
        before = deepcopy(self.users)
        self._load_all(night)
        outcome = self._undo(night, night.run)
        for key, user in self.users.items():
            user.maybe = user.maybe or key not in before
            user.instead = before[key].cells if key in before and user.staff else None
        return outcome

    def _load_all(self, night: Night) -> Outcome:
        """A load that goes through, and what it changes."""
        before = deepcopy((self.users, self.memory[night.tenant]))
        outcome = self._loaded(night)
        self.runs[night.tenant][night.run] = self._ran(night, *before, rows=night.rows, counts=night.kind != "by hand")
        return outcome

    def _ran(self, night: Night, users: dict[str, User], memory: dict[str, Memory], **about: object) -> Ran:
        """The changes of a run, compared with the state before it."""
        return Ran(
            night.day,
            week_undo.changes(users, self.users),
            week_undo.changes(memory, self.memory[night.tenant]),
            **about,  # type: ignore[arg-type]
        )

    def _undo(self, night: Night, run: str) -> str:
        """
        The outcome of undoing a run. A field goes back if the library system has what the run wrote; where it cannot be
        asked, the patron goes back as a whole.
        """
        runs = self.runs[night.tenant]
        ran = runs.get(run)
        if ran is None or ran.is_undone or not ran.users:
            return "stopped"
        before = deepcopy((self.users, self.memory[night.tenant]))
        inactive = set()
        for key, change in ran.users.items():
            kept = self._elsewhere(night, key)
            undone = week_undo.user if self.asks else week_undo.blindly
            self.users[key] = undone(self.users[key], *change, kept=kept)
            if change[0] is None and before[0][key].active and not self.users[key].active:
                inactive.add(key)
        counted = [one.day for one in runs.values() if one is not ran and one.counts and not one.is_undone]
        for key, (was, wrote) in ran.memory.items():
            now = self.memory[night.tenant][key]
            self.memory[night.tenant][key] = week_undo.memory(now, was, wrote, max(counted, default=None))
        for key in inactive:
            self.memory[night.tenant][key].state = LEFT
        by = f"undo of {run}" if night.kind == "given up" else night.run
        runs[by] = self._ran(night, *before, undoes=run)
        if not self.asks:
            # It sends everyone again, whatever the library system has.
            runs[by].users = {key: (before[0].get(key), deepcopy(self.users[key])) for key in ran.users}
        week_undo.mark(runs, by)
        return "undone"

    def _loaded(self, night: Night) -> Outcome:
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
            user.maybe = False
            if returns and user.ends and not user.staff:
                user.ends = None
            if not user.staff and (self.week.fills_active or returns) and user.ends is None:
                user.active = True
        self.memory[night.tenant][key] = Memory(last=night.day)

    def _due(self, night: Night) -> list[str]:
        """Whose days and loads are over with this file, and who is in the files of no other tenant."""
        present = {row["ID"] for row in night.rows}
        found = []
        for key, memory in self.memory[night.tenant].items():
            if key in present or memory.state not in (HERE, AWAY) or not memory.last:
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
            if tenant == night.tenant or memory is None or memory.state not in (HERE, AWAY) or not memory.last:
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
            if not self.asks:
                user.cells = self._last_row(night.tenant, key) or user.cells
            memory.state = LEFT
            if self.week.rules.action == "expire" and self.asks:
                user.ends = night.day
        return left, 0

    def _last_row(self, tenant: str, key: str) -> dict[str, str] | None:
        """The patron's row in the last file that had them, of a load that was not undone."""
        for ran in reversed(self.runs[tenant].values()):
            rows = [row for row in ran.rows if row["ID"] == key and row["GROUP"] != UNKNOWN]
            if rows and not ran.is_undone:
                return rows[0]
        return None

    def _is_kept(self, key: str) -> bool:
        user = self.users[key]
        if not self.asks:
            return False
        return user.staff or user.cells["GROUP"] == KEPT_GROUP or bool(self.week.rules.watches_loans and user.loans)

    def _remember(self, night: Night) -> None:
        """Count the night for those whom its file lacks. A person with any row at all counts as present."""
        present = {row["ID"] for row in night.rows}
        for key, memory in self.memory[night.tenant].items():
            if key in present:
                if memory.state == AWAY:
                    memory.state = HERE
                memory.since, memory.loads = None, 0
            elif not memory.last:
                # Only the library's own patrons are counted.
                memory.since, memory.loads = None, 0
            else:
                if memory.state == HERE:
                    memory.state = AWAY
                memory.since, memory.loads = memory.since or night.day, memory.loads + 1
