"""The stand-in against the real modules: what was found to differ, one test a row.

Measured with mod-user-import 3.10.3 and mod-users 19.5.4, built from source, on PostgreSQL 15.
"""

import json
import string
from typing import Any

import pytest
from stand_in import TENANT, Client, counts, message, only_error, user

from sandbox.folio import FolioTenant, folio_app
from sandbox.folio.reference import departments, select_field

HOME = {"addressTypeId": "Home", "addressLine1": "1 Elm St"}
JSON = {"content-type": "application/json"}
ID = "7c5abc9f-f3d7-4856-b8d7-6712462ca009"


def stored(folio, external_system_id="E0001") -> dict[str, Any]:
    found = folio.store.user(external_system_id)
    assert found
    return found


def send(folio, body: Any, **headers: str) -> Any:
    """POST a user import as it is; the response."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return folio("POST", "/user-import", content=content, headers=JSON | headers)


def request(*users: Any, **flags: Any) -> dict[str, Any]:
    return {"users": list(users), "totalRecords": len(users)} | flags


def has_orphan(folio) -> bool:
    """Whether the failed create left a permission user behind."""
    return len(folio.store.users) == 0 and len(folio.store.permission_users) == 1


# What user-import takes


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-13-01", "2027-01-01"),
        ("2026-02-30", "2026-03-02"),
        ("2028-13-45", "2029-02-14"),
        ("2028-02-30", "2028-03-01"),
        ("2026-05-17T25:00:00", "2026-05-18T01:00"),
    ],
)
def test_a_date_that_does_not_exist_runs_on_into_the_next_month(folio, sent, kept):
    """expirationDate 2026-13-01, 2026-02-30, ...T25:00:00: 200, stored as the day that follows."""
    assert counts(folio.load(user(1, expirationDate=sent))) == (1, 0, 0)
    assert stored(folio)["expirationDate"].startswith(kept)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (1778976000000, "2026-05-17T00:00:00.000+00:00"),
        ("Sun, 17 May 2026 00:00:00 GMT", "2026-05-17T00:00:00.000+00:00"),
        (" 2027-05-17 ", "2027-05-17T00:00:00.000+00:00"),
        ("0000-01-01", "+0000-01-01T00:00:00.000+00:00"),
        ("", None),
    ],
)
def test_dates_in_other_forms_are_taken(folio, sent, kept):
    """a date as number, RFC 1123 text, leading blank, 0000-01-01, "": 200 ("" is null)."""
    assert counts(folio.load(user(1, expirationDate=sent))) == (1, 0, 0)
    assert stored(folio).get("expirationDate") == kept


def test_a_date_of_birth_before_year_1_fails_the_create(folio):
    """dateOfBirth 0000-12-31: 200, create failed, orphan."""
    body = folio.load(user(1, personal={"lastName": "A", "dateOfBirth": "0000-12-31"}))
    assert counts(body) == (0, 0, 1)
    assert has_orphan(folio)


def test_numbers_and_texts_are_coerced(folio):
    """barcode as float, delivery "false", primaryAddress "true", postalCode 7834: 200, coerced."""
    address = HOME | {"postalCode": 7834, "primaryAddress": "true"}
    sent = user(
        1,
        barcode=12.50,
        personal={"lastName": "A", "addresses": [address]},
        requestPreference={"holdShelf": True, "delivery": "false"},
    )
    content = json.dumps(request(sent)).replace('"barcode": 12.5', '"barcode": 12.50').encode()
    assert counts(send(folio, content).json()) == (1, 0, 0)
    kept = stored(folio)
    assert kept["barcode"] == "12.50"
    assert kept["personal"]["addresses"][0]["postalCode"] == "7834"
    assert kept["personal"]["addresses"][0]["primaryAddress"] is True
    (preference,) = folio.store.preferences
    assert preference["delivery"] is False


@pytest.mark.parametrize("total", ["1", 1.7])
def test_a_total_may_be_a_text_or_a_fraction(folio, total):
    """totalRecords "1" or 1.7: 200."""
    assert counts(send(folio, request(user(1), totalRecords=total)).json()) == (1, 0, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"requestPreference": {"holdShelf": False, "delivery": False}},
        {"requestPreference": {"holdShelf": True, "delivery": True, "fulfillment": "Hold shelf"}},
        {"preferredEmailCommunication": ["support"]},
    ],
)
def test_a_word_outside_its_list_is_a_400_in_plain_text(folio, fields):
    """holdShelf false; fulfillment "Hold shelf"; preferredEmailCommunication "support": 400 text."""
    response = folio.refused(user(1, **fields))
    assert (response.status_code, response.headers["content-type"][:10]) == (400, "text/plain")


def test_a_preference_without_delivery_has_none(folio):
    """requestPreference without delivery: 200, delivery false."""
    assert counts(folio.load(user(1, requestPreference={"holdShelf": True}))) == (1, 0, 0)
    (preference,) = folio.store.preferences
    assert preference["delivery"] is False


def test_four_email_preferences_with_a_duplicate_are_three(folio):
    """preferredEmailCommunication of 4 with a duplicate: 200, stored as 3."""
    wanted = ["Support", "Programs", "Services"]
    assert counts(folio.load(user(1, preferredEmailCommunication=[*wanted, "Support"]))) == (1, 0, 0)
    assert stored(folio)["preferredEmailCommunication"] == wanted


def test_missing_users_are_no_users(folio):
    """users missing with totalRecords 1: 200, all counts 0."""
    response = send(folio, {"totalRecords": 1})
    assert (response.status_code, counts(response.json())) == (200, (0, 0, 0))


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"users": None, "totalRecords": 1}, "users"),
        (request(user(1) | {"username": None}), "users[0].username"),
    ],
)
def test_a_null_where_something_is_required_is_a_422(folio, body, key):
    """users: null, username: null: 422 "must not be null"."""
    response = send(folio, body)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["message"]) == (422, "must not be null")
    assert error["parameters"] == [{"key": key, "value": "null"}]


@pytest.mark.parametrize("fields", [{"personal": {"lastName": "A", "addresses": [None]}}, {"departments": [None]}])
def test_a_null_in_a_list_fails_its_user(folio, fields):
    """addresses: [null], departments: [null]: 200, that user failed with a NullPointerException text."""
    body = folio.load(user(1, **fields), user(2))
    assert counts(body) == (1, 0, 1)
    assert only_error(body).startswith("Cannot invoke ")


def test_a_content_type_is_compared_as_it_is_written(folio):
    """Content-Type Application/JSON: 400."""
    assert send(folio, request(user(1)), **{"content-type": "Application/JSON"}).status_code == 400
    assert send(folio, request(user(1)), **{"content-type": "application/json; charset=utf-8"}).status_code == 200


def test_a_total_of_zero_has_an_empty_list_of_failed_users(folio):
    """totalRecords 0: also "failedUsers": []."""
    assert send(folio, request(totalRecords=0)).json()["failedUsers"] == []


@pytest.mark.parametrize("fields", [{"id": "abc"}, {"personal": {"lastName": "A\0"}}])
def test_what_the_database_cannot_store_fails_the_create(folio, fields):
    """id "abc"; lastName with U+0000: create failed, orphan."""
    body = folio.load(user(1, **fields))
    assert only_error(body) == "Failed to create new user with externalSystemId: E0001"
    assert has_orphan(folio)


@pytest.mark.parametrize(
    ("written", "kept"), [(b"a\\ud800b", "a?b"), (b"Sch\xfcler", "Sch�ler"), (b"\\ud83d\\ude00", "😀")]
)
def test_what_is_not_unicode_is_replaced(folio, written, kept):
    """lone surrogate / Latin-1 bytes: 200, stored a?b / replacement character."""
    content = json.dumps(request(user(1, personal={"lastName": "NAME"}))).encode().replace(b"NAME", written)
    assert counts(send(folio, content).json()) == (1, 0, 0)
    assert stored(folio)["personal"]["lastName"] == kept


@pytest.mark.parametrize(
    ("fields", "java_class"),
    [
        ({"foo": "x"}, "User"),
        ({"personal": {"lastName": "A", "foo": "1"}}, "Personal"),
        ({"personal": {"lastName": "A", "addresses": [HOME | {"foo": "1"}]}}, "Address"),
    ],
)
def test_an_unknown_property_is_a_422_that_names_no_user(folio, fields, java_class):
    """unknown property: 422, `Unrecognized field "foo" (class ...)`, parameter key and value empty."""
    response = folio.refused(user(1), user(2, **fields))
    (error,) = response.json()["errors"]
    assert (response.status_code, error["code"], error["parameters"]) == (422, "-1", [{"key": "", "value": ""}])
    assert error["message"].startswith(f'Unrecognized field "foo" (class org.folio.rest.jaxrs.model.{java_class})')


def test_a_422_has_a_code_and_no_total(folio):
    """422 in general: code jakarta.validation.constraints.NotNull.message or -1, no total_records."""
    body = folio.refused(user(1, username=None)).json()
    assert set(body) == {"errors"}
    assert body["errors"][0]["code"] == "jakarta.validation.constraints.NotNull.message"


def test_a_delivery_preference_of_a_user_without_personal(folio):
    """delivery preference, user without personal: failed, `Cannot invoke ...getAddresses()...`."""
    preference = {
        "holdShelf": True,
        "delivery": True,
        "fulfillment": "Delivery",
        "defaultDeliveryAddressTypeId": "Home",
    }
    body = folio.load(user(1, personal=None, requestPreference=preference))
    assert counts(body) == (0, 0, 1)
    assert only_error(body).startswith('Cannot invoke "org.folio.rest.jaxrs.model.Personal.getAddresses()"')
    assert stored(folio)["active"] is True


def test_a_partial_update_of_a_user_without_personal(folio):
    """partial mode with no stored personal: text goes on ` Error message: Cannot invoke ...`."""
    folio.load(user(1, personal=None))
    words = only_error(folio.load(user(1), updateOnlyPresentFields=True))
    assert words.startswith("Failed to process user search result. Error message: Cannot invoke ")


def included(**parts: Any) -> dict[str, Any]:
    return {"included": parts}


def test_an_included_department_with_an_extra_property_is_a_500(folio):
    """included department with an extra property: 500."""
    response = folio.refused(user(1), **included(departments=[{"name": "Art", "colour": "blue"}]))
    assert response.status_code == 500
    assert 'Unrecognized field \\"colour\\"' in response.json()["error"]


def test_an_included_department_that_clashes_has_the_full_text(folio):
    """included department that clashes: `...Failed to create department: Response status code 422 ...`."""
    folio.store.departments.put(departments("History")[0])
    response = folio.refused(user(1), **included(departments=[{"name": "HISTORY", "code": "H2"}]))
    expected = (
        "Failed to prepare departments: Failed to create department: Response status code 422 is not equal to 201 - "
        '{"errors":[{"message":"Department with this name already exists"'
    )
    assert (response.status_code, response.json()["error"].startswith(expected)) == (500, True)


def test_an_included_custom_field_that_is_unknown_has_a_prefix(folio):
    """included custom field unknown: prefix `Failed to prepare custom fields: `."""
    response = folio.refused(user(1), **included(customFields=[{"refId": "nope"}]))
    expected = "Failed to prepare custom fields: Custom fields do not exist in the system: [nope]."
    assert (response.status_code, response.json()["error"]) == (500, expected)


def test_an_included_second_default_option_is_a_500(folio):
    """included second default option: 500 "The max defaults amount is 1"."""
    field = select_field("campus", "Campus", ["Main"])
    field["selectField"]["options"]["values"][0]["default"] = True
    folio.store.custom_fields.put(field)
    options = {"values": [{"value": "River", "default": True}]}
    fields = [{"refId": "campus", "selectField": {"options": options}}]
    response = folio.refused(user(1), **included(customFields=fields))
    assert (response.status_code, "The max defaults amount is 1" in response.json()["error"]) == (500, True)


def test_a_long_username_has_room_up_to_the_indexs_limit(folio):
    """long username: 2,690 bytes stored, 2,705 fails; on PUT "User with this username already exists"."""
    letters = string.ascii_lowercase * 200
    assert counts(folio.load(user(1, username=letters[:2690]))) == (1, 0, 0)
    assert counts(folio.load(user(2, username=letters[1:2706]))) == (0, 0, 1)
    refused = only_error(folio.load(user(1, username=letters[1:2706])))
    assert refused.endswith("User with this username already exists")


# Other endpoints


def test_a_list_of_users_has_result_info(folio):
    """GET /users has resultInfo."""
    folio.load(user(1))
    body = folio("GET", "/users").json()
    assert body["resultInfo"] == {"totalRecords": 1, "facets": [], "diagnostics": []}


def test_users_are_found_by_the_name_of_their_group(folio):
    """`patronGroup.group==undergrad` finds users."""
    folio.load(user(1), user(2, patronGroup="staff"), user(3, patronGroup=None))
    query = {"query": "patronGroup.group==undergrad sortBy username"}
    assert [each["username"] for each in folio("GET", "/users", params=query).json()["users"]] == ["user1"]


def test_users_are_found_by_keywords(folio):
    """`/users?query=keywords="Oneil"` finds users by name, barcode, e-mail address, ids and custom fields."""
    folio.load(user(1, personal={"lastName": "Oneil", "firstName": "Ann", "email": "ann@x.example"}), user(2))
    for words in ("Oneil", "oneil", "Ann One*", "0000001", "E0001"):
        found = folio("GET", "/users", params={"query": f'keywords="{words}"'}).json()["users"]
        assert [each["username"] for each in found] == ["user1"], words


def test_the_server_chooses_no_index(folio):
    """`cql.serverChoice=` is 400."""
    assert folio("GET", "/users", params={"query": "cql.serverChoice=ann"}).status_code == 400


def test_a_put_of_an_unknown_id_is_a_404_with_the_id(folio):
    """PUT of an unknown id is 404 with the id as text."""
    response = folio("PUT", f"/users/{ID}", json={"id": ID, "username": "ann"})
    assert (response.status_code, response.text) == (404, ID)


def test_a_taken_external_system_id_has_the_databases_text(folio):
    """a duplicate externalSystemId's text has half of the index, and the value folded."""
    folio("POST", "/users", json={"externalSystemId": "José", "username": "a"})
    response = folio("POST", "/users", json={"externalSystemId": "JOSÉ", "username": "b"})
    words = "duplicate lower(f_unaccent(jsonb ->> 'externalSystemId'::text value violates unique constraint: jose"
    assert (response.status_code, message(response)) == (422, words)


