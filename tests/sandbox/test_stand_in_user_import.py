"""The stand-in's POST /user-import: the rules and texts of mod-user-import 3.11."""

import asyncio
from typing import Any

import pytest
from stand_in import counts, only_error, user

from sandbox.folio.reference import departments, select_field, text_field

HOME = {"addressTypeId": "Home", "addressLine1": "1 Elm St"}
WORK = {"addressTypeId": "Work", "addressLine1": "2 Oak Rd"}


def personal(**fields: Any) -> dict[str, Any]:
    return {"lastName": "Name1"} | fields


def stored(folio, external_system_id="E0001") -> dict[str, Any]:
    found = folio.store.user(external_system_id)
    assert found
    return found


# The request


def test_new_users_are_created_and_known_ones_updated(folio):
    """FOLIO: UserImportAPI.processUser; the match is the externalSystemId."""
    assert counts(folio.load(user(1), user(2))) == (2, 0, 0)
    body = folio.load(user(2, barcode="9"), user(3))
    assert counts(body) == (1, 1, 0)
    assert (body["message"], body["totalRecords"]) == ("Users were imported successfully.", 2)
    assert stored(folio, "E0002")["barcode"] == "9"


def test_a_total_of_zero_imports_nothing_whatever_the_users(folio):
    """Measured: 200, no counts, an empty list of failed users."""
    response = folio("POST", "/user-import", json={"users": [user(1)], "totalRecords": 0})
    expected = {"message": "No users to import.", "totalRecords": 0, "failedUsers": []}
    assert (response.status_code, response.json()) == (200, expected)
    assert len(folio.store.users) == 0


def test_the_total_is_not_compared_with_the_users(folio):
    """FOLIO: UserImportAPI; any number but 0 will do, the answer counts for itself."""
    response = folio("POST", "/user-import", json={"users": [user(1), user(2)], "totalRecords": 77})
    assert (counts(response.json()), response.json()["totalRecords"]) == ((2, 0, 0), 2)


PREFERENCE = {"holdShelf": True, "delivery": False}


@pytest.mark.parametrize(
    ("fields", "key", "code"),
    [
        ({"username": None}, "username", "NotNull"),
        ({"externalSystemId": None}, "externalSystemId", "NotNull"),
        ({"personal": {"firstName": "A"}}, "personal.lastName", "NotNull"),
        ({"personal": personal(pronouns="x" * 301)}, "personal.pronouns", "Size"),
        (
            {"requestPreference": PREFERENCE | {"defaultServicePointId": "cd1"}},
            "requestPreference.defaultServicePointId",
            "Pattern",
        ),
    ],
)
def test_one_user_against_the_schema_refuses_the_whole_request_with_422(folio, fields, key, code):
    """Measured: code jakarta.validation..., no total_records; nothing is written, not even the good user beside it."""
    response = folio.refused(user(1), user(2, **fields))
    assert response.status_code == 422
    assert set(response.json()) == {"errors"}
    (error,) = response.json()["errors"]
    assert (error["code"], error["type"]) == (f"jakarta.validation.constraints.{code}.message", "1")
    assert error["parameters"][0]["key"] == f"users[1].{key}"


@pytest.mark.parametrize(
    "fields",
    [
        {"active": "yes"},
        {"barcode": ["12345"]},
        {"personal": "Smith"},
        {"departments": "History"},
        {"expirationDate": "05/17/2026"},
        {"expirationDate": "2026-05-17 00:00:00"},
        {"expirationDate": 1.5},
        {"preferredEmailCommunication": ["Sport"]},
    ],
)
def test_what_jackson_cannot_read_refuses_the_whole_request_with_400(folio, fields):
    """FOLIO: RMB RestRouting; plain text."""
    response = folio.refused(user(1), user(2, **fields))
    assert (response.status_code, response.headers["content-type"][:10]) == (400, "text/plain")


def test_flags_beside_the_users_are_checked_too(folio):
    """FOLIO: userdataimportCollection.json, additionalProperties false."""
    assert folio.refused(user(1), surprise=True).status_code == 422
    assert folio("POST", "/user-import", json={"users": []}).status_code == 422
    assert folio("POST", "/user-import", content="[").status_code == 400


