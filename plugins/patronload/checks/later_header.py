"""Find the header of an export below its first line, for example after a title."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import polars as pl

from patronload.exports import headers
from patronload.exports.reading import Export
from patronload.rows import ROW

FEW = 20
"""Rows that are searched; no title is longer."""


def sentence(export: Export, wanted: Collection[str]) -> str:
    """The place of the header and what to do, as a sentence; nothing if no row has most of the wanted columns."""
    names = set(map(headers.folded, wanted))
    for row, cells in sorted(_first_rows(export)):
        found = names.intersection(map(headers.folded, cells))
        if len(found) >= min(2, len(names)) and 2 * len(found) > len(names):
            return (
                f" Row {row} has them: if the lines before it are not part of the table, write skip_lines: {row - 1} "
                "under source in the tenant file."
            )
    return ""


def _first_rows(export: Export) -> Iterator[tuple[int, list[str]]]:
    """The first rows with their cells. Rows with more cells than the first line are in the rejects only."""
    for row, *cells in export.frame.head(FEW).iter_rows():
        yield row, [str(cell) for cell in cells]
    ragged = export.rejects.join(export.ragged, left_on="row", right_on=ROW, how="semi").head(FEW)
    for row, text in ragged.select("row", pl.col("value").fill_null("")).iter_rows():
        yield row, re.split(r"[,;|\t]", text)
