"""
Read what a plan changes, from changes.parquet: one page of patrons, or all lines part by part.

The file may have millions of lines. Polars reads it lazily: only the lines of one page, or of one part, are in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Any, NamedTuple

import polars as pl

from patronload.artifacts import names, tables
from patronload.artifacts.run import Run
from patronload.checks.effects import in_words

PER_PAGE = 50

PART = 50_000
"""Lines that are read at once; the file has a row group for half as many."""

UNCHANGED = "unchanged"
"""The action that is left out unless someone asks for it."""

WITHOUT_ROW = ("leave", "inactive")
"""Actions on patrons who are not in the file; the row of such a line is only a number in the plan."""

NEW = "new patron"
"""Why a created patron has a value."""


class Choice(NamedTuple):
    """The patrons to show: those of one action (all that change anything if empty), and with one field changed."""

    action: str = ""
    field: str = ""


class Change(NamedTuple):
    """A field of a patron before and after, as text; empty for none, and of patrons whose fields are not compared."""

    field: str
    before: str
    after: str
    why: str


class Patron(NamedTuple):
    """A patron in the plan. `row` is None for someone who is not in the file."""

    row: int | None
    key: str
    action: str
    changes: tuple[Change, ...]


class Page(NamedTuple):
    """Some patrons, which page of how many they are (from 1), and how many patrons there are on all pages."""

    patrons: tuple[Patron, ...]
    number: int
    pages: int
    total: int


def page(run: Run, choice: Choice, number: int) -> Page:
    """One page of the patrons that are chosen; the nearest one if there is no such page. Raises as Run.reading does."""
    with _lines(run) as lines:
        rows = _rows(lines, choice)
        pages = max(-(-rows.len() // PER_PAGE), 1)
        number = min(max(number, 1), pages)
        wanted = rows.slice(PER_PAGE * (number - 1), PER_PAGE)
        found = _of_rows(lines, wanted).collect()
    return Page(tuple(_patrons(found)), number, pages, rows.len())


def of_row(run: Run, row: int) -> tuple[Change, ...]:
    """The changes for the patron of one row of the file."""
    with _lines(run) as lines:
        found = _of_rows(lines, pl.Series([row], dtype=pl.UInt32)).collect()
    return tuple(change for patron in _patrons(found) for change in patron.changes)


def parts(run: Run, choice: Choice) -> Iterator[pl.DataFrame]:
    """All chosen lines for a spreadsheet, part by part: row, key, action, field, before, after, why; all text."""
    with _lines(run) as lines:
        height = lines.select(pl.len()).collect().item()
        rows = _rows(lines, choice)
        for start in range(0, height, PART):
            part = lines.slice(start, PART).collect()
            yield _table(part.filter(pl.col("row").is_in(rows.implode())))


def number_of_lines(run: Run, choice: Choice) -> int:
    """How many lines the chosen patrons have in the file; the record of a new patron is one of them."""
    with _lines(run) as lines:
        chosen = lines.select("row").filter(pl.col("row").is_in(_rows(lines, choice).implode()))
        return int(chosen.select(pl.len()).collect(engine="streaming").item())


def _lines(run: Run) -> AbstractContextManager[pl.LazyFrame]:
    return tables.scanning(run, names.CHANGES)


def _rows(lines: pl.LazyFrame, choice: Choice) -> pl.Series:
    """The rows of the chosen patrons in the plan's order."""
    action, field = pl.col("action"), pl.col("field")
    wanted = action == choice.action if choice.action else action != UNCHANGED
    if choice.field:
        wanted &= field == choice.field
    rows = lines.filter(wanted).select("row").unique(maintain_order=True)
    return rows.collect(engine="streaming")["row"]


def _of_rows(lines: pl.LazyFrame, rows: pl.Series) -> pl.LazyFrame:
    # With the least and the greatest row, whole row groups can be passed over.
    within = pl.col("row").is_between(rows.min() or 0, rows.max() or 0)
    return lines.filter(within & pl.col("row").is_in(rows.implode()))


def _patrons(lines: pl.DataFrame) -> Iterator[Patron]:
    for (row, key, action), group in groupby(lines.iter_rows(), key=lambda line: line[:3]):
        changes = tuple(change for line in group for change in _changes(action, *line[3:]))
        yield Patron(None if action in WITHOUT_ROW else row, key, action, changes)


def _changes(
    action: str, field: str | None, before: str | None, after: str | None, why: str | None
) -> Iterator[Change]:
    """The changes in one line of the file; the whole record of a new patron is one line there."""
    if action == "create" and field is None and after is not None:
        for path, value in _paths("", json.loads(after)):
            yield Change(path, "", value, NEW)
    elif field is not None or why:
        yield Change(field or "", _text(before), _text(after), why or "")


def _paths(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Each value of a record by its path, as mapping files write it; without empty ones."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths(f"{path}.{name}" if path else name, inner)
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for place, each in enumerate(value):
            yield from _paths(f"{path}[{place}]", each)
    elif value not in (None, "", []):
        yield path, _text(json.dumps(value))


def _text(value: str | None) -> str:
    return "" if value is None else in_words(value)


COLUMNS = ("row", "key", "action", "field", "before", "after", "why")


def _table(part: pl.DataFrame) -> pl.DataFrame:
    lines = [
        (str(patron.row or ""), patron.key, patron.action, *change)
        for patron in _patrons(part)
        for change in patron.changes or (Change("", "", "", ""),)
    ]
    return pl.DataFrame(lines, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
