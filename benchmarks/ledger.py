"""The patron ledger of a million patrons: bytes on disk, seconds to read, to write and to update, and memory."""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import polars as pl

from patronload.targets.patron_ledger import LEFT, PatronLedger

DAY = date(2026, 11, 20)
PATRONS = 1_000_000


def measure(patrons: int = PATRONS) -> None:
    """Print the figures of one night: 99.7 % of the patrons are in the file, with a hash of what each row says."""
    print(f"ledger: {patrons:,} patrons")
    ledger = PatronLedger.empty(folds=True)
    people = pl.DataFrame({"key": [f"u{number:07}" for number in range(patrons)]})
    with _timed("first load: confirm all"):
        said = ledger.pack({"personal.email": "ann@campus.example"})
        content = ledger.contents(people["key"])
        ledger.confirm(people.with_columns(content, pl.lit(said).alias("said")), "key", DAY)
    file = io.BytesIO()
    with _timed("write"):
        ledger.write(file)
    size = len(file.getbuffer())
    file.seek(0)
    with _timed("read"):
        ledger = PatronLedger.read(file, ledger.secret, folds=True)
    present = people["key"].gather_every(1)[: int(patrons * 0.997)]
    with _timed("hash the keys of a file"):
        hashes = ledger.hashes(present)
    with _timed("count who is missing"):
        ledger.count_missing(hashes, DAY + timedelta(1))
    with _timed("settle who has left"):
        missing = ledger.patrons.filter(pl.col("state") == "missing")["hash"]
        ledger.settle(missing, LEFT, DAY + timedelta(1))
    in_memory = ledger.patrons.estimated_size() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {size / 1e6:,.0f} MB on disk, {in_memory:,.0f} MB as a polars frame; peak of the process {peak:,.0f} MB")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    start, cpu = time.perf_counter(), time.process_time()
    yield
    print(f"  {time.perf_counter() - start:7.2f} s, {time.process_time() - cpu:6.2f} s of CPU  {what}")
