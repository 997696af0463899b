"""A tenant file with a mistake in it, seen from Airflow."""

from tests.airflow.libraries import INVENTED, World, dag_id, wait_until


def test_it_is_told_of_and_stands_in_nobodys_way(world: World, broken_tenant_file):
    """It is an import error with file, line and key; every other DAG stays as it was."""
    (text,) = world.api.import_errors().values()
    assert "ashford.yaml, line 15: target.chunk_syze" in text
    dags = world.api.http.get("dags", params={"tags": "patron-load", "limit": 100}).raise_for_status().json()["dags"]
    others = {"northfield", "stclare", *INVENTED} - {"ashford"}
    assert {dag["dag_id"] for dag in dags} >= {dag_id(name) for name in others}


def test_once_mended_it_is_gone(world: World, broken_tenant_file):
    """The error disappears, and the library's DAG is there."""
    broken_tenant_file.correct()
    wait_until(lambda: not world.api.import_errors())
    world.api.wait_for_dag(dag_id("ashford"))
