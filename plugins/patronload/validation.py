"""
Check an export with Great Expectations: rows and expectations in, checks and rejects out.

Great Expectations is the validator of record. It sees two tables: the export as the library wrote it, for the mapping's
own expectations, and the target's key fields as they will be, for what is checked without being asked: that required
fields are there, and that no two patrons share what the target wants unique, compared as the target compares it.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pandas as pd
import polars as pl

from patronload import expressions, later
from patronload.documents import suggestion
from patronload.errors import ConfigError
from patronload.exports import Export
from patronload.folding import folded
from patronload.mappings import Expectation, Mapping
from patronload.rows import ROW, no_rejects, without

# It tells at INFO of each of its two hundred functions as it is imported.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

# A third of its time is for this, which one of its expectations needs; it is imported when that one is used.
later.imported("scipy.stats")

import great_expectations as gx  # noqa: E402  (see the lines above)
from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: E402
from great_expectations.expectations.expectation import (  # noqa: E402
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.expectations.registry import get_expectation_impl  # noqa: E402

# This module of it sets its own level as it is imported, and tells of a folder that it does not keep.
logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)

ROW_KINDS = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)

# Which rows failed is wanted in full; values are not, for the result is kept as an artifact.
RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "partial_unexpected_count": 0,
    "include_unexpected_rows": False,
    "return_unexpected_index_query": False,
}

NOT_ARGUMENTS = {
    "row_condition",
    "condition_parser",
    "meta",
    "id",
    "result_format",
    "catch_exceptions",
    "notes",
    "severity",
}
"""Arguments that every expectation of theirs takes and that have no business in a mapping file."""

OTHERS_NAMED = 5
"""How many of the rows that share a value are named in a reason."""


SHARERS, KEY = "__sharers__", "__key__"
"""Names of columns that no export has; see exports."""


class Check(NamedTuple):
    """One expectation and how it went. `failed` is the number of rows at fault, where single rows are."""

    expectation: str
    columns: list[str]
    scope: str
    passed: bool
    failed: int
    sentence: str


class Validation(NamedTuple):
    """The checks in the order of the mapping file, the built-in ones first; rejects: see rows.REJECTS."""

    checks: list[Check]
    rejects: pl.DataFrame

    @property
    def refusals(self) -> list[str]:
        """Why the run has to stop; none if it may go on."""
        return [check.sentence for check in self.checks if check.scope == "file" and not check.passed]


class _Asked(NamedTuple):
    """An expectation to be put to Great Expectations, and what to say of the rows that fail it."""

    expectation: Expectation
    scope: str
    columns: list[str]
    says: Callable[[pl.DataFrame], pl.DataFrame]
    summary: str


def validate(export: Export, mapping: Mapping) -> Validation:
    """
    The export against the mapping's expectations and the built-in ones.

    Raises ConfigError when an expectation is not one that Great Expectations knows.
    """
    check_expectations(mapping)
    missing = _missing_columns(export, mapping)
    if not missing.passed:
        return Validation([missing], export.rejects)
    repeated = _repeated(export.frame)
    frame = without(export.frame, repeated)
    own_checks, own_rejects = _own(frame, mapping)
    key_checks, key_rejects = _keys(frame, mapping)
    rejects = pl.concat([export.rejects, repeated, key_rejects, own_rejects]).sort("row", maintain_order=True)
    return Validation([missing, *key_checks, *own_checks], rejects)


def check_expectations(mapping: Mapping) -> None:
    """Raises ConfigError for an expectation that Great Expectations does not know, or arguments it does not take."""
    for scope, expectations in (("file", mapping.expect.file), ("rows", mapping.expect.rows)):
        for place, expectation in enumerate(expectations):
            _check_arguments(expectation, f"expect.{scope}[{place}]")
            made = _made(expectation, f"expect.{scope}[{place}]")
            if scope == "rows" and not isinstance(made, ROW_KINDS):
                raise ConfigError(
                    f"expect.rows[{place}]: {expectation.name} looks at the whole file, not at single rows. Write it "
                    "under 'file'."
                )


def _check_arguments(expectation: Expectation, place: str) -> None:
    """
    Great Expectations evaluates some arguments as code (row_condition), fetches others ($ref), and keeps its own
    bookkeeping in others; YAML holds no code, so only what is known to be plain may be there.
    """
    arguments = expectation.arguments
    if expectation.name not in WORDS:
        raise ConfigError(f"{place}: no check {expectation.name} here; {suggestion(expectation.name, WORDS)}")
    for name in arguments:
        if name in NOT_ARGUMENTS or "$" in name:
            raise ConfigError(f"{place}: {expectation.name} takes no {name} here.")
    if any(isinstance(value, dict) for value in arguments.values()):
        raise ConfigError(f"{place}: {expectation.name} takes texts, numbers and lists, not keys.")
    mostly = arguments.get("mostly", 1)
    if isinstance(mostly, bool | str) or not 0 <= mostly <= 1:
        raise ConfigError(f"{place}: mostly is a number between 0 and 1, like 0.95.")
    for regex in [arguments.get("regex", ""), *arguments.get("regex_list", [])]:
        try:
            re.compile(str(regex))
        except re.error as error:
            raise ConfigError(f"{place}: '{regex}' is no regular expression: {error.msg}.") from None


def _made(expectation: Expectation, place: str, **more: Any) -> Any:
    try:
        return get_expectation_impl(expectation.name)(**expectation.arguments, **more)
    except ValueError as error:  # pydantic's, and Great Expectations' own
        details: list[dict[str, Any]] = getattr(error, "errors", list)()
        told = "; ".join(f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in details) or type(error).__name__
        raise ConfigError(f"{place}: {expectation.name} does not take these arguments: {told}.") from None


def _missing_columns(export: Export, mapping: Mapping) -> Check:
    """What is made of a column that is not there cannot be known; see Mapping.over for those that may be missing."""
    name = "expect_table_columns_to_match_set"
    wanted = Expectation(name=name, arguments={"column_set": mapping.columns, "exact_match": False})
    header = pd.DataFrame(columns=export.columns)
    (result,) = _results(header, [wanted])
    missing = [column for column in mapping.columns if column not in export.columns]
    # What the header holds is not told: in a file that came without a header line it is a patron.
    sentence = f"The export has no column {', '.join(missing)}. Is there a header line, spelt as in the mapping file?"
    if len(export.columns) == 1:
        sentence += " It has one column only: is source.delimiter right?"
    return Check(name, missing or mapping.columns, "file", bool(result.success), 0, "" if result.success else sentence)


def _repeated(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows that are word for word another row: the first one is kept."""
    cells = pl.struct(pl.exclude(ROW))
    numbered = frame.select(ROW, first=pl.col(ROW).first().over(cells))
    return no_rejects().vstack(
        numbered.filter(pl.col(ROW) != pl.col("first")).select(
            pl.col(ROW).alias("row"),
            column=pl.lit(None, dtype=pl.String),
            value=pl.lit(None, dtype=pl.String),
            reason=pl.format("the row is word for word row {}, which is taken; leave this one out", "first"),
            summary=pl.lit("the row is word for word another one, which is taken"),
        )
    )


