"""A library's days as a calendar: loaded, with rejects, late, missed. Days are the library's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from patronload.in_airflow.pages import days
from patronload.in_airflow.pages.days import Missed
from patronload.in_airflow.pages.loads import Load

MONTHS = 3
"""The maximum number of months that the page shows."""

KINDS = {
    "loaded": "loaded",
    "rejects": "loaded, with rejects",
    "late": "loaded, the file was late",
    "missed": "missed",
    "failed": "not loaded",
    "running": "under way",
}
"""The kinds of days, in words; the legend of the calendar."""

SIGNS = {"loaded": "✓", "rejects": "!", "late": "…", "missed": "–", "failed": "✕", "running": "▸", "other": "", "": ""}
"""Each with a character, so that no reader has to distinguish colours."""

STRONG = ("loaded", "rejects", "late", "running")
"""The kinds of a later run of a day that count instead of an earlier one."""


class Day(NamedTuple):
    """A day: its number in the month, what it is (see KINDS; "" for nothing), that in words, and the run to open."""

    number: int
    kind: str = ""
    words: str = ""
    run_id: str = ""


class Month(NamedTuple):
    """A month with its weeks from Monday to Sunday; None for the days of the months before and after."""

    name: str
    weeks: tuple[tuple[Day | None, ...], ...]


def months(loads: Sequence[Load], missed: Iterable[Missed]) -> list[Month]:
    """The last months that have a load, the newest first. `loads` come newest first."""
    if not loads:
        return []
    found = _days(loads, missed)
    last, first = max(found), min(found)
    shown: list[Month] = []
    month = last.replace(day=1)
    while len(shown) < MONTHS and month >= first.replace(day=1):
        shown.append(_month(month, found))
        month = (month - timedelta(days=1)).replace(day=1)
    return shown


def _days(loads: Sequence[Load], missed: Iterable[Missed]) -> dict[date, Day]:
    found = {day: Day(day.day, "missed", f"missed: {why}") for day, why in missed}
    gone = days.undone(loads)
    for load in reversed(loads):
        if load.corrected or load.outcome == "undone":
            continue
        day = days.day_of(load)
        made = _day(day.day, load, undone=load.run_id in gone)
        before = found.get(day)
        # A second run of a loaded day, as a dry run, does not make it less loaded.
        if before is None or made.kind in STRONG or before.kind in ("other", "failed"):
            found[day] = made
        elif before.kind == "missed":
            found[day] = before._replace(run_id=load.run_id)
    return found


def _day(number: int, load: Load, *, undone: bool) -> Day:
    if load.under_way:
        return Day(number, "running", "under way", load.run_id)
    if undone:
        return Day(number, "failed", "undone later", load.run_id)
    if load.outcome in days.LOADED:
        kind = "late" if load.late else "rejects" if load.to_correct else "loaded"
        also = f", {load.to_correct:,} to correct" if load.late and load.to_correct else ""
        return Day(number, kind, f"{KINDS[kind]}{also}", load.run_id)
    if load.outcome == "already_loaded":
        return Day(number, "loaded", "already loaded", load.run_id)
    if load.outcome == "dry_run":
        return Day(number, "other", "dry run", load.run_id)
    return Day(number, "failed", days.WHY.get(load.outcome or "", "no report"), load.run_id)


def _month(first: date, found: dict[date, Day]) -> Month:
    following = (first + timedelta(days=31)).replace(day=1)
    cells: list[Day | None] = [None] * first.weekday()
    numbers = range(1, (following - first).days + 1)
    cells += [found.get(first.replace(day=number), Day(number)) for number in numbers]
    cells += [None] * (-len(cells) % 7)
    return Month(f"{first:%B %Y}", tuple(tuple(cells[at : at + 7]) for at in range(0, len(cells), 7)))
