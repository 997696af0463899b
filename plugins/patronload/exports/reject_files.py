"""
Write the rejected rows so that the library can correct them in a spreadsheet and send them again, and read them back.

The file has the library's own columns first, in their own order, delimiter and encoding, followed by five `reject_`
columns. Each row is one line. If nothing was rejected, the file has only its header, which is clearer than no file.

A spreadsheet treats a cell that begins with =, +, - or @ as a formula, and a patron's name must not run one. Such cells
get a leading apostrophe (OWASP: CSV Injection), which `restore` removes when the corrected file comes back. If a
spreadsheet uses another delimiter than the library, a new cell begins in the middle of one of these cells, even inside
quotes. So a formula after any usual delimiter gets an apostrophe too.
"""

import codecs
import csv
import io
import logging
import re
from collections.abc import Callable, Iterable

import polars as pl

from patronload.rows import ROW

log = logging.getLogger(__name__)

COLUMNS = ("reject_row", "reject_stage", "reject_column", "reject_value", "reject_reason")
"""Our columns: the row number in the export, the stage that rejected it, the column, its value, and the reason."""

NOTE_COLUMNS = ("row", "effect", "column", "value", "reason")
"""The columns of noted.csv: as above, and whether the cell counts as empty (blank) or is only reported (warn)."""

# Some spreadsheets accept a formula after blanks, and some read the full-width characters of a Japanese keyboard
# (the last four) like = + - @.
_SIGNS = r"=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}"
_FORMULA = rf"\s*[{_SIGNS}\t\r\n]"
_RISKY = rf"^('*{_FORMULA})"
_GUARDED = rf"^'('*{_FORMULA})"

# After a delimiter, where our quotes have no effect.
_SEPARATOR = r"([,;|\t\r\n])"
_FORMULA_BEHIND = rf"[\s\"--[\t\r\n]]*[{_SIGNS}]"
_RISKY_BEHIND = rf"{_SEPARATOR}('*{_FORMULA_BEHIND})"
_GUARDED_BEHIND = rf"{_SEPARATOR}'('*{_FORMULA_BEHIND})"


def write(export: pl.DataFrame, rejects: pl.DataFrame, delimiter: str, encoding: str) -> bytes:
    """
    The rejects file.

    `export` has ROW and the library's own columns, all text as delivered. `rejects` has row, stage, column, value and
    reason; several reasons for a row are joined with "; ". A row that is not in `export` has empty cells.

    UTF-8 begins with a byte order mark, because Excel would garble accents without it. A character that the encoding
    lacks becomes a question mark in our columns. In the library's own columns that would lose data, so the whole file
    is then UTF-8, and the log says so. It is also UTF-8 if its bytes could be read as either.
    """
    found = lines(export, rejects)
    codec = codecs.lookup(encoding).name
    own = found.select(pl.exclude(COLUMNS))
    if not codec.startswith("utf") and not _holds(codec, _csv(own, delimiter)):
        log.warning("The rejects file is written in UTF-8: %s lacks some of its characters.", encoding)
        codec = "utf-8"
    text = _csv(guard_cells(found), delimiter)
    content = text.encode("utf-8-sig" if codec == "utf-8" else codec, errors="replace")
    return text.encode("utf-8-sig") if not codec.startswith("utf") and _is_utf8(content) else content


def lines(export: pl.DataFrame, rejects: pl.DataFrame) -> pl.DataFrame:
    """The lines of the rejects file as `write` says, as text: the library's own columns, then ours."""
    own = [name for name in export.columns if name not in (ROW, *COLUMNS)]
    found = _lines(rejects).join(_own(export), on=ROW, how="left", maintain_order="left").fill_null("")
    return found.select(*own, *COLUMNS)


def write_notes(noted: pl.DataFrame, delimiter: str, encoding: str) -> bytes:
    """The notes (rows.NOTED), one line each, with NOTE_COLUMNS; for reading, not for sending back."""
    notes = (
        noted.sort("row", maintain_order=True).select(pl.col("row").cast(pl.String), *NOTE_COLUMNS[1:]).fill_null("")
    )
    codec = codecs.lookup(encoding).name
    text = _csv(guard_cells(notes), delimiter)
    codec = codec if codec.startswith("utf") or _holds(codec, text) else "utf-8"
    return text.encode("utf-8-sig" if codec == "utf-8" else codec)


def safe_csv(table: pl.DataFrame, *, header: bool) -> bytes:
    """A table of texts for reading: comma-separated UTF-8 in which no cell runs a formula. `header`: with it."""
    text = _csv(_change_texts(table, _guard), ",")
    return f"\ufeff{text}".encode() if header else text.partition("\r\n")[2].encode()


