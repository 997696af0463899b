"""Small charts: the positions of their bars. The templates draw them; a sentence says the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from patronload.in_airflow.pages.loads import TREND, Load
from patronload.reporting.words import LOOKS

STEP = 6
"""From one bar to the next; a bar takes a part less."""

WIDTH, HEIGHT = STEP * TREND, 36


NO_LOADS = ("dry_run", "already_loaded", "undone")
"""Ends of runs that had nothing to load: neither good nor bad."""


class Bar(NamedTuple):
    """
    An upright bar of a trend: `good` is the height of the loaded part, `bad` of the rest on top of it. The others are
    what the table says.
    """

    left: int
    good: float
    bad: float
    kind: str
    words: str
    day: str = ""
    loaded: int = 0
    to_correct: int = 0

    @property
    def result(self) -> str:
        """How the load ended."""
        return LOOKS[self.kind].word if self.kind in LOOKS else "No report"


class Trend(NamedTuple):
    """A library's last loads from the oldest to the newest, what they show in a sentence, and the tallest bar."""

    bars: tuple[Bar, ...]
    words: str
    tallest: int = 0

    @property
    def first(self) -> str:
        """The day of the oldest load that is shown; none if it is also the newest, whose bar is at the right."""
        return self.bars[0].day if len(self.bars) > 1 else ""

    @property
    def last(self) -> str:
        """The day of the newest load that is shown."""
        return self.bars[-1].day if self.bars else ""


def trend(loads: Sequence[Load]) -> Trend:
    """The trend of loads that come newest first, without those under way, corrected rows, and what had no load."""
    shown = [load for load in reversed(loads[:TREND]) if _is_a_load(load)]
    tallest = max((load.loaded + load.to_correct for load in shown), default=0)
    # The newest is at the right, however many there are.
    first = TREND - len(shown)
    return Trend(
        tuple(_bar(load, STEP * (first + place), HEIGHT / (tallest or 1)) for place, load in enumerate(shown)),
        _words(shown),
        tallest,
    )


def _is_a_load(load: Load) -> bool:
    return not (load.under_way or load.corrected or load.outcome in NO_LOADS)


def shares(counts: Sequence[int]) -> list[float]:
    """How long the bars of some counts are, in percent of the longest; each that is not empty can be seen."""
    longest = max(counts, default=0) or 1
    return [round(max(100 * count / longest, 1 if count else 0), 1) for count in counts]


def _bar(load: Load, left: int, scale: float) -> Bar:
    good, bad = load.loaded * scale, load.to_correct * scale
    words = f"{load.day}: {load.loaded:,} loaded"
    if load.to_correct:
        words += f", {load.to_correct:,} to correct"
    kind = load.outcome or "failed"
    if kind not in ("loaded", "loaded_with_rejects"):
        words = f"{load.day}: {kind.replace('_', ' ')}"
        # A load that brought nothing is a mark on the ground, not a gap.
        bad = max(bad, 4)
    # What is there can be seen, and the tallest bar stays within the picture.
    good = max(good, 1) if load.loaded else 0
    bad = max(bad, 1.5) if bad else 0
    height = round(min(good, HEIGHT - bad), 1)
    return Bar(left, height, round(bad, 1), kind, words, load.day, load.loaded, load.to_correct)


def _words(shown: Sequence[Load]) -> str:
    """The text that a screen reader reads in place of the bars."""
    if not shown:
        return "No load yet."
    went_well = [load.loaded for load in shown if load.outcome in ("loaded", "loaded_with_rejects")]
    all_of_them = "the last load" if len(shown) == 1 else f"the last {len(shown)} loads"
    if not went_well:
        return "The last load did not succeed." if len(shown) == 1 else f"None of {all_of_them} succeeded."
    low, high = min(went_well), max(went_well)
    figures = f"{low:,} patron{'' if high == 1 else 's'}" if low == high else f"{low:,} to {high:,} patrons"
    who = all_of_them.capitalize() if len(went_well) == len(shown) else f"{len(went_well)} of {all_of_them}"
    return f"{who} succeeded, with {figures}{' each' if len(went_well) > 1 else ''}."
