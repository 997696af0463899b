"""
The rejects as an Excel workbook, which a spreadsheet cannot damage: every cell is text, and the cells to correct are
highlighted. A second sheet says what to do.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from typing import Any

import polars as pl

from patronload.exports import reject_files

log = logging.getLogger(__name__)

MOST_ROWS, MOST_COLUMNS, LONGEST = 50_000, 16_384, 32_767
"""No one corrects more rows by hand; the other two are Excel's own limits, of columns and of characters in a cell."""

TEXT = 49
"""Excel's own number of the format Text, @."""

SHEET, HELP = "Rejects", "How to correct"

INSTRUCTIONS = (
    "Each line of the sheet Rejects is a row that could not be loaded. reject_reason says why.",
    "Correct the highlighted cells. If no cell is highlighted, follow reject_reason.",
    "Change no other cell with an id: the row would be refused. Delete lines that you do not want to send.",
    "Keep the columns whose names begin with reject_. They show which row you corrected.",
    "Every cell is text, so 0000413 keeps its zeros. Leave apostrophes at the beginning of a cell; they are removed.",
    "Save the file as an Excel workbook, or as CSV.",
    "Put it where your exports are, and tell the people who look after your loads.",
    "Correct the rows in the system that the export comes from, too. Otherwise the next export brings the errors back.",
)


def write(export: pl.DataFrame, rejects: pl.DataFrame, names: Mapping[str, str]) -> bytes | None:
    """
    The workbook; `export` and `rejects` are those of reject_files.write, `names` the export's names of columns that
    `rejects` calls otherwise. None if there are more rows or longer cells than a workbook can hold.
    """
    from xlsxwriter import Workbook  # only needed for workbooks

    lines = reject_files.lines(export, rejects)
    if not _fits(lines):
        log.warning("There is no rejects.xlsx: it would have too many rows, or a cell that is too long.")
        return None
    out = io.BytesIO()
    with Workbook(out, {"in_memory": True}) as book:
        looks = {name: book.add_format(look | {"num_format": TEXT}) for name, look in _LOOKS.items()}
        _write_rows(book.add_worksheet(SHEET), lines, _cells_to_highlight(rejects, names), looks)
        _write_help(book.add_worksheet(HELP), looks)
    return out.getvalue()


_LOOKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "header": {"bold": True, "bottom": 1},
    "bad": {"bg_color": "#FFD9A8", "border": 1},
    "ours": {"font_color": "#5C6877", "bg_color": "#F1F3F5"},
    "words": {"text_wrap": True, "valign": "top"},
}


def _fits(lines: pl.DataFrame) -> bool:
    longest = lines.select(pl.max_horizontal(pl.col(pl.String).str.len_chars().max())).item() if lines.height else 0
    return lines.height <= MOST_ROWS and lines.width <= MOST_COLUMNS and (longest or 0) <= LONGEST


def _cells_to_highlight(rejects: pl.DataFrame, names: Mapping[str, str]) -> dict[str, set[str]]:
    """The columns to correct, by row number as text."""
    found: dict[str, set[str]] = {}
    for row, reported in rejects.select(pl.col("row").cast(pl.String), "column").drop_nulls().iter_rows():
        found.setdefault(row, set()).update(names.get(name, name) for name in reject_files.columns_named(reported))
    return found


def _write_rows(sheet: Any, lines: pl.DataFrame, bad: dict[str, set[str]], looks: dict[str, Any]) -> None:
    columns = lines.columns
    own = len(columns) - len(reject_files.COLUMNS)
    number = columns.index(reject_files.COLUMNS[0])
    for place, name in enumerate(reject_files.guard_cells(lines.clear()).columns):
        sheet.set_column(place, place, 60 if name == "reject_reason" else 18, looks["plain"])
        sheet.write_string(0, place, name, looks["header"])
    for line, cells in enumerate(reject_files.guard_cells(lines).iter_rows(), 1):
        named = bad.get(cells[number], set())
        for place, cell in enumerate(cells):
            look = "ours" if place >= own else "bad" if columns[place] in named else "plain"
            sheet.write_string(line, place, cell, looks[look])
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(lines.height, 1), len(columns) - 1)


def _write_help(sheet: Any, looks: dict[str, Any]) -> None:
    sheet.set_column(0, 0, 100, looks["words"])
    for line, sentence in enumerate(INSTRUCTIONS):
        sheet.write_string(line, 0, f"{line + 1}. {sentence}", looks["words"])
