"""One cluster for all tests of this folder; they are skipped where PostgreSQL or Redis is not installed."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.airflow import free_port
from local.servers import Postgres, Redis, missing
from sandbox.folio import FolioServer
from sandbox.s3 import S3Server
from sandbox.smtp import MailServer
from tests.airflow.libraries import copy_of_include, library_file
from tests.cluster.cluster import Cluster, Servers

LIBRARIES = (
    *("ashford", "bexley", "corvey", "dunmore", "elmhurst", "fairholm", "gorsedd"),
    *("hartwell", "ilminster", "jarrow", "marden", "quarley", "radnor"),
)

WHOLE = "PATRONLOAD_WHOLE_CLUSTER"
"""The variable with which `make cluster` asks for the outages too, which take minutes."""

QUEUED_SECONDS = 20
"""How long a task may wait in Redis here; an hour, and again and again for a day, in docker-compose.yaml."""

HASTE = {
    # How soon Airflow sees that a worker or a scheduler is gone.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": str(QUEUED_SECONDS),
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "0",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They share one cluster, so they run in one worker: that of all Airflows but the one of most tests."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(900))
            item.add_marker(pytest.mark.xdist_group("other-airflows"))
            if item.get_closest_marker("outage") and not os.environ.get(WHOLE):
                item.add_marker(pytest.mark.skip(reason="it takes minutes; `make cluster` runs it"))


@pytest.fixture(scope="session")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, keep: Path, until_last_use: Callable[[str], ExitStack]
) -> Cluster:
    """Airflow with CeleryExecutor, PostgreSQL, Redis, S3, and two workers with one slot each."""
    if lacking := missing():
        pytest.skip(f"not installed: {', '.join(lacking)} (.ci/run installs them on Debian and Ubuntu)")
    folder, running = tmp_path_factory.mktemp("cluster"), until_last_use("cluster")
    (folder / "auth").mkdir()
    include = copy_of_include(folder / "include")
    for name in LIBRARIES:
        library_file(include, name, folder / "exports")
    servers = Servers(
        running.enter_context(Postgres(free_port())),
        running.enter_context(Redis(free_port())),
        running.enter_context(S3Server(folder / "s3", ["patronload"])),
        running.enter_context(FolioServer([f"fs{name}" for name in LIBRARIES])),
        running.enter_context(MailServer(folder / "mail", page=False)),
    )
    running.callback(_keep_logs, folder, keep)
    return running.enter_context(Cluster(folder, servers, include, 2, HASTE))


def _keep_logs(folder: Path, keep: Path) -> None:
    """What the parts printed, for a person to look at when a test failed."""
    for log in folder.glob("*.log"):
        (keep / f"cluster-{log.name}").write_bytes(log.read_bytes())
