"""What a DAG file holds."""

from types import ModuleType

from airflow.sdk import DAG


def dags_in(module: ModuleType) -> dict[str, DAG]:
    """The DAGs that Airflow would find in a file, by their ids."""
    return {dag.dag_id: dag for dag in vars(module).values() if isinstance(dag, DAG)}
