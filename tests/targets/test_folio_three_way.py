"""What a plan changes is laid over the user as FOLIO has it when the chunk is sent."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from patronload.targets.folio.three_way import apply, changed_paths, every_path

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
