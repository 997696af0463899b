"""The stand-in's custom fields: the rules of folio-custom-fields, the library inside mod-users.

"Measured" in this folder means: seen with mod-user-import 3.10.3 and mod-users 19.5.4 on PostgreSQL 15.
"""

import json
from typing import Any

import pytest
from stand_in import TENANT, counts, message, only_error, user

from sandbox.folio.reference import select_field, text_field

MOD_USERS = {"x-okapi-module-id": "mod-users-19.6.0"}


def stored(folio, external_system_id="E0001") -> dict[str, Any]:
    found = folio.store.user(external_system_id)
    assert found
    return found


def put_value(folio, name: str, value: Any) -> Any:
    """Post a user with one custom field; the response."""
    body = {"username": "ann", "externalSystemId": "E1", "customFields": {name: value}}
    return folio("POST", "/users", json=body)


@pytest.fixture
def fields(folio):
    """A FOLIO with one custom field of each kind."""
    number = text_field("shoe", "Shoe")
    number["textField"] = {"fieldFormat": "NUMBER"}
    made = [
        select_field("campus", "Campus", ["Main", "River"]),
        select_field("clubs", "Clubs", ["Chess", "Choir"], multiple=True),
        text_field("note", "Note"),
        number,
        text_field("born", "Born") | {"type": "DATE_PICKER"},
        text_field("paid", "Paid") | {"type": "SINGLE_CHECKBOX"},
    ]
    for field in made:
        folio.store.custom_fields.put(field)
    return folio


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"campus": ["opt_0"]}, "Field with type SINGLE_SELECT_DROPDOWN must be a string"),
        ({"campus": "opt_9"}, "Field campus can only have following values"),
        ({"clubs": ["opt_0", "opt_7"]}, "Field clubs can only have following values"),
        ({"note": "x" * 151}, "Maximum length of the value is 150"),
        ({"note": 7}, "Field with type TEXTBOX_SHORT must be a string"),
        ({"shoe": "large"}, "Invalid Number format: large"),
        ({"born": "in May"}, "Invalid date format: in May"),
        ({"paid": "yes"}, "must be a boolean"),
        ({"Campus": "opt_0"}, "Custom field with refId Campus is not found"),
    ],
)
def test_a_value_that_does_not_fit_its_custom_field_is_a_422(fields, value, words):
    """FOLIO: folio-custom-fields ValidationServiceImpl, called by mod-users on POST and PUT."""
    body = {"username": "ann", "externalSystemId": "E1", "customFields": value}
    response = fields("POST", "/users", json=body)
    assert (response.status_code, words in message(response)) == (422, True)
    assert len(fields.store.users) == 0


def test_values_that_fit_are_kept(fields):
    """FOLIO: folio-custom-fields; an empty text is removed before it is looked at."""
    values = {"campus": "River", "clubs": ["Choir"], "note": "", "shoe": "42.5", "born": "2001-02-03", "paid": True}
    assert counts(fields.load(user(1, customFields=values))) == (1, 0, 0)
    assert stored(fields)["customFields"] == {
        "campus": "opt_1", "clubs": ["opt_1"], "shoe": "42.5", "born": "2001-02-03", "paid": True,
    }  # fmt: skip


def test_a_failed_update_names_the_custom_field_a_failed_create_does_not(fields):
    """FOLIO: UserImportAPI; the answer of a create is never passed on."""
    bad = {"shoe": "large"}
    assert (
        only_error(fields.load(user(1, customFields=bad))) == "Failed to create new user with externalSystemId: E0001"
    )
    fields.load(user(1))
    assert "Invalid Number format: large" in only_error(fields.load(user(1, customFields=bad)))


def test_options_are_added_by_a_put_of_the_whole_field(fields):
    """FOLIO: folio-custom-fields; the interface is of several modules, so a request names mod-users."""
    field = fields("GET", "/custom-fields", params={"query": "refId==campus"}, headers=MOD_USERS).json()[
        "customFields"
    ][0]
    field["selectField"]["options"]["values"].append({"id": "opt_2", "value": "Online", "default": False})
    path = f"/custom-fields/{field['id']}"
    assert fields("PUT", path, json=field).status_code == 404
    assert fields("PUT", path, json=field, headers=MOD_USERS).status_code == 204
    assert counts(fields.load(user(1, customFields={"campus": "Online"}))) == (1, 0, 0)


# Formats


@pytest.fixture
def formats(folio):
    """A FOLIO with a text box of each format, a date and a field that takes several texts."""
    for name in ("TEXT", "EMAIL", "URL", "NUMBER"):
        folio.store.custom_fields.put(text_field(name.lower(), name) | {"textField": {"fieldFormat": name}})
    folio.store.custom_fields.put(text_field("date", "Date") | {"type": "DATE_PICKER"})
    folio.store.custom_fields.put(text_field("texts", "Texts") | {"isRepeatable": True})
    folio.store.custom_fields.put(select_field("clubs", "Clubs", ["Chess", "Choir"], multiple=True))
    return folio


