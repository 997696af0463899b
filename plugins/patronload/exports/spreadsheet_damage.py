"""Detect numbers that a spreadsheet has changed: lost zeros, 2.13E+12, a .0 after an id, #REF!"""

from typing import NamedTuple

import polars as pl

from patronload.config.mapping import Mapping
from patronload.mapping import cells
from patronload.rows import ROW, holding, no_rejects

SCIENTIFIC = r"^-?[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]{1,3}$"
DECIMAL = r"^[0-9]+[.,]0+$"
AS_TEXT = r"^(?:=\"[^\"]*\"|'[0-9]+)$"
ERROR = r"^#(?:REF!|N/A|NAME\?|VALUE!|NUM!|DIV/0!|NULL!|#+)$"

LINE_BREAK = r"[\t\r\n\x{2028}\x{2029}]"

NUMBERS = {"barcode", "externalSystemId", "username", "personal.phone", "personal.mobilePhone"}
"""Fields whose values are never decimal numbers; in columns for other fields a .0 may be correct."""


class _Damage(NamedTuple):
    """The form of a cell that a spreadsheet has changed, and the reason for the library."""

    pattern: str
    reason: str
    summary: str


EVERYWHERE = (
    _Damage(
        SCIENTIFIC,
        "was a long number before a spreadsheet rounded it; its last digits are lost: export it again, "
        "with the column as text",
        "is a long number that a spreadsheet rounded, like 2.13E+12",
    ),
    _Damage(
        ERROR,
        "is an error message of a spreadsheet: export the value again",
        "is an error of a spreadsheet, like #REF!",
    ),
)
IN_NUMBERS = (
    _Damage(
        DECIMAL,
        "is an id that a spreadsheet turned into a decimal number: remove the decimals, and make sure that no "
        "leading zeros are missing",
        "is an id that a spreadsheet turned into a decimal number, like 4711.0",
    ),
    _Damage(
        AS_TEXT,
        "is written so that a spreadsheet keeps its zeros: remove the characters around the digits",
        'is written for a spreadsheet, like ="0042" or \'0042',
    ),
)


def find_lost_digits(frame: pl.DataFrame, lengths: dict[str, int]) -> pl.DataFrame:
    """Rejects for cells with fewer digits than their column always has."""
    found = [no_rejects()]
    for name, length in lengths.items():
        if name in frame.columns:
            shorter = (
                pl.col(name).str.strip_chars().str.contains(rf"^[0-9]{{1,{length - 1}}}$") if length > 1 else False
            )
            reason = f"has fewer than {length} digits: a spreadsheet removed its leading zeros; add them again"
            found.append(_rejects(frame.filter(shorter), name, reason, f"has fewer than {length} digits"))
    return pl.concat(found)


def find_damage(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Rejects for cells that a spreadsheet has damaged in the columns that the mapping uses."""
    found = [no_rejects()]
    for name in mapping.columns:
        of_numbers = any(name in mapping.fields[path].columns for path in NUMBERS & set(mapping.fields))
        kinds = (*EVERYWHERE, *(IN_NUMBERS if of_numbers else ()))
        any_of_them = "|".join(rf"(?:^\s*(?:{damage.pattern[1:-1]})\s*$)" for damage in kinds)
        suspects = holding(frame, name, any_of_them).select(ROW, name)
        for damage in kinds if suspects.height else ():
            bad = suspects.filter(cells.clean(name).str.contains(damage.pattern))
            found.append(_rejects(bad, name, damage.reason, damage.summary))
    return pl.concat(found)


def find_broken_ids(frame: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """
    Rejects for ids with a line break or a tab in the middle: FOLIO would store it, and no scanner finds such a card.

    A rule with steps may take it out, and is left alone.
    """
    rules = [mapping.fields[path] for path in (mapping.system.key, *mapping.unique) if path in mapping.fields]
    plain = [variant for rule in rules for variant in rule.variants if not variant.steps and not variant.is_packed]
    found = [no_rejects()]
    for name in dict.fromkeys(column for variant in plain for column in variant.columns):
        broken = holding(frame, name, LINE_BREAK).filter(cells.clean(name).str.contains(LINE_BREAK))
        if broken.height:
            rejects = _rejects(broken, name, "", f"{name} has a line break or a tab in the middle")
            reason = f"{name} has a line break or a tab in the middle, so it may be two values; correct it"
            found.append(rejects.with_columns(reason=pl.lit(reason)))
    return pl.concat(found)


def _rejects(bad: pl.DataFrame, name: str, reason: str, summary: str) -> pl.DataFrame:
    return bad.select(
        pl.col(ROW).cast(pl.UInt32).alias("row"),
        column=pl.lit(name),
        value=pl.col(name),
        reason=pl.format("{} '{}' {}", pl.lit(name), pl.col(name), pl.lit(reason)),
        summary=pl.lit(f"{name} {summary}"),
    )
