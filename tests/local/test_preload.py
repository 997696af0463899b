"""What is imported once for all tasks: it is told to those who run Airflow themselves, and forks without harm."""

import os
import subprocess
import sys

from local.airflow import READY

CODE = """
import importlib, sys, threading
for module in sys.argv[1:]:
    importlib.import_module(module)
print(threading.active_count(), "airflow.dag_processing.dagbag" in sys.modules, "polars" in sys.modules)
"""


def test_the_docs_name_what_make_up_sets(project):
    """Whoever copies the line gets what is measured."""
    told = (project / "docs" / "in-airflow.md").read_text()
    assert f"AIRFLOW__CORE__MP_FORKSERVER_PRELOAD={','.join(READY)}\n" in told


def test_nothing_of_it_starts_a_thread(project, tmp_path):
    """A thread that is there when a task is forked is not there in the task, and whatever it has locked stays so."""
    environment = os.environ | {"PYTHONPATH": str(project / "plugins"), "AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", CODE, *READY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1 True True"


WORKER = """
import sys, threading
import patronload.in_airflow.celery_worker
from botocore.loaders import Loader
first, second = (Loader().load_data("s3/2006-03-01/service-2") for _ in range(2))
print(first is second, first["metadata"]["serviceId"], Loader().file_loader.load_file("/no/such/file"))
print(threading.active_count(), [name in sys.modules for name in ("s3fs", "patronload.targets.folio.user_import")])
"""


def test_a_worker_has_read_and_imported_what_its_tasks_need_for_s3_and_targets(project, tmp_path):
    """A task that a worker forks has it already, which saves each task half a second of a processor; no thread runs."""
    environment = os.environ | {"PYTHONPATH": str(project / "plugins"), "AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", WORKER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["True S3 None", "1 [True, True]"]