TAKEN = {
    "email": ["a@b.com", "a.b+c@b.co.uk", "ä@b.museum", '"a b"@b.com', "a@[192.0.2.1]", "a@bücher.de", "a@b.XN--P1AI"],
    "url": [
        "http://b.com",
        "HTTPS://b.museum/x?y=z#f",
        "http://192.0.2.1:8080/",
        "http://u:p@b.com",
        "http://b.com/a%20b",
    ],
    "number": ["1", "-1", "1,5", "1.5", ",5", "|5", "1 000", "1 000,5", "1,000", "1,000.5", "-12,345,678.9"],
    "date": ["2026-05-17", "2028-02-29", "0000-01-01"],
    "text": ["x", "\u00a0"],
    "texts": ["x", ["x", "y"]],
    "clubs": ["opt_0", ["opt_0", "opt_1"]],
}
REFUSED = {
    "email": [
        "a@b.c",
        "a@b",
        "a@b.example",
        "ä@b.example",
        "a@b.com.",
        "a b@b.com",
        "a@b@c",
        "a" * 65 + "@b.com",
        "@b.com",
    ],
    "url": [
        "ftp://x",
        "x.example",
        "http://localhost",
        "http://b.example",
        "http://b.com/a b",
        "http://b.com//x",
        "//b.com",
    ],
    "number": ["1e5", "+1", " 1", "1 ", "1,00,000", "one", "1.", "1 00"],
    "date": ["2026-05-17T00:00:00", "2026-02-30", "17.05.2026", "2026-5-7", " 2026-05-17", "2027-02-29"],
    "text": ["   ", "\t"],
    "texts": [["x", " "], [7]],
    "clubs": ["Chess", ["opt_9"], 7],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in TAKEN.items() for value in values])
def test_a_value_of_its_format_is_taken(formats, name, value):
    """Measured: 1,5 is a number, and a single text for a multi-select is taken. FOLIO: commons-validator."""
    response = put_value(formats, name, value)
    assert response.status_code == 201, response.text


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_a_value_against_its_format_is_refused(formats, name, value):
    """Measured: real top-level domains, http and https only, no exponent, an ISO local date, no text of blanks."""
    response = put_value(formats, name, value)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["parameters"] == [{"key": name, "value": json.dumps(value, ensure_ascii=False, separators=(",", ":"))}]


def test_an_unknown_field_is_named_with_its_value(folio):
    """FOLIO: ValidationServiceImpl; here the key says customFields."""
    error = put_value(folio, "shoe", "42").json()["errors"][0]
    assert error["message"] == "Custom field with refId shoe is not found"
    assert error["parameters"] == [{"key": "customFields", "value": "shoe"}]


# The fields themselves


def definition(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "TEXTBOX_SHORT", "entityType": "user"} | fields


def test_a_ref_id_is_made_from_the_name(folio):
    """Measured: a refId that is given is ignored; the second field of a name gets a number."""
    for expected in ("homeCampus", "homeCampus_2", "homeCampus_3"):
        body = definition("Home câmpus", refId="given")
        assert folio("POST", "/custom-fields", json=body, headers=MOD_USERS).json()["refId"] == expected


def test_writing_a_field_needs_the_calling_user_among_the_users(folio):
    """Measured: 404 without it; folio-custom-fields looks up who changes a field."""
    folio.folio.tenants[TENANT].account_is_a_user = False
    response = folio("POST", "/custom-fields", json=definition("Shoe"), headers=MOD_USERS)
    assert (response.status_code, response.text) == (404, "User not found")
    folio.folio.tenants[TENANT].account_is_a_user = True
    assert folio("POST", "/custom-fields", json=definition("Shoe"), headers=MOD_USERS).status_code == 201


def options(*values: str, multiple: bool = False, **more: Any) -> dict[str, Any]:
    kind = "MULTI_SELECT_DROPDOWN" if multiple else "SINGLE_SELECT_DROPDOWN"
    select = {"multiSelect": multiple, "options": {"values": [{"value": value} | more for value in values]}}
    return {"type": kind, "selectField": select}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "x" * 66}, "The 'name' length cannot be more than 65"),
        ({"helpText": "x" * 101}, "The 'helpText' length cannot be more than 100"),
        ({"selectField": {"options": {"values": []}}}, "Attribute selectField is not allowed"),
        ({"type": "SINGLE_SELECT_DROPDOWN"}, "The 'selectField' property should be defined"),
        (options("A", "B", default=True), "The max defaults amount is 1"),
        (options("A", "A"), "Option values should be unique"),
        (options(), "The options amount should be in range 1 - 200"),
        (options(" "), "The option name cannot be blank"),
        (options("A", multiple=True) | {"isRepeatable": True}, "Repeatable is not supported"),
        ({"type": "SINGLE_CHECKBOX"}, "The 'checkBox' property should be defined"),
    ],
)
def test_a_field_that_contradicts_itself_is_a_422(folio, fields, words):
    """FOLIO: folio-custom-fields DefinitionValidator."""
    response = folio("POST", "/custom-fields", json=definition("Shoe") | fields, headers=MOD_USERS)
    assert (response.status_code, words in message(response)) == (422, True)


@pytest.mark.parametrize("change", [{"type": "TEXTBOX_LONG"}, {"textField": {"fieldFormat": "NUMBER"}}])
def test_neither_type_nor_format_of_a_field_changes(folio, change):
    """FOLIO: CustomFieldsServiceImpl.update."""
    field = folio("POST", "/custom-fields", json=definition("Shoe"), headers=MOD_USERS).json()
    response = folio("PUT", f"/custom-fields/{field['id']}", json=field | change, headers=MOD_USERS)
    assert (response.status_code, "can not be changed" in message(response)) == (422, True)


def test_a_deleted_field_takes_its_values_along(folio):
    """FOLIO: RecordService.deleteAllValues."""
    field = folio("POST", "/custom-fields", json=definition("Shoe"), headers=MOD_USERS).json()
    folio.load(user(1, customFields={"shoe": "42"}))
    assert folio("DELETE", f"/custom-fields/{field['id']}", headers=MOD_USERS).status_code == 204
    assert stored(folio)["customFields"] == {}
