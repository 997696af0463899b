"""
Loads per minute with one and with two workers, and the CPU seconds of a load, in the topology of docker-compose.yaml.

Each worker has one slot; all parts share this machine's processors, and the FOLIO answers at once. The CPU seconds are
those of all of Airflow's parts, from the first start of a load to the last end, without PostgreSQL, Redis and S3.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping
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

Spent = dict[str, float]
"""A part of Airflow -> CPU seconds."""

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
            f"{sum(cpu.values()) / LOADS:.1f} CPU seconds for each "
            f"({sum(idle.values()) * seconds / LOADS:.1f} of these are the idle parts')"
        )
        for part, spent in cpu.items():
            print(f"    {part}: {spent / LOADS:.1f} for each, {idle[part] * seconds / LOADS:.1f} when idle")


def _loads(workers: int) -> tuple[float, Spent, Spent]:
    """
    The seconds of all loads, after one that warms everything up, and the CPU seconds of each part of Airflow; and these
    in a second without a load.
    """
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
        roots = {name: [part.process] for name, part in cluster.parts.items()}
        roots["workers"] = [worker.process for worker in cluster.workers]
        before, start = _spent(roots), time.perf_counter()
        time.sleep(IDLE)
        seconds = time.perf_counter() - start
        idle = {name: (spent - before[name]) / seconds for name, spent in _spent(roots).items()}
        before, start = _spent(roots), time.perf_counter()
        _load(cluster, names[1:])
        seconds = time.perf_counter() - start
        return seconds, {name: spent - before[name] for name, spent in _spent(roots).items()}, idle


IDLE = 20.0
"""Seconds in which nothing is loaded."""


def _load(cluster: Cluster, names: Iterable[str]) -> None:
    runs = {name: cluster.start(name) for name in names}
    for name, run_id in runs.items():
        if (state := cluster.ended(name, run_id, timeout=900)) != "success":
            raise RuntimeError(f"{name} {run_id}: {state}")


def _spent(roots: Mapping[str, Iterable[psutil.Process]]) -> Spent:
    return {name: _cpu(processes) for name, processes in roots.items()}


def _cpu(roots: Iterable[psutil.Process]) -> float:
    """The CPU seconds of these processes and of all that they started, whether these have ended or not."""
    total = 0.0
    for root in roots:
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total
