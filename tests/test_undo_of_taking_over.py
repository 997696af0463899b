"""Loads that took over users are undone: each user gets the externalSystemId from before, or none."""

import json
from copy import deepcopy

import polars as pl
import pytest

from patronload.artifacts import names, tables
from patronload.errors import TargetError
from patronload.systems.folio import FOLIO
from patronload.targets.folio.client import Folio
from patronload.targets.folio.user_import import UserImport
from tests import stages
from tests.test_taking_over import LISTED, NO_LIMITS, TAKE_OVER, listed, made_by_hand, users
from tests.test_undo import BEFORE, TURN, YES, report_of, stays, undo

THREE = range(1, 4)
PREFERENCE = {"holdShelf": True, "delivery": False}


@pytest.fixture
def folio_of_the_library(empty_folio):
    """No users of other tests."""
    return empty_folio


@pytest.fixture
def library(library, mails):
    """A library that takes over users without an externalSystemId."""
    library.configure(target=TAKE_OVER, limits=NO_LIMITS)
    return library


@pytest.fixture
def taken_over(library):
    """Three users made by hand, as they were before a load took them over; FOLIO has them as the load left them."""
    made_by_hand(library, THREE)
    before = content(library)
    library.deliver(range(1, 5))
    report = library.loaded("first")
    assert (report.updated, report.created) == (3, 1)
    return before


def content(library):
    """All users, without what the server sets."""
    kept = deepcopy(users(library))
    for user in kept.values():
        for name in ("createdDate", "updatedDate", "metadata"):
            user.pop(name, None)
        # FOLIO: mod-users writes its empty lists at the first update.
        user.pop("proxyFor", None)
        user.pop("preferredEmailCommunication", None)
    return kept


def approved(library, run, **options):
    """An undo up to the moment when it is sent."""
    load = library.load("undo", undo=run, **options)
    for stage in BEFORE:
        stage(load)
    stages.approve(load, TURN)
    stages.approve(load, TURN, YES)
    return load


def test_users_are_without_an_id_again(library, taken_over):
    """Every field is as before, whom the load created is inactive, and the next load takes the users over again."""
    report = undo(library, "first")
    after = content(library)
    assert {number: after[number] for number in taken_over} == taken_over
    assert library.folio.store("main").user("u-4")["active"] is False
    assert (report.outcome, report.updated, report.failed, stays(library)) == ("undone", 4, 0, [])
    changes = tables.read(library.load("undo").run, names.CHANGES).filter(pl.col("field") == FOLIO.key)
    assert changes.select("before", "after", "why").unique(maintain_order=True).height == 3
    assert set(changes["after"]) == {None}
    again = library.loaded("again")
    assert (again.updated, again.created, again.failed) == (4, 0, 0)


def test_a_new_id_that_was_accepted_goes_back(library):
    """The user has the old externalSystemId again, with the prefix that FOLIO's import adds."""
    library.configure(target=LISTED | {"source_type": "lib"}, limits=NO_LIMITS)
    listed(library)
    library.deliver(THREE)
    assert library.loaded("first").created == 3
    before = content(library)
    listed(library, "u-3,n-3")
    library.deliver(THREE, hour=9)
    path = library.folder / "exports" / "patrons.csv"
    path.write_text(path.read_text().replace("u-3,", "n-3,"))
    assert library.loaded("second").updated == 1
    assert library.folio.store("main").user("lib_n-3")
    undo(library, "second")
    assert content(library) == before
    assert library.folio.store("main").user("lib_u-3")


def test_an_old_id_that_another_user_has_now_stays(library):
    """All else goes back, and the line in not_undone.csv says why the id does not."""
    library.configure(target=LISTED, limits=NO_LIMITS)
    listed(library, "old-1,u-1")
    made_by_hand(library, [1], externalSystemId="old-1")
    library.deliver([1])
    assert library.loaded("first").updated == 1
    made_by_hand(library, [9], externalSystemId="OLD-1")
    undo(library, "first")
    user = library.folio.store("main").user("u-1")
    assert user["personal"]["lastName"] == "Desk"
    reason = "another user in FOLIO has the externalSystemId from before the load now"
    assert stays(library) == [("u-1", "externalSystemId", reason)]


