"""A million rows are compared like a hundred: leaving out the rows whose ids no one else wants changes nothing."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from patronload.targets.folio.contested_ids import Claims
from patronload.targets.folio.identity_conflicts import Claim, settle
from patronload.targets.folio.touched_users import Stored, email

VALUES = [f"v{number}" for number in range(9)]
EMAILS = [f"{name}@x.example" for name in "abcd"]


def some_users(chance: random.Random) -> list[dict[str, Any]]:
    """Stored users; ids, usernames and barcodes are unique in FOLIO, and e-mail addresses are not."""
    usernames, barcodes = (chance.sample(VALUES, len(VALUES)) for _ in range(2))
    return [
        {
            "id": f"id{number}",
            "externalSystemId": chance.choice([f"k{number}", f"k{number}", None]),
            "type": chance.choice(["patron", "patron", "staff"]),
            **({"username": usernames[number]} if chance.random() < 0.8 else {}),
            **({"barcode": barcodes[number]} if chance.random() < 0.8 else {}),
            "personal": {"email": chance.choice([*EMAILS, None])},
        }
        for number in range(chance.randint(0, 8))
    ]


def some_claims(chance: random.Random, users: list[dict[str, Any]]) -> list[Claim]:
    """Rows of known patrons, most of whom keep their ids, and of newcomers."""
    known = chance.sample(users, chance.randint(0, len(users)))
    owners = [*known, *({} for _ in range(chance.randint(0, 4)))]
    chance.shuffle(owners)
    claims = []
    for row, user in enumerate(owners, start=2):
        wants: dict[str, str] = {}
        for name in ("username", "barcode"):
            value = user.get(name) if chance.random() < 0.6 else chance.choice(VALUES)
            wants |= {name: value} if value else {}
        if user or chance.random() < 0.2:
            wants["id"] = user.get("id") or chance.choice(["id1", "id2", "new"])
        others = frozenset(one["id"] for one in users if chance.random() < 0.1)
        claims.append(Claim(row, user.get("id"), wants, chance.choice([*EMAILS, None]), others))
    return claims


@given(st.integers(0, 10**9), st.booleans())
def test_uncontested_rows_change_nothing(seed: int, rejects_same_email: bool):
    """Conflicts, levels and noted addresses are those of a comparison of all rows with all users."""
    chance = random.Random(seed)
    users = some_users(chance)
    claims = some_claims(chance, users)
    stored, kept = Stored(), Claims()
    for user in users:
        stored.add(user, is_own=True)
    for claim in claims:
        kept.add(claim)
    ours = {claim.stored_id for claim in claims}
    gone = {user["id"]: 100 + n for n, user in enumerate(users) if user["id"] not in ours and chance.random() < 0.3}
    rows, holders = kept.contested(stored)
    whole = settle(claims, stored.holders(), gone, rejects_same_email=rejects_same_email)
    part = settle(
        [claim for claim in claims if claim.row in rows], holders, gone, rejects_same_email=rejects_same_email
    )
    assert part.conflicts == whole.conflicts
    assert part.same_email == whole.same_email
    assert {row: part.levels.get(row, 0) for row in whole.levels} == whole.levels


def test_an_ordinary_day_has_nothing_to_compare():
    """Everyone is known and keeps their ids, or is new and brings others: no row is looked at again."""
    stored, kept = Stored(), Claims()
    for number in range(50):
        user = {"id": f"id{number}", "externalSystemId": f"k{number}", "username": f"u{number}"}
        user |= {"personal": {"email": f"{number % 7}@x.example"}}
        stored.add(user, is_own=True)
        kept.add(Claim(number, f"id{number}", {"username": f"u{number}"}, email(user)))
    kept.add(Claim(51, None, {"username": "u51", "barcode": "b51"}, "51@x.example"))
    assert kept.contested(stored) == (frozenset(), [])
