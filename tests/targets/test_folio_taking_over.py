"""Users whom FOLIO has under no externalSystemId, or under an old one: who is taken over, who is not, and how."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from patronload.config.mapping import Mapping
from patronload.errors import TargetError
from patronload.targets.delivery import Background, Identity, Planned
from patronload.targets.folio.user_import import UserImport
from sandbox.folio import FolioServer
from sandbox.folio.reference import text_field
from tests.targets.loads import FOLIO_TENANT, QUICK, account, folio_target, person, post, results, run_of_plan, stored
from tests.targets.plans import CHICAGO, FILLED, frame, mapping, plan, reasons, sent, stored_user

MATCH = {"users_without_id": ["barcode", "username"]}
PREFERENCE = {"holdShelf": True, "delivery": False}


@pytest.fixture
def rules(tmp_path: Path) -> Mapping:
    return mapping(tmp_path)


def by_hand(server: FolioServer, number: int, **more: Any) -> dict[str, Any]:
    """A user who was added at the desk, without an externalSystemId."""
    user = stored_user(server, person(number, **more))
    users = server.store(FOLIO_TENANT).users
    users.put({name: value for name, value in user.items() if name != "externalSystemId"})
    found = users.get(user["id"])
    assert found is not None
    return found


def decided(
    server: FolioServer,
    records: list[dict[str, Any]],
    rules: Mapping,
    *identities: Identity,
    refused: tuple[tuple[int, str], ...] = (),
    **given: Any,
) -> Planned:
    """A plan with a list of changed ids; `refused` are rows that did not get as far, with their ids."""
    with UserImport(folio_target(**given), account(server), QUICK) as folio:
        return folio.plan(frame(records), rules, CHICAGO, Background(refused=refused, identities=identities))


def words(planned: Planned) -> str:
    return " ".join(planned.summary["warnings"])


def lines(spool: Any) -> list[dict[str, Any]]:
    parts = list(spool.parts())
    return pl.concat(parts).to_dicts() if parts else []


@pytest.mark.parametrize(
    ("theirs", "match"),
    [
        ({}, ["barcode", "username"]),
        ({"username": None}, ["barcode", "username"]),
        ({"barcode": None}, ["barcode", "username"]),
        ({"username": "PATRON1"}, ["username"]),
        ({"username": "desk1"}, ["barcode"]),
    ],
)
def test_a_user_without_an_id_is_taken_over(
    server: FolioServer, rules: Mapping, tmp_path: Path, theirs: dict[str, Any], match: list[str]
):
    """The user keeps the id and what the file does not have, gets the row's externalSystemId, and is no second user."""
    user = by_hand(server, 1, personal={"lastName": "Old", "pronouns": "they"}, **theirs)
    server.store(FOLIO_TENANT).preferences.put({"id": user["id"], "userId": user["id"], **PREFERENCE})
    planned = plan(server, [person(1), person(2)], rules, match={"users_without_id": match})
    assert reasons(planned) == {}
    assert (planned.summary["taken_over"], planned.summary["known"], planned.summary["new"]) == (1, 1, 1)
    assert "1 user in FOLIO without an externalSystemId has the barcode or username of a row" in words(planned)
    run = run_of_plan(tmp_path, planned)
    totals = post(run, server)
    assert (totals.created, totals.updated, totals.failed) == (1, 1, 0)
    store = server.store(FOLIO_TENANT)
    now = stored(server, person(1))
    assert now is not None
    assert len(store.users) == 2
    assert now["id"] == user["id"]
    assert now["personal"]["lastName"] == "O'Brádaigh"
    assert now["personal"]["pronouns"] == "they"
    assert now["barcode"] == person(1)["barcode"]
    assert store.preferences.find("userId", user["id"])


def test_the_user_as_they_were_is_kept(server: FolioServer, rules: Mapping):
    """before.parquet has the user without an externalSystemId, and changes.parquet says what they get, and why."""
    by_hand(server, 1)
    planned = plan(server, [person(1)], rules, match=MATCH)
    (before,) = lines(planned.before)
    assert "externalSystemId" not in json.loads(before["stored"])["user"]
    change = next(line for line in lines(planned.changes) if line["field"] == "externalSystemId")
    assert (change["before"], json.loads(change["after"])) == (None, "00000001")
    assert change["why"] == "taken over: a user without an externalSystemId"


