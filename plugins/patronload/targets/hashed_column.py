"""Find texts among millions: a column has eight bytes for each, a hash, and finds the places that may match a text."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

Hashes: TypeAlias = "np.ndarray[Any, np.dtype[np.uint64]]"
Places: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

NOTHING = 0
"""The hash of no text."""

_MASK = (1 << 64) - 1


def hash_of(text: str | None) -> int:
    """The hash of a text in this process; NOTHING for None. Python's own, which each process makes differently."""
    return NOTHING if text is None else (hash(text) & _MASK) or 1


class HashedColumn:
    """
    A column of hashes that grows at its end. The place of a text is the number of texts before it.

    Two texts may have one hash, so after finding a place, compare the texts.
    """

    def __init__(self, texts: Iterable[str | None] = ()) -> None:
        self._hashes = array("Q", map(hash_of, texts))
        self._order: Places | None = None
        self._sorted: Hashes | None = None

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, text: str) -> bool:
        return len(self.places(text)) > 0

    def add(self, text: str | None) -> None:
        """Append a text, or that there is none."""
        self._hashes.append(hash_of(text))
        self._sorted = None

    def places(self, text: str) -> Places:
        """The places of the text, and hardly ever of another one with its hash; in ascending order."""
        hashes, order = self.in_order()
        one = np.uint64(hash_of(text))
        return order[np.searchsorted(hashes, one, "left") : np.searchsorted(hashes, one, "right")]

    @property
    def hashes(self) -> Hashes:
        """All hashes by place. A copy, because a column that shares its memory cannot grow."""
        return np.array(self._hashes, dtype=np.uint64)

    def in_order(self) -> tuple[Hashes, Places]:
        """The hashes in ascending order, and the place of each; without those of no text."""
        if self._sorted is None or self._order is None:
            hashes = self.hashes
            order = np.argsort(hashes, kind="stable").astype(np.uint32)
            first = int(np.count_nonzero(hashes == NOTHING))
            self._sorted, self._order = hashes[order][first:], order[first:]
        return self._sorted, self._order
