"""
Turn the bytes of an export into rows of text with their row numbers.

`csv_records` splits the bytes into records and cells: quickly, with polars, if a file follows the rules, and carefully,
with Python's strict CSV reader, if it does not. The result is the same.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

import polars as pl

from patronload import plain_text
from patronload.config.conditions import is_usable
from patronload.config.source import Layout, Most
from patronload.errors import SourceError
from patronload.exports import (
    csv_records,
    encodings,
    entities,
    excel_exports,
    first_lines,
    fixed_width,
    headers,
    json_exports,
    mojibake,
    reject_files,
    rejects_found,
    sizes,
    spreadsheet_damage,
    trailers,
    unpacking,
    workbooks,
)
from patronload.exports.csv_records import Part, Ragged
from patronload.exports.trailers import Trailer
from patronload.mapping import invisible
from patronload.rows import REJECTS, ROW

XML = "an XML file"

NOT_TEXT = {
    **unpacking.PACKED,
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF file",
    b"-----BEGIN PGP MESSAGE": "encrypted with PGP (see source.pgp in docs/tenant-files.md)",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"<?xml": XML,
}

AN_ELEMENT = re.compile(rb"<(!--|[A-Za-z_][\w.:-]*(\s[^<>]*)?/?>\s*(<|$))")
"""The beginning of XML without a declaration; a header of CSV has no tag after a tag."""

NUMBERS = {"row": pl.UInt32, "column": pl.String}
"""The row and the column of a cell."""

NUL = "\0"

HEAD = 4096
"""The bytes that show whether a file is JSON."""


class Facts(NamedTuple):
    """The description of an export without its rows; see Export."""

    columns: list[str]
    rows: int
    mended: bool
    encoding: str = "utf-8"
    names: dict[str, str] = {}  # noqa: RUF012 - the default of a tuple never changes
    may_have_invisible: bool = True
    """Whether a cell may have characters that mapping.invisible leaves out."""


class Export(NamedTuple):
    """
    The rows of an export, cell by cell as delivered.

    frame: ROW and the library's own columns, all text, only complete rows; ragged: the rows with too few or too many
    cells, cut to the columns or filled up with empty text; rejects: the reason for each of these, and the cells that
    have lost digits; `mended`: whether it is a corrected rejects file; encoding: the detected one; names: the original
    names of renamed columns; trailer: its last line, if the layout has one; notices: sentences for the report, without
    personal data; may_have_invisible: see Facts; numbers: the cells of a workbook that are numbers;
    ours: of a corrected rejects file, our columns (see reject_files.ours); compared: whether its rows were compared
    with the rejected rows; may_be_garbled: whether a cell may have text that mojibake.find_garbled finds;
    may_have_entities: whether one may have entities of HTML.
    """

    frame: pl.DataFrame
    ragged: pl.DataFrame
    rejects: pl.DataFrame
    mended: bool = False
    encoding: str = "utf-8"
    names: dict[str, str] = {}  # noqa: RUF012 - the default of a tuple never changes
    trailer: Trailer | None = None
    notices: tuple[str, ...] = ()
    may_have_invisible: bool = True
    numbers: pl.DataFrame = pl.DataFrame(schema=NUMBERS)
    ours: pl.DataFrame = pl.DataFrame(schema={ROW: pl.UInt32})
    compared: bool = False
    may_be_garbled: bool = True
    may_have_entities: bool = True

    @property
    def columns(self) -> list[str]:
        """The column names, in order."""
        return self.frame.columns[1:]

    @property
    def rows(self) -> int:
        """The number of rows, without blank ones."""
        return self.frame.height + self.ragged.height

    @property
    def facts(self) -> Facts:
        """Its description without the rows."""
        return Facts(self.columns, self.rows, self.mended, self.encoding, self.names, self.may_have_invisible)

    @property
    def visible(self) -> pl.DataFrame:
        """The frame without invisible characters; see mapping.invisible."""
        return invisible.cleaned(self.frame) if self.may_have_invisible else self.frame


def read(content: bytes, layout: Layout) -> Export:
    """
    The export in `content`, which may be compressed: CSV, fixed width, JSON, or an Excel workbook.

    A corrected rejects file is recognised by our columns, whatever its delimiter and encoding; it may also be an Excel
    workbook. Raises SourceError if the bytes are not text in the layout's encoding, are not CSV, or have no usable
    header.
    """
    unpacking.check_entries(content, layout.most)
    if not workbooks.is_workbook(content):
        content = unpacking.unpack(content, layout.member, layout.most)
    sizes.expect_at_most(layout.most, "bytes", len(content))
    if workbooks.is_workbook(content):
        found = rejects_found.sheet(content)
        export = _of_rows(_numbered(*found), layout) if found else _of_workbook(content, layout)
        return _with_lost_digits(export, layout)
    _refuse_what_is_no_text(content)
    if begun := rejects_found.begun(content, layout):
        export = _of_csv(begun.content, begun.layout)._replace(encoding=begun.layout.encoding)
        return _with_lost_digits(_shifted(export, begun.lines) if begun.lines else export, layout)
    layout = layout.model_copy(update={"encoding": encodings.detected(content, layout.encoding)})
    content, trailer = trailers.split(content, layout)
    known, numbered = codecs.lookup(layout.encoding).name, _has_numbered_characters(content)
    export = _of_text(content, layout)._replace(
        encoding=layout.encoding,
        trailer=trailer,
        may_have_invisible=numbered or invisible.may_occur(content, known),
        may_be_garbled=numbered or mojibake.may_occur(content, known),
        may_have_entities=numbered or entities.may_occur(content, known),
    )
    return _with_lost_digits(export, layout)


def _has_numbered_characters(content: bytes) -> bool:
    """Whether JSON may have characters as a backslash, the letter u and a number."""
    return b"\\" in content and b"\\u" in content  # a single byte is found ten times as fast


def _with_lost_digits(export: Export, layout: Layout) -> Export:
    export = with_names(export, layout.digits)
    lost = spreadsheet_damage.find_lost_digits(export.frame, layout.digits)
    return export._replace(rejects=pl.concat([export.rejects, lost]))


def _numbered(place: int, rows: list[list[str]]) -> list[tuple[int, list[str]]]:
    """The rows of a sheet from the header on, each with its number."""
    return [(number, cells) for number, cells in enumerate(rows, 1) if number > place]


def _of_text(content: bytes, layout: Layout) -> Export:
    try:
        begun = first_lines.without(content, layout)
    except UnicodeDecodeError:
        encodings.check(content, layout.encoding)
        raise
    content, layout = begun.content, begun.layout
    if json_exports.is_json(_head(content, layout.encoding)):
        encodings.check(content, layout.encoding)
        export = _of_json(content, layout)
    elif layout.widths:
        encodings.check(content, layout.encoding)
        export = _of_fixed_width(content, layout, layout.widths)
    else:
        export = _of_csv(content, layout)
    return _shifted(export, begun.lines) if begun.lines else export


def _head(content: bytes, encoding: str) -> str:
    return content[:HEAD].decode(encoding, errors="ignore").removeprefix("\ufeff")


def _of_json(content: bytes, layout: Layout) -> Export:
    """The objects as rows; their keys are the header."""
    is_array = json_exports.is_array(_head(content, layout.encoding))
    text = encodings.text(content, layout.encoding)
    keys, frames = json_exports.read(text, len(content), layout.most, is_array=is_array)
    columns = _columns(keys)
    parts = (Part(frame.rename(dict(zip(frame.columns[1:], columns, strict=True))), []) for frame in frames)
    return _export(_Opened(columns, keys, parts), layout, len(content))


def _of_workbook(content: bytes, layout: Layout) -> Export:
    """The sheet of a workbook; a number is text, and the export knows where it was one."""
    sheet = excel_exports.read(content, layout)
    rows = [row for row in sheet.rows if row[0] > layout.skip_lines]
    export = _of_rows([(0, list(layout.columns)), *rows] if layout.columns else rows, layout)
    found = [(row, export.columns[place]) for row, place in sorted(sheet.numbers) if place < len(export.columns)]
    numbers = pl.DataFrame(found, schema=NUMBERS, orient="row").join(export.frame.select(row=ROW), on="row", how="semi")
    return export._replace(numbers=numbers)


def _of_rows(rows: list[tuple[int, list[str]]], layout: Layout) -> Export:
    """Rows of text, of which the first is the header."""
    header = rows[0][1] if rows else []
    while header and not header[-1].strip():
        header = header[:-1]
    sizes.expect_at_most(layout.most, "columns", len(header))
    columns = _columns(header)
    whole, ragged = Ragged(), Ragged()
    for number, cells in rows[1:]:
        if any(cell.strip() for cell in cells[len(columns) :]):
            ragged.append((number, cells))
        else:
            whole.append(_cut((number, cells), len(columns)))
    part = Part(csv_records.frame_of(whole, columns), ragged)
    return _export(_Opened(columns, header, iter([part])), layout, sizes.LEAST_BYTES_IF_WIDE * workbooks.MOST_CELLS)


def _shifted(export: Export, lines: int) -> Export:
    """The export with the row numbers of a file that has more lines before it."""
    down = pl.col(ROW) + lines
    return export._replace(
        frame=export.frame.with_columns(down),
        ragged=export.ragged.with_columns(down),
        rejects=export.rejects.with_columns(pl.col("row") + lines),
        ours=export.ours.with_columns(down),
    )


def with_names(export: Export, wanted: Iterable[str]) -> Export:
    """
    The export with the wanted columns under their names, if their case or their blanks differ only.

    Raises SourceError if a column is wanted under two names.
    """
    wanted = list(wanted)
    names = headers.spelt(export.columns, wanted)
    if not names:
        return export
    for there, other in names.items():
        if there in wanted:
            raise SourceError(
                f"The mapping or the tenant file calls a column both {there} and {other}, and the export has only "
                f"{there}. Write {there} everywhere."
            )
    back = {new: export.names.get(old, old) for old, new in names.items()}
    kept = {new: old for new, old in export.names.items() if new not in names}
    return export._replace(
        frame=export.frame.rename(names),
        ragged=export.ragged.rename(names),
        names=kept | back,
        notices=(*export.notices, *headers.notice(names)),
    )


def _of_csv(content: bytes, layout: Layout) -> Export:
    with suppress(csv_records.Irregular, UnicodeDecodeError):
        return _export(_quickly(content, layout), layout, len(content))
    # Here the error is gone, and with it the rows that were read until then.
    encodings.check(content, layout.encoding)
    return _export(_carefully(content, layout), layout, len(content))


def _of_fixed_width(content: bytes, layout: Layout, widths: dict[str, int]) -> Export:
    text = encodings.text(content, layout.encoding, newline=None)
    whole, ragged = fixed_width.read(text, len(content), widths, layout.most)
    columns, room = list(widths), sum(widths.values())
    rejects = [
        (number, None, "".join(cells), fixed_width.reason(len("".join(cells).rstrip()), room), "the line is too long")
        for number, cells in ragged
    ]
    cut = csv_records.frame_of([_cut(row, len(columns)) for row in ragged], columns)
    return Export(whole, cut, pl.DataFrame(rejects, schema=REJECTS, orient="row"))


class _Opened(NamedTuple):
    """The header, and the text after it; cells: the header's own, as delivered."""

    columns: list[str]
    cells: list[str]
    parts: Iterator[Part]


