"""Measure how long it takes to find a patron in 30 runs of 100,000 rows, by id and by e-mail address."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import polars as pl

from patronload.artifacts import names, tables
from patronload.artifacts.run import Run, runs_in
from patronload.config import tenants
from patronload.reporting import finding
from patronload.rows import ROW

RUNS = 30


def measure(rows: int) -> None:
    """Print the seconds; each run has the tables that a load of this size leaves."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, PATRONLOAD_ARTIFACTS=f"file://{folder}"):
        for number in range(RUNS):
            _leave(Run(Path(folder) / "northfield" / f"night{number:02}"), rows)
        tenant = tenants.load("northfield")
        for kind, value in (("id", f"N{rows // 2:08}"), ("e-mail address", f"person{rows // 2}@campus.example")):
            started = time.process_time()
            found = finding.search(runs_in(Path(folder) / "northfield"), tenant, value)
            spent = time.process_time() - started
            print(f"find by {kind}: {len(found.hits)} of {found.runs} runs of {rows:,} rows in {spent:.1f} s of CPU")


def _leave(run: Run, rows: int) -> None:
    frame = pl.DataFrame({"row": pl.int_range(2, rows + 2, eager=True, dtype=pl.UInt32)})
    number = (pl.col("row") - 2).cast(pl.String)
    frame = frame.with_columns(
        externalSystemId=pl.format("N{}", number.str.zfill(8)),
        username=pl.format("person{}", number),
        barcode=pl.format("2{}", number.str.zfill(13)),
    )
    address = pl.format("person{}@campus.example", number)
    personal = pl.struct(lastName=pl.format("Last{}", number), firstName=pl.lit("Kim"), email=address)
    record = pl.struct("externalSystemId", "username", "barcode", patronGroup=pl.lit("undergrad"), personal=personal)
    patrons = frame.with_columns(patron=record.struct.json_encode())
    run.write_json(names.FAILURE, {"stage": "report", "kind": "Defect", "message": "none"})
    tables.write(run, names.PATRONS, patrons, compression="lz4")
    raw = frame.rename({"row": ROW}).with_columns(email=pl.format("person{}@campus.example", (pl.col(ROW) - 2)))
    tables.write(run, names.ROWS, raw.with_columns(pl.lit("x" * 8).alias(f"more{n}") for n in range(12)))
    tables.write(run, names.UNCHANGED, frame.select("row", key="externalSystemId"))
    changes = frame.select("row", key="externalSystemId", action=pl.lit("unchanged"))
    empty = [pl.lit(None, pl.String).alias(name) for name in ("field", "before", "after", "why")]
    with run.writing(names.CHANGES) as file:
        writer = tables.Writer(file)
        for part in changes.with_columns(empty).iter_slices(50_000):
            writer.write(part)
        writer.close()
