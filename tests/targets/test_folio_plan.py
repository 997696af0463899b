"""A plan, against the stand-in FOLIO: what is sent, what is kept, what is set aside, and what stops a load."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from patronload.config.mapping import Mapping
from patronload.errors import TargetError
from patronload.targets import request_body
from patronload.targets.folio import merge, offline
from patronload.targets.folio.user_import import UserImport
from sandbox.folio import FolioServer, FolioTenant
from sandbox.folio.reference import departments, select_field, service_points, text_field
from tests.targets.loads import FOLIO_TENANT, QUICK, account, folio_target, people, person
from tests.targets.plans import CHICAGO, FILLED, mapping, plan, reasons, sent, stored_user

MINE = {"externalSystemId": "1", "username": "ann", "personal": {"lastName": "Ash"}}
PREFERENCE = {"holdShelf": True, "delivery": False, "defaultServicePointId": service_points()[0]["id"]}


@pytest.fixture
def rules(tmp_path: Path) -> Mapping:
    return mapping(tmp_path)


@pytest.fixture(autouse=True)
def _institution(server: FolioServer) -> None:
    store = server.store(FOLIO_TENANT)
    for entry in departments("Physics", "Music"):
        store.departments.put(entry)
    for field in (select_field("homeCampus", "Home campus", ["Main", "Riverside"]), text_field("note", "Note")):
        store.custom_fields.put(field)


def load(server: FolioServer, planned: Any, **given: Any) -> None:
    """Send what was planned in one request."""
    target = folio_target(**given)
    with UserImport(target, account(server), QUICK) as folio:
        answer = folio.post(request_body(target, planned.patrons.frame()["patron"]))
    assert answer.content is not None
    assert answer.content["failedRecords"] == 0, answer.content


def test_a_new_patron_is_explicit(server: FolioServer, rules: Mapping):
    """A user without `active` would be inactive in FOLIO, and one without a type is refused by a consortium."""
    planned = plan(server, [MINE], rules)
    assert sent(planned) == {2: MINE | {"type": "patron", "active": True}}
    assert planned.summary["new"] == 1
    assert planned.stops == []
    assert [warning.split(",")[0] for warning in planned.summary["warnings"]] == [
        "In row 2 a new patron has no patron group"
    ]


KEPT = {
    "externalSystemId": "1",
    "username": "ann",
    "barcode": "42",
    "active": True,
    "type": "patron",
    "patronGroup": "graduate",
    "departments": ["Music"],
    "enrollmentDate": "2020-09-01T00:00:00.000+00:00",
    "expirationDate": "2098-08-31T04:59:59.000+00:00",
    "personal": {
        "lastName": "Before",
        "firstName": "Ann",
        "preferredFirstName": "Annie",
        "pronouns": "she/her",
        "email": "old@example.edu",
        "phone": "555",
        "preferredContactTypeId": "text",
        "profilePictureLink": "https://example.edu/ann.png",
        "addresses": [
            {"addressTypeId": "Home", "addressLine1": "1 Old Road", "addressLine2": "Flat 2", "countryId": "US"},
            {"addressTypeId": "Work", "addressLine1": "Library"},
        ],
    },
    "tags": {"tagList": ["vip"]},
    "customFields": {"note": "left-handed", "homeCampus": "opt_1"},
    "preferredEmailCommunication": ["Support"],
    "requestPreference": PREFERENCE,
}


@pytest.mark.parametrize("all_of_them", [False, True])
def test_what_the_library_edited_survives_a_load(server: FolioServer, rules: Mapping, all_of_them: bool):
    """The file changes what it brings; whatever else FOLIO has of the patron is as it was, seen in FOLIO itself."""
    before = stored_user(server, KEPT)
    others = people(80, first=100) if all_of_them else []
    for one in people(200, first=300):
        stored_user(server, one)
    ours = MINE | {
        "patronGroup": "faculty",
        "personal": {
            "lastName": "Ash",
            "email": "new@example.edu",
            "preferredFirstName": "Ann",
            "preferredContactTypeId": "email",
            "addresses": [{"addressTypeId": "Home", "addressLine1": "2 New Road"}],
        },
    }
    planned = plan(server, [ours, *others], rules)
    assert planned.summary["read"] == ("all" if all_of_them else "by id")
    load(server, planned)
    after = server.store(FOLIO_TENANT).user("banner_1")
    assert after is not None
    personal = before["personal"] | {"lastName": "Ash", "email": "new@example.edu"}
    home, work = before["personal"]["addresses"]
    moved = {name: value for name, value in home.items() if name != "addressLine2"} | {"addressLine1": "2 New Road"}
    personal["addresses"] = [{"addressTypeId": home["addressTypeId"], **moved, "addressLine2": "Flat 2"}, work]
    server_set = ("updatedDate", "metadata", "proxyFor")
    assert {name: value for name, value in after.items() if name not in server_set} == {
        **{name: value for name, value in before.items() if name not in server_set},
        "patronGroup": server.store(FOLIO_TENANT).groups.find("group", "faculty")["id"],
        "personal": personal,
    }
    kept = server.store(FOLIO_TENANT).preferences.find("userId", before["id"])
    assert kept is not None
    assert {name: kept[name] for name in PREFERENCE} == PREFERENCE


def test_who_owns_what(server: FolioServer, tmp_path: Path):
    """campus overwrites, first fills what is empty, library is never touched; the longest path says which."""
    rules = mapping(
        tmp_path,
        ownership={"personal": "library", "personal.email": "campus", "patronGroup": "first", "barcode": "first"},
    )
    stored_user(server, {name: value for name, value in KEPT.items() if name != "patronGroup"})
    ours = {
        **MINE,
        "barcode": "43",
        "patronGroup": "faculty",
        "personal": {"lastName": "Ash", "firstName": "Anna", "email": "new@example.edu"},
    }
    record = sent(plan(server, [ours], rules))[2]
    assert (record["barcode"], record["patronGroup"]) == ("42", "faculty")
    assert record["personal"] == KEPT["personal"] | {"email": "new@example.edu"}  # type: ignore[operator]


@pytest.mark.parametrize("blank_cells", ["keep", "erase"])
def test_a_blank_cell(server: FolioServer, rules: Mapping, blank_cells: str):
    """Means what the tenant says; what a person chose in FOLIO, and what a user must have, is kept either way."""
    stored_user(server, KEPT)
    record = sent(plan(server, [MINE], rules, blank_cells=blank_cells))[2]
    erased = blank_cells == "erase"
    assert ("barcode" in record, "departments" in record, "email" in record["personal"]) == (not erased,) * 3
    assert [one["addressTypeId"] for one in record["personal"]["addresses"]] == ["Work"] if erased else ["Home", "Work"]
    assert record["customFields"] == {"note": "left-handed"} | ({} if erased else {"homeCampus": "Riverside"})
    assert (record["username"], record["personal"]["preferredFirstName"], record["active"]) == ("ann", "Annie", True)


@pytest.mark.parametrize("blank_cells", ["keep", "erase"])
def test_a_blank_line_of_an_address(server: FolioServer, rules: Mapping, blank_cells: str):
    """Is a blank cell like any other: a town that the row does not have is kept, or goes if the tenant wants that."""
    home = {"addressTypeId": "Home", "addressLine1": "1 Old Road", "city": "Cork", "countryId": "IE"}
    stored_user(server, MINE | {"personal": {"lastName": "Ash", "addresses": [home]}})
    given = {"addressTypeId": "Home", "addressLine1": "2 New Road"}
    ours = MINE | {"personal": {"lastName": "Ash", "addresses": [given]}}
    record = sent(plan(server, [ours], rules, blank_cells=blank_cells))[2]
    kept = {"city": "Cork"} if blank_cells == "keep" else {}
    assert record["personal"]["addresses"] == [{**given, **kept, "countryId": "IE"}]


@pytest.mark.parametrize("kind", ["staff", "system", "shadow", "dcb", "Staff"])
def test_staff_stay_staff(server: FolioServer, tmp_path: Path, kind: str):
    """Somebody who works in FOLIO and is in the file too can still log in afterwards."""
    rules = mapping(tmp_path, [*FILLED, "type"], {"type": "campus"})
    stored_user(server, person(1, type=kind, username="desk"))
    record = sent(plan(server, [person(1, type="patron", username="other")], rules, send="all"))[2]
    assert (record["type"], record["username"]) == (kind, "desk")


def test_the_type_is_only_changed_if_the_campus_owns_it(server: FolioServer, tmp_path: Path):
    """By default the type that FOLIO has is sent back."""
    stored_user(server, person(1, type="patron"))
    ours = [person(1, type="staff")]
    assert sent(plan(server, ours, mapping(tmp_path, [*FILLED, "type"])))[2]["type"] == "patron"
    owned = mapping(tmp_path, [*FILLED, "type"], {"type": "campus"})
    assert sent(plan(server, ours, owned))[2]["type"] == "staff"


@pytest.mark.parametrize(
    ("day", "last_second"),
    [
        ("2099-08-31", "2099-09-01T04:59:59.000+00:00"),
        ("2099-12-31", "2100-01-01T05:59:59.000+00:00"),
        ("9999-12-31", "9999-12-31T23:59:59.000+00:00"),
    ],
)
def test_a_card_is_good_until_the_end_of_its_day(server: FolioServer, rules: Mapping, day: str, last_second: str):
    """Midnight in Greenwich would end it the evening before in Chicago; summer time and "never" are heeded."""
    record = sent(plan(server, [MINE | {"expirationDate": day}], rules))[2]
    assert record["expirationDate"] == last_second
    assert record["active"] is True
    text = json.dumps(MINE | {"expirationDate": day})
    (new,) = offline.offline(rules, pl.DataFrame({"row": [2], "patron": [text]}), CHICAGO).posted
    assert json.loads(new)["expirationDate"] == last_second, "in the preview too"


@pytest.mark.parametrize(
    ("active_in_file", "ends", "was_active", "ended", "active"),
    [
        (True, "2020-01-01", True, "2098-01-01", False),
        (None, "2020-01-01", True, "2098-01-01", False),
        (None, "2099-01-01", False, "2020-01-01", True),
        (None, "2099-01-01", False, "2098-01-01", False),
        (False, "2099-01-01", True, "2098-01-01", False),
        (True, "2099-01-01", False, "2098-01-01", True),
    ],
)
def test_active_and_the_date_agree(  # noqa: PLR0917
    server: FolioServer, rules: Mapping, active_in_file: bool | None, ends: str, was_active: bool, ended: str,
    active: bool,
):  # fmt: skip
    """Past date and active would flip every night; who only ran out comes back with a new date."""
    stored_user(server, person(1, active=was_active, expirationDate=f"{ended}T00:00:00.000+00:00"))
    record = sent(plan(server, [person(1, active=active_in_file, expirationDate=ends)], rules))[2]
    assert record["active"] is active


@pytest.mark.parametrize(("said", "ended", "active"), [(True, 2020, True), (False, 2020, False), (True, 2098, False)])
def test_who_ran_out_comes_back_also_when_active_is_whose_who_changed_it_last(
    tmp_path: Path, said: bool, ended: int, active: bool
):
    """By the new date; `active` was said at the last load already. Whom the library made inactive stays so."""
    owned = mapping(tmp_path, ownership={"active": "last"})
    rules = merge.rules(owned, CHICAGO, datetime.now(UTC))._replace(changed={"active": False})
    stored = person(1, active=False, expirationDate=f"{ended}-01-01T00:00:00.000+00:00")
    assert merge.merge(person(1, active=said), stored, rules)["active"] is active


def test_ids_are_spelt_as_folio_has_them(server: FolioServer, rules: Mapping):
    """FOLIO finds Ábc1 for abc1, and then does not recognise it; so its own spelling is sent, and the load is good."""
    stored_user(server, person(1, externalSystemId="Ábc1", username="Zoë", barcode="X1"))
    planned = plan(server, [person(1, externalSystemId="abc1", username="zoe", barcode="x1")], rules)
    record = sent(planned)[2]
    assert (record["externalSystemId"], record["username"], record["barcode"]) == ("Ábc1", "Zoë", "X1")
    load(server, planned)
    assert len(server.store(FOLIO_TENANT).users) == 1


def test_a_prefix_that_is_spelt_otherwise(server: FolioServer, rules: Mapping):
    """Banner_1 can never be sent as source type banner and 1; a person has to look."""
    stored_user(server, person(1), prefix="Banner_")
    assert "prefix is spelt differently" in reasons(plan(server, [person(1)], rules))[2]


@pytest.mark.parametrize("all_of_them", [False, True])
def test_ids_that_have_the_prefix_already(server: FolioServer, rules: Mapping, all_of_them: bool):
    """banner_1 becomes banner_banner_1 in FOLIO, beside the one who is there; whoever mapped it hears of it."""
    stored_user(server, person(1), prefix="Banner_")
    others = people(60, first=100) if all_of_them else []
    records = [person(901, externalSystemId="banner_00000001"), person(902, externalSystemId="banner_2"), *others]
    planned = plan(server, records, rules)
    assert planned.summary["read"] == ("all" if all_of_them else "by id")
    (told,) = planned.summary["warnings"]
    assert "In 1 row the externalSystemId already begins with 'banner_'" in told
    assert plan(server, people(2, first=200), rules).summary["warnings"] == []
    assert plan(server, records, rules, source_type=None).summary["warnings"] == []


def test_unknown_values_are_one_line_each(server: FolioServer, rules: Mapping):
    """Of a thousand rows with one bad code the library hears once, with the number of rows; the others load."""
    records = [
        *people(3, patronGroup="wizard"),
        person(4, patronGroup="Faculty"),
        person(5, departments=["Alchemy"]),
        person(6, customFields={"homeCampus": "Moon"}),
        person(7),
    ]
    planned = plan(server, records, rules)
    assert list(sent(planned)) == [8]
    assert planned.summary["rejected"] == 6
    told = " ".join(planned.summary["warnings"])
    assert "the patron group 'wizard' (3 rows), 'Faculty' (1 row; FOLIO has 'faculty')" in told
    assert "the department 'Alchemy' (1 row)" in told
    assert "the option of the custom field 'homeCampus' 'Moon' (1 row)" in told
    assert reasons(planned)[2] == "patronGroup 'wizard': FOLIO does not know the patron group"
    assert set(planned.rejects["summary"]) >= {"FOLIO does not know the patron group"}


def test_unknown_values_stop_a_load_that_wants_it(server: FolioServer, rules: Mapping):
    """One tenant rejects the rows, another wants to be asked first."""
    planned = plan(server, [person(1, patronGroup="wizard"), person(2)], rules, unknown_values="stop")
    assert len(planned.stops) == 1
    assert "wizard" in planned.stops[0]


def test_a_wrong_column_does_not_tell_names(server: FolioServer, rules: Mapping):
    """When surnames are mapped to the patron group, the mail must not list them; neither ids nor addresses."""
    planned = plan(server, [person(n, patronGroup=f"Surname{n}") for n in range(1, 40)], rules)
    (told,) = planned.summary["warnings"]
    assert "39 different ones in 39 rows; is the right column mapped?" in told
    planned = plan(server, [person(1, patronGroup="ann@example.edu"), person(2, patronGroup="20001234")], rules)
    assert "example.edu" not in json.dumps(planned.summary)
    assert "20001234" not in json.dumps(planned.summary)


@pytest.mark.parametrize(
    ("kind", "field"), [("department", "departments"), ("option", "homeCampus"), ("patron group", "patronGroup")]
)
@pytest.mark.parametrize("names", [("Ann O'Hara", "Bob Smith"), ("born 1999-04-01",), ("1 April 1999",), ("4/1/99",)])
def test_what_may_be_a_persons_is_not_told(
    server: FolioServer, rules: Mapping, kind: str, field: str, names: tuple[str, ...]
):
    """Where each row has another value, or a date, the mail, the log and plan.json count them, also to create them."""
    made = {"patron group": str, "department": lambda name: [name], "option": lambda name: {"homeCampus": name}}[kind]
    path = "customFields" if kind == "option" else field
    records = [person(number, **{path: made(name)}) for number, name in enumerate(names, start=1)]
    for allowed in ([], ["departments", "options"]):
        summary = plan(server, records, rules, create=allowed).summary
        told = json.dumps([summary["warnings"], summary["findings"]])
        assert not any(name in told for name in names)
        assert f"{len(names)} different ones in {len(names)} rows" in told


def test_a_code_that_stands_in_many_rows_is_told(server: FolioServer, rules: Mapping):
    """Among names that were put into the wrong column, it is the one that somebody can act on."""
    names = [person(number, patronGroup=f"Surname {chr(64 + number)}") for number in range(1, 26)]
    planned = plan(server, [*names, *people(20, first=40, patronGroup="GRAD")], rules)
    (told,) = planned.summary["warnings"]
    assert "'GRAD' (20 rows) and 25 more." in told
    assert "Surname" not in json.dumps(planned.summary)


@pytest.mark.parametrize("kind", ["departments", "options"])
def test_so_many_new_values_are_not_created(server: FolioServer, rules: Mapping, kind: str):
    """Surnames mapped to the department would be there for everybody; the load stops before that, naming nobody."""
    made = (
        (lambda name: {"departments": [name]})
        if kind == "departments"
        else (lambda name: {"customFields": {"homeCampus": name}})
    )
    records = [person(number, **made(f"Surname {number}")) for number in range(1, 22)]
    planned = plan(server, records, rules, create=[kind])
    assert len(planned.stops) == 1
    assert "21 different ones in 21 rows; is the right column mapped? These are too many to create." in planned.stops[0]
    assert planned.summary["create"] == {"departments": [], "options": {}}
    assert "Surname" not in json.dumps(planned.summary)
    assert not plan(server, records[:20], rules, create=[kind]).stops


def test_nothing_is_created_for_rows_that_do_not_go(server: FolioServer, rules: Mapping):
    """Neither for one with another mistake, nor for one whose barcode is somebody else's."""
    stored_user(server, person(900))
    new = {"departments": ["Alchemy"], "customFields": {"homeCampus": "Moon"}}
    records = [person(1, patronGroup="wizard", **new), person(2, barcode="20000900", **new), person(3)]
    planned = plan(server, records, rules, create=["departments", "options"])
    assert list(sent(planned)) == [4]
    assert planned.summary["create"] == {"departments": [], "options": {}}
    assert "to be created" not in json.dumps(planned.summary)
    others = [records[0], person(4, departments=["ALCHEMY"])]
    planned = plan(server, others, rules, create=["departments"])
    assert planned.summary["create"]["departments"] == [{"name": "ALCHEMY", "code": "ALCHEMY"}]


