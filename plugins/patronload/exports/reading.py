"""
Turn the bytes of an export into rows of text with their row numbers.

`csv_records` splits the bytes into records and cells: quickly, with polars, if a file follows the rules, and carefully,
with Python's strict CSV reader, if it does not. The result is the same.
"""

import codecs
import io
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from patronload.config.conditions import is_usable
from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import (
    csv_records,
    fixed_width,
    reject_files,
    spreadsheet_damage,
    trailers,
    unpacking,
    workbooks,
)
from patronload.exports.csv_records import Part, Ragged
from patronload.exports.trailers import Trailer
from patronload.rows import REJECTS, ROW

NOT_TEXT = {
    **unpacking.PACKED,
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF file",
    b"-----BEGIN PGP MESSAGE": "encrypted with PGP (see source.pgp in docs/tenant-files.md)",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
}

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The byte order marks; the one of UTF-32 begins like that of UTF-16."""


DELIMITERS = (",", ";", "\t", "|")
"""The delimiters with which spreadsheets save a file."""

HEAD = 1 << 20
"""Bytes at the beginning of a file that are searched for our columns."""


class Facts(NamedTuple):
    """The description of an export without its rows; see Export."""

    columns: list[str]
    rows: int
    mended: bool
    encoding: str = "utf-8"
    names: dict[str, str] = {}  # noqa: RUF012 - the default of a tuple never changes


class Export(NamedTuple):
    """
    The rows of an export, cell by cell as delivered.

    frame: ROW and the library's own columns, all text, only complete rows; ragged: the rows with too few or too many
    cells, cut to the columns or filled up with empty text; rejects: the reason for each of these, and the cells that
    have lost digits; `mended`: whether it is a corrected rejects file; encoding: the detected one; names: the original
    names of renamed columns; trailer: its last line, if the layout has one; ours: of a corrected rejects file, our
    columns (see reject_files.ours); compared: whether its rows were compared with the rejected rows.
    """

    frame: pl.DataFrame
    ragged: pl.DataFrame
    rejects: pl.DataFrame
    mended: bool = False
    encoding: str = "utf-8"
    names: dict[str, str] = {}  # noqa: RUF012 - the default of a tuple never changes
    trailer: Trailer | None = None
    ours: pl.DataFrame = pl.DataFrame(schema={ROW: pl.UInt32})
    compared: bool = False

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
        return Facts(self.columns, self.rows, self.mended, self.encoding, self.names)


def read(content: bytes, layout: Layout) -> Export:
    """
    The export in `content`, which may be compressed.

    A corrected rejects file is recognised by our columns, whatever its delimiter and encoding; it may also be an Excel
    workbook. Raises SourceError if the bytes are not text in the layout's encoding, are not CSV, or have no usable
    header.
    """
    if workbooks.is_workbook(content) and (sheet := _sheet_of_rejects(content)):
        export = _of_sheet(*sheet, layout)
        return _with_lost_digits(export, layout)
    content = unpacking.unpack(content, layout.member)
    _refuse_what_is_no_text(content)
    if written := _of_rejects(content, layout):
        return _with_lost_digits(_of_csv(content, written)._replace(encoding=written.encoding), layout)
    layout = layout.model_copy(update={"encoding": _encoding(content, layout.encoding)})
    content, trailer = trailers.split(content, layout)
    if layout.widths:
        _check_encoding(content, layout.encoding)
        export = _of_fixed_width(_text(content, layout.encoding).read(), layout.widths)
    else:
        export = _of_csv(content, layout)
    return _with_lost_digits(export._replace(encoding=layout.encoding, trailer=trailer), layout)


def _with_lost_digits(export: Export, layout: Layout) -> Export:
    lost = spreadsheet_damage.find_lost_digits(export.frame, layout.digits)
    return export._replace(rejects=pl.concat([export.rejects, lost]))


def _of_csv(content: bytes, layout: Layout) -> Export:
    try:
        return _export(_quickly(content, layout), layout)
    except (csv_records.Irregular, UnicodeDecodeError):
        _check_encoding(content, layout.encoding)
        return _export(_carefully(content, layout), layout)


def _of_fixed_width(text: str, widths: dict[str, int]) -> Export:
    whole, ragged = fixed_width.read(text, widths)
    columns, room = list(widths), sum(widths.values())
    rejects = [
        (number, None, "".join(cells), fixed_width.reason(len("".join(cells).rstrip()), room), "the line is too long")
        for number, cells in ragged
    ]
    cut = csv_records.frame_of([_cut(row, len(columns)) for row in ragged], columns)
    return Export(whole, cut, pl.DataFrame(rejects, schema=REJECTS, orient="row"))


def _sheet_of_rejects(content: bytes) -> tuple[int, list[list[str]]] | None:
    """The first sheet of a workbook that has our columns, and the place of its header; None if no sheet has."""
    try:
        sheets = list(workbooks.sheets(content))
    except SourceError:
        return None
    for rows in sheets:
        place = next((place for place, cells in enumerate(rows) if any(cell.strip() for cell in cells)), 0)
        if rows and reject_files.is_rejects_file(rows[place]):
            return place, rows
    return None


def _of_sheet(place: int, rows: list[list[str]], layout: Layout) -> Export:
    header = rows[place]
    while not header[-1].strip():
        header = header[:-1]
    columns = _columns(header)
    whole: Ragged = []
    ragged: Ragged = []
    for number, cells in enumerate(rows[place + 1 :], place + 2):
        beyond = any(cells[len(columns) :])
        (ragged if beyond else whole).append((number, cells if beyond else cells[: len(columns)]))
    part = Part(csv_records.frame_of(whole, columns), ragged)
    return _export(_Opened(columns, iter([part])), layout)


def _of_rejects(content: bytes, layout: Layout) -> Layout | None:
    """The layout of a corrected rejects file, as the library's spreadsheet saved it; None for any other content."""
    found: list[tuple[int, Layout]] = []
    for encoding in _possible_encodings(content, layout):
        for delimiter in dict.fromkeys((layout.delimiter, *DELIMITERS)):
            ours = _columns_of_ours(content, encoding, delimiter)
            found.append((ours, layout.model_copy(update={"encoding": encoding, "delimiter": delimiter})))
    best = max(found, key=lambda pair: pair[0], default=(0, layout))
    return best[1].model_copy(update={"widths": None, "trailer": None}) if best[0] else None


