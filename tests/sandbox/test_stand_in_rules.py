"""The stand-in's rarer rules: permissions, consortia, estimates, drifting schemas, what stays behind."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from stand_in import TENANT, Client, counts, only_error, user

from sandbox.folio import FolioTenant, folio_app, users
from sandbox.folio.reference import departments, service_points

MOD_USERS = {"x-okapi-module-id": "mod-users-19.6.0"}


def stored(folio, external_system_id="E0001") -> dict[str, Any]:
    found = folio.store.user(external_system_id)
    assert found
    return found


# Permissions


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("POST", "/user-import", "user-import.post"),
        ("GET", "/users", "users.collection.get"),
        ("GET", "/groups", "usergroups.collection.get"),
        ("GET", "/departments", "departments.collection.get"),
        ("POST", "/departments", "departments.item.post"),
        ("GET", "/custom-fields", "user-settings.custom-fields.collection.get"),
        ("GET", "/perms/users", "perms.users.collection.get"),
    ],
)
def test_without_the_permission_a_call_is_a_403_that_names_it(folio, method, path, permission):
    """FOLIO: mod-authtoken; since mod-user-import 3.9 the permission is user-import.post."""
    folio.folio.tenants[TENANT].forbidden.add(permission)
    response = folio(method, path, json={"users": [user(1)], "totalRecords": 1} if method == "POST" else None)
    assert response.status_code == 403
    assert response.text.endswith(f"requires permission: {permission}")
    assert len(folio.store.users) == 0


def test_the_module_has_permissions_of_its_own(folio):
    """FOLIO: mod-user-import's descriptor, modulePermissions; the account needs user-import.post and no other."""
    folio.folio.tenants[TENANT].forbidden |= {"users.item.post", "usergroups.collection.get", "perms.users.item.post"}
    assert counts(folio.load(user(1))) == (1, 0, 0)


# Consortia


@pytest.fixture
def member() -> Client:
    """A member of a consortium, called with a token of the central tenant."""
    app = folio_app(
        [FolioTenant("central"), FolioTenant(TENANT, central="central"), FolioTenant("other", central="central")]
    )
    client = Client(app, log_in=False)
    central = Client(app, "central")
    client.headers["x-okapi-token"] = central.headers["x-okapi-token"]
    return client


def test_a_login_at_the_central_tenant_is_good_at_its_members(member):
    """FOLIO: one token for all tenants of a consortium; a member's own is good at the member alone."""
    assert member("GET", "/users").status_code == 200
    own = Client(member.app)
    assert own("GET", "/users").status_code == 200
    assert own("GET", "/users", headers={"x-okapi-tenant": "other"}).status_code == 403


def test_only_the_central_tenant_knows_its_members(member):
    """FOLIO: mod-consortia; how a client finds out that it talks to a consortium."""
    central = Client(member.app, "central")
    (consortium,) = central("GET", "/consortia").json()["consortia"]
    tenants = central("GET", f"/consortia/{consortium['id']}/tenants").json()["tenants"]
    assert {tenant["id"]: tenant["isCentral"] for tenant in tenants} == {"central": True, TENANT: False, "other": False}
    assert member("GET", "/consortia").status_code == 404


@pytest.mark.parametrize("kind", [None, "Patron", "student"])
def test_in_a_consortium_a_user_has_one_of_five_types(member, kind):
    """FOLIO: mod-users UserTenantService; case-sensitive, and no type at all is none of them."""
    assert counts(member.load(user(1, type=kind))) == (0, 0, 1)
    member.load(user(2, type="patron"))
    body = member.load(user(2, type=kind))
    assert "An invalid user type has been populated to a user, allowed values: [patron, staff" in only_error(body)


def test_elsewhere_any_type_will_do(folio):
    """FOLIO: mod-users; the rule is for consortia."""
    assert counts(folio.load(user(1, type="student"), user(2))) == (2, 0, 0)


def test_a_username_is_unique_across_a_consortium(member):
    """FOLIO: mod-users UserTenantService; a shadow user is the same person elsewhere, under a name of its own."""
    Client(member.app, "other").load(user(1, type="patron"))
    assert counts(member.load(user(1, type="patron"))) == (0, 0, 1)
    member.load(user(2, type="patron"))
    assert only_error(member.load(user(2, type="patron", username="USER1"))).endswith(
        "User with this username already exists"
    )


def test_patron_to_staff_is_an_affiliation(member):
    """FOLIO: mod-users UserOutboxService; which is why a load must not change a type by the way."""
    member.load(user(1, type="staff"))
    member.load(user(1, type="patron"))
    member.load(user(1, type="patron"))
    assert member.store.consortium.affiliations == [(stored(member)["id"], "patron")]


