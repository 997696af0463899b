"""Other loaders load into the stand-in: folio_data_import as it comes from PyPI, and requests as ube sends them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from folioclient import FolioClient
from stand_in import TENANT, user

from sandbox.folio import FolioServer, FolioTenant
from sandbox.folio.reference import departments, select_field

data_import = pytest.importorskip(
    "folio_data_import.UserImport", reason="folio-data-import is not installed; see requirements-dev.in"
)

# The importer's own; we test it as it is.
pytestmark = pytest.mark.filterwarnings("ignore:FolioClient.okapi_headers is deprecated:DeprecationWarning")

LOGIN = {"username": "loader", "password": "Loader-pass-1"}


@pytest.fixture
def server():
    with FolioServer([FolioTenant("central"), FolioTenant(TENANT, central="central")]) as running:
        store = running.store(TENANT)
        store.departments.put(departments("History")[0])
        store.custom_fields.put(select_field("campus", "Campus", ["Main", "River"]))
        yield running


def load(server: FolioServer, folder: Path, *users: dict[str, Any], tenant: str = TENANT, **options: Any) -> Any:
    """Import the users; the importer's own statistics."""
    file = folder / "users.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in users))
    config = data_import.UserImporter.Config(
        library_name="Library", user_file_paths=file, no_progress=True, batch_size=50, **options
    )
    client = FolioClient(server.url, tenant, **LOGIN, timeout=60)
    client.tenant_id = TENANT

    async def run() -> Any:
        async with client:
            importer = data_import.UserImporter(client, config)
            await importer.setup(folder / "errors.txt")
            try:
                await importer.do_import()
            finally:
                await importer.close()
            return importer.stats

    return asyncio.run(run())


def test_it_creates_and_updates_users(server, tmp_path):
    """Users, request preferences, permission users and service points, over the endpoints it calls itself."""
    home = {"addressTypeId": "Home", "addressLine1": "1 Elm St"}
    whole = user(
        1,
        departments=["History"],
        customFields={"campus": "River"},
        personal={"lastName": "A", "addresses": [home], "preferredContactTypeId": "email"},
        requestPreference={"holdShelf": True, "delivery": False},
        servicePointsUser={"servicePointsIds": ["cd1"], "defaultServicePointId": "cd1"},
    )
    stats = load(server, tmp_path, whole, *[user(number) for number in range(2, 121)])
    assert (stats.created, stats.updated, stats.failed) == (120, 0, 0)
    store = server.store(TENANT)
    kept = store.user("E0001")
    assert kept["customFields"] == {"campus": "opt_1"}
    assert kept["departments"] == [row["id"] for row in store.departments]
    assert len(kept["personal"]["addresses"]) == 1
    assert (len(store.preferences), len(store.permission_users), len(store.service_points_users)) == (120, 120, 1)
    assert store.orphans == {"permission_users": [], "preferences": []}
    stats = load(server, tmp_path, user(1, barcode="new"), user(2))
    assert (stats.created, stats.updated, stats.failed) == (0, 2, 0)
    assert store.user("E0001")["barcode"] == "new"


def test_a_taken_barcode_is_reported(server, tmp_path):
    """The stand-in's refusals have the form that a client of the real FOLIO reads."""
    stats = load(server, tmp_path, user(1), user(2, barcode=user(1)["barcode"]), limit_simultaneous_requests=1)
    assert (stats.created, stats.failed) == (1, 1)


def test_it_loads_into_a_member_of_a_consortium(server, tmp_path):
    """Logged in at the central tenant, with the member's name on each request."""
    stats = load(server, tmp_path, user(1, type="patron"), tenant="central")
    assert (stats.created, stats.failed) == (1, 0)
    assert server.store(TENANT).user("E0001")


# What the Five Colleges' ube 1.0.0 sends, as seen with the program itself: numbers in its CSV stay numbers.

BULK_EDIT_USER = {
    "username": 101,
    "externalSystemId": 900101,
    "barcode": "0021001",
    "active": True,
    "type": "Patron",
    "patronGroup": "undergrad",
    "departments": ["History"],
    "enrollmentDate": "2025-09-01",
    "expirationDate": "2029-05-31",
    "preferredEmailCommunication": ["Support", "Programs"],
    "customFields": {"campus": "Main"},
    "personal": {
        "lastName": "Adams",
        "phone": 4135550101,
        "dateOfBirth": "2005-02-03",
        "preferredContactTypeId": "email",
        "addresses": [
            {"addressLine1": "1 Hall St", "postalCode": 1002, "addressTypeId": "Home", "primaryAddress": True},
            {"addressLine1": "9 Elm St", "postalCode": 90210, "addressTypeId": "Work"},
        ],
    },
    "requestPreference": {"holdShelf": True, "delivery": False},
}


@pytest.fixture
def alone():
    """A FOLIO that belongs to no consortium, which would refuse the type Patron with a capital."""
    with FolioServer([TENANT]) as running:
        store = running.store(TENANT)
        store.departments.put(departments("History")[0])
        store.custom_fields.put(select_field("campus", "Campus", ["Main", "River"]))
        yield running


@pytest.fixture
def bulk_edit(alone):
    """A client that logs in as ube does, by pyfolioclient: with expiry, then with both cookies in a header."""
    with httpx.Client(base_url=alone.url, headers={"x-okapi-tenant": TENANT}, timeout=10) as client:
        cookies = client.post("/authn/login-with-expiry", json=LOGIN).cookies
        client.headers["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        client.cookies.clear()
        yield client


def bulk_edit_request(*users: dict[str, Any]) -> dict[str, Any]:
    flags = {"deactivateMissingUsers": False, "updateOnlyPresentFields": True}
    return {"users": users, "totalRecords": len(users), **flags}


def test_the_bulk_edit_tools_numbers_become_texts(alone, bulk_edit):
    """FOLIO: Jackson takes a number where text is expected; so ube loads ZIP codes, telephone numbers and ids."""
    answers = [bulk_edit.post("/user-import", json=bulk_edit_request(BULK_EDIT_USER)).json() for _ in range(2)]
    assert [(body["createdRecords"], body["updatedRecords"]) for body in answers] == [(1, 0), (0, 1)]
    kept = alone.store(TENANT).user("900101")
    assert (kept["username"], kept["personal"]["phone"]) == ("101", "4135550101")
    assert {each["postalCode"] for each in kept["personal"]["addresses"]} == {"1002", "90210"}


def test_the_bulk_edit_tools_times_are_refused(alone, bulk_edit):
    """FOLIO: Jackson; ube writes a date with a time as `2029-05-31 00:00:00.000000`, and the whole batch is a 400."""
    user_with_time = BULK_EDIT_USER | {"expirationDate": "2029-05-31 00:00:00.000000"}
    response = bulk_edit.post("/user-import", json=bulk_edit_request(BULK_EDIT_USER, user_with_time))
    assert response.status_code == 400
    assert len(alone.store(TENANT).users) == 0
