"""
Split the text of a CSV file into records and cells, quickly if the file follows the rules and carefully otherwise.

Python's strict CSV reader is the reference: only it distinguishes a short record from one whose last cells are empty,
and a stray quote from a quoted cell. It is also slow. So `quick` lets polars read the file, after a pass over the bytes
that proves that polars and Python's reader give the same result: every quote is at the edge of a cell, or doubled
within one. If not all records have as many cells as the header, each gets one more cell with a mark that the file does
not contain, which shows the records with too few or too many. If the proof fails, `quick` raises Irregular, and
`careful` reads the file.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import ceil
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from patronload.errors import SourceError
from patronload.rows import ROW

if TYPE_CHECKING:
    from _csv import Reader

# With Python's limit of 128 kB, a long note would look like an unclosed quote.
LONGEST = 1 << 24
csv.field_size_limit(LONGEST)

BLOCK = 1 << 24
"""Bytes of a file per block: enough to keep polars busy, little compared with the whole file."""

BATCH, BATCH_CELLS = 20_000, 500_000
"""The maximum number of records from Python's reader, and of their cells, that become one frame."""

RECORDS = 300_000
"""The maximum number of records that are checked together; of very short ones, a block has millions."""

TOGETHER = 1_000_000
"""
The maximum number of cells that are read together if they are short: an empty cell takes little of a file, but 16 bytes
of memory.
"""

SHORT = 6
"""Cells are short if they have fewer bytes than this on average, with the delimiter."""

MOST_RAGGED, MOST_RAGGED_CELLS = 200_000, 1_500_000
"""
The maximum number of records with too few or too many cells, and of their cells; each takes a hundred times the memory
of another.
"""

MOST_OF_RECORD = 1_000_000
"""The maximum number of delimiters in a record. Python's reader cannot be stopped within one."""

MANY_ENDS = 1_000_000
"""The line ends in a block with which it is split again: each takes many times its own byte."""

QUOTES_OF_LINE = 100_000
"""The quotes in each line of a block with which only Python's reader is used: their places take many times the text."""

MARKS = range(1, 9)
"""Characters for the mark at the end of a record; one that the file does not contain is used."""

QUOTE, CR, LF = b'"\r\n'

Ragged = list[tuple[int, list[str]]]


class Irregular(Exception):  # noqa: N818 - not an error: it decides which reader a file needs
    """The file has quotes or bytes that polars might read differently from Python's CSV reader."""


class Part(NamedTuple):
    """
    Records in order. frame: ROW and the cells of records with as many cells as the header; ragged: the number and the
    cells of the other records. Blank lines are in neither.
    """

    frame: pl.DataFrame
    ragged: Ragged


