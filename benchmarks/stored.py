"""
Plan a complete file of as many patrons as FOLIO has users: seconds for each, and memory, from 100,000 to 1,000,000.

FOLIO is another process that serves the users in pages as fast as it can. 1 % of the rows differ. Each size is planned
in a process of its own, as an Airflow task is.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from unittest.mock import patch
from urllib.parse import parse_qs, unquote_plus, urlsplit

import polars as pl

from benchmarks import null_folio
from benchmarks.null_folio import TENANT
from patronload import connections, settings
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.connections import Connection
from patronload.loads.load import Load
from patronload.rows import REJECTS
from patronload.stages import plan, transform

SIZES = (100_000, 1_000_000)
DAY = date(2026, 11, 20)
CHANGED = 100
"""One row of this number differs from what FOLIO has."""

HEADER = "externalSystemId,username,barcode,patronGroup,lastName,firstName,email,phone,expirationDate\n"


def measure() -> None:
    """Print the figures of both sizes."""
    print("stored: the plan of a complete file, with all users read from FOLIO")
    for users in SIZES:
        command = [sys.executable, "-m", "benchmarks.stored", "plan", str(users)]
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            command, cwd=settings.PROJECT, check=True, stdout=subprocess.PIPE, text=True
        )
        took = json.loads(done.stdout.splitlines()[-1])
        each, cpu = (1e6 * took[name] / users for name in ("seconds", "cpu"))
        print(
            f"  {users:10,} users {took['seconds']:8.1f} s {each:7.0f} us each, {cpu:5.0f} us of CPU, "
            f"peak {took['peak']:6,.0f} MB; {took['unchanged']:,} unchanged"
        )


def _plan(users: int) -> None:
    """Plan in this process; prints one line of JSON."""
    logging.disable(logging.CRITICAL)
    command = [sys.executable, "-m", "benchmarks.stored", "serve", str(users)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(  # noqa: S603 - as above
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=settings.PROJECT
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        prepare = [sys.executable, "-m", "benchmarks.stored", "transform", str(users), folder]
        subprocess.run(prepare, cwd=settings.PROJECT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - as above
        made = load(Path(folder), "run", DAY)
        account = Connection("lib_folio", host=url, login="loader", password="Loader-pass-1")  # noqa: S106 - the stand-in's
        start, cpu = time.perf_counter(), time.process_time()
        with patch.object(connections, "get", lambda _: account):
            counts = plan.plan(made)
        took = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(took | {"peak": peak, "unchanged": counts["unchanged"]}))
        process.stdin.close()


def _transform(users: int, folder: str) -> None:
    """Make the patrons in this process."""
    logging.disable(logging.CRITICAL)
    made = load(Path(folder), "run", DAY)
    leave(made.run, (row(number, "Ann" if number % CHANGED else "Renamed") for number in range(users)))
    transform.transform(made)


def load(folder: Path, name: str, day: date) -> Load:
    """A load of a library with complete files."""
    tenant = tenants.Tenant.model_validate(
        {
            "tenant": "lib",
            "library": "A Library",
            "mapping": "folio/flat_patrons",
            "timezone": "UTC",
            "source": {"type": "folder", "path": "/nowhere/patrons.csv", "contains": "everyone"},
            "target": {"type": "folio", "connection": "lib_folio", "folio_tenant": TENANT, "chunk_size": 250},
            "limits": {"max_rejects": "100%"},
            "notify": {"on_failure": ["oncall@lib.example"]},
        }
    )
    return Load(tenant, Run(folder / "lib" / name), name, day)


def leave(run: Run, lines: Iterable[str]) -> None:
    """Write the artifacts of fetch and validate."""
    count = 0
    with run.writing(names.EXPORT) as file:
        file.write(HEADER.encode())
        for line in lines:
            file.write(line.encode())
            count += 1
    now = "2026-11-20T08:00:00+00:00"
    facts = {"name": names.EXPORT, "path": names.EXPORT, "size": 1, "modified": now, "fetched": now, "sha256": "0" * 64}
    run.write_json(names.DELIVERY, facts)
    run.write_json(names.VALIDATION, {"rows": count, "columns": HEADER.strip().split(","), "checks": []})
    with run.writing(names.VALIDATE_REJECTS) as rejects:
        pl.DataFrame(schema=REJECTS).write_parquet(rejects)


def row(number: int, first: str) -> str:
    """The line of a patron."""
    return (
        f"u{number:07},user{number},{number:08},Student,Adams{number % 997},{first},u{number}@campus.example,"
        f"+1 312 555 0{number % 1000:03},2029-08-31\n"
    )


def serve(users: int) -> None:
    """A FOLIO with that many users; ends when the standard input closes."""
    answer = null_folio.answer

    def with_users(line: bytes, body: bytes) -> bytes:
        method, target, _ = line.split(b" ", 2)
        if method == b"GET" and target.split(b"?", 1)[0] == b"/users":
            return null_folio.http(200, _page(target.decode(), users))
        return answer(line, body)

    with patch.object(null_folio, "answer", with_users):
        asyncio.run(null_folio.serve())


def _page(target: str, users: int) -> bytes:
    asked = parse_qs(urlsplit(target).query)
    limit = int(asked.get("limit", ["10"])[0])
    after = re.search(r'id>"([0-9a-f]{8})', unquote_plus(asked.get("query", [""])[0]))
    start = int(after[1], 16) + 1 if after else 0
    page = ",".join(_user(number) for number in range(start, min(start + limit, users)))
    return f'{{"users":[{page}],"totalRecords":{users}}}'.encode()


def _user(number: int) -> str:
    return (
        f'{{"id":"{number:08x}-0000-4000-8000-000000000000","externalSystemId":"u{number:07}","username":"user{number}",'
        f'"barcode":"{number:08}","active":true,"type":"patron","patronGroup":"{GROUP}","departments":[],'
        f'"proxyFor":[],"personal":{{"lastName":"Adams{number % 997}","firstName":"Ann",'
        f'"email":"u{number}@campus.example","phone":"+1 312 555 0{number % 1000:03}","addresses":[],'
        '"preferredContactTypeId":"002"},"expirationDate":"2029-08-31T23:59:59.000+00:00",'
        '"createdDate":"2026-11-01T04:30:00.000+00:00","updatedDate":"2026-11-01T04:30:00.000+00:00",'
        '"metadata":{"createdDate":"2026-11-01T04:30:00.000+00:00","updatedDate":"2026-11-01T04:30:00.000+00:00"}}'
    )


GROUPS = json.loads(null_folio.LISTS[b"/groups"])["usergroups"]
GROUP = next(row["id"] for row in GROUPS if row["group"] == "undergrad")


if __name__ == "__main__":
    if sys.argv[1] == "transform":
        _transform(int(sys.argv[2]), sys.argv[3])
    else:
        {"plan": _plan, "serve": serve}[sys.argv[1]](int(sys.argv[2]))
