"""Dates: read from text, moved by `adjust`, and held to the days that are allowed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from patronload import systems
from patronload.config import date_forms
from patronload.config.date_forms import Adjustment
from patronload.config.rules import Variant
from patronload.mapping.cells import OUTSIDE, TEXT, VALUE

EARLIEST_YEAR, LATEST_YEAR = 1000, 9999
"""%Y also reads the 26 of 1/5/26 as the year 26, which is not a real date."""

WESTERNMOST, EASTERNMOST = timedelta(hours=-12), timedelta(hours=14)
"""The time zones where a day begins last and first, from UTC."""

CLOCK = r"[0-9]{1,2}[:.][0-9]{2}([:.][0-9]{2}([.,][0-9]+)?)?\s*([ap]\.?m\.?)?"
COMPACT = r"t[0-9]{4}([0-9]{2}([.,][0-9]+)?)?|\s+[0-9]{6}"
ZONE = r"z|[a-z]{3,4}|[+-][0-9]{2}(:?[0-9]{2})?|\[?[a-z]+(/[a-z_]+)+\]?|\[utc\]"
TIME = rf"(?i)(((t|\s+){CLOCK}|{COMPACT})(\s*({ZONE})){{0,2}}|z|[+-][0-9]{{2}}:[0-9]{{2}})$"
"""A time of day after a date, with its zone; it is ignored."""

PLACEHOLDER = "is a placeholder, not a real date"


class Span(NamedTuple):
    """
    The first and last allowed day of a date, each like 2027-08-31 or None; the words for a date outside; the days that
    other systems write for "no date"; and what happens to a date that is not allowed.
    """

    earliest: str | None = None
    latest: str | None = None
    words: str = ""
    placeholders: tuple[str, ...] = ()
    outside: str = "reject"


def span(path: str, rule: Variant, target: str, now: datetime | None = None) -> Span:
    """
    The allowed days of a date field: those of the rule, else those that make sense for the field.

    Where a limit depends on today, it is today anywhere on Earth: the library's day may differ from this machine's.
    """
    first, last = (((now or datetime.now(UTC)) + offset).date() for offset in (WESTERNMOST, EASTERNMOST))
    system = systems.KNOWN[target]
    usual = system.ranges.get(path, (None, None))
    earliest, latest = rule.earliest or usual[0], rule.latest or usual[1]
    sides = [f"before {_in_words(earliest)}"] if earliest else []
    sides += [f"after {_in_words(latest)}"] if latest else []
    allowed_from, allowed_to = _day(rule.earliest, first), _day(rule.latest, last)
    placeholders = tuple(
        day
        for day in system.placeholders.get(path, ())
        if not (allowed_from and day >= allowed_from and day < date_forms.FAR)
        and not (allowed_to and day <= allowed_to and day >= date_forms.FAR)
    )
    return Span(_day(earliest, first), _day(latest, last), " or ".join(sides), placeholders, rule.outside)


def _in_words(day: str) -> str:
    """A bound in words that are the same every day: +30 years is 'today + 30 years'."""
    return f"today {day[0]} {day[1:]}" if day[0] in "+-" else day


def _day(written: str | None, today: date) -> str | None:
    if written is None or written[:1].isdigit():
        return written
    years = 0 if written == "today" else int(written.split()[0])
    try:
        day = today.replace(year=today.year + years)
    except ValueError:  # most years have no 29 February
        day = today.replace(year=today.year + years, day=28)
    return day.isoformat()


def read(texts: pl.DataFrame, rule: Variant, allowed: Span) -> pl.DataFrame:
    """
    The dates in TEXT, in one of the rule's forms, adjusted and within the span.

    Returns TEXT, VALUE (a day like 2027-08-31, or null) and OUTSIDE: why a date that could be read is not allowed.
    """
    days = _days(texts[TEXT], rule.forms[0])
    unread = days.is_null() & texts[TEXT].is_not_null()
    if unread.any():
        left = texts[TEXT].filter(unread).str.replace(TIME, "")
        tried = pl.DataFrame([_days(left, form).alias(form) for form in rule.forms])
        found = tried.select(pl.coalesce(pl.all())).to_series()
        days = days.scatter(unread.arg_true(), found)
    return _check_span(texts.with_columns(days.alias("day")), rule, allowed)


def of_lookup(texts: pl.DataFrame, rule: Variant) -> pl.DataFrame:
    """The days in VALUE, which come from a lookup, adjusted."""
    day = pl.col(VALUE).str.to_date("%Y-%m-%d")
    return texts.with_columns(_adjust(day, rule.adjustments).dt.to_string("%Y-%m-%d").alias(VALUE))


def fixed_date(adjustments: list[Adjustment]) -> str:
    """Today, adjusted, like 2027-08-31."""
    moved = pl.select(_adjust(pl.lit(date.today()), adjustments)).item()
    return str(moved.isoformat())


def _days(texts: pl.Series, form: str) -> pl.Series:
    """
    The dates in this form; null for a text that has another form.

    polars reads 2027113 with %Y%m%d as 3 November. So a date counts only if writing it again gives the same text.
    """
    table = pl.DataFrame({TEXT: texts}).with_columns(pl.col(TEXT).str.to_date(form, strict=False).alias("day"))
    again = table.with_columns(again=pl.col("day").dt.to_string(form))
    same = pl.col("again") == pl.col(TEXT)
    if not again.select(same.all()).item():
        same = _plain(pl.col("again")) == _plain(pl.col(TEXT))
    real = pl.col("day").dt.year().is_between(EARLIEST_YEAR, LATEST_YEAR)
    return again.select(pl.when(same & real).then(pl.col("day"))).to_series()


def _plain(written: pl.Expr) -> pl.Expr:
    """A written date in lower case, without blanks and without leading zeros."""
    return written.str.to_lowercase().str.replace_all(r"\s+", "").str.replace_all(r"(^|[^0-9])0+([0-9])", "${1}${2}")


def _check_span(dated: pl.DataFrame, rule: Variant, allowed: Span) -> pl.DataFrame:
    """The dates as text, each adjusted, and the fault of those that are not allowed."""
    iso = pl.col("day").dt.to_string("%Y-%m-%d")
    if rule.adjustments or allowed.placeholders:
        written, value = iso, _adjust(pl.col("day"), rule.adjustments).dt.to_string("%Y-%m-%d")
        is_placeholder = written.is_in(list(allowed.placeholders))
    else:
        value, is_placeholder = iso, pl.lit(value=False)
    dated = dated.with_columns(value.alias(VALUE), is_placeholder.alias("placeholder"))
    beyond = pl.lit(value=False)
    if allowed.earliest:
        beyond |= pl.col(VALUE) < allowed.earliest
    if allowed.latest:
        beyond |= pl.col(VALUE) > allowed.latest
    fault = pl.when("placeholder").then(pl.lit(PLACEHOLDER)).when(beyond).then(pl.lit(f"is {allowed.words}"))
    dated = dated.with_columns(fault.otherwise(None).alias(OUTSIDE))
    return dated.select(TEXT, _keep(allowed).alias(VALUE), OUTSIDE)


def _keep(allowed: Span) -> pl.Expr:
    """The value of a date that is allowed; with `clamp`, the nearest limit for one that is not."""
    value, fault = pl.col(VALUE), pl.col(OUTSIDE)
    kept = pl.when(fault.is_null()).then(value)
    if allowed.outside != "clamp":
        return kept.otherwise(None)
    # A placeholder is not near any limit.
    early = (value < (allowed.earliest or "")) & ~pl.col("placeholder")
    late = (value > (allowed.latest or "9999-12-31")) & ~pl.col("placeholder")
    return kept.when(early).then(pl.lit(allowed.earliest)).when(late).then(pl.lit(allowed.latest)).otherwise(None)


def _adjust(day: pl.Expr, adjustments: list[Adjustment]) -> pl.Expr:
    for adjustment in adjustments:
        day = _one_adjustment(day, adjustment)
    return day


def _one_adjustment(day: pl.Expr, adjustment: Adjustment) -> pl.Expr:
    if adjustment.offset:
        return day.dt.offset_by(adjustment.offset)
    if adjustment.month is None or adjustment.day is None:
        return day.dt.month_end()
    year = day.dt.year()
    same_year = pl.date(year, adjustment.month, adjustment.day)
    if not adjustment.next:
        return pl.when(day.is_not_null()).then(same_year)
    next_year = pl.date(year + 1, adjustment.month, adjustment.day)
    return pl.when(day <= same_year).then(same_year).when(day.is_not_null()).then(next_year)
