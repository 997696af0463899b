"""
A note on each run in Airflow: the day, the file and the result.

A task cannot set it: Airflow's API for tasks can only give a note to a run that it triggers, and the REST API requires
a person's account. The scheduler learns of each run's end, so it writes the note from what the task `report` returned.
It reads no artifact, because the scheduler must not wait for a bucket. An error here never changes how the run ended.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from patronload.config.tenants import DAG_PREFIX

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

log = logging.getLogger(__name__)

MARK = "Day "
"""How our line begins; the other lines of a note are a person's."""

WORDS = {
    "loaded": "loaded",
    "loaded_with_rejects": "loaded, with rejects",
    "stopped": "stopped; nothing was sent",
    "failed": "failed",
    "dry_run": "dry run",
    "no_file": "no file",
    "already_loaded": "loaded before",
    "declined": "not approved; nothing was sent",
    "undone": "complete",
}

OTHERS = {
    "not_sent": "not sent",
    "unconfirmed": "unconfirmed",
    "left": "made inactive because they left",
    "returned": "returned",
}
"""Figures that are mentioned where they are not zero."""


@hookimpl
def on_dag_run_success(dag_run: DagRun) -> None:
    """Airflow calls it in the scheduler."""
    _note(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun) -> None:
    """Airflow calls it in the scheduler."""
    _note(dag_run)


def sentence(told: dict[str, Any]) -> str:
    """Day 2026-11-24, patrons_20261124.csv: loaded, with rejects; 4,108 of 4,132 rows, 24 to correct."""
    outcome = str(told.get("outcome", ""))
    file = f", {told['file']}" if told.get("file") else ""
    file += f" (taken from the archive of run {told['archive']})" if told.get("archive") else ""
    file += " (corrected rows)" if told.get("corrected") else ""
    about = f"undo of run {told['undo']}, " if told.get("undo") else ""
    text = f"{MARK}{told.get('day', 'unknown')}{file}: {about}{WORDS.get(outcome, outcome)}"
    if told.get("would"):
        return f"{text}; would {told['would']}"
    if not told.get("rows"):
        return text
    loaded = sum(told.get(name, 0) for name in ("created", "updated", "unchanged"))
    text += f"; {loaded:,} of {told['rows']:,} {'patrons' if about else 'rows'}"
    refused = "not undone" if about else "to correct"
    parts = {"unchanged": told.get("unchanged", 0), refused: told.get("rejected", 0) + told.get("failed", 0)}
    parts |= {words: told.get(name, 0) for name, words in OTHERS.items()}
    return text + "".join(f", {number:,} {name}" for name, number in parts.items() if number)


def with_sentence(note: str | None, ours: str) -> str:
    """The note with our line in it, in place of one from before the run was cleared; a person's lines stay."""
    return "\n".join([*(line for line in (note or "").splitlines() if not line.startswith(MARK)), ours])


def _note(dag_run: DagRun) -> None:
    if not dag_run.dag_id.startswith(DAG_PREFIX):
        return
    try:
        told = _figures_of(dag_run)
        if told:
            dag_run.note = with_sentence(dag_run.note, sentence(told))
    except Exception as error:  # noqa: BLE001 - a note is not worth a scheduler that stumbles
        log.warning("No note on %s %s: %s", dag_run.dag_id, dag_run.run_id, type(error).__name__)


def _figures_of(dag_run: DagRun) -> dict[str, Any] | None:
    """The counts that the task report returned. The scheduler's session allows no commit and no savepoint here."""
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return None
    question = select(XComModel.value).where(
        XComModel.dag_run_id == dag_run.id, XComModel.task_id == "report", XComModel.key == "return_value"
    )
    told = session.scalar(question)
    return told if isinstance(told, dict) else None
