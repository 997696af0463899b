"""The words of a report: headline, account, reasons; the same in the mail, its page and Airflow."""

from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from patronload import dates
from patronload.reporting import check_words, contact_steps, plan_summary, undo_words
from patronload.reporting.next_steps import next_steps
from patronload.reporting.places import Places, Reader
from patronload.reporting.plan_summary import PlanSummary
from patronload.reporting.report import UNCONFIRMED, Noted, Outcome, People, Reason, Report, count_of
from patronload.reporting.who_fixes import fixer

GATE_WORDS = {
    "passed": "Passed",
    "failed": "Stopped the run",
    "overridden": "Loaded anyway",
    "warned": "Please note",
    "asked": "Not approved yet",
    "approved": "Approved",
    "declined": "Not approved",
}
"""The word for each state of a gate in report.html."""

REASONS = 5
"""How many reasons a mail lists; the page lists all of them."""

CHANGES = 8
"""How many fields and transitions of a plan a mail lists; the page lists all of them."""


class Look(NamedTuple):
    """How an outcome is shown: a word, and its colour on a light and on a dark ground."""

    word: str
    colour: str
    dark: str


LOOKS: dict[Outcome, Look] = {
    "loaded": Look("Loaded", "#1b7f5c", "#5fd0a0"),
    "loaded_with_rejects": Look("Loaded, with rejects", "#a15c00", "#f0b252"),
    "already_loaded": Look("Already loaded", "#4a5d73", "#a9bdd4"),
    "stopped": Look("Stopped", "#6d4aa8", "#bca4f2"),
    "failed": Look("Failed", "#b3261e", "#ff9088"),
    "no_file": Look("No file", "#9c3d6e", "#f09abf"),
    "declined": Look("Declined", "#5b5f97", "#b3b7f0"),
    "dry_run": Look("Dry run", "#2f5fb3", "#8db4ff"),
    "undone": Look("Undone", "#7a4b12", "#e0b27a"),
}


LATE = Look("Waiting for the file", "#0a7380", "#5ec8d6")
ASKED = Look("Waiting for an answer", "#0a7380", "#5ec8d6")
"""For mails that are sent before the load has ended."""

ATTENTION = Look("Attention", "#a15c00", "#f0b252")
ALL_WELL = Look("All libraries", "#1b7f5c", "#5fd0a0")
"""For mails to people on call."""


class Number(NamedTuple):
    """A line of the account: what is counted, how many, and a few words on what it means."""

    name: str
    amount: int
    meaning: str
    kind: str


NO_ROWS = ("failed", "no_file", "already_loaded")
"""If such a run has read no rows, there is nothing to count."""


def headline(report: Report) -> str:
    """The result of a load in one line."""
    if report.undo:
        return undo_words.headline(report, report.undo)
    nothing = "" if report.sent else "; nothing was sent"
    plain = {
        "dry_run": f"Dry run: {_would(report)}",
        "already_loaded": "Nothing to do: the file is already loaded",
        "stopped": f"The load was stopped{nothing}",
        "no_file": f"No file arrived{nothing}",
        "declined": f"{'No one approved the load' if _is_unanswered(report) else 'The load was declined'}{nothing}",
        "loaded_with_rejects": f"{_are(report.loaded, 'patron')} loaded, {_are(report.to_correct, 'row')} not",
        "loaded": f"{_are(report.loaded, 'patron')} loaded",
    }
    return _failure_headline(report) if report.outcome == "failed" else plain[report.outcome]


def _would(report: Report) -> str:
    """The effect that the load would have; a run that ended before its plan cannot say."""
    planned = _plan(report).sentence
    return f"would {planned}" if planned else f"{count_of(report.not_sent, 'patron')} would be sent"


def _plan(report: Report) -> PlanSummary:
    return plan_summary.summary(report.effects, report.target)


def _is_unanswered(report: Report) -> bool:
    return report.approval is None or report.approval.answer != "declined"


def _declined_headline(report: Report) -> str:
    return "no one approved it in time" if _is_unanswered(report) else "a person declined it"


def _failure_headline(report: Report) -> str:
    if not report.sent:
        return "The load failed; nothing was sent"
    if report.not_sent:
        return f"The load failed after {report.sent:,} of {count_of(report.sent + report.not_sent, 'patron')}"
    if report.unconfirmed:
        return f"{_are(report.unconfirmed, 'patron')} unconfirmed"
    return "The load failed"


def _are(number: int, thing: str) -> str:
    return f"{count_of(number, thing)} {'is' if number == 1 else 'are'}"


