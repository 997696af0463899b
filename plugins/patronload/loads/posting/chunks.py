"""Cut a load into chunks, the patrons of one request each."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter

import polars as pl
import zstandard

from patronload import systems, targets
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.mapping import transform

WRITERS = 8
"""How many chunks are written at the same time. Most of the time goes into waiting for a disk or a bucket."""


def write(run: Run, target: systems.Target, patrons: pl.DataFrame) -> list[int]:
    """
    Write the chunks of some patrons, and return the chunk number of each patron.

    Patrons of a later `level`, or with another value of `apart`, are in a later chunk.
    """
    numbered = _chunk_numbers(target, patrons)
    local = threading.local()  # one compressor per thread: making one takes half as long as compressing a chunk

    def prepare() -> None:
        local.zstd = zstandard.ZstdCompressor(level=1)

    def write_one(number: int, texts: pl.Series) -> None:
        body = targets.request_body(target, texts)
        run.write(names.CHUNKS.of_chunk(number), local.zstd.compress(body))

    # Compressing releases Python's lock, and a disk is slow.
    with ThreadPoolExecutor(WRITERS, initializer=prepare) as pool:
        writing = [pool.submit(write_one, *each) for each in texts_by_chunk(numbered, patrons[transform.PATRON])]
        for each in writing:
            each.result()
    return numbered


def _chunk_numbers(target: systems.Target, patrons: pl.DataFrame) -> list[int]:
    room = target.chunk_bytes - targets.request_overhead(target)
    numbered: list[int] = []
    together = [name for name in ("level", "apart") if name in patrons.columns]
    for part in patrons.partition_by(together, maintain_order=True):
        first = numbered[-1] if numbered else 0
        sizes = part[transform.PATRON].str.len_bytes()
        numbered += [first + number for number in numbers(sizes, target.chunk_size, room)]
    return numbered


def texts_by_chunk(numbered: list[int], texts: pl.Series) -> Iterator[tuple[int, pl.Series]]:
    """Each chunk number, in ascending order, with the texts of its patrons."""
    for number, together in groupby(enumerate(numbered), key=itemgetter(1)):
        places = [place for place, _ in together]
        yield number, texts[places[0] : places[-1] + 1]


def numbers(sizes: Iterable[int], most_patrons: int, most_bytes: int) -> list[int]:
    """
    The chunk, from 1, of each patron whose JSON has the given size in bytes.

    A chunk ends before it would hold more than `most_patrons` or more than `most_bytes`, counting the comma between two
    patrons. A patron that alone is larger than `most_bytes` has a chunk of its own.
    """
    chunk, patrons, total = 1, 0, 0
    numbered = []
    for size in sizes:
        if patrons and (patrons == most_patrons or total + 1 + size > most_bytes):
            chunk, patrons, total = chunk + 1, 0, 0
        total += size + (1 if patrons else 0)
        patrons += 1
        numbered.append(chunk)
    return numbered
