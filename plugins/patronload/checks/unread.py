"""Columns with values that neither a rule nor a check reads: something may have been forgotten."""

from collections.abc import Mapping as AnyMapping

import polars as pl

from patronload.config.mapping import Mapping
from patronload.rows import ROW


def count_filled(frame: pl.DataFrame, mapping: Mapping) -> dict[str, int]:
    """These columns of an export, each with its number of filled cells."""
    left = [column for column in frame.columns if column not in (ROW, *mapping.columns, *mapping.checked_columns)]
    counts = frame.select((pl.col(column).str.strip_chars() != "").sum() for column in left).row(0) if left else ()
    return {column: count for column, count in zip(left, counts, strict=True) if count}


def sentences(columns: AnyMapping[str, int]) -> list[str]:
    """The warning about these columns, if there are any."""
    named = ", ".join(f"{column} ({count:,} filled)" for column, count in columns.items())
    return [f"No rule reads these columns: {named}."] if named else []
