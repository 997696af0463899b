"""Pair each expectation with the reason that rows get if they fail it: the built-in ones, and those of a library."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from patronload.config import expectations
from patronload.config.mapping import Expectation, Mapping
from patronload.rows import ROW

OTHERS_NAMED = 5
"""The maximum number of rows with the same value that a reason lists."""

SHARERS, KEY, COUNT = "__sharers__", "__key__", "__count__"


TOO_LARGE, TOO_SMALL, THERE = "__large__", "__small__", "__there__"
"""Names of columns that no export has, or what they begin with; see exports. The last three are of numbers."""


class Expected(NamedTuple):
    """An expectation for Great Expectations, and the reason for the rows that fail it."""

    expectation: Expectation
    scope: str
    columns: list[str]
    says: Callable[[pl.DataFrame], pl.DataFrame]
    summary: str
    number: str | None = None
    """The column of numbers that stands for its column: the numbers in it, or a 1 where anything is in it."""
    passed: str = ""
    """A sentence that is true of the file if no row fails."""

    @property
    def put(self) -> Expectation:
        """The expectation for Great Expectations: about the column's numbers, if there is a column of them."""
        if self.number is None:
            return self.expectation
        return Expectation(name=self.expectation.name, arguments=self.expectation.arguments | {"column": self.number})


def required_check(path: str, mapping: Mapping) -> Expected:
    """The built-in check that a field has a value in every row."""
    rule = mapping.fields[path]
    columns = rule.columns
    named = " and ".join(columns)
    are = "are" if len(columns) > 1 else "is"
    summary, reason = f"{named} ({path}) {are} empty", f"{named} {are} empty; {path} is required: fill it in"
    if rule.cases:
        summary = f"{named}: no case gives a value for {path}"
        reason = f"{summary}, which is required; correct the row, or add a case to the mapping"
    says = saying(" + ".join(columns), None, reason)
    expectation = Expectation(name="expect_column_values_to_not_be_null", arguments={"column": path})
    # Only the presence of text matters, and text takes several times its memory in pandas.
    passed = f"{named} ({path}) {are} never empty"
    return Expected(expectation, "rows", columns, says, summary, f"{THERE}{path}", passed)


def unique_check(path: str, mapping: Mapping) -> Expected:
    """The built-in check that no two rows have the same value, as the library system compares them."""
    columns = mapping.fields[path].columns
    expectation = Expectation(name="expect_column_values_to_be_unique", arguments={"column": f"folded {path}"})
    summary = f"{' + '.join(columns)} ({path}) is the same in two or more rows"

    def says(bad: pl.DataFrame) -> pl.DataFrame:
        return _naming_others(bad, " + ".join(columns), path, f"folded {path}")

    passed = f"{' + '.join(columns)} ({path}) is different in every row"
    return Expected(expectation, "rows", columns, says, summary, passed=passed)


def library_check(expectation: Expectation, scope: str) -> Expected:
    """An expectation of a mapping file or a tenant file."""
    arguments = expectation.arguments
    columns = expectations.columns(expectation.name, arguments)
    named = " and ".join(columns) or "the file"
    told = f"{named} {expectations.in_words(expectation.name, arguments)}"
    summary = f"{told}{AND_SO.get(scope, '')}"
    passed = expectations.passed(expectation.name, arguments, named)
    if expectation.name in ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"):
        key = pl.concat_str([pl.col(column).fill_null("") for column in columns], separator="\x1f")
        return Expected(
            expectation,
            scope,
            columns,
            lambda bad: _naming_others(bad.with_columns(key.alias(KEY)), named, columns[0], KEY),
            summary,
            passed=passed,
        )
    odd = TOO_LARGE if arguments.get("max_value") is not None else TOO_SMALL
    number = f"{odd}{columns[0]}" if columns and expectation.name == expectations.BETWEEN else None
    says = saying(named, columns[0] if columns else None, told)
    return Expected(expectation, scope, columns, says, summary, number, passed)


AND_SO = {"blank": "; the cell counts as empty"}
"""The consequence of a failure, where the place of the sentence does not show it."""


def saying(named: str, column: str | None, sentence: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A function from failing rows to rejects, all with this sentence and the value of `column`."""

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


def each_once(rejects: pl.DataFrame) -> pl.DataFrame:
    """The rejects with one reason for each thing that is wrong; an empty cell may be required twice."""
    about = pl.coalesce(pl.col("reason").str.extract("^(.+ (?:is|are) empty)(?:;|$)"), "reason").alias("__about__")
    told = rejects.with_columns(about).unique(("row", "column", "__about__"), keep="first", maintain_order=True)
    return told.drop("__about__")


def _naming_others(bad: pl.DataFrame, named: str, path: str, key: str) -> pl.DataFrame:
    """Each row that shares its key with others, and the others. It is not known whose value it is."""
    # Files with ten thousand rows of the same placeholder exist; listing all others in each would give 100 million.
    few = pl.col(ROW).sort().head(OTHERS_NAMED + 1)
    sharers = bad.group_by(key).agg(few.alias(SHARERS), pl.len().alias(COUNT))
    others = pl.col(SHARERS).list.set_difference(pl.concat_list(ROW)).list.sort()
    told = others.list.head(OTHERS_NAMED).cast(pl.List(pl.String)).list.join(", ")
    more = pl.when(pl.col(COUNT) > OTHERS_NAMED + 1).then(pl.lit(" and more")).otherwise(pl.lit(""))
    return bad.join(sharers, on=key, maintain_order="left").select(
        pl.col(ROW).alias("row"),
        column=pl.lit(named),
        value=pl.col(path),
        reason=pl.format(
            "{} '{}' is also in row {}{}; each patron needs their own; correct or remove all but one",
            pl.lit(named),
            path,
            told,
            more,
        ),
    )
