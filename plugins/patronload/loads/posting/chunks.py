"""Cut a load into chunks, the patrons of one request each."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import zstandard

from patronload import systems, targets
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.mapping import transform
from patronload.targets.outgoing import Outgoing

WRITERS = 8
"""How many chunks are written at the same time. Most of the time goes into waiting for a disk or a bucket."""


def write(run: Run, target: systems.Target, patrons: Outgoing) -> list[int]:
    """
    Write the chunks of some patrons, and return the chunk number of each patron, in the order in which they go.

    Patrons of a later `level`, or with another value of `apart`, are in a later chunk.
    """
    local = threading.local()  # one compressor per thread: making one takes half as long as compressing a chunk

    def prepare() -> None:
        local.zstd = zstandard.ZstdCompressor(level=1)

    def write_one(number: int, texts: pl.Series) -> None:
        body = targets.request_body(target, texts)
        run.write(names.CHUNKS.of_chunk(number), local.zstd.compress(body))

    # Compressing releases Python's lock, and a disk is slow.
    with ThreadPoolExecutor(WRITERS, initializer=prepare) as pool:
        cutting = _Cutting(target, patrons)
        for chunks in cutting:
            # The chunks of a part are through before the next part is read.
            for each in [pool.submit(write_one, *chunk) for chunk in chunks]:
                each.result()
    return cutting.numbered


class _Cutting:
    """
    Cuts patrons into chunks part by part: for each part, the chunks that it completes, with their texts.

    `numbered` has the chunk number of each patron so far.
    """

    def __init__(self, target: systems.Target, patrons: Outgoing) -> None:
        self.numbered: list[int] = []
        self._patrons = patrons
        self._cut = Cut(target.chunk_size, target.chunk_bytes - targets.request_overhead(target))
        self._open: pl.Series | None = None

    def __iter__(self) -> Iterator[list[tuple[int, pl.Series]]]:
        place: tuple[int, ...] = ()
        for part in self._patrons.parts():
            before, place = place, part.select(self._patrons.order).row(0)
            if before and before != place:
                yield self._rest()
                self._cut.next_chunk()
            yield self._completed(part[transform.PATRON])
        yield self._rest()

    def _completed(self, texts: pl.Series) -> list[tuple[int, pl.Series]]:
        numbers = self._cut.numbers(texts.str.len_bytes())
        found = list(texts_by_chunk(numbers, texts))
        if self._open is not None:
            last = self.numbered[-1]
            if numbers[0] == last:
                found[0] = (last, pl.concat([self._open, found[0][1]]))
            else:
                found.insert(0, (last, self._open))
        self.numbered += numbers
        # The next part may have more patrons of the last chunk.
        self._open = found.pop()[1]
        return found

    def _rest(self) -> list[tuple[int, pl.Series]]:
        rest, self._open = self._open, None
        return [] if rest is None else [(self.numbered[-1], rest)]


def texts_by_chunk(numbered: list[int], texts: pl.Series) -> Iterator[tuple[int, pl.Series]]:
    """Each chunk number, in ascending order, with the texts of its patrons."""
    changes = (np.flatnonzero(np.diff(numbered)) + 1).tolist()
    for start, end in pairwise(sorted({0, *changes, len(numbered)})):
        yield numbered[start], texts[start:end]


def numbers(sizes: Sequence[int] | pl.Series, most_patrons: int, most_bytes: int) -> list[int]:
    """The chunk, from 1, of each patron whose JSON has the given size in bytes; see Cut."""
    return Cut(most_patrons, most_bytes).numbers(sizes)


class Cut:
    """
    Numbers the chunks of patrons whose JSON has a given size in bytes.

    A chunk ends before it would hold more than `most_patrons` or more than `most_bytes`, counting the comma between two
    patrons. A patron that alone is larger than `most_bytes` has a chunk of its own.
    """

    def __init__(self, most_patrons: int, most_bytes: int) -> None:
        self._most_patrons = most_patrons
        self._most_bytes = most_bytes + 1  # a comma after each patron, also after the last one
        self._chunk, self._patrons, self._total = 1, 0, 0

    def numbers(self, sizes: Sequence[int] | pl.Series) -> list[int]:
        """The chunk of each of the next patrons, from 1."""
        ends = np.cumsum(np.asarray(sizes, np.int64) + 1)
        numbered: list[int] = []
        while len(numbered) < len(ends):
            if taken := self._take(ends, len(numbered)):
                numbered += [self._chunk] * taken
            else:
                self.next_chunk()
        return numbered

    def _take(self, ends: npt.NDArray[np.int64], start: int) -> int:
        """Put as many patrons from `start` on into the chunk as it takes, and return how many these are."""
        before = int(ends[start - 1]) if start else 0
        fitting = int(np.searchsorted(ends, before + self._most_bytes - self._total, "right")) - start
        taken = min(fitting if self._patrons else max(fitting, 1), self._most_patrons - self._patrons)
        if taken > 0:
            self._patrons += taken
            self._total += int(ends[start + taken - 1]) - before
        return max(taken, 0)

    def next_chunk(self) -> None:
        """The next patron begins another chunk."""
        self._chunk, self._patrons, self._total = self._chunk + 1, 0, 0
