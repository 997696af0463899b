"""Facts that a plan cannot know: later edits, reassigned barcodes, and how FOLIO's modules behave."""

from __future__ import annotations

import random
from collections import Counter

from faults.world import MARK, PROTECTING, Edit, Row, User, World

EDITED = (("personal", "mobilePhone"), ("personal", "middleName"), ("customFields", "locker"))
"""Fields that no mapping of the campaign fills."""


def add(world: World) -> World:
    """Add what the plan cannot know: later edits, reassigned barcodes, an older mod-users, late answers."""
    chance = random.Random(world.seed * 15485863 + 11)
    world.keeps_created_date = chance.random() < 0.5  # noqa: PLR2004 - one in two
    world.late_seconds = chance.choice([0.0, 0.0, 0.05, 0.2])
    if chance.random() < 0.3:  # noqa: PLR2004 - in three runs of ten no one works in FOLIO
        return world
    for user in chance.sample(world.stored, min(8, len(world.stored))):
        inside, name = chance.choice(
            [("personal", "mobilePhone"), ("personal", "middleName"), ("customFields", "locker")]
        )
        world.edits.append(Edit(user["id"], inside, name, f"{MARK} by hand"))
    _give_away(world, chance)
    return world


def _give_away(world: World, chance: random.Random) -> None:
    """Give barcodes of rows, of known patrons and of a new one, to users who are not in the file."""
    if "barcode" not in world.fields or "barcode" in world.ownership:
        return
    cards = Counter(row.cells["CARD"].lower() for row in world.rows)
    stored = {user["externalSystemId"].removeprefix(world.prefix).lower(): user for user in world.stored}
    held = {user["barcode"].lower() for user in world.stored if user.get("barcode")}
    alone = [row for row in world.rows if cards[row.cells["CARD"].lower()] == 1 and row.cells["CARD"]]
    known = [row for row in alone if (user := stored.get(row.cells["ID"].lower())) and _may_change_card(user, row)]
    new = [row for row in alone if row.cells["ID"].lower() not in stored and row.cells["CARD"].lower() not in held]
    strangers = [user for user in world.stored if f"X{MARK}" in user["externalSystemId"]]
    # A row may want a barcode that such a user gives up.
    strangers = [user for user in strangers if not cards[user.get("barcode", "none").lower()]]
    chosen = chance.sample(known, min(3, len(known)))
    for row in chosen:
        row.cells["CARD"] = f"late29{MARK}{row.number}"
    for row, user in zip([*chosen, *chance.sample(new, min(1, len(new)))], strangers, strict=False):
        world.edits.append(Edit(user["id"], "", "barcode", row.cells["CARD"]))
        world.refused.add(row.number)


def _may_change_card(user: User, row: Row) -> bool:
    return not _is_kept(user) and user.get("barcode", "").lower() == row.cells["CARD"].lower()


def _is_kept(user: User) -> bool:
    return any(tag in PROTECTING for tag in user.get("tags", {}).get("tagList", ()))


def conditions(world: World) -> tuple[str, ...]:
    """The subjects of a run besides faults, in words."""
    cards = Counter(row.cells["CARD"].lower() for row in world.rows if row.cells["CARD"])
    possible = {
        "createdDate kept by updates": world.keeps_created_date,
        "createdDate set by updates": not world.keeps_created_date,
        "updates that FOLIO refuses": world.refused,
        "answers before the rest is done": world.refused and world.late_seconds,
        "edits by hand after the plan": any(edit.name != "barcode" for edit in world.edits),
        "barcodes given away after the plan": any(edit.name == "barcode" for edit in world.edits),
        "a barcode in two rows": max(cards.values(), default=0) > 1,
        "users protected by hand": world.protects,
        "users without an externalSystemId": any("externalSystemId" not in user for user in world.stored),
        "users taken over": world.takes_over,
    }
    return tuple(words for words, is_so in possible.items() if is_so)