def test_without_being_asked_for_nobody_is_taken_over(server: FolioServer, rules: Mapping):
    """The reason says who it is, and both ways out; never 'the externalSystemId '''."""
    by_hand(server, 1)
    planned = plan(server, [person(1)], rules)
    assert sent(planned) == {}
    assert reasons(planned)[2] == (
        "username 'patron1': the username is that of the user with the username 'patron1' and no externalSystemId in "
        "FOLIO, who is not in this load: perhaps the same person, added by hand. Give the user the externalSystemId of "
        "the row in FOLIO, or let the load do it (target.match.users_without_id)"
    )


@pytest.mark.parametrize("kind", ["staff", "system", "shadow", "dcb"])
def test_staff_are_never_taken_over(server: FolioServer, rules: Mapping, kind: str):
    """Whoever logs in keeps the ids that they log in with."""
    by_hand(server, 1, type=kind)
    planned = plan(server, [person(1)], rules, match=MATCH)
    assert sent(planned) == {}
    assert "a load never takes over staff" in reasons(planned)[2]


def test_both_ids_must_agree(server: FolioServer, rules: Mapping):
    """A user with the row's barcode and another username may be somebody else."""
    by_hand(server, 1, username="somebody")
    planned = plan(server, [person(1)], rules, match=MATCH)
    assert sent(planned) == {}
    assert "has the barcode of this row has another username" in reasons(planned)[2]


def test_two_users_for_one_row(server: FolioServer, rules: Mapping):
    """The barcode is one user's, the username another's: a person has to look."""
    by_hand(server, 1, username=None)
    by_hand(server, 2, username="patron1", barcode=None)
    planned = plan(server, [person(1)], rules, match=MATCH)
    assert sent(planned) == {}
    assert "two users without an externalSystemId" in reasons(planned)[2]


def test_two_rows_for_one_user(server: FolioServer, rules: Mapping):
    """One row has the user's barcode, another the username: neither gets the user."""
    by_hand(server, 1)
    rows = [person(1, username="x"), person(2, username="patron1")]
    planned = plan(server, rows, rules, match={"users_without_id": ["barcode", "username"]})
    assert sent(planned) == {}
    assert set(reasons(planned)) == {2, 3}


def test_whoever_is_protected_by_hand_is_not_taken_over(server: FolioServer, tmp_path: Path):
    """A protected user stays as they are, and without an externalSystemId."""
    rules = mapping(tmp_path, FILLED)
    server.store(FOLIO_TENANT).custom_fields.put(text_field("protectedFields", "Protected fields"))
    by_hand(server, 1, customFields={"protectedFields": "all"})
    planned = plan(server, [person(1)], rules, match=MATCH, protected={"custom_field": "protectedFields"})
    assert sent(planned) == {}
    assert "protected by hand" in reasons(planned)[2]


def test_a_user_with_an_id_of_their_own_is_not_taken_over(server: FolioServer, rules: Mapping):
    """Another externalSystemId is another person until somebody says otherwise."""
    stored_user(server, person(900, username="patron1"))
    planned = plan(server, [person(1)], rules, match=MATCH)
    assert "perhaps the same person, whose externalSystemId has changed" in reasons(planned)[2]


def test_the_permission_is_asked_for_in_the_plan(server: FolioServer, rules: Mapping):
    """Changing users needs a permission that a load otherwise does not need; nothing is changed to find out."""
    by_hand(server, 1)
    server.tenants[FOLIO_TENANT].forbidden = {"users.item.put"}
    with pytest.raises(TargetError, match=r"users\.item\.put"):
        plan(server, [person(1)], rules, match=MATCH)
    assert sent(plan(server, [person(2)], rules))


def test_a_killed_load_goes_on(server: FolioServer, rules: Mapping, tmp_path: Path):
    """The answer to the import is lost after the users got their ids: they are found, and nobody is changed twice."""
    for number in range(1, 13):
        by_hand(server, number)
    planned = plan(server, [person(number) for number in range(1, 13)], rules, match=MATCH)
    server.faults.answer(504, path="/user-import", nth=1, work="none")
    run = run_of_plan(tmp_path, planned)
    totals = post(run, server)
    assert (totals.created, totals.updated, totals.failed) == (0, 12, 0)
    assert len(server.store(FOLIO_TENANT).users) == 12