@pytest.mark.parametrize("owner", ["campus", "first"])
def test_a_value_that_is_dropped_is_no_blank_cell(server: FolioServer, tmp_path: Path, owner: str):
    """Where a blank cell erases, a contact type that FOLIO does not know still leaves the stored one in its place."""
    stored_user(server, KEPT)
    rules = mapping(tmp_path, ownership={"personal.preferredContactTypeId": owner})
    ours = MINE | {"personal": {"lastName": "Ash", "preferredContactTypeId": "fax"}}
    record = sent(plan(server, [ours], rules, blank_cells="erase"))[2]
    assert record["personal"]["preferredContactTypeId"] == "text"


@pytest.mark.parametrize("dropped_values", ["warn", "stop"])
def test_what_folio_would_drop_is_told(server: FolioServer, rules: Mapping, dropped_values: str):
    """An unknown address or contact type is left out, what FOLIO has in its place is kept, and the library knows."""
    stored_user(server, KEPT)
    addresses = [{"addressTypeId": "Palace", "addressLine1": "1 Hill"}]
    ours = MINE | {"personal": {"lastName": "Ash", "preferredContactTypeId": "pigeon", "addresses": addresses}}
    planned = plan(server, [ours], rules, dropped_values=dropped_values)
    record = sent(planned)[2]
    assert record["personal"]["preferredContactTypeId"] == "text"
    assert [one["addressTypeId"] for one in record["personal"]["addresses"]] == ["Home", "Work"]
    told = planned.stops if dropped_values == "stop" else planned.summary["warnings"]
    assert [("pigeon" in sentence, "Palace" in sentence) for sentence in sorted(told)] == [(False, True), (True, False)]


