"""
The expectations that a mapping may use: the meaning of a failure, the arguments of each, and the mistakes in one.

Great Expectations has more expectations and arguments. Some of them it would evaluate as code (row_condition) or fetch
from elsewhere ($ref), and some compare numbers with a table that is all text. So only these are allowed; a test runs
each.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from patronload.config import date_forms
from patronload.documents.models import suggestion
from patronload.documents.yaml_files import Key

SCOPES = ("file", "rows", "blank", "warn")
"""A failure under `file` stops the run, `rows` rejects the row, `blank` empties the cell, `warn` only reports."""

BETWEEN = "expect_column_values_to_be_between"
"""The only expectation that compares numbers; see checks.validation."""

A_DAY = date(2003, 12, 31)
"""Any day will do, if it is always the same one."""

MOST = 10**15
"""Up to this size a float holds every whole number exactly."""

UNBOUNDED = re.compile(r"(?<!\\)(?:\\\\)*(\(\?(?:=|!|<=|<!|P=|\(|>)|\\[1-9Z])")
"""Syntax of Python's engine that the linear-time engine does not support; see checks.linear_patterns."""

Mistake = tuple[Key, str]


class Argument(NamedTuple):
    """An argument: an example of its value, and the function that finds the mistakes in a value."""

    like: str
    mistakes: Callable[[Any, Key, str], Iterator[Mistake]]


def _text(given: Any, key: Key, like: str) -> Iterator[Mistake]:
    if given is None:
        yield key, f"is left empty. Write it like {like}."
    elif isinstance(given, bool):
        yield key, f"YAML reads this as yes or no ({str(given).lower()}), not as text. Write it in quotes."
    elif isinstance(given, int | float):
        yield key, f'YAML reads this as the number {given}, not as text. Write it in quotes: "{given}".'
    elif isinstance(given, date):
        yield key, "YAML reads this as a date, not as text. Write it in quotes."
    elif not isinstance(given, str):
        yield key, f"takes a single text, like {like}, not {'keys' if isinstance(given, dict) else 'a list'}."
    elif not given:
        yield key, f"must not be empty. Write it like {like}."


def _regex(given: Any, key: Key, like: str) -> Iterator[Mistake]:
    yield from _text(given, key, like)
    if isinstance(given, str) and given:
        try:
            re.compile(given)
        except (re.error, OverflowError, RecursionError) as error:
            yield key, f"'{given}' is not a regular expression: {error}. Write one like {like}."
            return
        if found := UNBOUNDED.search(given):
            yield (
                key,
                (
                    f"'{found[1]}' in '{given}' is not supported: patterns run in linear time, so they have no "
                    "lookaround, no backreferences and no \\Z. Write several expectations, or one like " + f"{like}."
                ),
            )


def _list_of(one: Argument, fewest: int = 1) -> Argument:
    def mistakes(given: Any, key: Key, like: str) -> Iterator[Mistake]:
        if not isinstance(given, list):
            yield key, f"{'is left empty' if given is None else 'takes a list'}. Write it like {like}."
            return
        if len(given) < fewest:
            yield key, f"needs at least {'one' if fewest == 1 else 'two'}. Write it like {like}."
        for place, each in enumerate(given):
            yield from one.mistakes(each, (*key, place), one.like)

    return Argument(f"[{one.like}, {one.like}2]" if one is COLUMN else f"[{one.like}]", mistakes)


def _date(given: Any, key: Key, like: str) -> Iterator[Mistake]:
    yield from _text(given, key, like)
    if isinstance(given, str) and given:
        try:
            # Not today: on 29 February a form without a year, such as %d.%m., could not be read back.
            with warnings.catch_warnings(action="ignore"):  # from Python 3.13 on, about such forms
                datetime.strptime(A_DAY.strftime(given), given)  # noqa: DTZ007 - a day has no zone
        except (ValueError, re.error):
            yield key, f"'{given}' is not the form of a date. Write it like {like}."


