"""Recognise a corrected rejects file by our columns, whatever its delimiter, encoding and format."""

from typing import Any

from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import csv_records, encodings, first_lines, reject_files, workbooks
from patronload.exports.first_lines import Begun

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


def begun(content: bytes, layout: Layout) -> Begun | None:
    """
    A corrected rejects file from its header on, with its layout as the library's spreadsheet saved it; None for any
    other content.
    """
    found: list[tuple[int, Begun]] = []
    for encoding in _possible_encodings(content, layout):
        for delimiter in dict.fromkeys((layout.delimiter, *DELIMITERS)):
            as_saved = layout.model_copy(update={**AS_WE_WRITE_IT, "encoding": encoding, "delimiter": delimiter})
            start = _without_separator(content, as_saved)
            found.append((_columns_of_ours(start), start))
    ours, best = max(found, key=lambda pair: pair[0], default=(0, None))
    return best if ours else None


def _without_separator(content: bytes, layout: Layout) -> Begun:
    """The content without Excel's sep= line."""
    try:
        return first_lines.without(content, layout)
    except UnicodeDecodeError:
        return Begun(content, layout, 0)


def _possible_encodings(content: bytes, layout: Layout) -> list[str]:
    """The encodings in which the content may be a rejects file; none for nearly every export."""
    head = content[:HEAD].lower()
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


def _columns_of_ours(start: Begun) -> int:
    """How many of our columns the header has, split at the layout's delimiter."""
    try:
        text = encodings.text(start.content, start.layout.encoding)
        _, names = csv_records.header(text, start.layout.delimiter)
    except (SourceError, UnicodeError):
        return 0
    return len(set(map(reject_files.plain_name, names)) & {*reject_files.COLUMNS})