def _lead(report: Report) -> str:
    """The second sentence: what the headline means."""
    if report.undo:
        return undo_words.lead(report, report.undo)
    target, rows = report.target, count_of(report.rows, "row")
    as_before = "" if report.sent else f" {target} was not changed."
    wanted = " that the mapping does not skip" if report.skipped else ""
    plain = {
        "dry_run": f"{_how_far_tried(report)} Nothing was sent to {target}.",
        "already_loaded": f"{report.nothing_to_do} {target} was not changed.",
        "stopped": f"The export was read ({rows}) and refused.{as_before}",
        "no_file": f"There was no export for this day.{as_before}",
        "declined": f"The export was read ({rows}), and {_declined_headline(report)}.{as_before}",
        "failed": as_before.strip() or _how_far_sent(report),
        "loaded_with_rejects": f"{report.to_correct:,} of the {rows} could not be loaded; the reasons are below.",
        "loaded": f"Every row of the export{wanted} is now a patron in {target}.",
    }
    return plain[report.outcome]


def _how_far_tried(report: Report) -> str:
    """How far a dry run goes: a system that cannot be asked about its patrons is compared with nothing."""
    if report.can_be_asked:
        return f"The export was read, checked, mapped and compared with {report.target} as in a real load."
    return f"The export was read, checked and mapped as in a real load, but not compared with {report.target}."


def _how_far_sent(report: Report) -> str:
    """How far a load came that failed; the library system may hold many patrons beside those of the file."""
    if not report.not_sent:
        return f"{report.target} confirmed {report.loaded:,} of the {count_of(report.sent, 'patron')} that were sent."
    others = "was" if report.not_sent == 1 else "were"
    return (
        f"{count_of(report.sent, 'patron')} {'was' if report.sent == 1 else 'were'} sent before the load stopped; "
        f"the other {report.not_sent:,} {others} not changed in {report.target}."
    )


def _numbers(report: Report) -> list[Number]:
    """The account, top to bottom: the lines after the first add up to it."""
    if report.undo:
        return [Number(*line) for line in undo_words.numbers(report)]
    target = report.target
    same = Number("Unchanged", report.unchanged, f"{target} already has exactly this", "good")
    would = _would_be_sent(report)
    lines = [
        Number("Rows", report.rows, "in the export", "rows"),
        *(would or _sent_numbers(report)),
        *([same] if report.unchanged else []),
        Number("Failed", report.failed, f"refused by {target}", "bad"),
        Number("Rejected", report.rejected, "left out before sending", "bad"),
    ]
    waiting = "would be sent in a real load" if report.outcome == "dry_run" else "the run ended before their turn"
    skips = ", ".join(f"{skip.reason} ({skip.count:,})" for skip in report.skips[:3])
    rest = [
        Number("Skipped", report.skipped, skips or "by a rule of the mapping", "open"),
        Number("Not sent", report.not_sent - sum(line.amount for line in would), waiting, "open"),
        Number("Unconfirmed", report.unconfirmed, "sent, but the answer was lost", "unknown"),
    ]
    return lines + [line for line in rest if line.amount]


def _sent_numbers(report: Report) -> list[Number]:
    return [
        Number("Created", report.created, f"new in {report.target}", "good"),
        Number("Updated", report.updated, f"already in {report.target}", "good"),
    ]


def _would_be_sent(report: Report) -> list[Number]:
    """The patrons that a dry run would send, by action; none if its plan does not say so."""
    plan = _plan(report)
    if report.outcome != "dry_run" or not 0 < plan.number_of(*plan_summary.SENT) <= report.not_sent:
        return []
    return [
        Number(each.name.replace("To", "Would", 1), each.patrons, each.meaning, "open")
        for each in plan.actions
        if each.action in plan_summary.SENT
    ]


def _people_numbers(people: People | None, target: str) -> list[Number]:
    """The patrons of earlier loads: the lines after the first add up to it. None for a file that is not complete."""
    if people is None:
        return []
    lines = [
        Number("Missing", people.missing, "not in the file, but not due to leave yet", "open"),
        Number("Made inactive", people.left, "left with this load", "bad"),
        Number("Already inactive", people.inactive, "not in the file, inactive before", "open"),
        Number("Exempt", people.exempt, "not in the file, kept by an exception", "open"),
        Number("Gone", people.gone, f"no longer in {target}", "open"),
        Number("Waiting", people.waiting, "due to leave, but not changed yet", "unknown"),
    ]
    in_file = f"{people.returned:,} of them had left and returned" if people.returned else "still here"
    return [
        Number("Known patrons", people.known, "from earlier loads", "rows"),
        Number("In the file", people.in_file, in_file, "good"),
        *(line for line in lines if line.amount),
    ]