def _number(what: str, fits: Callable[[Any], bool]) -> Callable[[Any, Key, str], Iterator[Mistake]]:
    def mistakes(given: Any, key: Key, like: str) -> Iterator[Mistake]:
        if given is None:
            yield key, f"is left empty. Write it like {like}."
        elif isinstance(given, bool) or not isinstance(given, int | float) or not fits(given):
            yield key, f"takes {what} without quotes, like {like}; '{given}' was given."

    return mistakes


def _one_of(*choices: str | bool) -> Argument:
    listed = " or ".join(str(choice).lower() if isinstance(choice, bool) else choice for choice in choices)

    def mistakes(given: Any, key: Key, like: str) -> Iterator[Mistake]:
        if not any(given is choice or (isinstance(given, str) and given == choice) for choice in choices):
            yield key, f"takes {like}; '{given}' was given." if given is not None else f"is left empty. Write {like}."

    return Argument(listed, mistakes)


COLUMN = Argument("CARD", _text)
TEXT = Argument("is not one of our card numbers", _text)
REGEX = Argument('"^[0-9]{8}$"', _regex)
DATE = Argument('"%m/%d/%Y"', _date)
WHOLE = Argument("8", _number("a whole number", lambda given: isinstance(given, int) and 0 <= given <= MOST))
NUMBER = Argument("1.5", _number("a number", lambda given: -MOST <= given <= MOST))
SHARE = Argument("0.95", _number("a number between 0 and 1", lambda given: 0 <= given <= 1))
YES_NO = _one_of(True, False)
CODES = _list_of(Argument("UG", _text))
COLUMNS = _list_of(COLUMN, 2)
HEADER = _list_of(COLUMN)
REGEXES = _list_of(REGEX)

_STRICT = {"strict_min": YES_NO, "strict_max": YES_NO}
_COUNTS = {"min_value": WHOLE, "max_value": WHOLE, **_STRICT}


class Known(NamedTuple):
    """
    An expectation. words: the meaning of a failure, to follow the column's name, with arguments in braces; needs, may:
    the required and the optional arguments; of_rows: whether it checks single rows.
    """

    words: str
    needs: dict[str, Argument]
    may: dict[str, Argument]
    of_rows: bool

    @property
    def arguments(self) -> dict[str, Argument]:
        """All arguments, required and optional."""
        return self.needs | self.may


def _of_rows(words: str, needs: dict[str, Argument], may: dict[str, Argument] | None = None) -> Known:
    return Known(words, needs, (may or {}) | {"mostly": SHARE, "description": TEXT}, of_rows=True)


def _of_column(words: str, needs: dict[str, Argument] | None = None, may: dict[str, Argument] | None = None) -> Known:
    return _of_rows(words, {"column": COLUMN} | (needs or {}), may)


def _of_file(words: str, needs: dict[str, Argument], may: dict[str, Argument] | None = None) -> Known:
    return Known(words, needs, (may or {}) | {"description": TEXT}, of_rows=False)


