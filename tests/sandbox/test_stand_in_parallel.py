"""The stand-in's parallel partitions: refused updates, early answers, killed imports and their speed."""

import time
from typing import Any

import httpx
import pytest
from stand_in import TENANT, counts, only_error, user

from sandbox.folio import FolioServer
from sandbox.folio.connections import MEASURED_CALL_SECONDS, Connections

LOGIN = {"username": "loader", "password": "Loader-pass-1"}
REFUSED = (
    "Failed to process user search result. Error message: Failed to import users.: "
    "Failed to update user with externalSystemId: {}: "
    "Response status code 400 is not equal to 204 - This barcode has already been taken"
)


def known(*numbers: int) -> list[dict[str, Any]]:
    return [user(number) for number in numbers]


@pytest.fixture
def parallel(folio):
    """A FOLIO in process that holds users 1 to 25."""
    folio.load(*known(*range(1, 26)))
    return folio


def test_a_refused_update_reports_every_user_of_the_request(parallel):
    """Measured: 25 updates, one with another's barcode: updated 15, failed 25, total 40; 24 are really updated."""
    sent = [row | {"personal": {"lastName": "New"}} for row in known(*range(1, 26))]
    sent[2]["barcode"] = user(20)["barcode"]
    body = parallel.load(*sent)
    assert (counts(body), body["totalRecords"]) == ((0, 15, 25), 40)
    assert body["message"] == "Users were imported successfully."
    assert {each["errorMessage"] for each in body["failedUsers"]} == {REFUSED.format("E0003")}
    assert sum(each["personal"]["lastName"] == "New" for each in parallel.store.users) == 24
    assert parallel.store.user("E0003")["personal"]["lastName"] == "Name3"


def test_only_the_first_refused_update_of_a_partition_is_named(parallel):
    """Measured: the others of the ten stay unnamed, and each partition with one adds every user once more."""
    sent = known(*range(1, 26))
    for at in (2, 5, 12):
        sent[at]["barcode"] = user(20)["barcode"]
    body = parallel.load(*sent)
    assert (counts(body), body["totalRecords"]) == ((0, 5, 50), 55)
    named = {each["errorMessage"] for each in body["failedUsers"]}
    assert len(named) == 2
    assert REFUSED.format("E0013") in named
    assert named & {REFUSED.format("E0003"), REFUSED.format("E0006")}


def test_a_user_alone_gets_the_text_of_the_partition_too(parallel):
    """Measured: the plain text for one user alone never occurs."""
    assert only_error(parallel.load(user(3, barcode=user(20)["barcode"]))) == REFUSED.format("E0003")


def test_newcomers_beside_a_refused_update_are_created_and_reported_as_failed(parallel):
    """Measured: the answer does not wait for the rest of the partition, which is not stopped either."""
    body = parallel.load(user(1, barcode=user(20)["barcode"]), user(30), user(31))
    assert counts(body) == (0, 0, 3)
    assert parallel.store.user("E0030")
    assert parallel.store.user("E0031")


def test_a_failed_create_fails_its_own_user_alone(parallel):
    """FOLIO: UserImportAPI.createNewUser turns the failure into a value."""
    body = parallel.load(user(1), user(40, barcode=user(20)["barcode"]), user(41))
    assert counts(body) == (1, 1, 1)
    assert only_error(body) == "Failed to create new user with externalSystemId: E0040"


def test_a_refused_update_with_deactivation_is_a_500(parallel):
    """FOLIO: UserImportAPI.startImportWithDeactivatingUsers recovers once, for the whole request."""
    request = {"users": [user(1, barcode=user(20)["barcode"]), user(2)], "totalRecords": 2}
    response = parallel("POST", "/user-import", json=request | {"deactivateMissingUsers": True})
    assert (response.status_code, counts(response.json())) == (500, (0, 0, 2))
    assert response.json()["error"].startswith("Failed to import users. Error message: Failed to import users.: ")