# Other records


def test_a_department_is_made_once(folio):
    """FOLIO: mod-users /departments; name and code are unique once folded."""
    made = folio("POST", "/departments", json={"name": "Modern History", "code": "MH"})
    assert made.status_code == 201
    assert folio("POST", "/departments", json={"name": "modern history", "code": "X"}).status_code == 422
    assert folio("POST", "/departments", json={"name": "Y", "code": "mh"}).status_code == 422
    assert folio("POST", "/departments", json={"name": "No code"}).status_code == 422
    path = f"/departments/{made.json()['id']}"
    assert folio("PUT", path, json={"name": "History", "code": "MH"}).status_code == 204
    assert folio("GET", path).json()["name"] == "History"
    assert folio("DELETE", path).status_code == 204
    assert folio("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("path", "key", "body"),
    [
        ("/perms/users", "permissionUsers", {"permissions": []}),
        ("/service-points-users", "servicePointsUsers", {"servicePointsIds": [service_points()[0]["id"]]}),
        (
            "/request-preference-storage/request-preference",
            "requestPreferences",
            {"holdShelf": True, "delivery": False},
        ),
    ],
)
def test_what_belongs_to_a_user_is_kept_once_a_user(folio, path, key, body):
    """FOLIO: mod-permissions, mod-inventory-storage, mod-circulation-storage; the user need not exist."""
    user_id = str(uuid.uuid4())
    assert folio("POST", path, json=body | {"userId": user_id}).status_code == 201
    assert folio("POST", path, json=body | {"userId": user_id}).status_code == 422
    (found,) = folio("GET", path, params={"query": f"userId=={user_id}"}).json()[key]
    assert folio("PUT", f"{path}/{found['id']}", json=found).status_code == 204
    assert folio("DELETE", f"{path}/{found['id']}").status_code == 204


def test_orphans_of_failed_creates_can_be_seen(folio):
    """FOLIO: UserImportAPI.createNewUser, processUser; each attempt leaves one of each behind, for ever."""
    folio.load(user(1))
    preference = {"holdShelf": True, "delivery": False}
    for _ in range(3):
        folio.load(user(2, barcode=user(1)["barcode"], requestPreference=preference))
    assert {name: len(rows) for name, rows in folio.store.orphans.items()} == {"permission_users": 3, "preferences": 3}
    assert folio("GET", "/perms/users").json()["totalRecords"] == 4


# Dates and keys


def test_users_whose_time_is_over_are_made_inactive(folio):
    """FOLIO: mod-users ExpirationTool, each minute, in UTC; a day without a time is over when it begins."""
    today = datetime(2026, 5, 17, 0, 0, 30, tzinfo=UTC)
    folio.load(user(1, expirationDate="2026-05-17"), user(2, expirationDate="2026-05-18"), user(3))
    assert users.expire(folio.store, "tool", today) == 1
    assert [stored(folio, f"E000{number}")["active"] for number in (1, 2, 3)] == [False, True, True]
    folio.load(user(1, expirationDate="2026-05-17"))
    assert users.expire(folio.store, "tool", today) == 1, "active with a past date flips back, night after night"


def test_a_key_that_is_too_long_for_the_index_fails(folio):
    """Measured: random text of 2,690 bytes is stored, of 2,705 fails; on PUT the text says that it is taken."""
    assert counts(folio.load(user(1, username="x" * 2690))) == (1, 0, 0)
    assert counts(folio.load(user(2, username="x" * 2705))) == (0, 0, 1)
    words = only_error(folio.load(user(1, username="x" * 2705)))
    assert words.endswith("User with this username already exists")


# Totals and pages


def test_a_total_above_a_thousand_is_an_estimate(folio):
    """FOLIO: RMB README, Estimated totalRecords; whoever counts pages by it misses users."""
    for start in range(0, 1100, 100):
        folio.load(*[user(number) for number in range(start, start + 100)])

    def total(**parameters: Any) -> int:
        return int(folio("GET", "/users", params=parameters).json()["totalRecords"])

    assert total(limit=10) == 1000
    assert total(limit=10, query="barcode==0000*") == 1000
    assert total(limit=10, query="username==user10*") == 111
    assert total(limit=50, offset=1080) == 1100, "the last page has the exact number"
    assert total(limit=100, offset=950) == 1050
    assert total(limit=10, offset=1200) == 1000