def test_creates_only_what_it_may(server: FolioServer, rules: Mapping):
    """A new department or option is made once, before the first chunk; nothing that is there gets another name."""
    records = [person(1, departments=["Alchemy"]), person(2, customFields={"homeCampus": "Moon"}), person(3)]
    assert list(sent(plan(server, records, rules))) == [4]
    planned = plan(server, records, rules, create=["departments", "options"])
    assert len(sent(planned)) == 3
    store = server.store(FOLIO_TENANT)
    assert store.departments.find("name", "Alchemy") is None, "planning changes nothing"
    for _ in range(2):
        with UserImport(folio_target(), account(server), QUICK) as folio:
            folio.prepare(planned.summary["create"])
    load(server, planned)
    assert sorted(row["name"] for row in store.departments) == ["Alchemy", "Music", "Physics"]
    options = store.custom_fields.find("refId", "homeCampus")["selectField"]["options"]["values"]
    assert [option["value"] for option in options] == ["Main", "Riverside", "Moon"]


def test_a_department_whose_code_is_taken_is_not_created(server: FolioServer, rules: Mapping):
    """FOLIO would rename the one that has the code, for everybody."""
    records = [person(1, departments=["MUSIC"]), person(2, departments=["phýsics"])]
    planned = plan(server, records, rules, create=["departments"])
    assert sent(planned) == {}
    assert planned.summary["create"]["departments"] == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("homeCampus", "Main", None),
        ("homeCampus", ["Main"], "takes one text"),
        ("languages", ["Irish"], None),
        ("languages", "Irish", "takes a list"),
        ("note", "x" * 150, None),
        ("note", "x" * 151, "150 characters"),
        ("member", True, None),
        ("member", "yes", "true or false"),
        ("since", "2026-01-31", None),
        ("since", "31.1.2026", "takes a date"),
    ],
)
def test_values_of_custom_fields_fit_them(server: FolioServer, rules: Mapping, key: str, value: Any, words: str | None):
    """FOLIO would refuse the user, after it has made a permission user for it; the two judge alike."""
    store = server.store(FOLIO_TENANT)
    store.custom_fields.put(select_field("languages", "Languages", ["Irish"], multiple=True))
    store.custom_fields.put(text_field("member", "Member") | {"type": "SINGLE_CHECKBOX"})
    store.custom_fields.put(text_field("since", "Since") | {"type": "DATE_PICKER"})
    planned = plan(server, [person(1, customFields={key: value})], rules)
    if words is None:
        load(server, planned)
    else:
        assert words in reasons(planned)[2]


