"""
Name the codes that a lookup does not have, where they are few and repeated.

The reasons of a report hold no patron's values. A code that several rows share says nothing about one patron, and
the people who look after the mapping need it. Many different values are something else: another column, or free text.
"""

import polars as pl

MOST_CODES = 5
"""If there are more different values than this, none is named."""

FEWEST_ROWS = 5
"""A value in fewer rows may be one patron's."""

LONGEST = 40
"""Characters of the longest code that is named."""

NOT_SET_UP = "is not set up in the mapping yet"
"""The words of the reason about a code; see transform."""

_UNKNOWN, _SUMMARY = f"is a code that {NOT_SET_UP}", f" has a code that {NOT_SET_UP}"


def named(rejects: pl.DataFrame) -> pl.DataFrame:
    """All rejects of the mapping (see rows.REJECTS), with the code in the summary where it may be named."""
    of_code = pl.col("reason").str.contains(_UNKNOWN, literal=True) & pl.col("summary").str.ends_with(_SUMMARY)
    shared = (
        rejects.filter(of_code)
        .group_by("summary", "value")
        .len("rows")
        .filter(pl.len().over("summary") <= MOST_CODES, pl.col("rows") >= FEWEST_ROWS)
        .filter(pl.col("value").str.len_chars() <= LONGEST)
    )
    if shared.is_empty():
        return rejects
    told = pl.format(f"{{}}: the code '{{}}' {NOT_SET_UP}", pl.col("summary").str.strip_suffix(_SUMMARY), "value")
    found = rejects.join(
        shared.select("summary", "value", told=told), on=["summary", "value"], how="left", maintain_order="left"
    )
    return found.with_columns(summary=pl.when(of_code).then(pl.coalesce("told", "summary")).otherwise("summary")).drop(
        "told"
    )