@pytest.mark.parametrize("gone_back", [0, 1, 3])
def test_an_undo_that_was_killed_among_the_ids_goes_on(library, taken_over, monkeypatch, gone_back):
    """Whoever has the old id already is recognised by FOLIO's own id, and nobody is created a second time."""
    load = approved(library, "first")
    change, count = Folio.change_user, iter(range(9))

    def die(folio, user):
        if next(count) == gone_back:
            raise KeyboardInterrupt
        return change(folio, user)

    deliver = UserImport.deliver

    def die_afterwards(*given):
        deliver(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(Folio, "change_user", die)
    monkeypatch.setattr(UserImport, "deliver", die_afterwards)
    with pytest.raises(KeyboardInterrupt):
        stages.post(load)
    assert sum("externalSystemId" not in user for user in users(library).values()) == gone_back
    monkeypatch.setattr(Folio, "change_user", change)
    monkeypatch.setattr(UserImport, "deliver", deliver)
    stages.post(load)
    after = content(library)
    assert {number: after[number] for number in taken_over} == taken_over
    assert len(after) == 4
    stages.report(load)
    assert (report_of(load).updated, report_of(load).failed) == (4, 0)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"type": "staff"}, "became staff in FOLIO"),
        ({"externalSystemId": "other"}, "was given another one in FOLIO after the plan"),
        (None, "FOLIO no longer has the user"),
    ],
)
def test_a_user_who_changes_while_the_undo_is_sent(library, taken_over, monkeypatch, edit, reason):
    """The id stays, the row fails with the reason, and the others get theirs back."""
    load = approved(library, "first")
    store = library.folio.store("main").users
    post = UserImport.post

    def edited_behind_the_import(folio, *given):
        answer = post(folio, *given)
        user = store.find("externalSystemId", "u-1")
        if user is not None and edit is None:
            store.delete(user["id"])
        elif user is not None:
            store.put(user | edit)
        return answer

    monkeypatch.setattr(UserImport, "post", edited_behind_the_import)
    stages.post(load)
    stages.report(load)
    report = report_of(load)
    assert (report.updated, report.failed) == (3, 1)
    (failed,) = [one for name in load.run.names("results") for one in load.run.read_json(name)["failed"]]
    assert reason in failed["summary"]
    assert sum("externalSystemId" not in user for user in users(library).values()) == 2


def test_whom_a_librarian_has_given_another_id_is_left_alone(library, taken_over):
    """Between the load and its undo; nothing of that user goes back, because the load's key finds nobody."""
    store = library.folio.store("main").users
    store.put(store.find("externalSystemId", "u-1") | {"externalSystemId": "by-hand"})
    report = undo(library, "first")
    assert report.rejected == 1
    user = store.find("externalSystemId", "by-hand")
    assert user["personal"]["lastName"] == "Adams"
    assert stays(library)[0][2] == "FOLIO no longer has a user with this externalSystemId"


def test_the_permission_is_asked_for_in_the_plan(library, taken_over):
    """Nothing is changed to find out, and an undo that gives no id back needs none."""
    library.folio.tenants["main"].forbidden = {"users.item.put"}
    load = library.load("undo", undo="first")
    for stage in BEFORE[:-1]:
        stage(load)
    with pytest.raises(TargetError, match=r"users\.item\.put"):
        stages.plan(load)
    library.folio.tenants["main"].forbidden = set()


def test_the_undo_of_the_undo_leaves_them_to_the_next_load(library, taken_over):
    """Nobody has the row's id, so they cannot be found by it; the next load takes them over once more."""
    undo(library, "first")
    report = undo(library, "undo", "redo")
    assert (report.updated, report.rejected) == (1, 3)
    library.deliver(range(1, 5), hour=9, cells={"firstName": "Anna"})
    assert library.loaded("next").updated == 4
    assert json.dumps(sorted(user["externalSystemId"] for user in users(library).values())).count("u-") == 4
