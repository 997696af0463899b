"""
Write the question that Airflow shows for the task approve.

Airflow keeps the text of a question when its task is cleared in the middle of a run, and offers no public way to read
it: its own function upsert_hitl_detail throws the answer away. So this module alone uses the task's private connection
to its supervisor. tests/dags/test_questions.py notices when that changes.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator


def show(task_instance_id: Any, operator: HITLOperator) -> str | None:
    """Put the operator's question to Airflow; the text that Airflow shows, which may be an earlier one."""
    from airflow.sdk.execution_time import comms, task_runner

    question = comms.CreateHITLDetailPayload(
        ti_id=task_instance_id,
        options=operator.options,
        subject=operator.subject,
        body=operator.body,
        defaults=operator.defaults,
        multiple=operator.multiple,
        params=operator.serialized_params,
        assigned_users=[],
    )
    on_display: Any = task_runner.SUPERVISOR_COMMS.send(msg=question)
    body: str | None = on_display.body
    return body
