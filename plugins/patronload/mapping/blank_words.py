"""Words such as NULL that other systems write into a cell that has no value."""

from collections.abc import Iterable

import polars as pl

from patronload.config.mapping import Mapping

PAD = ("", " ")
"""The characters that may be around a word."""


def empty_cells(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """The frame (with ROW) with empty cells in place of blank words, in the columns that the mapping reads."""
    words = {column: _padded(mapping.blank_words_in(column)) for column in mapping.columns if column in frame.columns}
    is_word = {column: pl.col(column).is_in(padded.implode()) for column, padded in words.items() if len(padded)}
    # Most columns have no such word, and all of them are searched together.
    found = frame.select(test.any().alias(column) for column, test in is_word.items())
    changed = [column for column in found.columns if found[column].item()]
    return frame.with_columns(
        pl.when(is_word[column]).then(pl.lit("")).otherwise(pl.col(column)).alias(column) for column in changed
    )


def _padded(words: Iterable[str]) -> pl.Series:
    """The words as cells have them: comparing with the padded words as well is faster than stripping the cells."""
    return pl.Series(
        sorted({f"{before}{word}{after}" for word in words for before in PAD for after in PAD}), dtype=pl.String
    )