def forbid(server: FolioServer, *permissions: str) -> None:
    server.tenants[FOLIO_TENANT].forbidden = set(permissions)


def test_all_missing_permissions_are_told_at_once(server: FolioServer, rules: Mapping):
    """An administrator is asked once, and nothing is sent before."""
    forbid(server, "user-import.post", "usergroups.collection.get", "departments.collection.get")
    with pytest.raises(TargetError) as caught:
        plan(server, [person(1)], rules)
    for permission in ("user-import.post", "usergroups.collection.get", "departments.collection.get"):
        assert f"Give the user the permission {permission}" in str(caught.value)


def test_no_permission_to_read_users(server: FolioServer, rules: Mapping):
    """Without the stored users nothing can be kept, so nothing is sent."""
    forbid(server, "users.collection.get")
    with pytest.raises(TargetError, match=r"users\.collection\.get"):
        plan(server, [person(1)], rules)


def test_modules_that_do_not_fit(server: FolioServer, rules: Mapping):
    """mod-users 19.7 gives all users a property on which mod-user-import 3.11 chokes; that is known beforehand."""
    stored_user(server, person(1))
    server.store(FOLIO_TENANT).upgrade("mod-users", "19.7.0")
    planned = plan(server, [person(1), person(2)], rules)
    assert "mod-users 19.7.0 and later keeps personal.preferredContactTypeIds" in planned.stops[0]
    assert "cannot read this user" in reasons(planned)[2]
    assert list(sent(planned)) == [3]


