"""The stand-in reads JSON as FOLIO's modules do: compared with a table made with their reader, Jackson."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BeforeValidator
from stand_in import counts, user

from sandbox.folio import jackson
from sandbox.folio.bodies import Body
from sandbox.folio.java_dates import write_date
from sandbox.folio.refusals import Refusal

TABLE = Path(__file__).with_name("jackson_reading.tsv")
JSON = {"content-type": "application/json"}


class Read(Body):
    """The Java class that the table was made with."""

    s: jackson.Text = None
    b: jackson.Flag = None
    i: jackson.Integer = None
    d: jackson.Date = None
    h: Annotated[Literal[True] | None, BeforeValidator(jackson.to_true)] = None
    f: Literal["Delivery", "Hold Shelf"] | None = None
    l: list[jackson.Text] | None = None  # noqa: E741 - the table's name
    m: dict[str, Any] | None = None
    inner: Read | None = None


def rows() -> list[tuple[str, str]]:
    """JSON, and what Jackson makes of it."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    parts = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(sent, kept) for sent, kept in parts]


@pytest.mark.parametrize(("sent", "kept"), rows())
def test_a_value_is_read_as_jackson_reads_it(sent, kept):
    """Measured: every kind of value where another one is expected, dates in all forms, and what is not JSON."""
    body = sent.encode()
    if kept == "400":
        with pytest.raises(Refusal) as refusal:
            jackson.read(Read, "application/json", body)
        assert refusal.value.status == 400
        return
    expected = json.loads(kept)
    if "d" in expected:
        expected["d"] = write_date(expected["d"])
    assert jackson.read(Read, "application/json", body).model_dump(exclude_none=True) == expected


@pytest.mark.parametrize(
    "body", [b'\xef\xbb\xbf{"totalRecords": 0}', b"", b"  ", b"[1", b'{"totalRecords": 1\t', b"{" * 9]
)
def test_what_is_not_json_refuses_the_request(folio, body):
    """A byte order mark, nothing, and what ends too early: 400 in plain text."""
    response = folio("POST", "/user-import", content=body, headers=JSON)
    assert (response.status_code, response.headers["content-type"][:10]) == (400, "text/plain")


def test_what_follows_the_json_is_ignored(folio):
    """Jackson stops reading at the end of the first value."""
    body = json.dumps({"users": [user(1)], "totalRecords": 1}).encode() + b"\n} and more"
    response = folio("POST", "/user-import", content=body, headers=JSON)
    assert counts(response.json()) == (1, 0, 0)


@pytest.mark.parametrize("value", [True, "true", " TRUE ", 1])
def test_hold_shelf_is_read_as_a_boolean_first(folio, value):
    """FOLIO: mod-user-import userImportRequestPreference.json, an enum of the one boolean true."""
    preference = {"holdShelf": value, "delivery": 0}
    assert counts(folio.load(user(1, requestPreference=preference))) == (1, 0, 0)
    (stored,) = folio.store.preferences
    assert (stored["holdShelf"], stored["delivery"]) == (True, False)


def test_hold_shelf_that_is_null_is_missing(folio):
    """422 must not be null, as for anything that is required."""
    error = folio.refused(user(1, requestPreference={"holdShelf": None, "delivery": False})).json()["errors"][0]
    assert error["parameters"] == [{"key": "users[0].requestPreference.holdShelf", "value": "null"}]
