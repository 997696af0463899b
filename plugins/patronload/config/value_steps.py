"""
The named steps with which a mapping changes a value.

Each function below is a step with the same name: `username: {column: LOGIN, steps: [lower]}`. Some take an argument:
`steps: [{pad: 5}]`. To add a step, write a function here with an example as its docstring; docs/mapping-files.md shows
the docstring.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from patronload.config import patterns
from patronload.config.name_case import in_name_case
from patronload.documents.models import suggestion

if TYPE_CHECKING:  # polars is slow to import, and Airflow parses the DAG file often
    import polars as pl


COUNTRIES = {
    **dict.fromkeys(("uk", "great britain", "britain", "england", "scotland", "wales", "northern ireland"), "GB"),
    **dict.fromkeys(("usa", "us", "united states of america", "america"), "US"),
    "russia": "RU", "turkey": "TR", "ivory coast": "CI", "holland": "NL", "the netherlands": "NL", "uae": "AE",
    "swaziland": "SZ", "cape verde": "CV", "macau": "MO", "brunei": "BN", "east timor": "TL",
}  # fmt: skip
"""Usual names that ISO 3166 does not have, without dots."""

LONGEST = 1000
"""The maximum length of a value in a step."""


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


def name_case(text: pl.Expr) -> pl.Expr:
    """O'BRIEN becomes O'Brien, and MCDONALD becomes McDonald, and DE LA CRUZ becomes de la Cruz."""
    return _each(text, in_name_case)


def name_case_with(text: pl.Expr, spellings: Sequence[str]) -> pl.Expr:
    """MACDONALD becomes MacDonald, and DESOUZA becomes DeSouza."""
    return _each(text, lambda written: in_name_case(written, spellings))


def decode_html(text: pl.Expr) -> pl.Expr:
    """O&#39;Brien becomes O'Brien, and R&amp;D becomes R&D."""
    return _each(text, _without_entities)


def replace(text: pl.Expr, argument: Mapping[str, str]) -> pl.Expr:
    """Smith, Jane Marie becomes Jane Marie Smith."""
    return text.str.replace_all(argument["pattern"], argument["with"])


def extract(text: pl.Expr, pattern: str) -> pl.Expr:
    """Poplar Bluff, MO 63901 becomes 63901."""
    return text.str.extract(pattern, 1 if patterns.groups(pattern) else 0)


def remove(text: pl.Expr, unwanted: str) -> pl.Expr:
    """CARD-00123 becomes 00123."""
    return text.str.replace_all(unwanted, "", literal=True)


def first(text: pl.Expr, length: int) -> pl.Expr:
    """90210-1234 becomes 90210."""
    return text.str.head(length)


def last(text: pl.Expr, length: int) -> pl.Expr:
    """00217004016 becomes 4016."""
    return text.str.tail(length)


def pad(text: pl.Expr, length: int) -> pl.Expr:
    """7834 becomes 07834."""
    return _unless_blank(text, text.str.pad_start(length, "0"))


def prefix(text: pl.Expr, before: str) -> pl.Expr:
    """4711 becomes SC4711."""
    return _unless_blank(text, _literal(before) + text)


def suffix(text: pl.Expr, after: str) -> pl.Expr:
    """jdoe becomes jdoe@college.example."""
    return _unless_blank(text, text + _literal(after))


def _literal(text: str) -> pl.Expr:
    """A text as an expression."""
    import polars as pl  # as above

    return pl.lit(text)


def _unless_blank(text: pl.Expr, changed: pl.Expr) -> pl.Expr:
    """The changed text; a blank one stays blank."""
    import polars as pl  # as above

    return pl.when(text.str.strip_chars() == "").then(text).otherwise(changed)


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
def _without_entities(written: str) -> str:
    """Some systems encode twice: &amp;amp; is &."""
    while (decoded := html.unescape(written)) != written:
        written = decoded
    return written


@cache
def _country(written: str) -> str:
    import pycountry  # slow to import: it reads its tables

    name = written.strip().lower()
    try:
        return str(pycountry.countries.lookup(COUNTRIES.get(name.replace(".", ""), name)).alpha_2)
    except LookupError:
        return written


@cache
def _phone(written: str, country: str) -> str:
    import phonenumbers  # slow to import

    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException:
        return written
    # Without its area code, a number of seven digits is possible, but only within the area.
    possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    good = possible and not number.extension
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if good else written


