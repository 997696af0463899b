"""Read Excel workbooks (XLSX) as text: each sheet as rows of cells, without guessing."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from patronload.errors import SourceError
from patronload.exports import unpacking

Cell = str | float | bool | date | time | timedelta

MOST_BYTES = 1 << 29
"""The maximum size of a workbook's parts, unpacked."""

BOMB, HARMLESS = 100, 64 << 20
"""A sheet shrinks to a fiftieth at best. More than HARMLESS bytes and BOMB times the file's size is an attack."""

MOST_CELLS = 10_000_000
"""The maximum of rows times columns in all sheets; a table of 200,000 patrons has half of that."""

OFTEN = 5
"""
A workbook has a list of its texts, and its cells refer to them, the same text again and again. If the cells together
have more than HARMLESS bytes of text and OFTEN times the workbook's size, it is an attack.
"""

TEXTS = "xl/sharedstrings.xml"
"""The part with that list; readers look for this name, in any case."""

LONGEST_TAG = 1 << 10

CELL = re.compile(
    rb"""<(?:[A-Za-z]+:)?(?:(row)|c)(?=[\s/>])(?:[^<>]*?\sr\s*=\s*["']([A-Za-z]{0,3})([0-9]{1,9})["'])?"""
)
"""The beginning of a row or of a cell, with its place if it says one."""


VALUE = re.compile(rb"<(?:[A-Za-z]+:)?v(?:\s[^<>]*)?>([^<]*)(?=(<!)?)")
"""The value of a cell. A cell of the kind `s` has the number of its text here."""

AN_ERROR = re.compile(rb"""\st\s*=\s*["']e["']""")
"""The kind of a cell with an error."""

END_OF_CELL = re.compile(rb"<(?:/(?:[A-Za-z]+:)?c\s*>|(?:[A-Za-z]+:)?(?:c|row)[\s/>])")
"""The end of a cell, or the beginning of the next one."""

UNNAMED = "#N/A"
"""The error of a cell that has one but does not say which."""

ATTRIBUTE = re.compile(rb"""(?<![A-Za-z0-9])(?:[A-Za-z0-9]++:)?([A-Za-z]++)\s*=\s*["']([^"']*)["']""")
"""An attribute: its name and its value. This pattern and the next take linear time, whatever the workbook has."""

TAG = re.compile(rb"<(/?)(?:[A-Za-z]++:)?([A-Za-z]*+)[^<>]*?(/?)>")
"""A tag: whether it is an end, its name, and whether it is a beginning and an end in one."""


def is_workbook(content: bytes) -> bool:
    """Whether the bytes are an XLSX file."""
    if not content.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return "xl/workbook.xml" in packed.namelist()
    except Exception:  # noqa: BLE001 - Python's reader raises a dozen kinds of errors for damaged files
        return False


def sheets(content: bytes) -> Iterator[list[list[str]]]:
    """
    The rows of each sheet in order, blank ones included, so that row n of the sheet is at place n - 1.

    A text cell is its text. A number is written without exponent, a date as 2027-06-30, true and false as a spreadsheet
    shows them. Raises SourceError for a workbook that is damaged, encrypted or too large.
    """
    from python_calamine import load_workbook  # only needed for workbooks

    check_size(content)
    try:
        book = load_workbook(io.BytesIO(content))
        errors = error_cells(content)
        for place, name in enumerate(book.sheet_names):  # one at a time, because each fills memory
            sheet = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            yield with_errors([[in_text(cell) for cell in row] for row in sheet], errors.get(place, {}))
    except Exception:  # noqa: BLE001 - the reader raises a dozen kinds of errors for damaged files
        raise SourceError(
            "The Excel workbook is damaged, incomplete or protected with a password. Open it in Excel, save it again "
            "without a password, and send that file."
        ) from None


def in_text(cell: Cell) -> str:
    """A cell as text."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() else f"{cell:.15g}"
    if isinstance(cell, datetime):
        return f"{cell.date() if cell.time() == time() else cell}"
    return f"{cell}"


def error_cells(content: bytes) -> dict[int, dict[tuple[int, int], str]]:
    """
    For each sheet, by its place, the cells with an error such as #N/A: row and column, from 0, and the error.

    The reader takes them for blank cells.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        parts = {name.lower(): name for name in packed.namelist()}
        book, relations = (parts.get(f"xl/{name}") for name in ("workbook.xml", "_rels/workbook.xml.rels"))
        if not book or not relations:
            return {}
        named = _attributes(packed.read(relations), b"Relationship")
        targets = {each.get(b"Id"): each.get(b"Target", b"").decode(errors="replace") for each in named}
        found = {}
        for place, sheet in enumerate(_attributes(packed.read(book), b"sheet")):
            target = targets.get(sheet.get(b"id"), "").removeprefix("/xl/")
            if part := parts.get(f"xl/{target}".lower()):
                found[place] = _errors_in(packed.read(part))
        return found


def _attributes(xml: bytes, name: bytes) -> list[dict[bytes, bytes]]:
    """The attributes of each element of this name, without their prefixes."""
    elements = re.findall(rb"<(?:[A-Za-z0-9]+:)?" + name + rb"\s([^<>]*)>", xml)
    return [dict(ATTRIBUTE.findall(each)) for each in elements]


