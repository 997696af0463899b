"""
Turn the bytes of an export into rows of text with their row numbers.

How the bytes are cut into records and cells is in `records`: quickly, by polars, where a file is written by the rules,
and carefully, by Python's strict CSV reader, where it is not. What comes out is the same.
"""

import codecs
import io
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from patronload.config.conditions import is_usable
from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import csv_records, fixed_width, reject_files, spreadsheet_damage, trailers, unpacking
from patronload.exports.csv_records import Part, Ragged
from patronload.exports.trailers import Trailer
from patronload.rows import REJECTS, ROW

NOT_TEXT = {
    **unpacking.PACKED,
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"%PDF": "a PDF file",
    b"-----BEGIN PGP MESSAGE": "encrypted by PGP (see source.pgp in docs/tenant-files.md)",
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
"""The byte order marks; that of UTF-32 begins like that of UTF-16."""


class Facts(NamedTuple):
    """What there is to say of an export without its rows; see Export."""

    columns: list[str]
    rows: int
    mended: bool
    encoding: str = "utf-8"
    names: dict[str, str] = {}  # noqa: RUF012 - a tuple's default is never changed


class Export(NamedTuple):
    """
    An export's rows, cell by cell as they were delivered.

    frame: ROW and the library's own columns, all text, whole rows only; ragged: the rows with too few or too many
    cells, cut to the columns or filled up with empty text; rejects: why each of these is one, and which cells have
    lost digits; mended: whether it is a rejects file that came back; encoding: the one that it turned out to be in;
    names: what the file calls the columns that are renamed; trailer: its last line, if the layout has one.
    """

    frame: pl.DataFrame
    ragged: pl.DataFrame
    rejects: pl.DataFrame
    mended: bool = False
    encoding: str = "utf-8"
    names: dict[str, str] = {}  # noqa: RUF012 - a tuple's default is never changed
    trailer: Trailer | None = None

    @property
    def columns(self) -> list[str]:
        """The header, in its order."""
        return self.frame.columns[1:]

    @property
    def rows(self) -> int:
        """All rows of the export but blank ones."""
        return self.frame.height + self.ragged.height

    @property
    def facts(self) -> Facts:
        """What there is to say of it without its rows."""
        return Facts(self.columns, self.rows, self.mended, self.encoding, self.names)


def read(content: bytes, layout: Layout) -> Export:
    """
    The export in `content`, which may be packed. A rejects file that comes back mended is read like the export it came
    from: as CSV, whatever the export is.

    Raises SourceError when the bytes are not text in the layout's encoding, are not CSV, or have no usable header.
    """
    content = unpacking.unpacked(content, layout.member)
    _refuse_what_is_no_text(content)
    layout = layout.model_copy(update={"encoding": _encoding(content, layout.encoding)})
    content, trailer = trailers.split(content, layout)
    if layout.widths and not _comes_back(content, layout):
        _check_encoding(content, layout.encoding)
        export = _of_fixed_width(_text(content, layout.encoding).read(), layout.widths)
    else:
        export = _of_csv(content, layout)
    lost = spreadsheet_damage.lost(export.frame, layout.digits)
    return export._replace(encoding=layout.encoding, trailer=trailer, rejects=pl.concat([export.rejects, lost]))


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


def _comes_back(content: bytes, layout: Layout) -> bool:
    """Whether this is a rejects file, in a library whose exports are no CSV."""
    try:
        _, names = csv_records.header(_text(content, layout.encoding), layout.delimiter)
    except (SourceError, UnicodeDecodeError):
        return False
    return reject_files.is_rejects_file(names)


def _encoding(content: bytes, named: str) -> str:
    """
    What the bytes are in: as a byte order mark says; UTF-8 if they are strictly that, which no other text is by
    chance; else what the tenant names. It is never guessed. Raises SourceError where the mark is what would tell.
    """
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return encoding
    known = codecs.lookup(named).name
    if known in ("utf-16", "utf-32") and content:
        raise SourceError(
            f"The export is not {known}: it does not begin with the byte order mark that tells how {known} is to be "
            f"read. Write {known}-le (usual on Windows), {known}-be or the sender's other encoding at source.encoding "
            "in the tenant file, or ask the sender for UTF-8."
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
    """The header, and what follows it."""

    columns: list[str]
    parts: Iterator[Part]


def _quickly(content: bytes, layout: Layout) -> _Opened:
    start, columns = _header(content, layout)
    return _Opened(columns, csv_records.quick(_utf8(content, layout.encoding), layout.delimiter, start, columns))


def _carefully(content: bytes, layout: Layout) -> _Opened:
    start, columns = _header(content, layout)
    return _Opened(columns, csv_records.careful(_text(content, layout.encoding), layout.delimiter, start, columns))


def _header(content: bytes, layout: Layout) -> tuple[int, list[str]]:
    """The number of the header's record, and the names in it."""
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
    mended = reject_files.is_rejects_file(columns)
    if mended:
        frame, cut = reject_files.restore(frame), reject_files.restore(cut)
    rejects = _rejects(ragged, len(columns), layout.delimiter)
    return _renamed(Export(frame, cut, rejects, mended), layout.rename)


def _renamed(export: Export, rename: dict[str, str]) -> Export:
    """The columns by the names that the mapping has for them."""
    names = {old: new for old, new in rename.items() if old in export.columns}
    after = [names.get(name, name) for name in export.columns]
    for old, new in names.items():
        if after.count(new) > 1:
            raise SourceError(
                f"Two columns of the export are to be called {new}: source.rename makes it of {old}, and there is "
                "another one. Take that line out of the tenant file, or ask the sender for one column."
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
    """The text line by line, its line ends as they are, without a byte order mark."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding, newline="")
    if text.read(1) != "\ufeff":
        text.seek(0)
    return text


def _utf8(content: bytes, encoding: str) -> Iterator[bytes]:
    """The text in UTF-8, block by block, without a byte order mark."""
    view = memoryview(content)[len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0 :]
    blocks = (view[at : at + csv_records.BLOCK] for at in range(0, len(view), csv_records.BLOCK))
    if codecs.lookup(encoding).name == "utf-8":  # which polars checks itself
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
            f"The export is not {encoding}: line {line} holds the byte 0x{content[error.start]:02X}, which {encoding} "
            "does not know there. Write the sender's encoding at source.encoding in the tenant file (often cp1252 or "
            "utf-16), or ask the sender for UTF-8."
        ) from None


def _columns(header: list[str]) -> list[str]:
    names = [name.strip() or f"(column {place})" for place, name in enumerate(header, 1)]
    if not any(name.strip() for name in header):
        raise SourceError("The export is empty: not even a header line. Ask the sender for the whole file.")
    seen: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if not is_usable(name):
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
    """Most rows have something in their first cell, so few have to be looked at in full."""
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
