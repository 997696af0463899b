"""
A mapping's rules as polars expressions: columns in, columns out.

An expression that several others share becomes a column first; nested in each of them, it would be computed each time.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from patronload.config import date_forms, value_steps
from patronload.config.mapping import BLANK, OTHERWISE, Lookup, Mapping
from patronload.config.rules import Case, Constant, Rule, Variant
from patronload.mapping import cells, date_values, invisible, packed_cells
from patronload.mapping.cells import MISREAD, OUTSIDE, TEXT, UNMADE, VALUE
from patronload.mapping.conditions import holds
from patronload.mapping.date_values import Span

_MADE = pl.lit(value=False).alias(UNMADE)

Words = frozenset[str]


def apply(
    rows: pl.DataFrame, rule: Variant, lookups: dict[str, Lookup], span: Span | None = None, words: Words = frozenset()
) -> pl.DataFrame:
    """
    Apply a rule to rows; returns three columns. `words` count as blank within a cell that has several values.

    TEXT: the text from the row, before it is split, looked up or read as a date. VALUE: text, true or false, or a list;
    null if there is none, or none could be made. UNMADE: whether the row has a text that could not be made into a
    value: an unknown code, an unreadable date, a date outside `span`, or a packed cell that cannot be read.
    """
    if isinstance(rule, Rule) and rule.cases:
        parts = by_case(rows, rule.cases)
        apart = [apply(part.rows, part.case, lookups, span, words).select(TEXT, VALUE, UNMADE) for part in parts]
        together = in_order(pl.concat(apart), [part.positions for part in parts], rows.height)
        return together.with_columns(pl.col(UNMADE).fill_null(value=False))
    if rule.is_fixed:
        nothing = pl.Series(TEXT, [None], dtype=pl.String).new_from_index(0, rows.height).to_frame()
        return nothing.with_columns(constant(fixed_value(rule)), _MADE)
    make = _of_packed if rule.is_packed else _of_row
    made = make(rows, rule, _Given(lookups, span or Span(), words))
    if rule.default is None:
        return made
    value = pl.when(pl.col(VALUE).is_null() & ~pl.col(UNMADE).fill_null(value=False))
    return made.with_columns(value.then(constant(rule.default)).otherwise(pl.col(VALUE)).alias(VALUE))


class _Given(NamedTuple):
    """The arguments of `apply` beside the rows and the rule."""

    lookups: dict[str, Lookup]
    span: Span
    words: Words


def _of_row(rows: pl.DataFrame, rule: Variant, given: _Given) -> pl.DataFrame:
    return _make(_apply_steps(_texts(rows, rule), rule), rule, given)


def _of_packed(rows: pl.DataFrame, rule: Variant, given: _Given) -> pl.DataFrame:
    """With MISREAD, for a cell that could not be read; TEXT is the whole cell then."""
    whole = _texts(rows, rule)[TEXT]
    read = packed_cells.unpack(whole, rule)
    # JSON may write an invisible character as its number.
    texts = cells.clean_all(invisible.cleaned(read.select(TEXT)))
    if given.words:
        texts = texts.select(pl.when(~pl.col(TEXT).is_in(list(given.words))).then(TEXT).alias(TEXT))
    made = _make(_apply_steps(texts, rule), rule, given)
    misread = read[MISREAD].is_not_null()
    return made.with_columns(
        pl.when(misread).then(whole).otherwise(pl.col(TEXT)).alias(TEXT), pl.col(UNMADE) | misread, read[MISREAD]
    )


def fixed_value(rule: Variant) -> Constant:
    """The value of a rule that does not depend on the row."""
    if rule.value is not None:
        return rule.value
    if rule.is_group_offset:
        return date_forms.GROUP_OFFSET
    return date_values.fixed_date(rule.adjustments)


def constant(value: Constant) -> pl.Expr:
    """The same value in each row."""
    return pl.lit(value, dtype=pl.List(pl.String) if isinstance(value, list) else None).alias(VALUE)


def _make(texts: pl.DataFrame, rule: Variant, given: _Given) -> pl.DataFrame:
    if rule.split is not None:
        return _lists(texts, rule.split, given.lookups[rule.lookup] if rule.lookup is not None else None, given.words)
    if rule.lookup is not None:
        values = texts.with_columns(look_up(pl.col(TEXT), given.lookups[rule.lookup]).alias(VALUE))
        values = date_values.of_lookup(values, rule) if rule.adjust else values
    elif rule.date is not None:
        values = date_values.read(texts, rule, given.span)
    else:
        return texts.with_columns(pl.col(TEXT).alias(VALUE), _MADE)
    unmade = pl.col(TEXT).is_not_null() & pl.col(VALUE).is_null()
    if rule.outside == "blank":
        unmade &= pl.col(OUTSIDE).is_null()
    return values.with_columns(unmade.alias(UNMADE))


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
    """The values found for the parts of `by_case`, in the order of all rows; null for rows in no part."""
    places = np.full(height, -1, np.int64)
    places[np.concatenate([part.to_numpy() for part in positions])] = np.arange(found.height)
    indices = pl.Series(places)
    return found.select(pl.all().gather(indices.set(indices < 0, None)))


def of_fields(rows: pl.DataFrame, mapping: Mapping, paths: list[str]) -> dict[str, pl.Series]:
    """The values of some fields, by their path."""
    return {
        path: apply(rows, mapping.fields[path], mapping.lookups, words=mapping.blank_words_within(path))[VALUE]
        for path in paths
    }


def look_up(taken: pl.Expr, table: Lookup) -> pl.Expr:
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
    """The text that a rule takes from the row."""
    return cells.clean_all(rows.select(*dict.fromkeys(rule.columns))).select(_take(rule).alias(TEXT))


def _apply_steps(taken: pl.DataFrame, rule: Variant) -> pl.DataFrame:
    """The text after the rule's steps; each step becomes a column, see above."""
    text = pl.col(TEXT)
    steps = [step.apply(text) for step in rule.steps]
    if rule.phone is not None:
        steps.append(value_steps.phone(text, rule.phone))
    for step in steps:
        taken = taken.select(step)
    if rule.decodes_html:
        taken = invisible.cleaned(taken)  # such as &shy; and &#8203;
    return cells.clean_all(taken) if steps or rule.join is not None else taken


