"""
An ordinary night: a complete file of 100,000 patrons of whom 1 % have changed, 0.5 % are new and 0.3 % have left.

Patronload's requests and seconds beside those of folio_data_import on the same stand-in, which sends every patron of
the file; it is measured on fewer patrons and scaled. A page of users counts as one request.
"""

from __future__ import annotations

import logging
import random
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import polars as pl

from benchmarks import loaders, stored
from benchmarks.null_folio import TENANT
from patronload import connections
from patronload.artifacts import names
from patronload.config import tenants
from patronload.config.leavers import Leavers
from patronload.connections import Connection
from patronload.loads import ledger_store
from patronload.loads.load import Load
from patronload.stages import plan, post, report, transform
from sandbox.everything import give_reference_data
from sandbox.folio import FolioServer, FolioTenant

CHANGED, NEW, LEFT = 0.01, 0.005, 0.003
THEIRS = 500
"""The number of patrons for folio_data_import; all of them would take an hour."""
FIRST = date(2026, 11, 20)
TARGET = 50
"""How many times as many requests folio_data_import needs at least."""


class Cost(NamedTuple):
    """The requests and seconds of a loader for a number of patrons."""

    requests: int
    seconds: float

    def scaled(self, factor: float) -> Cost:
        """For more patrons."""
        return Cost(round(self.requests * factor), self.seconds * factor)


def measure(rows: int) -> None:
    """Print both, side by side."""
    logging.disable(logging.CRITICAL)
    print(f"night: {rows:,} patrons, {CHANGED:.1%} changed, {NEW:.1%} new, {LEFT:.1%} left")
    with FolioServer([FolioTenant(TENANT)]) as folio, tempfile.TemporaryDirectory() as folder:
        give_reference_data(folio.store(TENANT))
        account = Connection("lib_folio", host=folio.url, login="loader", password="Loader-pass-1")  # noqa: S106 - the stand-in's
        with patch.object(connections, "get", lambda _: account):
            ours, told, patrons = _ours(folio, Path(folder), rows)
        _show("Patronload", ours)
        counts = ", ".join(f"{told[name]:,} {name}" for name in ("created", "updated", "unchanged", "rejected"))
        print(f"    {counts}; {told['people']['left']:,} made inactive")
        theirs = _theirs(folio, Path(folder), patrons[:THEIRS])
    if theirs:
        whole = theirs.scaled(rows / THEIRS)
        _show(f"folio_data_import, scaled from {THEIRS:,}", whole)
        times = whole.requests / ours.requests
        print(
            f"  {times:,.0f} times the requests (target: {TARGET}), "
            f"{whole.seconds / ours.seconds:,.1f} times the seconds"
        )


def _show(who: str, cost: Cost) -> None:
    print(f"  {who:36} {cost.requests:10,} requests {cost.seconds:10,.1f} s")


def _ours(folio: FolioServer, folder: Path, rows: int) -> tuple[Cost, dict[str, object], list[str]]:
    """The night, after a first load of everyone and a night on which those who leave were missing already."""
    first = _load(folder, "first", FIRST, [stored.row(number, "Ann") for number in range(rows)])
    started = time.perf_counter()
    _through(first)
    print(f"  (the first load of everyone took {time.perf_counter() - started:,.0f} s)")
    lines = _next_night(rows)
    ledger = ledger_store.read(first.run, first.tenant.system)
    assert ledger is not None  # the first load has begun it
    ledger.count_missing(ledger.hashes(line.partition(",")[0] for line in lines), FIRST + timedelta(1))
    ledger_store.write(first.run, ledger)
    night = _load(folder, "night", FIRST + timedelta(2), lines)
    before, started = len(folio.journal), time.perf_counter()
    told = _through(night)
    cost = Cost(len(folio.journal) - before, time.perf_counter() - started)
    return cost, told, pl.read_parquet(night.run.folder / names.PATRONS)["patron"].to_list()


def _next_night(rows: int) -> list[str]:
    """The same people, some without a row, some with another first name, and some who are new."""
    chance = random.Random("night")  # noqa: S311 - the same night each time
    numbers = set(range(rows)) - set(chance.sample(range(rows), round(rows * LEFT)))
    renamed = set(chance.sample(sorted(numbers), round(rows * CHANGED)))
    lines = [stored.row(number, "Renamed" if number in renamed else "Ann") for number in numbers]
    lines += [stored.row(number, "Ann") for number in range(rows, rows + round(rows * NEW))]
    chance.shuffle(lines)
    return lines


def _load(folder: Path, name: str, day: date, lines: list[str]) -> Load:
    """A run with what fetch and validate leave behind."""
    leavers = Leavers(action="deactivate", after="1 days", missing_loads=1, max="5%")
    limits = tenants.Limits(max_rejects="1%", known_ids="0%")
    changed = {"leavers": leavers, "limits": limits}
    load = stored.load(folder, name, day)
    stored.leave(load.run, lines)
    return load._replace(tenant=load.tenant.model_copy(update=changed))


def _through(load: Load) -> dict[str, object]:
    """The report of a load, after the stages that cost requests."""
    for step in (transform.transform, plan.plan, post.post, report.report):
        step(load)
    told: dict[str, object] = load.run.read_json(names.REPORT)
    return told


def _theirs(folio: FolioServer, folder: Path, patrons: list[str]) -> Cost | None:
    work = loaders.folio_data_import(folio.url, folder, patrons)
    if work is None:
        return None
    before, start = len(folio.journal), time.perf_counter()
    work()
    return Cost(len(folio.journal) - before, time.perf_counter() - start)
