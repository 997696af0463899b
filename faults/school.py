"""Generate a school's Infiniti with users, an export and a mapping, and the expected result for each row."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from faults.world import MARK, Row
from sandbox.infiniti import Oddities, School, User

COLUMNS = (
    "LOGIN", "CODE", "CARD", "FIRST", "LAST", "MAIL", "SEX", "LEAVES", "KIND", "STATE", "CLASS", "HOUSE", "SECRET",
)  # fmt: skip

ALWAYS: dict[str, Any] = {
    "username": {"column": "LOGIN", "required": True},
    "enabled": {"column": "STATE", "lookup": "states"},
    "staffmember": {"column": "KIND", "lookup": "kinds"},
    "graduationyear": "LEAVES",
    "adminsystemid": "CODE",
    "librarybarcode": "CARD",
}
SOMETIMES: dict[str, Any] = {
    "givenname": "FIRST",
    "surname": "LAST",
    "emailaddress": "MAIL",
    "gender": "SEX",
    "formclass": "CLASS",
    "presentationgrouplabel": "HOUSE",
    "password": "SECRET",
}
LOOKUPS = {"states": {"in": True, "out": False}, "kinds": {"staff": True, "student": False}}
COLUMN_OF = {name: rule if isinstance(rule, str) else rule["column"] for name, rule in (ALWAYS | SOMETIMES).items()}

Fate = Literal["load", "hold", "fail"]
CHOSEN = f"chosen{MARK}"
"""The password that a stored user has chosen; no load may change it."""


class Expected(NamedTuple):
    """The expected result for a row: it is loaded, held back, or refused by Infiniti; and its user if it is loaded."""

    row: Row
    fate: Fate
    before: User | None
    user: User
    may_have_password: bool

    @property
    def key(self) -> str:
        """The user's name."""
        return self.row.cells["LOGIN"]


@dataclass
class World:
    """The data of one run."""

    seed: int
    oddities: Oddities
    chunk_size: int
    passwords: str
    has_ledger: bool
    fields: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    stored: list[User] = field(default_factory=list)
    fates: dict[int, Fate] = field(default_factory=dict)
    """The rows that are not loaded."""
    duplicates: set[int] = field(default_factory=set)

    columns = COLUMNS

    def csv(self) -> bytes:
        """The export. No cell needs quotes."""
        lines = [",".join(COLUMNS), *(",".join(row.cells[name] for name in COLUMNS) for row in self.rows)]
        return ("\n".join(lines) + "\n").encode()

    def mapping(self) -> dict[str, Any]:
        """The mapping file."""
        return {"target": "infiniti", "fields": self.fields, "lookups": LOOKUPS}

    def tenant(self) -> dict[str, Any]:
        """The target section of the tenant file."""
        target = {
            "type": "infiniti",
            "connection": "campaign_infiniti",
            "chunk_size": self.chunk_size,
            "first_row": self.oddities.first_row,
            "passwords": self.passwords,
        }
        return {"mapping": "infiniti/campaign", "timezone": "Australia/Sydney", "target": target}

    def fill(self, school: School) -> None:
        """Put the users into an Infiniti."""
        school.users = {user["username"]: dict(user) for user in self.stored}

    def expected(self) -> Iterator[Expected]:
        """The expected result for each row."""
        stored = {user["username"]: user for user in self.stored}
        for row in self.rows:
            before = stored.get(row.cells["LOGIN"])
            fate = self.fates.get(row.number, "load")
            new = before is None if self.has_ledger else self.passwords == "everyone_at_first"
            entitled = self.passwords != "never" and "password" in self.fields and bool(row.cells["SECRET"]) and new
            yield Expected(row, fate, before, self._user(row, before), entitled)

    def _user(self, row: Row, before: User | None) -> User:
        """The expected user: the row merged into the stored user, without the password."""
        user = dict(before or {})
        for name in self.fields:
            cell = row.cells[COLUMN_OF[name]]
            if name == "password":
                continue
            if name in ("enabled", "staffmember"):
                user[name] = cell in ("in", "staff")
            elif cell or self.oddities.blank_cells == "erase":
                user[name] = cell
        return user


def make(seed: int) -> World:
    """The world of a seed; the same for the same seed."""
    chance = random.Random(seed)
    first_row = chance.choice([1, 1, 0, 2])
    world = World(
        seed=seed,
        oddities=Oddities(
            details=chance.choice(["object", "object", "array", "failed"]),
            first_row=first_row,
            header_line=first_row > 0 and chance.random() < 0.2,  # noqa: PLR2004 - now and then
            doubled=chance.random() < 0.7,  # noqa: PLR2004 - as in the article, mostly
            unauthorised=chance.choice([200, 401]),
            failed=chance.choice([200, 200, 422]),
            blank_cells=chance.choice(["erase", "keep"]),
        ),
        chunk_size=chance.choice([10, 40, 90, 250]),
        passwords=chance.choice(["never", "newcomers", "everyone_at_first"]),
        has_ledger=chance.random() < 0.6,  # noqa: PLR2004 - more often than not
        fields=ALWAYS | {name: rule for name, rule in SOMETIMES.items() if chance.random() < 0.7},  # noqa: PLR2004
    )
    for number in range(1, chance.randint(200, 300) + 1):
        cells = _cells(chance, number)
        world.rows.append(Row(number + 1, cells))
        if chance.random() < 0.5:  # noqa: PLR2004 - one in two is known
            world.stored.append(_stored(cells["LOGIN"], cells["CODE"], cells["CARD"]))
    for number in range(30):
        world.stored.append(_stored(f"stranger{MARK}{number}", f"X{MARK}{number}", f"x29{MARK}{number}"))
    _add_troubles(world, chance)
    return world


