"""
A thousand tenants in Airflow's DAG processor, and the cost of a load compared with the same DAG with empty tasks.

Both use the real parts: `airflow dag-processor` with its default time-outs and its own database; and a scheduler
with the sandbox, a file of ten patrons, and a DAG of the same number of tasks that do nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from local.airflow import LocalAirflow
from local.environment import PROJECT, clean_environment
from patronload import settings as paths
from sandbox import connections
from sandbox.everything import Sandbox
from sandbox.folio import FolioServer
from tests.airflow import libraries

MANY = 1000
RUNS = 3
TENANT = "marden"
"""A library whose DAG has all tasks."""

SETTINGS = {
    "with Airflow's defaults": {
        "AIRFLOW__CORE__MP_START_METHOD": "fork",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    },
    "as make up starts it": {},
}
"""`make up` starts tasks with their imports already loaded, and its scheduler checks ten times a second, not once."""

EMPTY = """
from airflow.sdk import DAG, chain, task


@task
def step():
    pass


with DAG("empty", schedule=None, catchup=False) as dag:
    chain(*(step.override(task_id=name)() for name in {tasks!r}))
"""


def thousand(count: int = MANY) -> None:
    """Read and store that many tenant files, twice, with Airflow's default time-outs."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        include = home / "include"
        shutil.copytree(paths.include(), include)
        text = (include / "tenants" / "stclare.yaml").read_text()
        for number in range(count):
            name = f"lib{number:04}"
            (include / "tenants" / f"{name}.yaml").write_text(text.replace("tenant: stclare", f"tenant: {name}"))
        seconds = [_processed(home, include) for _ in range(2)]
        dags, versions, errors = _stored(home / "airflow.db")
    verdict = "no time-out" if dags >= count and not errors else f"ONLY {dags} DAGs, {errors} import errors"
    print(
        f"tenants: {count:,} files read and stored in {seconds[0]:.0f} s, read again in {seconds[1]:.0f} s, {verdict};"
    )
    print(f"  {dags:,} DAGs have {versions:,} versions after two readings")


def _processed(home: Path, include: Path) -> float:
    environment = clean_environment() | {
        "AIRFLOW_HOME": str(home),
        "PATRONLOAD_INCLUDE": str(include),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    airflow = str(Path(sys.executable).with_name("airflow"))
    if not (home / "airflow.db").exists():
        subprocess.run([airflow, "db", "migrate"], env=environment, check=True, capture_output=True)  # noqa: S603
    started = time.perf_counter()
    with (home / "processor.log").open("w") as log:
        command = [airflow, "dag-processor", "--num-runs", "1"]
        subprocess.run(command, env=environment, check=True, stdout=log, stderr=log)  # noqa: S603 - our own words
    return time.perf_counter() - started


def _stored(database: Path) -> tuple[int, int, int]:
    questions = (
        "select count(*) from serialized_dag where dag_id like 'patron_load\\_\\_%' escape '\\'",
        "select count(*) from dag_version where dag_id like 'patron_load\\_\\_%' escape '\\'",
        "select count(*) from import_error",
    )
    with closing(sqlite3.connect(database)) as connection:
        found = [int(connection.execute(question).fetchone()[0]) for question in questions]
    return found[0], found[1], found[2]


def overhead() -> None:
    """Print the time of a load of ten patrons and of a DAG with the same number of empty tasks, for both settings."""
    for name, settings in SETTINGS.items():
        ours, empty = _runs(settings)
        print(f"run {name}: {ours:.1f} s for ten patrons, {empty:.1f} s for empty tasks, {ours / empty:.1f} times")
    # Our tasks compute and the empty ones wait, so a busy machine slows ours more.
    print(f"  (the machine's load average is {os.getloadavg()[0]:.0f}, on {os.cpu_count()} processors)")


def _runs(settings: dict[str, str]) -> tuple[float, ...]:
    """The median seconds of a load and of the empty DAG, without the first run of each."""
    with tempfile.TemporaryDirectory() as folder, airflow_with_library(Path(folder), settings) as (airflow, export):
        export.write_text(libraries.as_csv(libraries.people(TENANT, 10)))
        return _medians(airflow, libraries.dag_id(TENANT), "empty")


@contextmanager
def airflow_with_library(root: Path, settings: dict[str, str]) -> Iterator[tuple[LocalAirflow, Path]]:
    """
    Airflow with a library, the stand-ins, and a DAG `empty` with the same number of empty tasks as a load; and the
    path for the library's export of today.
    """
    include, dags = root / "include", root / "dags"
    shutil.copytree(PROJECT / "include", include)
    shutil.copytree(PROJECT / "dags", dags)
    steps = re.findall(r"tasks\.(\w+)\(name\)", (dags / "patron_load.py").read_text())
    (dags / "empty.py").write_text(EMPTY.format(tasks=steps))
    libraries.library_file(include, TENANT, root / "exports")
    today = datetime.now(ZoneInfo("America/Chicago")).date()
    export = root / "exports" / TENANT / f"patrons_{today:%Y%m%d}.csv"
    export.parent.mkdir(parents=True)
    with Sandbox(root / "sandbox", s3=False) as sandbox, FolioServer([f"fs{TENANT}"]) as folio:
        environment = {
            **connections(sandbox.description),
            "AIRFLOW_CONN_INVENTED_FOLIO": libraries.loader_connection(folio),
            "PATRONLOAD_INCLUDE": str(include),
            "PATRONLOAD_ARTIFACTS": (root / "artifacts").as_uri(),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            **settings,
        }
        with LocalAirflow(root / "airflow", environment=environment, without=("triggerer",)) as airflow:
            yield airflow, export


def _medians(airflow: LocalAirflow, *dag_ids: str) -> tuple[float, ...]:
    """Run each once, alternately, so that other programs on the machine slow all of them down."""
    for dag_id in dag_ids:
        airflow.api.wait_for_dag(dag_id)
        airflow.api.unpause(dag_id)
    rounds = [[_seconds(airflow, dag_id) for dag_id in dag_ids] for _ in range(1 + RUNS)]
    return tuple(statistics.median(seconds) for seconds in zip(*rounds[1:], strict=True))


def _seconds(airflow: LocalAirflow, dag_id: str) -> float:
    # The same file again would be skipped. The empty DAG ignores the parameter.
    run = airflow.api.trigger(dag_id, {"load_anyway": "This is a measurement."})
    ended = airflow.api.wait(dag_id, run, timeout=300)
    if ended.state != "success":
        raise RuntimeError(f"{dag_id} {run} ended as {ended.state}")
    times = airflow.api.http.get(f"dags/{dag_id}/dagRuns/{run}").json()
    began, end = (datetime.fromisoformat(times[name]) for name in ("start_date", "end_date"))
    return (end - began).total_seconds()


if __name__ == "__main__":
    thousand()
    overhead()