def _take(rule: Variant) -> pl.Expr:
    if rule.first_of is not None:
        return pl.coalesce(rule.columns)
    if rule.join is not None:
        between = " " if rule.between is None else rule.between
        parts = [pl.col(part) if isinstance(part, str) else pl.lit(part.text) for part in rule.join]
        joined = pl.concat_str(parts, separator=between, ignore_nulls=True)
        if len(parts) == len(rule.columns):
            return joined
        return pl.when(pl.any_horizontal(pl.col(rule.columns).is_not_null())).then(joined)
    return pl.col(rule.columns[0])


def _lists(texts: pl.DataFrame, between: str, table: Lookup | None, words: Words) -> pl.DataFrame:
    """The values of cells that hold lists: without blanks, each once, in order, and looked up."""
    element, value = pl.element(), pl.col(VALUE)
    made = texts.with_columns(pl.col(TEXT).str.split(between).list.eval(element.str.strip_chars()).alias(VALUE))
    made = made.with_columns(
        value.list.eval(element.filter(~element.is_in(["", *words]))).list.unique(maintain_order=True)
    )
    if table is not None:
        made = made.with_columns(value.list.eval(look_up(element, table)))
        made = made.with_columns(value.list.eval(element.is_null()).list.any().fill_null(value=False).alias(UNMADE))
        made = made.with_columns(pl.when(~pl.col(UNMADE)).then(value.list.unique(maintain_order=True)).alias(VALUE))
    else:
        made = made.with_columns(pl.lit(False).alias(UNMADE))
    return made.with_columns(pl.when(value.list.len() > 0).then(value).alias(VALUE))
