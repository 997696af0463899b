"""How full each field of the patrons is, and which codes of the export became which patron groups."""

from collections.abc import Mapping as Dictionary

import polars as pl

from patronload.config.mapping import Mapping

PATRONS, GROUP, CODE = "patrons", "group", "code"

FILLED = {"field": pl.String, PATRONS: pl.UInt64}
CODES = {CODE: pl.String, GROUP: pl.String, PATRONS: pl.UInt64}

BLANK = "(blank)"
"""Stands for the code of a blank cell."""


def filled(fragments: Dictionary[str, pl.Series | pl.Expr], good: pl.Series) -> pl.DataFrame:
    """How many of the `good` rows have a value in each field; an expression is a fixed value, which all have."""
    patrons = int(good.sum())
    counts = [
        patrons if isinstance(fragment, pl.Expr) else int((fragment.is_not_null() & good).sum())
        for fragment in fragments.values()
    ]
    return pl.DataFrame({"field": list(fragments), PATRONS: counts}, schema=FILLED)


def codes(frame: pl.DataFrame, groups: pl.Series, good: pl.Series, mapping: Mapping) -> pl.DataFrame:
    """
    How many of the `good` rows have each code of the lookup that gives the patron group, and which GROUP they get.

    A code that the lookup does not list may be anything, so it is not named.
    """
    rule = mapping.fields.get(mapping.system.group)
    if rule is None or rule.lookup is None or len(rule.columns) != 1:
        return pl.DataFrame(schema=CODES)
    listed = {code.casefold(): code for code in mapping.lookups[rule.lookup]}
    rows = frame.select(pl.col(rule.columns[0]).str.strip_chars().alias(CODE)).with_columns(groups.alias(GROUP))
    counted = rows.filter(good).group_by(CODE, GROUP).len(PATRONS)
    known = pl.col(CODE).str.to_lowercase().replace_strict(listed, default=None, return_dtype=pl.String)
    named = pl.when(pl.col(CODE).fill_null("") == "").then(pl.lit(BLANK)).otherwise(known)
    return (
        counted.with_columns(named.alias(CODE))
        .group_by(CODE, GROUP)
        .agg(pl.col(PATRONS).sum().cast(pl.UInt64))
        .select(*CODES)
    )
