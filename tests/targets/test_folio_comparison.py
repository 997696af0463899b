import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from patronload.targets import request_body
from patronload.targets.folio.answers import failed_users
from patronload.targets.folio.comparison import Comparison
from patronload.targets.folio.user_import import UserImport
from sandbox.folio import FolioServer
from sandbox.folio.reference import departments, select_field, service_points, text_field
from tests.targets.loads import FOLIO_TENANT, QUICK, account, add_user, folio_target, person, stored

FULL = person(
    1,
    departments=["Physics", "Music"],
    enrollmentDate="2020-09-01T00:00:00.000Z",
    customFields={"homeCampus": "Main campus", "languages": ["Irish", "Hungarian"], "note": "left-handed", "empty": ""},
    tags={"tagList": ["urgent"]},
    preferredEmailCommunication=["Support"],
    requestPreference={
        "holdShelf": True,
        "delivery": True,
        "fulfillment": "Delivery",
        "defaultServicePointId": service_points()[0]["id"],
        "defaultDeliveryAddressTypeId": "Home",
    },
)


@pytest.fixture(scope="module")
def server() -> Iterator[FolioServer]:
    """A FOLIO with departments and custom fields, in which FULL has been loaded."""
    with FolioServer([FOLIO_TENANT]) as running:
        store = running.store(FOLIO_TENANT)
        for entry in departments("Physics", "Music", "Law"):
            store.departments.put(entry)
        for field in (
            select_field("homeCampus", "Home campus", ["Main campus", "Riverside"]),
            select_field("languages", "Languages", ["Irish", "Hungarian", "Welsh"], multiple=True),
            text_field("note", "Note"),
            text_field("empty", "Empty"),
        ):
            store.custom_fields.put(field)
        load(running, FULL)
        yield running


def load(server: FolioServer, record: dict[str, Any]) -> None:
    target = folio_target()
    with UserImport(target, account(server), QUICK) as folio:
        answer = folio.post(request_body(target, [json.dumps(record)]))
        assert not failed_users(answer)


@pytest.fixture
def folio(server: FolioServer) -> Iterator[UserImport]:
    with UserImport(folio_target(), account(server), QUICK) as connected:
        yield connected


def changed(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value; None leaves it out."""
    copy = deepcopy(record)
    *parents, last = path.split(".")
    inner: Any = copy
    for name in parents:
        inner = inner[int(name)] if name.isdigit() else inner[name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return copy


@pytest.mark.parametrize("before", [True, False])
def test_what_was_imported_is_recognised(server: FolioServer, folio: UserImport, before: bool):
    """FOLIO keeps ids, moments and lists of its own; what it made of a patron is still seen to be that patron."""
    number = 10 + before
    own = {name: person(number)[name] for name in ("externalSystemId", "username", "barcode")}
    if before:
        add_user(server, person(number))
    load(server, FULL | own)
    assert holds(folio, FULL | own)


def holds(folio: UserImport, sent: dict[str, Any]) -> bool:
    comparison = Comparison(folio)
    users = folio.users_by_external_system_ids([sent["externalSystemId"]])
    user = users[sent["externalSystemId"]]
    preference = folio.preferences_by_user_ids([user["id"]]).get(user["id"])
    return comparison.holds(sent, user) and comparison.holds_preference(sent, preference)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("username", "somebody"),
        ("barcode", "2999"),
        ("active", False),
        ("type", "staff"),
        ("patronGroup", "faculty"),
        ("patronGroup", "no one has heard of it"),
        ("departments", ["Physics"]),
        ("departments", ["Physics", "Law"]),
        ("departments", None),
        ("enrollmentDate", "2020-09-02"),
        ("expirationDate", "2098-06-30"),
        ("personal.lastName", "O'Bradaigh"),
        ("personal.middleName", "Maeve"),
        ("personal.email", None),
        ("personal.dateOfBirth", "1999-01-01"),
        ("personal.preferredContactTypeId", "mail"),
        ("personal.addresses.0.addressLine1", "2 Elm Street"),
        ("personal.addresses.0.city", None),
        ("personal.addresses.0.addressTypeId", "Work"),
        ("personal.addresses.0.primaryAddress", True),
        ("customFields.homeCampus", "Riverside"),
        ("customFields.languages", ["Irish"]),
        ("customFields.note", "right-handed"),
        ("customFields.note", None),
        ("tags.tagList", ["urgent", "new"]),
        ("requestPreference.fulfillment", "Hold Shelf"),
        ("requestPreference.delivery", False),
        ("requestPreference.defaultDeliveryAddressTypeId", "Work"),
        ("requestPreference.defaultServicePointId", None),
        ("requestPreference", None),
        ("barcode", None),
        ("customFields", None),
        ("tags", None),
        ("personal", None),
    ],
)
def test_each_difference_is_seen(folio: UserImport, path: str, value: Any):
    """A patron whose last change did not arrive must not count as loaded."""
    assert not holds(folio, changed(FULL, path, value))


@pytest.mark.parametrize("path", ["personal.addresses.0.addressTypeId", "personal.preferredContactTypeId"])
def test_what_folio_drops_is_not_missed(server: FolioServer, folio: UserImport, path: str):
    """An unknown address or contact type is dropped by FOLIO without a word; the patron is loaded all the same."""
    sent = changed(person(20), path, "Palace")
    load(server, sent)
    assert holds(folio, sent)


def test_an_expired_patron(server: FolioServer, folio: UserImport):
    """FOLIO makes a user with a past expiration date inactive within the minute; it still is what was sent."""
    sent = person(21, expirationDate="2020-01-01")
    load(server, sent)
    user = stored(server, sent)
    assert user is not None
    server.store(FOLIO_TENANT).users.put(user | {"active": False})
    assert holds(folio, sent)
