"""
The named steps with which a mapping changes a value.

Each function below is a step with the same name: `username: {column: LOGIN, steps: [lower]}`. To add a step, write a
function here with an example as its docstring; docs/mapping-files.md shows the docstring.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # polars is slow to import, and Airflow parses the DAG file often
    import polars as pl


def lower(text: pl.Expr) -> pl.Expr:
    """JDoe becomes jdoe."""
    return text.str.to_lowercase()


def upper(text: pl.Expr) -> pl.Expr:
    """ab12 becomes AB12."""
    return text.str.to_uppercase()


def digits(text: pl.Expr) -> pl.Expr:
    """(312) 555-0199 becomes 3125550199."""
    return text.str.replace_all(r"[^0-9]", "")


def without_leading_zeros(text: pl.Expr) -> pl.Expr:
    """000123 becomes 123, and 000 becomes 0."""
    return text.str.replace(r"^0+([0-9])", "${1}")


def single_spaces(text: pl.Expr) -> pl.Expr:
    """12  Main   Street becomes 12 Main Street."""
    return text.str.replace_all(r"\s+", " ")


def country(text: pl.Expr) -> pl.Expr:
    """Ireland becomes IE, and so does IRL; a text that is not a country stays as it is."""
    return _each(text, _country)


def phone(text: pl.Expr, country: str) -> pl.Expr:
    """A telephone number of `country` in international form; a text that is not a number stays as it is."""
    return _each(text, lambda written: _phone(written, country))


def _each(text: pl.Expr, change: Callable[[str], str]) -> pl.Expr:
    """Text changed by a Python function, which is called once for each distinct text."""

    def change_column(column: pl.Series) -> pl.Series:
        different = column.unique().drop_nulls()
        return column.replace(different, different.map_elements(change, return_dtype=different.dtype))

    return text.map_batches(change_column)


@cache
def _country(written: str) -> str:
    import pycountry  # slow to import: it reads its tables

    try:
        return str(pycountry.countries.lookup(written.strip()).alpha_2)
    except LookupError:
        return written


@cache
def _phone(written: str, country: str) -> str:
    import phonenumbers  # slow to import

    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException:
        return written
    good = phonenumbers.is_possible_number(number) and not number.extension
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if good else written


STEPS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    step.__name__: step for step in (lower, upper, digits, without_leading_zeros, single_spaces, country)
}
