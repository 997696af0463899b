"""
Great Expectations, which is the validator of record: a table and expectations in, its results out, and which rows fail.

It is imported without what nothing here uses, and set up once in a process.
"""

import json
import logging
from functools import cache
from threading import Lock
from typing import Any

import pandas as pd

from patronload import lazy
from patronload.config import expectations
from patronload.config.mapping import Expectation

# It tells at INFO of each of its two hundred functions as it is imported.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

# A third of its time is for this, which one of its expectations needs; it is imported when that one is used.
lazy.imported("scipy.stats")

import great_expectations as gx  # noqa: E402  (see the lines above)
from great_expectations.core.batch_definition import BatchDefinition  # noqa: E402
from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: E402
from great_expectations.execution_engine import pandas_execution_engine  # noqa: E402
from great_expectations.expectations.registry import get_expectation_impl  # noqa: E402

# This module of it sets its own level as it is imported, and tells of a folder that it does not keep.
logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)

# It would hash the whole table for a fingerprint that nothing reads, which takes as long as all checks together. The
# name is a private one of theirs; a test tells if it is gone.
pandas_execution_engine.HASH_THRESHOLD = 0

# Which rows failed is wanted in full; values are not, for the result is kept as an artifact.
RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "partial_unexpected_count": 0,
    "include_unexpected_rows": False,
    "return_unexpected_index_query": False,
}

VERSION = gx.__version__
"""Which Great Expectations it was that looked."""

ASKING = Lock()
"""It has one table at a time: asked in two threads at once, it would answer of the other one's table."""


@cache
def ready() -> "BatchDefinition[Any]":
    """What a table is put to. It is the same for each, and takes longer to make than to ask two expectations."""
    # An ephemeral context keeps nothing on disk, and does not look for settings left over in the environment.
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("export").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all")


def results(table: pd.DataFrame, asked: list[Expectation]) -> list[Any]:
    """
    Great Expectations' result for each expectation, None where it has none. The table's index are the row numbers.

    It answers in another order than it is asked. Two that are the same are asked as one, as it would do by itself.
    """
    if not asked:
        return []
    keys = [json.dumps([each.name, each.arguments], sort_keys=True, default=str) for each in asked]
    made = [_made(each, meta={"key": key}) for key, each in dict(zip(keys, asked, strict=True)).items()]
    with ASKING:
        try:
            found = {result.expectation_config.meta["key"]: result for result in _put(table, made)}
        finally:
            # It remembers the last table that it was asked of, and tables are large.
            _put(pd.DataFrame(), [])
    return [found.get(key) for key in keys]


def _put(table: pd.DataFrame, made: list[Any]) -> list[Any]:
    suite = gx.ExpectationSuite("mapping", expectations=made)
    put: list[Any] = ready().get_batch({"dataframe": table}).validate(suite, result_format=RESULT_FORMAT).results
    return put


def _made(expectation: Expectation, **more: Any) -> Any:
    """Great Expectations' own; a mapping file has none that it refuses, see expectations."""
    return get_expectation_impl(expectation.name)(**expectation.arguments, **more)


def failing_rows(expectation: str, result: Any | None) -> list[int] | None:
    """
    The rows that fail, each once; None when Great Expectations could not look, or does not tell all of them.

    It does not raise when it cannot look: success is False then and nothing is told of the rows, so that an
    expectation nobody has looked at would pass for one that no row fails.
    """
    if result is None:
        return None
    details = result.result if isinstance(result.result, dict) else {}
    if raised(result) or (not result.success and not details):
        return None
    if not expectations.KNOWN[expectation].of_rows:
        return []
    count, failing = details.get("unexpected_count"), details.get("unexpected_index_list")
    rows = list(dict.fromkeys(failing or []))
    # A check of rows that fails and names none has looked at something else, such as the type of the column.
    if count is None or len(rows) != count or (not result.success and not rows):
        return None
    return rows


def raised(result: Any) -> bool:
    """Whether something went wrong within Great Expectations; it tells so once, or for each figure that it needed."""
    told = result.exception_info or {}
    return any(part.get("raised_exception") for part in (told, *told.values()) if isinstance(part, dict))
