r"""
Have Great Expectations match patterns in linear time, with the engine that matches those of the mapping's fields.

Its own way is pandas, which takes Python's engine as soon as a pattern has \w or \d and a cell an accent. That engine
can take years for a single cell, and anyone who fills in a form at the school can choose the text of a cell.
"""

import logging
from typing import Any

import pandas as pd
import polars as pl
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.column_map_metrics.column_values_match_regex import ColumnValuesMatchRegex
from great_expectations.expectations.metrics.column_map_metrics.column_values_match_regex_list import (
    ColumnValuesMatchRegexList,
)
from great_expectations.expectations.metrics.column_map_metrics.column_values_not_match_regex import (
    ColumnValuesNotMatchRegex,
)
from great_expectations.expectations.metrics.column_map_metrics.column_values_not_match_regex_list import (
    ColumnValuesNotMatchRegexList,
)
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import (
    column_condition_partial,
)

# It warns that each of its metrics is replaced.
_registry = logging.getLogger("great_expectations.expectations.registry")
_level = _registry.level
_registry.setLevel(logging.ERROR)


class _Match(ColumnValuesMatchRegex):
    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: "pd.Series[str]", regex: str, **_: Any) -> "pd.Series[bool]":  # noqa: N805 - as there
        return _matches(column, regex)


class _NoMatch(ColumnValuesNotMatchRegex):
    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: "pd.Series[str]", regex: str, **_: Any) -> "pd.Series[bool]":  # noqa: N805 - as there
        return ~_matches(column, regex)


class _MatchList(ColumnValuesMatchRegexList):
    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805 - as there
        column: "pd.Series[str]",
        regex_list: list[str],
        match_on: str,
        **_: Any,
    ) -> "pd.Series[bool]":
        found = pd.concat([_matches(column, regex) for regex in regex_list], axis=1)
        return found.all(axis=1) if match_on == "all" else found.any(axis=1)


class _NoMatchList(ColumnValuesNotMatchRegexList):
    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: "pd.Series[str]", regex_list: list[str], **_: Any) -> "pd.Series[bool]":  # noqa: N805
        return ~pd.concat([_matches(column, regex) for regex in regex_list], axis=1).any(axis=1)


_registry.setLevel(_level)


def _matches(column: "pd.Series[str]", regex: str) -> "pd.Series[bool]":
    """Whether each cell has the pattern somewhere."""
    cells = pl.Series(column.astype(str).to_numpy(dtype=object, copy=False), dtype=pl.String)
    return pd.Series(cells.str.contains(regex).to_numpy(), index=column.index)
