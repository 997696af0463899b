"""
A mapping's rules as polars expressions: columns in, columns out.

An expression that several others share becomes a column first; nested in each of them, it would be computed each time.
"""

from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl

from patronload import systems
from patronload.config import value_steps
from patronload.config.mapping import BLANK, OTHERWISE, Lookup, Mapping
from patronload.config.rules import Case, Constant, Rule, Variant
from patronload.mapping import cells
from patronload.mapping.conditions import holds

EARLIEST_YEAR = 1000
"""%Y also reads the 26 of 1/5/26 as the year 26, which is not a real date."""

LATEST_YEAR = 9999

TEXT, VALUE, UNMADE, OUTSIDE = "text", "value", "unmade", "outside"

_MADE = pl.lit(value=False).alias(UNMADE)


class Span(NamedTuple):
    """The first and last allowed day of a date, each like 2027-08-31 or None, and the words for a date outside."""

    earliest: str | None = None
    latest: str | None = None
    words: str = ""


def apply(rows: pl.DataFrame, rule: Variant, lookups: dict[str, Lookup], span: Span | None = None) -> pl.DataFrame:
    """
    Apply a rule to rows; returns three columns.

    TEXT: the text from the row, before it is split, looked up or read as a date. VALUE: text, true or false, or a list;
    null if there is none, or none could be made. UNMADE: whether the row has a text that could not be made into a
    value: an unknown code, an unreadable date, or a date outside `span`.
    """
    if isinstance(rule, Rule) and rule.cases:
        parts = by_case(rows, rule.cases)
        apart = [apply(part.rows, part.case, lookups, span).select(TEXT, VALUE, UNMADE) for part in parts]
        together = in_order(pl.concat(apart), [part.positions for part in parts], rows.height)
        return together.with_columns(pl.col(UNMADE).fill_null(value=False))
    if rule.value is not None:
        return rows.select(pl.lit(None, pl.String).alias(TEXT)).with_columns(constant(rule.value), _MADE)
    made = _made(_texts(rows, rule), rule, lookups, span or Span())
    if rule.default is None:
        return made
    value = pl.when(pl.col(VALUE).is_null() & ~pl.col(UNMADE).fill_null(value=False))
    return made.with_columns(value.then(constant(rule.default)).otherwise(pl.col(VALUE)).alias(VALUE))


def constant(value: Constant) -> pl.Expr:
    """The same value in each row."""
    return pl.lit(value, dtype=pl.List(pl.String) if isinstance(value, list) else None).alias(VALUE)


def _made(texts: pl.DataFrame, rule: Variant, lookups: dict[str, Lookup], span: Span) -> pl.DataFrame:
    if rule.split is not None:
        return _lists(texts, rule.split, lookups[rule.lookup] if rule.lookup is not None else None)
    if rule.lookup is not None:
        values = texts.with_columns(looked_up(pl.col(TEXT), lookups[rule.lookup]).alias(VALUE))
    elif rule.date is not None:
        values = _dates(texts, rule.date, span)
    else:
        return texts.with_columns(pl.col(TEXT).alias(VALUE), _MADE)
    return values.with_columns((pl.col(TEXT).is_not_null() & pl.col(VALUE).is_null()).alias(UNMADE))


class Part(NamedTuple):
    """The rows of a case: their positions among all rows, and the rows themselves."""

    positions: pl.Series
    rows: pl.DataFrame
    case: Case


def by_case(rows: pl.DataFrame, cases: tuple[Case, ...]) -> list[Part]:
    """The rows of each case, the first one that fits; rows that no case is for are in none."""
    tests = [pl.when(holds(case.when) if case.when else pl.lit(value=True)) for case in cases]
    numbers = pl.coalesce(*(test.then(pl.lit(number, pl.Int16)) for number, test in enumerate(tests)))
    chosen = rows.select(numbers.fill_null(-1).alias("case")).to_series()
    found = [(chosen.eq(number).arg_true(), case) for number, case in enumerate(cases)]
    return [Part(positions, rows[positions], case) for positions, case in found]


def in_order(found: pl.DataFrame, positions: list[pl.Series], height: int) -> pl.DataFrame:
    """What was found for the parts of `by_case`, one after the other, in the order of all rows; null for the others."""
    places = np.full(height, -1, np.int64)
    places[np.concatenate([part.to_numpy() for part in positions])] = np.arange(found.height)
    indices = pl.Series(places)
    return found.select(pl.all().gather(indices.set(indices < 0, None)))


def of_fields(rows: pl.DataFrame, mapping: Mapping, paths: list[str]) -> dict[str, pl.Series]:
    """The values of some fields, by their path."""
    return {path: apply(rows, mapping.fields[path], mapping.lookups)[VALUE] for path in paths}


