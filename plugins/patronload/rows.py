"""What the core's frames agree on: how a row's number and a reject are written down."""

import polars as pl

ROW = "__row__"
"""The column that holds a row's number as a spreadsheet shows it: the header is row 1. No library names a column so."""

REJECTS = {"row": pl.UInt32, "column": pl.String, "value": pl.String, "reason": pl.String, "summary": pl.String}
"""A reject: the row, the column and value at fault, the reason for the library, its summary without personal data."""


SAMPLE = 4096
"""In so many cells it is seen whether they repeat themselves."""


def no_rejects() -> pl.DataFrame:
    """An empty table of rejects."""
    return pl.DataFrame(schema=REJECTS)


def holding(frame: pl.DataFrame, column: str, pattern: str) -> pl.DataFrame:
    """The rows whose cell fits a pattern, which few do; where cells repeat themselves each is looked at once."""
    cells = frame[column]
    repeated = cells.head(SAMPLE).n_unique() * 2 < SAMPLE
    if not (cells.unique() if repeated else cells).str.contains(pattern).any():
        return frame.clear()
    return frame.filter(pl.col(column).str.contains(pattern))


def without(frame: pl.DataFrame, rejects: pl.DataFrame) -> pl.DataFrame:
    """The rows of a frame (with ROW) that are not among the rejects (with row)."""
    if rejects.is_empty():
        return frame  # a join would copy all of it
    return frame.join(rejects.select(pl.col("row").alias(ROW)).unique(), on=ROW, how="anti", maintain_order="left")
