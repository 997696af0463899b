"""
Loads per minute with one and with two workers, and the CPU seconds of a load, in the topology of docker-compose.yaml.

Each worker has one slot; all parts share this machine's processors, and the FOLIO answers at once. The CPU seconds are
those of all of Airflow's parts, from the first start of a load to the last end, without PostgreSQL, Redis and S3.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from local.airflow import free_port
from local.servers import Postgres, Redis, missing
from sandbox.folio import FolioServer
from sandbox.s3 import S3Server
from sandbox.smtp import MailServer
from tests.airflow.libraries import as_csv, copy_of_include, library_file, people, today
from tests.cluster.cluster import Cluster, Servers

LOADS = 12
PATRONS = 10
SETTINGS = {"AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1"}


def measure() -> None:
    """Print both; without PostgreSQL or Redis say that they are missing."""
    if lacking := missing():
        print(f"cluster: not installed: {', '.join(lacking)}")
        return
    print(f"cluster: {LOADS} loads of {PATRONS} patrons, each of another library, one slot for each worker")
    for workers in (1, 2):
        seconds, cpu, idle = _loads(workers)
        print(
            f"  {workers} worker{'s' if workers > 1 else ''}: {LOADS / seconds * 60:.1f} loads a minute, "
            f"{cpu / LOADS:.1f} CPU seconds for each ({idle * seconds / LOADS:.1f} of these are the idle parts')"
        )


def _loads(workers: int) -> tuple[float, float, float]:
    """Seconds and CPU seconds of all loads, after one that warms everything up; and CPU seconds a second when idle."""
    names = [f"lib{number:02}" for number in range(LOADS + 1)]
    with tempfile.TemporaryDirectory() as path, ExitStack() as running:
        folder = Path(path)
        (folder / "auth").mkdir()
        include = copy_of_include(folder / "include")
        for name in names:
            library_file(include, name, folder / "exports")
            file = folder / "exports" / name / f"patrons_{today():%Y%m%d}.csv"
            file.parent.mkdir(parents=True)
            file.write_text(as_csv(people(name, PATRONS)))
        servers = Servers(
            running.enter_context(Postgres(free_port())),
            running.enter_context(Redis(free_port())),
            running.enter_context(S3Server(folder / "s3", ["patronload"])),
            running.enter_context(FolioServer([f"fs{name}" for name in names])),
            running.enter_context(MailServer(folder / "mail", page=False)),
        )
        cluster = running.enter_context(Cluster(folder, servers, include, workers, SETTINGS))
        _load(cluster, names[:1])
        processes = [part.process for part in (*cluster.parts.values(), *cluster.workers)]
        before, start = _cpu(processes), time.perf_counter()
        time.sleep(IDLE)
        idle = (_cpu(processes) - before) / (time.perf_counter() - start)
        before, start = _cpu(processes), time.perf_counter()
        _load(cluster, names[1:])
        return time.perf_counter() - start, _cpu(processes) - before, idle


IDLE = 20.0
"""Seconds in which nothing is loaded."""


def _load(cluster: Cluster, names: Iterable[str]) -> None:
    runs = {name: cluster.start(name) for name in names}
    for name, run_id in runs.items():
        if (state := cluster.ended(name, run_id, timeout=900)) != "success":
            raise RuntimeError(f"{name} {run_id}: {state}")


def _cpu(roots: Iterable[psutil.Process]) -> float:
    """The CPU seconds of these processes and of all that they started, whether these have ended or not."""
    total = 0.0
    for root in roots:
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total
