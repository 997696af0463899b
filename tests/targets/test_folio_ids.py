"""A campus that brings FOLIO's own ids along: a new user gets its id, and nobody's ever changes."""

from pathlib import Path
from typing import Any

import pytest

from patronload.config.mapping import Mapping
from patronload.targets.folio.comparison import Comparison
from patronload.targets.folio.user_import import UserImport
from sandbox.folio import FolioServer
from tests.targets.loads import (
    FOLIO_TENANT,
    QUICK,
    account,
    folio_target,
    make_run,
    people,
    person,
    post,
    results,
    stored,
)
from tests.targets.plans import FILLED, mapping, plan, reasons, sent, stored_user

ADDRESS_ID = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"
FIELDS = ("id", *FILLED, "personal.addresses[0].id")


def uuid(number: int) -> str:
    return f"7c5abc9f-f3d7-4856-b8d7-{number:012x}"


def with_id(number: int, **given: Any) -> dict[str, Any]:
    return person(number, **{"id": uuid(number), **given})


@pytest.fixture
def rules(tmp_path: Path) -> Mapping:
    return mapping(tmp_path, FIELDS)


def test_a_new_user_gets_the_id_of_the_file(server: FolioServer, rules: Mapping, tmp_path: Path):
    """PostgreSQL writes the letters of a UUID small, whatever the file does."""
    patron = with_id(171)
    patron["personal"]["addresses"][0]["id"] = ADDRESS_ID
    planned = plan(server, [patron | {"id": uuid(171).upper()}], rules)
    assert sent(planned)[2]["id"] == uuid(171)
    post(make_run(tmp_path / "run", sent(planned).values()), server)
    user = stored(server, patron)
    assert user
    assert user["id"] == uuid(171)
    assert user["personal"]["addresses"][0]["id"] == ADDRESS_ID


@pytest.mark.parametrize("more", [0, 400])
def test_a_stored_user_keeps_its_id(server: FolioServer, rules: Mapping, more: int):
    """A warning tells in how many rows the file has another one; the address' id is a field like any other."""
    own = stored_user(server, person(1))
    stored_user(server, person(2))
    second = with_id(2)
    second["personal"]["addresses"][0]["id"] = ADDRESS_ID
    planned = plan(server, [with_id(1, id=own["id"].upper()), second, *people(more, 1000)], rules)
    assert planned.summary["read"] == ("all" if more else "by id")
    records = sent(planned)
    assert "id" not in records[2]
    assert "id" not in records[3]
    assert records[3]["personal"]["addresses"][0]["id"] == ADDRESS_ID
    [told] = planned.summary["warnings"]
    assert told == (
        "In 1 row the id is not the one that the user has in FOLIO. A user's id never changes, so the patrons are "
        "loaded and keep theirs."
    )


@pytest.mark.parametrize("more", [0, 400])
@pytest.mark.parametrize("known", [False, True])
def test_an_id_that_is_another_users(server: FolioServer, rules: Mapping, more: int, known: bool):
    """It is never free, not even when the other user is in the file with an id of its own."""
    holder = stored_user(server, person(900))
    records = [with_id(1, id=holder["id"]), *([with_id(900)] if known else [])]
    planned = plan(server, [*records, *people(more, 1000)], rules)
    assert len(sent(planned)) == known + more
    held = "the user with the externalSystemId 'banner_00000900'"
    assert reasons(planned)[2] == (
        f"id '{holder['id']}': the id is held in FOLIO by {held}, row 3, which keeps it"
        if known
        else f"id '{holder['id']}': the id is that of {held} in FOLIO, who is not in this load: perhaps the same "
        "person, whose externalSystemId has changed. Change it in FOLIO, add both ids to "
        "the list of target.match.identities, or correct the row"
    )


@pytest.mark.parametrize(
    "given", ["1234", "7c5abc9f-f3d7-4856-b8d7", "7c5abc9ff3d74856b8d7000000000001", uuid(1) + "0"]
)
def test_what_is_no_uuid(server: FolioServer, rules: Mapping, given: str):
    """It is set aside with its reason; mod-user-import would only say that it failed to create the user."""
    planned = plan(server, [with_id(1, id=given), with_id(2)], rules)
    assert list(sent(planned)) == [3]
    assert reasons(planned) == {
        2: f"id '{given}': FOLIO accepts only a UUID as an id, like 7c5abc9f-f3d7-4856-b8d7-6712462ca007"
    }


def test_an_id_that_was_taken_since_the_plan(server: FolioServer, tmp_path: Path):
    """FOLIO does not say why it could not create the user; it is found out."""
    stored_user(server, person(900), id=uuid(1))
    taken = server.store(FOLIO_TENANT).user("banner_00000900")
    run = make_run(tmp_path, [with_id(1, id=taken["id"]), with_id(2)])
    post(run, server)
    [failed] = results(run)[0]["failed"]
    assert failed["row"] == 2
    assert failed["summary"] == "FOLIO already has a user with this id"
    assert "banner_00000900" in failed["message"]


def test_an_address_without_its_id_is_the_same_address(server: FolioServer):
    """Whether an import took place does not hang on an id that was not sent."""
    user = stored_user(server, person(1))
    user["personal"]["addresses"][0]["id"] = ADDRESS_ID
    server.store(FOLIO_TENANT).users.put(user)
    other = person(1)
    other["personal"]["addresses"][0]["id"] = uuid(5)
    with UserImport(folio_target(), account(server), QUICK) as folio:
        stored_now = folio.users_by_external_system_ids(["00000001"])["00000001"]
        moment = {"expirationDate": stored_now["expirationDate"]}
        assert Comparison(folio).holds(person(1, **moment), stored_now)
        assert not Comparison(folio).holds(other | moment, stored_now)
