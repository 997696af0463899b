"""Users whom a library added at the desk, without an externalSystemId, and whom a load may take over."""

from __future__ import annotations

import random
from collections import Counter

from faults.world import MARK, Row, User, World

MOST = 12


def add(world: World) -> World:
    """Take the externalSystemId away from some stored users of the file; their other ids decide who they are."""
    chance = random.Random(world.seed * 32452843 + 5)
    world.takes_over = chance.random() < 0.7  # noqa: PLR2004 - in seven runs of ten
    stored = {user["externalSystemId"].removeprefix(world.prefix).lower(): user for user in world.stored}
    rows = [row for row in world.rows if _has_ids_of_its_own(world, row)]
    known = [(row, user) for row in rows if (user := stored.get(row.cells["ID"].lower()))]
    for row, user in chance.sample(known, min(MOST, len(known))):
        _make_by_hand(world, chance, row, user)
    return world


def _has_ids_of_its_own(world: World, row: Row) -> bool:
    """Whether no other row and no other user has the row's username or barcode, now or after the plan."""
    if row.number in world.refused:
        return False
    for column, name in (("LOGIN", "username"), ("CARD", "barcode")):
        value = row.cells[column].lower()
        in_file = Counter(other.cells[column].lower() for other in world.rows)[value]
        key = f"{world.prefix}{row.cells['ID']}".lower()
        holders = [user for user in world.stored if user.get(name, "").lower() == value]
        if value and (in_file > 1 or any(user.get("externalSystemId", "").lower() != key for user in holders)):
            return False
    return True


def _make_by_hand(world: World, chance: random.Random, row: Row, user: User) -> None:
    kind = chance.choice(["both", "both", "username", "barcode", "another", "staff"])
    del user["externalSystemId"]
    user.pop("barcode", None)
    user["username"] = row.cells["LOGIN"]
    has_card = bool(row.cells["CARD"]) and "barcode" in world.fields
    if kind != "username" and has_card:
        user["barcode"] = row.cells["CARD"]
    if kind == "barcode" and has_card:
        del user["username"]
    elif kind == "another" and has_card:
        user["username"] = f"desk{MARK}{row.number}"
    elif kind == "staff":
        user["type"] = "staff"