def test_null_is_absent(folio):
    """FOLIO: Jackson; a null of an optional property is no property."""
    folio.load(user(1) | {"barcode": None, "personal": personal(email=None)})
    assert "barcode" not in stored(folio)
    assert "email" not in stored(folio)["personal"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-05-17", "2026-05-17T00:00:00.000+00:00"),
        ("2026-05-17T23:59:59", "2026-05-17T23:59:59.000+00:00"),
        ("2026-05-17T23:59:59.999-05:00", "2026-05-18T04:59:59.999+00:00"),
        ("2026-05-17T23:59:59.000Z", "2026-05-17T23:59:59.000+00:00"),
        ("20260517", "1970-01-01T05:37:40.517+00:00"),
    ],
)
def test_a_date_without_a_zone_is_utc(folio, sent, kept):
    """FOLIO: Jackson's StdDateFormat; midnight UTC is the evening before in America, digits alone are milliseconds."""
    folio.load(user(1, expirationDate=sent))
    assert stored(folio)["expirationDate"] == kept


# Names become ids


def test_names_become_ids(folio):
    """FOLIO: UserDataProcessingService.updateUserData."""
    for row in departments("History", "Music"):
        folio.store.departments.put(row)
    folio.load(user(1, departments=["Music", "History", "Music"], personal=personal(addresses=[HOME])))
    kept = stored(folio)
    assert kept["patronGroup"] == folio.group_id("undergrad")
    assert {folio.store.departments.get(each)["name"] for each in kept["departments"]} == {"Music", "History"}
    assert kept["personal"]["addresses"] == [HOME | {"addressTypeId": folio.address_type_id("Home")}]


def test_an_unknown_patron_group_fails_the_user_alone_with_status_200(folio):
    """FOLIO: PatronGroupMappingFailedException; names are case-sensitive."""
    body = folio.load(user(1), user(2, patronGroup="Undergrad"))
    assert counts(body) == (1, 0, 1)
    assert body["message"] == "Users were imported successfully."
    assert only_error(body) == "Patron group does not exist in the system: [Undergrad]"


def test_no_patron_group_at_all_is_fine(folio):
    """FOLIO: mod-user-import since 3.7.1."""
    assert counts(folio.load(user(1, patronGroup=None))) == (1, 0, 0)


def test_unknown_departments_fail_the_user_all_named_in_order(folio):
    """FOLIO: DepartmentMappingFailedException."""
    body = folio.load(user(1, departments=["Zoology", "Art"]))
    assert only_error(body) == "Departments do not exist in the system: [Art, Zoology]"


def test_an_unknown_address_type_is_dropped_in_silence(folio):
    """FOLIO: UserDataProcessingService.getExistingAddresses; case-sensitive, the user is reported as created."""
    addresses = [HOME, {"addressTypeId": "home"}, {"addressTypeId": "Dorm"}, {"addressLine1": "no type"}]
    assert counts(folio.load(user(1, personal=personal(addresses=addresses)))) == (1, 0, 0)
    assert len(stored(folio)["personal"]["addresses"]) == 1


@pytest.mark.parametrize(("sent", "kept"), [("email", "002"), ("EMAIL", "002"), ("002", None), ("fax", None)])
def test_a_contact_type_is_a_name_and_dropped_when_unknown(folio, sent, kept):
    """FOLIO: UserDataProcessingService.setPreferredContactType; the codes themselves are not accepted."""
    folio.load(user(1, personal=personal(preferredContactTypeId=sent)))
    assert stored(folio)["personal"].get("preferredContactTypeId") == kept


def test_custom_fields_and_options_are_names_of_the_tenant(folio):
    """FOLIO: CustomFieldMappingFailedException; options become their ids, both complaints in one text."""
    folio.store.custom_fields.put(select_field("campus", "Campus", ["Main", "River"], multiple=True))
    folio.store.custom_fields.put(text_field("note", "Note"))
    folio.load(user(1, customFields={"campus": ["River", "Main"], "note": "x"}))
    assert stored(folio)["customFields"] == {"campus": ["opt_1", "opt_0"], "note": "x"}
    folio.load(user(1, customFields={"campus": ["River"], "note": ""}))
    assert stored(folio)["customFields"] == {"campus": ["opt_1"]}
    body = folio.load(user(1, customFields={"campus": "Moon", "shoe": "42"}))
    assert only_error(body) == (
        "Custom fields do not exist in the system: [shoe]."
        " Custom field's options do not exist in the system: [refId = campus, options: [Moon]]."
    )
    assert only_error(folio.load(user(1, customFields={"campus": "Moon"})))[0] == " "