def _possible_encodings(content: bytes, layout: Layout) -> list[str]:
    """The encodings in which the content may be a rejects file; none for nearly every export."""
    head = content[:HEAD]
    try:
        own = _encoding(content, layout.encoding)
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
        _, names = csv_records.header(_text(content, encoding), delimiter)
    except (SourceError, UnicodeError):
        return 0
    return len({name.strip() for name in names} & {*reject_files.COLUMNS})


def _encoding(content: bytes, named: str) -> str:
    """
    The encoding of the bytes: that of the byte order mark; UTF-8 if they are valid UTF-8, which other text practically
    never is; otherwise the layout's. It is never guessed. Raises SourceError if the layout's encoding needs a mark.
    """
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return encoding
    known = codecs.lookup(named).name
    if known in ("utf-16", "utf-32") and content:
        raise SourceError(
            f"The export is not {known}: it has no byte order mark, which {known} needs. Write {known}-le "
            f"(usual on Windows), {known}-be or the sender's other encoding as source.encoding in the tenant file, or "
            "ask the sender for UTF-8."
        )
    if known == "utf-8" or known.startswith(("utf-16", "utf-32")) or content.isascii():
        return named
    try:
        for _ in _utf8(content, "utf-8-sig"):
            pass
    except UnicodeDecodeError:
        return named
    return "utf-8"


class _Opened(NamedTuple):
    """The header, and the text after it."""

    columns: list[str]
    parts: Iterator[Part]


def _quickly(content: bytes, layout: Layout) -> _Opened:
    start, columns = _header(content, layout)
    return _Opened(columns, csv_records.quick(_utf8(content, layout.encoding), layout.delimiter, start, columns))


def _carefully(content: bytes, layout: Layout) -> _Opened:
    start, columns = _header(content, layout)
    return _Opened(columns, csv_records.careful(_text(content, layout.encoding), layout.delimiter, start, columns))


def _header(content: bytes, layout: Layout) -> tuple[int, list[str]]:
    """The record number of the header, and its column names."""
    start, cells = csv_records.header(_text(content, layout.encoding), layout.delimiter)
    return start, _columns(cells)


def _export(opened: _Opened, layout: Layout) -> Export:
    columns, parts = opened
    frames, ragged = [csv_records.frame_of([], columns)], Ragged()
    for part in parts:
        frames.append(_without_blank_rows(part.frame))
        ragged += part.ragged
    frame = pl.concat(frames)
    cut = csv_records.frame_of([_cut(row, len(columns)) for row in ragged], columns)
    rejects = _rejects(ragged, len(columns), layout.delimiter)
    export = Export(frame, cut, rejects)
    if reject_files.is_rejects_file(columns):
        ours = reject_files.ours(pl.concat([frame, cut]))
        export = Export(reject_files.restore(frame), reject_files.restore(cut), rejects, mended=True, ours=ours)
    return _rename_columns(export, layout.rename)


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
    back = {new: old for old, new in names.items()}
    return export._replace(frame=export.frame.rename(names), ragged=export.ragged.rename(names), names=back)


def _cut(row: tuple[int, list[str]], width: int) -> tuple[int, list[str]]:
    number, cells = row
    return number, [*cells, *[""] * width][:width]


def _refuse_what_is_no_text(content: bytes) -> None:
    for magic, what in NOT_TEXT.items():
        if content[:64].removeprefix(codecs.BOM_UTF8).lstrip().lower().startswith(magic.lower()):
            raise SourceError(f"The export is {what}, not a CSV file. Ask the sender for CSV.")


def _text(content: bytes, encoding: str) -> io.TextIOWrapper:
    """The text line by line, with its line ends, without a byte order mark."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding, newline="")
    if text.read(1) != "\ufeff":
        text.seek(0)
    return text


def _utf8(content: bytes, encoding: str) -> Iterator[bytes]:
    """The text in UTF-8, block by block, without a byte order mark."""
    view = memoryview(content)[len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0 :]
    blocks = (view[at : at + csv_records.BLOCK] for at in range(0, len(view), csv_records.BLOCK))
    if codecs.lookup(encoding).name == "utf-8":  # polars checks this itself
        yield from map(bytes, blocks)
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    yield decoder.decode(next(blocks, b"")).removeprefix("\ufeff").encode()
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def _check_encoding(content: bytes, encoding: str) -> None:
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"The export is not {encoding}: line {line} has the byte 0x{content[error.start]:02X}, which is not valid "
            f"{encoding} there. Write the sender's encoding as source.encoding in the tenant file (often cp1252 or "
            "utf-16), or ask the sender for UTF-8."
        ) from None


def _columns(header: list[str]) -> list[str]:
    names = [name.strip() or f"(column {place})" for place, name in enumerate(header, 1)]
    if not any(name.strip() for name in header):
        raise SourceError("The export is empty: it has no header line. Ask the sender for the complete file.")
    seen: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if not is_usable(name):
            raise SourceError(
                f"Column {place} of the export has a name that cannot be used. Ask the sender for one of letters "
                "and digits."
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
    doubtful = frame.filter(_is_blank(first))
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
