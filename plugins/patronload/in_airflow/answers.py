"""
Answer Airflow's question about an unusual load for a person without an account.

Airflow's own function behind its REST API records the answer, with its locks and its check that there is only one.
tests/airflow/test_links_in_a_load.py proves with a real scheduler that the load continues.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from fastapi import HTTPException
from sqlalchemy import select
from sqlalchemy.orm import Session

TASK = "approve"


class Asked(NamedTuple):
    """Airflow's record of a run's question: whether it waits for an answer, and who answered it and when."""

    waits: bool
    by: str | None = None
    at: datetime | None = None


class _Approver(BaseUser):
    """Stands for a user of Airflow: the address of the approver."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get_id(self) -> str:
        return self.address

    def get_name(self) -> str:
        return self.address


def asked(session: Session, dag_id: str, run_id: str) -> Asked:
    """Airflow's record of the question."""
    found = session.execute(
        select(TaskInstance.state, HITLDetail)
        .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
        .where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.task_id == TASK)
    ).first()
    if found is None:
        return Asked(waits=False)
    state, detail = found
    waits = detail.responded_at is None and state in (TaskInstanceState.AWAITING_INPUT, TaskInstanceState.DEFERRED)
    return Asked(waits, detail.responded_by_user_name, detail.responded_at)


def give(session: Session, dag_id: str, run_id: str, choice: str, reason: str, by: str) -> bool:
    """Answer, and have the load go on; False if someone else was faster."""
    answer = UpdateHITLDetailPayload(chosen_options=[choice], params_input={"reason": reason})
    try:
        update_hitl_detail(dag_id, run_id, TASK, answer, _Approver(by), session)
    except HTTPException:
        return False
    session.commit()
    return True
