"""The rows that a mapping skips by rule."""

import polars as pl

from patronload.config.mapping import Mapping
from patronload.mapping import expressions
from patronload.mapping.conditions import holds
from patronload.rows import ROW, SKIPPED, no_skipped


def find_skipped(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
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
