"""Whoever is asked again sees the figures of now, not those of the question before."""

import uuid

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import insert

from patronload.in_airflow.pages import overtaken
from tests.pages.conftest import Site


@pytest.fixture
def asked(site: Site):
    """Puts a question of a run's task, which is in some state; the run."""

    def put(name: str = "riverside", task: str = "approve", state: str | None = None) -> DagRun:
        dag_id = site.add_library(name)
        (run_id,) = site.add_loads(dag_id, [None], state="running")
        told = {
            "id": uuid.uuid4(), "dag_id": dag_id, "run_id": run_id, "task_id": task, "map_index": -1, "state": state,
            "pool": "default_pool", "pool_slots": 1, "try_number": 1, "max_tries": 3,
        }  # fmt: skip
        site.session.execute(insert(TaskInstance), [told])
        question = {"ti_id": told["id"], "options": ["Approve"], "subject": "?", "body": "12 rows", "params": {}}
        site.session.execute(insert(HITLDetail.__table__), [question])
        return site.session.query(DagRun).filter_by(run_id=run_id).one()

    return put


def questions(site: Site) -> int:
    return site.session.query(HITLDetail.ti_id).count()


def test_the_question_of_a_cleared_task_goes_when_its_run_starts_again(site: Site, asked):
    """Airflow would show its words once more, whatever the task asks now."""
    overtaken.on_dag_run_running(asked())
    assert questions(site) == 0


@pytest.mark.parametrize(
    "of", [{"state": "success"}, {"state": "awaiting_input"}, {"task": "another"}, {"name": "other_dag"}]
)
def test_all_others_stay(site: Site, asked, of):
    """One that was answered, one that waits, another task's, and another DAG's."""
    overtaken.on_dag_run_running(asked(**of))
    assert questions(site) == 1


def test_an_error_goes_no_further(asked, monkeypatch, caplog):
    """The scheduler goes on."""
    run = asked()
    monkeypatch.setattr(overtaken, "take_away", lambda _run: 1 / 0)
    overtaken.on_dag_run_running(run)
    assert "stays: ZeroDivisionError" in caplog.text
    overtaken.on_dag_run_running(DagRun(dag_id=run.dag_id, run_id="x", run_type="manual"))
