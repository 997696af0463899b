"""Whom a load leaves alone: staff, their second accounts, and what someone protected by hand in FOLIO."""

from pathlib import Path
from typing import Any

import pytest

from patronload.config.mapping import Mapping
from patronload.targets.delivery import Planned
from sandbox.folio import FolioServer
from sandbox.folio.reference import text_field
from tests.targets.loads import FOLIO_TENANT, person
from tests.targets.plans import FILLED, mapping, plan, reasons, sent, stored_user

PAST = "2026-06-30"


@pytest.fixture
def rules(tmp_path: Path) -> Mapping:
    return mapping(tmp_path)


def librarian(server: FolioServer, **more: Any) -> dict[str, Any]:
    """A user of type staff whom a patron file has as an expired undergraduate."""
    who = person(1, username="librarian", type="staff", patronGroup="staff", expirationDate=None)
    return stored_user(server, who, **more)


def words(planned: Planned) -> str:
    return " ".join(planned.summary["warnings"])


@pytest.mark.parametrize("kind", ["staff", "system", "shadow", "dcb", "Staff"])
def test_staff_keep_status_group_and_expiry(server: FolioServer, rules: Mapping, kind: str):
    """Whatever a patron file says of them; names and addresses are loaded, and the plan counts them."""
    librarian(server, type=kind)
    planned = plan(server, [person(1, expirationDate=PAST, personal={"lastName": "New"}), person(2)], rules)
    record = sent(planned)[2]
    assert (record["active"], record["patronGroup"], record["type"]) == (True, "staff", kind)
    assert "expirationDate" not in record
    assert record["personal"]["lastName"] == "New"
    assert planned.summary["staff"] == 1
    assert "1 row would change the status, patron group or expiry date of staff" in words(planned)


def test_staff_fields_that_the_tenant_file_names_are_loaded(server: FolioServer, rules: Mapping):
    """Where the campus knows when its staff leave, the tenant file says so, field by field."""
    librarian(server)
    planned = plan(server, [person(1, expirationDate="2031-06-30")], rules, staff={"expirationDate": "load"})
    record = sent(planned)[2]
    assert record["expirationDate"].startswith("2031-07-01")
    assert (record["patronGroup"], record["username"]) == ("staff", "librarian")


def test_staff_who_would_keep_everything_are_not_mentioned(server: FolioServer, rules: Mapping):
    """A file that agrees with FOLIO is no news."""
    librarian(server)
    planned = plan(server, [person(1, patronGroup="staff", expirationDate=None)], rules)
    assert planned.summary["staff"] == 1
    assert "of staff" not in words(planned)


@pytest.mark.parametrize("choice", ["reject", "report", "ignore"])
def test_an_email_address_of_staff_is_no_conflict(server: FolioServer, rules: Mapping, choice: str):
    """One person with a staff and a patron account is policy in many consortia."""
    stored_user(server, person(900, type="staff", personal={"lastName": "A", "email": "a1@x.example"}))
    planned = plan(server, [person(1, personal={"lastName": "A", "email": "a1@x.example"})], rules, same_email=choice)
    assert list(sent(planned)) == [2]
    assert "e-mail" not in words(planned)


@pytest.mark.parametrize(("choice", "is_sent", "is_reported"), [("reject", 0, 0), ("report", 1, 1), ("ignore", 1, 0)])
def test_an_email_address_of_another_user(
    server: FolioServer, rules: Mapping, choice: str, is_sent: int, is_reported: int
):
    """A parent's card may have the student's e-mail address: by default the row is loaded and mentioned."""
    stored_user(server, person(900, personal={"lastName": "A", "email": "a1@x.example"}))
    mine = person(1, personal={"lastName": "A", "email": "a1@x.example"})
    planned = plan(server, [mine], rules, same_email=choice)
    assert (len(sent(planned)), len(reasons(planned))) == (is_sent, 1 - is_sent)
    assert ("In row 2 a new patron has the e-mail address of a user in FOLIO" in words(planned)) is bool(is_reported)
    assert "a1@x.example" not in words(planned)
    if choice == "report":
        assert len(sent(plan(server, [mine], rules))) == 1, "the default"