def _own(frame: pl.DataFrame, mapping: Mapping) -> tuple[list[Check], pl.DataFrame]:
    """The mapping file's expectations, put to the export as the library wrote it."""
    asked = [_asked_by_library(each, "file") for each in mapping.expect.file]
    asked += [_asked_by_library(each, "rows") for each in mapping.expect.rows]
    used = list(_texts([each.expectation.arguments for each in asked]))
    # A column that no expectation names costs memory only, so it is there by name but empty.
    table = frame.select(
        ROW,
        *(
            expressions.clean(name) if any(name in text for text in used) else pl.lit(None, dtype=pl.String).alias(name)
            for name in frame.columns[1:]
        ),
    )
    return _put(table, asked)


def _texts(arguments: Any) -> Iterator[str]:
    """All texts in the arguments, however deep."""
    if isinstance(arguments, str):
        yield arguments
    elif isinstance(arguments, dict | list):
        for inner in arguments.values() if isinstance(arguments, dict) else arguments:
            yield from _texts(inner)


def _keys(frame: pl.DataFrame, mapping: Mapping) -> tuple[list[Check], pl.DataFrame]:
    """The built-in expectations, put to the target's key fields as they will be."""
    values = expressions.of_fields(mapping, list(dict.fromkeys([*mapping.required, *mapping.unique])))
    texts = {path: expressions.text(mapping.fields[path]) for path in mapping.required}
    folds = {f"folded {path}": folded(values[path]) for path in mapping.unique}
    asked = [_asked_required(path, mapping) for path in mapping.required]
    asked += [_asked_unique(path, mapping) for path in mapping.unique]
    taken = {path: texts.get(path, values[path]) for path in values}
    return _put(frame.select(ROW, **taken, **folds), asked)