KNOWN: dict[str, Known] = {
    "expect_column_values_to_not_be_null": _of_column("is empty"),
    "expect_column_values_to_be_null": _of_column("is not empty"),
    "expect_column_values_to_be_unique": _of_column("has the same value in two or more rows"),
    "expect_compound_columns_to_be_unique": _of_rows(
        "have the same combination of values in two or more rows",
        {"column_list": COLUMNS},
        {"ignore_row_if": _one_of("all_values_are_missing", "any_value_is_missing", "never")},
    ),
    "expect_column_values_to_match_regex": _of_column("does not match the pattern {regex}", {"regex": REGEX}),
    "expect_column_values_to_not_match_regex": _of_column(
        "matches the pattern {regex}, which is not allowed", {"regex": REGEX}
    ),
    "expect_column_values_to_match_regex_list": _of_column(
        "does not match any of the patterns {regex_list}", {"regex_list": REGEXES}, {"match_on": _one_of("any", "all")}
    ),
    "expect_column_values_to_not_match_regex_list": _of_column(
        "matches one of the patterns {regex_list}, which is not allowed", {"regex_list": REGEXES}
    ),
    "expect_column_values_to_match_strftime_format": _of_column(
        "is not a date like {strftime_format}", {"strftime_format": DATE}
    ),
    "expect_column_values_to_be_in_set": _of_column("is not one of {value_set}", {"value_set": CODES}),
    "expect_column_values_to_not_be_in_set": _of_column(
        "is one of {value_set}, which is not allowed", {"value_set": CODES}
    ),
    "expect_column_value_lengths_to_equal": _of_column("is not {value} characters long", {"value": WHOLE}),
    "expect_column_value_lengths_to_be_between": _of_column("is not {bounds} characters long", may=_COUNTS),
    BETWEEN: _of_column(
        "is not a number {between}",
        may={"min_value": NUMBER, "max_value": NUMBER, **_STRICT},
    ),
    "expect_column_pair_values_to_be_equal": _of_rows(
        "are not the same",
        {"column_A": COLUMN, "column_B": COLUMN},
        {"ignore_row_if": _one_of("both_values_are_missing", "either_value_is_missing", "neither")},
    ),
    "expect_column_unique_value_count_to_be_between": _of_file(
        "does not have {bounds} different values", {"column": COLUMN}, _COUNTS
    ),
    "expect_column_distinct_values_to_be_in_set": _of_file(
        "has values other than {value_set}", {"column": COLUMN, "value_set": CODES}
    ),
    "expect_column_distinct_values_to_contain_set": _of_file(
        "lacks some of {value_set}", {"column": COLUMN, "value_set": CODES}
    ),
    "expect_table_row_count_to_be_between": _of_file("does not have {bounds} rows", {}, _COUNTS),
    "expect_table_row_count_to_equal": _of_file("does not have {value} rows", {"value": WHOLE}),
    "expect_table_column_count_to_be_between": _of_file(
        "does not have {bounds} columns", {}, {"min_value": WHOLE, "max_value": WHOLE}
    ),
    "expect_table_column_count_to_equal": _of_file("does not have {value} columns", {"value": WHOLE}),
    "expect_table_columns_to_match_set": _of_file(
        "does not have the columns {column_set}", {"column_set": HEADER}, {"exact_match": YES_NO}
    ),
    "expect_table_columns_to_match_ordered_list": _of_file(
        "does not have the columns {column_list}, in this order", {"column_list": HEADER}
    ),
}
"""The expectations that a mapping may use; a `description` in the mapping replaces the words here."""


HOLDS: dict[str, str] = {
    "expect_column_values_to_not_be_null": "is never empty",
    "expect_column_values_to_be_null": "is empty in every row",
    "expect_column_values_to_be_unique": "is different in every row",
    "expect_compound_columns_to_be_unique": "are a different combination in every row",
    "expect_column_values_to_match_regex": "matches the pattern {regex} wherever it is filled",
    "expect_column_values_to_not_match_regex": "never matches the pattern {regex}",
    "expect_column_values_to_match_regex_list": "matches the patterns {regex_list} wherever it is filled",
    "expect_column_values_to_not_match_regex_list": "never matches one of the patterns {regex_list}",
    "expect_column_values_to_match_strftime_format": "is a date like {strftime_format} wherever it is filled",
    "expect_column_values_to_be_in_set": "is one of {value_set} wherever it is filled",
    "expect_column_values_to_not_be_in_set": "is never one of {value_set}",
    "expect_column_value_lengths_to_equal": "is {value} characters long wherever it is filled",
    "expect_column_value_lengths_to_be_between": "is {bounds} characters long wherever it is filled",
    BETWEEN: "is a number {between} wherever it is filled",
    "expect_column_pair_values_to_be_equal": "are the same in every row",
    "expect_column_unique_value_count_to_be_between": "has {bounds} different values",
    "expect_column_distinct_values_to_be_in_set": "has no values other than {value_set}",
    "expect_column_distinct_values_to_contain_set": "has all of {value_set}",
    "expect_table_row_count_to_be_between": "has {bounds} rows",
    "expect_table_row_count_to_equal": "has {value} rows",
    "expect_table_column_count_to_be_between": "has {bounds} columns",
    "expect_table_column_count_to_equal": "has {value} columns",
    "expect_table_columns_to_match_set": "has the columns {column_set}",
    "expect_table_columns_to_match_ordered_list": "has the columns {column_list}, in this order",
}
"""The meaning of a passed check, to follow the column's name. Great Expectations passes over empty cells."""


