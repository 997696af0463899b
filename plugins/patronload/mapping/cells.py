"""The text of cells, without surrounding blanks, and the names of the columns that rules give."""

import polars as pl

TEXT, VALUE, UNMADE, OUTSIDE, MISREAD = "text", "value", "unmade", "outside", "misread"
"""
The columns of what a rule gives; see expressions.apply. OUTSIDE: why a date that could be read is not allowed; MISREAD:
why a packed cell could not be read.
"""


def clean(column: str) -> pl.Expr:
    """A column's text without surrounding blanks; null if nothing is left."""
    return _or_null(pl.col(column).str.strip_chars())


def clean_all(rows: pl.DataFrame) -> pl.DataFrame:
    """Like `clean`, for all columns, in two steps so that each cell is stripped once."""
    return rows.select(pl.all().str.strip_chars()).select(_or_null(pl.col(name)) for name in rows.columns)


def _or_null(stripped: pl.Expr) -> pl.Expr:
    return pl.when(stripped != "").then(stripped)