# Prefix and match


def test_a_source_type_becomes_a_prefix_of_id_and_error(folio):
    """FOLIO: UserDataProcessingService.updateUserData; failedUsers carry the prefixed id."""
    folio.load(user(1), sourceType="banner")
    assert stored(folio, "banner_E0001")["externalSystemId"] == "banner_E0001"
    body = folio.load(user(2, patronGroup="x"), sourceType="banner")
    assert body["failedUsers"][0]["externalSystemId"] == "banner_E0002"


def test_a_stored_id_in_another_spelling_is_found_but_not_recognised(folio):
    """FOLIO: UserDataProcessingService.extractExistingUsers is a case-sensitive map: create, then a duplicate."""
    folio.load(user(1, externalSystemId="ABC1"))
    body = folio.load(user(1, externalSystemId="abc1"))
    assert counts(body) == (0, 0, 1)
    assert only_error(body) == "Failed to create new user with externalSystemId: abc1"


def test_a_new_username_on_a_known_id_renames_the_user(folio):
    """FOLIO: the code matches on externalSystemId alone, whatever the documentation says."""
    folio.load(user(1))
    assert counts(folio.load(user(1, username="other"))) == (0, 1, 0)
    assert stored(folio)["username"] == "other"


def test_a_failed_create_has_no_cause_and_leaves_a_permission_user(folio):
    """FOLIO: UserImportAPI.createNewUser; POST /perms/users comes first, once per attempt."""
    folio.load(user(1))
    body = folio.load(user(2, barcode=user(1)["barcode"]))
    assert only_error(body) == "Failed to create new user with externalSystemId: E0002"
    folio.load(user(2, barcode=user(1)["barcode"]))
    assert (len(folio.store.users), len(folio.store.permission_users)) == (1, 3)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"barcode": "0000002"}, "This barcode has already been taken"),
        ({"username": "USER2"}, "User with this username already exists"),
        ({"personal": personal(addresses=[HOME, HOME])}, "Users are limited to one address per addresstype"),
    ],
)
def test_a_failed_update_has_mod_users_answer(folio, fields, cause):
    """FOLIO: UserImportAPI.updateUser; status and body follow the text."""
    folio.load(user(1), user(2))
    body = folio.load(user(1, **fields))
    assert counts(body) == (0, 0, 1)
    assert "Failed to update user with externalSystemId: E0001: " in only_error(body)
    assert only_error(body).endswith(cause)
    assert "400" in only_error(body)


def test_the_same_new_id_twice_creates_one_and_fails_one(folio):
    """FOLIO: both are looked up before either is written."""
    assert counts(folio.load(user(1), user(1, username="b", barcode="b"))) == (1, 0, 1)


def test_a_known_id_twice_depends_on_the_partition(folio):
    """FOLIO: UserImportAPI.processUser takes the user out of its partition's map: an update, then a failed create."""
    folio.load(user(1))
    assert counts(folio.load(user(1), user(1))) == (0, 1, 1)
    others = [user(number) for number in range(2, 11)]
    assert counts(folio.load(user(1), *others, user(1))) == (9, 2, 0)


# What an update keeps and loses

FULL = user(
    1,
    type="patron",
    enrollmentDate="2020-01-01",
    customFields={"note": "old", "shoe": "42"},
    tags={"tagList": ["vip"]},
    preferredEmailCommunication=["Support"],
    personal=personal(email="a@b.example", preferredFirstName="Pat", addresses=[HOME, WORK]),
)


@pytest.fixture
def known(folio):
    """User 1 is stored with all of its fields."""
    for row in departments("History"):
        folio.store.departments.put(row)
    for name in ("note", "shoe"):
        folio.store.custom_fields.put(text_field(name, name))
    folio.load(FULL | {"departments": ["History"], "requestPreference": PREFERENCE})
    return folio


def test_a_full_update_wipes_what_it_does_not_carry(known):
    """FOLIO: UserImportAPI; the PUT is the incoming record, active included, and the request preference is deleted."""
    known.load({"username": "user1", "externalSystemId": "E0001"})
    gone = {"active", "barcode", "patronGroup", "type", "personal", "customFields", "tags", "enrollmentDate"}
    kept = stored(known)
    assert not gone & set(kept)
    assert kept["departments"] == kept["preferredEmailCommunication"] == []
    assert len(known.store.preferences) == 0


