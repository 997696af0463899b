"""List for each library the problems that need a person, in sentences, the most urgent first."""

from __future__ import annotations

from datetime import datetime, timedelta

from patronload import dates
from patronload.in_airflow.pages import days
from patronload.in_airflow.pages.loads import Library, Load
from patronload.in_airflow.pages.waiting import FOR_ANSWER, FOR_EARLIER_DAYS, FOR_FILE

LATE = timedelta(minutes=30)
"""A run that was to begin so long ago, and has not, is missing."""

LONG = timedelta(hours=6)
"""A load that has been going on for so long may hang."""

RECENT = timedelta(days=7)
"""A day that was missed longer before the last load is in the library's list, and no alarm any more."""

QUIET_DAYS = 7
"""A library with a schedule needs attention after this many days without a good load."""

MOST_QUIET_DAYS = 400

OUTCOMES = {
    "stopped": "The last load was stopped; nothing was sent.",
    "failed": "The last load failed.",
    "no_file": "There was no file for the last load.",
    "declined": "No one approved the last load; nothing was sent.",
    "undone": "A load was undone, and no file has been loaded since.",
}

WAITS = {
    FOR_FILE: "The file is not there yet. It is loaded as soon as it arrives.",
    FOR_ANSWER: "The load is unusual, and waits for approval in the task approve.",
    FOR_EARLIER_DAYS: "The load waits until a backfill of earlier days has finished.",
}

NO_REPORT = "The last load ended without a report."

UNTOLD = "The last load finished, but one of its last stages failed. A mail may not have been sent."


def needs(library: Library, now: datetime, quiet_days: int = QUIET_DAYS) -> list[str]:
    """The problems of a library; none on a good day."""
    if library.gone:
        return ["Its tenant file cannot be loaded, or was deleted."]
    sentences = [*_of_the_question(library), *_of_a_retry(library), *_of_the_last(library, now)]
    sentences += [*_of_the_schedule(library, now), *_of_missed_days(library)]
    sentences += _of_silence(library, now, quiet_days)
    if library.paused and library.loads:
        sentences.append("The DAG is switched off.")
    return sentences


def _of_the_question(library: Library) -> list[str]:
    asked = library.asked
    if asked is None:
        return []
    behind = "" if asked is library.loads[0] else f" It is the load of {asked.day}; other runs are waiting for it."
    return [f"{WAITS[FOR_ANSWER]}{behind}"]


def _of_a_retry(library: Library) -> list[str]:
    retry = next((load.retry for load in library.loads if load.retry), None)
    return [f"{retry.trouble}; next try at {dates.clock(retry.at, library.zone)}."] if retry else []


def _of_the_last(library: Library, now: datetime) -> list[str]:
    sentences = []
    loads = library.loads
    if loads and loads[0].waiting:
        sentences += [WAITS[loads[0].waiting]] if loads[0].waiting != FOR_ANSWER else []
    elif loads and loads[0].under_way and loads[0].began and now - loads[0].began > LONG:
        sentences.append(f"The load has been running since {dates.moment(loads[0].began, library.zone)}.")
    ended = next((load for load in loads if not load.under_way), None)
    if ended:
        sentences += _of_an_end(ended)
    return sentences


def _of_an_end(load: Load) -> list[str]:
    if load.outcome in OUTCOMES:
        return [OUTCOMES[load.outcome]]
    if load.outcome is None:
        return [NO_REPORT]
    if load.state == "failed":
        return [UNTOLD]
    return []


def _of_the_schedule(library: Library, now: datetime) -> list[str]:
    overdue = library.due is not None and now - library.due > LATE
    # A library loads one run at a time: while one is under way, the next one waits for it.
    if library.due is None or not overdue or library.paused or (library.last and library.last.under_way):
        return []
    return [f"A load was due at {dates.moment(library.due, library.zone)} and has not begun."]


def _of_missed_days(library: Library) -> list[str]:
    if not library.loads:
        return []
    since = max(map(days.day_of, library.loads)) - RECENT
    found = [
        missed for missed in days.missed_days(library.schedule, library.loads, more=library.more) if missed.day >= since
    ]
    named = ", ".join(f"{missed.day:%d %b} ({missed.why})" for missed in reversed(found))
    return [f"Missed in the week before the last load: {named}."] if found else []


def _of_silence(library: Library, now: datetime, quiet_days: int) -> list[str]:
    """Whether no load was good for too long; a library that is loaded once a month has no day in between."""
    good = next((load.ended for load in days.standing(library.loads) if load.ended and load.outcome in days.WELL), None)
    if library.paused or library.schedule is None or good is None:
        return []
    silent = (now - good).days
    yesterday = now.date() - timedelta(days=1)
    if silent < quiet_days or not days.scheduled_days(library.schedule, good.date() + timedelta(days=1), yesterday):
        return []
    return [f"No load has succeeded since {good:%d %b}."]
