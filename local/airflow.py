"""
Run Airflow on this machine, on loopback, with SQLite and the LocalExecutor, and stop it without a trace.

    with LocalAirflow(Path("home"), environment={"AIRFLOW_CONN_SMTP_DEFAULT": "..."}) as airflow:
        airflow.api.unpause("patron_load__northfield")

Not `airflow standalone`: that one listens on all interfaces for logs and leaves its children behind when it is asked to
end.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Self

import httpx

from local.api import ANSWER_PATIENCE, AirflowApi
from local.environment import PROJECT, clean_environment, write_private
from local.guard import Guard, Program, last_lines

USER = "admin"
ROLES = ("viewer", "user", "op", USER)
"""Airflow's own roles, from who may look to who may do all; each has a user of its name here."""

PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")

READY = (
    "airflow.executors.local_executor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "patronload.checks.validation",
    "patronload.stages.validate",
    "patronload.stages.transform",
    "patronload.stages.plan",
    "patronload.stages.post",
    "patronload.stages.report",
)
"""The modules that a task needs and that are slow to import."""

PATIENT_SQLITE = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "patient_sqlite.CONNECT_ARGS",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC": "patient_sqlite.CONNECT_ARGS",
}
"""
See airflow_settings/: without it a busy machine ended the scheduler with "database is locked". Not for the API server,
whose audit log blocks the very loop that would release the lock; it answers 500 soon, and is asked again.
"""

START_PATIENCE = 600.0
"""Seconds for Airflow to start; on an idle machine it takes ten."""


class StartError(RuntimeError):
    """Airflow did not come up; the message says which part and shows its last lines."""