def _quickly(content: bytes, layout: Layout) -> _Opened:
    start, cells = _header(content, layout)
    columns, quoted, blocks = _columns(cells), layout.quote == "double", encodings.utf8_blocks(content, layout.encoding)
    return _Opened(columns, cells, csv_records.quick(blocks, layout.delimiter, start, columns, quoted=quoted))


def _carefully(content: bytes, layout: Layout) -> _Opened:
    start, cells = _header(content, layout)
    columns, quoted, text = _columns(cells), layout.quote == "double", encodings.text(content, layout.encoding)
    return _Opened(columns, cells, csv_records.careful(text, layout.delimiter, start, columns, quoted=quoted))


def _header(content: bytes, layout: Layout) -> tuple[int, list[str]]:
    """The record number of the header, and its cells; without a header line 0, and the names that the layout gives."""
    if layout.columns:
        return 0, list(layout.columns)
    text = encodings.text(content, layout.encoding)
    start, cells = csv_records.header(text, layout.delimiter, quoted=layout.quote == "double")
    sizes.expect_at_most(layout.most, "columns", len(cells))
    return start, cells


def _export(opened: _Opened, layout: Layout, size: int) -> Export:
    """The rows that were opened, from a file of `size` bytes."""
    columns, cells, parts = opened
    frames, ragged, again = [csv_records.frame_of([], columns)], Ragged(), pl.Series(dtype=pl.UInt32)
    rows = odd_cells = 0
    for part in parts:
        repeated = headers.repeated(part.frame, cells)
        again = pl.concat([again, repeated])
        frame = part.frame.filter(~pl.col(ROW).is_in(repeated.implode())) if len(repeated) else part.frame
        frames.append(_without_blank_rows(frame))
        ragged += part.ragged
        rows += frames[-1].height + len(part.ragged)
        odd_cells += csv_records.cells_of(part.ragged)
        csv_records.check_ragged(len(ragged), odd_cells)
        _check_size(layout.most, rows, len(columns), size, part.frame)
    frame = pl.concat(frames)
    cut = csv_records.frame_of([_cut(row, len(columns)) for row in ragged], columns)
    rejects = _rejects(ragged, len(columns), layout.delimiter)
    export = Export(frame, cut, rejects)
    if reject_files.is_rejects_file(columns):
        ours = reject_files.ours(pl.concat([frame, cut]))
        export = Export(reject_files.restore(frame), reject_files.restore(cut), rejects, mended=True, ours=ours)
    export = export._replace(notices=tuple(headers.repeated_notice(again)))
    return _rename_columns(with_names(export, layout.rename), layout.rename)


