"""Whose ids are whose: conflicts are found before anything is sent, and what is safe goes in the right order."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronload.config.mapping import Mapping
from patronload.folding import fold
from patronload.targets.delivery import Planned
from patronload.targets.folio.identity_conflicts import Claim, Holder, settle
from sandbox.folio import FolioServer
from tests.targets.loads import person
from tests.targets.plans import mapping, plan, reasons, sent, stored_user


@pytest.fixture
def rules(tmp_path: Path) -> Mapping:
    return mapping(tmp_path)


def levels(planned: Planned) -> list[list[int]]:
    """The rows that go together, in the order in which they go."""
    return [part["row"].to_list() for part in planned.patrons.frame().partition_by("level", maintain_order=True)]


@pytest.mark.parametrize("field", ["username", "barcode"])
def test_an_id_that_another_user_holds(server: FolioServer, rules: Mapping, field: str):
    """Both parties are told: the row, and the user who has the id; case and accents make no other id."""
    stored_user(server, person(1))
    stored_user(server, person(900, username="Zoë", barcode="Zoë"))
    planned = plan(server, [person(1, **{field: "zoe"}), person(2)], rules)
    assert list(sent(planned)) == [3]
    assert reasons(planned) == {
        2: f"{field} 'zoe': the {field} is held in FOLIO by the user with the externalSystemId 'banner_00000900', "
        "who is not in this load"
    }
    assert set(planned.rejects["summary"]) == {f"the {field} is already used by another user in FOLIO"}


@pytest.mark.parametrize(
    "same",
    [{"username": "Patron900"}, {"barcode": "20000900"}, {"personal": {"lastName": "A", "email": "P@x.example"}}],
)
def test_a_changed_external_system_id(server: FolioServer, rules: Mapping, same: dict[str, str]):
    """A newcomer with somebody's username, barcode or e-mail is that somebody, perhaps: a person decides, no double."""
    stored_user(server, person(900, personal={"lastName": "A", "email": "p@X.example"}))
    planned = plan(server, [person(1, **same), person(2)], rules, same_email="reject")
    assert list(sent(planned)) == [3]
    assert "perhaps the same person, whose externalSystemId has changed" in reasons(planned)[2]
    assert "banner_00000900" in reasons(planned)[2]


def test_an_email_that_several_share_tells_nothing(server: FolioServer, rules: Mapping):
    """Families share an address, and offices put their own in; then nobody is held back."""
    shared = {"lastName": "A", "email": "office@x.example"}
    stored_user(server, person(900, personal=shared))
    assert len(sent(plan(server, [person(1, personal=shared), person(2, personal=shared)], rules))) == 2
    stored_user(server, person(901, personal=shared))
    assert len(sent(plan(server, [person(1, personal=shared)], rules))) == 1


def test_an_email_of_somebody_else_in_the_file_tells_nothing(server: FolioServer, rules: Mapping):
    """Whoever is still in the file has not changed their id."""
    shared = {"lastName": "A", "email": "pair@x.example"}
    stored_user(server, person(900, personal=shared))
    other = person(900, personal={"lastName": "A", "email": "own@x.example"})
    assert len(sent(plan(server, [person(1, personal=shared), other], rules))) == 2


def test_an_id_that_is_handed_on_goes_in_order(server: FolioServer, rules: Mapping):
    """Who gives a barcode up comes before who takes it, however the file has them; FOLIO changes a request at once."""
    for number in (1, 2, 3):
        stored_user(server, person(number))
    planned = plan(
        server,
        [
            person(4, barcode="20000001"),
            person(1, barcode="20000002"),
            person(2, barcode="20000003"),
            person(3, barcode="9"),
            person(5),
        ],
        rules,
    )
    assert levels(planned) == [[5, 6], [4], [3], [2]]
    assert planned.rejects.height == 0


def test_a_swap_is_set_aside(server: FolioServer, rules: Mapping):
    """Two who exchange their barcodes cannot be told to FOLIO in any order; each row names the other."""
    for number in (1, 2):
        stored_user(server, person(number))
    swapped = [person(1, barcode="20000002"), person(2, barcode="20000001"), person(3)]
    planned = plan(server, swapped, rules)
    assert list(sent(planned)) == [4]
    assert "held by row 3, which waits for another row in turn: they would swap" in reasons(planned)[2]
    assert "held by row 2" in reasons(planned)[3]


