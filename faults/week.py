"""
Generate weeks: complete files night after night for two tenants of one library system, with what people do in between.

A week is decided before it is played, by its seed alone. Nothing here knows the product.
"""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from faults.world import MARK

MONDAY = date(2024, 11, 4)
"""Long ago, so that a card that a week ends is over whenever the week is played."""
COLUMNS = ("ID", "LOGIN", "GROUP", "YEAR", "LAST", "FIRST", "PHONE")
GROUPS = ("undergrad", "graduate", "faculty")
KEPT_GROUP = "faculty"
"""The patron group that the tenant file excepts from leaving."""
UNKNOWN = "UNKNOWN"
"""A code that no mapping knows: its row is rejected."""
NIGHTS = (8, 11)
PEOPLE = (14, 26)

Kind = Literal["complete", "half", "old", "again", "dry run", "by hand", "nothing", "undo", "given up"]
"""
The files of a night: the complete file; every second row of it; a file older than the last one; the same file
again; the complete file as a dry run, or named by a person; or no file.

`undo`: no file, but a person undoes an earlier run. `given up`: a wrong file, whose load is killed halfway, not
resumed, and undone.
"""
KINDS: tuple[Kind, ...] = ("half", "old", "again", "dry run", "by hand", "nothing")
BETWEEN: tuple[Kind, ...] = ("undo", "given up")
LOADS: tuple[Kind, ...] = ("complete", "half", "old", "again", "by hand")


@dataclass
class Person:
    """Someone whom a registry knows, with the cells of the row."""

    cells: dict[str, str]

    @property
    def key(self) -> str:
        """The key by which the library system knows them."""
        return self.cells["ID"]


class Edit(NamedTuple):
    """A librarian's edit by hand: `note` writes a middle name, `phone` another telephone number, `off` makes
    inactive, `staff` gives the type staff, `lend` and `give back` a book.
    """

    what: Literal["note", "phone", "off", "staff", "lend", "give back"]
    key: str
    value: str = ""


class Night(NamedTuple):
    """
    A night of one tenant: what arrives, its rows, the day of the file, and what was done by hand before it.

    `undoes`: the run that an `undo` undoes. `dies_at`: the chunk whose result is not written any more, of a load that
    is given up.
    """

    number: int
    tenant: str
    day: date
    kind: Kind
    rows: list[dict[str, str]]
    edits: tuple[Edit, ...]
    undoes: str = ""
    dies_at: int = 0

    @property
    def run(self) -> str:
        """The id of the night's run."""
        return f"{self.kind.replace(' ', '_') if self.kind in BETWEEN else 'night'}{self.number}"


@dataclass
class Rules:
    """The tenants' policy for leavers."""

    action: str
    after: int
    loads: int
    most: int
    watches_loans: bool


@dataclass
class Week:
    """All nights of a seed, and what is there before the first."""

    seed: int
    tenants: tuple[str, ...]
    rules: Rules
    fills_active: bool
    """Whether the mapping fills `active`."""
    chunk_size: int
    strangers: list[str]
    """Keys of users whom people created by hand; they begin like those of the loads."""
    nights: list[Night] = field(default_factory=list)


def make(seed: int, tenants: tuple[str, ...] = ("north", "south"), *, edited: bool = True) -> Week:
    """The week of a seed."""
    chance = random.Random(seed * 104729 + 17)
    week = Week(
        seed=seed,
        tenants=tenants,
        rules=Rules(
            action=chance.choice(["deactivate", "expire"]),
            after=chance.choice([1, 2, 3]),
            loads=chance.choice([1, 2, 3]),
            most=chance.choice([2, 4, 6]),
            watches_loans=edited and chance.random() < 0.5,  # noqa: PLR2004 - one in two
        ),
        fills_active=not edited or chance.random() < 0.5,  # noqa: PLR2004 - one in two
        chunk_size=chance.choice([3, 10, 250]),
        strangers=[f"{tenant[0].upper()}{number}{MARK}" for tenant in tenants for number in (1000, 1001)],
    )
    _Registry(week, chance, edited=edited).play()
    return week