def number_records(text: Iterable[str], delimiter: str, *, quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """
    Each record with its number from 1, according to Python's reader; a blank line is a record without cells.

    Without `quoted`, a double quote is a character like any other. Raises SourceError for a stray quote.
    """
    lines = _Lines(text, delimiter)
    reader = _reader(lines, delimiter, quoted=quoted)
    number = 0
    while True:
        number += 1
        lines.delimiters = 0
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise SourceError(
                f"Row {number} of the export (near line {reader.line_num}) cannot be read: it has a stray double "
                'quote, or a quoted cell that is not closed. Inside a cell a quote must be doubled: "5\'10""". '
                "Ask the sender to correct it. If the file has no quoted cells at all, write quote: none under source "
                "in the tenant file."
            ) from None


class _Lines:
    """The lines of a text for Python's reader, which are counted on the way."""

    def __init__(self, text: Iterable[str], delimiter: str) -> None:
        self._lines, self._delimiter = iter(text), delimiter
        self.delimiters = 0
        """The delimiters of the current record so far; its quoted line breaks do not end it."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.delimiters += line.count(self._delimiter)
        if self.delimiters > MOST_OF_RECORD:
            raise SourceError(
                f"A row of the export has more than {MOST_OF_RECORD:,} delimiters, so the file is damaged, or its rows "
                "are not lines. Ask the sender how the file was made."
            )
        return line


def check_ragged(records: int, cells: int) -> None:
    """Raise SourceError if this many records with too few or too many cells cannot be right; `cells`: all of theirs."""
    if records > MOST_RAGGED or cells > MOST_RAGGED_CELLS:
        raise SourceError(
            f"{records:,} or more rows of the export have more or fewer cells than its header, {cells:,} cells "
            "together. Is the delimiter in the tenant file (source.delimiter) right?"
        )


def cells_of(ragged: Ragged) -> int:
    """The number of cells in records."""
    return sum(len(cells) for _, cells in ragged)


def _reader(text: Iterable[str], delimiter: str, *, quoted: bool) -> "Reader":
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    return csv.reader(text, delimiter=delimiter, quoting=quoting, strict=True)


def header(text: Iterable[str], delimiter: str, *, quoted: bool = True) -> tuple[int, list[str]]:
    """The number and the cells of the first record that is not blank; 1 and no cells if there is none."""
    for number, cells in number_records(text, delimiter, quoted=quoted):
        if any(cell.strip() for cell in cells):
            return number, cells
    return 1, []


def careful(
    text: Iterable[str], delimiter: str, start: int, columns: list[str], *, quoted: bool = True
) -> Iterator[Part]:
    """The records after record `start`, read by Python. Raises SourceError for a stray quote."""
    whole: Ragged = []
    ragged: Ragged = []
    held = 0
    for number, cells in number_records(text, delimiter, quoted=quoted):
        if number <= start:
            continue
        if len(cells) == len(columns):
            whole.append((number, cells))
        elif any(cell.strip() for cell in cells):
            ragged.append((number, cells))
        held += len(cells)
        if len(whole) + len(ragged) >= BATCH or held >= BATCH_CELLS:
            yield Part(frame_of(whole, columns), ragged)
            whole, ragged, held = [], [], 0
    yield Part(frame_of(whole, columns), ragged)


def frame_of(rows: Ragged, columns: list[str]) -> pl.DataFrame:
    """Records with as many cells as columns, as a frame with ROW."""
    frame = pl.DataFrame([cells for _, cells in rows], schema=dict.fromkeys(columns, pl.String), orient="row")
    return frame.insert_column(0, pl.Series(ROW, [number for number, _ in rows], dtype=pl.UInt32))


def quick(
    content: Iterable[bytes], delimiter: str, start: int, columns: list[str], *, quoted: bool = True
) -> Iterator[Part]:
    """
    The records after record `start`, read by polars from blocks of UTF-8: the same as `careful`.

    Raises Irregular, at the latest at the end of the blocks, if this file needs `careful`.
    """
    if len(delimiter.encode()) > 1:
        raise Irregular
    last = 0
    # The next block is split while polars reads this one.
    with ThreadPoolExecutor(1) as pool:
        before: Future[Part] | None = None
        blocks = _whole_records(content, delimiter.encode(), quoted=quoted)
        for block in (piece for whole in blocks for piece in whole.pieces(len(columns))):
            first, last = last + 1, last + len(block)
            if last > start:
                skipped = max(start + 1 - first, 0)
                after = pool.submit(_part, block.after(skipped), delimiter, first + skipped, columns, quoted=quoted)
                if before:
                    yield before.result()
                before = after
        if before:
            yield before.result()


class _Block(NamedTuple):
    """Complete records: their bytes, the positions where each begins and ends (without its line end), and of quotes."""

    content: bytes
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    quotes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.begins)

    def after(self, count: int) -> "_Block":
        return _Block(self.content, self.begins[count:], self.ends[count:], self.quotes) if count else self

    def pieces(self, columns: int) -> Iterator["_Block"]:
        """The block in equal pieces, each of as many records of this many columns as are read together."""
        has_short = len(self.content) < SHORT * len(self) * columns
        size = min(RECORDS, max(TOGETHER // columns, 1) if has_short else RECORDS)
        size = ceil(len(self) / max(ceil(len(self) / size), 1))
        for start in range(0, len(self), size):
            piece = slice(start, start + size)
            yield _Block(self.content, self.begins[piece], self.ends[piece], self.quotes)

    def record(self, place: int) -> bytes:
        return self.content[self.begins[place] : self.ends[place]]


def _part(block: _Block, delimiter: str, first: int, columns: list[str], *, quoted: bool) -> Part:
    names = [str(place) for place in range(len(columns))]
    if _is_regular(block, delimiter, len(columns)):
        frame = _frame(block, _plain(block, delimiter, names), delimiter, names, quoted=quoted)
        return Part(_with_numbers(frame, columns, first), [])
    mark, marked = _mark(block, delimiter, names)
    frame = _frame(block, marked, delimiter, [*names, mark], quoted=quoted)
    whole = frame.drop_in_place(mark) == mark
    frame = _with_numbers(frame, columns, first)
    if whole.all():
        return Part(frame, [])
    # A blank line is neither; there may be millions.
    places = np.flatnonzero(~whole.to_numpy() & (block.ends > block.begins)).tolist()
    ragged: Ragged = []
    found = 0
    for place in places:
        cells = _cells(block.record(place), delimiter, quoted=quoted)
        if any(cell.strip() for cell in cells):
            ragged.append((first + place, cells))
            found += len(cells)
            check_ragged(len(ragged), found)
    return Part(frame.filter(whole), ragged)


def _frame(block: _Block, content: bytes, delimiter: str, names: list[str], *, quoted: bool) -> pl.DataFrame:
    """The records of a block, read by polars with a header of these names."""
    try:
        frame = pl.read_csv(
            content,
            schema=dict.fromkeys(names, pl.String),
            separator=delimiter,
            truncate_ragged_lines=True,
            empty_string_is_null=False,
            quote_char='"' if quoted else None,
        )
    except PolarsError:
        raise Irregular from None
    if frame.height != len(block):
        raise Irregular
    return frame


def _with_numbers(frame: pl.DataFrame, columns: list[str], first: int) -> pl.DataFrame:
    frame.columns = columns
    # If columns are split in different places, every selection copies the whole frame.
    return frame.with_row_index(ROW, first).rechunk()


def _is_regular(block: _Block, delimiter: str, width: int) -> bool:
    """
    Whether every record has a cell for each column and ends with a line feed, as most blocks do; then no marks are
    needed. False for a single column, because a blank line has no delimiter either.
    """
    signs = np.frombuffer(block.content, np.uint8)
    if width == 1 or not (signs[block.begins[1:] - 1] == LF).all():
        return False
    start, end = int(block.begins[0]), int(block.ends[-1])
    between = np.flatnonzero(signs[start:end] == ord(delimiter)) + start
    if len(block.quotes):
        # There are few quotes compared with delimiters, so each quote is located among the delimiters.
        behind = np.diff(np.searchsorted(between, block.quotes), prepend=0, append=len(between))
        between = between[np.repeat(np.arange(len(behind)) % 2 == 0, behind)]
    if len(between) != len(block) * (width - 1):
        return False
    of_records = between.reshape(len(block), width - 1)
    return bool((of_records[:, 0] >= block.begins).all() and (of_records[:, -1] < block.ends).all())


def _plain(block: _Block, delimiter: str, names: list[str]) -> bytes:
    """A header of these names and the unchanged records."""
    records = memoryview(block.content)[block.begins[0] : block.ends[-1]]
    return b"\n".join([delimiter.join(names).encode(), records, b""])


def _mark(block: _Block, delimiter: str, names: list[str]) -> tuple[str, bytes]:
    """A header of these names and the records, each with one more cell; and the content of that cell."""
    mark = next((sign for each in MARKS if (sign := chr(each)) != delimiter and ord(sign) not in block.content), None)
    if mark is None:
        raise Irregular
    view = memoryview(block.content)
    records = [view[begin:end] for begin, end in zip(block.begins.tolist(), block.ends.tolist(), strict=True)]
    return mark, f"{delimiter}{mark}\n".encode().join([delimiter.join(names).encode(), *records, b""])


def _cells(record: bytes, delimiter: str, *, quoted: bool) -> list[str]:
    lines = _Lines(io.StringIO(record.decode(), newline=""), delimiter)
    return next(_reader(lines, delimiter, quoted=quoted), [])


def _whole_records(content: Iterable[bytes], delimiter: bytes, *, quoted: bool) -> Iterator[_Block]:
    """The blocks, split again so that each ends with a record."""
    rest = b""
    for piece in _with_fewer_ends(content):
        rest += piece
        if quoted and _count(rest, QUOTE) > QUOTES_OF_LINE * (1 + _line_ends(rest)):
            raise Irregular
        block, used = _cut(rest, delimiter, quoted=quoted, is_all=False)
        rest = rest[used:]
        if len(block):
            yield block
        elif len(rest) > 2 * LONGEST:
            raise Irregular
    block, _ = _cut(rest, delimiter, quoted=quoted, is_all=True)
    if len(block):
        yield block


def _with_fewer_ends(content: Iterable[bytes]) -> Iterator[bytes]:
    for block in content:
        size = BLOCK if _line_ends(block) < MANY_ENDS else BLOCK >> 4
        yield from (block[at : at + size] for at in range(0, len(block), size))


def _line_ends(content: bytes) -> int:
    return _count(content, LF) + _count(content, CR)


def _count(content: bytes, sign: int) -> int:
    """How often a byte occurs. numpy takes a third of the time of bytes.count, and lets other threads work."""
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == sign)) if sign in content else 0


def _cut(content: bytes, delimiter: bytes, *, quoted: bool, is_all: bool) -> tuple[_Block, int]:
    """The complete records at the beginning, and their number of bytes. Raises Irregular for a misplaced quote."""
    signs = np.frombuffer(content, np.uint8)
    quotes = np.flatnonzero(signs == QUOTE) if quoted and b'"' in content else np.empty(0, np.int64)
    begins, ends = _between_line_ends(content, signs, quotes, is_all=is_all)
    used = int(begins[-1]) if len(begins) else 0
    begins = begins[:-1]
    if is_all and used < len(content):
        begins, ends, used = np.append(begins, used), np.append(ends, len(content)), len(content)
    _check_quotes(signs[:used], quotes[: np.searchsorted(quotes, used)], delimiter)
    return _Block(content, begins, ends, quotes), used


def _between_line_ends(
    content: bytes, signs: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64], *, is_all: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The positions where records begin and end; the last beginning is that of the remaining bytes."""
    ends = np.flatnonzero(signs == LF)
    begins = ends + 1
    if b"\r" in content:
        returns = np.flatnonzero(signs == CR)
        if not is_all and returns[-1] == len(signs) - 1:
            returns = returns[:-1]  # whether a line feed follows is not known yet
        followed = signs[np.minimum(returns + 1, len(signs) - 1)] == LF
        alone = returns[~followed]
        ends = ends - ((ends > 0) & (signs[np.maximum(ends, 1) - 1] == CR))
        if len(alone):
            ends, begins = np.sort(np.append(ends, alone)), np.sort(np.append(begins, alone + 1))
    if len(quotes):
        outside = np.searchsorted(quotes, begins) % 2 == 0
        begins, ends = begins[outside], ends[outside]
    return np.insert(begins, 0, 0), ends


def _check_quotes(signs: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64], delimiter: bytes) -> None:
    """
    Whether the odd quotes open a cell or are the second of a doubled one, and the even quotes close a cell or are the
    first of a doubled one. Then Python's reader is within quotes exactly after an odd number of them.
    """
    if not len(quotes):
        return
    if len(quotes) % 2:
        raise Irregular
    opening, closing = quotes[::2], quotes[1::2]
    edges = np.zeros(256, np.bool_)
    edges[[delimiter[0], CR, LF]] = True
    doubled = opening[1:] == closing[:-1] + 1
    opens = (opening == 0) | edges[signs[np.maximum(opening, 1) - 1]]
    closes = (closing == len(signs) - 1) | edges[signs[np.minimum(closing + 1, len(signs) - 1)]]
    opens[1:] |= doubled
    closes[:-1] |= doubled
    if not (opens.all() and closes.all()):
        raise Irregular
