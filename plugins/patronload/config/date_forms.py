"""How a date is written in an export: a form of strftime directives, like %m/%d/%Y."""

import re
from datetime import date, datetime
from itertools import combinations
from typing import NamedTuple

DIRECTIVES = {*"YymbBdejaAF%", "-d", "-m"}
"""The strftime directives for days."""

EXAMPLE = date(2029, 8, 31)
"""The date of an example: no other day of its month has the same numbers in another order."""

PARTS = {
    "d": "day",
    "e": "day",
    "m": "month",
    "b": "month",
    "B": "month",
    "Y": "year",
    "y": "year",
    "F": "year-month-day",
}
PARTS |= {"j": "day of the year", "a": "weekday", "A": "weekday"}


def has_day_month_and_year(form: str) -> bool:
    """Whether a date in this form can be read back."""
    if not set(re.findall(r"%(-?.)", form)) <= DIRECTIVES or not re.search(r"%-?[yY]|%F", form):
        return False
    day = datetime(2003, 12, 31)  # noqa: DTZ001 - a day has no zone
    try:
        read = datetime.strptime(day.strftime(form), form)  # noqa: DTZ007 - as above
    except (ValueError, re.error):  # re.error for a form with the same part twice
        return False
    return read == day


def in_words(form: str) -> str:
    """An example and the order of its parts: 08/31/2029 (month/day/year) for %m/%d/%Y."""
    order = re.sub(r"%-?(.)", lambda found: PARTS.get(found[1], found[1]), form)
    return f"{EXAMPLE.strftime(form)} ({order})"


def ambiguous(forms: list[str]) -> tuple[str, str] | None:
    """Two forms that read the same text as different days, like %m/%d/%Y and %d/%m/%Y."""
    day = datetime(2003, 5, 6)  # noqa: DTZ001 - as above
    for one, other in combinations(forms, 2):
        try:
            if datetime.strptime(day.strftime(one), other) != day:  # noqa: DTZ007 - as above
                return one, other
        except ValueError:
            continue
    return None


FAR = "3000-01-01"
"""Placeholders after this day stand for "never expires", those before it for "no date"."""

MONTHS = [date(2029, month, 1).strftime("%B") for month in range(1, 13)]

UNITS = {"day": "d", "week": "w", "month": "mo", "year": "y"}


GROUP_OFFSET = "group offset"
"""Today, and the expiration offset that the library system has for the patron's group."""


class Adjustment(NamedTuple):
    """
    A change to a date: an offset like 6mo; a day of a month, in the same year or the next one that comes; or, without
    any of these, the end of the month.
    """

    offset: str = ""
    month: int | None = None
    day: int | None = None
    next: bool = False


def adjustment(written: str) -> Adjustment:
    """The change that is written like +6 months, end of month, 31 August or next 31 August. Raises ValueError."""
    if written == "end of month":
        return Adjustment()
    if found := re.fullmatch(r"([+-])\s?(\d{1,4}) (day|week|month|year)s?", written):
        return Adjustment(offset=f"{found[1].replace('+', '')}{found[2]}{UNITS[found[3]]}")
    found = re.fullmatch(r"(next )?(\d{1,2}) ([A-Za-z]+)", written)
    month = MONTHS.index(found[3]) + 1 if found and found[3] in MONTHS else None
    if found and month and _is_in_every_year(month, int(found[2])):
        return Adjustment(month=month, day=int(found[2]), next=bool(found[1]))
    raise ValueError(
        f"'{written}' is not a change to a date. Write one like +6 months, end of month, 31 August or next 31 August."
    )


def _is_in_every_year(month: int, day: int) -> bool:
    try:
        return bool(date(2027, month, day))
    except ValueError:
        return False
