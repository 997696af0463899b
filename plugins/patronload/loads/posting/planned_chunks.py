"""The chunks of a run as they were planned, with their rows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import polars as pl
import zstandard

from patronload.artifacts import tables
from patronload.artifacts.names import CHUNKS, PLANNED, chunk_number
from patronload.artifacts.run import Run
from patronload.errors import Defect
from patronload.targets.delivery import Chunk

OPTIONAL = ("known", "changed", "former", "later")
"""Columns of planned.parquet that only some targets have, and plans of earlier versions do not."""


class PlannedChunks:
    """The chunks of a run by number. `key` is the field by which the target knows a patron."""

    def __init__(self, run: Run, key: str) -> None:
        self._run = run
        self._key = key
        self.numbers = sorted(chunk_number(name) for name in run.names(CHUNKS))
        self._rows = self._rows_by_chunk() if self.numbers else {}
        self.levels = {number: int(rows["level"][0]) for number, rows in self._rows.items()}
        """The level of each chunk: all chunks of one level are sent before the next begins."""
        if set(self.numbers) != set(self._rows):
            raise Defect("chunks/ does not match planned.parquet. Clear the task 'plan' to write both again.")

    def chunk(self, number: int) -> Chunk:
        """One chunk, read when it is its turn."""
        rows = self._rows[number]
        packed = self._run.read(CHUNKS.of_chunk(number))
        body = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
        first, keys = number == self.numbers[0], rows[self._key].to_list()
        known = frozenset(rows.filter("known")["row"].to_list()) if "known" in rows.columns else frozenset[int]()
        changed = dict(rows.select("row", "changed").iter_rows()) if "changed" in rows.columns else None
        former, later = _by_row(rows, "former"), _by_row(rows, "later")
        numbers = rows["row"].to_list()
        return Chunk(
            number, first, numbers, self._key, keys, body, known=known, changed=changed, former=former, later=later
        )

    def records(self, number: int) -> Iterator[tuple[int, str, str]]:
        """The patrons of one chunk: row, key, and the record as JSON."""
        for patron in self.chunk(number).patrons:
            yield patron.row, patron.key, json.dumps(patron.record, ensure_ascii=False, separators=(",", ":"))

    def size(self, number: int) -> int:
        """How many patrons a chunk has."""
        return self._rows[number].height

    def _rows_by_chunk(self) -> dict[int, pl.DataFrame]:
        planned = tables.read(self._run, PLANNED)
        optional = [name for name in OPTIONAL if name in planned.columns]
        rows = planned.select("row", "chunk", "level", *optional, self._key)
        parts = rows.partition_by("chunk", maintain_order=True, as_dict=True)
        return {int(number): part for (number,), part in parts.items()}


def _by_row(rows: pl.DataFrame, name: str) -> dict[int, str]:
    """The values of an optional column by row, where there is one."""
    return dict(rows.select("row", name).drop_nulls().iter_rows()) if name in rows.columns else {}
