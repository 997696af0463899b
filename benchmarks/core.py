"""
The parts of a load before the first request, on a generated export of 28 columns with 12 expectations.

`python -m benchmarks.core FOLDER STAGE` runs one part on the export in a folder: the stage `validate`, the stage
`transform`, or cutting the chunks; or the script does everything. Each is a separate process, as each Airflow task is,
so that peak memory is measured separately.
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
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import delivery, migration_tools, script, wide
from patronload import settings
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.loads.load import Load
from patronload.loads.posting import chunks
from patronload.stages import transform, validate
from patronload.targets.outgoing import Outgoing

CHUNK = 250
SIZES = (100_000, 1_000_000, 2_000_000)
FEW = 100
"""The time for this few rows is the fixed cost of a file, whatever its size."""
VALIDATE, TRANSFORM, CHUNKS, SCRIPT = "read, validate", "transform", "chunks", "script"

IMPORTED = {
    VALIDATE: ("patronload.checks.validation", "patronload.loads.gatekeeper"),
    TRANSFORM: ("patronload.mapping.transform", "patronload.loads.gatekeeper", "pyarrow.parquet"),
    CHUNKS: ("patronload.mapping.transform", "patronload.targets.folio.user_import"),
}
"""The modules that the stages import when they run. That takes seconds, which are not measured here."""


def measure(rows: int, bad: float = 0.0) -> None:
    """Print the time of each stage, compared with the script on the same file."""
    with tempfile.TemporaryDirectory() as folder:
        made = export(Path(folder), rows, bad)
        print(f"core: {rows:,} rows, {made.stat().st_size / 1e6:.0f} MB, {bad:.0%} of the rows bad")
        ours, theirs = measured(folder), _measured(folder, SCRIPT)
        mapper = migration_tools.speed(Path(folder))
    stages = {**ours["seconds"], "all": sum(ours["seconds"].values()), SCRIPT: theirs["seconds"][SCRIPT]}
    cpu = {**ours["cpu"], "all": sum(ours["cpu"].values()), SCRIPT: theirs["cpu"][SCRIPT]}
    for name, seconds in stages.items():
        print(f"  {name:16} {seconds:7.2f} s {rows / seconds:12,.0f} rows/s {cpu[name]:7.2f} s of CPU")
    print("  compared with the script, which validates nothing:")
    for label, name in (("from bytes to chunks, validated", "all"), ("transform", TRANSFORM)):
        clock, alone = stages[SCRIPT] / stages[name], cpu[SCRIPT] / cpu[name]
        print(f"    {label}: {clock:.1f} times as fast in elapsed time, {alone:.1f} times in CPU time")
    if mapper:
        print(f"  folio_migration_tools' user mapper: {mapper:,.0f} rows/s, on 2,000 rows")
        print(f"  transform: {rows / stages[TRANSFORM] / mapper:.0f} times as fast as the mapper")
    print(f"  peak memory {ours['peak']:,.0f} MB, the script {theirs['peak']:,.0f} MB; {ours['result']}")


def sizes() -> None:
    """
    Print the cost of a row in exports of several sizes, and the fixed cost of a file: the best of three measurements,
    or of nine for small files, where any other program can add half again.
    """
    found: dict[int, list[tuple[float, float, float]]] = {rows: [] for rows in (FEW, *SIZES)}
    with tempfile.TemporaryDirectory() as folder:
        for rows in found:
            (Path(folder) / str(rows)).mkdir()
            export(Path(folder) / str(rows), rows, 0.0)
        # Alternately, because other programs on the machine usually run for a while.
        turn = [rows for rows in found for _ in range(3 if rows <= SIZES[0] else 1)]
        for _, rows in product(range(3), turn):
            took = measured(f"{folder}/{rows}")
            found[rows].append((sum(took["seconds"].values()), sum(took["cpu"].values()), took["peak"]))
    once = min(found[FEW])[0]
    print(f"sizes: the fixed cost of a file is {once:.2f} s; elapsed time per row with and without it")
    for rows in SIZES:
        clock, cpu, peak = (min(kind) for kind in zip(*found[rows], strict=True))
        whole, beyond, spent = (1e6 * seconds / rows for seconds in (clock, clock - once, cpu))
        print(f"  {rows:10,} rows {whole:7.1f} us {beyond:7.1f} us {spent:7.1f} us of CPU {peak:8,.0f} MB")


def stages_alone(rows: int, bad: float) -> list[float]:
    """The seconds of validate and of transform, without imports, each in a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        export(Path(folder), rows, bad)
        seconds = measured(folder)["seconds"]
    return [seconds[VALIDATE], seconds[TRANSFORM]]