def _shares(report: Report) -> list[tuple[str, float]]:
    """The parts of a bar, in percent of the rows: each that is not empty can be seen."""
    parts = {
        "good": report.loaded,
        "bad": report.to_correct,
        "open": report.skipped + report.not_sent,
        "unknown": report.unconfirmed,
    }
    seen = {kind: max(count / report.rows, 0.01) for kind, count in parts.items() if count}
    return [(kind, round(100 * share / sum(seen.values()), 2)) for kind, share in seen.items()]


def _finder(report: Report, reason: Reason) -> str:
    post = "Patronload" if reason.reason == UNCONFIRMED else report.target
    words = {"validate": "the checks", "transform": "the mapping", "plan": "the plan", "post": post}
    return words.get(reason.stage, reason.stage)


def reason_words(report: Report) -> str:
    """The words before the reason that a person gave to load the file anyway."""
    used = any(gate.state == "overridden" for gate in report.gates)
    return "Loaded anyway; the reason given:" if used else "A reason to load it anyway was given, but was not needed:"


def _row_numbers(reason: Reason | Noted) -> str:
    """Row 17; rows 17, 45 and 101; rows 17, 45, 101 and 37 more."""
    named, more = [f"{row}" for row in reason.rows], reason.count - len(reason.rows)
    last = [f"{more:,} more"] if more else named[-1:]
    first = named if more else named[:-1]
    return f"{'row' if reason.count == 1 else 'rows'} " + " and ".join(
        part for part in (", ".join(first), *last) if part
    )


def content(report: Report, dag_id: str, reader: Reader | None = None, places: Places | None = None) -> dict[str, Any]:
    """
    The words that the templates show of a report: mail.html, mail.txt, report.html, and the pages.

    `reader` is for whom they are: a contact reads nothing about Airflow. Without one they are for people on call.
    """
    zone, reader = ZoneInfo(report.timezone), reader or Reader()
    return {
        "report": report,
        "reader": reader,
        "places": places or Places(),
        "message": _message(report, reader),
        "who": report.who if reader.on_call or "Airflow" not in report.who else contact_steps.on_call(report),
        "warnings": _warnings(report, reader),
        "fixers": [fixer(reason, report.target) for reason in report.reasons],
        "dag": dag_id,
        "day": dates.in_words(report.day),
        "look": LOOKS[report.outcome],
        "headline": headline(report),
        "lead": _lead(report),
        "numbers": _numbers(report) if report.rows or report.outcome not in NO_ROWS else [],
        "shares": _shares(report),
        "people": _people_numbers(report.people, report.target),
        "plan": _plan(report),
        "most_changes": CHANGES,
        "reasons": [
            (reason, reason.reason, _finder(report, reason), _row_numbers(reason)) for reason in report.reasons
        ],
        "most_reasons": REASONS,
        "noted": [(note, note.reason, _row_numbers(note)) for note in report.noted],
        "noted_rows": sum(note.count for note in report.noted),
        "gate_words": GATE_WORDS,
        "findings": check_words.findings(report.checks),
        "passed": [each for each in check_words.passed(report.checks) if each.sentence],
        "gates": distinct_gates(report),
        "reason_words": reason_words(report),
        "steps": next_steps(report, reader, places),
        "archive": _archive(report, zone),
        "when": lambda moment: dates.with_weekday(moment, zone),
    }


def distinct_gates(report: Report) -> list[tuple[str, str, str]]:
    """State, sentence and names of the gates; those that say the same are one line."""
    names: dict[tuple[str, str], list[str]] = {}
    for gate in report.gates:
        names.setdefault((gate.state, gate.sentence), []).append(gate.gate)
    return [(state, sentence, ", ".join(dict.fromkeys(named))) for (state, sentence), named in names.items()]


EXPORTS_OWN = ("ValidationError", "MissingError", "SourceError", "Declined", "RefusedError")
"""Kinds of failures that are about the export; a contact can act on them."""


def _message(report: Report, reader: Reader) -> str:
    """The error that ended the run. A contact reads only the part about the export."""
    if report.failure is None or reader.on_call:
        return report.failure.message if report.failure else ""
    if report.failure.kind not in EXPORTS_OWN:
        return ""
    return contact_steps.without_technical(report.failure.message)


def _warnings(report: Report, reader: Reader) -> list[str]:
    if reader.on_call:
        return [*report.warnings]
    return [words for warning in report.warnings if (words := contact_steps.without_technical(warning))]


def _archive(report: Report, zone: ZoneInfo) -> str:
    """Where an export comes from if the library no longer had it; else nothing."""
    kept = report.export.archive if report.export else None
    return (
        f"taken from the archive of an earlier run, which fetched it {dates.with_weekday(kept.fetched, zone)}"
        if kept
        else ""
    )