@pytest.mark.parametrize(("field", "value"), [("profilePictureLink", "https://x.example/1"), ("email", "a@x.example")])
def test_an_old_user_import_cannot_read_what_users_may_have(
    server: FolioServer, rules: Mapping, tmp_path: Path, field: str, value: str
):
    """Before 3.8.1 neither a picture nor choices of e-mails: who has them is set aside, and to send them stops."""
    stored_user(server, MINE | {"personal": {"lastName": "Ash", field: value}})
    stored_user(server, person(2), preferredEmailCommunication=[])
    server.store(FOLIO_TENANT).upgrade("mod-user-import", "3.8.0")
    planned = plan(server, [MINE, person(2), person(3)], rules)
    assert planned.stops == []
    assert "preferredEmailCommunication" in reasons(planned)[3]
    assert list(sent(planned)) == ([4] if field == "profilePictureLink" else [2, 4])
    load(server, planned)
    filled = plan(server, [person(3)], mapping(tmp_path, [*FILLED, "preferredEmailCommunication"]))
    assert "mod-users keeps preferredEmailCommunication, which mod-user-import before 3.8.1" in filled.stops[0]


def test_a_few_known_users_go_first(server: FolioServer, rules: Mapping):
    """Ten users tell whether FOLIO can update any; a load of one chunk is its own trial."""
    for number in range(3, 18):
        stored_user(server, person(number))
    planned = plan(server, people(30), rules)
    assert planned.patrons.frame()["row"].to_list() == [*range(4, 14), 2, 3, *range(14, 32)]
    assert planned.patrons.frame()["level"].to_list() == [0] * 10 + [1] * 20
    assert plan(server, people(25), rules).patrons.frame()["level"].to_list() == [0] * 25
    assert plan(server, people(30, first=100), rules).patrons.frame()["level"].to_list() == [0] * 30


