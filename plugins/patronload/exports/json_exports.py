"""Read JSON Lines, or a JSON array of objects: each object is a row, and its keys are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from patronload.errors import SourceError

BEGINS = re.compile(r'\s*(\[\s*[{\]]|\{\s*["}])')
"""A header line in CSV may begin with a bracket, but hardly like this."""

Row = tuple[int, list[str]]


def is_json(text: str) -> bool:
    """Whether a text is JSON and not CSV."""
    return bool(BEGINS.match(text))


def read(text: str) -> list[Row]:
    """
    The rows with their numbers: the header first, as row 0, with all keys in the order in which they occur.

    Numbers keep their digits; objects and lists within an object stay JSON. Raises SourceError for other content.
    """
    objects = list(_array(text) if text.lstrip().startswith("[") else _lines(text))
    columns = list(dict.fromkeys(key for _, each in objects for key in each))
    rows = [(number, [_text(each.get(column)) for column in columns]) for number, each in objects]
    return [(0, columns), *rows]


def _array(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, value in enumerate(_parsed(text, 1), 1):
        yield number, _object(value, f"entry {number}")


def _lines(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if line.strip():
            yield number, _object(_parsed(line, number), f"line {number}")


def _parsed(text: str, line: int) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_without_repeated_keys)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"The export begins like JSON, but line {line + error.lineno - 1} is not JSON. Ask the sender for one "
            "object in each line, or for an array of objects."
        ) from None
    except (ValueError, RecursionError):
        raise SourceError(
            f"The export begins like JSON, but an object in line {line} or after it has the same key twice, or is "
            "nested too deep. Ask the sender to correct it."
        ) from None


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SourceError(f"The export is JSON, but {where} is not an object with keys. Ask the sender for objects.")
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", errors="replace").decode()  # half of a surrogate pair becomes a question mark