def _asked_required(path: str, mapping: Mapping) -> _Asked:
    columns = mapping.fields[path].columns
    named = " and ".join(columns)
    summary = f"{named} ({path}) is empty"
    says = _saying(" + ".join(columns), path, f"{named} is empty; {path} is required: fill it in")
    expectation = Expectation(name="expect_column_values_to_not_be_null", arguments={"column": path})
    return _Asked(expectation, "rows", columns, says, summary)


def _asked_unique(path: str, mapping: Mapping) -> _Asked:
    columns = mapping.fields[path].columns
    expectation = Expectation(name="expect_column_values_to_be_unique", arguments={"column": f"folded {path}"})
    summary = f"{' + '.join(columns)} ({path}) is the same in two or more rows"

    def says(bad: pl.DataFrame) -> pl.DataFrame:
        return _naming_others(bad, " + ".join(columns), path, f"folded {path}")

    return _Asked(expectation, "rows", columns, says, summary)


def _asked_by_library(expectation: Expectation, scope: str) -> _Asked:
    arguments = expectation.arguments
    columns = [arguments[name] for name in ("column", "column_A", "column_B") if name in arguments]
    columns = columns or list(arguments.get("column_list", []))
    named = " and ".join(columns) or "the file"
    told = f"{named} {_in_words(expectation)}"
    if expectation.name in ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"):
        key = pl.concat_str(columns, separator="\x1f") if columns else pl.lit("")
        return _Asked(
            expectation,
            scope,
            columns,
            lambda bad: _naming_others(bad.with_columns(key.alias(KEY)), named, columns[0], KEY),
            told,
        )
    return _Asked(expectation, scope, columns, _saying(named, columns[0] if columns else None, told), told)


WORDS: dict[str, str] = {
    "expect_column_values_to_not_be_null": "is empty",
    "expect_column_values_to_be_null": "is not empty",
    "expect_column_values_to_be_unique": "is the same in two or more rows",
    "expect_compound_columns_to_be_unique": "are together the same in two or more rows",
    "expect_column_values_to_match_regex": "is not written like {regex}",
    "expect_column_values_to_not_match_regex": "is written like {regex}, which it must not be",
    "expect_column_values_to_match_regex_list": "is not written like any of {regex_list}",
    "expect_column_values_to_not_match_regex_list": "is written like one of {regex_list}, which it must not be",
    "expect_column_values_to_match_strftime_format": "is not a date written like {strftime_format}",
    "expect_column_values_to_be_in_set": "is not one of {value_set}",
    "expect_column_values_to_not_be_in_set": "is one of {value_set}, which it must not be",
    "expect_column_value_lengths_to_equal": "is not {value} characters long",
    "expect_column_value_lengths_to_be_between": "is not {min_value} to {max_value} characters long",
    "expect_column_values_to_be_between": "is not between {min_value} and {max_value}",
    "expect_column_pair_values_to_be_equal": "are not the same",
    "expect_column_unique_value_count_to_be_between": "does not have {min_value} to {max_value} different values",
    "expect_column_distinct_values_to_be_in_set": "has values beside {value_set}",
    "expect_column_distinct_values_to_contain_set": "does not have all of {value_set}",
    "expect_table_row_count_to_be_between": "does not have {min_value} to {max_value} rows",
    "expect_table_row_count_to_equal": "has another number of rows than {value}",
    "expect_table_column_count_to_be_between": "does not have {min_value} to {max_value} columns",
    "expect_table_column_count_to_equal": "has another number of columns than {value}",
    "expect_table_columns_to_match_set": "does not have the columns {column_set}",
    "expect_table_columns_to_match_ordered_list": "does not have the columns {column_list}, in this order",
}
"""The expectations that a mapping may have, and what a failure means in words; a `description` goes first."""


class _Arguments(dict[str, Any]):
    """An expectation's arguments as words; one that is left out reads as 'anything'."""

    def __missing__(self, key: str) -> str:
        return "anything"


def _in_words(expectation: Expectation) -> str:
    arguments = expectation.arguments
    if arguments.get("description"):
        return str(arguments["description"])
    words = {
        name: ", ".join(map(str, given)) if isinstance(given, list) else given for name, given in arguments.items()
    }
    return WORDS[expectation.name].format_map(_Arguments(words))


