"""
Write a table as an Excel workbook: every cell is text, so numbers keep their zeros and no cell runs a formula.

Nothing is written to a disk on the way, because the tables hold patrons. So the whole workbook is in memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import polars as pl

LONGEST = 32_767
"""Characters that a cell can hold."""

WIDEST = 60
"""Characters; a wider column is cut off on the screen, not in the file."""


def write(name: str, parts: Iterable[pl.DataFrame]) -> bytes:
    """A workbook with one sheet, from the parts of a table. All columns are text."""
    import xlsxwriter  # needed only for downloading a workbook

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet(name)
        text, bold = book.add_format({"num_format": "@"}), book.add_format({"num_format": "@", "bold": True})
        height, widths = 0, dict[int, int]()
        for part in parts:
            if not height:
                _write_line(sheet, 0, part.columns, bold)
                widths = {place: len(name) for place, name in enumerate(part.columns)}
            for line in part.iter_rows():
                height += 1
                _write_line(sheet, height, line, text)
            widths = {place: max(width, _longest(part, place)) for place, width in widths.items()}
        for place, width in widths.items():
            sheet.set_column(place, place, min(width, WIDEST) + 2, text)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, height, max(len(widths) - 1, 0))
    return content.getvalue()


def _write_line(sheet: Any, place: int, cells: Iterable[str], look: Any) -> None:
    for column, cell in enumerate(cells):
        # Never `write`, which would take some text for a formula, a number or a link.
        sheet.write_string(place, column, (cell or "")[:LONGEST], look)


def _longest(part: pl.DataFrame, place: int) -> int:
    longest = part.to_series(place).str.len_chars().max()
    return longest if isinstance(longest, int) else 0
