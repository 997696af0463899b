"""The databases of the cluster: who may open which, and what is deleted from them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.cluster.cluster import PROJECT, Cluster

OLD = time.time() - 400 * 86_400


def connect(cluster: Cluster, user: str, password: str, database: str) -> psycopg.Connection[tuple[object, ...]]:
    port = cluster.servers.postgres.port
    return psycopg.connect(host="127.0.0.1", port=port, user=user, password=password, dbname=database)


def test_a_worker_cannot_open_the_database_of_airflow(cluster: Cluster):
    """Celery's password opens Celery's database only."""
    password = cluster.variables["CELERY_PASSWORD"]
    with connect(cluster, "celery", password, "celery") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("celery",)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(cluster, "celery", password, "airflow")


def test_it_can_be_initialized_again(cluster: Cluster):
    """Every start does so; a password that was changed in .env is then the one that counts."""
    environment = cluster.environment("init") | {"CELERY_PASSWORD": "another one"}
    initialize(environment)
    with connect(cluster, "celery", "another one", "celery"):
        pass
    initialize(cluster.environment("init"))


def initialize(environment: dict[str, str]) -> None:
    command = [sys.executable, PROJECT / "deploy" / "initialize.py"]
    subprocess.run(command, env=environment, capture_output=True, check=True)


def test_what_is_old_is_deleted(cluster: Cluster, tmp_path: Path):
    """Old rows of Airflow's database, Celery's results after a week, old logs; nothing that is newer."""
    old, new = tmp_path / "logs" / "dag_id=a" / "old.log", tmp_path / "logs" / "dag_id=b" / "new.log"
    for path in (old, new):
        path.parent.mkdir(parents=True)
        path.write_text("a line")
    os.utime(old, (OLD, OLD))
    airflow, celery = cluster.servers.postgres, cluster.variables["CELERY_PASSWORD"]
    with connect(cluster, airflow.user, airflow.password, "airflow") as connection:
        connection.execute("INSERT INTO log (dttm, event) VALUES (now() - interval '400 days', 'long ago')")
    with connect(cluster, "celery", celery, "celery") as connection:
        insert = "INSERT INTO celery_taskmeta (id, task_id, date_done) VALUES (%s, %s, now() - %s::interval)"
        connection.execute(insert, (900_001, "old", "8 days"))
        connection.execute(insert, (900_002, "new", "6 days"))
    program = "from datetime import timedelta; from deploy import housekeeping; housekeeping.clean(timedelta(days=365))"
    environment = cluster.environment("housekeeping") | {"LOGS": str(tmp_path / "logs")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (old.parent.exists(), new.exists()) == (False, True)
    with connect(cluster, airflow.user, airflow.password, "airflow") as connection:
        assert connection.execute("SELECT count(*) FROM log WHERE event = 'long ago'").fetchone() == (0,)
        assert connection.execute("SELECT count(*) > 0 FROM serialized_dag").fetchone() == (True,)
    with connect(cluster, "celery", celery, "celery") as connection:
        found = connection.execute("SELECT task_id FROM celery_taskmeta WHERE id > 900000").fetchall()
    assert found == [("new",)]