def test_a_partial_update_keeps_top_level_fields_and_the_preference(known):
    """FOLIO: UserDataProcessingService.updateExistingUserWithIncomingFields."""
    before = stored(known)
    known.load({"username": "user1", "externalSystemId": "E0001"}, updateOnlyPresentFields=True)
    kept = stored(known)
    same = ("id", "active", "barcode", "patronGroup", "type", "personal", "customFields", "tags", "enrollmentDate")
    assert {name: kept[name] for name in same} == {name: before[name] for name in same}
    assert len(known.store.preferences) == 1


def test_a_partial_update_wipes_departments_and_email_communication(known):
    """FOLIO: the POJO's default empty collections overwrite (mergeUserArraySet1)."""
    known.load({"username": "user1", "externalSystemId": "E0001"}, updateOnlyPresentFields=True)
    assert stored(known)["departments"] == []


def test_a_partial_update_replaces_personal_and_custom_fields_whole(known):
    """FOLIO: Vert.x JsonObject.mergeIn is shallow; only the preferred first name and addresses are rescued."""
    work = WORK | {"addressLine1": "new"}
    sent = user(1, personal=personal(phone="1", addresses=[work]), customFields={"note": "new"})
    known.load(sent, updateOnlyPresentFields=True)
    kept = stored(known)
    assert kept["customFields"] == {"note": "new"}
    assert (kept["personal"]["phone"], kept["personal"]["preferredFirstName"]) == ("1", "Pat")
    assert "email" not in kept["personal"]
    assert [each["addressLine1"] for each in kept["personal"]["addresses"]] == ["1 Elm St", "new"]


def test_an_id_is_ignored_on_update(known):
    """FOLIO: the stored user's id is set over the sent one."""
    before = stored(known)["id"]
    known.load(user(1, id="7c5abc9f-f3d7-4856-b8d7-6712462ca009"))
    assert stored(known)["id"] == before


# Request preferences


def preference(**fields: Any) -> dict[str, Any]:
    return PREFERENCE | {"delivery": True, "fulfillment": "Delivery", "defaultDeliveryAddressTypeId": "Home"} | fields


@pytest.mark.parametrize(
    ("sent", "addresses", "words"),
    [
        (preference(fulfillment=None), [HOME], "fulfillment must not be null"),
        (PREFERENCE | {"fulfillment": "Delivery"}, [HOME], "fulfillment must be not specified"),
        (preference(defaultDeliveryAddressTypeId=None), [HOME], "defaultDeliveryAddressTypeId must not be null"),
        (
            preference(defaultDeliveryAddressTypeId="Dorm"),
            [HOME],
            "Provided defaultDeliveryAddressTypeId value does not exist in addresses collection",
        ),
        (
            preference(),
            [WORK],
            "Provided defaultDeliveryAddressTypeId value does not exist in user addresses collection",
        ),
        (
            PREFERENCE | {"defaultServicePointId": "7c5abc9f-f3d7-4856-b8d7-671246200000"},
            [],
            "Provided defaultServicePointId value does not exist in service point collection",
        ),
    ],
)
def test_an_impossible_preference_fails_the_user_who_is_written_all_the_same(folio, sent, addresses, words):
    """FOLIO: UserRequestManagerValidator; failed is not unchanged."""
    body = folio.load(user(1, personal=personal(addresses=addresses), requestPreference=sent))
    assert counts(body) == (0, 0, 1)
    assert only_error(body) == f"User Preference validation failed: {words}"
    assert stored(folio)["active"] is True


def test_a_preference_is_made_changed_and_deleted(folio):
    """FOLIO: UserImportAPI.updateUserPreference."""
    folio.load(user(1, personal=personal(addresses=[HOME]), requestPreference=preference()))
    (made,) = folio.store.preferences
    assert made["defaultDeliveryAddressTypeId"] == folio.address_type_id("Home")
    folio.load(user(1, requestPreference=PREFERENCE))
    query = {"query": f"userId=={made['userId']}"}
    path = "/request-preference-storage/request-preference"
    (changed,) = folio("GET", path, params=query).json()["requestPreferences"]
    assert (changed["id"], changed["delivery"]) == (made["id"], False)
    folio.load(user(1))
    assert len(folio.store.preferences) == 0