STEPS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    step.__name__: step
    for step in (lower, upper, digits, without_leading_zeros, single_spaces, country, name_case, decode_html)
}
"""The steps without an argument."""


class WithArgument(NamedTuple):
    """A step with an argument: what kind it is, an example of it for messages and the documentation, and the step."""

    kind: Literal["text", "length", "pattern", "replacement", "words"]
    example: str
    step: Callable[[pl.Expr, Any], pl.Expr]


WITH_ARGUMENT: dict[str, WithArgument] = {
    "replace": WithArgument("replacement", '{pattern: "^(.*), (.*)$", with: "${2} ${1}"}', replace),
    "extract": WithArgument("pattern", '"[0-9]{5}$"', extract),
    "remove": WithArgument("text", "CARD-", remove),
    "first": WithArgument("length", "5", first),
    "last": WithArgument("length", "4", last),
    "pad": WithArgument("length", "5", pad),
    "prefix": WithArgument("text", "SC", prefix),
    "suffix": WithArgument("text", '"@college.example"', suffix),
    "name_case": WithArgument("words", "[MacDonald, DeSouza]", name_case_with),
}


class Step(NamedTuple):
    """A step as a mapping file names it, with its argument if it has one."""

    name: str
    argument: Any = None

    def apply(self, text: pl.Expr) -> pl.Expr:
        """The text after the step."""
        return STEPS[self.name](text) if self.argument is None else WITH_ARGUMENT[self.name].step(text, self.argument)


def parse(written: Any) -> Step:
    """The step that is written like `lower` or `{pad: 5}`. Raises ValueError."""
    if isinstance(written, Step):
        return written
    if isinstance(written, str):
        if written in STEPS:
            return Step(written)
        if written in WITH_ARGUMENT:
            raise ValueError(
                f"the step '{written}' needs a value, like {{{written}: {WITH_ARGUMENT[written].example}}}."
            )
        raise ValueError(
            f"there is no step '{written}'; {suggestion(written, dict.fromkeys([*STEPS, *WITH_ARGUMENT]))}"
        )
    if not isinstance(written, dict) or len(written) != 1:
        raise ValueError("write a step like lower, or like {pad: 5}; each step is an entry of the list.")
    ((name, argument),) = written.items()
    if name not in WITH_ARGUMENT:
        if name in STEPS:
            raise ValueError(f"the step '{name}' takes no value. Write only {name}.")
        raise ValueError(f"there is no step '{name}'; {suggestion(str(name), dict.fromkeys([*STEPS, *WITH_ARGUMENT]))}")
    _check_argument(name, argument, WITH_ARGUMENT[name])
    return Step(name, argument)


def _check_argument(name: str, argument: Any, known: WithArgument) -> None:
    is_text = isinstance(argument, str) and bool(argument)
    right = {
        "text": is_text,
        "pattern": is_text,
        "length": isinstance(argument, int) and not isinstance(argument, bool) and 1 <= argument <= LONGEST,
        "words": isinstance(argument, list) and bool(argument) and all(isinstance(word, str) for word in argument),
        "replacement": isinstance(argument, dict)
        and set(argument) == {"pattern", "with"}
        and all(isinstance(value, str) for value in argument.values()),
    }[known.kind]
    if not right:
        raise ValueError(f"the step '{name}' takes a value like {{{name}: {known.example}}}.")
    if known.kind in ("pattern", "replacement"):
        _check_pattern(*((argument, "") if known.kind == "pattern" else (argument["pattern"], argument["with"])))


def _check_pattern(pattern: str, replacement: str) -> None:
    if reason := patterns.problem(pattern):
        raise ValueError(f"'{pattern}' cannot be used as a pattern: {reason}. Write one like ^[0-9]{{8}}$.")
    known = patterns.group_names(pattern)
    # The engine reads $1x as the group called 1x, and an unknown group as nothing.
    for braced, bare in re.findall(r"\$(?:\{([^}]*)\}|(\w+))", replacement.replace("$$", "")):
        if (braced or bare) not in known:
            raise ValueError(
                f"'{replacement}' names the group '{braced or bare}', but the pattern has no such group. Write "
                "${1} for the first group, with braces, and $$ for a dollar."
            )
