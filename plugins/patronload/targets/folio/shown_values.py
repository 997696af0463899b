"""Decide which unknown values a mail may show: codes and names of groups, but nothing that may be about a person."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

from patronload.folding import fold

MOST_VALUES = 20
"""More different unknown values than this indicate a wrong column, not a forgotten code; they are not created."""

LONGEST_VALUE = 60

MANY_ROWS = 3
"""A value in this many rows, and in a quarter of those with an unknown value, is a code, not a name."""

_MONTH = (
    r"(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?"
    r"|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?)"
)

_PERSONAL = re.compile(
    r"@|\d{5}|\d{1,4}[-./\s]+\d{1,2}[-./\s]+\d{1,4}"
    rf"|\d(st|nd|rd|th)?[-./\s]*{_MONTH}\b|\b{_MONTH}[-./\s]*\d",
    re.IGNORECASE,
)
"""An e-mail address, a number of a card, a telephone or a person, a date."""


class Shown(NamedTuple):
    """Values in a mail and in plan.json: those that may be shown, with their rows; the others are only counted."""

    sentence: str
    values: list[dict[str, Any]]


def describe(counter: Counter[str], known: dict[str, str]) -> Shown:
    """The description of some values; `known` are those that FOLIO has, by their folded spelling."""
    shown = _values_to_show(counter, known)
    if not shown:
        rows = sum(counter.values())
        return Shown(f"{len(counter):,} different ones in {rows:,} rows; is the right column mapped?", [])
    sentence = ", ".join(_with_rows(value, count, known) for value, count in shown)
    more = f" and {len(counter) - len(shown)} more" if len(shown) < len(counter) else ""
    return Shown(f"{sentence}{more}.", [{"value": value, "rows": count} for value, count in shown])


def _values_to_show(counter: Counter[str], known: dict[str, str]) -> list[tuple[str, int]]:
    """
    The values that are probably not personal data: if nearly every row has a different one, only those in many rows, or
    those that FOLIO has in another spelling.
    """
    rows = sum(counter.values())
    listed = [(value, count) for value, count in counter.most_common() if may_be_shown(value)]
    if len(counter) == 1 or (MANY_ROWS * len(counter) <= rows and not are_too_many(counter)):
        return listed
    return [
        (value, count) for value, count in listed if fold(value) in known or (count >= MANY_ROWS and 4 * count >= rows)
    ]


def are_too_many(counter: Counter[str]) -> bool:
    """Whether there are more different values than forgotten codes would explain; see MOST_VALUES."""
    return len(counter) > MOST_VALUES


def _with_rows(value: str, count: int, known: dict[str, str]) -> str:
    near = known.get(fold(value))
    hint = f"; FOLIO has '{near}'" if near else ""
    return f"'{value}' ({count:,} {'row' if count == 1 else 'rows'}{hint})"


def may_be_shown(value: str) -> bool:
    """A name of a group or of a department may stand in a mail; what looks like a person's data may not."""
    return len(value) <= LONGEST_VALUE and not _PERSONAL.search(value)