@pytest.mark.parametrize(
    "fields", [{"patronGroup": "junk"}, {"personal": {"lastName": "A", "addresses": [{"addressLine1": "x"}]}}]
)
def test_a_put_against_mod_users_own_schema_is_a_422(folio, fields):
    """PUT with a junk patronGroup or an address without type is 422."""
    made = folio("POST", "/users", json={"username": "ann"}).json()
    assert folio("PUT", f"/users/{made['id']}", json={"id": made["id"]} | fields).status_code == 422


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("7c5abc9f-f3d7-6856-b8d7-6712462ca009", 422),
        ("7c5abc9f-f3d7-0856-b8d7-6712462ca009", 422),
        ("7c5abc9f-f3d7-4856-c8d7-6712462ca009", 422),
        ("7C5ABC9F-F3D7-4856-B8D7-6712462CA009", 201),
    ],
)
def test_a_uuid_has_version_1_to_5_and_variant_8_to_b(folio, value, status):
    """UUIDs must be version 1 to 5, variant 8 to b."""
    body = {"name": "Art", "code": "A", "id": value}
    assert folio("POST", "/departments", json=body).status_code == status


def test_groups_have_more_than_a_name_and_no_order(folio):
    """/groups may have expirationOffsetInDays and metadata, in no fixed order."""
    listed = [folio("GET", "/groups").json()["usergroups"] for _ in range(4)]
    assert all(group["metadata"]["createdDate"] for group in listed[0])
    assert any("expirationOffsetInDays" in group for group in listed[0])
    assert len({tuple(group["group"] for group in groups) for groups in listed}) > 1