class _Registry:
    """The registries of the tenants, and the librarians, from night to night."""

    def __init__(self, week: Week, chance: random.Random, *, edited: bool) -> None:
        self.week = week
        self.chance = chance
        self.edited = edited
        self.next = 0
        self.gone: dict[str, list[Person]] = {tenant: [] for tenant in week.tenants}
        self.people = {
            tenant: [self._newcomer(tenant) for _ in range(chance.randint(*PEOPLE))] for tenant in week.tenants
        }
        self.files: dict[str, list[list[dict[str, str]]]] = {tenant: [] for tenant in week.tenants}
        self.lent: set[str] = set()
        self.undoing = random.Random(week.seed * 7907 + 3)
        self.runs: dict[str, list[str]] = {tenant: [] for tenant in week.tenants}
        self.changed: dict[str, list[str]] = {tenant: [] for tenant in week.tenants}
        if len(week.tenants) > 1:
            # Some people are in the files of both, with the same cells.
            both = [self._newcomer("both") for _ in range(3)]
            for tenant in week.tenants:
                self.people[tenant] += both

    def play(self) -> None:
        for number in range(1, self.chance.randint(*NIGHTS) + 1):
            for tenant in self.week.tenants:
                kind = self._kind(number)
                edits = tuple(self._edits(tenant)) if number > 1 and self.edited else ()
                day = MONDAY + timedelta(number)
                if number > 1 and self.undoing.random() < 0.12:  # noqa: PLR2004 - in one night of eight
                    self.week.nights.append(self._given_up(number, tenant, day))
                night = Night(number, tenant, day, kind, self._rows(tenant, kind), edits)
                self.week.nights.append(night)
                if kind in LOADS:
                    self.runs[tenant].append(night.run)
                if number > 1 and self.undoing.random() < 0.3:  # noqa: PLR2004 - in three nights of ten
                    self.week.nights.append(self._undo(number, tenant, day))

    def _undo(self, number: int, tenant: str, day: date) -> Night:
        """A person takes a run back, mostly the last one, now and then an undo; someone may have edited meanwhile."""
        runs, chance = self.runs[tenant], self.undoing
        run = runs[-1] if chance.random() < 0.7 else chance.choice(runs[-4:])  # noqa: PLR2004 - seven of ten
        edits = []
        if self.edited and self.changed[tenant] and chance.random() < 0.6:  # noqa: PLR2004 - six of ten
            edits.append(Edit("phone", chance.choice(self.changed[tenant]), f"555-02{chance.randint(0, 99):02}"))
        night = Night(number, tenant, day, "undo", [], tuple(edits), undoes=run)
        runs.append(night.run)
        return night

    def _given_up(self, number: int, tenant: str, day: date) -> Night:
        """A wrong file: some people are missing, some have another number, and some are strangers."""
        chance = self.undoing
        rows = [dict(person.cells) for person in self.people[tenant] if chance.random() < 0.8]  # noqa: PLR2004 - four of five
        for row in rows:
            if chance.random() < 0.5:  # noqa: PLR2004 - one in two
                row["PHONE"] = f"555-04{chance.randint(0, 99):02}"
        for new in range(2):
            key = f"{tenant[0].upper()}{number}X{new}{MARK}"
            rows.append(rows[0] | {"ID": key, "LOGIN": key.lower(), "LAST": f"Wrong{MARK}"})
        chance.shuffle(rows)
        return Night(number, tenant, day, "given up", rows, (), dies_at=chance.randint(1, 3))

    def _kind(self, number: int) -> Kind:
        return self.chance.choice(KINDS) if number > 2 and self.chance.random() < 0.3 else "complete"  # noqa: PLR2004 - three in ten

    def _rows(self, tenant: str, kind: Kind) -> list[dict[str, str]]:
        files = self.files[tenant]
        if kind in ("again", "old"):
            return files[-1] if kind == "again" else [files[0][0] | {"PHONE": "555-0300"}, *files[0][1:]]
        if kind == "nothing":
            return []
        if files:
            self._change(tenant)
        rows = [self._row(person) for person in self.people[tenant]]
        self.chance.shuffle(rows)
        if kind == "half":
            rows = rows[::2]
        if kind != "dry run":
            files.append(rows)
        return rows

    def _row(self, person: Person) -> dict[str, str]:
        """The person's cells; now and then with a mistake, so that the row is rejected."""
        cells = dict(person.cells)
        if self.chance.random() < 0.05:  # noqa: PLR2004 - one row in twenty
            cells["GROUP"] = UNKNOWN
        return cells

    def _change(self, tenant: str) -> None:
        """People leave, come, return, and get another telephone number."""
        people, gone = self.people[tenant], self.gone[tenant]
        for person in self.chance.sample(people, self.chance.choice([0, 1, 1, 2, 3])):
            people.remove(person)
            gone.append(person)
        if gone and self.chance.random() < 0.4:  # noqa: PLR2004 - four in ten
            people.append(gone.pop(self.chance.randrange(len(gone))))
        if self.chance.random() < 0.5:  # noqa: PLR2004 - one in two
            people.append(self._newcomer(tenant))
        changed = self.chance.sample(people, min(2, len(people)))
        self.changed[tenant] = [person.key for person in changed]
        for person in changed:
            person.cells["PHONE"] = f"555-01{self.chance.randint(0, 99):02}"

    def _newcomer(self, tenant: str) -> Person:
        self.next += 1
        key = f"{tenant[0].upper()}{self.next}{MARK}"
        group = self.chance.choice(GROUPS)
        return Person(
            {
                "ID": key,
                "LOGIN": key.lower(),
                "GROUP": group,
                "YEAR": "2029",
                "LAST": f"Last{self.next}{MARK}",
                "FIRST": f"First{MARK}",
                "PHONE": f"555-01{self.chance.randint(0, 99):02}",
            }
        )

    def _edits(self, tenant: str) -> list[Edit]:
        known = sorted({row["ID"] for rows in self.files[tenant] for row in rows})
        made = []
        for what, often in (("note", 0.5), ("off", 0.15), ("staff", 0.1), ("lend", 0.3), ("give back", 0.3)):
            if self.chance.random() >= often:
                continue
            key = self.chance.choice(known)
            if what == "give back":
                if not self.lent:
                    continue
                key = self.chance.choice(sorted(self.lent))
                self.lent.discard(key)
            if what == "lend":
                self.lent.add(key)
            made.append(Edit(what, key, f"note{self.chance.randint(0, 99)}{MARK}"))  # type: ignore[arg-type]
        return deepcopy(made)


def as_csv(rows: list[dict[str, str]]) -> bytes:
    """The file of a night."""
    lines = [",".join(COLUMNS), *(",".join(row[column] for column in COLUMNS) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def leavers(rules: Rules) -> dict[str, Any]:
    """The tenant file's section."""
    watched = {"while": ["open_loans"]} if rules.watches_loans else {}
    return {
        "action": rules.action,
        "after": f"{rules.after} days",
        "missing_loads": rules.loads,
        "max": rules.most,
        **watched,
    }
