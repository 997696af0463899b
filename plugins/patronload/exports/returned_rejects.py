"""
Compare a corrected rejects file with the rejects that it corrects, row by row.

Librarians correct rejects in a spreadsheet, and a spreadsheet changes more than they do: 0000413 becomes 413, and would
be a new patron. So each row is compared with the row that was rejected. A value that lost zeros, digits or letters is
refused, and so is an id that changed although it was not the reported cell. A refused row goes back with its original
value, so that sending it again does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from patronload.config.mapping import Mapping
from patronload.exports import reject_files
from patronload.exports.reading import Export
from patronload.exports.spreadsheet_damage import DECIMAL, SCIENTIFIC
from patronload.rows import REJECTS, ROW, no_rejects, without

ORIGINAL, REPORTED, WAS = "__original__", "__reported__", "__was__"
"""Names of columns that no export has: the row's number in the original export, the cells that its reject named, and
what begins the name of a column's original cells."""

ALIKE = 0.3
"""The minimum share of cells that a corrected file has in common with the rejects that it corrects."""

EXACT = 15
"""The number of digits that a spreadsheet keeps of a number."""

SAVED_AS = ("utf-8", "mac_roman", "cp850", "cp437", "cp1252")
READ_AS = ("cp1252", "latin-1", "mac_roman")
"""The encodings that spreadsheets use without asking, and those that files without a mark are read in."""

LIKE_A_DATE = r"[0-9]{1,2}[-/.][0-9]{1,2}|[A-Za-z]{3,9}[- ]?[0-9]{1,4}"
A_DATE = r"^[0-9]{1,4}[-. ][^\W\d]{3,9}\.?$|^[^\W\d]{3,9}[-. ][0-9]{1,4}$|^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
"""Values that a spreadsheet takes for a date, like 3-4 and MAR1, and what it makes of them: 04-Mar, Mar-01."""


class _Change(NamedTuple):
    """Why a cell is refused: for the row, and as a summary without personal data."""

    why: str
    summary: str


ZEROS = _Change(
    "a spreadsheet removed its leading zeros. Correct the row in rejects.xlsx, or format the column as text",
    "has lost leading zeros since the row was rejected",
)
DIGITS = _Change(
    "a spreadsheet rounded or reformatted it. Correct the row in rejects.xlsx, or format the column as text",
    "was changed as a number by a spreadsheet since the row was rejected",
)
DATE = _Change(
    "a spreadsheet turned it into a date. Correct the row in rejects.xlsx, or format the column as text",
    "was turned into a date by a spreadsheet since the row was rejected",
)
LETTERS = _Change(
    "letters were lost when the file was saved. Correct the row in rejects.xlsx, or save the file as CSV UTF-8",
    "has lost letters since the row was rejected",
)
OTHER_ID = _Change(
    "it was changed, and it is not the reported cell. If it is wrong, correct it in the system that the export comes "
    "from",
    "is an id that was changed although it was not the reported cell",
)


def find(export: Export, candidates: Iterable[Export], mapping: Mapping) -> Export | None:
    """The rejects that `export` corrects, among those of several loads, the newest first; None if none matches."""
    best, most = None, ALIKE
    for candidate in candidates:
        likeness = _likeness(_pairs(export, candidate, mapping), candidate)
        if likeness > most:
            best, most = candidate, likeness
    return best


def compare(export: Export, original: Export, mapping: Mapping) -> Export:
    """The corrected file, with the rows set aside that must not be loaded, and the reason for each."""
    pairs = _pairs(export, original, mapping)
    found = [
        _strangers(pairs),
        *(_changed_cells(pairs, column, mapping) for column in _common(export, original, mapping)),
    ]
    rejects = pl.concat(found)
    aside = _restore(pairs, rejects).select(export.frame.columns)
    return export._replace(
        frame=without(export.frame, rejects),
        ragged=pl.concat([export.ragged, aside]),
        rejects=pl.concat([export.rejects, rejects]),
    )


