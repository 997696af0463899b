"""
Count the patrons of each patron group: those that transform made, those that the plan left, and those that were loaded.

gates.json and the history outlive the patrons' data, so a value of only a few rows is not named where no lookup says
which values there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import polars as pl

from patronload.artifacts import names, tables
from patronload.artifacts.run import Run
from patronload.config import mapping as mappings

FEWEST_NAMED, RARE = 5, "(values of fewer than 5 rows)"
"""A value of fewer rows is not named where no lookup says which values there are, but counted as RARE."""


def count(groups: pl.Series, mapping: mappings.Mapping) -> dict[str, int]:
    """How many patrons each group has; rare values are counted together unless a lookup lists them."""
    rule = mapping.fields.get(mapping.system.group)
    counts = groups.drop_nulls().value_counts().sort("group")
    if rule is not None and any(variant.columns and not variant.lookup for variant in rule.variants):
        named = pl.when(pl.col("count") < FEWEST_NAMED).then(pl.lit(RARE)).otherwise("group")
        counts = counts.group_by(named.alias("group")).agg(pl.col("count").sum()).sort("group")
    return dict(counts.iter_rows())


def set_aside(run: Run) -> set[int]:
    """The rows that became patrons, and that the plan rejects or skips."""
    found = [
        tables.read(run, name, ["row"])["row"] for name in (names.PLAN_REJECTS, names.PLAN_SKIPPED) if run.has(name)
    ]
    return {row for rows in found for row in rows}


def without(run: Run, field: str, counts: Mapping[str, int], rows: Iterable[int]) -> dict[str, int]:
    """The counts without the patrons of these rows; `field` is the patron group's name in a patron."""
    left, gone = Counter(counts), pl.Series([*rows], dtype=pl.UInt32)
    if gone.is_empty():
        return dict(left)
    with tables.scanning(run, names.PATRONS) as patrons:
        group = pl.col("patron").str.json_path_match(f"$.{field}").alias("group")
        found = patrons.filter(pl.col("row").is_in(gone.implode())).select(group).drop_nulls().collect()
    for name, number in found["group"].value_counts().iter_rows():
        left[name if name in counts else RARE] -= number
    return {name: number for name, number in left.items() if number > 0}
