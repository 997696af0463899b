"""The three DAGs that go for all libraries."""

from airflow.serialization.serialized_objects import DagSerialization

from tests.dags.dag_files import dags_in


def test_what_they_are(read):
    """Switched off until somebody wants them, told in their manual, and not taken for a library's."""
    dags = dags_in(read("patron_loads_upkeep"))
    assert {name: [task.task_id for task in dag.tasks] for name, dag in dags.items()} == {
        "patron_loads_purge": ["purge"],
        "patron_loads_attention": ["attention"],
        "patron_loads_digest": ["digest"],
    }
    for name, dag in dags.items():
        assert dag.is_paused_upon_creation is True
        assert f"**{name}**" in str(dag.doc_md)
        assert "tenant" not in str(dag.tags)
        (task,) = dag.tasks
        assert task.execution_timeout is not None
        assert task.retries == 3
        DagSerialization.to_dict(dag)
