"""The stand-in's /users and reference data: the rules of mod-users."""

import uuid

import pytest
from stand_in import message

from sandbox.folio.reference import departments, select_field

MOD_USERS = {"x-okapi-module-id": "mod-users-19.6.0"}
ID = "7c5abc9f-f3d7-4856-b8d7-6712462ca009"


def create(folio, **fields):
    return folio("POST", "/users", json={"username": "ann", "externalSystemId": "E1", "barcode": "001"} | fields)


def test_a_created_user_can_be_read_changed_and_deleted(folio):
    """FOLIO: mod-users UsersAPI; 201, 204, 204, then 404."""
    created = create(folio, active=True)
    assert created.status_code == 201
    user = created.json()
    path = f"/users/{user['id']}"
    assert folio("GET", path).json() == user
    assert folio("PUT", path, json={"id": user["id"], "username": "bob"}).status_code == 204
    changed = folio("GET", path).json()
    assert (changed["username"], "barcode" in changed, "active" in changed) == ("bob", False, False)
    assert folio("DELETE", path).status_code == 204
    assert folio("GET", path).status_code == 404
    assert folio("PUT", path, json={"id": user["id"]}).status_code == 404
    assert folio("DELETE", path).status_code == 404


def test_the_server_sets_dates_and_metadata(folio):
    """FOLIO: RMB metadata; createdDate stays, updatedDate moves."""
    user = create(folio).json()
    folio("PUT", f"/users/{user['id']}", json={"id": user["id"], "createdDate": "1999-01-01"})
    changed = folio("GET", f"/users/{user['id']}").json()
    assert changed["createdDate"] == user["createdDate"] == changed["metadata"]["createdDate"]
    assert changed["updatedDate"] >= user["updatedDate"]
    assert changed["metadata"]["updatedByUserId"]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"username": "ÁNN"}, "User with this username already exists"),
        ({"barcode": "001"}, "This barcode has already been taken"),
        (
            {"externalSystemId": "É1"},
            "duplicate lower(f_unaccent(jsonb ->> 'externalSystemId'::text value violates unique constraint: e1",
        ),
        ({"id": ID}, "User with this id already exists"),
    ],
)
def test_a_key_that_is_taken_is_a_422_on_post(folio, second, words):
    """FOLIO: mod-users UsersAPI.saveUser; compared as lower(unaccent(value))."""
    create(folio, id=ID)
    fresh = {"username": "bob", "externalSystemId": "E2", "barcode": "002"}
    response = folio("POST", "/users", json=fresh | second)
    assert response.status_code == 422
    assert words in message(response)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"username": "ANN"}, "User with this username already exists"),
        ({"barcode": "001"}, "This barcode has already been taken"),
        (
            {"externalSystemId": "É1"},
            "Key (lower(f_unaccent(jsonb ->> 'externalSystemId'::text)))=(e1) already exists.",
        ),
    ],
)
def test_a_key_that_is_taken_is_a_400_on_put(folio, change, words):
    """FOLIO: mod-users UsersAPI.updateUser."""
    create(folio)
    other = create(folio, username="bob", externalSystemId="E2", barcode="002").json()
    response = folio("PUT", f"/users/{other['id']}", json={"id": other["id"]} | change)
    assert (response.status_code, response.text) == (400, words)


def test_an_empty_barcode_is_a_value_and_an_absent_one_is_none(folio):
    """FOLIO: two users with the barcode "" collide; without one they do not."""
    assert create(folio, barcode="").status_code == 201
    assert create(folio, barcode="", username="b", externalSystemId="E2").status_code == 422
    assert create(folio, barcode=None, username="b", externalSystemId="E2").status_code == 201
    assert create(folio, barcode=None, username="c", externalSystemId="E3").status_code == 201


