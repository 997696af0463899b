"""The values of a database as texts, each kind in one documented way (docs/tenant-files.md, Queries)."""

import json
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from typing import Any
from uuid import UUID


class NoText(ValueError):  # noqa: N818 - it is one to the caller only
    """A value that has no text of its own. The message names its kind, never the value."""


def cell_text(value: Any) -> str:
    """
    The text of a value: NULL is blank, and texts stay as they are.

    Raises NoText for bytes, for a number that is none or infinite, and for kinds that have no text of their own.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | UUID):
        return str(value)
    for kinds, as_text in _TEXTS:
        if isinstance(value, kinds):
            return as_text(value)
    raise NoText(f"a value of the type {type(value).__name__} cannot be text.")


def _whole(text: str) -> str:
    """A text that can be written; half of a character cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise NoText("a text is not Unicode.") from None
    return text


def _number(value: float | Decimal) -> str:
    """All digits, never an exponent: 1.5, 1000000000000000000000."""
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    if not exact.is_finite():
        raise NoText("a number is NaN or infinite.")
    return format(exact, "f")


def _moment(value: date | time) -> str:
    """ISO 8601: 2027-06-30, 2027-06-30T08:15:00+02:00, 08:15:00."""
    return value.isoformat()


def _json(value: Any) -> str:
    """A list, or what a column of JSON holds, for the rules `json` and `list`."""
    try:
        return _whole(json.dumps(value, ensure_ascii=False, allow_nan=False, default=cell_text))
    except (TypeError, ValueError, RecursionError):
        raise NoText("a list or JSON contains a value that has no text form.") from None


_TEXTS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, _whole),
    ((float, Decimal), _number),
    ((date, time), _moment),
    ((dict, list, tuple), _json),
)
