"""What Infiniti's answers say, and that none is believed further than it adds up."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronload.targets.delivery import Patron
from patronload.targets.infiniti.answers import UNKNOWN, UNTOLD, Answer, outcome, summary

PATRONS = [Patron(row, f"user{row}", {}) for row in (12, 13, 14)]
ARTICLE = {
    "success": False,
    "summary": "3 users processed. 1 user created. 1 user updated. 1 user failed.",
    "details": {
        "1": "User Updated",
        "2": "Field (emailAddress) is not a well-formed email address. User failed to import: Field (emailAddress) is "
        "not a well-formed email address. ",
        "3": "User Created",
    },
}
UNWELL = "Field (emailAddress) is not a well-formed email address."


def read(**changed):
    answer = Answer.of(json.dumps({**ARTICLE, **changed}))
    assert answer
    return answer


def told(first_row=1, **changed):
    return outcome(read(**changed), PATRONS, first_row)


def test_the_articles_first_example():
    """50 created and 50 updated of a hundred, and no details."""
    answer = Answer.of(
        '{"success":true, "summary":"100 users processed. 50 users created. 50 users updated. 0 users failed."}'
    )
    assert answer
    made = outcome(answer, [Patron(row, str(row), {}) for row in range(2, 102)], 1)
    assert made[:4] == (50, 50, [], [])


def test_the_articles_second_example():
    """No figures; the account is not let in."""
    answer = Answer.of('{"success": false, "summary":"Unauthorised. Check credentials."}')
    assert answer
    assert answer.is_unauthorised
    assert not read().is_unauthorised


def test_the_articles_third_example():
    """The second row has failed, and the sentence that is there twice is told once."""
    made = told()
    assert made[:2] == (1, 1)
    assert [(failed.row, failed.message) for failed in made.failed] == [(13, UNWELL)]
    assert made.unconfirmed == []
    assert made.notes == ()


@pytest.mark.parametrize(
    ("first_row", "details"),
    [
        (1, ["User Updated", UNWELL, "User Created"]),
        (0, ["User Updated", UNWELL, "User Created"]),
        (1, ["Line is invalid.", "User Updated", UNWELL, "User Created"]),
        (1, {"2": UNWELL}),
        (0, {"1": UNWELL}),
        (2, {"2": "User Updated", "3": UNWELL, "4": "User Created"}),
        (1, {"0": "Line is invalid.", "1": "User Updated", "2": UNWELL, "3": "User Created"}),
        (1, {"0": "Line is invalid.", "2": UNWELL}),
        (1, {"3": "User Created", "2": f" {UNWELL} ", "1": "User Updated"}),
        (1, {"2": f"user13: {UNWELL}"}),
    ],
)
def test_details_of_every_shape(first_row, details):
    """Object or array, from 0, 1 or 2, with the header or without, all rows or the failed ones."""
    made = told(first_row, details=details)
    assert [failed.row for failed in made.failed] == [13]
    assert made.unconfirmed == []


def test_all_have_failed_and_nobody_says_why():
    """Then it is clear which ones."""
    made = told(summary="3 users processed. 0 users created. 0 users updated. 3 users failed.", details=None)
    assert [(failed.row, failed.message) for failed in made.failed] == [(row, UNTOLD) for row in (12, 13, 14)]


@pytest.mark.parametrize(
    ("first_row", "changed"),
    [
        (0, {}),  # rows 1 to 3, and the tenant says 0 to 2
        (2, {}),
        (1, {"success": True}),
        (1, {"summary": "4 users processed. 1 user created. 1 user updated. 1 user failed."}),
        (1, {"summary": "3 users processed. 1 user created. 0 users updated. 1 user failed."}),
        (1, {"summary": "3 users processed. 2 users created. 0 users updated. 1 user failed."}),
        (1, {"summary": "3 users processed. 1 user created. 2 users updated. 0 users failed.", "success": True}),
        (1, {"summary": "3 users processed. 1 user created. 2 users updated. 0 users failed."}),
        (1, {"summary": "Done.", "success": True}),
        (1, {"summary": None}),
        (1, {"details": None}),
        (1, {"details": {"x": UNWELL}}),
        (1, {"details": {"2": 5}}),
        (1, {"details": {"2": UNWELL, "3": UNWELL}}),
        (1, {"details": {"2": UNWELL, "3": "User Created"}}),
        (1, {"details": {"9": UNWELL}}),
        (1, {"details": [UNWELL]}),
        (1, {"details": "row 2 failed"}),
        (1, {"details": 7}),
        (1, {"details": {"2": f"user14: {UNWELL}"}}),
    ],
)
def test_what_does_not_fit_is_unconfirmed(first_row, changed):
    """Nobody is told as loaded or as failed, and the note has no value of the answer in it."""
    made = told(first_row, **changed)
    assert made[:4] == (0, 0, [], [12, 13, 14])
    assert "is inconsistent" in made.notes[0]
    assert "user1" not in made.notes[0]


@pytest.mark.parametrize("text", ["", "<html>", "[]", "null", '"x"', "{}", '{"success": "yes"}', '{"success'])
def test_what_is_no_answer(text):
    """A gateway's page, or JSON of something else."""
    assert Answer.of(text) is None


def test_a_part_of_the_sentence_may_be_missing():
    """What is not told is none, as long as the rest adds up."""
    assert told(summary="3 Users Created.", success=True, details=None)[:3] == (3, 0, [])


def test_a_refusal_is_told_in_words_without_values():
    """The mail names no patron; the rejects file has Infiniti's own text."""
    assert summary(UNWELL) == "the e-mail address is not one that Infiniti accepts"
    assert summary("Field (libraryBarcode) is already in use.").startswith("the barcode is already used")
    assert summary("user13 must not wear a hat") == UNKNOWN


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from(["User Created", "User Updated", UNWELL, "1", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("0123x"), inner, max_size=4),
    max_leaves=6,
)


@given(success=st.booleans(), counts=st.lists(st.integers(0, 4), min_size=4, max_size=4), details=SHAPES)
def test_every_patron_has_one_fate_whatever_is_answered(success, counts, details):
    """created + updated + failed + unconfirmed is what was sent, and nobody is named twice."""
    words = " ".join(f"{number} users {what}." for number, what in zip(counts, COUNTED, strict=True))
    made = told(success=success, summary=words, details=details)
    named = [failed.row for failed in made.failed] + made.unconfirmed
    assert made.created + made.updated + len(named) == 3
    assert len(set(named)) == len(named)
    assert set(named) <= {12, 13, 14}


COUNTED = ("processed", "created", "updated", "failed")
