"""Split the lines of a fixed-width file into cells: a number of characters for each column, no header line."""

from collections.abc import Iterator
from typing import TextIO

import polars as pl

from patronload.config.source import Most
from patronload.errors import SourceError
from patronload.exports import sizes
from patronload.exports.csv_records import Part, Ragged, check_ragged
from patronload.rows import ROW

BLOCK = 1 << 22
"""Characters, divided by the columns, that are split into lines together: short lines take many times their text."""

LONGEST = 1 << 20
"""How many characters a line may have more than its columns; such a file has no lines, or is not of fixed width."""


def read(text: TextIO, size: int, widths: dict[str, int], most: Most) -> Part:
    """
    Each line of a file of `size` bytes as a row, numbered from 1; its line ends are line feeds.

    Trailing blanks may be missing; a line that is too long is ragged, and its cells are its columns and the rest.
    Raises SourceError as soon as there is more than `most` allows, or far more cells than the file can have.
    """
    parts, ragged, rows = [_part([], 0, widths).frame], Ragged(), 0
    for lines, before in _blocks(text, max(BLOCK // len(widths), 1), sum(widths.values()) + LONGEST):
        part = _part(lines, before, widths)
        parts.append(part.frame)
        ragged += part.ragged
        rows += part.frame.height + len(part.ragged)
        check_ragged(len(ragged), len(ragged) * (len(widths) + 1))
        sizes.expect_at_most(most, "rows", rows)
        sizes.expect_cells(most, rows, len(widths), size)
    return Part(pl.concat(parts), ragged)


def _blocks(text: TextIO, size: int, longest: int) -> Iterator[tuple[list[str], int]]:
    """The lines, some at a time, and how many are before them."""
    before, rest = 0, ""
    while piece := text.read(size):
        *lines, rest = (rest + piece).split("\n")
        if max(map(len, (rest, *lines))) > longest:
            raise SourceError(
                f"The export has a line of more than {longest:,} characters, so it is not a file of the given widths. "
                "Ask the sender for one line for each patron, or correct source.widths in the tenant file."
            )
        yield lines, before
        before += len(lines)
    yield [rest], before


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
