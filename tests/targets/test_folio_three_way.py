"""What a plan changes is laid over the user as FOLIO has it when the chunk is sent."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from patronload.targets.folio.three_way import (
    apply,
    changed_paths,
    every_path,
    if_same,
    is_same,
    path_of,
    undone,
    value_at,
)

WORDS = st.sampled_from(["a", "b", "c"])
HOME, WORK = ({"addressTypeId": name, "city": "Cork"} for name in ("Home", "Work"))
PERSONAL = st.fixed_dictionaries(
    {"lastName": WORDS},
    optional={"email": WORDS, "phone": WORDS, "addresses": st.sampled_from([[HOME], [WORK], [HOME, WORK]])},
)
RECORDS = st.fixed_dictionaries(
    {"username": WORDS, "active": st.booleans(), "personal": PERSONAL},
    optional={
        "barcode": WORDS,
        "departments": st.lists(WORDS, min_size=1, max_size=2, unique=True),
        "customFields": st.dictionaries(st.sampled_from(["note", "locker"]), WORDS, min_size=1),
        "requestPreference": st.just({"holdShelf": True, "delivery": False}),
        "tags": st.just({"tagList": ["x"]}),
    },
)


def by_type(record: dict[str, Any]) -> dict[str, Any]:
    """Addresses have no order."""
    personal = record["personal"]
    if "addresses" not in personal:
        return record
    return record | {"personal": personal | {"addresses": {one["addressTypeId"]: one for one in personal["addresses"]}}}


@given(RECORDS, RECORDS)
def test_without_an_edit_the_planned_record_is_sent(stored: dict[str, Any], planned: dict[str, Any]):
    """Laid over the user it was made from, a plan gives its own record."""
    assert by_type(apply(stored, planned, changed_paths(planned, stored))) == by_type(planned)


@given(RECORDS, RECORDS, RECORDS)
def test_every_edit_elsewhere_survives(stored: dict[str, Any], planned: dict[str, Any], edited: dict[str, Any]):
    """At the paths of the plan stands what was planned, everywhere else what FOLIO has now; doing it twice is once."""
    paths = changed_paths(planned, stored)
    merged = apply(edited, planned, paths)
    assert not [path for path in changed_paths(merged, planned) if path in paths]
    assert not [path for path in changed_paths(merged, edited) if path not in paths]
    assert by_type(apply(merged, planned, paths)) == by_type(merged)


def test_a_field_that_is_filled_because_it_was_empty():
    """A librarian who filled it meanwhile is not overruled."""
    stored, planned = {"username": "a"}, {"username": "b", "personal": {"lastName": "L", "phone": "1"}}
    paths = changed_paths(planned, stored, lambda path: path == "personal.phone")
    assert paths == ["username", "personal.lastName", "?personal.phone"]
    now = {"username": "a", "personal": {"phone": "2"}}
    assert apply(now, planned, paths) == {"username": "b", "personal": {"phone": "2", "lastName": "L"}}
    assert apply(stored, planned, paths) == planned


def test_an_erased_field_stays_erased():
    """What the plan takes away goes, whatever it is by now."""
    stored, planned = {"username": "a", "barcode": "1"}, {"username": "a"}
    assert apply({"username": "a", "barcode": "2"}, planned, changed_paths(planned, stored)) == planned


def test_a_new_patron_who_is_there_by_now():
    """Somebody entered the patron by hand after the plan: what they entered beside the file's fields is kept."""
    planned = {"username": "a", "personal": {"lastName": "L"}}
    now = {"username": "z", "barcode": "7", "personal": {"lastName": "X", "phone": "1"}}
    merged = {"username": "a", "barcode": "7", "personal": {"lastName": "L", "phone": "1"}}
    assert apply(now, planned, every_path(planned)) == merged


@given(RECORDS, RECORDS)
def test_a_load_that_nobody_touched_since_goes_back_whole(before: dict[str, Any], written: dict[str, Any]):
    """Each field that the load has written gets the value of before."""
    paths = changed_paths(written, before)
    taken = undone(before, written, written, paths)
    assert (taken.back, taken.changed) == (paths, [])
    assert by_type(apply(written, before, taken.back)) == by_type(before)


@given(RECORDS, RECORDS, RECORDS)
def test_an_undo_never_goes_over_an_edit(before: dict[str, Any], written: dict[str, Any], now: dict[str, Any]):
    """Whatever FOLIO has: a field that is not as the load wrote it stays, and is listed unless it is as before."""
    paths = changed_paths(written, before)
    taken = undone(before, written, now, paths)
    after = apply(now, before, taken.back)
    for path in {*every_path(now), *every_path(after), *paths}:
        has, wrote, was = (value_at(record, path) for record in (now, written, before))
        if path in paths and is_same(path, has, wrote):
            assert is_same(path, value_at(after, path), was)
        else:
            assert value_at(after, path) == has
            assert (path in taken.changed) == (path in paths and not is_same(path, has, was))


@given(RECORDS, RECORDS, RECORDS)
def test_the_condition_is_checked_again_when_a_patron_is_sent(
    planned_on: dict[str, Any], before: dict[str, Any], now: dict[str, Any]
):
    """A field that was edited between the plan and the request stays; doing it twice is once."""
    paths = [if_same(path, value_at(planned_on, path)) for path in changed_paths(before, planned_on)]
    after = apply(now, before, paths)
    for path in {*every_path(now), *every_path(after)}:
        goes_back = path in map(path_of, paths) and is_same(path, value_at(now, path), value_at(planned_on, path))
        assert value_at(after, path) == value_at(before if goes_back else now, path)
    assert by_type(apply(after, before, paths)) == by_type(after)


def test_what_is_the_same_to_folio():
    """However it is written: dates, lists without order, an address without its id, a contact type in capitals."""
    assert is_same("expirationDate", "2027-05-31T23:59:59.000+00:00", "2027-05-31T23:59:59Z")
    assert is_same("enrollmentDate", "2020-01-01", "2020-01-01T00:00:00.000+00:00")
    assert is_same("departments", ["b", "a"], ["a", "b"])
    assert is_same("personal.addresses.Home", HOME | {"id": "1", "primaryAddress": False}, HOME)
    assert is_same("personal.preferredContactTypeId", "Email", "email")
    assert is_same("barcode", "", None)
    assert not is_same("active", True, False)
    assert not is_same("personal.addresses.Home", HOME, HOME | {"city": "Kerry"})