def _check_size(most: Most, rows: int, columns: int, size: int, part: pl.DataFrame) -> None:
    """Raise SourceError as soon as the rows so far are more than an export of `size` bytes may have."""
    sizes.expect_at_most(most, "rows", rows)
    sizes.expect_cells(most, rows, columns, size)
    longest = part.select(pl.max_horizontal(pl.all().exclude(ROW).str.len_bytes().max())).item() if len(part) else 0
    sizes.expect_at_most(most, "cell", longest or 0)


def _rename_columns(export: Export, rename: dict[str, str]) -> Export:
    """The columns under the names that the mapping uses."""
    names = {old: new for old, new in rename.items() if old in export.columns}
    after = [names.get(name, name) for name in export.columns]
    for old, new in names.items():
        if after.count(new) > 1:
            raise SourceError(
                f"Two columns of the export would be called {new}: source.rename gives this name to {old}, and "
                "another column already has it. Remove that line, or ask the sender for a single column."
            )
    back = {new: export.names.get(old, old) for old, new in names.items()}
    return export._replace(frame=export.frame.rename(names), ragged=export.ragged.rename(names), names=back)


def _cut(row: tuple[int, list[str]], width: int) -> tuple[int, list[str]]:
    number, cells = row
    return number, [*cells, *[""] * width][:width]