def test_a_lost_answer_to_the_change_itself(server: FolioServer, rules: Mapping, tmp_path: Path):
    """FOLIO hangs up on a PUT; the next look finds out whether it was done."""
    for number in range(1, 4):
        by_hand(server, number)
    planned = plan(server, [person(number) for number in range(1, 4)], rules, match=MATCH)
    run = run_of_plan(tmp_path, planned)
    server.faults.hang_up(method="PUT", nth=2)
    totals = post(run, server)
    assert (totals.created, totals.updated, totals.failed) == (0, 3, 0)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"type": "staff"}, "became staff in FOLIO after the plan"),
        ({"externalSystemId": "banner_other"}, "was given another externalSystemId in FOLIO after the plan"),
        (None, "FOLIO no longer has the user"),
        ({"patronGroup": "00000000-0000-4000-8000-00000000dead"}, "FOLIO does not know the patron group"),
    ],
)
def test_a_user_who_changed_since_the_plan(
    server: FolioServer, rules: Mapping, tmp_path: Path, edit: dict[str, Any] | None, reason: str
):
    """Looked at again just before the change; the row fails with the reason, and the others are loaded."""
    user = by_hand(server, 1)
    by_hand(server, 2)
    planned = plan(server, [person(1), person(2), person(3)], rules, match=MATCH)
    users = server.store(FOLIO_TENANT).users
    if edit is None:
        users.delete(user["id"])
    else:
        users.put(user | edit)
    run = run_of_plan(tmp_path, planned)
    totals = post(run, server)
    assert (totals.created, totals.updated, totals.failed) == (1, 1, 1)
    (failed,) = [one for result in results(run) for one in result["failed"]]
    assert failed["row"] == 2
    assert reason in failed["summary"]


def test_a_changed_id_that_was_accepted(server: FolioServer, rules: Mapping, tmp_path: Path):
    """The stored user gets the new id; no second user, and the old one is in before.parquet."""
    user = stored_user(server, person(900, username="patron1"))
    planned = decided(server, [person(1)], rules, Identity("banner_00000900", "00000001", is_same=True))
    assert planned.summary["renamed"] == 1
    assert "1 user in FOLIO gets a new externalSystemId" in words(planned)
    totals = post(run_of_plan(tmp_path, planned), server)
    assert (totals.created, totals.updated) == (0, 1)
    now = stored(server, person(1))
    assert now is not None
    assert now["id"] == user["id"]
    assert len(server.store(FOLIO_TENANT).users) == 1
    again = decided(server, [person(1)], rules, Identity("00000900", "00000001", is_same=True))
    assert (again.summary["renamed"], again.summary["unchanged"]) == (0, 1), "the list may stay as it is"


def test_ids_that_were_changed_by_mistake(server: FolioServer, rules: Mapping):
    """Staff, an old id that is still in the file, and two users who are both in FOLIO."""
    stored_user(server, person(900, type="staff"))
    stored_user(server, person(901))
    stored_user(server, person(902))
    stored_user(server, person(3))
    rows = [person(1), person(2), person(901), person(3)]
    pairs = [("00000900", "00000001"), ("00000901", "00000002"), ("00000902", "00000003")]
    planned = decided(server, rows, rules, *(Identity(*pair, is_same=True) for pair in pairs))
    assert sorted(reasons(planned)) == [2, 3]
    assert "names a user who is staff" in reasons(planned)[2]
    assert "another row's patron under a new id" in reasons(planned)[3]
    assert "1 line of the list of target.match.identities names two users who are both in FOLIO" in words(planned)


def test_an_old_id_in_a_row_that_was_refused(server: FolioServer, rules: Mapping):
    """The file has the old id too, so the new one is not the same person's; no list can be right about that."""
    stored_user(server, person(900, username="patron1"))
    pair = Identity("00000900", "00000001", is_same=True)
    planned = decided(server, [person(1)], rules, pair, refused=((7, "00000900"),))
    assert sent(planned) == {}
    assert "another row's patron under a new id" in reasons(planned)[2]


def test_another_person(server: FolioServer, rules: Mapping):
    """Somebody has decided: the row with the same e-mail address is loaded; the same barcode is still in the way."""
    shared = {"lastName": "A", "email": "p@x.example"}
    stored_user(server, person(900, personal=shared))
    stored_user(server, person(901))
    others = [Identity("00000900", "00000001", is_same=False), Identity("00000901", "00000002", is_same=False)]
    rows = [person(1, personal=shared), person(2, barcode=person(901)["barcode"])]
    planned = decided(server, rows, rules, *others, same_email="reject")
    assert list(sent(planned)) == [2]
    assert "perhaps" not in reasons(planned)[3]
    assert "who is not in this load" in reasons(planned)[3]
