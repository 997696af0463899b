"""
Measure: python -m benchmarks [rows]

* core: from CSV bytes to chunk files, validation included, beside a script of the kind libraries write themselves
  (csv and json, no validation), on the same made-up rows;
* post: users a second and memory of the client, against a FOLIO that answers at once;
* parse: what one more tenant costs Airflow's DAG processor, beside reading its YAML with PyYAML alone;
* loaders: the same patrons planned and posted by Patronload, and loaded by folio_data_import if that is installed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import core, loaders, posting
from patronload import paths

TENANTS = 100


def main() -> None:
    """Print the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    core.measure(rows)
    print("post: the client's side alone")
    posting.measure()
    parse()
    loaders.loaders(100_000)


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


if __name__ == "__main__":
    main()
