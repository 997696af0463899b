"""Read an Excel workbook (XLSX) as strictly as CSV: text cells stay as they are, and numbers are marked."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import workbooks


class Sheet(NamedTuple):
    """The rows of a sheet that are not blank, as text, each with its number; and the cells that are numbers."""

    rows: list[tuple[int, list[str]]]
    numbers: set[tuple[int, int]]
    """The row number and the place of the column, from 0."""


def read(content: bytes, layout: Layout) -> Sheet:
    """The first sheet, or the one that the layout names. Raises SourceError for a damaged or huge workbook."""
    from python_calamine import CalamineError, CalamineWorkbook

    workbooks.check_size(content)
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(content)) as workbook:
            names = workbook.sheet_names
            name = layout.sheet or names[0]
            if name not in names:
                raise SourceError(
                    f"The workbook has no sheet called {name}; its sheets have other names. Correct source.sheet in "
                    "the tenant file, or ask the sender."
                )
            cells = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
            errors = workbooks.error_cells(content).get(names.index(name), {})
    except (CalamineError, zipfile.BadZipFile, ValueError, OSError):
        raise SourceError("The Excel file is damaged or incomplete. Ask the sender to send it again.") from None
    return _sheet(cells, errors)


def _sheet(cells: list[list[Any]], errors: dict[tuple[int, int], str]) -> Sheet:
    rows: list[tuple[int, list[str]]] = []
    numbers: set[tuple[int, int]] = set()
    for number, row in enumerate(cells, 1):
        texts = [errors.get((number - 1, place)) or workbooks.in_text(cell) for place, cell in enumerate(row)]
        if any(text.strip() for text in texts):
            rows.append((number, texts))
            numbers.update(_numbers(number, row))
    return Sheet(rows, numbers)


def _numbers(number: int, row: list[Any]) -> Iterator[tuple[int, int]]:
    for place, cell in enumerate(row):
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            yield number, place
