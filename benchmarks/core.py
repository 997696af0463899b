"""
The stages of a load before the first request, on a made-up export of 28 columns with 12 expectations.

`python -m benchmarks.core FOLDER` runs the steps `validate` and `transform` on the export in a folder and cuts chunks,
in a process of its own so that its peak of memory is its own; with --script the script does it.
"""

import importlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import delivery, migration_tools, script, wide
from patronload import paths, runs, steps, tenants
from patronload.loads import Load
from patronload.runs import Run

CHUNK = 250
SIZES = (100_000, 1_000_000, 2_000_000)
VALIDATE, TRANSFORM, CHUNKS = "read, validate", "transform", "chunks"


def measure(rows: int, bad: float = 0.0) -> None:
    """Print what each stage takes, beside the script on the same file."""
    with tempfile.TemporaryDirectory() as folder:
        export = _export(Path(folder), rows, bad)
        print(f"core: {rows:,} rows, {export.stat().st_size / 1e6:.0f} MB, {bad:.0%} of the rows bad")
        ours, theirs = _measured(folder), _measured(folder, "--script")
        mapper = migration_tools.speed(Path(folder))
    stages = {**ours["seconds"], "all": sum(ours["seconds"].values()), "script": theirs["seconds"]["script"]}
    for name, seconds in stages.items():
        cpu = (ours["cpu"] | theirs["cpu"]).get(name, sum(ours["cpu"].values()))
        print(f"  {name:16} {seconds:7.2f} s {rows / seconds:12,.0f} rows/s {cpu:7.2f} s of CPU")
    for name, seconds in (("from bytes to chunks, validated", stages["all"]), ("transform", stages[TRANSFORM])):
        print(f"  {name}: {stages['script'] / seconds:.1f} times as fast as the script, which validates nothing")
    if mapper:
        print(f"  folio_migration_tools' user mapper: {mapper:,.0f} rows/s, on 2,000 rows")
        print(f"  transform: {rows / stages['transform'] / mapper:.0f} times as fast as the mapper")
    print(f"  peak memory {ours['peak']:,.0f} MB, the script {theirs['peak']:,.0f} MB; {ours['told']}")


def sizes() -> None:
    """Print what a row costs in exports of several sizes, side by side."""
    print("sizes: what a row costs, in microseconds by the clock and of CPU; peak memory")
    for rows in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            _export(Path(folder), rows, 0.0)
            found = _measured(folder)
        clock, cpu = (1e6 * sum(found[kind].values()) / rows for kind in ("seconds", "cpu"))
        print(f"  {rows:10,} rows {clock:7.1f} us {cpu:7.1f} us of CPU {found['peak']:8,.0f} MB")


def steps_alone(rows: int, bad: float) -> list[float]:
    """The seconds of validate and of transform, without the imports, in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        _export(Path(folder), rows, bad)
        seconds = _measured(folder)["seconds"]
    return [seconds[VALIDATE], seconds[TRANSFORM]]


def _export(folder: Path, rows: int, bad: float) -> Path:
    export = folder / "run" / runs.EXPORT
    export.parent.mkdir()
    wide.write(export, rows, bad)
    return export


def _measured(folder: str, *more: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.core", folder, *more]
    environment = os.environ | {"PATRONLOAD_INCLUDE": str(_include(Path(folder)))}
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        command, cwd=paths.PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def _include(folder: Path) -> Path:
    """Northfield's tenant with the mapping of 28 columns."""
    include = folder / "include"
    (include / "tenants").mkdir(parents=True, exist_ok=True)
    text = (paths.PROJECT / "include" / "tenants" / "northfield.yaml").read_text(encoding="utf-8")
    text = (
        text.replace("folio/banner_patrons", "folio/wide")
        .replace('"|"', '","')
        .replace("most_rejects: 5%", "most_rejects: 50%")
    )
    (include / "tenants" / "northfield.yaml").write_text(text, encoding="utf-8")
    add_mapping(include)
    return include


def add_mapping(include: Path) -> None:
    """The mapping of 28 columns, as folio/wide."""
    (include / "mappings" / "folio").mkdir(parents=True, exist_ok=True)
    shutil.copy(wide.MAPPING, include / "mappings" / "folio" / "wide.yaml")


class _Clock:
    """How long named pieces of work take, by the clock and by the processor."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def run(self, name: str, work: Any) -> Any:
        start, spent = time.perf_counter(), time.process_time()
        result = work()
        self.seconds[name], self.cpu[name] = time.perf_counter() - start, time.process_time() - spent
        return result


def _stages(folder: Path) -> dict[str, Any]:
    importlib.import_module("patronload.validation")  # Great Expectations takes seconds, which are not measured here
    tenant, run, clock = tenants.load("northfield"), Run(folder / "run"), _Clock()
    delivery.leave(run)
    load = Load(tenant, run, "bench", date(2026, 11, 21))
    clock.run(VALIDATE, lambda: steps.validate(load))
    counts = clock.run(TRANSFORM, lambda: steps.transform(load))
    chunks = clock.run(CHUNKS, lambda: _chunks(load))
    return _told(clock, f"{counts['patrons']:,} patrons, {counts['rejected']:,} rejected, {chunks:,} chunks")


def _chunks(load: Load) -> int:
    patrons = pl.read_parquet(load.run.folder / runs.PATRONS, columns=["patron"])
    return len(set(steps._cut(load.run, load.tenant.target, patrons.with_columns(level=0))))  # noqa: SLF001 - the step's


def _script(folder: Path) -> dict[str, Any]:
    clock = _Clock()
    chunks = clock.run("script", lambda: script.run(folder / "run" / runs.EXPORT, folder / "bodies", CHUNK))
    return _told(clock, f"{chunks:,} chunks")


def _told(clock: _Clock, told: str) -> dict[str, Any]:
    return {"seconds": clock.seconds, "cpu": clock.cpu, "peak": _peak(), "told": told}


def _peak() -> float:
    """In MB. On Linux getrusage also counts what the parent had; macOS counts in bytes."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1e3


if __name__ == "__main__":
    made = (_script if "--script" in sys.argv else _stages)(Path(sys.argv[1]))
    print(json.dumps(made))
