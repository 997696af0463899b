"""Read JSON Lines, or a JSON array of objects: each object is a row, and its keys are the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

import polars as pl

from patronload.config.source import Most
from patronload.errors import SourceError
from patronload.exports import csv_records, sizes
from patronload.rows import ROW

BEGINS = re.compile(r'\s*(\[\s*[{\]]|\{\s*["}])')
"""A header line in CSV may begin with a bracket, but hardly like this."""

BLANKS = re.compile(r"\s*")

LONGEST = 1 << 21
"""
The maximum number of characters of an object. As Python's objects, the smallest values take twenty times their text, so
never much more than one object is read at a time.
"""

TOGETHER = 500_000
"""The number of cells that become one frame; until then they are Python's texts."""

Numbered = tuple[int, dict[str, Any]]
"""An object with the number of its line, or its number in the array."""


def is_json(text: str) -> bool:
    """Whether a text is JSON and not CSV."""
    return bool(BEGINS.match(text))


def is_array(text: str) -> bool:
    """Whether a text of JSON is an array, and not an object in each line."""
    return text.lstrip().startswith("[")


def read(text: TextIO, size: int, most: Most, *, is_array: bool) -> tuple[list[str], list[pl.DataFrame]]:
    """
    The keys in the order in which they occur, and the rows of a file of `size` bytes: ROW and a column for each key.

    Numbers keep their digits; objects and lists within an object stay JSON. Raises SourceError for other content, and
    as soon as there are more rows, columns or empty cells than the file may have.
    """
    columns: dict[str, str] = {}
    frames: list[pl.DataFrame] = []
    rows: csv_records.Ragged = []
    for count, (number, each) in enumerate(_array(text) if is_array else _lines(text), 1):
        _refuse_wrapped(each, count)
        for key in each:
            columns.setdefault(key, str(len(columns)))
        cells = [_text(each.get(key)) for key in columns]
        if any(cells):  # blank ones are in no export
            rows.append((number, cells))
        _check_size(count, len(columns), size, most)
        if len(rows) * len(columns) > TOGETHER:
            frames.append(_frame(rows, [*columns.values()]))
            rows = []
    frames.append(_frame(rows, [*columns.values()]))
    return [*columns], [_filled(frame, [*columns.values()]) for frame in frames]


def _refuse_wrapped(row: dict[str, Any], count: int) -> None:
    """Raises SourceError for {"users": [{...}, ...]}: nothing says that its list has the patrons."""
    for value in row.values():
        if count == 1 and len(row) == 1 and isinstance(value, list) and value and isinstance(value[0], dict):
            raise SourceError(
                "The export is a JSON object with a list in it, not a list of patrons. Ask the sender for an array of "
                "objects, or for one object in each line."
            )


def _check_size(rows: int, columns: int, size: int, most: Most) -> None:
    sizes.expect_at_most(most, "rows", rows)
    sizes.expect_at_most(most, "columns", columns)
    sizes.expect_cells(most, rows, columns, size)


def _frame(rows: csv_records.Ragged, names: list[str]) -> pl.DataFrame:
    """The rows; those before a key that occurs for the first time have no cell for it."""
    return csv_records.frame_of([(number, _widened(cells, len(names))) for number, cells in rows], names)


def _widened(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))


def _filled(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """The frame with an empty column for each key that occurs only after it."""
    return frame.with_columns(pl.lit("").alias(name) for name in names[frame.width - 1 :]).select(ROW, *names)


def _lines(text: TextIO) -> Iterator[Numbered]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        if len(line) > LONGEST:
            raise _too_long(number)
        try:
            value = _DECODER.decode(line)
        except json.JSONDecodeError:
            raise _no_json(number) from None
        except (ValueError, RecursionError):
            raise _odd_object(number) from None
        yield number, _object(value, f"line {number}")


class _Window:
    """A text that is read piece by piece: from a place on, an object of any allowed length, or the rest."""

    def __init__(self, text: TextIO) -> None:
        self._text, self._lines = text, 1
        self.block, self.place, self.is_last = "", 0, False
        self.move_to(0)

    def move_to(self, place: int) -> None:
        """To the first character from here on that is not blank."""
        while True:
            found = BLANKS.match(self.block, place)
            self.place = place = found.end() if found else place
            if self.is_last or len(self.block) - place > LONGEST:
                return
            self._lines = self.line(place)
            more = self._text.read(2 * LONGEST)
            self.block, self.is_last = self.block[place:] + more, not more
            place = 0

    def at(self) -> str:
        """The character here; none at the end."""
        return self.block[self.place : self.place + 1]

    def line(self, place: int) -> int:
        """The line of a place in the block."""
        text = self.block
        breaks = text.count("\n", 0, place) + text.count("\r", 0, place) - text.count("\r\n", 0, place)
        return self._lines + breaks


def _array(text: TextIO) -> Iterator[Numbered]:
    window, number = _Window(text), 0
    window.move_to(window.place + 1)  # behind the bracket
    follows = window.at() != "]"
    while follows:
        number += 1
        value, end = _decoded(window)
        yield number, _object(value, f"entry {number}")
        window.move_to(end)
        follows = window.at() == ","
        if follows:
            window.move_to(window.place + 1)
    if window.at() != "]":
        raise _no_json(window.line(window.place))
    window.move_to(window.place + 1)
    if window.at():
        raise _no_json(window.line(window.place))


def _decoded(window: _Window) -> tuple[Any, int]:
    """The value here, and where it ends in the window's block."""
    try:
        return _DECODER.raw_decode(window.block, window.place)
    except json.JSONDecodeError as error:
        line = window.line(error.pos)
        at_end = error.pos > len(window.block) - LONGEST or error.msg.startswith("Unterminated")
        raise (_too_long(line) if at_end and not window.is_last else _no_json(line)) from None
    except (ValueError, RecursionError):
        raise _odd_object(window.line(window.place)) from None


def _odd_object(line: int) -> SourceError:
    return SourceError(
        f"The export begins like JSON, but an object in line {line} or after it has the same key twice, "
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