def _saying(named: str, column: str | None, sentence: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def says(bad: pl.DataFrame) -> pl.DataFrame:
        value = pl.col(column) if column else pl.lit(None, dtype=pl.String)
        given = pl.when(value.is_not_null()).then(pl.format(": '{}'", value)).otherwise(pl.lit(""))
        return bad.select(
            pl.col(ROW).alias("row"),
            column=pl.lit(named),
            value=value,
            reason=pl.format("{}{}", pl.lit(sentence), given),
        )

    return says


def _naming_others(bad: pl.DataFrame, named: str, path: str, key: str) -> pl.DataFrame:
    """Each row that shares its key with others, and which rows these are. Whose value it is cannot be told."""
    sharers = bad.group_by(key).agg(pl.col(ROW).alias(SHARERS))
    others = pl.col(SHARERS).list.set_difference(pl.concat_list(ROW)).list.sort()
    told = others.list.head(OTHERS_NAMED).cast(pl.List(pl.String)).list.join(", ")
    more = pl.when(others.list.len() > OTHERS_NAMED).then(pl.lit(" and more")).otherwise(pl.lit(""))
    return bad.join(sharers, on=key, maintain_order="left").select(
        pl.col(ROW).alias("row"),
        column=pl.lit(named),
        value=pl.col(path),
        reason=pl.format(
            "{} '{}' is also in row {}{}; each patron needs their own: mend or remove all but one",
            pl.lit(named),
            path,
            told,
            more,
        ),
    )


def _put(table: pl.DataFrame, asked: list[_Asked]) -> tuple[list[Check], pl.DataFrame]:
    """Put the expectations to a table with ROW; the rows that fail those of scope `rows` become rejects."""
    frame = table.drop(ROW).to_pandas()
    frame.index = pd.Index(table[ROW].to_numpy())
    checks, rejects = [], [no_rejects()]
    for each, result in zip(asked, _results(frame, [each.expectation for each in asked]), strict=True):
        failing = result.result.get("unexpected_index_list") if isinstance(result.result, dict) else None
        # A check of the rows that fails and names none looked at something else, such as the type of the column.
        if not result.success and (not result.result or (each.scope == "rows" and not failing)):
            checks.append(_not_evaluated(each))
            continue
        checks += _judged(each, bool(result.success), failing)
        if each.scope == "rows" and failing:
            at_fault = pl.DataFrame({ROW: pl.Series(failing, dtype=pl.UInt32)}).unique()
            bad = table.join(at_fault, on=ROW, how="semi", maintain_order="left")
            rejects.append(each.says(bad).with_columns(summary=pl.lit(each.summary)))
    return checks, pl.concat(rejects)


def _judged(asked: _Asked, success: bool, failing: list[int] | None) -> Iterable[Check]:
    """A check of scope `rows` never stops the run, unless it says `mostly` and fewer rows than that are good."""
    name, failed = asked.expectation.name, len(failing or [])
    where = (
        f" (rows {', '.join(map(str, failing[:OTHERS_NAMED]))}{', ...' if len(failing) > OTHERS_NAMED else ''})"
        if failing
        else ""
    )
    yield Check(
        name, asked.columns, asked.scope, success, failed, "" if success else f"{_capital(asked.summary)}{where}."
    )
    mostly = asked.expectation.arguments.get("mostly")
    if asked.scope == "rows" and mostly is not None and not success:
        sentence = f"{_capital(asked.summary)} in {failed:,} rows; at least {mostly:.0%} of the rows must be good."
        yield Check(name, asked.columns, "file", False, failed, sentence)


def _not_evaluated(asked: _Asked) -> Check:
    """Great Expectations does not raise when it cannot look, so an unlooked-at rule would pass for a kept one."""
    sentence = (
        f"{asked.expectation.name} could not be looked at. Does the export have the column "
        f"{' and '.join(asked.columns) or 'that it names'}, and are its arguments right? See the mapping file."
    )
    return Check(asked.expectation.name, asked.columns, "file", False, 0, sentence)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _results(frame: pd.DataFrame, expectations: list[Expectation]) -> list[Any]:
    """Great Expectations' result for each expectation; it answers in another order than it is asked."""
    if not expectations:
        return []
    # An ephemeral context keeps nothing on disk, and does not look for settings left over in the environment.
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("export").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite("mapping")
    for place, expectation in enumerate(expectations):
        suite.add_expectation(_made(expectation, "expect", meta={"place": place}))
    results = batch.validate(suite, result_format=RESULT_FORMAT).results
    return sorted(results, key=lambda result: result.expectation_config.meta["place"])