def _cells(chance: random.Random, number: int) -> dict[str, str]:
    def sometimes(text: str, share: float = 0.8) -> str:
        return text if chance.random() < share else ""

    is_staff = chance.random() < 0.15  # noqa: PLR2004 - some are staff
    return {
        "LOGIN": f"login{MARK}{number}",
        "CODE": f"{MARK}{number:05}",
        "CARD": sometimes(f"29{MARK}{number:06}", 0.95),
        "FIRST": sometimes(f"Zoë{MARK}"),
        "LAST": f"Ó Last{MARK}{number}",
        "MAIL": sometimes(f"mail{MARK}{number}@school.example"),
        "SEX": chance.choice(["F", "M", ""]),
        "LEAVES": "" if is_staff else str(chance.randint(2027, 2032)),
        "KIND": "staff" if is_staff else "student",
        "STATE": chance.choice(["in", "in", "in", "out"]),
        "CLASS": sometimes(f"7{MARK}", 0.6),
        "HOUSE": sometimes(f"House {MARK}", 0.5),
        "SECRET": sometimes(f"Welcome-{MARK}-{number}", 0.8),
    }


def _stored(username: str, code: str, card: str) -> User:
    """A user who has been in Infiniti for a long time."""
    known = {"username": username, "adminsystemid": code, "librarybarcode": card, "password": CHOSEN}
    own = {"givenname": f"Old{MARK}", "surname": f"Before{MARK}", "formclass": f"6{MARK}", "graduationyear": "2026"}
    return known | own | {"enabled": True, "staffmember": False}


def _add_troubles(world: World, chance: random.Random) -> None:
    """Rows that cannot be loaded: errors for the plan, errors only Infiniti finds, duplicates, and new usernames."""
    stored = {user["username"] for user in world.stored}
    rows = chance.sample(world.rows, 40)
    known = [row for row in rows if row.cells["LOGIN"] in stored]
    new = [row for row in rows if row.cells["LOGIN"] not in stored]
    some = [*known[:8], *new[:8]]
    chance.shuffle(some)
    for row in some[:3]:
        row.cells.update(KIND="student", LEAVES="")
        world.fates[row.number] = "hold"
    for row in some[3:5]:
        row.cells["LEAVES"] = "next year"
        world.fates[row.number] = "hold"
    for row in some[5:7]:
        row.cells["SEX"] = "X"
        if "gender" in world.fields:
            world.fates[row.number] = "hold"
    for row in some[7:9]:
        row.cells["MAIL"] = f"at home {MARK}"
        if "emailaddress" in world.fields:
            world.fates[row.number] = "fail"
    for row, number in zip(some[9:11], (3, 4), strict=False):
        row.cells["CARD"] = f"x29{MARK}{number}"
        # A new patron with a card that someone had in the last load may be the same person.
        is_new = row.cells["LOGIN"] not in stored
        world.fates[row.number] = "hold" if world.has_ledger and is_new else "fail"
    for row, twin in (some[11:13],):
        row.cells["CARD"] = twin.cells["CARD"] = f"29{MARK}twin"
        world.fates |= {row.number: "hold", twin.number: "hold"}
    _rename(world, known[8:11], known[11:13])
    cards = Counter(row.cells["CARD"] for row in world.rows if row.cells["CARD"])
    world.duplicates = {row.number for row in world.rows if cards[row.cells["CARD"]] > 1 and row.cells["CARD"]}


def _rename(world: World, with_card: list[Row], without: list[Row]) -> None:
    """The same people under new usernames."""
    for row in with_card:
        # Infiniti has this card under the old username: without a patron ledger only Infiniti notices.
        row.cells.update(LOGIN=f"renamed{row.cells['LOGIN']}", CARD=f"29{MARK}{row.number - 1:06}")
        world.fates[row.number] = "hold" if world.has_ledger else "fail"
        _give_card(world, row)
    for row in without:
        # Without a patron ledger this is not noticed, and becomes a second account.
        row.cells.update(LOGIN=f"renamed{row.cells['LOGIN']}", CARD="")
        if world.has_ledger:
            world.fates[row.number] = "hold"


def _give_card(world: World, row: Row) -> None:
    for user in world.stored:
        if user["adminsystemid"] == row.cells["CODE"]:
            user["librarybarcode"] = row.cells["CARD"]
