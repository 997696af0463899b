"""
Remove the question of a task that is cleared.

Airflow keeps one question for each task, and clearing the task does not change its text: the approver would see the
earlier figures again. The scheduler learns of each run that starts again, so it deletes the old question here, and the
task asks a new one. Earlier questions and answers stay in Airflow's history of the task's tries.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from patronload.config.tenants import DAG_PREFIX

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

log = logging.getLogger(__name__)

TASK = "approve"


@hookimpl
def on_dag_run_running(dag_run: DagRun) -> None:
    """Airflow calls it in the scheduler, before any task of the run starts."""
    if not dag_run.dag_id.startswith(DAG_PREFIX):
        return
    try:
        take_away(dag_run)
    except Exception as error:  # noqa: BLE001 - the task looks at what is shown, and asks nothing when it is old
        log.warning("The question of %s %s stays: %s", dag_run.dag_id, dag_run.run_id, type(error).__name__)


def take_away(dag_run: DagRun) -> None:
    """The question of a task that has yet to run. The session is the scheduler's, which allows no commit here."""
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance as Task
    from sqlalchemy import delete, select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    cleared = select(Task.id).where(
        Task.dag_id == dag_run.dag_id, Task.run_id == dag_run.run_id, Task.task_id == TASK, Task.state.is_(None)
    )
    table: Any = HITLDetail.__table__  # the class has an attribute that SQLAlchemy could not get to the end of
    session.execute(delete(table).where(table.c.ti_id.in_(cleared)))