def test_a_preference_is_posted_even_for_a_user_who_could_not_be_created(folio):
    """FOLIO: UserImportAPI.processUser; the failure is a value by then."""
    folio.load(user(1))
    folio.load(user(2, barcode=user(1)["barcode"], requestPreference=PREFERENCE))
    (orphan,) = folio.store.preferences
    assert orphan["userId"] not in folio.store.users


# What is included


def included(**parts: Any) -> dict[str, Any]:
    return {"included": parts}


def test_included_departments_are_created_and_others_renamed_by_their_code(folio):
    """FOLIO: DepartmentsService; a code that is known renames that department for everybody."""
    for row in departments("History"):
        folio.store.departments.put(row)
    new = [{"name": "Modern History", "code": "HISTORY"}, {"name": "Fine Arts"}]
    body = folio.load(user(1, departments=["Modern History", "Fine Arts"]), **included(departments=new))
    assert counts(body) == (1, 0, 0)
    codes = {row["name"]: row["code"] for row in folio.store.departments}
    assert codes == {"Modern History": "HISTORY", "Fine Arts": "FINE_ARTS"}


def test_an_included_department_the_database_refuses_fails_the_whole_request(folio):
    """FOLIO: UserImportAPI; 500, everybody in failedUsers, nothing written to users."""
    for row in departments("History"):
        folio.store.departments.put(row)
    response = folio.refused(user(1), user(2), **included(departments=[{"name": "HISTORY", "code": "H2"}]))
    assert response.status_code == 500
    assert counts(response.json()) == (0, 0, 2)
    assert response.json()["error"] == response.json()["failedUsers"][1]["errorMessage"]


def test_included_options_are_added_and_listed_ones_lose_their_default(folio):
    """FOLIO: CustomFieldsService.updateSelectableFieldValues."""
    field = select_field("campus", "Campus", ["Main"])
    field["selectField"]["options"]["values"][0]["default"] = True
    folio.store.custom_fields.put(field)
    options = {"values": [{"value": "Main"}, {"value": "River"}]}
    fields = [{"refId": "campus", "selectField": {"options": options}}]
    folio.load(user(1, customFields={"campus": "River"}), **included(customFields=fields))
    assert folio.store.custom_fields.find("refId", "campus")["selectField"]["options"]["values"] == [
        {"id": "opt_0", "value": "Main", "default": False},
        {"id": "opt_1", "value": "River", "default": False},
    ]
    assert folio("POST", "/user-import", json={"users": [user(2)], "totalRecords": 1, **included(customFields=[
        {"refId": "nope"}])}).status_code == 500  # fmt: skip


# Partitions of ten


def test_a_partition_that_fails_reports_every_user_of_the_request(folio):
    """FOLIO: UserImportAPI.processUserBatch; 25 users, one bad partition: 15 created and 25 failed."""
    folio.load(user(12))
    folio.store.users.find("externalSystemId", "E0012")["preferredContactTypeIds"] = ["002"]
    body = folio.load(*[user(number) for number in range(1, 26)])
    assert counts(body) == (15, 0, 25)
    assert body["totalRecords"] == 40
    words = (
        "Failed to process user search result.Failed to map existing users. This could be caused by schema mismatch."
    )
    assert {each["errorMessage"] for each in body["failedUsers"]} == {words}


def test_a_stored_user_without_personal_breaks_a_partial_update(folio):
    """FOLIO: UserDataProcessingService, a NullPointerException; the partition's earlier users are already written."""
    folio.load(user(1), user(2, personal=None))
    body = folio.load(user(1, barcode="new"), user(2), updateOnlyPresentFields=True)
    assert counts(body) == (0, 0, 2)
    assert stored(folio)["barcode"] == "new"


# deactivateMissingUsers: here to show why it is never sent


def test_deactivation_hits_everybody_of_the_other_chunks(folio):
    """FOLIO: UserImportAPI.startImportWithDeactivatingUsers works per request: only the last chunk stays active."""
    folio.load(user(1), user(2), deactivateMissingUsers=True)
    body = folio.load(user(3), user(4), deactivateMissingUsers=True)
    assert body["message"] == "Deactivated missing users."
    assert [each["active"] for each in folio.store.users] == [False, False, True, True]


def test_deactivation_of_one_source_reaches_another(folio):
    """FOLIO: the prefix is a full-text query; tester_1 is a word that begins with test."""
    folio.load(user(1), sourceType="tester")
    folio.load(user(2), sourceType="test", deactivateMissingUsers=True)
    assert stored(folio, "tester_E0001")["active"] is False


