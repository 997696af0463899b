"""Words such as NULL that other systems write into a cell that has no value."""

import polars as pl

from patronload.config.mapping import Mapping

PAD = ("", " ")
"""What may be around a word."""


def empty_cells(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """The frame (with ROW) with empty cells in place of blank words, in the columns that the mapping reads."""
    changed = []
    for column in mapping.columns:
        words = mapping.blank_words_in(column)
        if words and column in frame.columns and (cells := _without_words(frame[column], words)) is not None:
            changed.append(cells)
    return frame.with_columns(changed) if changed else frame


def _without_words(cells: pl.Series, words: frozenset[str]) -> pl.Series | None:
    """The cells without the words; None if no cell has one. Most cells are longer than any word."""
    # Comparing with the padded words as well is faster than stripping the cells.
    padded = pl.Series(sorted({f"{before}{word}{after}" for word in words for before in PAD for after in PAD}))
    short = cells.str.len_bytes() <= padded.str.len_bytes().max()
    found = cells.filter(short).is_in(padded.implode())
    return cells.scatter(short.arg_true().filter(found), "") if found.any() else None
