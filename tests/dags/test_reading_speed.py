"""Airflow reads the DAG files twice a minute, and once more in each task: that must stay cheap."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

from airflow.sdk import DAG, chain, task

from tests.dags.dag_files import dags_in

SLOW_TO_IMPORT = (
    "polars", "pandas", "numpy", "great_expectations", "pyarrow", "zstandard", "httpx", "paramiko", "s3fs", "boto3",
    "aiobotocore", "airflow.providers.sftp", "airflow.providers.amazon",
)  # fmt: skip

TELL = "import sys; sys.path[:0] = sys.argv[1:3]; import {}; print(*sorted(sys.modules), sep='\\n')"


def test_nothing_slow_is_imported(project, tmp_path):
    """The DAG files import Airflow's SDK, YAML and the models; each task imports its stage when it runs."""
    sdk, patron_load, tenant_files = (imported(project, tmp_path, name) for name in SEEN)
    assert {"patronload.in_airflow.tasks", "patronload.loads.load", "patronload.config.tenants"} <= patron_load
    assert {name for name in patron_load if name.startswith("patronload.stages.")} == set()
    for found in (patron_load, tenant_files):
        assert {name for name in SLOW_TO_IMPORT if name in found - sdk} == set()
    # Not even by way of Airflow: these cost a second and more.
    dear = {"polars", "pandas", "great_expectations", "pyarrow", "s3fs", "paramiko"}
    assert dear & (patron_load | tenant_files) == set()


def test_approve_starts_at_once(project, tmp_path):
    """On ordinary days it has nothing to do, so its stage imports nothing slow either."""
    assert {
        name for name in SLOW_TO_IMPORT if name in imported(project, tmp_path, "patronload.stages.approve")
    } == set()


SEEN = ("airflow.sdk.definitions.dag", "patron_load", "tenant_files")


def imported(project, home, name: str) -> set[str]:
    """The modules that are there after importing one, in a Python of its own."""
    environment = {**os.environ, "AIRFLOW_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", TELL.format(name), str(project / "dags"), str(project / "plugins")]
    return set(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split())


def test_a_hundred_tenants_are_read_in_time(read, add_tenant):
    """
    A tenant costs little more than its bare DAG costs in Airflow, and the hundredth not more than the tenth.

    On a machine of 2024 that is 0.006 s a tenant (0.02 are allowed); in seconds it would fail on a slow machine.
    """
    read("patron_load")  # the imports are no part of it
    for number in range(10):
        add_tenant(f"library{number:03}")
    ten = fastest(lambda: read("patron_load"))
    for number in range(10, 100):
        add_tenant(f"library{number:03}")
    hundred = fastest(lambda: read("patron_load"))
    bare = fastest(lambda: [bare_dag(number) for number in range(100)])
    assert len(dags_in(read("patron_load"))) == 100
    assert hundred < 2 * 10 * ten
    assert hundred < 4 * bare


def fastest(what: Callable[[], object]) -> float:
    """Seconds of the best of three: others use this machine, too."""
    seconds = []
    for _ in range(3):
        started = time.process_time()
        what()
        seconds.append(time.process_time() - started)
    return min(seconds)


def bare_dag(number: int) -> DAG:
    """Six tasks in a row, and nothing of ours."""

    @task
    def step(tenant: str) -> None: ...

    with DAG(f"bare{number}", schedule=None) as dag:
        chain(*(step.override(task_id=f"step{place}")("x") for place in range(6)))
    return dag
