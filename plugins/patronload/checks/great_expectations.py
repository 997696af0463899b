"""
Great Expectations, the validator of record: returns its results for a table and expectations, and the failing rows.

It is imported without its unused parts, and set up once in each process.
"""

import json
import logging
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import pandas as pd
import polars as pl

from patronload import lazy
from patronload.config import expectations
from patronload.config.mapping import Expectation

# On import it logs each of its two hundred functions at INFO.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

# This takes a third of its import time, and only one expectation needs it; it is imported when that one is used.
lazy.import_later("scipy.stats")

import great_expectations as gx  # noqa: E402  (see the lines above)
from great_expectations.core.batch_definition import BatchDefinition  # noqa: E402
from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: E402
from great_expectations.execution_engine import pandas_execution_engine  # noqa: E402
from great_expectations.expectations.registry import get_expectation_impl  # noqa: E402

from patronload.checks import linear_patterns  # noqa: E402, F401  (it replaces how patterns are matched)

# This module sets its own level on import, and logs a folder that it then deletes.
logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)

# It would hash the whole table for a fingerprint that nothing reads, which takes as long as all checks together. The
# name is private; a test fails if it disappears.
pandas_execution_engine.HASH_THRESHOLD = 0

# We want all failing rows but no values, because the result is kept as an artifact.
RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "partial_unexpected_count": 0,
    "include_unexpected_rows": False,
    "return_unexpected_index_query": False,
}

VERSION = gx.__version__
"""The version of Great Expectations."""

ASKING = Lock()
"""It works on one table at a time: in two threads it would evaluate the other thread's table."""


@cache
def ready() -> "BatchDefinition[Any]":
    """The context and batch definition. They are the same for every table, and slow to create."""
    # An ephemeral context stores nothing on disk, and ignores settings in the environment.
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("export").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")


def results(table: pd.DataFrame, asked: list[Expectation]) -> list[Any]:
    """
    Great Expectations' result for each expectation, None if it has none. The table's index are the row numbers.

    It returns results in a different order. Identical expectations are evaluated once, as it would do anyway.
    """
    if not asked:
        return []
    keys = [json.dumps([each.name, each.arguments], sort_keys=True, default=str) for each in asked]
    made = [_build(each, meta={"key": key}) for key, each in dict(zip(keys, asked, strict=True)).items()]
    with ASKING:
        try:
            found = {result.expectation_config.meta["key"]: result for result in evaluate(table, made)}
        finally:
            # It keeps a reference to the last table, and tables are large.
            evaluate(pd.DataFrame(), [])
    return [found.get(key) for key in keys]


def evaluate(table: pd.DataFrame, made: list[Any]) -> list[Any]:
    """Great Expectations' result for each of its expectations in `made`."""
    suite = gx.ExpectationSuite("mapping", expectations=made)
    put: list[Any] = ready().get_batch({"dataframe": table}).validate(suite, result_format=RESULT_FORMAT).results
    return put


def _build(expectation: Expectation, **more: Any) -> Any:
    """The expectation as an object of Great Expectations; mapping files contain only valid ones, see expectations."""
    return get_expectation_impl(expectation.name)(**expectation.arguments, **more)


def as_numbers(cells: pl.Series) -> pl.Series:
    """
    Numbers that are equal where the texts are; null stays null.

    To see whether values are unique, numbers do as well as texts, and pandas takes a tenth of the memory for them.
    """
    numbers = pl.int_range(cells.len(), eager=True).cast(pl.Float64)
    # Counting distinct hashes takes a fifth of the time of comparing the texts, and is usually enough.
    hashes = cells.hash()
    if hashes.n_unique() < cells.len() - max(cells.null_count() - 1, 0):
        repeated = hashes.is_duplicated()
        some = pl.DataFrame({"cell": cells.filter(repeated), "number": numbers.filter(repeated)})
        first = some.select(pl.col("number").first().over("cell")).to_series()
        numbers = numbers.scatter(repeated.arg_true(), first)
    return numbers.set(cells.is_null(), None).alias(cells.name)


class Merged(NamedTuple):
    """The results of an expectation in several parts of a table, as one; with what is read of a result here."""

    success: bool
    result: dict[str, Any]
    exception_info: dict[str, Any]


def is_row_by_row(asked: Expectation) -> bool:
    """Whether the result for a table is that for its parts together: nothing is compared across rows, or counted."""
    return (
        expectations.KNOWN[asked.name].of_rows
        and not asked.name.endswith("_be_unique")
        and asked.arguments.get("mostly") is None
    )


def merge(parts: list[Any]) -> Any | None:
    """The results of one expectation for all parts of a table, as one; an error in one part is the result."""
    for part in parts:
        if part is None or had_error(part) or not isinstance(part.result, dict):
            return part
    details = [part.result for part in parts]
    counts = [(one.get("element_count"), one.get("unexpected_count")) for one in details]
    if any(None in pair for pair in counts):
        return next(part for part, pair in zip(parts, counts, strict=True) if None in pair)
    return Merged(
        all(part.success for part in parts),
        {
            "element_count": sum(elements for elements, _ in counts),
            "unexpected_count": sum(unexpected for _, unexpected in counts),
            "unexpected_index_list": [row for one in details for row in one.get("unexpected_index_list") or ()],
        },
        {},
    )


def failing_rows(expectation: str, result: Any | None) -> list[int] | None:
    """
    The failing rows, each once; None if Great Expectations could not evaluate the check, or does not list all of them.

    It does not raise in that case: success is False and no rows are listed, so that a check which was not evaluated
    would look like one that no row fails.
    """
    if result is None:
        return None
    details = result.result if isinstance(result.result, dict) else {}
    if had_error(result) or (not result.success and not details):
        return None
    if not expectations.KNOWN[expectation].of_rows:
        return []
    count, failing = details.get("unexpected_count"), details.get("unexpected_index_list")
    rows = list(dict.fromkeys(failing or []))
    # A row check that fails without listing rows has checked something else, such as the type of the column.
    if count is None or len(rows) != count or (not result.success and not rows):
        return None
    return rows


def had_error(result: Any) -> bool:
    """Whether Great Expectations had an internal error; it reports it once, or for each metric that it needed."""
    told = result.exception_info or {}
    return any(part.get("raised_exception") for part in (told, *told.values()) if isinstance(part, dict))
