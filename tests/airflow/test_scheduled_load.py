"""A load that nobody started by hand."""

from contextlib import suppress

from local.api import Run
from tests.airflow.libraries import SCHEDULED, World, accounted, dag_id, schedule_soon, wait_until


def test_a_load_by_its_schedule(world: World):
    """When the moment of the schedule comes, the export of the library's own day is loaded."""
    run = world.ended(SCHEDULED, first_run(world).run_id)
    assert (run.state, run.run_type) == ("success", "scheduled")
    report = world.report(SCHEDULED, run.run_id)
    assert report["day"] == run.partition_key
    assert report["export"]["name"] == f"patrons_{str(run.partition_key).replace('-', '')}.csv"
    assert report["created"] == accounted(report) == 5


def first_run(world: World) -> Run:
    """A machine that was too busy to read the schedule before its moment came gets another one, and more time."""
    for seconds in (100, 300, 900):
        with suppress(TimeoutError):
            return wait_until(lambda: world.api.runs(dag_id(SCHEDULED)), seconds=seconds + 120)[0]
        schedule_soon(world, seconds * 3)
    raise TimeoutError("Airflow started no load by its schedule.")
