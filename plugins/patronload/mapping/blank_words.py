"""Words such as NULL that other systems write into a cell that has no value."""

import polars as pl

from patronload.config.mapping import Mapping

ROOM = 4
"""Blanks that may be around a word; a longer cell cannot be one."""


def emptied(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """The frame (with ROW) with empty cells in place of blank words, in the columns that the mapping reads."""
    changed = []
    for column in mapping.columns:
        words = mapping.blank_words_in(column)
        if words and column in frame.columns and (cells := _emptied(frame[column], words)) is not None:
            changed.append(cells)
    return frame.with_columns(changed) if changed else frame


def _emptied(cells: pl.Series, words: frozenset[str]) -> pl.Series | None:
    """The cells without the words; None if no cell has one. Few cells are short enough to be one of them."""
    longest = max(len(word.encode()) for word in words) + ROOM
    short = (cells.str.len_bytes() <= longest).arg_true()
    found = cells.gather(short).str.strip_chars().is_in(list(words))
    return cells.scatter(short.filter(found), "") if found.any() else None
