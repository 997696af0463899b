"""
Measure: python -m benchmarks [rows] [part ...]

* core: from CSV bytes to chunk files, including validation, compared with a script of the kind that libraries write
  themselves (csv and json, no validation), on the same generated rows;
* rules: the same mapping with ten cases and five patterns;
* pieces: where that time goes, piece by piece;
* sizes: the cost of a row in exports of 100,000, 1,000,000 and 2,000,000 rows, and the memory of every stage of a load;
* dag: a real DAG run of 100,000 rows, one in twenty bad, compared with the same stages alone;
* post: users per second and the client's memory, with a FOLIO that answers at once;
* parse: the cost of one more tenant in Airflow's DAG processor, compared with reading its YAML with PyYAML alone;
* tenants: a thousand tenant files in Airflow's DAG processor, with its default time-outs, and whether a second reading
  creates new versions of the DAGs;
* run: a load of ten patrons compared with a DAG of the same number of empty tasks, with Airflow's defaults and as
  `make up` starts it;
* cluster: loads per minute with one and two Celery workers, and the CPU seconds of a load, in each part of Airflow;
* night: a complete file of which little has changed: requests and seconds beside folio_data_import's;
* stored: the plan of a complete file, with 100,000 and 1,000,000 stored users: seconds for each, and memory;
* ledger: the patron ledger of a million patrons, on disk, in memory and in seconds;
* speed: how long 5,000 and 50,000 patrons take into a FOLIO as fast as the real one; the share of reading again;
* loaders: the same patrons planned and posted by Patronload, and loaded by folio_data_import if that is installed.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    cluster,
    core,
    dag_run,
    finding,
    ledger,
    loaders,
    many_tenants,
    night,
    pieces,
    posting,
    real_speed,
    rules,
    stages,
    stored,
)
from patronload import settings

TENANTS = 100
ROWS = 100_000


def main() -> None:
    """Print the figures."""
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    chosen = [word for word in sys.argv[1:] if not word.isdecimal()] or list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        sys.exit(f"There is no part {', '.join(unknown)}; there are {', '.join(PARTS)}.")
    for name in chosen:
        PARTS[name](numbers[0] if numbers else ROWS)


def sizes(rows: int) -> None:
    """
    Print what a row costs in small and in large files, first before the first request and then in every stage; of
    another number of rows only the stages.
    """
    if rows == ROWS:
        core.sizes()
        stages.measure()
    else:
        stages.measure((rows,))


def post() -> None:
    """Print the speed and memory of posting, without FOLIO's own time."""
    print("post: without FOLIO's own time")
    posting.measure()


def parse() -> None:
    """Print the time Airflow's DAG processor spends on each tenant's DAG, measured in a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        include = Path(folder) / "include"
        shutil.copytree(settings.include(), include)
        text = (include / "tenants" / "stclare.yaml").read_text()
        for number in range(TENANTS):
            (include / "tenants" / f"lib{number:03}.yaml").write_text(
                text.replace("tenant: stclare", f"tenant: lib{number:03}")
            )
        code = (
            "import sys, time, yaml, pathlib, airflow.sdk; sys.path[:0] = ['dags', 'plugins'];"
            "import patronload.in_airflow.tasks;"
            "files = sorted(pathlib.Path(sys.argv[1], 'tenants').glob('*.yaml'));"
            "start = time.process_time(); import patron_load; spent = time.process_time() - start;"
            "start = time.process_time(); [yaml.load(f.read_text(), yaml.CSafeLoader) for f in files];"
            "print(spent / len(files), (time.process_time() - start) / len(files))"
        )
        environment = {"PATRONLOAD_INCLUDE": str(include), "AIRFLOW_HOME": folder, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", code, str(include)],
            cwd=settings.PROJECT, env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
    ours, yaml_alone = map(float, done.stdout.split()[-2:])
    print(f"parse: {TENANTS} tenants, {ours * 1000:.1f} ms of CPU each, {ours / yaml_alone:.1f} times PyYAML alone")


PARTS: dict[str, Callable[[int], None]] = {
    "core": core.measure,
    "rules": rules.measure,
    "pieces": pieces.measure,
    "sizes": sizes,
    "dag": lambda _: dag_run.measure(),
    "post": lambda _: post(),
    "parse": lambda _: parse(),
    "tenants": lambda _: many_tenants.thousand(),
    "run": lambda _: many_tenants.overhead(),
    "cluster": lambda _: cluster.measure(),
    "find": lambda _: finding.measure(ROWS),
    "night": night.measure,
    "stored": lambda _: stored.measure(),
    "speed": lambda rows: real_speed.measure(real_speed.SIZES if rows == ROWS else [rows]),
    "ledger": lambda _: ledger.measure(),
    "loaders": lambda _: loaders.loaders(ROWS),
}


if __name__ == "__main__":
    main()