def test_a_username_is_trimmed_on_post_only(folio):
    """FOLIO: mod-users UsersAPI.trimWhiteSpaceInUsername; no other key, and not on PUT."""
    user = create(folio, username=" ann ", barcode=" 1 ").json()
    assert (user["username"], user["barcode"]) == ("ann", " 1 ")
    folio("PUT", f"/users/{user['id']}", json={"id": user["id"], "username": " ann "})
    assert folio.store.users.get(user["id"])["username"] == " ann "


def test_a_patron_group_must_exist(folio):
    """FOLIO: mod-users UsersAPI.validatePatronGroup; none at all is fine."""
    response = create(folio, patronGroup=ID)
    assert (response.status_code, response.text) == (400, f"Cannot add {ID}. Patron group not found")
    assert create(folio, patronGroup=folio.group_id("staff")).status_code == 201


def test_an_address_type_must_exist(folio):
    """FOLIO: mod-users UsersAPI.checkAllAddressTypesValid has one text for POST and another for PUT."""
    personal = {"lastName": "A", "addresses": [{"addressTypeId": ID}]}
    response = create(folio, personal=personal)
    expected = "You cannot add addresses with non-existent address types"
    assert (response.status_code, response.text) == (400, expected)
    user = create(folio).json()
    response = folio("PUT", f"/users/{user['id']}", json={"id": user["id"], "personal": personal})
    assert (response.status_code, response.text) == (400, "All addresses types defined for users must be existing")


def test_there_is_one_address_per_type(folio):
    """FOLIO: mod-users AddressValidator."""
    home = {"addressTypeId": folio.address_type_id("Home")}
    response = create(folio, personal={"lastName": "A", "addresses": [home, home]})
    assert (response.status_code, response.text) == (400, "Users are limited to one address per addresstype")


def test_an_unknown_department_is_an_empty_500_on_post_and_a_400_on_put(folio):
    """FOLIO: the database's foreign key; mod-users has a text for it on PUT only."""
    response = create(folio, departments=[ID])
    assert (response.status_code, response.text) == (500, "")
    user = create(folio).json()
    response = folio("PUT", f"/users/{user['id']}", json={"id": user["id"], "departments": [ID]})
    expected = f'Key (departments)=({ID}) is not present in table "departments".'
    assert (response.status_code, response.text) == (400, expected)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"surprise": 1}, 422),
        ({"personal": {"firstName": "A"}}, 422),
        ({"personal": {"lastName": "A", "fax": "1"}}, 422),
        ({"id": "7"}, 500),
        ({"active": "yes"}, 400),
        ({"expirationDate": "soon"}, 400),
    ],
)
def test_a_body_that_is_not_a_user_is_refused(folio, body, status):
    """FOLIO: RMB; unknown and missing properties are 422, wrong types and dates 400."""
    assert create(folio, **body).status_code == status


def test_the_body_must_be_json(folio):
    """FOLIO: RMB RestRouting."""
    assert folio("POST", "/users", content="{", headers={"content-type": "application/json"}).status_code == 400
    assert folio("POST", "/users", content="{}", headers={"content-type": "text/plain"}).status_code == 400


def test_an_id_cannot_be_changed(folio):
    """FOLIO: mod-users UsersAPI.putUsersByUserId."""
    user = create(folio).json()
    response = folio("PUT", f"/users/{user['id']}", json={"id": str(uuid.uuid4())})
    assert (response.status_code, response.text) == (400, "You cannot change the value of the id field")


def test_users_are_listed_by_query_limit_and_offset(folio):
    """FOLIO: mod-users UsersAPI.getUsers; ten without a limit."""
    for number in range(12):
        create(folio, username=f"u{number:02}", externalSystemId=f"E{number:02}", barcode=None)
    assert len(folio("GET", "/users").json()["users"]) == 10
    page = folio("GET", "/users", params={"query": 'externalSystemId==("e03" or "E11")', "limit": 20}).json()
    assert ([user["username"] for user in page["users"]], page["totalRecords"]) == (["u03", "u11"], 2)
    page = folio("GET", "/users", params={"query": "cql.allRecords=1 sortBy username", "limit": 2, "offset": 11}).json()
    assert ([user["username"] for user in page["users"]], page["totalRecords"]) == (["u11"], 12)
    assert folio("GET", "/users", params={"query": "username=="}).status_code == 400
    assert folio("GET", "/users", params={"limit": "-1"}).status_code == 400