@pytest.mark.parametrize(
    ("holder", "named"),
    [
        ({}, "the user with the username 'patron1' and no externalSystemId"),
        ({"username": None}, "the user with the barcode '20000001' and no externalSystemId"),
    ],
)
def test_users_without_an_external_system_id_are_named_by_another_id(
    server: FolioServer, rules: Mapping, holder: dict[str, Any], named: str
):
    """Users made by hand often have none; a message names what they have."""
    user = stored_user(server, person(1)) | holder
    del user["externalSystemId"]
    server.store(FOLIO_TENANT).users.put({name: value for name, value in user.items() if value is not None})
    assert named in reasons(plan(server, [person(1)], rules))[2]


def test_a_user_protected_by_a_tag(server: FolioServer, rules: Mapping):
    """Keeps everything, tag included; the plan counts it."""
    protected = {"tags": {"do-not-load": "all"}}
    before = person(1, personal={"lastName": "Chosen", "email": "own@x.example"}, active=False)
    stored_user(server, before, tags={"tagList": ["do-not-load", "vip"]})
    planned = plan(server, [person(1)], rules, protected=protected)
    record = sent(planned).get(2)
    if record is not None:  # a record equal to the stored user need not be sent
        assert record["active"] is False
        assert record["personal"] == {"lastName": "Chosen", "email": "own@x.example"}
        assert record["tags"] == {"tagList": ["do-not-load", "vip"]}
    assert planned.summary["protected"] == 1
    assert planned.summary["becoming_active"] == 0


def test_fields_protected_by_a_tag(server: FolioServer, rules: Mapping):
    """The named fields are kept, an empty one stays empty, and the others are loaded."""
    protected = {"tags": {"own-email": ["personal.email", "barcode"]}}
    stored_user(server, person(1, barcode=None, personal={"lastName": "Before"}), tags={"tagList": ["own-email"]})
    stored_user(server, person(2, personal={"lastName": "Before"}))
    planned = plan(server, [person(1), person(2)], rules, protected=protected)
    record, other = sent(planned)[2], sent(planned)[3]
    assert "barcode" not in record
    assert "email" not in record["personal"]
    assert record["personal"]["lastName"] == "O'Brádaigh"
    assert other["personal"]["email"] == "patron2@example.edu"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("email, barcode", {"email", "barcode"}),
        ("personal.email;barcode", {"email", "barcode"}),
        ("personal", {"email", "lastName"}),
        ("all", {"email", "barcode", "lastName"}),
        ("emial", {"email", "barcode", "lastName"}),
    ],
)
def test_fields_protected_by_a_custom_field(server: FolioServer, tmp_path: Path, written: str, kept: set[str]):
    """Librarians name them in FOLIO; a misspelled name protects the whole user rather than nothing."""
    server.store(FOLIO_TENANT).custom_fields.put(text_field("protectedFields", "Protected fields"))
    before = person(1, barcode="9", personal={"lastName": "Before", "email": "own@x.example"})
    stored_user(server, before, customFields={"protectedFields": written})
    rules = mapping(tmp_path, (*FILLED, "personal.phone"))
    planned = plan(server, [person(1)], rules, protected={"custom_field": "protectedFields"})
    record = sent(planned).get(2) or before
    is_kept = {
        "email": record["personal"]["email"] == "own@x.example",
        "lastName": record["personal"]["lastName"] == "Before",
        "barcode": record["barcode"] == "9",
    }
    assert {name for name, value in is_kept.items() if value} == kept


def test_users_who_become_active_are_counted(server: FolioServer, rules: Mapping):
    """Someone barred by hand is reactivated by a file that says so: the plan shows how many."""
    stored_user(server, person(1, active=False))
    planned = plan(server, [person(1), person(2)], rules)
    assert sent(planned)[2]["active"] is True
    assert planned.summary["becoming_active"] == 1
