"""
How long a load takes into a FOLIO as fast as the real modules: 5,000 and 50,000 patrons, by stage.

Three nights each: everyone is new, nothing has changed, everyone has another first name. For the last one it also says
which share of post goes into reading a chunk's users again before sending them, and laying the plan's changes over
them. The stand-in makes each call to another module wait as long as a call to the real ones took.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from benchmarks import stored
from benchmarks.night import FIRST
from benchmarks.null_folio import TENANT
from patronload import connections
from patronload.artifacts import names
from patronload.config import tenants
from patronload.connections import Connection
from patronload.loads.load import Load
from patronload.stages import plan, post, report, transform
from patronload.targets.folio.read_back import ReadBack
from sandbox.everything import give_reference_data
from sandbox.folio import FolioServer, FolioTenant
from sandbox.folio.connections import MEASURED_CALL_SECONDS

SIZES = (5_000, 50_000)
NIGHTS = (("everyone new", "Ann"), ("unchanged", "Ann"), ("everyone changed", "Renamed"))
TARGET = 0.15
"""The share of a load that reading again may take at most."""


class Night(NamedTuple):
    """
    A load: seconds of its stages before post, of post, of reading again inside post; and what the report counts.

    again_cpu: seconds of a processor that reading again took; reads: the requests of post besides the imports.
    """

    before: float
    posting: float
    again: float
    again_cpu: float
    reads: int
    report: dict[str, Any]


def measure(sizes: Sequence[int] = SIZES) -> None:
    """Print the figures of each size."""
    logging.disable(logging.CRITICAL)
    print(f"speed: with a FOLIO whose calls take {MEASURED_CALL_SECONDS * 1000:.0f} ms or up to half as long again")
    for patrons in sizes:
        _measure(patrons)


def _measure(patrons: int) -> None:
    with FolioServer([FolioTenant(TENANT)]) as folio, tempfile.TemporaryDirectory() as folder:
        give_reference_data(folio.store(TENANT))
        folio.faults.call_seconds = MEASURED_CALL_SECONDS
        account = Connection("lib_folio", host=folio.url, login="loader", password="Loader-pass-1")  # noqa: S106 - the stand-in's
        with patch.object(connections, "get", lambda _: account):
            for number, (name, first) in enumerate(NIGHTS):
                _show(patrons, name, _night(folio, Path(folder), number, patrons, first))


def _show(patrons: int, name: str, night: Night) -> None:
    sent = sum(night.report[count] for count in ("created", "updated"))
    speed = f", {sent / night.posting:5.0f} a second" if sent else ""
    print(
        f"  {patrons:7,} patrons, {name:16} {sent:7,} sent; transform and plan {night.before:6.1f} s, "
        f"post {night.posting:7.1f} s{speed}",
        flush=True,
    )
    if night.report["updated"]:
        share = night.again / (night.before + night.posting)
        print(
            f"    reading again {night.again:.1f} s, {share:.1%} of the load (target: {TARGET:.0%}); "
            f"{night.reads:,} requests, {night.again_cpu:.1f} s of CPU",
            flush=True,
        )


def _night(folio: FolioServer, folder: Path, number: int, patrons: int, first: str) -> Night:
    load = _load(folder, number, [stored.row(one, first) for one in range(patrons)])
    started = time.perf_counter()
    transform.transform(load)
    plan.plan(load)
    planned, seen = time.perf_counter(), len(folio.journal)
    with _timed() as again:
        post.post(load)
    posted = time.perf_counter()
    reads = sum(one.method == "GET" for one in folio.journal[seen:])
    report.report(load)
    elapsed, cpu = map(sum, zip(*again, strict=True)) if again else (0.0, 0.0)
    return Night(planned - started, posted - planned, elapsed, cpu, reads, load.run.read_json(names.REPORT))


def _load(folder: Path, number: int, lines: list[str]) -> Load:
    """A run with what fetch and validate leave behind; only what has changed is sent."""
    load = stored.load(folder, f"night{number}", FIRST + timedelta(number))
    stored.leave(load.run, lines)
    target = load.tenant.target.model_copy(update={"send": "changed"})
    changed = {"target": target, "limits": tenants.Limits(max_rejects="1%", known_ids="0%")}
    return load._replace(tenant=load.tenant.model_copy(update=changed))


@contextmanager
def _timed() -> Iterator[list[tuple[float, float]]]:
    """The seconds and CPU seconds of each call by which a chunk is read again and merged; there are no other calls."""
    seconds: list[tuple[float, float]] = []

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def measured(*given: Any) -> Any:
            started, busy = time.perf_counter(), time.thread_time()
            try:
                return work(*given)
            finally:
                seconds.append((time.perf_counter() - started, time.thread_time() - busy))

        return measured

    with (
        patch.object(ReadBack, "users", timed(ReadBack.users)),
        patch.object(ReadBack, "as_planned", timed(ReadBack.as_planned)),
    ):
        yield seconds
