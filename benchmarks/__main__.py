"""
Measure: python -m benchmarks [rows]

* core: from CSV bytes to chunk bodies, validation included, beside a script of the kind libraries write themselves
  (csv and json, no validation), on the same made-up rows;
* post: users a second and memory of the client, against a FOLIO that answers at once;
* parse: what one more tenant costs Airflow's DAG processor, beside reading its YAML with PyYAML alone;
* tenants: a thousand tenant files in Airflow's DAG processor, with its default time-outs, and whether a second reading
  makes new versions of the DAGs;
* run: a load of ten patrons beside a DAG of as many empty tasks, as Airflow comes and with the preload setting;
* loaders: the same patrons planned and posted by Patronload, and loaded by folio_data_import if that is installed.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks import loaders, many_tenants, posting, script
from local import exports as made_up
from patronload import chunks, exports, mappings, paths, targets, tenants, transform, validation

TENANTS = 100


class Stage(NamedTuple):
    """A named piece of work and how long it took, in seconds."""

    name: str
    seconds: float


def main() -> None:
    """Print the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    core(rows)
    print("post: the client's side alone")
    posting.measure()
    parse()
    many_tenants.thousand()
    many_tenants.overhead()
    loaders.loaders(100_000)


def core(rows: int) -> None:
    """The stages of a load before the first request."""
    content = made_up.northfield(date(2026, 11, 21), rows).content
    print(f"core: {rows:,} rows, {len(content) / 1e6:.1f} MB")
    tenant, mapping = tenants.load("northfield"), mappings.load("folio/banner_patrons")
    stages: list[Stage] = []
    export = _timed(stages, "read", lambda: exports.read(content, tenant.source))
    found = _timed(stages, "validate", lambda: validation.validate(export, mapping))
    made = _timed(stages, "transform", lambda: transform.transform(export.frame, mapping, found.rejects))
    _timed(stages, "chunks", lambda: _bodies(made, tenant))
    theirs: list[Stage] = []
    _timed(theirs, "csv+json script", lambda: script.bodies(content.decode(), tenant.target.chunk_size))
    for stage in [*stages, *theirs]:
        print(f"  {stage.name:16} {stage.seconds:7.2f} s {rows / stage.seconds:12,.0f} rows/s")
    ours = sum(stage.seconds for stage in stages)
    without = ours - stages[1].seconds
    print(f"  all stages take {ours / theirs[0].seconds:.2f} times as long as the script, which validates nothing;")
    print(f"  without the validation {without / theirs[0].seconds:.2f} times")


def parse() -> None:
    """What Airflow's DAG processor spends on the tenants' DAGs, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        include = Path(folder) / "include"
        shutil.copytree(paths.include(), include)
        text = (include / "tenants" / "stclare.yaml").read_text()
        for number in range(TENANTS):
            (include / "tenants" / f"lib{number:03}.yaml").write_text(
                text.replace("tenant: stclare", f"tenant: lib{number:03}")
            )
        code = (
            "import sys, time, yaml, pathlib, airflow.sdk; sys.path[:0] = ['dags', 'plugins']; import patronload.tasks;"
            "files = sorted(pathlib.Path(sys.argv[1], 'tenants').glob('*.yaml'));"
            "start = time.process_time(); import patron_load; spent = time.process_time() - start;"
            "start = time.process_time(); [yaml.load(f.read_text(), yaml.CSafeLoader) for f in files];"
            "print(spent / len(files), (time.process_time() - start) / len(files))"
        )
        environment = {"PATRONLOAD_INCLUDE": str(include), "AIRFLOW_HOME": folder, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", code, str(include)],
            cwd=paths.PROJECT, env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
    ours, yaml_alone = map(float, done.stdout.split()[-2:])
    print(f"parse: {TENANTS} tenants, {ours * 1000:.1f} ms of CPU each, {ours / yaml_alone:.1f} times PyYAML alone")


def _timed(stages: list[Stage], name: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = work()
    stages.append(Stage(name, time.perf_counter() - start))
    return result


def _bodies(made: transform.Transformed, tenant: tenants.Tenant) -> int:
    patrons = made.patrons[transform.PATRON]
    room = tenant.target.chunk_bytes - targets.request_overhead(tenant.target)
    numbers = chunks.numbers(patrons.str.len_bytes(), tenant.target.chunk_size, room)
    frame = made.patrons.with_columns(chunk=pl.Series(numbers))
    return sum(
        len(targets.request_body(tenant.target, chunk[transform.PATRON]))
        for chunk in frame.partition_by("chunk", maintain_order=True)
    )


if __name__ == "__main__":
    main()
