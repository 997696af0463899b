"""A mapping's rules as polars expressions: columns in, columns out."""

import polars as pl

from patronload import recipes
from patronload.mappings import OTHERWISE, Lookup, Mapping, Rule

EARLIEST_YEAR = 1000
"""%Y also reads the 26 of 1/5/26, as the year 26; nobody's card runs out then."""

LATEST_YEAR = 9999


def clean(column: str) -> pl.Expr:
    """A column's text without blanks around it; null where nothing is left."""
    return _or_null(pl.col(column).str.strip_chars())


def text(rule: Rule) -> pl.Expr:
    """What a rule takes from the row, before it is split, looked up or read as a date; null where there is nothing."""
    taken = _taken(rule)
    for step in rule.steps:
        taken = recipes.STEPS[step](taken)
    return _or_null(taken.str.strip_chars())


def value(rule: Rule, lookups: dict[str, Lookup]) -> pl.Expr:
    """What a rule makes of the row: text, true or false, or a list; null where there is none or it cannot be made."""
    if rule.value is not None:
        return pl.lit(rule.value if isinstance(rule.value, str | bool) else [rule.value])
    if rule.split is not None:
        return _list(rule, lookups)
    if rule.lookup is not None:
        return looked_up(text(rule), lookups[rule.lookup])
    if rule.date is not None:
        return _date(text(rule), rule.date)
    return text(rule)


def unmade(rule: Rule, lookups: dict[str, Lookup]) -> pl.Expr:
    """True where the row holds something that cannot be made into a value: an unlisted code, an unreadable date."""
    if rule.split is not None and rule.lookup is not None:
        table = lookups[rule.lookup]
        known = pl.lit(True) if OTHERWISE in table else pl.element().is_in(list(table))
        return _elements(rule).list.eval(~known).list.any().fill_null(False)
    return text(rule).is_not_null() & value(rule, lookups).is_null()


def of_fields(mapping: Mapping, paths: list[str]) -> dict[str, pl.Expr]:
    """The values of some fields, by their path."""
    return {path: value(mapping.fields[path], mapping.lookups) for path in paths}


def looked_up(taken: pl.Expr, table: Lookup) -> pl.Expr:
    """Each code's value in the table; `otherwise` for a code that is not listed, and null where there is no code."""
    listed = {code: meant for code, meant in table.items() if code != OTHERWISE}
    dtype = pl.Boolean if isinstance(next(iter(table.values())), bool) else pl.String
    found = taken.replace_strict(
        pl.Series(list(listed), dtype=pl.String),
        pl.Series(list(listed.values()), dtype=dtype),
        default=pl.lit(table.get(OTHERWISE), dtype=dtype),
        return_dtype=dtype,
    )
    return pl.when(taken.is_not_null()).then(found)


def _taken(rule: Rule) -> pl.Expr:
    columns = [clean(column) for column in rule.columns]
    if rule.first_of is not None:
        return pl.coalesce(columns)
    if rule.join is not None:
        between = " " if rule.between is None else rule.between
        return pl.concat_str(columns, separator=between, ignore_nulls=True)
    return columns[0]


def _or_null(stripped: pl.Expr) -> pl.Expr:
    return pl.when(stripped != "").then(stripped)


def _elements(rule: Rule) -> pl.Expr:
    """The values in a cell that holds a list: without blanks, each once, in their order."""
    parts = text(rule).str.split(rule.split or "").list.eval(pl.element().str.strip_chars())
    return parts.list.eval(pl.element().filter(pl.element() != "")).list.unique(maintain_order=True)


def _list(rule: Rule, lookups: dict[str, Lookup]) -> pl.Expr:
    elements = _elements(rule)
    if rule.lookup is not None:
        made = elements.list.eval(looked_up(pl.element(), lookups[rule.lookup])).list.unique(maintain_order=True)
        elements = pl.when(~unmade(rule, lookups)).then(made)
    return pl.when(elements.list.len() > 0).then(elements)


def _date(taken: pl.Expr, form: str) -> pl.Expr:
    """polars reads 2027113 by %Y%m%d as the 3rd of November; what does not come out as it went in is no such date."""
    read = taken.str.to_date(form, strict=False)
    again = _plain(read.dt.to_string(form)) == _plain(taken)
    return pl.when(again & read.dt.year().is_between(EARLIEST_YEAR, LATEST_YEAR)).then(read.dt.to_string("%Y-%m-%d"))


def _plain(written: pl.Expr) -> pl.Expr:
    """A date as it is written, whatever the case, the blanks and the zeros before a number."""
    return written.str.to_lowercase().str.replace_all(r"\s+", "").str.replace_all(r"(^|[^0-9])0+([0-9])", "${1}${2}")
