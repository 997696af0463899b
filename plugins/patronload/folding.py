"""
Fold text as FOLIO does when it decides whether two values are equal: lower(unaccent(...)).

mod-users: the unique indexes of its schema.json are made with caseSensitive false and removeAccents true, which RMB
turns into PostgreSQL's unaccent. Its table is not Unicode's: it turns ’ into ', ø into o and ß into ss, and leaves
combining vowels of other scripts alone. So unaccent.rules is PostgreSQL 15's own file (see NOTICE).
"""

from functools import cache
from pathlib import Path

import polars as pl

CAPITAL_SIGMA, SMALL_SIGMA = "\N{GREEK CAPITAL LETTER SIGMA}", "\N{GREEK SMALL LETTER SIGMA}"
"""PostgreSQL's lower() looks at each letter alone; Python and polars write a sigma at the end of a word differently."""

RULES = Path(__file__).with_name("unaccent.rules")


def fold_cells(text: pl.Expr) -> pl.Expr:
    """Text folded so that values which FOLIO considers equal are equal."""
    letters, instead = _rules()
    plain = text.str.replace_many([*letters, CAPITAL_SIGMA], [*instead, SMALL_SIGMA])
    return plain.str.to_lowercase()


def folded_column(texts: pl.Series) -> pl.Series:
    """Like `folded`; the table is used only if one of the texts contains more than ASCII."""
    plain = not texts.str.contains(r"[^\x00-\x7F]").any()
    return texts.str.to_lowercase() if plain else pl.select(fold_cells(pl.lit(texts))).to_series()


def fold(text: str) -> str:
    """Like `folded`, for a single text."""
    return (text if text.isascii() else text.translate(_table())).lower()


@cache
def _table() -> dict[int, str]:
    return {ord(letter): instead for letter, instead in zip(*_rules(), strict=True)} | {ord(CAPITAL_SIGMA): SMALL_SIGMA}


@cache
def _rules() -> tuple[list[str], list[str]]:
    """Each letter and its replacement, without blanks; an empty replacement removes the letter."""
    lines = [line.partition("\t") for line in RULES.read_text(encoding="utf-8").splitlines()]
    return [letter for letter, _, _ in lines], [instead.strip() for _, _, instead in lines]
