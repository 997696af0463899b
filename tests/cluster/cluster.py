"""Airflow as docker-compose.yaml sets it up, on this machine: each part has the settings of its own service only."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx
import psutil

from local.airflow import free_port
from local.api import AirflowApi
from local.environment import clean_environment
from local.servers import Postgres, Redis
from sandbox.folio import FolioServer, Seen
from sandbox.s3 import S3Server
from sandbox.smtp import MailServer
from tests import compose
from tests.airflow.libraries import SOON
from tests.cluster.relay import Relay

PROJECT = Path(__file__).resolve().parents[2]
PASSWORD = "admin-of-the-test"
START_PATIENCE = 300.0

PARTS = ("api-server", "scheduler", "dag-processor")
"""Without the triggerer: nothing here waits for one, and it is up sooner."""


class Part:
    """One program of the cluster, such as the scheduler or a worker."""

    def __init__(self, command: Iterable[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._command, self._environment = list(command), environment
        self._process: subprocess.Popen[bytes] | None = None
        self._left: list[psutil.Process] = []
        self._printed_before = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.ask_to_stop()
        self.stop()

    def start(self) -> Self:
        self._printed_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=dict(self._environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        return self

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> psutil.Process:
        """The program; it must be running."""
        assert self._process
        return psutil.Process(self._process.pid)

    def wait_for(self, words: str) -> None:
        """Until it has printed these words since its last start."""
        deadline = time.monotonic() + START_PATIENCE
        while words not in self.log.read_bytes()[self._printed_before :].decode():
            assert self.is_running, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"{words!r} is not in {self.log}"
            time.sleep(0.2)

    def runs(self, task_id: str, run_id: str) -> bool:
        """Whether it has begun this task of a run: its machine has the log."""
        logs = Path(self._environment["AIRFLOW_HOME"], "logs")
        return any(logs.glob(f"dag_id=*/run_id={run_id}/task_id={task_id}/attempt=*.log"))

    def freeze(self) -> None:
        """Let it stand still, as a machine without CPU does; `thaw` lets it go on."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9 of the program and of all that it started, as when its machine loses power."""
        if self._process:
            with suppress(psutil.NoSuchProcess):
                self._left += psutil.Process(self._process.pid).children(recursive=True)
            self.stop(patience=0)

    def _signal_all(self, number: int) -> None:
        assert self._process
        root = psutil.Process(self._process.pid)
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def ask_to_stop(self) -> None:
        """Begin its orderly end."""
        if self._process:
            with suppress(psutil.NoSuchProcess):
                self._left += psutil.Process(self._process.pid).children(recursive=True)
            self._process.terminate()

    def stop(self, patience: float = 2) -> None:
        """Wait for its end; end it, and what it started, if that takes too long."""
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        for process in (*self._left, self._process):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()


class Servers(NamedTuple):
    """What the cluster needs around it."""

    postgres: Postgres
    redis: Redis
    s3: S3Server
    folio: FolioServer
    mail: MailServer