def test_a_user_that_the_import_cannot_read(server: FolioServer, rules: Mapping):
    """One such user would take nine others with it; it alone is set aside."""
    user = stored_user(server, person(1))
    server.store(FOLIO_TENANT).users.put(user | {"personal": user["personal"] | {"nickname": "Z"}})
    planned = plan(server, people(3), rules)
    assert list(sent(planned)) == [3, 4]
    assert "personal.nickname" in planned.summary["warnings"][0]


PREFERENCES = ["requestPreference.holdShelf", "requestPreference.delivery"]
MORE = [
    "requestPreference.fulfillment",
    "requestPreference.defaultServicePointId",
    "requestPreference.defaultDeliveryAddressTypeId",
]
DELIVERED = {"delivery": True, "fulfillment": "Delivery", "defaultDeliveryAddressTypeId": "Home"}


@pytest.mark.parametrize(
    ("preference", "words"),
    [
        ({"delivery": False}, None),
        ({"delivery": False, "fulfillment": "Delivery"}, None),
        (DELIVERED, None),
        (DELIVERED | {"fulfillment": "Hold Shelf"}, None),
        (DELIVERED | {"fulfillment": "Hold shelf"}, "takes Hold Shelf or Delivery"),
        (DELIVERED | {"fulfillment": None}, "needs fulfillment"),
        (DELIVERED | {"defaultDeliveryAddressTypeId": None}, "needs defaultDeliveryAddressTypeId"),
        (DELIVERED | {"defaultDeliveryAddressTypeId": "Work"}, "the patron has no such address"),
        (
            {"delivery": False, "defaultServicePointId": "00000000-0000-4000-8000-000000000000"},
            "know the service point",
        ),
    ],
)
def test_request_preferences_are_checked_before_they_are_sent(
    server: FolioServer, tmp_path: Path, preference: dict[str, Any], words: str | None
):
    """FOLIO changes the user first and then looks at the preference; what it would refuse is set aside instead."""
    rules = mapping(tmp_path, [*FILLED, *PREFERENCES, *MORE])
    given = {"holdShelf": True} | {name: value for name, value in preference.items() if value is not None}
    planned = plan(server, [person(1, requestPreference=given)], rules)
    assert (words is None) == (list(sent(planned)) == [2])
    if words is None:
        load(server, planned)
        assert len(server.store(FOLIO_TENANT).preferences) == 1
    else:
        assert words in reasons(planned)[2]