def _errors_in(xml: bytes) -> dict[tuple[int, int], str]:
    if not AN_ERROR.search(xml):
        return {}
    found: dict[tuple[int, int], str] = {}
    row = column = 0
    for cell in CELL.finditer(xml):
        is_row, letters, number = cell.groups()
        row = int(number) if number else row + bool(is_row)
        column = 0 if is_row else _place(letters) if letters else column + 1
        tag = xml[cell.start() : xml.index(b">", cell.start())]
        if not is_row and AN_ERROR.search(tag):
            value = None if tag.endswith(b"/") else VALUE.search(xml, cell.end(), _end_of_cell(xml, cell.end()))
            found[row - 1, column - 1] = value[1].decode(errors="replace") if value else UNNAMED
    return found


def _end_of_cell(xml: bytes, place: int) -> int:
    """Where a cell ends, at the latest: a value behind it belongs to another one."""
    end = END_OF_CELL.search(xml, place)
    return end.start() if end else len(xml)


def with_errors(rows: list[list[str]], errors: dict[tuple[int, int], str]) -> list[list[str]]:
    """The rows of a sheet with its errors as text."""
    for (row, column), error in errors.items():
        if row < len(rows) and column < len(rows[row]):
            rows[row][column] = error
    return rows


def check_size(content: bytes) -> None:
    """
    Raise SourceError for a workbook that is damaged, or that unpacks or spreads to an absurd size.

    The reader makes room for the whole rectangle from the first cell to the last one: a single cell in the last row and
    the last column would end the process.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
            _check_bytes(unpacked, len(content))
            counts = _Counts(_lengths(packed), unpacked)
            for part in packed.infolist():
                counts.add(unpacking.pieces(packed, part))
    except (SourceError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - as above
        raise SourceError("The Excel workbook is damaged or incomplete. Ask the sender to send it again.") from None


def _check_bytes(unpacked: int, size: int) -> None:
    if unpacked > MOST_BYTES or (unpacked > HARMLESS and unpacked > BOMB * size):
        raise SourceError(
            f"The Excel workbook unpacks to {unpacked >> 20:,} MB; {MOST_BYTES >> 20:,} MB are allowed, and no more "
            f"than {BOMB} times its size. Ask the sender for CSV, or for several files."
        )


def _lengths(packed: zipfile.ZipFile) -> list[int]:
    """The bytes of each text in the workbook's list."""
    lengths, begun = [], 0
    for part in packed.infolist():
        if part.filename.replace("\\", "/").lower() != TEXTS:
            continue
        rest = b""
        for block in unpacking.pieces(packed, part):
            text, rest = _whole_tags(rest + block)
            place = 0
            for tag in TAG.finditer(text):
                begun, place = begun + tag.start() - place, tag.end()
                if tag[2] == b"si" and (tag[1] or tag[3]):
                    lengths.append(begun)
                    begun = 0
            begun += len(text) - place
    return lengths


class _Counts:
    """The cells of all sheets so far, as the reader makes room for them, and the bytes of the texts in them."""

    def __init__(self, lengths: list[int], unpacked: int) -> None:
        self._lengths, self._unpacked = lengths, unpacked
        self._longest = max(lengths, default=0)
        self._cells = self._text = 0

    def add(self, blocks: Iterator[bytes]) -> None:
        """Follow the rows and the cells of one part. Raises SourceError when it is too much."""
        row = column = last_row = last_column = 0
        rest = b""
        for block in blocks:
            text, rest = _whole_tags(rest + block)
            for is_row, letters, number in CELL.findall(text):
                row = int(number) if number else row + bool(is_row)
                column = 0 if is_row else _place(letters) if letters else column + 1
                last_row, last_column = max(last_row, row), max(last_column, column)
            if self._cells + last_row * last_column > MOST_CELLS:
                raise SourceError(
                    f"The Excel workbook has a cell in row {last_row:,} and column {last_column:,}; {MOST_CELLS:,} "
                    "cells are allowed in all sheets, empty ones included. Delete what is far below the table or to "
                    "its right, and sheets that are not needed, or send CSV."
                )
            self._add_texts(text)
        self._cells += last_row * last_column

    def _add_texts(self, text: bytes) -> None:
        # What is written in an unusual way may be the number of any text.
        self._text += sum(
            self._longest if odd or b"&#" in value else self._length(value) for value, odd in VALUE.findall(text)
        )
        if self._text > MOST_BYTES or (self._text > HARMLESS and self._text > OFTEN * self._unpacked):
            raise SourceError(
                f"The cells of the Excel workbook have more than {self._text >> 20:,} MB of text together, because the "
                "same long texts are used in many of them. Ask the sender for CSV, or for several files."
            )

    def _length(self, value: bytes) -> int:
        return self._lengths[int(value)] if value.strip().isdigit() and int(value) < len(self._lengths) else 0


def _whole_tags(text: bytes) -> tuple[bytes, bytes]:
    """The text up to its last tag, which the next block may continue, and the rest; no tag of a cell is long."""
    end = text.rfind(b"<")
    return (text[:end], text[end:]) if end >= 0 and len(text) - end < LONGEST_TAG else (text, b"")


def _place(letters: bytes) -> int:
    """The number of a column: A is 1, AA is 27."""
    place = 0
    for letter in letters.upper():
        place = place * 26 + letter - ord("A") + 1
    return place