class Cluster:
    """
    A context manager: Airflow's parts and `workers` with one slot each, every one of these with a folder of its own.

    `settings` are added to what docker-compose.yaml says, to make hours into seconds.
    """

    def __init__(
        self, folder: Path, servers: Servers, include: Path, workers: int, settings: Mapping[str, str]
    ) -> None:
        self.folder, self.servers, self.include = folder, servers, include
        self.port, self.log_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = AirflowApi(self.url, "admin", PASSWORD)
        self._settings = settings
        self.relay = Relay(servers.s3.url)
        # What .env would hold; the rest of it has defaults.
        self.variables = {
            "AIRFLOW_API_SECRET_KEY": "secret-key-of-the-test",
            "AIRFLOW_JWT_SECRET": "a-secret-of-the-test-that-is-longer-than-64-characters-a-secret-of-the-test",
            "AIRFLOW_FERNET_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "AIRFLOW_ADMIN_PASSWORD": PASSWORD,
            "AIRFLOW_BASE_URL": self.url,
            "AIRFLOW_EXECUTION_URL": f"{self.url}/execution/",
            "CELERY_PASSWORD": "celery-of-the-test",
            "POSTGRES_PASSWORD": servers.postgres.password,
            "REDIS_PASSWORD": servers.redis.password,
            "S3_ACCESS_KEY": servers.s3.access_key,
            "S3_SECRET_KEY": servers.s3.secret_key,
            "S3_URL": servers.s3.url,
            "REMOTE_LOGGING": "true",
            "WORKERS": str(workers),
            "WORKER_CONCURRENCY": "1",
        }
        self.parts = {name: self._part(name) for name in PARTS}
        self.workers = [self._worker(number) for number in range(1, workers + 1)]

    def __enter__(self) -> Self:
        try:
            self.relay.__enter__()
            self._retry_soon()
            self._initialize()
            for part in (*self.parts.values(), *self.workers):
                part.start()
            self._wait_until_healthy()
            for number, worker in enumerate(self.workers, 1):
                worker.wait_for(f"celery@worker-{number} ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        self.relay.__exit__()
        parts = (*self.workers, *self.parts.values())
        for part in parts:
            part.ask_to_stop()
        for part in parts:
            part.stop()

    def start(self, tenant: str) -> str:
        """A load by hand; its run id."""
        self.api.wait_for_dag(f"patron_load__{tenant}")
        self.api.unpause(f"patron_load__{tenant}")
        return self.api.trigger(f"patron_load__{tenant}")

    def ended(self, tenant: str, run_id: str, timeout: float = 600) -> str:
        """The state of the run, once it has ended."""
        return self.api.wait(f"patron_load__{tenant}", run_id, timeout).state

    def states(self, tenant: str, run_id: str) -> dict[str, str | None]:
        """Task -> its state."""
        return {task.task_id: task.state for task in self.api.tasks(f"patron_load__{tenant}", run_id)}

    def in_state(self, state: str) -> list[tuple[str, str]]:
        """The DAG and the name of each task that is in a state just now."""
        found = self.api.http.get("dags/~/dagRuns/~/taskInstances", params={"state": state, "limit": 100})
        return [(task["dag_id"], task["task_id"]) for task in found.raise_for_status().json()["task_instances"]]

    def task(self, tenant: str, run_id: str, task_id: str) -> dict[str, Any]:
        """A task of a run, as Airflow's API has it."""
        path = f"dags/patron_load__{tenant}/dagRuns/{run_id}/taskInstances/{task_id}"
        found: dict[str, Any] = self.api.http.get(path).raise_for_status().json()
        return found

    def another(self, service: str, *words: str, **settings: str) -> Part:
        """One more part of this kind, on a machine of its own; not started yet."""
        environment = self.environment(service, f"machine-of-another-{service}") | settings
        return Part([*_command(service), *words], environment, self.folder / f"another-{service}.log")

    @contextmanager
    def kept_running(self) -> Iterator[None]:
        """Start again what ends meanwhile, as Compose does with `restart: unless-stopped`."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(1):
                for part in (*self.parts.values(), *self.workers):
                    if not part.is_running:
                        part.start()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def imports(self, tenant: str) -> list[Seen]:
        """The user imports that came in for a library."""
        return [seen for seen in self.servers.folio.imports if seen.folio_tenant == f"fs{tenant}"]

    def _retry_soon(self) -> None:
        """A task is tried again after ten seconds instead of a minute."""
        for number in range(1, len(self.workers) + 2):
            config = self.folder / f"machine-{number}" / "config"
            config.mkdir(parents=True)
            (config / "airflow_local_settings.py").write_text(SOON)

    def _initialize(self) -> None:
        """What the service `init` does."""
        done = subprocess.run(
            [sys.executable, PROJECT / "deploy" / "initialize.py"],
            env=self.environment("init"), capture_output=True, text=True, check=False,
        )  # fmt: skip
        (self.folder / "init.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr[-3000:]

    def environment(self, service: str, home: str = "machine-1") -> dict[str, str]:
        """The settings of a service, but for the places that are others on this machine."""
        there = {name: self._here(value) for name, value in self._of_compose(service).items()}
        return {
            **clean_environment(),
            **there,
            "AIRFLOW_HOME": str(self.folder / home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.log_port),
            "PATRONLOAD_INCLUDE": str(self.include),
            "PYTHONPATH": f"{PROJECT / 'plugins'}{os.pathsep}{PROJECT}",
            **self._settings,
        }

    def _of_compose(self, service: str) -> dict[str, str]:
        found = compose.environment(PROJECT, service, self.variables)
        if service == "api-server":
            found |= {
                "AIRFLOW_CONN_INVENTED_FOLIO": _folio_connection(self.servers.folio),
                "AIRFLOW_CONN_SMTP_DEFAULT": _mail_connection(self.servers.mail),
            }
        return found

    def _here(self, value: str) -> str:
        return (
            value.replace("@postgres/", f"@127.0.0.1:{self.servers.postgres.port}/")
            .replace("@redis:6379/", f"@127.0.0.1:{self.servers.redis.port}/")
            .replace("/opt/patronload/auth", str(self.folder / "auth"))
        )

    def _part(self, service: str) -> Part:
        return Part(_command(service), self.environment(service), self.folder / f"{service}.log")

    def _worker(self, number: int) -> Part:
        name = f"worker-{number}"
        environment = self.environment("worker", "machine-2" if number == 1 else f"machine-{number + 1}")
        # The last one reaches the bucket by a way of its own, which can be cut.
        if number == int(self.variables["WORKERS"]):
            environment = {
                key: value.replace(self.servers.s3.url, self.relay.url) for key, value in environment.items()
            }
        # One serves its logs, at the port that all know; the others store them in the bucket.
        serves_logs = number == 1
        if serves_logs:
            environment["AIRFLOW__LOGGING__REMOTE_LOGGING"] = "false"
        quiet = [] if serves_logs else ["--skip-serve-logs"]
        command = [_airflow(), "celery", "worker", "--celery-hostname", name, *quiet]
        return Part(command, environment, self.folder / f"{name}.log")

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while not self._is_healthy():
            for name, part in self.parts.items():
                assert part.is_running, f"{name} ended:\n{part.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, "Airflow was not ready in time"
            time.sleep(0.3)

    def _is_healthy(self) -> bool:
        with suppress(httpx.HTTPError):
            # The first request builds the API that tasks talk to, which takes seconds.
            httpx.get(f"{self.url}/execution/health", timeout=30, trust_env=False).raise_for_status()
            health = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=30, trust_env=False).json()
            return health["scheduler"]["status"] == health["dag_processor"]["status"] == "healthy"
        return False


def _command(service: str) -> list[str]:
    """What the service runs; this machine's Airflow is the first on the PATH of its environment."""
    command: list[str] = compose.load(PROJECT)["services"][service]["command"]
    return [compose.fill(word, {}) for word in command]


def _airflow() -> str:
    return str(Path(sys.executable).with_name("airflow"))


def _folio_connection(folio: FolioServer) -> str:
    account = next(iter(folio.tenants.values()))
    return json.dumps({"conn_type": "http", "host": folio.url, "login": account.username, "password": account.password})


def _mail_connection(mail: MailServer) -> str:
    extra = {"from_email": "patronload@consortium.example", "disable_tls": True, "disable_ssl": True}
    return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": mail.port, "extra": extra})
