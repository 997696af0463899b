"""The columns that tables of rows share: the row number, and the parts of a reject."""

import polars as pl

ROW = "__row__"
"""The column with the row number as a spreadsheet shows it: the header is row 1. No export has such a column."""

REJECTS = {"row": pl.UInt32, "column": pl.String, "value": pl.String, "reason": pl.String, "summary": pl.String}
"""A reject: row, column, value, the reason for the library, and its summary without personal data."""


SKIPPED = {"row": pl.UInt32, "reason": pl.String, "key": pl.String}
"""A row that is not loaded because of a rule in `skip`: the row, the rule's reason without personal data, and the
patron's key in the target (see System.key), which may be null."""

NOTED = {"row": pl.UInt32, "effect": pl.String, **{name: pl.String for name in REJECTS if name != "row"}}
"""A note, a problem that does not reject the row: like a reject, with the effect `blank` (the cell counts as empty) or
`warn`."""

SAMPLE = 4096
"""The number of cells that show whether the values of a column repeat."""


def no_notes() -> pl.DataFrame:
    """An empty table of notes."""
    return pl.DataFrame(schema=NOTED)


def blank_noted(frame: pl.DataFrame, noted: pl.DataFrame) -> pl.DataFrame:
    """A frame (with ROW) in which cells with a note of the effect `blank` are empty."""
    cells = noted.filter(pl.col("effect") == "blank").group_by("column").agg(pl.col("row").unique())
    return frame.with_columns(_empty(column, rows) for column, rows in cells.iter_rows())


def _empty(column: str, rows: list[int]) -> pl.Expr:
    among = pl.col(ROW).is_in(pl.Series(rows, dtype=pl.UInt32).implode())
    return pl.when(among).then(pl.lit("")).otherwise(pl.col(column)).alias(column)


def no_skipped() -> pl.DataFrame:
    """An empty table of skipped rows."""
    return pl.DataFrame(schema=SKIPPED)


def no_rejects() -> pl.DataFrame:
    """An empty table of rejects."""
    return pl.DataFrame(schema=REJECTS)


def holding(frame: pl.DataFrame, column: str, pattern: str) -> pl.DataFrame:
    """The rows whose cell matches a pattern, usually few; repeated values are examined once."""
    cells = frame[column]
    repeated = cells.head(SAMPLE).n_unique() * 2 < SAMPLE
    if not (cells.unique() if repeated else cells).str.contains(pattern).any():
        return frame.clear()
    return frame.filter(pl.col(column).str.contains(pattern))


def without(frame: pl.DataFrame, rejects: pl.DataFrame) -> pl.DataFrame:
    """The rows of a frame (with ROW) that are not rejects (with row)."""
    if rejects.is_empty():
        return frame  # a join would copy all of it
    return frame.join(rejects.select(pl.col("row").alias(ROW)).unique(), on=ROW, how="anti", maintain_order="left")
