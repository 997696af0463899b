"""A load that nobody started by hand."""

from tests.airflow.libraries import SCHEDULED, World, accounted, dag_id, wait_until


def test_a_load_by_its_schedule(world: World):
    """When the moment of the schedule comes, the export of the library's own day is loaded."""
    run = wait_until(lambda: world.api.runs(dag_id(SCHEDULED)), seconds=240)[0]
    run = world.ended(SCHEDULED, run.run_id)
    assert (run.state, run.run_type) == ("success", "scheduled")
    report = world.report(SCHEDULED, run.run_id)
    assert report["day"] == run.partition_key
    assert report["export"]["name"] == f"patrons_{str(run.partition_key).replace('-', '')}.csv"
    assert report["created"] == accounted(report) == 5
