"""
Check an export with Great Expectations: rows and expectations in, checks and rejects out.

Great Expectations is the validator of record. It sees two tables: the export as the library wrote it, for the mapping's
own expectations, and the target's key fields as they will be, for what is checked without being asked: that required
fields are there, and that no two patrons share what the target wants unique, compared as the target compares it.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pandas as pd
import polars as pl

from patronload import expectations, expressions
from patronload.exports import Export
from patronload.expressions import TEXT, VALUE
from patronload.folding import folded
from patronload.mappings import Expectation, Mapping
from patronload.rows import ROW, no_rejects, without

# It tells at INFO of each of its two hundred functions as it is imported.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

import great_expectations as gx  # noqa: E402  (see the line above)
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

OTHERS_NAMED = 5
"""How many of the rows that share a value are named in a reason."""


PART = 1 << 16
"""So many rows are hashed at a time, which needs a copy of them."""

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
    """The export against the mapping's expectations and the built-in ones."""
    missing = _missing_columns(export, mapping)
    if not missing.passed:
        return Validation([missing], export.rejects)
    repeated = _repeated(export.frame)
    frame = without(export.frame, repeated)
    own_checks, own_rejects = _own(frame, mapping)
    key_checks, key_rejects = _keys(frame, mapping)
    rejects = pl.concat([export.rejects, repeated, key_rejects, own_rejects]).sort("row", maintain_order=True)
    return Validation([missing, *key_checks, *own_checks], rejects)


def _made(expectation: Expectation, **more: Any) -> Any:
    """Great Expectations' own; a mapping file has none that it refuses, see expectations."""
    return get_expectation_impl(expectation.name)(**expectation.arguments, **more)


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
    # Few rows have a hash that another one has, so few have to be compared cell by cell.
    hashes = pl.concat([pl.Series(dtype=pl.UInt64), *(part.drop(ROW).hash_rows() for part in frame.iter_slices(PART))])
    doubtful = frame.filter(hashes.is_duplicated())
    numbered = doubtful.select(ROW, first=pl.col(ROW).first().over(pl.struct(pl.exclude(ROW))))
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
    # A column that no expectation names costs memory only, so it is there by name but empty, in one byte a row.
    table = frame.select(
        ROW,
        *(
            expressions.clean(name) if any(name in text for text in used) else pl.lit(False).alias(name)
            for name in frame.columns[1:]
        ),
    )
    return _put(table.with_columns(**dict(_numbers(asked, table.columns))), [_over_numbers(each) for each in asked])


NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?$"
"""What counts as a number: 5, 007, -1.5; neither 1e5 nor 1,000, which people do not mean or mean in two ways."""


def _numbers(asked: list[_Asked], columns: list[str]) -> Iterator[tuple[str, pl.Expr]]:
    """The columns that are asked to be between numbers, as numbers; what is none is beyond the bound that there is."""
    for each in asked:
        name, arguments = each.expectation.name, each.expectation.arguments
        if name == expectations.BETWEEN and arguments["column"] in columns:
            text = pl.col(arguments["column"])
            beyond = -math.inf if "min_value" in arguments else math.inf
            number = pl.when(text.str.contains(NUMBER)).then(text).cast(pl.Float64, strict=False).fill_null(beyond)
            yield _number_of(each), pl.when(text.is_not_null()).then(number)


def _number_of(asked: _Asked) -> str:
    """The name of the column that holds the numbers for a check; no export has one of this name, see exports."""
    bound = "least" if "min_value" in asked.expectation.arguments else "most"
    return f"__{bound} {asked.expectation.arguments['column']}__"


def _over_numbers(asked: _Asked) -> _Asked:
    """All cells are text, but this one expectation compares numbers, so it is given a column of them."""
    if asked.expectation.name != expectations.BETWEEN:
        return asked
    arguments = asked.expectation.arguments | {"column": _number_of(asked)}
    return asked._replace(expectation=Expectation(name=asked.expectation.name, arguments=arguments))


def _texts(arguments: Any) -> Iterator[str]:
    """All texts in the arguments, however deep."""
    if isinstance(arguments, str):
        yield arguments
    elif isinstance(arguments, dict | list):
        for inner in arguments.values() if isinstance(arguments, dict) else arguments:
            yield from _texts(inner)


def _keys(frame: pl.DataFrame, mapping: Mapping) -> tuple[list[Check], pl.DataFrame]:
    """The built-in expectations, put to the target's key fields as they will be."""
    paths = list(dict.fromkeys([*mapping.required, *mapping.unique]))
    made = {path: expressions.made(frame, mapping.fields[path], mapping.lookups) for path in paths}
    asked = [_asked_required(path, mapping) for path in mapping.required]
    asked += [_asked_unique(path, mapping) for path in mapping.unique]
    taken = {path: made[path][TEXT if path in mapping.required else VALUE] for path in paths}
    values = frame.select(ROW, **taken)
    return _put(
        values.with_columns(folded(pl.lit(made[path][VALUE])).alias(f"folded {path}") for path in mapping.unique), asked
    )


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
    columns = expectations.columns(expectation.name, expectation.arguments)
    named = " and ".join(columns) or "the file"
    told = f"{named} {_in_words(expectation)}"
    if expectation.name in ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"):
        key = pl.concat_str([pl.col(column).fill_null("") for column in columns], separator="\x1f")
        return _Asked(
            expectation,
            scope,
            columns,
            lambda bad: _naming_others(bad.with_columns(key.alias(KEY)), named, columns[0], KEY),
            told,
        )
    return _Asked(expectation, scope, columns, _saying(named, columns[0] if columns else None, told), told)


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
    return expectations.KNOWN[expectation.name].words.format_map(_Arguments(words))


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


def _results(frame: pd.DataFrame, asked: list[Expectation]) -> list[Any]:
    """Great Expectations' result for each expectation; it answers in another order than it is asked."""
    if not asked:
        return []
    # An ephemeral context keeps nothing on disk, and does not look for settings left over in the environment.
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("export").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    made = [_made(expectation, meta={"place": place}) for place, expectation in enumerate(asked)]
    # All at once: one by one, a suite takes no expectation that it has already.
    suite = gx.ExpectationSuite("mapping", made)
    results = batch.validate(suite, result_format=RESULT_FORMAT).results
    return sorted(results, key=lambda result: result.expectation_config.meta["place"])
