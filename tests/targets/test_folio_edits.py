"""Edits made in FOLIO between the plan and the moment when a patron's chunk is sent."""

from pathlib import Path
from typing import Any

import pytest

from patronload.config.mapping import Mapping
from patronload.errors import TransientError
from patronload.loads.posting.post import Totals
from patronload.targets.delivery import Planned
from sandbox.folio import FolioServer
from tests.targets.loads import FOLIO_TENANT, add_user, people, person, post, posted, run_of_plan, stored
from tests.targets.plans import FILLED, mapping, plan, stored_user

PREFERENCE = {"holdShelf": True, "delivery": False}


@pytest.fixture
def rules(tmp_path: Path) -> Mapping:
    return mapping(tmp_path, (*FILLED, "personal.phone"), {"personal.phone": "first"})


@pytest.fixture
def planned(server: FolioServer, rules: Mapping) -> Planned:
    """Ten known users with another last name and no phone, and five new ones."""
    for record in people(10):
        stored_user(server, record | {"personal": {"lastName": "Before"}, "expirationDate": "2030-01-01"})
    rows = [person(number, personal={"lastName": "New", "firstName": "Zoë", "phone": "555"}) for number in range(1, 16)]
    return plan(server, rows, rules)


def edit(server: FolioServer, number: int, **changed: Any) -> None:
    """What a librarian saves."""
    user = stored(server, person(number))
    assert user is not None
    personal = user["personal"] | changed.pop("personal", {})
    server.store(FOLIO_TENANT).users.put(user | {"personal": personal} | changed)


def librarians_at_work(server: FolioServer) -> None:
    edit(server, 1, personal={"mobilePhone": "+1 555"}, enrollmentDate="2025-01-01T00:00:00.000+00:00")
    edit(server, 2, personal={"phone": "from the desk"}, active=False)
    user = stored(server, person(3))
    assert user is not None
    server.store(FOLIO_TENANT).preferences.put(
        {"id": "00000000-0000-4000-8000-000000000001", "userId": user["id"], **PREFERENCE}
    )
    add_user(server, person(15, barcode=None))
    edit(server, 15, personal={"mobilePhone": "by hand"})


def check_edits(server: FolioServer) -> None:
    one, two, three, new = (stored(server, person(number)) for number in (1, 2, 3, 15))
    assert one
    assert two
    assert three
    assert new
    assert one["personal"]["mobilePhone"] == "+1 555"
    assert one["enrollmentDate"] == "2025-01-01T00:00:00.000+00:00"
    assert one["personal"]["phone"] == "555"
    assert two["personal"]["phone"] == "from the desk", "the campus fills a phone number only where there is none"
    assert two["active"] is False, "barred by hand: the plan does not change a status"
    assert server.store(FOLIO_TENANT).preferences.find("userId", three["id"])
    assert new["personal"]["mobilePhone"] == "by hand"
    assert {user["personal"]["lastName"] for user in (one, two, three, new)} == {"New"}


def test_edits_between_plan_and_post(server: FolioServer, tmp_path: Path, planned: Planned):
    """Fields that the plan does not change keep what a librarian has just saved, and so does a user made by hand."""
    librarians_at_work(server)
    totals = post(run_of_plan(tmp_path, planned), server)
    assert totals.patrons == 15
    assert totals.failed == 0
    check_edits(server)


@pytest.mark.parametrize("work", ["first", "none"])
def test_edits_before_an_answer_that_got_lost(server: FolioServer, tmp_path: Path, planned: Planned, work: str):
    """What arrived is recognised although it is not what was planned; what did not is sent with the edits."""
    run = run_of_plan(tmp_path, planned)
    librarians_at_work(server)
    server.faults.answer(504, work=work)
    totals = post(run, server)
    assert totals == Totals(chunks=1, patrons=15, created=4, updated=11, failed=0)
    check_edits(server)


def test_an_edit_while_the_chunk_is_looked_up(server: FolioServer, tmp_path: Path, planned: Planned):
    """An edit after the import does not make a loaded patron look like a missing one."""
    run = run_of_plan(tmp_path, planned)
    server.faults.answer(504, work="first")
    server.faults.answer(503, method="GET", path="/users", nth=2)
    with pytest.raises(TransientError):
        post(run, server)
    edit(server, 4, personal={"mobilePhone": "+1 555"})
    assert post(run, server) == Totals(chunks=1, patrons=15, created=5, updated=10, failed=0)
    assert len(posted(server)) == 15


def test_users_who_cannot_be_read_again(server: FolioServer, tmp_path: Path, planned: Planned):
    """Nothing is sent while FOLIO does not answer, and the next attempt sends it."""
    run = run_of_plan(tmp_path, planned)
    server.faults.answer(503, method="GET", path="/users")
    with pytest.raises(TransientError, match="busy or down"):
        post(run, server)
    assert not posted(server)
    assert not run.names("sent")
    assert post(run, server).created == 5


def test_addresses_of_two_owners(server: FolioServer, tmp_path: Path):
    """An address that the campus owns is sent, beside one that it fills only where there is none."""
    places = [f"personal.addresses[{number}].{name}" for number in (0, 1) for name in ("addressTypeId", "addressLine1")]
    owners = {"personal.addresses[0]": "first"}
    rules = mapping(tmp_path, (*FILLED, *places), owners)

    def addresses(line: str) -> dict[str, Any]:
        kinds = [{"addressTypeId": name, "addressLine1": line} for name in ("Home", "Work")]
        return {"lastName": "A", "addresses": kinds}

    stored_user(server, person(1, personal=addresses("Old")))
    post(run_of_plan(tmp_path, plan(server, [person(1, personal=addresses("New"))], rules)), server)
    user = stored(server, person(1))
    assert user is not None
    assert [one["addressLine1"] for one in user["personal"]["addresses"]] == ["Old", "New"]
