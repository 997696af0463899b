"""Find what the runs under way wait for: a file, their turn, a person's answer, or a server that does not answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from patronload.config import tenants
from patronload.config.tenants import DAG_PREFIX
from patronload.errors import ConfigError
from patronload.in_airflow.pauses import PAUSES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FOR_FILE, FOR_EARLIER_DAYS, FOR_ANSWER = "the file", "a backfill of earlier days", "an answer"
"""The things that a load may wait for."""

WAITING = {("fetch", "up_for_reschedule"): FOR_FILE, ("approve", "awaiting_input"): FOR_ANSWER}
"""A task and its state, and what it waits for in it; in fetch perhaps for its turn, too."""

RETRY = "up_for_retry"

SERVERS = {"fetch": "The server with the export", "notify": "The mail server"}
"""The servers of two stages. Those in OWN need only the artifacts, and all others the library system."""

BUSY = "Another load into the same library system"
"""The beginning of the message of a load that waited too long for another one; see loads.leases."""

OWN = ("validate", "transform", "report")
"""The stages that need no server but the storage of the artifacts."""

Run = tuple[str, str]
"""The ids of a DAG and of a run."""


class Retry(NamedTuple):
    """A stage that will be tried again: when (aware), what is in the way, and the message of the last try."""

    stage: str
    at: datetime
    trouble: str
    reason: str


def for_what(session: Session, dag_ids: Iterable[str]) -> dict[Run, str]:
    """The runs of which a task waits, without a worker, and for what."""
    from airflow.models.taskinstance import TaskInstance as Task
    from sqlalchemy import select, tuple_

    waiting = select(Task.dag_id, Task.run_id, Task.task_id, Task.state).where(
        tuple_(Task.task_id, Task.state).in_(list(WAITING)), Task.dag_id.in_(list(dag_ids))
    )
    return {(dag_id, run_id): WAITING[task, str(state)] for dag_id, run_id, task, state in session.execute(waiting)}


def retries(session: Session, dag_ids: Iterable[str]) -> dict[Run, Retry]:
    """The runs of which a task will be tried again."""
    from airflow.models.taskinstance import TaskInstance as Task
    from sqlalchemy import select

    found = session.scalars(select(Task).where(Task.state == RETRY, Task.dag_id.in_(list(dag_ids))))
    return {(task.dag_id, task.run_id): _retry(task) for task in found if task.end_date}


def _retry(task: Any) -> Retry:
    stage, reason = str(task.task_id), str(task.retry_reason or "")
    # Airflow asks the task for its pauses; the API server has no DAG, and the pauses of all our tasks are the same.
    task.task = SimpleNamespace(**PAUSES)
    return Retry(stage, task.next_retry_datetime(), _trouble(str(task.dag_id), stage, reason), reason)


def _trouble(dag_id: str, stage: str, reason: str) -> str:
    if reason.startswith(BUSY):
        return f"{BUSY} has not ended"
    who = SERVERS.get(stage) or ("The storage of the artifacts" if stage in OWN else _system(dag_id))
    return f"{who} is not answering"


def _system(dag_id: str) -> str:
    try:
        return tenants.load(dag_id.removeprefix(DAG_PREFIX)).system.name
    except ConfigError:
        return "The library system"
