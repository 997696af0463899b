"""The question of a run to a person, and the answer: read from gates.json, plan.json and approval.json."""

from __future__ import annotations

import hashlib
import json

from patronload.artifacts import names
from patronload.artifacts.models import ApprovalRecord, GateFigures, Gates, GateVerdict
from patronload.artifacts.run import Run

LEAVERS = "leavers"
"""The gate of too many leavers; it is about people, and not about the file."""

ADOPT = "adopt"
"""The gate of users who are to be taken over."""


def verdicts_to_answer(run: Run) -> list[GateVerdict]:
    """The verdicts that a person has to answer for; none on ordinary days."""
    gates = Gates.find(run)
    return gates.asked if gates else []


def asks_about_leavers(run: Run) -> bool:
    """Whether a person has to say if more patrons than usual may leave."""
    return any(verdict.gate == LEAVERS for verdict in verdicts_to_answer(run))


def asks_only_about_leavers(run: Run) -> bool:
    """Whether nothing else is asked: then the patrons in the file are loaded, whatever the answer."""
    return asks_about_leavers(run) and all(verdict.gate == LEAVERS for verdict in verdicts_to_answer(run))


def figures(run: Run) -> GateFigures:
    """The counts of all stages' gates so far."""
    gates = Gates.find(run)
    return gates.figures if gates else GateFigures()


def question_hash(run: Run) -> str | None:
    """A hash of what is asked: the file or the undone load, the verdicts and the plan. None while there is no plan."""
    if not run.has(names.PLAN):
        return None
    # The contents as they are in the files: an answer given to an earlier version stays valid.
    about = [
        run.read_json(names.DELIVERY if run.has(names.DELIVERY) else names.UNDO),
        [verdict.to_json() for verdict in verdicts_to_answer(run)],
        run.read_json(names.PLAN),
    ]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def current(run: Run) -> ApprovalRecord | None:
    """The record of the question that the run asks now; None if nothing is asked, or was not asked yet."""
    record = ApprovalRecord.find(run)
    return record if record and verdicts_to_answer(run) and record.question == question_hash(run) else None


def mark(record: ApprovalRecord) -> str:
    """
    A short text that differs for every time of asking; a link with another one is of an earlier question.

    Not of what is asked: an approval is carried over to the plan that post makes, and stays the answer to its question.
    """
    return hashlib.sha256(f"{record.asked.isoformat()} {record.turn}".encode()).hexdigest()[:20]
