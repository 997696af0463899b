"""The patrons that a plan wants to send, in the order in which they go; those of large loads wait on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Self

import polars as pl

from patronload.targets.spool import PART, PartsOnDisk

ORDER = ("level", "apart")
"""The columns by which patrons are put in order. A target need not have the second."""


class Outgoing:
    """
    A table of patrons, which go in the order of `level`, within a level in that of `apart`, then as they were added.

    Rows are added part by part; all parts have the columns of `empty`, a table without rows.
    """

    def __init__(self, empty: pl.DataFrame, in_memory: int = PART) -> None:
        self.empty = empty
        self.height = 0
        self.order = [name for name in ORDER if name in empty.columns]
        self._in_memory = in_memory
        self._waiting: dict[tuple[int, ...], list[pl.DataFrame]] = defaultdict(list)
        self._on_disk: dict[tuple[int, ...], PartsOnDisk] = defaultdict(PartsOnDisk)

    @classmethod
    def of(cls, patrons: pl.DataFrame) -> Self:
        """A table that is in memory, and stays there."""
        made = cls(patrons.clear(), in_memory=patrons.height + 1)
        made.add(patrons)
        return made

    def add(self, part: pl.DataFrame) -> None:
        """Append patrons."""
        self.height += part.height
        for place, rows in self._by_place(part):
            waiting = self._waiting[place]
            waiting.append(rows)
            if sum(each.height for each in waiting) >= self._in_memory:
                self._on_disk[place].add(pl.concat(waiting))
                waiting.clear()

    def _by_place(self, part: pl.DataFrame) -> list[tuple[tuple[int, ...], pl.DataFrame]]:
        """The rows of each level and `apart`; in most loads all are in one, which is not copied."""
        if part.height and all(part[name].min() == part[name].max() for name in self.order):
            return [(tuple(map(int, part.select(self.order).row(0))), part)]
        found = part.partition_by(self.order, maintain_order=True, as_dict=True)
        return [(tuple(map(int, place)), rows) for place, rows in found.items()]

    def parts(self) -> Iterator[pl.DataFrame]:
        """All patrons in their order; all of a part have one level and one `apart`. There may be no part."""
        for place in sorted(self._waiting):
            on_disk: Iterable[pl.DataFrame] = self._on_disk.get(place, ())
            yield from chain(on_disk, self._waiting[place])

    def frame(self) -> pl.DataFrame:
        """All patrons as one table in memory."""
        return pl.concat([self.empty, *self.parts()])

    def close(self) -> None:
        """Remove the files; the patrons cannot be read any more."""
        for parts in self._on_disk.values():
            parts.close()
        self._waiting.clear()
        self._on_disk.clear()
