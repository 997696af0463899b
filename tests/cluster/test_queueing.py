"""More loads than there are slots: they wait their turn, and none fails for it."""

import time
from typing import NamedTuple

import pytest

from tests.airflow.libraries import as_csv, people, text_of, today, wait_until
from tests.cluster.cluster import Cluster

SLOW, WAITING, UNSERVED = ("ashford", "bexley"), ("corvey", "dunmore", "elmhurst"), "fairholm"

CHUNKS, CHUNK = 20, 20
SECONDS_A_CHUNK = 3.0
"""Until enough has been seen."""
LOOKS = 10


class Seen(NamedTuple):
    """Library -> its run, ended; and which tasks were in Redis, seen again and again while both slots were taken."""

    runs: dict[str, str]
    queued: list[list[tuple[str, str]]]


@pytest.fixture(scope="module")
def seen(cluster: Cluster) -> Seen:
    """Two slow posts hold both slots; then three more loads are started."""
    for tenant in (*SLOW, *WAITING):
        deliver(cluster, tenant, CHUNKS * CHUNK if tenant in SLOW else 5)
    cluster.servers.folio.faults.import_seconds = SECONDS_A_CHUNK
    runs = {tenant: cluster.start(tenant) for tenant in SLOW}
    wait_until(lambda: are_posting(cluster, runs), seconds=240)
    runs |= {tenant: cluster.start(tenant) for tenant in WAITING}
    queued = []
    while len(queued) < LOOKS and are_posting(cluster, runs):
        queued.append(cluster.in_state("queued"))
        time.sleep(0.3)
    cluster.servers.folio.faults.clear()
    for tenant, run_id in runs.items():
        cluster.ended(tenant, run_id)
    return Seen(runs, queued)


def are_posting(cluster: Cluster, runs: dict[str, str]) -> bool:
    return all(cluster.states(tenant, runs[tenant]).get("post") == "running" for tenant in SLOW)


def deliver(cluster: Cluster, tenant: str, count: int) -> None:
    file = cluster.folder / "exports" / tenant / f"patrons_{today():%Y%m%d}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_csv(people(tenant, count)))


def test_no_task_waits_in_redis_while_the_slots_are_taken(cluster: Cluster, seen: Seen):
    """The scheduler hands out no more tasks than there are slots; the others are kept in the database."""
    assert len(seen.queued) == LOOKS
    assert [task for tasks in seen.queued for task in tasks] == []


def test_all_loads_end_well(cluster: Cluster, seen: Seen):
    """However long the slots are taken, every task of every load runs once it is its turn, at its first try."""
    for tenant, run_id in seen.runs.items():
        tasks = cluster.api.tasks(f"patron_load__{tenant}", run_id)
        assert {(task.state, task.try_number) for task in tasks} == {("success", 1)}, tenant


def test_no_patron_is_sent_twice(cluster: Cluster, seen: Seen):
    """Each patron of each export arrives in FOLIO in one import."""
    for tenant in seen.runs:
        sent = sorted(each for seen in cluster.imports(tenant) for each in seen.external_system_ids)
        count = CHUNKS * CHUNK if tenant in SLOW else 5
        assert sent == sorted(row["externalSystemId"] for row in people(tenant, count))


def test_loads_finish_one_after_another(cluster: Cluster, seen: Seen):
    """The first of the waiting loads has sent its mail before the last of them has begun to send."""
    mailed = min(cluster.task(tenant, seen.runs[tenant], "notify")["end_date"] for tenant in WAITING)
    last_post = max(cluster.task(tenant, seen.runs[tenant], "post")["start_date"] for tenant in WAITING)
    assert mailed < last_post


def test_the_logs_of_other_machines_can_be_read(cluster: Cluster, seen: Seen):
    """The API server fetches them from the worker, by the secret key that all parts share, or from the bucket."""
    assert not (cluster.folder / "machine-1" / "logs" / f"dag_id=patron_load__{SLOW[0]}").exists()
    served = {path.parts[-3] for path in (cluster.folder / "machine-2" / "logs").glob("*/*/task_id=post/*.log")}
    stored = {path.parts[-3] for path in (cluster.folder / "machine-3" / "logs").glob("*/*/task_id=post/*.log")}
    assert served
    assert stored
    for tenant, run_id in seen.runs.items():
        assert "chunk" in cluster.api.task_log(f"patron_load__{tenant}", run_id, "post")


def test_the_mail_names_a_queue_that_was_too_long(cluster: Cluster, seen: Seen):
    """A task that waited in vain for a worker is named as the cause, and what to do."""
    deliver(cluster, UNSERVED, 5)
    for worker in cluster.workers:
        worker.freeze()
    run_id = cluster.start(UNSERVED)
    wait_until(lambda: cluster.states(UNSERVED, run_id).get("fetch") == "failed")
    for worker in cluster.workers:
        worker.thaw()
    assert cluster.ended(UNSERVED, run_id) == "failed"
    (mail,) = (mail for mail in cluster.servers.mail.mails if run_id in text_of(mail))
    assert "waited too long for a free worker" in text_of(mail)
