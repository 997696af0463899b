"""The one private interface of Airflow that is used: putting a question, and reading what is shown."""

from unittest.mock import patch
from uuid import uuid4

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.execution_time import comms, task_runner
from pydantic import TypeAdapter

from patronload.in_airflow import questions


class Supervisor:
    """Takes only what Airflow's supervisor takes, and answers with what it answers."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.put: list[comms.CreateHITLDetailPayload] = []

    def send(self, msg: object) -> object:
        """Both ways through the unions of messages by which Airflow's processes talk."""
        put = TypeAdapter(comms.ToSupervisor).validate_json(msg.model_dump_json())
        self.put.append(put)
        answer = comms.HITLDetailRequestResult(ti_id=put.ti_id, options=put.options, subject="", body=self.shown)
        return TypeAdapter(comms.ToTask).validate_json(answer.model_dump_json())


def test_what_airflow_shows_is_read():
    """The message and its answer are those of the installed Airflow, and the text is the one that Airflow kept."""
    approve = HITLOperator(task_id="approve", subject="Is it right?", options=["Approve", "Reject"], body="Now")
    supervisor = Supervisor(shown="Before")
    with patch.object(task_runner, "SUPERVISOR_COMMS", supervisor, create=True):
        assert questions.show(uuid4(), approve) == "Before"
    (put,) = supervisor.put
    assert (put.subject, put.body, put.options) == ("Is it right?", "Now", ["Approve", "Reject"])


def test_the_connection_is_where_it_is_looked_for():
    """Airflow declares it in the module that runs a task, and sets it when a task starts."""
    assert "SUPERVISOR_COMMS" in task_runner.__annotations__
