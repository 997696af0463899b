"""Recognise a corrected rejects file by our columns, whatever its delimiter, encoding and format."""

from typing import Any

from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import csv_records, encodings, reject_files, workbooks

DELIMITERS = (",", ";", "\t", "|")
"""The delimiters with which spreadsheets save a file."""

HEAD = 1 << 20
"""Bytes at the beginning of a file that are searched for our columns."""

AS_WE_WRITE_IT: dict[str, Any] = {"widths": None, "columns": None, "quote": "double", "skip_lines": 0, "trailer": None}
"""The layout of our files, whatever the layout of the exports."""


def sheet(content: bytes) -> tuple[int, list[list[str]]] | None:
    """The first sheet of a workbook that has our columns, and the place of its header; None if no sheet has."""
    try:
        for rows in workbooks.sheets(content):
            place = next((place for place, cells in enumerate(rows) if any(cell.strip() for cell in cells)), 0)
            if rows and reject_files.is_rejects_file(rows[place]):
                return place, rows
    except SourceError:
        return None
    return None


def layout_of(content: bytes, layout: Layout) -> Layout | None:
    """The layout of a corrected rejects file, as the library's spreadsheet saved it; None for any other content."""
    found: list[tuple[int, Layout]] = []
    for encoding in _possible_encodings(content, layout):
        for delimiter in dict.fromkeys((layout.delimiter, *DELIMITERS)):
            ours = _columns_of_ours(content, encoding, delimiter)
            found.append((ours, layout.model_copy(update={"encoding": encoding, "delimiter": delimiter})))
    best = max(found, key=lambda pair: pair[0], default=(0, layout))
    return best[1].model_copy(update=AS_WE_WRITE_IT) if best[0] else None


def _possible_encodings(content: bytes, layout: Layout) -> list[str]:
    """The encodings in which the content may be a rejects file; none for nearly every export."""
    head = content[:HEAD]
    try:
        own = encodings.detected(content, layout.encoding)
    except SourceError:
        own = "utf-8"
    ours = "reject_"
    if ours.encode() in head:
        of_ascii = [each for each in (own, "utf-8", "cp1252") if ours.encode(each, errors="replace") in head]
        return [each for each in dict.fromkeys(of_ascii) if _decodes(content, each)] or of_ascii
    return [each for each in dict.fromkeys((own, "utf-16-le", "utf-16-be")) if _has(head, ours, each)]


def _has(head: bytes, text: str, encoding: str) -> bool:
    bare = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(encoding, encoding)
    others = {"utf-16": "utf-16-be", "utf-32": "utf-32-be"}.get(encoding, encoding)
    return any(text.encode(each, errors="replace") in head for each in (bare, others))


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _columns_of_ours(content: bytes, encoding: str, delimiter: str) -> int:
    """How many of our columns the header has, split at this delimiter."""
    try:
        _, names = csv_records.header(encodings.text(content, encoding), delimiter)
    except (SourceError, UnicodeError):
        return 0
    return len({name.strip() for name in names} & {*reject_files.COLUMNS})