def _refuse_what_is_no_text(content: bytes) -> None:
    # UTF-16 has a zero byte beside each of these characters.
    begin = re.sub(rb"^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)|\x00", b"", content[:HEAD]).lstrip()
    for magic, what in NOT_TEXT.items():
        is_xml = what == XML and AN_ELEMENT.match(begin)
        if is_xml or begin.lower().startswith(magic.lower()):
            raise SourceError(f"The export is {what}, not a CSV file. Ask the sender for CSV, Excel (XLSX) or JSON.")


def _columns(header: list[str]) -> list[str]:
    names = [plain_text.one_line(name).strip() or f"(column {place})" for place, name in enumerate(header, 1)]
    if not any(name.strip() for name in header):
        raise SourceError("The export is empty: it has no header line. Ask the sender for the complete file.")
    seen: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if NUL in header[place - 1]:
            raise SourceError(
                f"Column {place} of the export has a NUL character in its name, so the header is damaged. Ask the "
                "sender to export the file again."
            )
        if not is_usable(name):
            raise SourceError(
                f"Column {place} of the export has a name that cannot be used. Ask the sender for a name of "
                f"letters and digits."
            )
        if seen.setdefault(name, place) != place:
            # The name is left out: in a file without a header line it would be a patron's.
            raise SourceError(
                f"Columns {seen[name]} and {place} of the export have the same name. Ask the sender for a "
                "different name for each column, and for a header line if it is missing."
            )
    return names


def _without_blank_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows that are blank. Most rows have a first cell, so few have to be examined completely."""
    first, *others = frame.columns[1:]
    doubtful = frame.filter(frame[first].str.strip_chars() == "")
    blank = doubtful.filter(pl.all_horizontal(map(_is_blank, others))) if others else doubtful
    return frame.filter(~pl.col(ROW).is_in(blank[ROW].implode())) if blank.height else frame


def _is_blank(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars() == ""


def _rejects(ragged: Ragged, width: int, delimiter: str) -> pl.DataFrame:
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
