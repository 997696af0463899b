"""
A real DAG run of 100,000 rows, one in twenty bad: the time of validate and transform, compared with the stages alone.

The tasks' times are Airflow's own, from a task's start to its end, including Python's imports and the DAG file.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import core, wide
from benchmarks.many_tenants import SETTINGS, TENANT, airflow_with_library
from local.airflow import LocalAirflow
from tests.airflow import libraries

STAGES = ("validate", "transform")
RUNS = 3


def measure(rows: int = 100_000, bad: float = 0.05) -> None:
    """Print both, with Airflow's defaults and as `make up` starts it: the best of three runs each, alternately."""
    print(f"dag: {rows:,} rows, {bad:.0%} of them bad, validate and transform")
    for name, settings in SETTINGS.items():
        with tempfile.TemporaryDirectory() as folder, airflow_with_library(Path(folder), settings) as (airflow, export):
            file = Path(folder) / "include" / "tenants" / f"{TENANT}.yaml"
            file.write_text(file.read_text().replace("folio/flat_patrons", "folio/wide"))
            core.add_mapping(Path(folder) / "include")
            wide.write(export, rows, bad)
            # Alternately, so that other programs on the machine slow both of them down.
            both = [(_seconds(airflow), core.stages_alone(rows, bad)) for _ in range(RUNS)]
        tasks, alone = (min(times, key=sum) for times in zip(*both, strict=True))
        ratio = sum(tasks) / sum(alone)
        print(f"  {name}: {_listed(tasks)} in a DAG run, {_listed(alone)} alone, {ratio:.1f} times")


def _listed(seconds: Sequence[float]) -> str:
    return f"{sum(seconds):.2f} s ({' + '.join(f'{each:.2f}' for each in seconds)})"


def _seconds(airflow: LocalAirflow) -> list[float]:
    """The seconds of the two tasks in a dry run."""
    dag_id = libraries.dag_id(TENANT)
    airflow.api.wait_for_dag(dag_id)
    airflow.api.unpause(dag_id)
    run = airflow.api.trigger(dag_id, {"dry_run": True})
    # The outcome does not matter: the stand-in FOLIO does not know the departments of these patrons.
    airflow.api.wait(dag_id, run, timeout=600)
    tasks = {task.task_id: task for task in airflow.api.tasks(dag_id, run)}
    if unwell := [step for step in STAGES if tasks[step].state != "success"]:
        raise RuntimeError(f"{dag_id} {run}: {' and '.join(unwell)} failed")
    return [tasks[step].seconds or 0.0 for step in STAGES]
