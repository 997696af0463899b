"""Split the lines of a fixed-width file into cells: a number of characters for each column, no header line."""

import polars as pl

from patronload.exports.csv_records import Part
from patronload.rows import ROW


def read(text: str, widths: dict[str, int]) -> Part:
    """
    Each line as a row, numbered from 1. Trailing blanks may be missing; a line that is too long is ragged.

    The cells of a ragged line are its columns and the rest.
    """
    lines = pl.Series("line", text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), dtype=pl.String)
    numbered = lines.to_frame().with_row_index(ROW, 1).with_columns(pl.col(ROW).cast(pl.UInt32))
    filled = numbered.filter(pl.col("line").str.strip_chars() != "")
    room = sum(widths.values())
    long = pl.col("line").str.strip_chars_end().str.len_chars() > room
    ragged = [(number, cut(line, widths)) for number, line in filled.filter(long).iter_rows()]
    return Part(filled.filter(~long).select(ROW, *_cells(widths)), ragged)


def cut(line: str, widths: dict[str, int]) -> list[str]:
    """The cells of a line, with the text after the last column as one more cell."""
    cells, at = [], 0
    for width in widths.values():
        cells.append(line[at : at + width])
        at += width
    return [*cells, line[at:]]


def reason(line_length: int, room: int) -> str:
    """Why a line is ragged."""
    return f"the line has {line_length} characters, the columns in source.widths {room}; did a column become wider?"


def _cells(widths: dict[str, int]) -> list[pl.Expr]:
    cells, at = [], 0
    for name, width in widths.items():
        cells.append(pl.col("line").str.slice(at, width).str.strip_chars_end(" ").alias(name))
        at += width
    return cells