def test_an_id_of_a_row_that_is_set_aside(server: FolioServer, rules: Mapping):
    """Who waits for a row that is not sent cannot be sent either, and learns which row it is."""
    for number in (1, 2, 3):
        stored_user(server, person(number))
    records = [
        person(1, barcode="9", patronGroup="wizard"),
        person(2, barcode="20000001"),
        person(3, barcode="20000002"),
        person(4),
    ]
    planned = plan(server, records, rules)
    assert list(sent(planned)) == [5]
    assert "row 2, which was set aside too" in reasons(planned)[3]
    assert "held by row 3, which was set aside too" in reasons(planned)[4]


@pytest.mark.parametrize(
    "same",
    [{"username": "Patron900"}, {"barcode": "20000900"}, {"personal": {"lastName": "A", "email": "P@x.example"}}],
)
def test_an_id_of_a_row_that_was_refused_before(server: FolioServer, rules: Mapping, same: dict[str, str]):
    """Its patron is in the file, so nobody is advised to change an externalSystemId; the row in the way is told."""
    stored_user(server, person(900, externalSystemId="Zoë", personal={"lastName": "A", "email": "p@X.example"}))
    planned = plan(server, [person(1, **same)], rules, refused=[(7, "zoe"), (8, "900")])
    told = reasons(planned).get(2, "")
    assert "perhaps" not in told
    assert ("row 7, which was set aside too" in told) is ("personal" not in same)


def test_a_barcode_that_its_owner_keeps(server: FolioServer, rules: Mapping):
    """A blank cell keeps the barcode FOLIO has; another row cannot have it, and hears who keeps it."""
    stored_user(server, person(1))
    planned = plan(server, [person(1, barcode=None), person(2, barcode="20000001")], rules)
    assert list(sent(planned)) == [2]
    assert "row 2, which keeps it" in reasons(planned)[3]


def test_a_barcode_in_two_rows(server: FolioServer, rules: Mapping):
    """Goes to the row whose user has it in FOLIO; only the other one is rejected. Where no one has it, both are."""
    stored_user(server, person(1))
    stored_user(server, person(2))
    rows = [person(1), person(2, barcode="20000001"), person(3, barcode="9"), person(4, barcode="9"), person(5)]
    planned = plan(server, rows, rules)
    assert sorted(sent(planned)) == [2, 6]
    assert (
        "held in FOLIO by the user with the externalSystemId 'banner_00000001', row 2, which keeps it"
        in reasons(planned)[3]
    )
    assert "barcode '9': the barcode is also in row 5" in reasons(planned)[4]


VALUES = ["a", "b", "c", "d", "e"]


@settings(max_examples=300)
@given(st.integers(0, 10**6))
def test_no_order_ever_breaks_a_unique_id(seed: int):
    """
    Sent level by level, every row of a level at once and in any order, no two users ever have one id; and everybody is
    either sent or set aside.
    """
    dice = random.Random(seed)
    has = dict(zip([f"s{number}" for number in range(5)], dice.sample(VALUES, 5), strict=True))
    stored = dice.sample(sorted(has), dice.randint(0, 5))
    holders = [Holder(one, one, None, has[one], None) for one in stored]
    people = [*dice.sample(stored, dice.randint(0, len(stored))), None, None]
    claims = [Claim(row, one, {"barcode": fold(dice.choice(VALUES))}, None) for row, one in enumerate(people, start=2)]
    order = settle(claims, holders)
    assert set(order.levels) | set(order.conflicts) == {claim.row for claim in claims}
    assert not set(order.levels) & set(order.conflicts)
    now = {one: has[one] for one in stored}
    for level in range(max(order.levels.values(), default=0) + 1):
        rows = [claim for claim in claims if order.levels.get(claim.row) == level]
        dice.shuffle(rows)
        for claim in rows:
            wanted = claim.wants["barcode"]
            name = claim.stored_id or f"new{claim.row}"
            assert wanted not in [value for other, value in now.items() if other != name]
            now[name] = wanted
