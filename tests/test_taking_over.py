"""Whole loads that take over users whom FOLIO has without an externalSystemId, or under another one."""

import json

import polars as pl
import pytest

from patronload.artifacts import names, questions, tables
from patronload.errors import ConfigError
from patronload.loads import identities
from patronload.loads.approval import Answer, Turn
from patronload.systems.folio import FOLIO
from tests import stages
from tests.one_library import person
from tests.test_approval import NOW

NINE = range(1, 10)
TAKE_OVER = {"match": {"users_without_id": ["barcode", "username"]}, "send": "changed"}
LISTED = {"match": {"identities": "identities/lib.csv"}, "send": "changed"}
NO_LIMITS = {"changed_fields": {}, "known_ids": "0%"}


@pytest.fixture
def folio_of_the_library(empty_folio):
    """No users of other tests."""
    return empty_folio


def made_by_hand(library, numbers, **more):
    """Users added at the desk, with the usernames and barcodes of the file."""
    store = library.folio.store("main")
    for number in numbers:
        row = person(number)
        store.users.put(
            {
                "id": f"00000000-0000-4000-8000-{number:012}",
                "username": row["username"],
                "barcode": row["barcode"],
                "active": True,
                "type": "patron",
                "personal": {"lastName": "Desk", "mobilePhone": "555-0199", "addresses": []},
                "departments": [],
                **more,
            }
        )


def users(library):
    return {user["id"]: user for user in library.folio.store("main").users}


def rejects(library, run):
    return library.load(run).run.read(names.REJECTS).decode()


def test_users_made_by_hand_are_set_aside_with_a_message_that_fits(library):
    """Nine users without an externalSystemId: nothing is sent, and the reason says who they are and what helps."""
    made_by_hand(library, NINE)
    library.configure(target={"send": "changed"}, limits={"max_rejects": "100%"})
    library.deliver(NINE)
    report = library.loaded("first")
    assert (report.rejected, report.created) == (9, 0)
    text = rejects(library, "first")
    assert "the user with the username 'user1' and no externalSystemId" in text
    assert "target.match.users_without_id" in text
    assert "externalSystemId ''" not in text


def test_users_made_by_hand_are_taken_over(library):
    """The same nine are updated, none is doubled, and their earlier state is kept; the next load changes nothing."""
    made_by_hand(library, NINE)
    library.configure(target=TAKE_OVER, limits=NO_LIMITS)
    library.deliver(NINE)
    report = library.loaded("first")
    assert (report.outcome, report.updated, report.created, report.rejected) == ("loaded", 9, 0, 0)
    assert any("9 users in FOLIO without an externalSystemId have" in one for one in report.warnings)
    found = users(library)
    assert sorted(user["externalSystemId"] for user in found.values()) == [f"u-{number}" for number in NINE]
    assert {user["personal"]["lastName"] for user in found.values()} == {"Adams"}
    assert {user["personal"]["mobilePhone"] for user in found.values()} == {"555-0199"}
    before = tables.read(library.load("first").run, names.BEFORE)
    assert not any("externalSystemId" in json.loads(text)["user"] for text in before["stored"])
    library.deliver(NINE, hour=9, cells={"phone": ""})
    (library.folder / "exports" / "patrons.csv").write_bytes(
        (library.folder / "exports" / "patrons.csv").read_bytes() + b"\n"
    )
    again = library.loaded("second")
    assert (again.unchanged, again.updated) == (9, 0)
    assert not any("without an externalSystemId" in one for one in again.warnings)


def test_a_dry_run_says_whom_it_would_take_over(library):
    """And changes nobody, not even for finding out whether it may."""
    made_by_hand(library, NINE)
    library.configure(target=TAKE_OVER, limits=NO_LIMITS, approval={})
    library.deliver(NINE)
    before = users(library)
    report = library.loaded("dry", dry_run=True)
    assert any("9 users in FOLIO without an externalSystemId have" in one for one in report.warnings)
    assert users(library) == before


def test_a_person_is_asked(library, monkeypatch):
    """Where the tenant has `approval`, nobody is taken over before somebody has said yes."""
    monkeypatch.setattr("patronload.reporting.smtp.send", lambda _: None)
    made_by_hand(library, NINE)
    library.configure(target=TAKE_OVER, limits=NO_LIMITS, approval={"ask": ["head@lib.example"]})
    library.deliver(NINE)
    load = library.load("first")
    for step in (stages.fetch, stages.validate, stages.transform, stages.plan):
        step(load)
    asked = [verdict.sentence for verdict in questions.verdicts_to_answer(load.run)]
    assert asked == ["9 users without an externalSystemId would be taken over."]
    stages.approve(load, Turn(1, None))
    stages.approve(load, Turn(1, None), Answer(approved=True, by="ann", at=NOW, reason="they are ours"))
    stages.post(load)
    assert all(user.get("externalSystemId") for user in users(library).values())


def listed(library, *lines, header="old_id,new_id,decision"):
    folder = library.folder / "include" / "tenants" / "identities"
    folder.mkdir(exist_ok=True)
    (folder / "lib.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")


def test_an_accepted_change_of_an_id(library):
    """A new student number in the file: rejected the first night, listed by a person, updated the next night."""
    library.configure(target=LISTED, limits=NO_LIMITS | {"max_rejects": "100%"}, contains="everyone", leavers={})
    listed(library)
    library.deliver(NINE)
    assert library.loaded("first").created == 9
    path = library.folder / "exports" / "patrons.csv"

    def renamed(hour):
        library.deliver(NINE, hour=hour)
        path.write_text(path.read_text().replace("u-3,", "n-3,") + "\n" * hour)

    renamed(9)
    assert library.loaded("second").rejected == 1
    assert "add both ids to the list of target.match.identities" in rejects(library, "second")
    listed(library, "u-3,n-3")
    renamed(10)
    report = library.loaded("third")
    assert (report.updated, report.created, report.rejected) == (1, 0, 0)
    assert len(users(library)) == 9
    store = library.folio.store("main")
    assert store.user("u-3") is None
    change = tables.read(library.load("third").run, names.CHANGES).filter(pl.col("field") == FOLIO.key)
    assert change.select("before", "after", "why").rows() == [
        ('"u-3"', '"n-3"', "new id, accepted in the tenant's list")
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1,2,perhaps"], "line 2: the decision must be 'same person', 'another person', or blank"),
        (["1"], "line 2: expected an old id, a new id"),
        (["1,2", "3,2"], "lines 2, 3 have the same new_id"),
        (["1,2", "1,3"], "lines 2, 3 have the same old_id"),
    ],
)
def test_a_list_that_cannot_be_used(library, lines, message):
    """The line is named, the ids are not."""
    library.configure(target=LISTED)
    listed(library, *lines)
    with pytest.raises(ConfigError, match=message):
        identities.of(library.load().tenant)


def test_a_list_from_a_spreadsheet(library):
    """Semicolons, blank lines, and words in any case."""
    library.configure(target=LISTED)
    listed(library, "1;2;Same person", "", "3;4;ANOTHER PERSON", header="Old_ID;New_ID;Decision")
    assert [one.is_same for one in identities.of(library.load().tenant)] == [True, False]


def test_a_list_that_is_not_there(library):
    """The key that names it is in the message."""
    library.configure(target=LISTED)
    with pytest.raises(ConfigError, match=r"no file identities/lib\.csv next to the tenant file"):
        identities.of(library.load().tenant)
