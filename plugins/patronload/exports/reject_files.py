"""
Write the rejected rows so that the library can mend them in a spreadsheet and send them again, and read them back.

The file has the library's own columns first, in their own order, delimiter and encoding, then five of ours. There is
one line for each row. With nothing rejected there is the header alone, which says so better than no file.

A spreadsheet takes a cell that begins with =, +, - or @ for a formula, and a patron's name must not run one. Such cells
get one apostrophe in front (OWASP: CSV Injection), which `restore` takes off when the mended file comes back. To a
spreadsheet that separates by another sign than the library does, a cell begins in the middle of ours, behind that sign,
and no quotes keep it from that. So a formula behind a sign that usually separates cells gets its apostrophe, too.
"""

import codecs
import csv
import io
import logging
from collections.abc import Callable, Iterable

import polars as pl

from patronload.rows import ROW

log = logging.getLogger(__name__)

COLUMNS = ("reject_row", "reject_stage", "reject_column", "reject_value", "reject_reason")
"""Our columns: the row's number in the export, the step that rejected it, where, what stood there, and why."""

NOTE_COLUMNS = ("row", "effect", "column", "value", "reason")
"""Those of noted.csv: as above, and whether the cell counts as empty (blank) or is only told (warn)."""

# Not every spreadsheet is kept from a formula by blanks before it, and some read the wide signs of a Japanese keyboard
# (the last four) like = + - @.
_SIGNS = r"=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}"
_FORMULA = rf"\s*[{_SIGNS}\t\r\n]"
_RISKY = rf"^('*{_FORMULA})"
_GUARDED = rf"^'('*{_FORMULA})"

# Behind a separator, where our quotes count for nothing and are in the way of nothing.
_SEPARATOR = r"([,;|\t\r\n])"
_FORMULA_BEHIND = rf"[\s\"--[\t\r\n]]*[{_SIGNS}]"
_RISKY_BEHIND = rf"{_SEPARATOR}('*{_FORMULA_BEHIND})"
_GUARDED_BEHIND = rf"{_SEPARATOR}'('*{_FORMULA_BEHIND})"


def write(export: pl.DataFrame, rejects: pl.DataFrame, delimiter: str, encoding: str) -> bytes:
    """
    The rejects file.

    `export` has ROW and the library's own columns, all text as delivered. `rejects` has row, stage, column, value and
    reason, in any number of lines for a row; they are joined with "; ". A row that is not in `export` has empty cells.

    UTF-8 begins with a byte order mark, without which Excel garbles accents. What the encoding lacks becomes a question
    mark in our columns; in the library's own it would be a loss, so then all of the file is UTF-8, and the log says so.
    """
    lines = _lines(rejects).join(_own(export), on=ROW, how="left", maintain_order="left").fill_null("")
    own = [name for name in export.columns if name not in (ROW, *COLUMNS)]
    codec = codecs.lookup(encoding).name
    if not codec.startswith("utf") and not _holds(codec, _csv(lines.select(own), delimiter)):
        log.warning("The rejects file is written in UTF-8: %s cannot hold all of its characters.", encoding)
        codec = "utf-8"
    text = _csv(_changed(lines.select(*own, *COLUMNS), _guarded), delimiter)
    return text.encode("utf-8-sig" if codec == "utf-8" else codec, errors="replace")


def write_notes(noted: pl.DataFrame, delimiter: str, encoding: str) -> bytes:
    """What was noted of rows (rows.NOTED), a line for each, with NOTE_COLUMNS; to be read, not to be sent back."""
    lines = (
        noted.sort("row", maintain_order=True).select(pl.col("row").cast(pl.String), *NOTE_COLUMNS[1:]).fill_null("")
    )
    codec = codecs.lookup(encoding).name
    text = _csv(_changed(lines, _guarded), delimiter)
    codec = codec if codec.startswith("utf") or _holds(codec, text) else "utf-8"
    return text.encode("utf-8-sig" if codec == "utf-8" else codec)


def is_rejects_file(columns: Iterable[str]) -> bool:
    """
    Whether a header is that of a rejects file. One of our columns is enough: the others may be deleted.

    An export of a library's own that has one would lose that column, and be held to no limit. No system that we know
    names a column so, and a mended file that is taken for an export would load apostrophes into telephone numbers.
    """
    return not set(COLUMNS).isdisjoint(columns)


def restore(frame: pl.DataFrame) -> pl.DataFrame:
    """
    A mended rejects file as the export it came from: our columns dropped, the apostrophes of `write` taken off again.

    `frame` may have ROW, and then keeps it. Any other frame than a rejects file's is returned as it is.
    """
    if not is_rejects_file(frame.columns):
        return frame
    return _changed(frame.drop(COLUMNS, strict=False), _unguarded)


def _guarded(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(_RISKY_BEHIND, "${1}'${2}").str.replace(_RISKY, "'${1}")


def _unguarded(text: pl.Expr) -> pl.Expr:
    """What was done last is undone first."""
    return text.str.replace(_GUARDED, "${1}").str.replace_all(_GUARDED_BEHIND, "${1}${2}")


def _changed(frame: pl.DataFrame, change: Callable[[pl.Expr], pl.Expr]) -> pl.DataFrame:
    """The frame with its text and its header changed; the row numbers stay, and their name has nothing to guard."""
    header = pl.DataFrame({"name": frame.columns}, schema={"name": pl.String}).select(change(pl.col("name")))["name"]
    changed = frame.with_columns(change(pl.col(pl.String)))
    return changed.rename(dict(zip(frame.columns, header, strict=True)))


def _lines(rejects: pl.DataFrame) -> pl.DataFrame:
    """One line a row, in the order of the rows. Where, what and why are in one order."""
    # First a list for each row, then one join of all lists: polars is slow at joining group by group.
    text = pl.col("column", "value", "reason").fill_null("").name.prefix("reject_")
    stages = pl.col("stage").unique(maintain_order=True).alias("reject_stage")
    rows = rejects.group_by(pl.col("row").cast(pl.UInt32).alias(ROW), maintain_order=True)
    grouped = rows.agg(text, stages).sort(ROW)
    joined = grouped.with_columns(pl.exclude(ROW).list.join("; "))
    return joined.with_columns(pl.col(ROW).cast(pl.String).alias("reject_row"))


def _own(export: pl.DataFrame) -> pl.DataFrame:
    # Were a library to have columns named like ours, `restore` would already have taken them for ours.
    return export.drop(COLUMNS, strict=False).with_columns(pl.col(ROW).cast(pl.UInt32))


def _holds(codec: str, text: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _csv(frame: pl.DataFrame, delimiter: str) -> str:
    # Python's writer and not polars', which takes only delimiters of one byte.
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(frame.columns)
    writer.writerows(frame.iter_rows())
    return out.getvalue()
