"""
Cut the text of a CSV file into records and cells, quickly where the file is written by the rules and carefully else.

Python's strict CSV reader is the judge of what a file says: it alone tells a short record from one whose last cells
are empty, and a stray quote from a quoted cell. It is also slow. So `quick` has polars read the file, after a pass
over the bytes that proves that polars and Python's reader cannot but read the same: every quote stands at the edge of
a cell, or is doubled within one. Where not every record has as many cells as the header, each gets one more, a mark
that the file does not hold, so that those with too few or too many show. Where that proof fails `quick` raises
Irregular, and `careful` reads the file.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from patronload.errors import SourceError
from patronload.rows import ROW

# Python's limit of 128 kB would tell a long note as a quote that is not closed.
LONGEST = 1 << 24
csv.field_size_limit(LONGEST)

BLOCK = 1 << 24
"""So many bytes of a file are worked on at a time: enough to keep polars busy, little beside the whole."""

BATCH = 20_000
"""So many records of Python's reader become a frame at a time."""

MARKS = range(1, 9)
"""Characters for the mark at a record's end, of which one that the file does not hold is taken."""

QUOTE, CR, LF = b'"\r\n'

Ragged = list[tuple[int, list[str]]]


class Irregular(Exception):  # noqa: N818 - not an error: it says which reader a file needs
    """Quotes or bytes that polars could read otherwise than Python's CSV reader does."""


class Part(NamedTuple):
    """
    Records in their order. frame: ROW and the cells, one column for each of the header's, of records with as many;
    ragged: the number and the cells of those with fewer or more. A blank line is in neither.
    """

    frame: pl.DataFrame
    ragged: Ragged


def numbered(text: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """
    Each record with its number from 1, as Python's reader cuts it; a blank line is a record without cells.

    Raises SourceError where a quote stands alone.
    """
    reader = csv.reader(text, delimiter=delimiter, strict=True)
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


def header(text: Iterable[str], delimiter: str) -> tuple[int, list[str]]:
    """The number and the cells of the first record that is not blank; 1 and no cells if there is none."""
    for number, cells in numbered(text, delimiter):
        if any(cell.strip() for cell in cells):
            return number, cells
    return 1, []


def careful(text: Iterable[str], delimiter: str, start: int, columns: list[str]) -> Iterator[Part]:
    """The records after record `start`, by Python's reader. Raises SourceError where a quote stands alone."""
    whole: Ragged = []
    ragged: Ragged = []
    for number, cells in numbered(text, delimiter):
        if number <= start:
            continue
        if len(cells) == len(columns):
            whole.append((number, cells))
        elif any(cell.strip() for cell in cells):
            ragged.append((number, cells))
        if len(whole) + len(ragged) >= BATCH:
            yield Part(frame_of(whole, columns), ragged)
            whole, ragged = [], []
    yield Part(frame_of(whole, columns), ragged)


def frame_of(rows: Ragged, columns: list[str]) -> pl.DataFrame:
    """Records that all have as many cells as there are columns, as a frame with ROW."""
    frame = pl.DataFrame([cells for _, cells in rows], schema=dict.fromkeys(columns, pl.String), orient="row")
    return frame.insert_column(0, pl.Series(ROW, [number for number, _ in rows], dtype=pl.UInt32))


def quick(content: Iterable[bytes], delimiter: str, start: int, columns: list[str]) -> Iterator[Part]:
    """
    The records after record `start`, by polars: the same as `careful`, for UTF-8 that comes in blocks.

    Raises Irregular, at the latest at the end of the blocks, when this file needs `careful`.
    """
    if len(delimiter.encode()) > 1:
        raise Irregular
    last = 0
    # The next block is cut while polars reads this one.
    with ThreadPoolExecutor(1) as pool:
        before: Future[Part] | None = None
        for block in _whole_records(content, delimiter.encode()):
            first, last = last + 1, last + len(block)
            if last > start:
                skipped = max(start + 1 - first, 0)
                after = pool.submit(_part, block.after(skipped), delimiter, first + skipped, columns)
                if before:
                    yield before.result()
                before = after
        if before:
            yield before.result()


class _Block(NamedTuple):
    """Whole records: their bytes, where in these each begins and ends, its line end left out, and where quotes are."""

    content: bytes
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    quotes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.begins)

    def after(self, count: int) -> "_Block":
        return _Block(self.content, self.begins[count:], self.ends[count:], self.quotes) if count else self

    def record(self, place: int) -> bytes:
        return self.content[self.begins[place] : self.ends[place]]