@pytest.mark.parametrize(
    ("value", "fits"), [("Support", True), ("Programs", True), ("Services", True), ("Spam", False)]
)
def test_values_of_email_communication(server: FolioServer, tmp_path: Path, value: str, fits: bool):
    """For one that FOLIO does not take it would refuse the whole request."""
    rules = mapping(tmp_path, [*FILLED, "preferredEmailCommunication"])
    planned = plan(server, [person(1, preferredEmailCommunication=[value]), person(2)], rules)
    load(server, planned)
    assert list(sent(planned)) == ([2, 3] if fits else [3])
    assert ("takes Support, Programs and Services" in reasons(planned).get(2, "")) is not fits


def test_a_preference_that_is_there_is_kept_unless_the_campus_owns_it(server: FolioServer, tmp_path: Path):
    """Where somebody picks up their books is for them to say."""
    stored_user(server, KEPT)
    ours = MINE | {"requestPreference": {"holdShelf": True, "delivery": False}}
    kept = sent(plan(server, [ours], mapping(tmp_path, [*FILLED, *PREFERENCES])))[2]
    assert kept["requestPreference"] == PREFERENCE
    erased = plan(
        server, [ours], mapping(tmp_path, [*FILLED, *PREFERENCES, *MORE], {"requestPreference": "campus"}),
        blank_cells="erase",
    )  # fmt: skip
    assert sent(erased)[2]["requestPreference"] == {"holdShelf": True, "delivery": False}


