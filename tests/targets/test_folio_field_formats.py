"""The formats of custom fields, as FOLIO's own module checks them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronload.targets.folio.field_formats import is_email, is_url, misfit
from sandbox.folio import FolioServer, web_formats
from sandbox.folio.reference import text_field
from tests.targets.loads import FOLIO_TENANT, person
from tests.targets.plans import FILLED, mapping, plan, reasons


def text(form: str) -> dict[str, Any]:
    return {"type": "TEXTBOX_SHORT", "textField": {"fieldFormat": form}}


DATE = {"type": "DATE_PICKER"}

FITS = [
    *((text("EMAIL"), value) for value in ("a@b.edu", "o'neil@sub.college.ac.uk", "a+b@MUSEUM.museum", "a@münchen.de")),
    *((text("URL"), value) for value in ("http://x.edu", "https://college.edu:8443/a/b?c=d#e")),
    *((text("NUMBER"), value) for value in ("1", "-1", "1,5", "1.5", ".5", "1 000", "1,000,000.25", "007")),
    (DATE, "2026-05-17"),
    (DATE, "2028-02-29"),
    (text("TEXT"), "x" * 150),
    ({"type": "TEXTBOX_LONG"}, "x" * 1500),
]

MISFITS = [
    *(
        (text("EMAIL"), value, "e-mail")
        for value in ("a@b.c", "a@b", "a@b.example", "ä@b.example", "ä@b.edu", "b.edu", " a@b.edu")
    ),
    *(
        (text("URL"), value, "web address")
        for value in ("ftp://x.edu", "x.example", "http://localhost", "http://x.edu/a b")
    ),
    *((text("NUMBER"), value, "number") for value in ("1e5", "+1", " 1", "1 ", "٣", "", "1,00,0")),
    *((DATE, value, "date") for value in ("2026-05-17T00:00:00", "2026-02-30", "17.05.2026", "2026-5-17")),
    (text("TEXT"), "x" * 151, "maximum of 150"),
    (text("TEXT"), "😀" * 76, "maximum of 150"),
    (text("TEXT"), "   ", "blanks alone"),
]


@pytest.mark.parametrize(("field", "value"), FITS)
def test_what_fits(field: dict[str, Any], value: str):
    """FOLIO takes it, and so does the plan."""
    assert misfit(field, value) is None


@pytest.mark.parametrize(("field", "value", "word"), MISFITS)
def test_what_does_not_fit(field: dict[str, Any], value: str, word: str):
    """FOLIO would refuse the whole user; the plan says which rule is broken."""
    assert word in str(misfit(field, value))


@given(st.from_regex(r"[a-z@.:/ 0-9é-]{1,12}(@|://)?[a-z.0-9é-]{1,8}\.(edu|com|c|example)/?", fullmatch=True))
def test_what_the_plan_takes_folio_takes(value: str):
    """Nothing passes the plan that the module then refuses."""
    assert not is_email(value) or web_formats.is_email(value)
    assert not is_url(value) or web_formats.is_url(value)


def test_a_misfit_is_reported_with_column_row_and_rule(server: FolioServer, tmp_path: Any):
    """Only its own row is rejected."""
    field = text_field("web", "Web page")
    server.store(FOLIO_TENANT).custom_fields.put(field | {"textField": {"fieldFormat": "URL"}})
    rules = mapping(tmp_path, (*FILLED, "customFields.web"))
    rows = [person(1, customFields={"web": "x.example"}), person(2, customFields={"web": "https://x.edu"})]
    planned = plan(server, rows, rules)
    assert list(reasons(planned)) == [2]
    assert reasons(planned)[2].startswith("customFields.web 'x.example': FOLIO's custom field takes a web address")
