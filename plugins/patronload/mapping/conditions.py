"""The conditions of `skip` and `cases` as polars expressions."""

import polars as pl

from patronload.config.conditions import Condition
from patronload.mapping import cells


def holds(condition: Condition) -> pl.Expr:
    """Whether a condition holds in each row; never null."""
    return pl.all_horizontal(_test(condition), *map(holds, condition.and_))


def _test(condition: Condition) -> pl.Expr:
    text = cells.clean(condition.column)
    if condition.is_:
        return text.is_in(list(condition.is_)).fill_null(value=False)
    if condition.is_not:
        return ~text.is_in(list(condition.is_not)).fill_null(value=False)
    if condition.matches:
        return text.str.contains(condition.matches).fill_null(value=False)
    return text.is_null() if condition.blank else text.is_not_null()