def test_departments_come_back_in_a_sets_order(folio):
    """Departments come back in a set's order."""
    names = ["Art", "Biology", "Chemistry", "Dance"]
    for row in departments(*names):
        folio.store.departments.put(row)
    folio.load(user(1, departments=names), user(2, departments=list(reversed(names))))
    assert stored(folio)["departments"] == stored(folio, "E0002")["departments"]
    assert [folio.store.departments.get(each)["name"] for each in stored(folio)["departments"]] != names


# Endpoints that were missing


def test_an_interface_names_its_modules(folio):
    """/_/proxy/tenants/T/interfaces/custom-fields; mod-user-import asked there before 3.10."""
    path = f"/_/proxy/tenants/{TENANT}/interfaces"
    assert folio("GET", f"{path}/custom-fields").json() == [{"id": "mod-users-19.6.0"}]
    assert folio("GET", f"{path}/nothing").json() == []


NOTE = {"title": "Card", "domain": "users", "content": "Card at the desk", "links": [{"id": ID, "type": "user"}]}
BLOCK = {"userId": ID, "desc": "New", "type": "Manual", "borrowing": True, "renewals": True, "requests": True}
PROXY = {"userId": ID, "proxyUserId": ID, "requestForSponsor": "Yes", "status": "Active"}
FEE = {
    "userId": ID,
    "feeFineId": ID,
    "ownerId": ID,
    "amount": 5.5,
    "remaining": 5.5,
    "status": {"name": "Open"},
    "paymentStatus": {"name": "Outstanding"},
}