def test_a_killed_import_leaves_permissions_and_users_in_no_order(folio):
    """Measured: permissions for most of the chunk, users in no order."""
    folio.folio.faults.trouble(breaks_off=2)
    folio("POST", "/user-import", json={"users": known(*range(1, 101)), "totalRecords": 100})
    stored = [each["externalSystemId"] for each in folio.store.users]
    assert len(stored) == 20
    assert stored != sorted(stored)
    assert len(folio.store.permission_users) > 60


def test_the_same_new_id_twice_creates_one_of_the_two(folio):
    """Measured: the second row often wins."""
    winners = set()
    for number in range(30):
        body = folio.load(user(number), user(number, username=f"second{number}", barcode=f"9{number}"))
        assert counts(body) == (1, 0, 1)
        winners.add(folio.store.user(f"E{number:04}")["username"].rstrip("0123456789"))
    assert winners == {"user", "second"}


def test_unchanged_users_cost_as_much_as_changed_ones(parallel, monkeypatch):
    """Measured: 5,000 unchanged users are 5,000 PUTs and 5,000 reads of their preferences, beside the searches."""
    called = []
    call = Connections.call

    async def counted(self: Connections, seconds: float) -> None:
        called.append(seconds)
        await call(self, seconds)

    monkeypatch.setattr(Connections, "call", counted)
    before = len(parallel.store.history)
    assert counts(parallel.load(*known(*range(1, 26)))) == (0, 25, 0)
    assert [event.what for event in parallel.store.history[before:]] == ["updated"] * 25
    searches = 3
    assert len(called) - searches == 2 * 25


@pytest.mark.parametrize("version", ["19.5.4", "19.6.0"])
@pytest.mark.parametrize("lacking", ["createdDate", "updatedDate", "metadata", "personal", "departments"])
def test_a_seeded_user_without_what_the_server_sets(folio, version, lacking):
    """Data of a migration: such a user is found, updated and changed like any other; it was a 500."""
    folio.store.upgrade("mod-users", version)
    folio.load(user(1))
    seeded = folio.store.user("E0001")
    del seeded[lacking]
    folio.store.users.put(seeded)
    assert folio("GET", "/users", params={"query": "cql.allRecords=1 sortBy createdDate"}).status_code == 200
    assert counts(folio.load(user(1, barcode="new"))) == (0, 1, 0)
    seeded = folio("GET", "/users").json()["users"][0]
    assert folio("PUT", f"/users/{seeded['id']}", json=seeded).status_code == 204


# On a port


@pytest.fixture
def server():
    with FolioServer([TENANT]) as running:
        yield running


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, headers={"x-okapi-tenant": TENANT}, timeout=30) as client:
        client.headers["x-okapi-token"] = client.post("/authn/login", json=LOGIN).json()["okapiToken"]
        yield client


def post(client: httpx.Client, *rows: dict[str, Any]) -> dict[str, Any]:
    response = client.post("/user-import", json={"users": rows, "totalRecords": len(rows)})
    body: dict[str, Any] = response.json()
    return body


def test_the_answer_comes_before_the_rest_of_the_partition(server, client):
    """Measured: a newcomer beside a refused update does not exist yet when the 200 arrives."""
    store = server.store(TENANT)
    post(client, user(1), user(20))
    server.faults.late_seconds = 0.3
    body = post(client, user(1, barcode=user(20)["barcode"]), user(2), user(3))
    assert counts(body) == (0, 0, 3)
    assert store.user("E0002") is None
    deadline = time.monotonic() + 10
    while not (store.user("E0002") and store.user("E0003")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_import_takes_its_seconds(server, client):
    """Tests that interrupt an import half-way choose how long it takes; the users come in bit by bit."""
    server.faults.import_seconds = 0.4
    started = time.monotonic()
    post(client, *known(*range(1, 26)))
    assert time.monotonic() - started > 0.3


def test_at_the_real_speed_an_import_does_so_many_users_a_second(server, client):
    """Measured: 110 to 170 users a second, two to three calls each; never more, however fast the machine."""
    server.faults.call_seconds = MEASURED_CALL_SECONDS
    started = time.monotonic()
    post(client, *known(*range(100)))
    assert 100 / (time.monotonic() - started) < 200
