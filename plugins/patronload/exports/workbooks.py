"""Read Excel workbooks (XLSX) as text: each sheet as rows of cells, without guessing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from patronload.errors import SourceError

Cell = str | float | bool | date | time | timedelta

MOST_BYTES = 1 << 29
"""The maximum size of a workbook's parts, unpacked."""


def is_workbook(content: bytes) -> bool:
    """Whether the bytes are an XLSX file."""
    if not content.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return "xl/workbook.xml" in packed.namelist()
    except zipfile.BadZipFile:
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
        found = [book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names]
    except Exception:  # noqa: BLE001 - the reader raises a dozen kinds of errors for damaged files
        raise SourceError(
            "The Excel workbook is damaged, incomplete or protected with a password. Open it in Excel, save it again "
            "without a password, and send that file."
        ) from None
    yield from ([[in_text(cell) for cell in row] for row in sheet] for sheet in found)


def in_text(cell: Cell) -> str:
    """A cell as text."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() else f"{cell:.15g}"
    if isinstance(cell, datetime):
        return f"{cell.date() if cell.time() == time() else cell}"
    return f"{cell}"


def check_size(content: bytes) -> None:
    """Raise SourceError for a workbook that is damaged or unpacks to an absurd size."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            size = sum(part.file_size for part in packed.infolist())
    except zipfile.BadZipFile:
        raise SourceError("The Excel workbook is damaged or incomplete. Ask the sender to send it again.") from None
    if size > MOST_BYTES:
        raise SourceError(
            f"The Excel workbook unpacks to {size >> 20:,} MB; {MOST_BYTES >> 20:,} MB are allowed. Ask the sender for "
            "CSV, or for several files."
        )