@pytest.mark.parametrize(
    ("path", "key", "body"),
    [
        ("/notes", "notes", NOTE),
        ("/manualblocks", "manualblocks", BLOCK),
        ("/proxiesfor", "proxiesFor", PROXY),
        ("/accounts", "accounts", FEE),
    ],
)
def test_records_beside_a_user_are_kept_and_found(folio, path, key, body):
    """/notes, /manualblocks, /proxiesfor, /accounts."""
    if path == "/notes":
        body = body | {"typeId": folio("GET", "/note-types").json()["noteTypes"][0]["id"]}
    made = folio("POST", path, json=body)
    assert made.status_code == 201, made.text
    assert folio("GET", path).json()[key] == [made.json()]
    assert folio("PUT", f"{path}/{made.json()['id']}", json=made.json()).status_code == 204
    assert folio("DELETE", f"{path}/{made.json()['id']}").status_code == 204
    assert folio("GET", path).json()["totalRecords"] == 0


@pytest.mark.parametrize(
    ("path", "key", "name", "body"),
    [
        ("/groups", "usergroups", "group", {"group": "visitor", "expirationOffsetInDays": 30, "any": "thing"}),
        ("/addresstypes", "addressTypes", "addressType", {"addressType": "Holiday", "desc": "In summer"}),
    ],
)
def test_reference_data_can_be_made_and_changed(folio, path, key, name, body):
    """FOLIO: mod-users UserGroupAPI and AddressTypeAPI; names are unique without case and accents."""
    made = folio("POST", path, json=body).json()
    assert folio("GET", f"{path}/{made['id']}").json() == made
    assert folio("POST", path, json={name: body[name].upper()}).status_code == 422
    assert folio("POST", path, json={"desc": "No name"}).status_code == 422
    assert folio("PUT", f"{path}/{made['id']}", json=made | {name: "New"}).status_code == 204
    listed = folio("GET", path, params={"query": f"{name}==new"}).json()[key]
    assert [one["id"] for one in listed] == [made["id"]]
    assert folio("DELETE", f"{path}/{made['id']}").status_code == 204