def in_words(name: str, arguments: dict[str, Any]) -> str:
    """The meaning of a failure, to follow the column's name: the mapping's `description`, else the words in KNOWN."""
    if arguments.get("description"):
        return str(arguments["description"])
    return KNOWN[name].words.format_map(_words(arguments))


def passed(name: str, arguments: dict[str, Any], named: str) -> str:
    """The meaning of a passed check, about the column or the file that is `named`."""
    if arguments.get("description"):
        found = f"{named} {arguments['description']}"
        return f"No row in which {found}" if KNOWN[name].of_rows else f"Not found: {found}"
    # The name of a column stays as the library writes it.
    subject = named if columns(name, arguments) else f"{named[:1].upper()}{named[1:]}"
    return f"{subject} {HOLDS[name].format_map(_words(arguments))}"


def _words(arguments: dict[str, Any]) -> dict[str, Any]:
    """An expectation's arguments as words, and its bounds: 1 to 6, at least 1, or at most 6."""
    words: dict[str, Any] = {
        name: ", ".join(map(str, given)) if isinstance(given, list) else given for name, given in arguments.items()
    }
    if form := arguments.get("strftime_format"):
        words["strftime_format"] = date_forms.in_words(form)
    least, most = arguments.get("min_value"), arguments.get("max_value")
    if least is not None and most is not None:
        return words | {"bounds": f"{least} to {most}", "between": f"between {least} and {most}"}
    bounds = f"at most {most}" if least is None else f"at least {least}"
    return words | {"bounds": bounds, "between": f"of {bounds}"}


def columns(name: str, arguments: dict[str, Any]) -> list[str]:
    """The columns whose cells an expectation reads. One that checks the column names reads no cell."""
    if name.startswith("expect_table_"):
        return []
    single = [arguments[argument] for argument in ("column", "column_A", "column_B") if argument in arguments]
    return single or list(arguments.get("column_list", []))


def mistakes(data: dict[str, Any]) -> Iterator[Mistake]:
    """
    Every mistake in the expectations of a mapping file's data, with its key.

    Anything that is not a list of single checks is passed over, because the model reports the wrong shape of a file.
    """
    expect = data.get("expect")
    for scope in SCOPES:
        listed = expect.get(scope) if isinstance(expect, dict) else None
        for place, check in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(check, dict) and len(check) == 1:
                ((name, arguments),) = check.items()
                if re.fullmatch(r"expect_\w+", name) and isinstance(arguments, dict | None):
                    yield from _of_one(scope, name, arguments or {}, ("expect", scope, place, name))


def _of_one(scope: str, name: str, given: dict[str, Any], key: Key) -> Iterator[Mistake]:
    known = KNOWN.get(name)
    if known is None:
        yield key, f"no such check; {suggestion(name, KNOWN)}"
        return
    if scope in ("rows", "blank") and not known.of_rows:
        yield key, "checks the whole file, not single rows. Move it to 'file' or 'warn'."
    elif scope == "blank" and "column" not in known.needs:
        yield key, "checks several columns, so no single cell can be emptied. Move it to 'rows' or 'warn'."
    for argument in [name for name in known.needs if name not in given]:
        yield key, f"the key '{argument}' is missing. Add it, like {argument}: {known.needs[argument].like}."
    for argument, value in given.items():
        if argument in known.arguments:
            yield from known.arguments[argument].mistakes(value, (*key, argument), known.arguments[argument].like)
        else:
            yield (*key, argument), f"no such key; {suggestion(argument, known.arguments)}"
    if "min_value" in known.may:
        yield from _of_bounds(given, key)


def _of_bounds(given: dict[str, Any], key: Key) -> Iterator[Mistake]:
    if not {"min_value", "max_value"} & given.keys():
        yield key, "has no bounds. Add min_value, max_value or both, like min_value: 1."
    least, most = (given.get(bound) for bound in ("min_value", "max_value"))
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        yield key, f"there is nothing between {least} and {most}. Write the smaller number as min_value."