class LocalAirflow:
    """
    Airflow's four parts as a context manager; `url` and `api` are there once it is open.

    `home` keeps the database, the logs and the password from one start to the next. Of our own environment nothing
    of Airflow's and Patronload's is handed on; `environment` is added last and wins. The parts in `without` are not
    started: without the triggerer it is up sooner, and only deferrable tasks and deadlines need it; without the
    scheduler someone else starts that, by `command`. `tell` hears what is going on during the start.
    """

    def __init__(
        self,
        home: Path,
        *,
        environment: Mapping[str, str] | None = None,
        project: Path = PROJECT,
        without: Collection[str] = (),
        port: int | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = home.resolve()
        self._tell = tell
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.user = USER
        self.passwords = _kept_passwords(self.home / "passwords.json")
        self.password = self.passwords[USER]
        self.environment = {**clean_environment(), **self._settings(project), **(environment or {})}
        self._parts = [part for part in PARTS if part not in without]
        self._guard = Guard([self._program(part) for part in self._parts])
        self.api = AirflowApi(self.url, self.user, self.password)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start all parts and wait until they work. Raises StartError."""
        try:
            self._tell("preparing Airflow's database")
            self._migrate()
            self._tell("starting " + ", ".join(self._parts))
            self._guard.start()
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop all parts; returns when nothing is left running."""
        self.api.close()
        self._guard.stop()

    def check(self) -> None:
        """Raise when a part is no longer running."""
        self._guard.check()

    def log(self, part: str) -> Path:
        """The log of a part, such as `scheduler`."""
        return self.home / f"{part}.log"

    @property
    def _has_server(self) -> bool:
        """Whether Airflow's database is on a server; otherwise it is a SQLite file."""
        return "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in self.environment

    @staticmethod
    def command(part: str) -> list[str]:
        """The command that starts a part, in this `environment`."""
        # -s: no server for the logs on all interfaces; the UI reads them from this machine's disk.
        quiet = ["-s"] if part in {"scheduler", "triggerer"} else []
        return [_airflow_command(), part, *quiet]

    def _program(self, part: str) -> Program:
        environment = dict(self.environment)
        if part != "api-server" and not self._has_server:
            environment |= PATIENT_SQLITE
            environment["PYTHONPATH"] += os.pathsep + str(PROJECT / "local" / "airflow_settings")
        return Program(part, self.command(part), environment, self.log(part))

    def _settings(self, project: Path) -> dict[str, str]:
        settings = {
            "CORE__DAGS_FOLDER": project / "dags",
            "CORE__PLUGINS_FOLDER": project / "plugins",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "LocalExecutor",
            # The default of 32 starts 32 processes at once.
            "CORE__PARALLELISM": 4,
            "CORE__DAGBAG_IMPORT_TIMEOUT": 120,
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{role}:{role}" for role in ROLES),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": self.home / "passwords.json",
            "CORE__FERNET_KEY": _kept_secret(self.home / "fernet_key", _fernet_key),
            "API__HOST": "127.0.0.1",
            "API__PORT": self.port,
            # Tasks find the API by it, and so do the links in mails; the port alone would not do.
            "API__BASE_URL": self.url,
            "API_AUTH__JWT_SECRET": _kept_secret(self.home / "jwt_secret"),
            # The default of 1 s makes a run of six short tasks three times as long.
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.1,
            "DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": 180,
            # Tasks are forked from a process that has imported what they need, see docs/in-airflow.md.
            "CORE__MP_START_METHOD": "forkserver",
            "CORE__MP_FORKSERVER_PRELOAD": ",".join(READY),
        }
        return {
            "AIRFLOW_HOME": str(self.home),
            "PATRONLOAD_INCLUDE": str(project / "include"),
            "PYTHONPATH": str(project / "plugins"),
            **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()},
        }

    def _migrate(self) -> None:
        """A fresh SQLite database is copied from one made before, where there is one: 4 seconds less."""
        database = self.home / "airflow.db"
        template = PROJECT / ".local" / "cache" / f"airflow-{version('apache-airflow-core')}.db"
        if not self._has_server and not database.exists() and template.exists():
            shutil.copyfile(template, database)
            database.chmod(0o600)
            return
        fresh = not self._has_server and not database.exists()
        with self.log("db-migrate").open("w") as log:
            done = subprocess.run(
                [_airflow_command(), "db", "migrate"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise StartError(f"airflow db migrate failed:\n{last_lines(self.log('db-migrate'))}")
        if fresh:
            _keep_template(database, template)

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while (missing := self._unhealthy()) and time.monotonic() < deadline:
            self._guard.check()
            time.sleep(0.1)
        if missing:
            part = missing[0].replace("_", "-")
            raise StartError(f"{part} was not ready after {START_PATIENCE:.0f} s:\n{last_lines(self.log(part))}")

    def _unhealthy(self) -> list[str]:
        try:
            # The first request builds the API that tasks talk to, which takes seconds; better now.
            httpx.get(f"{self.url}/execution/health", timeout=ANSWER_PATIENCE, trust_env=False).raise_for_status()
            health = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=ANSWER_PATIENCE, trust_env=False).json()
        except httpx.HTTPError:
            return ["api_server"]
        parts = [part.replace("-", "_") for part in self._parts if part != "api-server"]
        return [part for part in parts if health[part]["status"] != "healthy"]


def free_port() -> int:
    """A port of loopback that no one listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether we could listen on this port of loopback."""
    with socket.socket() as listener:
        # As servers do: a port whose last connection has just ended counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _airflow_command() -> str:
    return str(Path(sys.executable).with_name("airflow"))


def _kept_secret(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(64)) -> str:
    if not path.exists():
        write_private(path, make())
    return path.read_text()


def _kept_passwords(path: Path) -> dict[str, str]:
    """A password for each user, the same from one start to the next."""
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    passwords = {role: kept.get(role) or secrets.token_urlsafe(12) for role in ROLES}
    write_private(path, json.dumps(passwords))
    return passwords


def _fernet_key() -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def _keep_template(database: Path, template: Path) -> None:
    """Renamed into place, for two may do this at once."""
    template.parent.mkdir(parents=True, exist_ok=True)
    unfinished = template.with_suffix(f".{os.getpid()}")
    shutil.copyfile(database, unfinished)
    unfinished.replace(template)