def span(path: str, rule: Variant, target: str) -> Span:
    """The allowed days of a date field: those of the rule, else those that make sense for the field."""
    usual = systems.KNOWN[target].ranges.get(path, (None, None))
    earliest, latest = rule.earliest or usual[0], rule.latest or usual[1]
    sides = [f"before {_in_words(earliest)}"] if earliest else []
    sides += [f"after {_in_words(latest)}"] if latest else []
    return Span(_day(earliest), _day(latest), " or ".join(sides))


def _in_words(day: str) -> str:
    """A bound in words that are the same every day: +30 years is 'today + 30 years'."""
    return f"today {day[0]} {day[1:]}" if day[0] in "+-" else day


def _day(written: str | None) -> str | None:
    if written is None or written[:1].isdigit():
        return written
    today = date.today()
    years = 0 if written == "today" else int(written.split()[0])
    # Most years have no 29 February.
    return f"{today.year + years:04}-{today:%m}-{min(today.day, 28) if today.month == 2 else today.day:02}"  # noqa: PLR2004


def looked_up(taken: pl.Expr, table: Lookup) -> pl.Expr:
    """Each code's value in the table: `otherwise` for a code that is not listed, `blank` (or null) for no code."""
    listed = {code: meant for code, meant in table.items() if code not in (OTHERWISE, BLANK)}
    dtype = pl.Boolean if isinstance(next(iter(table.values())), bool) else pl.String
    found = taken.replace_strict(
        pl.Series(list(listed), dtype=pl.String),
        pl.Series(list(listed.values()), dtype=dtype),
        default=pl.lit(table.get(OTHERWISE), dtype=dtype),
        return_dtype=dtype,
    )
    return pl.when(taken.is_not_null()).then(found).otherwise(pl.lit(table.get(BLANK), dtype=dtype))


def _texts(rows: pl.DataFrame, rule: Variant) -> pl.DataFrame:
    """The text that a rule takes from the row, after its steps; each step becomes a column, see above."""
    text = pl.col(TEXT)
    taken = cells.cleaned(rows.select(*dict.fromkeys(rule.columns))).select(_taken(rule).alias(TEXT))
    steps = [value_steps.STEPS[step](text) for step in rule.steps]
    if rule.phone is not None:
        steps.append(value_steps.phone(text, rule.phone))
    for step in steps:
        taken = taken.select(step)
    return cells.cleaned(taken) if steps or rule.join is not None else taken


def _taken(rule: Variant) -> pl.Expr:
    if rule.first_of is not None:
        return pl.coalesce(rule.columns)
    if rule.join is not None:
        between = " " if rule.between is None else rule.between
        return pl.concat_str(rule.columns, separator=between, ignore_nulls=True)
    return pl.col(rule.columns[0])


def _lists(texts: pl.DataFrame, between: str, table: Lookup | None) -> pl.DataFrame:
    """The values of cells that hold lists: without blanks, each once, in order, and looked up."""
    element, value = pl.element(), pl.col(VALUE)
    made = texts.with_columns(pl.col(TEXT).str.split(between).list.eval(element.str.strip_chars()).alias(VALUE))
    made = made.with_columns(value.list.eval(element.filter(element != "")).list.unique(maintain_order=True))
    if table is not None:
        made = made.with_columns(value.list.eval(looked_up(element, table)))
        made = made.with_columns(value.list.eval(element.is_null()).list.any().fill_null(value=False).alias(UNMADE))
        made = made.with_columns(pl.when(~pl.col(UNMADE)).then(value.list.unique(maintain_order=True)).alias(VALUE))
    else:
        made = made.with_columns(pl.lit(False).alias(UNMADE))
    return made.with_columns(pl.when(value.list.len() > 0).then(value).alias(VALUE))


def _dates(texts: pl.DataFrame, form: str, span: Span) -> pl.DataFrame:
    """
    Dates in this form, within the span.

    polars reads 2027113 with %Y%m%d as 3 November. So a date counts only if writing it again gives the same text.
    """
    day = pl.col("day")
    read = texts.with_columns(pl.col(TEXT).str.to_date(form, strict=False).alias("day"))
    again = read.select(TEXT, "day", again=day.dt.to_string(form))
    same = pl.col("again") == pl.col(TEXT)
    if not again.select(same.all()).item():
        same = _plain(pl.col("again")) == _plain(pl.col(TEXT))
    good, value = pl.col("good"), pl.col(VALUE)
    dated = again.with_columns(good=same & day.dt.year().is_between(EARLIEST_YEAR, LATEST_YEAR))
    dated = dated.with_columns(pl.when(good).then(day.dt.to_string("%Y-%m-%d")).alias(VALUE))
    within = pl.lit(True)
    if span.earliest:
        within &= value >= span.earliest
    if span.latest:
        within &= value <= span.latest
    return dated.select(TEXT, pl.when(within).then(value).alias(VALUE), (good & ~within).alias(OUTSIDE))


def _plain(written: pl.Expr) -> pl.Expr:
    """A written date in lower case, without blanks and without leading zeros."""
    return written.str.to_lowercase().str.replace_all(r"\s+", "").str.replace_all(r"(^|[^0-9])0+([0-9])", "${1}${2}")