def _common(export: Export, original: Export, mapping: Mapping) -> list[str]:
    """The columns to compare: those that the mapping reads and both files have."""
    return [column for column in mapping.columns if column in export.columns and column in original.columns]


def _ids(mapping: Mapping) -> list[str]:
    """The columns that say who a patron is."""
    paths = [path for path in (mapping.system.key, *mapping.unique) if path in mapping.fields]
    return list(dict.fromkeys(column for path in paths for column in mapping.fields[path].columns))


def _pairs(export: Export, original: Export, mapping: Mapping) -> pl.DataFrame:
    """
    The rows of the file with their originals: WAS and a column's name is its original cell, null without one.

    The rows are found by their reject_row, because an id may be what was corrected; by their ids alone if someone
    sorted the file without that column, so that the rows have nothing in common with those of their numbers.
    """
    pairs = _paired(export, original, mapping, by_row=True)
    return pairs if _likeness(pairs, original) > ALIKE else _paired(export, original, mapping, by_row=False)


def _paired(export: Export, original: Export, mapping: Mapping, *, by_row: bool) -> pl.DataFrame:
    columns = [column for column in original.columns if column in export.columns]
    known = _with_rejects(original)
    was = known.select(ORIGINAL, REPORTED, pl.col(columns).name.prefix(WAS)).unique(ORIGINAL, keep="first")
    numbers = _numbers(export, known, [column for column in _ids(mapping) if column in columns], by_row=by_row)
    return export.frame.with_columns(numbers.alias(ORIGINAL)).join(was, on=ORIGINAL, how="left", maintain_order="left")


def _with_rejects(original: Export) -> pl.DataFrame:
    """The original rows with the number and the cells that their rejects name."""
    ours = original.ours.select(
        ROW,
        pl.col("reject_row").cast(pl.UInt32, strict=False).alias(ORIGINAL),
        pl.col("reject_column").alias(REPORTED),
    )
    return pl.concat([original.frame, original.ragged]).join(ours, on=ROW).filter(pl.col(ORIGINAL).is_not_null())


def _numbers(export: Export, known: pl.DataFrame, ids: list[str], *, by_row: bool) -> pl.Series:
    """For each row the number of its original: with `by_row` by its reject_row, otherwise by one of its ids."""
    numbers = pl.lit(None, dtype=pl.UInt32)
    if by_row and "reject_row" in export.ours.columns:
        of_row = export.frame.select(ROW).join(export.ours, on=ROW, how="left", maintain_order="left")["reject_row"]
        given = of_row.str.strip_chars().str.replace(r"[.,]0+$", "").cast(pl.UInt32, strict=False)
        numbers = pl.when(pl.lit(given).is_in(known[ORIGINAL].implode())).then(pl.lit(given))
    for column in ids:
        single = known.select(ORIGINAL, key=_bare(column)).filter(pl.col("key").is_unique() & (pl.col("key") != ""))
        by_id = _bare(column).replace_strict(single["key"], single[ORIGINAL], default=None, return_dtype=pl.UInt32)
        numbers = pl.coalesce(numbers, by_id)
    return export.frame.select(numbers.alias(ORIGINAL))[ORIGINAL]


def _bare(column: str) -> pl.Expr:
    """An id without what a spreadsheet may remove."""
    return pl.col(column).str.strip_chars().str.to_lowercase().str.strip_chars_start("0")


def _likeness(pairs: pl.DataFrame, original: Export) -> float:
    """The share of the original's cells that are the same in the file."""
    columns = [column for column in original.columns if column in pairs.columns]
    if not columns or not pairs.height:
        return 0
    # A cell that only lost its zeros is the same: in a short file, it may be all that is left to compare.
    same = [(_bare(column) == _bare(f"{WAS}{column}")).fill_null(value=False).sum() for column in columns]
    return float(pairs.select(pl.sum_horizontal(same)).item()) / (len(original.columns) * pairs.height)


