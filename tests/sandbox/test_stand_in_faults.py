"""Faults on demand: inside mod-user-import, and on the way back from it."""

import json
import time

import httpx
import pytest
from stand_in import TENANT, counts, user

from sandbox.folio import FolioServer

LOGIN = {"username": "loader", "password": "Loader-pass-1"}


@pytest.fixture(scope="module")
def running():
    with FolioServer([TENANT]) as server:
        yield server


@pytest.fixture
def server(running):
    """The running server, with nothing left over from the test before."""
    running.faults.clear()
    for stored in running.store(TENANT).users:
        running.store(TENANT).users.delete(stored["id"])
    return running


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, headers={"x-okapi-tenant": TENANT}, timeout=60) as client:
        client.headers["x-okapi-token"] = client.post("/authn/login", json=LOGIN).json()["okapiToken"]
        yield client


def post(client: httpx.Client, *numbers: int) -> httpx.Response:
    users = [user(number) for number in numbers]
    return client.post("/user-import", json={"users": users, "totalRecords": len(users)})


def test_a_failed_search_reports_every_user_of_the_request(folio):
    """FOLIO: UserImportAPI.processUserBatch; 240 created and 250 failed of 250 is one failed partition."""
    folio.folio.faults.trouble(failed_searches=(3,))
    body = folio.load(*[user(number) for number in range(250)])
    assert (counts(body), body["totalRecords"]) == ((240, 0, 250), 490)
    assert body["failedUsers"][0]["errorMessage"].startswith("Failed to process user search result.")
    assert len(folio.store.users) == 240
    folio.folio.faults.trouble(failed_searches=(0, 1))
    assert counts(folio.load(*[user(number) for number in range(300, 325)])) == (5, 0, 50)


def test_a_failed_set_up_writes_no_user(folio):
    """FOLIO: UserImportAPI; 500 with everybody in failedUsers, and no user written."""
    folio.folio.faults.trouble(failed_setup="Failed to list patron groups.")
    response = folio.refused(user(1), user(2))
    assert (response.status_code, response.json()["error"]) == (500, "Failed to list patron groups.")
    assert counts(response.json()) == (0, 0, 2)
    assert len(folio.store.permission_users) == 0


def test_a_failed_set_up_may_have_made_departments(folio):
    """FOLIO: the five lists and what is included run in parallel."""
    folio.folio.faults.trouble(failed_setup="Failed to list service points.")
    included = {"departments": [{"name": "Art"}]}
    response = folio.refused(user(1), included=included)
    assert response.status_code == 500
    assert [row["name"] for row in folio.store.departments] == ["Art"]


def test_a_module_that_dies_leaves_its_work_half_done(server, client):
    """FOLIO: the container is killed; what was written stays, the rest never comes, and there is no answer."""
    server.faults.trouble(breaks_off=2)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        post(client, *range(40))
    assert len(server.store(TENANT).users) == 20
    assert counts(post(client, *range(40)).json()) == (20, 20, 0)


def test_a_slow_trickle_is_the_true_answer_in_the_end(server, client):
    """Bytes keep coming, so that no time-out between two of them ever strikes."""
    server.faults.trouble(trickle=1.2)
    started = time.monotonic()
    response = client.post(
        "/user-import", json={"users": [user(1)], "totalRecords": 1}, timeout=httpx.Timeout(60, read=1.0)
    )
    assert counts(response.json()) == (1, 0, 0)
    assert time.monotonic() - started > 1


def test_an_answer_that_breaks_off_half_way(server, client):
    """The work is done, and the client cannot know it."""
    server.faults.trouble(cut=True)
    with pytest.raises(httpx.TransportError):
        post(client, *range(20))
    assert len(server.store(TENANT).users) == 20
    assert post(client, 1).status_code == 200


def test_an_import_that_has_not_begun_when_the_gateway_gives_up(server, client):
    """FOLIO: five connections for all tenants and an unbounded queue; a 504 may come before the first user does."""
    server.faults.answer(504, work="goes on", delay=1.5, seconds=0.2)
    assert post(client, *range(20)).status_code == 504
    assert len(server.store(TENANT).users) == 0
    deadline = time.monotonic() + 60
    while len(server.store(TENANT).users) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_troubles_can_be_armed_from_elsewhere(server, client):
    """The demo and a person with curl arm them over HTTP."""
    httpx.post(f"{server.url}/_sandbox/faults", json={"status": -1, "failed_searches": [0]}).raise_for_status()
    assert counts(post(client, 1).json()) == (0, 0, 1)
    assert counts(post(client, 1).json()) == (1, 0, 0)
    assert json.loads(httpx.get(f"{server.url}/_sandbox/journal").text)[-1]["counts"]["createdRecords"] == 1
