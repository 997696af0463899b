"""
Text as FOLIO compares it to find out whether two are the same: lower(unaccent(...)).

mod-users: the unique indexes of its schema.json are made with caseSensitive false and removeAccents true, which RMB
turns into PostgreSQL's unaccent. Its table is not Unicode's: it makes ’ to ', ø to o and ß to ss, and leaves the vowel
signs of other scripts alone. So unaccent.rules is PostgreSQL 15's own file (see NOTICE).
"""

from functools import cache
from pathlib import Path

import polars as pl

RULES = Path(__file__).with_name("unaccent.rules")


def folded(text: pl.Expr) -> pl.Expr:
    """Text such that two that FOLIO takes for the same are equal."""
    letters, instead = _rules()
    return text.str.replace_many(letters, instead).str.to_lowercase()


def folded_column(texts: pl.Series) -> pl.Series:
    """As `folded`; the table is looked at only if any of the texts has more than ASCII in it."""
    plain = not texts.str.contains(r"[^\x00-\x7F]").any()
    return texts.str.to_lowercase() if plain else pl.select(folded(pl.lit(texts))).to_series()


def fold(text: str) -> str:
    """One text, as `folded` does it."""
    return (text if text.isascii() else text.translate(_table())).lower()


@cache
def _table() -> dict[int, str]:
    return {ord(letter): instead for letter, instead in zip(*_rules(), strict=True)}


@cache
def _rules() -> tuple[list[str], list[str]]:
    """Each letter and what stands for it, blanks aside; a line with nothing behind the letter takes it out."""
    lines = [line.partition("\t") for line in RULES.read_text(encoding="utf-8").splitlines()]
    return [letter for letter, _, _ in lines], [instead.strip() for _, _, instead in lines]