def _strangers(pairs: pl.DataFrame) -> pl.DataFrame:
    """Rejects for rows that were not rejected before."""
    return pairs.filter(pl.col(REPORTED).is_null()).select(
        pl.col(ROW).alias("row"),
        column=pl.lit(None, dtype=pl.String),
        value=pl.lit(None, dtype=pl.String),
        reason=pl.lit(
            "the row is not one of the rejected rows: neither its reject_row nor its ids are known. Only rejected rows "
            "can come back in this file; put others into the export"
        ),
        summary=pl.lit("the row is not one of the rejected rows"),
    )


def _changed_cells(pairs: pl.DataFrame, column: str, mapping: Mapping) -> pl.DataFrame:
    """Rejects for the cells of a column that must not have changed in this way."""
    was, now = pl.col(f"{WAS}{column}").str.strip_chars(), pl.col(column).str.strip_chars()
    is_id, rejects = column in _ids(mapping), []
    for row, before, after, reported in (
        pairs.filter(pl.col(REPORTED).is_not_null(), was != now).select(ROW, was, now, REPORTED).iter_rows()
    ):
        change = _damage(before, after)
        if change is None and is_id and reported and column not in reject_files.columns_named(reported):
            change = OTHER_ID
        if change:
            reason = f"{column} is '{after}', and was '{before}' when the row was rejected: {change.why}"
            rejects.append((row, column, after, reason, f"{column} {change.summary}"))
    return pl.DataFrame(rejects, schema=REJECTS, orient="row") if rejects else no_rejects()


def _damage(before: str, after: str) -> _Change | None:
    """The damage that a spreadsheet did to a value, if any."""
    if before and re.search(SCIENTIFIC, after):
        return DIGITS
    if re.fullmatch("[0-9]+", before):
        return _damaged_number(before, after)
    if re.fullmatch(LIKE_A_DATE, before) and re.search(A_DATE, after):
        return DATE
    if not before.isascii() and (re.fullmatch(_with_lost_letters(before), after) or _is_garbled(before, after)):
        return LETTERS
    return None


def _is_garbled(before: str, after: str) -> bool:
    """Whether a text was saved in one encoding and read in another."""
    for read in READ_AS:
        for saved in SAVED_AS:
            try:
                if after != before and after.encode(read).decode(saved) == before:
                    return True
            except UnicodeError:
                continue
    return False


def _damaged_number(before: str, after: str) -> _Change | None:
    readings = [re.sub(r"[.,' \u00a0]", "", after)]
    if re.search(DECIMAL, after):
        readings.append(re.split("[.,]", after)[0])
    for digits in readings:
        if not re.fullmatch("[0-9]+", digits):
            continue
        if int(digits) == int(before) and len(digits) < len(before):
            return ZEROS
        if int(digits) == int(before) and digits != after:
            return DIGITS
        if len(before) > EXACT and digits == f"{before[:EXACT]:0<{len(before)}}":
            return DIGITS
    return None


def _with_lost_letters(before: str) -> str:
    """A pattern for the text, with question marks in place of letters beyond ASCII."""
    return "".join(re.escape(letter) if letter.isascii() else f"(?:{re.escape(letter)}|\\?)" for letter in before)


def _restore(pairs: pl.DataFrame, rejects: pl.DataFrame) -> pl.DataFrame:
    """The refused rows, with the original values in the refused cells."""
    aside = pairs.filter(pl.col(ROW).is_in(rejects["row"].implode()))
    refused = rejects.drop_nulls("column").group_by("column").agg("row")
    return aside.with_columns(
        pl.when(pl.col(ROW).is_in(pl.Series(rows, dtype=pl.UInt32).implode()))
        .then(pl.col(f"{WAS}{column}"))
        .otherwise(pl.col(column))
        .alias(column)
        for column, rows in refused.iter_rows()
    )
