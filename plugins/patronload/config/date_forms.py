"""How a date is written in an export: a form of strftime directives, like %m/%d/%Y."""

import re
from datetime import date, datetime

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