def test_reference_data_that_users_have_stays(folio):
    """FOLIO: the foreign key to groups, and AddressTypeAPI: 400 with the id."""
    folio.load(user(1, personal={"lastName": "A", "addresses": [HOME]}))
    for path, used in (("/groups", folio.group_id("undergrad")), ("/addresstypes", folio.address_type_id("Home"))):
        response = folio("DELETE", f"{path}/{used}")
        assert (response.status_code, used in response.text) == (400, True)


def test_users_are_deleted_by_a_query(folio):
    """FOLIO: UsersAPI.deleteUsers; without a query it is a 400."""
    folio.load(user(1), user(2), user(3))
    assert folio("DELETE", "/users").status_code == 400
    assert folio("DELETE", "/users", params={"query": 'username==("user1" or "user3")'}).status_code == 204
    assert [one["username"] for one in folio.store.users] == ["user2"]


def test_the_timer_makes_expired_users_inactive(folio):
    """FOLIO: ExpirationTool, called every minute."""
    folio.load(user(1, expirationDate="2020-01-01"), user(2, expirationDate="2999-01-01"))
    assert folio("POST", "/users/expire/timer").status_code == 204
    assert [stored(folio, key)["active"] for key in ("E0001", "E0002")] == [False, True]


def test_a_shadow_user_has_no_picture(folio):
    """FOLIO: UsersAPI.isProfilePictureLinkPresentForShadow, on POST and PUT: 500."""
    body = {"type": "shadow", "personal": {"lastName": "A", "profilePictureLink": "https://x.example/1"}}
    response = folio("POST", "/users", json=body)
    assert (response.status_code, "not applicable for user's type SHADOW" in response.text) == (500, True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/notes", NOTE),
        ("/notes", NOTE | {"typeId": ID}),
        ("/manualblocks", {"desc": "New"}),
        ("/manualblocks", BLOCK | {"surprise": 1}),
        ("/proxiesfor", PROXY | {"surprise": 1}),
        ("/accounts", {key: value for key, value in FEE.items() if key != "ownerId"}),
    ],
)
def test_records_beside_a_user_have_schemas_too(folio, path, body):
    """FOLIO: mod-notes, mod-feesfines, mod-users; a missing or unknown property is 422."""
    assert folio("POST", path, json=body).status_code == 422


