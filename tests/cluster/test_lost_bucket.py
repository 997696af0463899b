"""A worker that loses the bucket of the artifacts, while the others still reach it."""

import pytest

from patronload.in_airflow.celery_worker import Gate
from tests.airflow.libraries import as_csv, people, today
from tests.cluster.cluster import Cluster

LIBRARY = "gorsedd"
CLOSED = "This worker takes no more tasks: the bucket 'patronload' cannot be used"
OPENED = "this worker takes tasks"


def test_it_takes_no_tasks_until_it_reaches_the_bucket_again(cluster: Cluster):
    """Meanwhile every task runs on the other worker, at its first try; without that, its tasks would fail."""
    file = cluster.folder / "exports" / LIBRARY / f"patrons_{today():%Y%m%d}.csv"
    file.parent.mkdir(parents=True)
    file.write_text(as_csv(people(LIBRARY, 5)))
    *_, other, cut_off = cluster.workers
    cluster.relay.cut()
    cut_off.wait_for(CLOSED)
    run_id = cluster.start(LIBRARY)
    assert cluster.ended(LIBRARY, run_id) == "success"
    assert {task.try_number for task in cluster.api.tasks(f"patron_load__{LIBRARY}", run_id)} == {1}
    assert run_id in other.log.read_text()
    assert run_id not in cut_off.log.read_text()
    cluster.relay.restore()
    cut_off.wait_for(OPENED)
    assert CLOSED not in other.log.read_text()


@pytest.mark.parametrize(
    ("problems", "calls"),
    [
        ([None, None], []),
        (["down"], ["stop"]),
        (["down", "down"], ["stop"]),
        (["down", None, None, "down", None], ["stop", "take", "stop", "take"]),
    ],
)
def test_a_worker_is_closed_and_opened_once_for_each_outage(problems: list[str | None], calls: list[str]):
    """Neither is repeated as long as nothing changes."""
    done: list[str] = []
    answers = iter(problems)
    gate = Gate(lambda: done.append("take"), lambda: done.append("stop"), lambda: next(answers))
    for _ in problems:
        gate.check()
    assert done == calls
