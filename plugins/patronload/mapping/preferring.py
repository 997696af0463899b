"""The rows of a person who has several: the mapping's `prefer` decides which one is loaded."""

import polars as pl

from patronload.config.mapping import Mapping
from patronload.folding import folded_column
from patronload.mapping import cells, expressions
from patronload.rows import ROW, SKIPPED, no_skipped

KEY, RANK, FIRST = "__key__", "__rank__", "__first__"
"""Names of columns that no export has; FIRST: whether the row is not a copy of an earlier one."""


def passed_over(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """
    The rows (ROW and the export's columns) of people who have a preferred row; see rows.SKIPPED.

    If a row's value is not in the order, or two different rows have the same value, nothing is known, and none is
    passed over. Copies of a row are rejected later.
    """
    prefer, path = mapping.prefer, mapping.system.key
    if prefer is None or prefer.column not in frame.columns:
        return no_skipped()
    keys = expressions.of_fields(frame, mapping, [path])[path].cast(pl.String)
    ranks = frame.select(cells.clean(prefer.column).replace_strict(*_order(prefer.order), default=None)).to_series()
    first = frame.select(pl.struct(pl.exclude(ROW)).is_first_distinct()).to_series()
    people = pl.DataFrame({"row": frame[ROW], "key": keys, KEY: folded_column(keys), RANK: ranks, FIRST: first})
    people = people.drop_nulls("key")
    several = people.filter(pl.col(KEY).is_duplicated())
    best = several.group_by(KEY).agg(
        best=pl.col(RANK).min(),
        known=pl.col(RANK).is_not_null().all(),
        at_best=((pl.col(RANK) == pl.col(RANK).min()) & pl.col(FIRST)).sum(),
    )
    decided = best.filter("known", pl.col("at_best") == 1)
    left = several.join(decided, on=KEY, maintain_order="left").filter(pl.col(RANK) > pl.col("best"))
    reason = pl.lit(f"another row of the person is preferred by {prefer.column}")
    found = left.select(pl.col("row").cast(pl.UInt32), reason=reason, key="key")
    return no_skipped().vstack(found.select(*SKIPPED))


def _order(order: tuple[str, ...]) -> tuple[pl.Series, pl.Series]:
    return pl.Series(order, dtype=pl.String), pl.Series(range(len(order)), dtype=pl.UInt32)
