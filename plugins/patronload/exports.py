"""
Turn the bytes of an export into rows of text with their row numbers.

Python's own strict CSV reader does it, because it alone tells a short row from one whose last cells are empty, and a
stray quote from a quoted cell; polars reads both silently as something else.
"""

import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from patronload import reject_files
from patronload.errors import SourceError
from patronload.mappings import usable
from patronload.rows import REJECTS, ROW
from patronload.tenants import Layout

# Python's limit of 128 kB would tell a long note as a quote that is not closed.
csv.field_size_limit(1 << 24)

NOT_TEXT = {b"PK\x03\x04": "a zip or Excel file", b"\x1f\x8b": "a gzip file", b"\xd0\xcf\x11\xe0": "an old Excel file"}


class Export(NamedTuple):
    """
    An export's rows, cell by cell as they were delivered.

    frame: ROW and the library's own columns, all text, whole rows only; ragged: the rows with too few or too many
    cells, cut to the columns or filled up with empty text; rejects: why each of these is one; mended: whether it is a
    rejects file that came back.
    """

    frame: pl.DataFrame
    ragged: pl.DataFrame
    rejects: pl.DataFrame
    mended: bool = False

    @property
    def columns(self) -> list[str]:
        """The header, in its order."""
        return self.frame.columns[1:]

    @property
    def rows(self) -> int:
        """All rows of the export but blank ones."""
        return self.frame.height + self.ragged.height


def read(content: bytes, layout: Layout) -> Export:
    """
    The export in `content`. A rejects file that comes back mended is read like the export it came from.

    Raises SourceError when the bytes are not text in the layout's encoding, are not CSV, or have no usable header.
    """
    records = _records(_text(content, layout.encoding), layout.delimiter)
    columns = _columns(next(records, (1, []))[1])
    whole: list[tuple[int, list[str]]] = []
    ragged: list[tuple[int, list[str]]] = []
    for number, cells in records:
        if len(cells) == len(columns):
            whole.append((number, cells))
        elif any(cell.strip() for cell in cells):
            ragged.append((number, cells))
    frame, cut = (
        _without_blank_rows(_frame(whole, columns)),
        _frame([_cut(row, len(columns)) for row in ragged], columns),
    )
    mended = reject_files.is_rejects_file(columns)
    if mended:
        frame, cut = reject_files.restore(frame), reject_files.restore(cut)
    return Export(frame, cut, _rejects(ragged, len(columns), layout.delimiter), mended)


def _frame(rows: list[tuple[int, list[str]]], columns: list[str]) -> pl.DataFrame:
    frame = pl.DataFrame([cells for _, cells in rows], schema=dict.fromkeys(columns, pl.String), orient="row")
    return frame.insert_column(0, pl.Series(ROW, [number for number, _ in rows], dtype=pl.UInt32))


def _cut(row: tuple[int, list[str]], width: int) -> tuple[int, list[str]]:
    number, cells = row
    return number, [*cells, *[""] * width][:width]


def _text(content: bytes, encoding: str) -> str:
    for magic, what in NOT_TEXT.items():
        if content.startswith(magic):
            raise SourceError(f"The export is {what}, not a CSV file. Ask the sender for CSV.")
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"The export is not {encoding}: line {line} holds the byte 0x{content[error.start]:02X}, which {encoding} "
            "does not know there. Write the sender's encoding at source.encoding in the tenant file (often cp1252 or "
            "utf-16), or ask the sender for UTF-8."
        ) from None


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with its number from 1; a blank line is a record without cells, as a spreadsheet shows it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise SourceError(
                f"Row {number} of the export (near line {reader.line_num}) cannot be read: a double quote stands "
                'alone, or a quoted cell is not closed. A quote inside a cell is written twice: "5\'10""". '
                "Ask the sender to mend it."
            ) from None


def _columns(header: list[str]) -> list[str]:
    names = [name.strip() or f"(column {place})" for place, name in enumerate(header, 1)]
    if not any(name.strip() for name in header):
        raise SourceError("The export is empty: not even a header line. Ask the sender for the whole file.")
    seen: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if not usable(name):
            raise SourceError(
                f"Column {place} of the export has a name that cannot be used. Ask the sender for one of letters "
                "and digits."
            )
        if seen.setdefault(name, place) != place:
            # Its name is not told: in a file that came without a header line it is a patron's.
            raise SourceError(
                f"Columns {seen[name]} and {place} of the export have the same name; which one is meant "
                "cannot be told. Ask the sender to name each column once, and for a header line if there is none."
            )
    return names


def _without_blank_rows(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.any_horizontal(pl.exclude(ROW).str.strip_chars() != ""))


def _rejects(ragged: list[tuple[int, list[str]]], width: int, delimiter: str) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (
                number,
                None,
                delimiter.join(cells),
                f"the row has {len(cells)} cells, the header {width}; is a delimiter missing, or one too many?",
                "the row has too few cells" if len(cells) < width else "the row has too many cells",
            )
            for number, cells in ragged
        ],
        schema=REJECTS,
        orient="row",
    )