def test_two_addresses_of_one_type(server: FolioServer, rules: Mapping):
    """FOLIO refuses the patron; it is told before."""
    address = {"addressTypeId": "Home", "addressLine1": "1 Hill"}
    twice = person(1, personal={"lastName": "Ash", "addresses": [address, address]})
    assert "of the same address type" in reasons(plan(server, [twice], rules))[2]


def test_planning_changes_nothing(server: FolioServer, rules: Mapping):
    """A dry run plans too: FOLIO is read, and the only POST is an import of nobody."""
    stored_user(server, person(1))
    before = json.dumps([*server.store(FOLIO_TENANT).users])
    plan(server, people(50), rules)
    assert json.dumps([*server.store(FOLIO_TENANT).users]) == before
    written = [seen for seen in server.journal if seen.method != "GET" and not seen.path.startswith("/authn")]
    assert [(seen.path, seen.external_system_ids) for seen in written] == [("/user-import", [])]


def test_a_member_of_a_consortium(rules: Mapping):
    """The user logs in at the central tenant and loads into the member; a type that a consortium refuses is told."""
    tenants = [FolioTenant("central"), FolioTenant(FOLIO_TENANT, central="central", password="of nobody")]
    with FolioServer(tenants) as server:
        planned = plan(server, [person(1), person(2, type="Patron")], rules, member_of="central")
        load(server, planned, member_of="central")
        assert [user["externalSystemId"] for user in server.store(FOLIO_TENANT).users] == ["banner_00000001"]
        login, *_ = [seen for seen in server.journal if seen.path.startswith("/authn")]
        assert login.folio_tenant == "central"
    assert "type of user" in reasons(planned)[3]


def test_without_a_source_type(server: FolioServer, rules: Mapping):
    """externalSystemIds without a prefix are found and spelt in the same way."""
    stored_user(server, person(1, externalSystemId="ABC"), prefix="")
    planned = plan(server, [person(1, externalSystemId="abc")], rules, source_type=None)
    assert sent(planned)[2]["externalSystemId"] == "ABC"
    assert planned.summary["known"] == 1


def test_an_empty_file(server: FolioServer, rules: Mapping):
    """Nothing to plan is nothing wrong."""
    planned = plan(server, [], rules)
    assert (planned.patrons.height, planned.rejects.height, planned.stops) == (0, 0, [])


def test_merging_leaves_its_parts_as_they_are(tmp_path: Path):
    """What FOLIO has and what the file says can be compared with what is sent afterwards."""
    rules = merge.rules(mapping(tmp_path), CHICAGO, datetime.now(UTC), erase=True)
    ours, stored = person(1, barcode=None), {**KEPT, "customFields": {"note": "x", "homeCampus": "Main"}}
    before = json.dumps([ours, stored])
    record = merge.merge(ours, stored, rules)
    assert json.dumps([ours, stored]) == before
    assert "barcode" not in record


@pytest.mark.parametrize("blank_cells", ["keep", "erase"])
def test_a_delivery_to_an_address_that_is_erased(server: FolioServer, tmp_path: Path, blank_cells: str):
    """FOLIO delivers to Work, and the row's Work cells are empty: the preference goes on without delivery."""
    filled = [path for path in FILLED if "addresses" not in path]
    filled += ["personal.addresses[0].addressTypeId", "personal.addresses[0].addressLine1"]
    filled += ["requestPreference.defaultDeliveryAddressTypeId", "requestPreference.holdShelf"]
    rules = mapping(tmp_path, filled, {"requestPreference": "campus"})
    home = [{"addressTypeId": "Home", "addressLine1": "1 Old Road"}]
    preference = {"holdShelf": True, "delivery": True, "fulfillment": "Delivery"}
    types = {one["addressType"]: one["id"] for one in server.store(FOLIO_TENANT).address_types}
    preference |= {"defaultDeliveryAddressTypeId": types["Home"]}
    stored_user(server, MINE | {"personal": {"lastName": "Ash", "addresses": home}, "requestPreference": preference})
    ours = MINE | {"personal": {"lastName": "Ash"}, "requestPreference": {"holdShelf": True}}
    planned = plan(server, [ours], rules, blank_cells=blank_cells)
    assert reasons(planned) == {}
    record = sent(planned)[2]
    assert record["requestPreference"]["delivery"] is (blank_cells == "keep")
    assert bool(record["personal"].get("addresses")) is (blank_cells == "keep")
