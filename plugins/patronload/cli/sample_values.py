"""Recognise the values in a column of a sample: dates and their forms, packed cells, codes, ids with leading zeros."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

FORMS = {
    "%Y-%m-%d": r"\d{4}-\d\d-\d\d",
    "%Y%m%d": r"(?:19|20)\d\d[01]\d[0-3]\d",
    "%d.%m.%Y": r"\d{1,2}\.\d{1,2}\.\d{4}",
    "%m/%d/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%d/%m/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%m/%d/%y": r"\d{1,2}/\d{1,2}/\d\d",
    "%d/%m/%y": r"\d{1,2}/\d{1,2}/\d\d",
    "%m-%d-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%d-%m-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%m-%d-%y": r"\d{1,2}-\d{1,2}-\d\d",
    "%d-%m-%y": r"\d{1,2}-\d{1,2}-\d\d",
    "%Y/%m/%d": r"\d{4}/\d\d?/\d\d?",
    "%d-%b-%Y": r"\d{1,2}-[A-Za-z]{3}-\d{4}",
    "%d-%b-%y": r"\d{1,2}-[A-Za-z]{3}-\d\d",
    "%d %b %Y": r"\d{1,2} [A-Za-z]{3} \d{4}",
}
"""Date forms, and a pattern for each."""

TIME = r"(?:[ T]\d{1,2}:\d\d.*)?"
"""A time after the date, which a load ignores."""

MONTHS = 12

MOST_CODES = 20

PACKED = {
    "comma": r"[^,;]+, *[^,;]+",
    "place": r"[^,]+, *[A-Za-z]{2} +\d{5}(?:-\d{4})?",
    "group and date": r".*-[0-9]{3}[a-z]+ +--\d{1,2}/\d{1,2}/\d{4}",
    "json": r"\{.*\}|\[.*\]",
    "pairs": r"[A-Z_]{2,}:[^,:]*(?:,[A-Z_]{2,}:[^,:]*)+",
}
"""Cells with several values in one: "Smith, Jane", "Poplar Bluff, MO 63901", "0061l-000lsb  --05/17/2027", JSON, and
"SID:4711,LANG:EN"."""

COUNTRIES = ("US", "AU", "GB", "NZ", "IE", "DE")
"""The countries that are tried for telephone numbers without +."""


class Dates(NamedTuple):
    """The forms of the dates in a column, and what is uncertain about them: a sentence, or nothing."""

    forms: list[str]
    note: str


def cells_of(values: Sequence[str]) -> list[str]:
    """The values that are not blank, without blanks around them."""
    return [value.strip() for value in values if value.strip()]


def dates(cells: list[str]) -> Dates:
    """The forms of the dates, the most frequent first, and a note about them."""
    found: Counter[tuple[str, ...]] = Counter()
    unread = 0
    by_shape: dict[tuple[str, ...], list[str]] = {}
    for cell in cells:
        forms = tuple(form for form, shape in FORMS.items() if re.fullmatch(shape + TIME, cell))
        by_shape.setdefault(forms, []).append(cell)
    for forms, alike in by_shape.items():
        fitting = {form: sum(_is_possible(form, cell) for cell in alike) for form in forms}
        most = max(fitting.values(), default=0)
        if 2 * most > len(alike):  # a wrong date or two does not make it another form
            found[tuple(form for form in forms if fitting[form] == most)] += most
            unread += len(alike) - most
        else:
            unread += len(alike)
    if not found:
        return Dates(["%Y-%m-%d"], "no date format fits the sample; the draft assumes %Y-%m-%d.")
    several = [forms for forms in found if len(forms) > 1]
    notes = [f"the dates in the sample fit {' and '.join(forms)}; check which one is right." for forms in several]
    what = "cell is not a date" if unread == 1 else "cells are not dates"
    notes += [f"{unread:,} {what} in any known form."] if unread else []
    return Dates([forms[0] for forms, _ in found.most_common()], " ".join(notes))


def _is_possible(form: str, cell: str) -> bool:
    """Whether the cell has no 13th month."""
    if "%b" in form or form.startswith("%Y"):
        return True
    place = re.findall("%[dmyY]", form).index("%m")
    return int(re.split(r"[^0-9]", cell)[place]) <= MONTHS


def is_dates(cells: list[str]) -> bool:
    """Whether the values are dates."""
    return bool(cells) and all(any(re.fullmatch(shape + TIME, cell) for shape in FORMS.values()) for cell in cells)


def packed(cells: list[str], kind: str) -> bool:
    """Whether at least nine of ten cells are packed in this way; see PACKED."""
    return bool(cells) and sum(bool(re.fullmatch(PACKED[kind], cell)) for cell in cells) >= 0.9 * len(cells)


def codes(cells: list[str]) -> list[str]:
    """The values, sorted, if they are codes: few, and each in several rows."""
    different = set(cells)
    return sorted(different) if cells and len(different) <= MOST_CODES and 2 * len(different) <= len(cells) else []


def width(cells: list[str]) -> int | None:
    """The number of digits of ids that all have the same, and some of them leading zeros; otherwise None."""
    widths = {len(cell) for cell in cells}
    are_digits = all(re.fullmatch("[0-9]+", cell) for cell in cells)
    return widths.pop() if len(widths) == 1 and are_digits and any(cell.startswith("0") for cell in cells) else None


def separator(cells: list[str]) -> str | None:
    """The character between several values in a cell, if a cell has several."""
    return next((sign for sign in (";", "|", ",") if any(sign in cell for cell in cells)), None)


def phone_country(cells: list[str]) -> str | None:
    """The country whose telephone numbers these are; None for international ones, and others."""
    import phonenumbers  # slow to import

    if not cells or all(cell.startswith("+") for cell in cells):
        return None
    for country in COUNTRIES:
        if all(_is_number(phonenumbers, cell, country) for cell in cells):
            return country
    return None


def _is_number(phonenumbers: Any, cell: str, country: str) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(cell, country)))
    except phonenumbers.NumberParseException:
        return False


def is_upper(cells: list[str]) -> bool:
    """Whether all names are in capital letters."""
    return bool(cells) and all(cell.upper() == cell and cell.lower() != cell for cell in cells)


def looks_like_a_value(cell: str) -> bool:
    """Whether a cell of the first line looks like a patron's and not like the name of a column."""
    tests: list[Callable[[str], object]] = [
        lambda text: "@" in text,
        lambda text: re.fullmatch(r"[0-9 ()+./-]{5,}", text),
        lambda text: is_dates([text]),
    ]
    return any(test(cell.strip()) for test in tests)
