"""Read JSON Lines, or a JSON array of objects: each object is a row, and its keys are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from patronload.config.source import Most
from patronload.errors import SourceError

BEGINS = re.compile(r'\s*(\[\s*[{\]]|\{\s*["}])')
"""A header line in CSV may begin with a bracket, but hardly like this."""

BLANKS = re.compile(r"\s*")

LINE = re.compile(r"[^\r\n]+")

LONGEST = 1 << 21
"""
The maximum number of characters of an object. As Python's objects, the smallest values take twenty times their text, so
never much more than one object is read at a time.
"""

FEW_CELLS = 10_000_000
"""An object may leave out keys that others have. More than this many cells, and more than the file has characters, is
an attack."""

Row = tuple[int, list[str]]


def is_json(text: str) -> bool:
    """Whether a text is JSON and not CSV."""
    return bool(BEGINS.match(text))


def read(text: str, most: Most) -> list[Row]:
    """
    The rows with their numbers: the header first, as row 0, with all keys in the order in which they occur.

    Numbers keep their digits; objects and lists within an object stay JSON. Raises SourceError for other content, and
    as soon as there are more rows or columns than `most` allows.
    """
    columns: dict[str, int] = {}
    rows: list[Row] = []
    objects = _array(text) if text.lstrip().startswith("[") else _lines(text)
    for count, (number, each) in enumerate(objects, 1):
        for key in each:
            columns.setdefault(key, len(columns))
        cells = [_text(each.get(column)) for column in columns]
        if any(cells):  # blank ones are in no export
            rows.append((number, cells))
        _check_size(count, len(columns), len(text), most)
    for _, cells in rows:
        cells.extend([""] * (len(columns) - len(cells)))
    return [(0, [*columns]), *rows]


def _check_size(rows: int, columns: int, characters: int, most: Most) -> None:
    for what, number, allowed in (("rows", rows, most.rows), ("columns", columns, most.columns)):
        if number > allowed:
            raise SourceError(
                f"The export is larger than source.most.{what} allows: it has more than {allowed:,} {what}. If the "
                "file is right, raise that limit in the tenant file; otherwise ask the sender."
            )
    if rows * columns > max(FEW_CELLS, characters):
        raise SourceError(
            f"The objects of the export have {columns:,} different keys, and most objects lack nearly all of them. "
            "Ask the sender how the file was made."
        )


def _lines(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    number, end = 1, 0
    for line in LINE.finditer(text):
        number += _line_breaks(text, end, line.start())
        end = line.end()
        if not line[0].strip():
            continue
        if end - line.start() > LONGEST:
            raise _too_long(number)
        try:
            value = _DECODER.decode(line[0])
        except (ValueError, RecursionError) as error:
            raise _refusal(error, text, line.start()) from None
        yield number, _object(value, f"line {number}")


def _array(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    begin, place, number = 0, _after_blanks(text, text.index("[") + 1), 0
    block, follows = text[: 2 * LONGEST], text[place : place + 1] != "]"
    while follows:
        if place - begin > LONGEST:
            block, begin = text[place : place + 2 * LONGEST], place
        number += 1
        try:
            value, end = _DECODER.raw_decode(block, place - begin)
        except (ValueError, RecursionError) as error:
            raise _refusal(error, text, begin, cut=begin + len(block) < len(text)) from None
        yield number, _object(value, f"entry {number}")
        place = _after_blanks(text, begin + end)
        follows = text[place : place + 1] == ","
        if follows:
            place = _after_blanks(text, place + 1)
    if not re.fullmatch(r"\]\s*", text[place : place + LONGEST]):
        raise _no_json(_line(text, place))


def _after_blanks(text: str, place: int) -> int:
    found = BLANKS.match(text, place)
    return found.end() if found else place


def _line(text: str, place: int) -> int:
    return _line_breaks(text, 0, place) + 1


def _line_breaks(text: str, begin: int, end: int) -> int:
    return text.count("\n", begin, end) + text.count("\r", begin, end) - text.count("\r\n", begin, end)


def _refusal(error: Exception, text: str, begin: int, *, cut: bool = False) -> SourceError:
    """An error of a decoder that began there, as a sentence. `cut`: whether its text ends before the text."""
    if isinstance(error, json.JSONDecodeError):
        found = _line(text, begin + error.pos)
        return _too_long(found) if cut and error.pos > len(error.doc) - LONGEST else _no_json(found)
    return SourceError(
        f"The export begins like JSON, but an object in line {_line(text, begin)} or after it has the same key twice, "
        "or is nested too deep. Ask the sender to correct it."
    )


def _no_json(line: int) -> SourceError:
    return SourceError(
        f"The export begins like JSON, but line {line} is not JSON. Ask the sender for one object in each line, or for "
        "an array of objects."
    )


def _too_long(line: int) -> SourceError:
    return SourceError(
        f"The export begins like JSON, but line {line} is not JSON, or an object there has more than {LONGEST:,} "
        "characters. Ask the sender for one object for each patron."
    )


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, object_pairs_hook=_without_repeated_keys)


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
