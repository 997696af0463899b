"""
Find a library's days that were not loaded, and those that were loaded more than once.

Days are the library's own. A cron line names them by the clock on its wall, so no zone is needed to tell which days it
means, and daylight saving neither adds nor takes one away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from croniter import croniter

from patronload.in_airflow.pages.loads import Load

LOADED = ("loaded", "loaded_with_rejects")

WELL = (*LOADED, "already_loaded")
"""Ends after which a day has what its file had."""

WHY = {
    "no_file": "no file",
    "stopped": "stopped",
    "failed": "failed",
    "declined": "declined",
    "dry_run": "dry run",
    "undone": "undone",
}
"""Why a day was not loaded, by how its last load ended."""

EVERY_DAY = ["*", "*", "*"]


class Missed(NamedTuple):
    """A day of the schedule that was not loaded, and why: no run, no file, stopped and so on."""

    day: date
    why: str


SCHEDULED = "scheduled"


def missed_days(schedule: str | None, loads: Sequence[Load], *, more: bool = False) -> list[Missed]:
    """
    The scheduled days between the first good load and the last load, without a good one; the newest day first.

    `loads` come newest first; `more` says that there may be others before, which are not among them. Days that may
    have been loaded by these are left out: after a backfill of a month, the newest loads are all of days long ago.
    A day that is being loaded is not missed, and neither is that of the last load, whose end is reported anyway.
    """
    loads = standing(loads)
    good = [day_of(load) for load in loads if load.outcome in WELL]
    if schedule is None or not good:
        return []
    ends, first = _ends(loads), min(good)
    if more:
        in_turn = [day_of(load) for load in loads if load.kind == SCHEDULED]
        if not in_turn:
            return []
        first = max(first, min(in_turn))
    days = scheduled_days(schedule, first, max(map(day_of, loads)) - timedelta(days=1))
    return [Missed(day, ends.get(day, "no run")) for day in reversed(days) if ends.get(day, "no run")]


def repeats(loads: Sequence[Load]) -> Mapping[str, int]:
    """Run id -> the how many-th load of its day it is, from the second on. `loads` come newest first."""
    seen: Counter[str] = Counter()
    found = {}
    for load in reversed(loads):
        if load.outcome in LOADED and not load.corrected:
            seen[load.day] += 1
            if seen[load.day] > 1:
                found[load.run_id] = seen[load.day]
    return found


def undone(loads: Iterable[Load]) -> set[str]:
    """The ids of the runs that another run has undone, and that do not count any more."""
    undoing: dict[str, list[str]] = {}
    for load in loads:
        if load.outcome == "undone":
            undoing.setdefault(load.undo, []).append(load.run_id)

    def is_undone(run_id: str, among: frozenset[str] = frozenset()) -> bool:
        # An undo that is undone itself does not count.
        others = [one for one in undoing.get(run_id, []) if one not in among]
        return any(not is_undone(one, among | {run_id}) for one in others)

    return {run_id for run_id in undoing if is_undone(run_id)}


def standing(loads: Sequence[Load]) -> list[Load]:
    """The loads without runs that undo one; one that was undone ends like that."""
    gone = undone(loads)
    kept = [load for load in loads if load.outcome != "undone"]
    return [load._replace(outcome="undone") if load.run_id in gone else load for load in kept]


@lru_cache(maxsize=1024)
def scheduled_days(schedule: str, first: date, last: date) -> tuple[date, ...]:
    """The days from `first` to `last`, both included, on which a cron line of five parts has a load."""
    days = schedule.split()[2:]
    if days == EVERY_DAY:  # nearly all are, and there may be hundreds
        return tuple(first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
    found = []
    # Only its days are wanted; In UTC no hour is repeated or missing.
    begin = datetime.combine(first, time(), UTC) - timedelta(seconds=1)
    moments = croniter(f"0 0 {' '.join(days)}", begin)
    while (day := moments.get_next(datetime).date()) <= last:
        found.append(day)
    return tuple(found)


def day_of(load: Load) -> date:
    """The day that a load was for."""
    return date.fromisoformat(load.day)


def _ends(loads: Sequence[Load]) -> dict[date, str]:
    """Why each day that had a run was not loaded; empty when it was, or is on its way."""
    found: dict[date, str] = {}
    for load in loads:
        day = day_of(load)
        if load.under_way or load.outcome in WELL:
            found[day] = ""
        else:
            found.setdefault(day, WHY.get(load.outcome or "", "no report"))
    return found
