"""The stand-in on a port: unmodified clients, faults on demand, and speed."""

import json
import subprocess
import sys
import time
from email.utils import parsedate_to_datetime

import httpx
import pytest
from folioclient import FolioClient
from stand_in import TENANT, counts, user

from sandbox.folio import FolioServer, FolioTenant

LOGIN = {"username": "loader", "password": "Loader-pass-1"}


@pytest.fixture(scope="module")
def running():
    with FolioServer([TENANT, FolioTenant("fs00005678", "other", "Other-pass-1")]) as server:
        yield server


@pytest.fixture
def server(running):
    """The running server, with nothing left over from the test before."""
    running.faults.clear()
    running.journal.clear()
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


def test_folioclient_logs_in_and_pages_through_all_users(server, client):
    """An unmodified client of the real FOLIO: login with expiry, cookies, paging by id, reference data, modules."""
    for start in range(0, 1050, 150):
        post(client, *range(start, start + 150))
    with FolioClient(server.url, TENANT, **LOGIN, timeout=60) as folio:
        found = list(folio.folio_get_all("/users", "users"))
        assert {each["externalSystemId"] for each in found} == {f"E{number:04}" for number in range(1050)}
        assert [each["id"] for each in found] == sorted(each["id"] for each in found)
        names = list(folio.folio_get_all("/users", "users", 'barcode=="00*" sortBy username', limit=400))
        assert len(names) == 1050
        assert len(list(folio.folio_get_all("/groups", "usergroups"))) == 4
        assert "mod-user-import-3.11.0" in folio.module_versions
        assert folio.current_user
        assert folio.is_ecs is False
        with folio.get_folio_http_client() as http:
            answer = http.post("/user-import", json={"users": [user(1)], "totalRecords": 1})
        assert counts(answer.json()) == (0, 1, 0)


def test_folioclient_logs_in_again_when_its_token_is_revoked(server):
    """A 401 in mid-work is a new login, not an error."""
    with FolioClient(server.url, TENANT, **LOGIN, timeout=60) as folio:
        server.logins.revoke()
        assert list(folio.folio_get_all("/users", "users")) == []
    logins = [seen for seen in server.journal if seen.path == "/authn/login-with-expiry"]
    assert len(logins) == 2


def test_a_cookie_jar_does_not_send_the_secure_cookies_over_http(server):
    """FOLIO: the cookies are Secure (MODLOGIN-229); whoever relies on a jar is not logged in."""
    with httpx.Client(base_url=server.url, headers={"x-okapi-tenant": TENANT}) as client:
        assert client.post("/authn/login-with-expiry", json=LOGIN).status_code == 201
        assert client.get("/users").status_code == 401


def test_every_answer_has_the_servers_time(client):
    """Clients compare createdDate with the server's clock, not their own."""
    before = int(time.time())
    date = parsedate_to_datetime(client.get("/users").headers["date"])
    # The server renews the date once a second.
    assert before - 2 <= date.timestamp() <= time.time()


def test_the_nth_request_can_be_refused(server, client):
    """A fault is armed for one request; before and after it all is well."""
    server.faults.answer(503, nth=2, body="busy", headers={"retry-after": "1"})
    answers = [post(client, number) for number in (1, 2, 3)]
    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert (answers[1].text, answers[1].headers["retry-after"]) == ("busy", "1")
    assert len(server.store(TENANT).users) == 2


def test_an_answer_can_be_lost_after_the_work_is_done(server, client):
    """FOLIO: a gateway's 502 or a closed connection is not a refusal."""
    server.faults.answer(502, work="first")
    assert post(client, 1).status_code == 502
    server.faults.hang_up(work="first")
    with pytest.raises(httpx.TransportError):
        post(client, 2)
    server.faults.hang_up()
    with pytest.raises(httpx.TransportError):
        post(client, 3)
    assert len(server.store(TENANT).users) == 2
    assert post(client, 4).status_code == 200


def test_a_gateway_can_give_up_while_the_import_goes_on(server, client):
    """FOLIO: the module has no cancel; nginx and Kong give up after a minute, the import does not."""
    server.faults.import_seconds = 0.4
    server.faults.answer(504, work="goes on")
    assert post(client, *range(1, 31)).status_code == 504
    assert len(server.store(TENANT).users) < 30
    wait_for_users(server, 30)


def test_an_import_goes_on_when_its_client_is_killed(server):
    """FOLIO: a closed connection stops nothing; the users are all there a little later."""
    server.faults.import_seconds = 1.0
    code = f"""
import httpx
client = httpx.Client(base_url={server.url!r}, headers={{"x-okapi-tenant": {TENANT!r}}})
token = client.post("/authn/login", json={LOGIN!r}).json()["okapiToken"]
users = {[user(number) for number in range(1, 31)]!r}
client.post("/user-import", json={{"users": users, "totalRecords": 30}}, headers={{"x-okapi-token": token}})
"""
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        wait_for_users(server, 1)
        process.kill()
    assert 0 < len(server.store(TENANT).users) < 30
    wait_for_users(server, 30)
    assert len(server.imports) == 1


def test_a_body_over_the_gateways_limit_is_a_413(server, client):
    """FOLIO: Kong's default is 1 MB."""
    server.faults.most_bytes = 2000
    assert post(client, 1).status_code == 200
    assert post(client, *range(100)).status_code == 413
    assert len(server.store(TENANT).users) == 1


def test_a_process_elsewhere_can_arm_faults_and_read_the_journal(server, client):
    """The demo and the tests of whole runs talk to a sandbox in another process."""
    assert httpx.post(f"{server.url}/_sandbox/faults", json={"status": 500, "nth": 1}).status_code == 204
    assert post(client, 1).status_code == 500
    assert httpx.post(f"{server.url}/_sandbox/faults", json={"clear": True}).status_code == 204
    assert post(client, 1).status_code == 200
    journal = httpx.get(f"{server.url}/_sandbox/journal").json()
    assert [seen["status"] for seen in journal if seen["path"] == "/user-import"] == [500, 200]
    assert httpx.post(f"{server.url}/_sandbox/faults", json={"token_seconds": 1}).status_code == 204
    assert {tenant.token_seconds for tenant in server.tenants.values()} == {1}
    assert httpx.post(f"{server.url}/_sandbox/faults", json={"token_seconds": 600}).status_code == 204
    assert httpx.post(f"{server.url}/_sandbox/revoke", params={"folio_tenant": TENANT}).status_code == 204
    assert post(client, 1).status_code == 401


def test_thousands_of_users_a_second_are_imported(server, client):
    """
    The demo must not wait for its stand-in: 12,000 users a second on a machine of 2024.

    In processor time, and beside what it takes to write the same users as JSON and read them again, so that a slow or a
    busy machine does not matter. On that machine it was 21 times as much.
    """
    parts = [range(start, start + 250) for start in range(0, 5000, 250)]
    started = time.process_time()
    for numbers in parts:
        assert counts(post(client, *numbers).json()) == (250, 0, 0)
    imported = time.process_time()
    for numbers in parts:
        json.loads(json.dumps([user(number) for number in numbers]))
    assert imported - started < 150 * (time.process_time() - imported)


def wait_for_users(server: FolioServer, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(server.store(TENANT).users) < count:
        assert time.monotonic() < deadline, f"{len(server.store(TENANT).users)} of {count} users"
        time.sleep(0.01)