def test_pages_without_an_order_may_repeat_and_miss(folio):
    """FOLIO: PostgreSQL promises no order without ORDER BY; a sortBy makes pages fit."""
    folio.load(*[user(number) for number in range(60)])
    folio.store.users.wanders = True

    def ids(query: str) -> list[str]:
        pages = (folio("GET", "/users", params={"query": query, "limit": 20, "offset": at}) for at in (0, 20, 40))
        return [each["username"] for page in pages for each in page.json()["users"]]

    assert len(set(ids("cql.allRecords=1"))) < 60
    assert len(set(ids("cql.allRecords=1 sortBy username"))) == 60


# Versions


def test_the_coming_mod_users_breaks_every_update_of_a_user_with_a_contact_type(folio):
    """FOLIO: mod-users 19.7.0's migration beside mod-user-import 3.11.0, whose User class has no such property."""
    folio.load(user(1, personal={"lastName": "A", "preferredContactTypeId": "email"}), user(2))
    folio.store.upgrade("mod-users", "19.7.0")
    assert {"id": "mod-users-19.7.0"} in folio("GET", f"/_/proxy/tenants/{TENANT}/modules").json()
    assert stored(folio)["personal"]["preferredContactTypeIds"] == ["002"]
    assert "schema mismatch" in only_error(folio.load(user(1)))
    assert counts(folio.load(user(2))) == (0, 1, 0)
    whole = stored(folio)
    assert folio("PUT", f"/users/{whole['id']}", json=whole).status_code == 204, "mod-users itself knows it"


@pytest.mark.parametrize("change", ["none", "two"])
def test_not_exactly_one_mod_users_is_a_500(folio, change):
    """FOLIO: CustomFieldsService; during an upgrade there are two, with a broken proxy none."""
    provides = folio.store.modules.pop("mod-users-19.6.0")
    if change == "two":
        folio.store.modules |= {"mod-users-19.6.0": provides, "mod-users-19.7.0": provides}
    response = folio.refused(user(1))
    assert response.status_code == 500
    assert response.json()["error"].startswith("Failed to get module id for mod-users")


# deactivateMissingUsers: more reasons why it is never sent


def test_deactivation_reaches_staff_and_those_made_by_hand(folio):
    """FOLIO: without a sourceType every user with an externalSystemId is a candidate."""
    folio.load(user(1, type="staff"), user(2, type="system"))
    folio.load(user(3), deactivateMissingUsers=True)
    assert [each["active"] for each in folio.store.users] == [False, False, True]


def test_deactivation_misses_users_above_a_thousand(folio):
    """FOLIO: pages are counted by the estimate; a stored user that was missed is created again, and fails."""
    for start in range(0, 1200, 100):
        folio.load(*[user(number) for number in range(start, start + 100)])
    body = folio.load(user(1150), deactivateMissingUsers=True)
    assert only_error(body) == "Failed to create new user with externalSystemId: E1150"
    assert body["message"].endswith("Users were not deactivated because of import failures.")


def test_deactivation_hides_its_errors_and_gives_no_number(folio):
    """FOLIO: UserImportAPI.deactivateUsers; the message is the message of success."""
    for row in departments("History"):
        folio.store.departments.put(row)
    folio.load(user(1, departments=["History"]), user(2))
    for row in list(folio.store.departments):
        folio.store.departments.delete(row["id"])
    body = folio.load(user(3), deactivateMissingUsers=True)
    assert (body["message"], counts(body)) == ("Deactivated missing users.", (1, 0, 0))
    assert [stored(folio, each)["active"] for each in ("E0001", "E0002")] == [True, False]


def test_deactivation_with_a_user_it_cannot_read_is_a_500(folio):
    """FOLIO: UserImportAPI; schema mismatch, everybody in failedUsers, nothing written."""
    folio.load(user(1, personal={"lastName": "A", "preferredContactTypeId": "email"}))
    folio.store.upgrade("mod-users", "19.7.0")
    body = {"users": [user(2)], "totalRecords": 1, "deactivateMissingUsers": True}
    response = folio("POST", "/user-import", json=body)
    assert (response.status_code, counts(response.json())) == (500, (0, 0, 1))
    assert len(folio.store.users) == 1


# History


def test_every_write_is_kept_in_mind(folio):
    """The campaign compares reports with it; FOLIO sends an event for each write, changed or not."""
    folio.load(user(1), user(2))
    folio.load(user(1))
    folio("DELETE", f"/users/{stored(folio, 'E0002')['id']}")
    assert [event.what for event in folio.store.history] == ["created", "created", "updated", "deleted"]
    assert folio.store.history[2].user_id == stored(folio)["id"]
