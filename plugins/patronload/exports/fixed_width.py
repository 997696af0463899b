"""Split the lines of a fixed-width file into cells: a number of characters for each column, no header line."""

from collections.abc import Iterator

import polars as pl

from patronload.config.source import Most
from patronload.errors import SourceError
from patronload.exports.csv_records import Part, Ragged, check_ragged
from patronload.rows import ROW

BLOCK = 1 << 22
"""Characters, divided by the columns, that are split into lines together: short lines take many times their text."""

FEW_CELLS = 10_000_000
"""Lines may lack their trailing blanks. A file with more cells than this and than characters is an attack."""


def read(text: str, widths: dict[str, int], most: Most) -> Part:
    """
    Each line as a row, numbered from 1. Trailing blanks may be missing; a line that is too long is ragged.

    The cells of a ragged line are its columns and the rest. Raises SourceError as soon as there are more rows than
    `most` allows, or far more cells than the file can have.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts, ragged, rows = [_part([], 0, widths).frame], Ragged(), 0
    for lines, before in _blocks(text, max(BLOCK // len(widths), 1)):
        part = _part(lines, before, widths)
        parts.append(part.frame)
        ragged += part.ragged
        rows += part.frame.height + len(part.ragged)
        check_ragged(ragged)
        if rows > most.rows or rows * len(widths) > min(most.cells, max(FEW_CELLS, len(text))):
            raise SourceError(
                f"The export has more than {rows:,} rows of {len(widths)} columns, in {len(text):,} characters. Check "
                "source.widths in the tenant file; if they are right, raise source.most.rows and source.most.cells "
                "there; otherwise ask the sender."
            )
    return Part(pl.concat(parts), ragged)


def _blocks(text: str, size: int) -> Iterator[tuple[list[str], int]]:
    """The lines, some at a time, and how many are before them."""
    begin = before = 0
    while begin <= len(text):
        end = text.find("\n", begin + size)
        lines = text[begin : len(text) if end < 0 else end].split("\n")
        yield lines, before
        before += len(lines)
        begin = len(text) + 1 if end < 0 else end + 1


def _part(lines: list[str], before: int, widths: dict[str, int]) -> Part:
    numbered = pl.DataFrame({"line": lines}, schema={"line": pl.String}).with_row_index(ROW, before + 1)
    filled = numbered.with_columns(pl.col(ROW).cast(pl.UInt32)).filter(pl.col("line").str.strip_chars() != "")
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
