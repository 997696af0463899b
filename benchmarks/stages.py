"""
Every stage of a load of many patrons: its peak memory, and the seconds for each row, at several sizes.

Two days for each library system: on the first everyone is new, on the second the complete file has 1 % of the patrons
changed and FOLIO has all of them. Each stage runs in a process of its own, as an Airflow task does; the systems are in
processes of their own and keep little. `python -m benchmarks.stages STAGE TENANT DAY FOLDER` runs one stage.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks import stored
from benchmarks.core import peak
from benchmarks.null_folio import TENANT
from patronload import settings
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.loads.load import Load
from sandbox.infiniti import InfinitiServer
from sandbox.smtp import MailServer

SIZES = (100_000, 300_000, 1_000_000, 2_000_000)
LIMITS = {1_000_000: 1_600, 2_000_000: 2_000}
"""The most that a stage may take of memory, in MB, by rows."""
STAGES = ("fetch", "validate", "transform", "plan", "post", "report", "notify")
DAYS = (date(2026, 11, 20), date(2026, 11, 21))
HEADERS = {
    "folio": stored.HEADER,
    "infiniti": "username,enabled,staffmemberid,givenname,surname,middleinitialname,preferredname,emailaddress,"
    "graduationyear,librarybarcode,adminsystemid,gender,password,formclass,presentationgrouplabel\n",
}
MAPPINGS = {"folio": "folio/flat_patrons", "infiniti": "infiniti/article_patrons"}
TARGETS = {
    "folio": f"{{type: folio, connection: lib_folio, folio_tenant: {TENANT}, chunk_size: 250}}",
    "infiniti": "{type: infiniti, connection: lib_infiniti, chunk_size: 1000}",
}


class Cost(NamedTuple):
    """The cost of a stage: seconds, seconds of CPU, and its peak memory in MB."""

    seconds: float
    cpu: float
    peak: float


def measure(sizes: tuple[int, ...] = SIZES) -> None:
    """Print a table for each library system and size."""
    print("stages: each in a process of its own; microseconds of CPU for each row, and peak memory in MB")
    for system in HEADERS:
        for rows in sizes:
            found = dict(_load(system, rows))
            for day in (1, 2):
                told = "  ".join(
                    f"{stage} {1e6 * found[stage, day].cpu / rows:.1f} us {found[stage, day].peak:,.0f} MB"
                    for stage in STAGES
                )
                print(f"  {system} {rows:10,} rows, day {day}: {told}", flush=True)
            most = max(cost.peak for cost in found.values())
            if rows in LIMITS:
                print(f"  {system} {rows:10,} rows: at most {most:,.0f} MB (target: {LIMITS[rows]:,})", flush=True)


def _load(system: str, rows: int) -> Iterator[tuple[tuple[str, int], Cost]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mails = stack.enter_context(MailServer(folder / "mails", page=False))
        _write_tenant(folder, system)
        for day in (1, 2):
            _write_export(folder, system, rows, changed=day > 1)
            with _server(system, rows if day > 1 else 0, folder) as url:
                for stage in STAGES:
                    yield (stage, day), _measured(stage, system, day, folder, url, mails.port)


def _measured(stage: str, system: str, day: int, folder: Path, url: str, mail_port: int) -> Cost:
    account = {"conn_type": "http", "host": url, "login": "loader", "password": "Loader-pass-1"}
    environment = os.environ | {
        "AIRFLOW_HOME": f"{folder}/airflow",
        f"AIRFLOW_CONN_LIB_{system.upper()}": json.dumps(account),
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(
            {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": mail_port,
                "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "patrons@lib.example"},
            }
        ),
        "PATRONLOAD_INCLUDE": str(folder / "include"),
    }
    command = [sys.executable, "-m", "benchmarks.stages", stage, system, str(day), str(folder)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        command, cwd=settings.PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def _write_tenant(folder: Path, system: str) -> None:
    include = folder / "include"
    (include / "tenants").mkdir(parents=True)
    (include / "mappings").symlink_to(settings.PROJECT / "include" / "mappings")
    (include / "tenants" / f"{system}.yaml").write_text(
        f"""
tenant: {system}
library: A Library
mapping: {MAPPINGS[system]}
timezone: UTC
source: {{type: folder, path: {folder}/patrons.csv, contains: everyone, quiet_seconds: 0}}
target: {TARGETS[system]}
notify: {{always: [library@lib.example], on_failure: [oncall@lib.example]}}
"""
    )


def _write_export(folder: Path, system: str, rows: int, *, changed: bool) -> None:
    """The file of a day, over that of the day before."""
    line = stored.row if system == "folio" else _pupil
    with (folder / "patrons.csv").open("w") as file:
        file.write(HEADERS[system])
        for number in range(rows):
            renamed = changed and number % stored.CHANGED == 0
            file.write(line(number, "Renamed" if renamed else "Ann"))


def _pupil(number: int, first: str) -> str:
    return (
        f"pupil{number},Y,N,{first},Adams{number % 997},,,p{number}@school.example,2031,{number:08},S{number:07},F,,"
        f"{number % 12}A,Middle\n"
    )


@contextmanager
def _server(system: str, users: int, folder: Path) -> Iterator[str]:
    """The address of the library system, in another process; FOLIO has this many users."""
    command = [sys.executable, "-m", "benchmarks.stages", "serve", system, str(users), str(folder)]
    with subprocess.Popen(  # noqa: S603 - as above
        command, cwd=settings.PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


def _serve(system: str, users: int) -> None:
    if system == "folio":
        stored.serve(users)
        return
    with InfinitiServer("loader", "Loader-pass-1") as server:
        print(server.url.rpartition(":")[2], flush=True)
        sys.stdin.read()


def _stage(stage: str, tenant: str, day: int, folder: Path) -> Cost:
    logging.disable(logging.CRITICAL)
    run = f"day{day}"
    load = Load(tenants.load(tenant), Run(folder / "artifacts" / tenant / run), run, DAYS[day - 1])
    work: Any = getattr(import_module(f"patronload.stages.{stage}"), stage)
    started, spent = time.perf_counter(), time.process_time()
    work(load)
    return Cost(time.perf_counter() - started, time.process_time() - spent, peak())


def main(words: list[str]) -> None:
    """See above."""
    if words[0] == "serve":
        _serve(words[1], int(words[2]))
        return
    pl.thread_pool_size()  # starts polars before the clock does
    print(json.dumps(_stage(words[0], words[1], int(words[2]), Path(words[3]))))


if __name__ == "__main__":
    main(sys.argv[1:])
