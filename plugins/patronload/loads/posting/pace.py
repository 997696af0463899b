"""How many patrons one request may have, so that it is answered well before a gateway gives up."""

from __future__ import annotations

from dataclasses import dataclass

GOAL = 20.0
"""Seconds that a request should take at most. FOLIO: gateways give up after a minute (nginx, folio-kong)."""

FEWEST = 10
"""FOLIO: mod-user-import works in partitions of ten; fewer in one request gain nothing."""

FASTER = 0.5
"""A request that took less than this share of the goal may be followed by one of twice the size."""


@dataclass
class Pace:
    """
    The size of the next request. `size` is None as long as whole chunks go through in time; `ceiling` is what the
    gateway's limit on bytes leaves.
    """

    goal: float = GOAL
    size: int | None = None
    ceiling: int | None = None

    def next(self, patrons: int) -> int:
        """How many of the patrons that are left of a chunk go now."""
        limits = [limit for limit in (self.size, self.ceiling) if limit is not None]
        return min([patrons, *limits])

    def took(self, patrons: int, seconds: float) -> None:
        """A request with this number of patrons was answered after this time."""
        if seconds > self.goal:
            self.size = max(FEWEST, int(patrons * self.goal / seconds))
        elif self.size is not None and patrons >= self.size and seconds < self.goal * FASTER:
            self.size = self.size * 2

    def note_lost(self, patrons: int) -> None:
        """The answer to a request with this number of patrons was lost: probably it took too long."""
        self.size = max(FEWEST, patrons // 2)

    def too_large(self, patrons: int) -> None:
        """The gateway refused a request with this number of patrons as too large."""
        self.ceiling = max(1, patrons // 2)

    def one_too_large(self) -> None:
        """One patron alone was too large: what was learned on the way to that one says nothing of the others."""
        self.ceiling = None
