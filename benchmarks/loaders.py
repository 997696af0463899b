"""
Load the same patrons with Patronload and with folio_data_import: into a FOLIO that does nothing, and into the stand-in.

folio_data_import sends four to six requests per user to mod-users and others. Patronload reads the stored users and
sends mod-user-import one request for 250. Both run in this process, FOLIO in another.
"""

import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import polars as pl

from benchmarks import delivery
from benchmarks.null_folio import TENANT
from local import exports as made_up
from patronload import connections, settings
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.connections import Connection
from patronload.loads.load import Load
from patronload.rows import REJECTS
from patronload.stages import transform

LOGIN = {"username": "loader", "password": "Loader-pass-1"}
THEIRS = 1_500
"""The number of patrons for folio_data_import; more would take minutes."""

CHUNK = 250


class Speed(NamedTuple):
    """One loader, its number of users and its seconds."""

    who: str
    users: int
    seconds: float


def loaders(rows: int) -> None:
    """Print both, side by side."""
    logging.disable(logging.CRITICAL)  # both log the rows they leave out
    for kind, ours in (("--null", rows), ("--stand-in", THEIRS)):
        print(f"loaders: into {'a FOLIO that does nothing' if kind == '--null' else 'the stand-in FOLIO'}")
        with tempfile.TemporaryDirectory() as folder:
            with _folio(kind) as url:
                patrons, speeds = _ours(url, Path(folder), ours)
            with _folio(kind) as url:
                speeds += _theirs(url, Path(folder), patrons[:THEIRS])
        for speed in speeds:
            figures = f"{speed.users:8,} users {speed.seconds:7.2f} s {speed.users / speed.seconds:10,.0f} users/s"
            print(f"  {speed.who:26} {figures}")


@contextmanager
def _folio(kind: str) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.null_folio", kind]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=settings.PROJECT
    ) as process:
        assert process.stdout
        assert process.stdin
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


def _ours(url: str, folder: Path, rows: int) -> tuple[list[str], list[Speed]]:
    """Run the stages `plan` and `post` on an export of Northfield's; returns the patrons, for the other loader."""
    tenant = tenants.load("northfield")
    target = tenant.target.model_copy(update={"chunk_size": CHUNK})
    tenant = tenant.model_copy(update={"target": target, "limits": tenants.Limits(max_rejects="100%")})
    run = Run(folder / "northfield" / "run")
    _prepare(run, made_up.northfield(date(2026, 11, 21), rows).content)
    load = Load(tenant, run, "bench", date(2026, 11, 21))
    account = Connection("northfield_folio", host=url, login=LOGIN["username"], password=LOGIN["password"])
    with patch.object(connections, "get", lambda _: account):
        transform.transform(load)
        plan = _timed("Patronload, plan", lambda: plan.plan(load)["new"])
        post = _timed("Patronload, post", lambda: post.post(load)["patrons"])
    both = Speed("Patronload, plan and post", post.users, plan.seconds + post.seconds)
    patrons = pl.read_parquet(run.folder / names.PATRONS)["patron"].to_list()
    return patrons, [plan, post, both]


def _prepare(run: Run, content: bytes) -> None:
    """Write the artifacts that fetch and validate would leave for an export without errors."""
    run.write(names.EXPORT, content)
    delivery.leave(run)
    lines = content.count(b"\n") - 1
    run.write_json(names.VALIDATION, {"rows": lines, "columns": [], "checks": []})
    with run.writing(names.VALIDATE_REJECTS) as file:
        pl.DataFrame(schema=REJECTS).write_parquet(file)


def _theirs(url: str, folder: Path, patrons: list[str]) -> list[Speed]:
    work = folio_data_import(url, folder, patrons)
    return [_timed("folio_data_import", work)] if work else []


def folio_data_import(url: str, folder: Path, patrons: list[str]) -> Callable[[], int] | None:
    """The load of `patrons` by folio_data_import, which returns the users loaded; None if it is not installed."""
    try:
        from folio_data_import.UserImport import UserImporter
        from folioclient import FolioClient
    except ImportError:
        print("  folio_data_import is not installed: pip install folio-data-import")
        return None
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    (folder / "users.jsonl").write_text("".join(f"{patron}\n" for patron in patrons))
    config = UserImporter.Config(
        library_name="Northfield", user_file_paths=folder / "users.jsonl", no_progress=True, batch_size=CHUNK
    )

    async def work() -> int:
        async with FolioClient(url, TENANT, **LOGIN, timeout=60) as client:
            importer = UserImporter(client, config)
            await importer.setup(folder / "errors.txt")
            try:
                await importer.do_import()
            finally:
                await importer.close()
            return importer.stats.created + importer.stats.updated

    return lambda: asyncio.run(work())


def _timed(who: str, work: Callable[[], int]) -> Speed:
    start = time.perf_counter()
    users = work()
    return Speed(who, users, time.perf_counter() - start)


def main() -> None:
    """python -m benchmarks.loaders [rows]"""
    os.environ.setdefault("PATRONLOAD_INCLUDE", str(settings.PROJECT / "include"))
    loaders(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)


if __name__ == "__main__":
    main()
