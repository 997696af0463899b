"""The conditions of `skip` and `cases` as polars expressions, and the rows that `skip` leaves out."""

import polars as pl

from patronload.config.conditions import Condition
from patronload.config.mapping import Mapping
from patronload.mapping import expressions
from patronload.rows import ROW, SKIPPED, no_skipped


def holds(condition: Condition) -> pl.Expr:
    """Whether a condition holds in each row; never null."""
    return pl.all_horizontal(_test(condition), *map(holds, condition.and_))


def _test(condition: Condition) -> pl.Expr:
    text = expressions.clean(condition.column)
    if condition.is_:
        return text.is_in(list(condition.is_)).fill_null(value=False)
    if condition.is_not:
        return ~text.is_in(list(condition.is_not)).fill_null(value=False)
    if condition.matches:
        return text.str.contains(condition.matches).fill_null(value=False)
    return text.is_null() if condition.blank else text.is_not_null()


def skipped(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """The rows (ROW and the export's columns) that are skipped by rule, with the first rule that holds; see SKIPPED."""
    if not mapping.skip:
        return no_skipped()
    chosen = pl.coalesce(pl.when(holds(rule)).then(pl.lit(number)) for number, rule in enumerate(mapping.skip))
    numbered = frame.with_columns(chosen.alias("__rule__")).filter(pl.col("__rule__").is_not_null())
    key = expressions.of_fields(numbered, mapping, [mapping.system.key])[mapping.system.key]
    words = [rule.words for rule in mapping.skip]
    reason = pl.col("__rule__").replace_strict(list(range(len(words))), words, return_dtype=pl.String)
    found = numbered.select(pl.col(ROW).cast(pl.UInt32).alias("row"), reason=reason)
    return no_skipped().vstack(found.with_columns(key=key).select(*SKIPPED))