def test_a_failed_user_stops_the_deactivation(folio):
    """FOLIO: UserImportAPI; said in the message only."""
    folio.load(user(1))
    body = folio.load(user(2, patronGroup="x"), deactivateMissingUsers=True)
    assert body["message"].endswith("Users were not deactivated because of import failures.")
    assert stored(folio)["active"] is True


# The journal and tenants


def test_the_journal_has_what_was_posted(folio):
    """Tests count on it: who was posted, with which flags, and what was answered."""
    folio.load(user(1), user(2, patronGroup="x"), sourceType="banner", updateOnlyPresentFields=True)
    (seen,) = folio.folio.imports
    assert (seen.folio_tenant, seen.status, seen.external_system_ids) == ("fs00001234", 200, ["E0001", "E0002"])
    assert seen.flags == {"totalRecords": 2, "sourceType": "banner", "updateOnlyPresentFields": True}
    assert seen.counts == {"createdRecords": 1, "updatedRecords": 0, "failedRecords": 1, "totalRecords": 2}


def test_tenants_do_not_see_each_other(folio):
    """One stand-in serves several tenants, each with users and reference data of its own."""
    folio.load(user(1))
    assert len(folio.folio.store("fs00005678").users) == 0


def test_the_documented_example_loads(folio):
    """FOLIO: the payload of mod-user-import's README, its one typing error (Hold shelf) corrected."""
    folio.store.custom_fields.put(text_field("scope", "Scope"))
    folio.store.custom_fields.put(select_field("specialization", "Specialization", [], multiple=True))
    folio.store.service_points.put({"id": "00000000-0000-1000-a000-000000000000", "name": "Desk", "code": "d"})
    address = {
        "countryId": "HU", "addressLine1": "Andrássy Street 1.", "addressLine2": "", "city": "Budapest",
        "region": "Pest", "postalCode": "1061", "addressTypeId": "Home", "primaryAddress": True,
    }  # fmt: skip
    handey = {
        "username": "jhandey", "externalSystemId": "111_112", "barcode": "1234567", "active": True,
        "patronGroup": "staff",
        "personal": {
            "lastName": "Handey", "firstName": "Jack", "middleName": "Michael", "preferredFirstName": "Jackie",
            "phone": "+36 55 230 348", "mobilePhone": "+36 55 379 130", "dateOfBirth": "1995-10-10",
            "addresses": [address], "preferredContactTypeId": "mail",
        },
        "enrollmentDate": "2017-01-01", "expirationDate": "2019-01-01",
        "customFields": {"scope": "Design", "specialization": ["Business", "Jurisprudence"]},
        "requestPreference": {
            "holdShelf": True, "delivery": True, "defaultServicePointId": "00000000-0000-1000-a000-000000000000",
            "defaultDeliveryAddressTypeId": "Home", "fulfillment": "Hold Shelf",
        },
        "departments": ["Accounting", "Finance", "Chemistry"],
    }  # fmt: skip
    options = {"values": [{"value": "Business"}, {"value": "Jurisprudence"}]}
    also = {
        "departments": [{"name": "Accounting", "code": "ACC"}, {"name": "Finance"}, {"name": "Chemistry"}],
        "customFields": [{"refId": "specialization", "selectField": {"options": options}}],
    }
    body = folio.load(
        handey, included=also, deactivateMissingUsers=True, updateOnlyPresentFields=False, sourceType="test"
    )
    assert (counts(body), body["failedUsers"]) == ((1, 0, 0), [])
    assert stored(folio, "test_111_112")["customFields"]["specialization"] == ["opt_1", "opt_2"]


def test_two_imports_at_once_leave_every_user_once(folio):
    """Partitions of parallel requests may interleave; a user is created once, and the counts say so."""
    folio.folio.faults.import_seconds = 0.05
    request = {"users": [user(number) for number in range(1, 26)], "totalRecords": 25}

    async def both() -> list[Any]:
        calls = (folio.call("POST", "/user-import", folio.headers, {"json": request}) for _ in range(2))
        return [response.json() for response in await asyncio.gather(*calls)]

    answers = asyncio.run(both())
    assert sum(body["createdRecords"] for body in answers) == len(folio.store.users) == 25
    assert all(sum(counts(body)) == 25 for body in answers)
