"""The words in which the report of an undo is put: headline, lead, numbers, notes and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

from patronload import dates
from patronload.reporting.report import Report, Undo, count_of

MOST = 20
"""How many kinds of fields that stay are named; not_undone.csv lists all."""


def headline(report: Report, undo: Undo) -> str:
    """The result in one line."""
    what = "load" if undo.undoes_load else "undo"
    of_day = f" of {dates.short(undo.day)}" if undo.day else ""
    plain = {
        "dry_run": f"Dry run: {count_of(report.not_sent, 'patron')} would go back",
        "stopped": "The undo was stopped; nothing was undone",
        "declined": "The undo was not approved; nothing was sent",
        "undone": f"The {what}{of_day} was undone: {count_of(report.updated, 'patron')}",
    }
    return plain.get(report.outcome) or _failed(report)


def _failed(report: Report) -> str:
    if not report.sent:
        return "The undo failed; nothing was sent"
    if report.not_sent:
        return f"The undo failed after {report.sent:,} of {count_of(report.sent + report.not_sent, 'patron')}"
    return "The undo failed"


def lead(report: Report, undo: Undo) -> str:
    """The second sentence: what the headline means."""
    as_before = "" if report.sent else f"{report.target} was not changed."
    told = f" The load to undo is that of {dates.in_words(undo.day)}." if undo.day else ""
    plain = {
        "dry_run": f"What that load sent was compared with {report.target}. Nothing was sent.",
        "undone": (
            f"{report.target} again has what it had before that load"
            f"{', except for what is named below' if report.rejected or report.failed or undo.partly else ''}."
        ),
    }
    return plain.get(report.outcome, f"{as_before}{told}".strip())


def numbers(report: Report) -> Iterator[tuple[str, int, str, str]]:
    """The account: name, amount, meaning and kind of each line; the lines after the first add up to it."""
    waiting = "would go back in a real run" if report.outcome == "dry_run" else "the run ended before their turn"
    yield "Patrons", report.rows, "sent by that load", "rows"
    yield "Restored", report.updated + report.created, "as they were before that load", "good"
    lines = [
        ("Unchanged", report.unchanged, "were so already", "good"),
        ("Failed", report.failed, f"refused by {report.target}", "bad"),
        ("Not restored", report.rejected, "cannot go back; the reasons are below", "bad"),
        ("Not sent", report.not_sent, waiting, "open"),
        ("Unconfirmed", report.unconfirmed, "sent, but the answer was lost", "unknown"),
    ]
    yield from (line for line in lines if line[1])


def sentences(undo: Undo, target: str) -> Iterator[str]:
    """The sentences of the report besides the numbers; none before there is a plan."""
    if not undo.patrons:
        return
    if undo.becoming_inactive:
        yield f"Become inactive: {count_of(undo.becoming_inactive, 'patron')}. {target} deletes no users."
    if undo.becoming_active:
        yield f"Become active again: {count_of(undo.becoming_active, 'patron')}."
    if undo.left:
        yield f"Left as they are, because 'Leave created users' was chosen: {count_of(undo.left, 'created patron')}."
    if undo.partly:
        yield f"Go back only in part: {count_of(undo.partly, 'patron')}. not_undone.csv lists what stays."
    for field, reason, number in undo.stays[:MOST]:
        yield f"{field} stays as it is for {count_of(number, 'patron')}: {reason}."


def next_steps(report: Report) -> list[str]:
    """The next steps after an undo that did not fail."""
    if report.outcome == "stopped":
        return ["Read above why the load cannot be undone. If the run id in 'Undo' is wrong, correct it."]
    if report.outcome == "declined":
        return ["If the load has to be undone after all, clear the task 'approve' in Airflow: it asks again."]
    if report.outcome == "dry_run":
        return ["To undo the load for real, start the run in Airflow with 'Dry run' switched off."]
    undo = report.undo
    stays = report.rejected + report.failed + (undo.partly if undo else 0)
    return [
        *([f"Open not_undone.csv in the artifacts. Correct these values by hand in {report.target}."] if stays else []),
        "Load the right file. It counts as newer than the load that was undone, and as not loaded yet.",
        "To repeat the load that was undone, start a run with the id of this run in 'Undo'.",
    ]