def write_table(table: pl.DataFrame) -> bytes:
    """A table for a spreadsheet: UTF-8, with commas, and no cell that a spreadsheet takes for a formula."""
    text = table.select(pl.all().cast(pl.String).fill_null(""))
    return _csv(guard_cells(text), ",").encode("utf-8-sig")


def is_rejects_file(columns: Iterable[str]) -> bool:
    """
    Whether a header is that of a rejects file. One of our columns is enough; the others may have been deleted.

    A library's own export with such a column would lose it, and no limits would apply. But no known system has a column
    of this name, and a corrected file taken for an export would load apostrophes into telephone numbers.
    """
    return not set(COLUMNS).isdisjoint(map(plain_name, columns))


def plain_name(column: str) -> str:
    """The name of a column as ours are compared: without blanks around it and capital letters."""
    return column.strip().lower()


def restore(frame: pl.DataFrame) -> pl.DataFrame:
    """
    A corrected rejects file as the export it came from: without our columns and the apostrophes of `write`.

    `frame` may have ROW, and then keeps it. A frame that is not from a rejects file is returned unchanged.
    """
    if not is_rejects_file(frame.columns):
        return frame
    own = [name for name in frame.columns if plain_name(name) not in COLUMNS]
    return _change_texts(frame.select(own), _unguard)


def ours(frame: pl.DataFrame) -> pl.DataFrame:
    """ROW and the `reject_` columns that a corrected rejects file still has."""
    names = {plain_name(name): name for name in reversed(frame.columns)}
    return _change_texts(
        frame.select(ROW, *(pl.col(names[name]).alias(name) for name in COLUMNS if name in names)), _unguard
    )


def columns_named(reported: str) -> set[str]:
    """The columns in a reject_column: ID and CARD of 'ID; CARD', 'ID + CARD' and 'ID and CARD'."""
    parts = reported.split("; ")
    return {reported, *parts, *(name for part in parts for name in re.split(r" \+ | and |, ", part))}


def guard_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with an apostrophe before everything that a spreadsheet could take for a formula."""
    return _change_texts(frame, _guard)


def _guard(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(_RISKY_BEHIND, "${1}'${2}").str.replace(_RISKY, "'${1}")


def _unguard(text: pl.Expr) -> pl.Expr:
    """Undo what `write` did, in reverse order."""
    return text.str.replace(_GUARDED, "${1}").str.replace_all(_GUARDED_BEHIND, "${1}${2}")


def _change_texts(frame: pl.DataFrame, change: Callable[[pl.Expr], pl.Expr]) -> pl.DataFrame:
    """The frame with changed text and header; row numbers and their column name stay."""
    header = pl.DataFrame({"name": frame.columns}, schema={"name": pl.String}).select(change(pl.col("name")))["name"]
    changed = frame.with_columns(change(pl.col(pl.String)))
    return changed.rename(dict(zip(frame.columns, header, strict=True)))


def _lines(rejects: pl.DataFrame) -> pl.DataFrame:
    """One line per row, in the order of the rows. Column, value and reason are in the same order."""
    # First a list for each row, then one join of all lists: joining group by group is slow in polars.
    text = pl.col("column", "value", "reason").fill_null("").name.prefix("reject_")
    stages = pl.col("stage").unique(maintain_order=True).alias("reject_stage")
    rows = rejects.group_by(pl.col("row").cast(pl.UInt32).alias(ROW), maintain_order=True)
    grouped = rows.agg(text, stages).sort(ROW)
    joined = grouped.with_columns(pl.exclude(ROW).list.join("; "))
    return joined.with_columns(pl.col(ROW).cast(pl.String).alias("reject_row"))


def _own(export: pl.DataFrame) -> pl.DataFrame:
    # If a library had columns named like ours, `restore` would already have taken them for ours.
    return export.drop(COLUMNS, strict=False).with_columns(pl.col(ROW).cast(pl.UInt32))


def _holds(codec: str, text: str) -> bool:
    try:
        return text.encode(codec).decode(codec) == text
    except UnicodeError:
        return False


def _is_utf8(content: bytes) -> bool:
    """Whether bytes in another encoding are UTF-8 as well, like 0xC2 0x85, and not just ASCII."""
    if content.isascii():
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _csv(frame: pl.DataFrame, delimiter: str) -> str:
    # Python's writer, because polars' accepts only single-byte delimiters.
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(frame.columns)
    writer.writerows(frame.iter_rows())
    return out.getvalue()
