import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronload.targets.delivery import Patron
from patronload.targets.folio.answers import SEARCH_FAILED, UNKNOWN, Answer, count, named_failures, summary

PATRONS = [Patron(row, f"id{row}", {}) for row in (2, 3, 4)]


def answer(created: int, updated: int, *failed: tuple[str, str], **changed: Any) -> Answer:
    users = [{"username": "x", "externalSystemId": key, "errorMessage": message} for key, message in failed]
    content = {
        "message": "Users were imported successfully.",
        "createdRecords": created,
        "updatedRecords": updated,
        "failedRecords": len(failed),
        "failedUsers": users,
        "totalRecords": created + updated + len(failed),
        **changed,
    }
    return Answer.of(200, json.dumps(content))


@pytest.mark.parametrize("key", ["id3", "banner_id3"])
def test_failed_users_are_matched_to_rows(key: str):
    """FOLIO names a failed user with or without the source type before its id; both are the same row."""
    counted = count(answer(1, 1, (key, "This barcode has already been taken")), PATRONS, "banner")
    assert counted is not None
    assert (counted.created, counted.updated) == (1, 1)
    ((row, message, words),) = counted.failed
    assert (row, message) == (3, "This barcode has already been taken")
    assert words == "the barcode is already used by another user in FOLIO"


@pytest.mark.parametrize(
    "incredible",
    [
        answer(3, 1),
        answer(2, 0),
        answer(2, 0, ("id9", "who is that")),
        answer(1, 0, ("id3", "once"), ("id3", "twice")),
        answer(3, 0, ("id3", "both created and failed")),
        answer(2, 0, ("id3", f"{SEARCH_FAILED}. Error message: ...")),
        answer(2, 1, failedRecords=1),
        answer(4, -1),
        answer(2, 1, createdRecords="two"),
        Answer.of(200, '{"message": "No users to import.", "totalRecords": 0}'),
    ],
)
def test_what_cannot_be_true_is_not_believed(incredible: Answer):
    """Counts that do not make up the patrons sent, strangers, repetitions and failed searches are looked up instead."""
    assert count(incredible, PATRONS, "banner") is None


def test_answers_of_old_versions():
    """mod-user-import 2.0 named failed users by their id only."""
    old = answer(1, 1, failedRecords=1, failedExternalSystemIds=["id4"])
    counted = count(old, PATRONS, None)
    assert counted is not None
    assert [(failed.row, failed.summary) for failed in counted.failed] == [(4, UNKNOWN)]


@given(st.lists(st.sampled_from(["id2", "id3", "id4", "banner_id2", "banner_id4", "other", ""])), st.integers(0, 4))
def test_a_believed_answer_adds_up(keys: list[str], created: int):
    """Whatever an answer lists: if it is believed, each patron is counted once."""
    counted = count(answer(created, 0, *((key, "no") for key in keys)), PATRONS, "banner")
    if counted is not None:
        assert counted.created + counted.updated + len(counted.failed) == len(PATRONS)
        assert len({failed.row for failed in counted.failed}) == len(counted.failed)


def test_strangers_are_not_named():
    """Only patrons that were sent are counted."""
    assert list(named_failures(answer(0, 0, ("banner_id2", "a"), ("stranger", "b")), PATRONS, "banner")) == [2]


NO_GROUP = "FOLIO does not know the patron group"
NO_ADDRESS_TYPE = "FOLIO does not know one of the address types"
TAKEN_BARCODE = "the barcode is already used by another user in FOLIO"
TAKEN_ID = "the externalSystemId is already used by another user in FOLIO"
PREFERENCE = "User Preference validation failed: "
UPDATE = "Failed to update user with externalSystemId: banner_7: Response status code 400 is not equal to 204 - "


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Patron group does not exist in the system: [wizards]", NO_GROUP),
        ("Cannot add 503a81cd-6c26-400f-b620-14c08943697c. Patron group not found", NO_GROUP),
        ("Departments do not exist in the system: [Alchemy]", "FOLIO does not know one of the departments"),
        ("Custom fields do not exist in the system: [wand].", "FOLIO does not know one of the custom fields"),
        (
            " Custom field's options do not exist in the system: [refId = wand, options: [oak]].",
            "FOLIO does not know one of the options of a custom field",
        ),
        (f"{UPDATE}This barcode has already been taken", TAKEN_BARCODE),
        (f"{UPDATE}User with this username already exists", "the username is already used by another user in FOLIO"),
        (f"{UPDATE}Key (lower(f_unaccent(jsonb ->> 'externalSystemId'::text)))=(banner_7) already exists.", TAKEN_ID),
        (
            "Failed to create new user with externalSystemId: banner_7",
            "FOLIO could not create the user and does not say why; often the username or the barcode is another user's",
        ),
        (
            f"{PREFERENCE}Provided defaultServicePointId value does not exist in service point collection",
            "FOLIO does not know the service point of the request preference",
        ),
        (f"{PREFERENCE}delivery must not be null", "the request preference does not fit FOLIO's rules for it"),
        ("Failed to delete user preference.", "FOLIO could not store the request preference"),
        ("Users are limited to one address per addresstype", "two addresses are of the same address type"),
        ("All addresses types defined for users must be existing", NO_ADDRESS_TYPE),
        (
            "An invalid user type has been populated to a user",
            "FOLIO does not accept this type of user; write patron, staff, shadow, system or dcb",
        ),
        ("personal.lastName: must not be null", "a field that FOLIO requires is missing"),
        ("Something about Zoë O'Brádaigh that no one has ever read", UNKNOWN),
    ],
)
def test_refusals_in_plain_words(message: str, words: str):
    """A librarian reads what is wrong; whom it is about stands in the rejects file only."""
    assert summary(message) == words