def _part(block: _Block, delimiter: str, first: int, columns: list[str]) -> Part:
    names = [str(place) for place in range(len(columns))]
    if _is_regular(block, delimiter, len(columns)):
        return Part(_numbered(_frame(block, _plain(block, delimiter, names), delimiter, names), columns, first), [])
    mark, marked = _marked(block, delimiter, names)
    frame = _frame(block, marked, delimiter, [*names, mark])
    whole = frame.drop_in_place(mark) == mark
    frame = _numbered(frame, columns, first)
    if whole.all():
        return Part(frame, [])
    places = (~whole).arg_true().to_list()
    records = ((place, _cells(block.record(place), delimiter)) for place in places)
    ragged = [(first + place, cells) for place, cells in records if any(cell.strip() for cell in cells)]
    return Part(frame.filter(whole), ragged)


def _frame(block: _Block, content: bytes, delimiter: str, names: list[str]) -> pl.DataFrame:
    """A block's records as polars reads them, below a header of these names."""
    try:
        frame = pl.read_csv(
            content,
            schema=dict.fromkeys(names, pl.String),
            separator=delimiter,
            truncate_ragged_lines=True,
            empty_string_is_null=False,
        )
    except PolarsError:
        raise Irregular from None
    if frame.height != len(block):
        raise Irregular
    return frame


def _numbered(frame: pl.DataFrame, columns: list[str], first: int) -> pl.DataFrame:
    frame.columns = columns
    # Where columns are cut in different places, whoever selects of the frame makes a copy of it all.
    return frame.with_row_index(ROW, first).rechunk()


def _is_regular(block: _Block, delimiter: str, width: int) -> bool:
    """
    Whether every record has a cell for each column and ends with a line feed, as by far most blocks do: then no marks
    are needed. Of a single column it cannot be said, for a blank line has no delimiter either.
    """
    signs = np.frombuffer(block.content, np.uint8)
    if width == 1 or not (signs[block.begins[1:] - 1] == LF).all():
        return False
    start, end = int(block.begins[0]), int(block.ends[-1])
    between = np.flatnonzero(signs[start:end] == ord(delimiter)) + start
    if len(block.quotes):
        # There are few quotes beside the delimiters, so it is asked where each of the quotes is among these.
        behind = np.diff(np.searchsorted(between, block.quotes), prepend=0, append=len(between))
        between = between[np.repeat(np.arange(len(behind)) % 2 == 0, behind)]
    if len(between) != len(block) * (width - 1):
        return False
    of_records = between.reshape(len(block), width - 1)
    return bool((of_records[:, 0] >= block.begins).all() and (of_records[:, -1] < block.ends).all())


def _plain(block: _Block, delimiter: str, names: list[str]) -> bytes:
    """A header of these names and the records as they are."""
    records = memoryview(block.content)[block.begins[0] : block.ends[-1]]
    return b"\n".join([delimiter.join(names).encode(), records, b""])


def _marked(block: _Block, delimiter: str, names: list[str]) -> tuple[str, bytes]:
    """A header of these names and the records, each with one more cell; and what that cell holds."""
    mark = next((sign for each in MARKS if (sign := chr(each)) != delimiter and ord(sign) not in block.content), None)
    if mark is None:
        raise Irregular
    view = memoryview(block.content)
    records = [view[begin:end] for begin, end in zip(block.begins.tolist(), block.ends.tolist(), strict=True)]
    return mark, f"{delimiter}{mark}\n".encode().join([delimiter.join(names).encode(), *records, b""])


def _cells(record: bytes, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(record.decode(), newline=""), delimiter=delimiter, strict=True), [])


def _whole_records(content: Iterable[bytes], delimiter: bytes) -> Iterator[_Block]:
    """The blocks cut anew, so that each ends with a record."""
    rest = b""
    for piece in content:
        rest += piece
        block, used = _cut(rest, delimiter, is_all=False)
        rest = rest[used:]
        if len(block):
            yield block
        elif len(rest) > 2 * LONGEST:
            raise Irregular
    block, _ = _cut(rest, delimiter, is_all=True)
    if len(block):
        yield block


def _cut(content: bytes, delimiter: bytes, *, is_all: bool) -> tuple[_Block, int]:
    """The whole records at the beginning, and how many bytes they are. Raises Irregular for a quote out of place."""
    signs = np.frombuffer(content, np.uint8)
    quotes = np.flatnonzero(signs == QUOTE) if b'"' in content else np.empty(0, np.int64)
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
    """Where records begin, and where they end; the last beginning is that of what is left over."""
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
    Every second quote, from the first, opens a cell or is the second of a doubled one; the others close a cell or are
    the first of a doubled one. Then Python's reader is within quotes exactly where an odd number of them went before.
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