def test_a_new_tenant_has_folios_reference_data(folio):
    """FOLIO: mod-users reference data; no departments, no custom fields."""
    listed = {
        "/groups": ("usergroups", "group", {"faculty", "graduate", "staff", "undergrad"}),
        "/addresstypes": ("addressTypes", "addressType", {"Claim", "Home", "Order", "Payment", "Returns", "Work"}),
        "/departments": ("departments", "name", set()),
        "/custom-fields": ("customFields", "refId", set()),
        "/service-points": ("servicepoints", "code", {"cd1", "cd2", "Online"}),
    }
    for path, (key, name, expected) in listed.items():
        body = folio("GET", path, params={"limit": 2147483647}, headers=MOD_USERS).json()
        assert {row[name] for row in body[key]} == expected
        assert body["totalRecords"] == len(expected)


def test_an_institutions_own_reference_data_can_be_given(folio):
    """Tests and demos name departments and custom fields."""
    for row in departments("Computer Science"):
        folio.store.departments.put(row)
    folio.store.custom_fields.put(select_field("campus", "Campus", ["Main"]))
    (department,) = folio("GET", "/departments").json()["departments"]
    assert department["code"] == "COMPUTER_SCIENCE"
    assert folio("GET", "/custom-fields").status_code == 404, "an interface of several modules: say which one"
    (field,) = folio("GET", "/custom-fields", headers=MOD_USERS).json()["customFields"]
    assert field["selectField"]["options"]["values"] == [{"id": "opt_0", "value": "Main", "default": False}]


def test_modules_can_be_asked_for_by_interface(folio):
    """FOLIO: Okapi; mod-user-import asks which one module provides custom-fields."""
    path = "/_/proxy/tenants/fs00001234/modules"
    assert {"id": "mod-user-import-3.11.0"} in folio("GET", path).json()
    assert folio("GET", path, params={"provide": "custom-fields"}).json() == [{"id": "mod-users-19.6.0"}]
    assert folio("GET", "/_/version").text[0].isdigit()


def test_a_path_no_module_has_is_a_404(folio):
    """FOLIO: Okapi."""
    response = folio("GET", "/inventory/items")
    assert (response.status_code, "No suitable module found" in response.text) == (404, True)


@pytest.mark.parametrize(("version", "kept"), [("19.5.4", False), ("19.6.0", True)])
def test_mod_users_up_to_19_5_4_sets_created_date_at_every_put(folio, version, kept):
    """Measured: every PUT sets createdDate to now; 19.6.0 keeps it, and metadata.createdDate survives in both."""
    folio.store.upgrade("mod-users", version)
    user = create(folio).json()
    folio.store.users.get(user["id"])["createdDate"] = user["metadata"]["createdDate"] = "2020-01-01T00:00:00.000+00:00"
    folio.store.users.get(user["id"])["metadata"] = user["metadata"]
    folio("PUT", f"/users/{user['id']}", json={"id": user["id"]})
    changed = folio("GET", f"/users/{user['id']}").json()
    assert (changed["createdDate"] == "2020-01-01T00:00:00.000+00:00") is kept
    assert changed["metadata"]["createdDate"] == "2020-01-01T00:00:00.000+00:00"


def test_a_user_without_created_date_can_be_changed(folio):
    """users seeded by other tools have none."""
    folio.store.users.put({"id": ID, "username": "seeded"})
    assert folio("PUT", f"/users/{ID}", json={"id": ID, "username": "seeded"}).status_code == 204