def test_open_loans_are_found_by_user(folio):
    """/circulation/loans; what a leaver has not brought back."""
    folio.load(user(1), user(2))
    one, other = stored(folio)["id"], stored(folio, "E0002")["id"]
    loan = folio.store.lend(one)
    folio.store.loans.put(folio.store.lend(other) | {"status": {"name": "Closed"}})
    query = {"query": f'userId==("{one}" or "{other}") and status.name==Open', "limit": 100}
    assert folio("GET", "/circulation/loans", params=query).json()["loans"] == [loan]


def test_open_fees_are_found_by_user(folio):
    """/accounts; what a leaver has not paid."""
    folio.load(user(1), user(2))
    one, other = stored(folio)["id"], stored(folio, "E0002")["id"]
    folio.store.accounts.put(folio.store.charge(one, 3.0) | {"status": {"name": "Closed"}})
    fee = folio.store.charge(other, 2.5)
    query = {"query": f'(userId=={one} or userId=={other}) and status.name=="Open"'}
    assert folio("GET", "/accounts", params=query).json()["accounts"] == [fee]


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/circulation/loans", "circulation.loans.collection.get"),
        ("/accounts", "accounts.collection.get"),
        ("/notes", "notes.collection.get"),
        ("/manualblocks", "manualblocks.collection.get"),
        ("/proxiesfor", "proxiesfor.collection.get"),
        ("/user-tenants", "user-tenants.collection.get"),
    ],
)
def test_each_of_them_needs_its_permission(folio, path, permission):
    """FOLIO: the modules' descriptors."""
    assert folio("GET", path).status_code == 200
    folio.folio.tenants[TENANT].forbidden.add(permission)
    assert folio("GET", path).status_code == 403


def test_only_tenants_of_a_consortium_have_user_tenants(folio):
    """/user-tenants; how a client finds out that a tenant is a member, and of what."""
    assert folio("GET", "/user-tenants").json() == {"userTenants": [], "totalRecords": 0}
    member = Client(folio_app([FolioTenant("central"), FolioTenant(TENANT, central="central")]))
    (row,) = member("GET", "/user-tenants", params={"limit": 1}).json()["userTenants"]
    assert (row["tenantId"], row["centralTenantId"]) == (TENANT, "central")


def test_a_taken_username_with_id_in_it_is_reported_as_a_taken_id(folio):
    """FOLIO: UsersAPI.isDuplicateIdError looks for "id" in the database's text, which has the username in it."""
    folio("POST", "/users", json={"username": "david"})
    assert message(folio("POST", "/users", json={"username": "DAVID"})) == "User with this id already exists"
