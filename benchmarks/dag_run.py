"""
A real DAG run of 100,000 rows, one in twenty bad: what validate and transform take there, beside the same steps alone.

The tasks' times are Airflow's own, from a task's start to its end: with what Python imports, and with its DAG file.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import core, wide
from benchmarks.many_tenants import SETTINGS, TENANT, airflow_with_library
from local.airflow import LocalAirflow
from tests.airflow import libraries

STEPS = ("validate", "transform")
RUNS = 3


def measure(rows: int = 100_000, bad: float = 0.05) -> None:
    """Print both, as Airflow comes and as `make up` starts it; of three runs in turn the least of each."""
    print(f"dag: {rows:,} rows, {bad:.0%} of them bad, validate and transform")
    for name, settings in SETTINGS.items():
        with tempfile.TemporaryDirectory() as folder, airflow_with_library(Path(folder), settings) as (airflow, export):
            file = Path(folder) / "include" / "tenants" / f"{TENANT}.yaml"
            file.write_text(file.read_text().replace("folio/flat_patrons", "folio/wide"))
            core.add_mapping(Path(folder) / "include")
            wide.write(export, rows, bad)
            # In turn, so that whatever else the machine does slows both of them down.
            both = [(_seconds(airflow), core.steps_alone(rows, bad)) for _ in range(RUNS)]
        tasks, alone = (min(times, key=sum) for times in zip(*both, strict=True))
        ratio = sum(tasks) / sum(alone)
        print(f"  {name}: {_told(tasks)} in a DAG run, {_told(alone)} alone, {ratio:.1f} times")


def _told(seconds: Sequence[float]) -> str:
    return f"{sum(seconds):.2f} s ({' + '.join(f'{each:.2f}' for each in seconds)})"


def _seconds(airflow: LocalAirflow) -> list[float]:
    """A dry run, and what each of the two tasks took of it."""
    dag_id = libraries.dag_id(TENANT)
    airflow.api.wait_for_dag(dag_id)
    airflow.api.unpause(dag_id)
    run = airflow.api.trigger(dag_id, {"dry_run": True})
    # How the run ends is all the same: the stand-in FOLIO does not know the departments of the made-up patrons.
    airflow.api.wait(dag_id, run, timeout=600)
    tasks = {task.task_id: task for task in airflow.api.tasks(dag_id, run)}
    if unwell := [step for step in STEPS if tasks[step].state != "success"]:
        raise RuntimeError(f"{dag_id} {run}: {' and '.join(unwell)} did not end well")
    return [tasks[step].seconds or 0.0 for step in STEPS]
