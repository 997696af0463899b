"""Dates: forms, times, changes, and days that are not allowed."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patronload.mapping.transform import transform
from patronload.rows import no_rejects

MAPPING = """
target: folio
fields:
  externalSystemId: ID
  username: ID
  expirationDate: {rule}
lookups:
  terms: {{F26: "2026-12-18", S27: "2027-05-15"}}
"""


def made(frame, mapping, rule, *dates):
    table = frame(ID=[str(number) for number in range(len(dates))], D=dates)
    text = MAPPING.format(rule=rule)
    return transform(table, mapping(text if "terms" in rule else text.partition("lookups")[0]), no_rejects())


def values(frame, mapping, rule, *dates):
    """The date of each row; None for a row that is rejected or has none."""
    result = made(frame, mapping, rule, *dates)
    found = {row: json.loads(text).get("expirationDate") for row, text in result.patrons.select("row", "patron").rows()}
    return [found.get(row) for row in range(2, len(dates) + 2)]


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2027-06-30 00:00:00", "2027-06-30"),
        ("2027-06-30T23:59:59.000Z", "2027-06-30"),
        ("2027-06-30T23:59:59+02:00", "2027-06-30"),
        ("30-JUN-27 12.00.00.000000 AM", "2027-06-30"),
        ("2027-06-30Z", "2027-06-30"),
        ("2027-06-30+02:00", "2027-06-30"),
        ("2027-06-30T000000Z", "2027-06-30"),
        ("2027-06-30 235959", "2027-06-30"),
        ("2027-06-30T00:00:00+02", "2027-06-30"),
        ("2027-06-30T00:00:00Z[UTC]", "2027-06-30"),
        ("2027-06-30 00:00:00 EST", "2027-06-30"),
        ("2027-06-30 00:00:00 America/New_York", "2027-06-30"),
        ("6/30/2027 1:05 p.m.", "2027-06-30"),
        ("6/30/2027", "2027-06-30"),
        ("2027-06-31 00:00:00", None),
        ("2027-06-30 soon", None),
        ("00:00:00", None),
        ("2027-06-30 2027-07-01", None),
    ],
)
def test_a_time_after_the_date_is_ignored(mapping, frame, written, day):
    """The day that is written counts, whatever the time zone; anything else after a date rejects the row."""
    forms = '{column: D, date: ["%Y-%m-%d", "%d-%b-%y", "%m/%d/%Y"]}'
    assert values(frame, mapping, forms, written, "2027-01-01") == [day, "2027-01-01"]


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ("31 August", "2027-05-12", "2027-08-31"),
        ("31 August", "2027-12-31", "2027-08-31"),
        ("next 15 October", "2027-10-15", "2027-10-15"),
        ("next 15 October", "2027-10-16", "2028-10-15"),
        ("end of month", "2028-02-01", "2028-02-29"),
        ("+1 month", "2027-01-31", "2027-02-28"),
        ("+1 year", "2028-02-29", "2029-02-28"),
        ("-1 day", "2028-03-01", "2028-02-29"),
        ("+2 weeks", "2027-12-20", "2028-01-03"),
        ("[end of month, +1 day]", "2027-12-05", "2028-01-01"),
    ],
)
def test_a_date_is_changed(mapping, frame, change, before, after):
    """In the order that is written; a blank cell stays blank."""
    rule = f'{{column: D, date: "%Y-%m-%d", adjust: {change}}}'
    assert values(frame, mapping, rule, before, "") == [after, None]


def test_a_term_gives_the_date(mapping, frame):
    """By a lookup, changed or not; an unknown term rejects the row."""
    assert values(frame, mapping, "{column: D, lookup: terms}", "F26", "S27", "X", "") == [
        "2026-12-18",
        "2027-05-15",
        None,
        None,
    ]
    assert values(frame, mapping, "{column: D, lookup: terms, adjust: 31 May}", "S27") == ["2027-05-31"]


def test_the_day_of_the_load_can_be_changed(mapping, frame):
    """For a library whose cards are good for a while after each load."""
    assert values(frame, mapping, "{today: +120 days}", "", "x") == [f"{date.today() + timedelta(days=120)}"] * 2


@pytest.mark.parametrize("day", ["1899-12-30", "1900-01-01", "1970-01-01", "9999-12-31"])
@pytest.mark.parametrize(
    ("more", "allows"),
    [("", False), (", outside: clamp", False), (', earliest: "1800-01-01", latest: "9999-12-31"', True)],
)
def test_a_placeholder_is_not_an_expiry_date(mapping, frame, day, more, allows):
    """Other systems write it for "no date"; a mapping may allow it."""
    assert values(frame, mapping, f'{{column: D, date: "%Y-%m-%d"{more}}}', day) == [day if allows else None]


def test_a_date_outside_is_left_out_or_replaced_with_a_note(mapping, frame):
    """The patron is loaded, and the report says what was changed."""
    for outside, value in (("blank", None), ("clamp", "2031-12-31")):
        rule = f'{{column: D, date: "%Y-%m-%d", latest: "2031-12-31", outside: {outside}}}'
        result = made(frame, mapping, rule, "2099-12-31", "2027-01-01", "nonsense")
        assert [json.loads(text).get("expirationDate") for text in result.patrons["patron"]] == [value, "2027-01-01"]
        assert result.noted.select("row", "column", "value").rows() == [(2, "D", "2099-12-31")]
        assert "2099" not in result.noted["summary"][0]
        assert result.rejects["row"].to_list() == [4]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    days=st.lists(st.dates(date(1950, 1, 1), date(2050, 1, 1)), min_size=1, max_size=6), form=st.sampled_from(range(3))
)
def test_any_day_in_any_form_is_read_as_that_day(mapping, frame, days, form):
    """A list of forms never changes what one of them alone would read."""
    forms = ["%Y-%m-%d", "%d.%m.%Y", "%d %B %Y"]
    rule = f'{{column: D, date: {json.dumps(forms)}, earliest: "1900-01-01", latest: "+99 years"}}'
    written = [day.strftime(forms[form]) for day in days]
    assert values(frame, mapping, rule, *written) == [day.isoformat() for day in days]
