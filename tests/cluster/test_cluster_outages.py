"""Servers, workers and schedulers that go down under a load: it ends well, and no patron is sent twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import demo_connections
from local.airflow import free_port
from sandbox import connections
from sandbox.everything import Sandbox
from tests.airflow.libraries import as_csv, deliver_demo_exports, people, text_of, today, wait_until
from tests.cluster.cluster import Cluster

pytestmark = pytest.mark.outage

CHUNK, CHUNKS = 20, 10
SECONDS_A_CHUNK = 2.0
"""So that something can go down between two chunks."""


def deliver(cluster: Cluster, tenant: str, count: int = CHUNK * CHUNKS) -> None:
    file = cluster.folder / "exports" / tenant / f"patrons_{today():%Y%m%d}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(as_csv(people(tenant, count)))


@pytest.fixture
def slow(cluster: Cluster) -> Iterator[None]:
    """FOLIO takes its time for each chunk, until the test says otherwise."""
    cluster.servers.folio.faults.import_seconds = SECONDS_A_CHUNK
    yield
    cluster.servers.folio.faults.clear()


def begin(cluster: Cluster, *tenants: str) -> dict[str, str]:
    """Start a load of each, and wait until each has sent a chunk; tenant -> run id."""
    for tenant in tenants:
        deliver(cluster, tenant)
    runs = {tenant: cluster.start(tenant) for tenant in tenants}
    for tenant in tenants:
        # Before it sends the first patron, a load asks with an import of none whether it may.
        wait_until(lambda tenant=tenant: any(seen.external_system_ids for seen in cluster.imports(tenant)), seconds=400)
    return runs


def ended(cluster: Cluster, tenant: str, run_id: str) -> str:
    """The state of the run, once it has ended; a machine with two processors takes its time for all of this."""
    return cluster.ended(tenant, run_id, timeout=600)


def told(cluster: Cluster, run_id: str) -> str:
    """What the mails say about the run, for a person who has to find out what failed."""
    return "\n".join(text_of(mail) for mail in cluster.servers.mail.mails if run_id in text_of(mail))


def end_well(cluster: Cluster, runs: dict[str, str]) -> None:
    """Each load ends green, and each patron has arrived in FOLIO in one import."""
    cluster.servers.folio.faults.clear()
    for tenant, run_id in runs.items():
        assert ended(cluster, tenant, run_id) == "success", told(cluster, run_id)
        sent = sorted(each for seen in cluster.imports(tenant) for each in seen.external_system_ids)
        assert sent == sorted(row["externalSystemId"] for row in people(tenant, CHUNK * CHUNKS))


def test_a_worker_that_is_killed_while_it_sends(cluster: Cluster, slow: None):
    """kill -9 of the worker with all its tasks: another one goes on with what has not been sent."""
    runs = begin(cluster, "hartwell")
    (run_id,) = runs.values()
    (sender,) = [worker for worker in cluster.workers if worker.runs("post", run_id)]
    sender.kill()
    end_well(cluster, runs)
    assert cluster.task("hartwell", run_id, "post")["try_number"] == 2
    sender.start().wait_for(" ready")


def test_redis_and_postgresql_are_restarted(cluster: Cluster, slow: None):
    """While two loads send. What ends for it is started again, as Compose does, and the loads go on."""
    runs = begin(cluster, "ilminster", "jarrow")
    for server in (cluster.servers.redis, cluster.servers.postgres):
        server.stop()
        server.start()
    with cluster.kept_running():
        end_well(cluster, runs)


def test_one_of_two_schedulers_is_killed(cluster: Cluster, slow: None):
    """The other one goes on with its loads; while both run, no task is started twice."""
    second = cluster.another("scheduler", AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT=str(free_port()))
    with second:
        second.wait_for("Starting the scheduler")
        runs = begin(cluster, "quarley", "radnor")
        cluster.parts["scheduler"].kill()
        try:
            end_well(cluster, runs)
        finally:
            cluster.parts["scheduler"].start()
        for tenant, run_id in runs.items():
            tasks = cluster.api.tasks(f"patron_load__{tenant}", run_id)
            assert {task.try_number for task in tasks} == {1}


def test_a_question_needs_no_triggerer(cluster: Cluster):
    """A person is asked, the triggerer ends, and the answer is taken all the same."""
    tenant = "marden"
    deliver(cluster, tenant, 40)
    assert ended(cluster, tenant, cluster.start(tenant)) == "success"
    deliver(cluster, tenant, 12)
    with cluster.another("triggerer", "--skip-serve-logs") as triggerer:
        triggerer.wait_for("Starting the triggerer")
        run_id = cluster.start(tenant)
        wait_until(lambda: cluster.states(tenant, run_id).get("approve") == "awaiting_input", seconds=400)
        triggerer.kill()
    path = f"dags/patron_load__{tenant}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
    answer = {"chosen_options": ["Approve"], "params_input": {"reason": "as agreed"}}
    cluster.api.http.patch(path, json=answer).raise_for_status()
    assert ended(cluster, tenant, run_id) == "success", told(cluster, run_id)


def test_the_demo_on_two_workers_with_folders_of_their_own(cluster: Cluster, tmp_path: Path):
    """The demo's libraries, from SFTP to FOLIO and Infiniti: each stage may run on another machine than the last."""
    with Sandbox(tmp_path / "sandbox", s3=False) as sandbox:
        exports = deliver_demo_exports(sandbox)
        # Of its mail server there is one already.
        demo_connections.offer(cluster.api, connections(sandbox.description))
        runs = {tenant: cluster.start(tenant) for tenant in exports}
        for tenant, run_id in runs.items():
            assert ended(cluster, tenant, run_id) == "success", told(cluster, run_id)
        assert sandbox.folio.imports
        assert sandbox.infiniti.imports
    for run_id in runs.values():
        assert [mail for mail in cluster.servers.mail.mails if run_id in mail.as_string()], run_id
    stages = ("fetch", "validate", "transform", "plan", "post", "report", "notify")
    for worker in cluster.workers:
        assert any(worker.runs(stage, run_id) for stage in stages for run_id in runs.values())