def export(folder: Path, rows: int, bad: float) -> Path:
    """Write a generated export into the folder of a run."""
    made = folder / "run" / names.EXPORT
    made.parent.mkdir()
    wide.write(made, rows, bad)
    return made


def measured(folder: str, mapping: Path = wide.MAPPING) -> dict[str, Any]:
    """The time of all stages, their highest peak and their results. Deletes what an earlier load left."""
    for left in (Path(folder) / "run").iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != names.EXPORT:
            left.unlink()
    found = [_measured(folder, stage, mapping) for stage in STAGES]
    took = {kind: {name: spent for each in found for name, spent in each[kind].items()} for kind in ("seconds", "cpu")}
    results = ", ".join(each["result"] for each in found if each["result"])
    return {**took, "peak": max(each["peak"] for each in found), "result": results}


def _measured(folder: str, stage: str, mapping: Path = wide.MAPPING) -> Any:
    command = [sys.executable, "-m", "benchmarks.core", folder, stage]
    environment = os.environ | {"PATRONLOAD_INCLUDE": str(include(Path(folder), mapping))}
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        command, cwd=settings.PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def include(folder: Path, mapping: Path = wide.MAPPING) -> Path:
    """Northfield's tenant with the mapping of 28 columns, or another one of them."""
    made = folder / "include"
    (made / "tenants").mkdir(parents=True, exist_ok=True)
    text = (settings.PROJECT / "include" / "tenants" / "northfield.yaml").read_text(encoding="utf-8")
    text = (
        text.replace("folio/banner_patrons", "folio/wide")
        .replace('"|"', '","')
        .replace("max_rejects: 5%", "max_rejects: 50%")
    )
    (made / "tenants" / "northfield.yaml").write_text(text, encoding="utf-8")
    add_mapping(made, mapping)
    return made


def add_mapping(folder: Path, mapping: Path = wide.MAPPING) -> None:
    """The mapping of 28 columns, as folio/wide."""
    (folder / "mappings" / "folio").mkdir(parents=True, exist_ok=True)
    shutil.copy(mapping, folder / "mappings" / "folio" / "wide.yaml")


class _Clock:
    """Measures the elapsed and the CPU time of named pieces of work."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def run(self, name: str, work: Any) -> Any:
        start, spent = time.perf_counter(), time.process_time()
        result = work()
        self.seconds[name], self.cpu[name] = time.perf_counter() - start, time.process_time() - spent
        return result


def _stage(folder: Path, name: str) -> dict[str, Any]:
    """Run one stage on the artifacts of the stage before it."""
    for module in IMPORTED[name]:
        importlib.import_module(module)
    run, clock = Run(folder / "run"), _Clock()
    delivery.leave(run)
    load = Load(tenants.load("northfield"), run, "bench", date(2026, 11, 21))
    return _measurement(clock, clock.run(name, lambda: STAGES[name](load)))


def _validate(load: Load) -> str:
    validate.validate(load)
    return ""


def _transform(load: Load) -> str:
    counts = transform.transform(load)
    return f"{counts['patrons']:,} patrons, {counts['rejected']:,} rejected"


def _chunks(load: Load) -> str:
    patrons = pl.read_parquet(load.run.folder / names.PATRONS, columns=["patron"])
    numbers = set(chunks.write(load.run, load.tenant.target, Outgoing.of(patrons.with_columns(level=0))))
    return f"{len(numbers):,} chunks"


STAGES = {VALIDATE: _validate, TRANSFORM: _transform, CHUNKS: _chunks}


def _script(folder: Path) -> dict[str, Any]:
    clock = _Clock()
    chunks = clock.run(SCRIPT, lambda: script.run(folder / "run" / names.EXPORT, folder / "bodies", CHUNK))
    return _measurement(clock, f"{chunks:,} chunks")


def _measurement(clock: _Clock, result: str) -> dict[str, Any]:
    return {"seconds": clock.seconds, "cpu": clock.cpu, "peak": peak(), "result": result}


def peak() -> float:
    """Peak memory in MB. On Linux getrusage includes the parent's memory; macOS counts in bytes."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1e3


if __name__ == "__main__":
    folder, wanted = Path(sys.argv[1]), sys.argv[2]
    print(json.dumps(_script(folder) if wanted == SCRIPT else _stage(folder, wanted)))
