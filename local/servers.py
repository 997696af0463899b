"""
PostgreSQL and Redis on loopback, each in a folder of its own, for an Airflow like the one in docker-compose.yaml.

The programs must be installed already (`.ci/run` does that). `missing()` names those that are not.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from local.environment import clean_environment, write_private

START_PATIENCE = 60.0
STOP_PATIENCE = 30.0
# PostgreSQL refuses to run as root; Debian's package has this account for it.
ACCOUNT = "postgres"


def missing() -> list[str]:
    """The programs that are not installed: `postgres`, `redis-server`."""
    found = {"postgres": _postgres_program("postgres"), "redis-server": shutil.which("redis-server")}
    return [name for name, program in found.items() if program is None]


class Server:
    """A program that listens on `port` of loopback. `stop` and `start` restart it with its data and its port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.folder = Path(tempfile.mkdtemp(prefix=f"patronload-{type(self).__name__.lower()}-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self) -> None:
        """Prepare the server once, before its first start."""

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with the end of its log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )
        deadline = time.monotonic() + START_PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{type(self).__name__} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it and wait; its data stay."""
        if self._process is None:
            return
        self.ask_to_stop(self._process)
        try:
            self._process.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "server.log"

    def command(self) -> Sequence[str]:
        """The command that starts the server."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """The environment variables of the server."""
        return clean_environment()

    def answers(self) -> bool:
        """Whether it can be used."""
        raise NotImplementedError

    def ask_to_stop(self, process: subprocess.Popen[bytes]) -> None:
        """Begin its orderly end."""
        process.terminate()


class Postgres(Server):
    """PostgreSQL with one superuser and a database of the same name, as the image in docker-compose.yaml makes it."""

    user = "airflow"

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.password = secrets.token_hex(16)

    def prepare(self) -> None:
        """Create the files."""
        password = self.folder / "password"
        write_private(password, self.password)
        if os.geteuid() == 0:
            for path in (self.folder, password):
                shutil.chown(path, ACCOUNT, ACCOUNT)
        self._run(
            *_as_account(_required("initdb")), f"--pgdata={self.folder}/data", f"--username={self.user}",
            f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip

    def start(self) -> None:
        """Start it; its database is created at the first start."""
        super().start()
        import psycopg

        account = {"user": self.user, "password": self.password, "host": "127.0.0.1", "port": self.port}
        with (
            psycopg.connect(dbname="postgres", autocommit=True, **account) as connection,  # type: ignore[arg-type]
            suppress(psycopg.errors.DuplicateDatabase),
        ):
            connection.execute("CREATE DATABASE airflow")

    def command(self) -> Sequence[str]:
        """No socket in a shared folder, and no waiting for the disk: the data do not outlive the test."""
        return [
            *_as_account(_required("postgres")), "-D", f"{self.folder}/data", "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}", "-c", "fsync=off",
            "-c", "max_connections=200",
        ]  # fmt: skip

    def answers(self) -> bool:
        """Whether it takes connections."""
        ready = [_required("pg_isready"), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        return subprocess.run(ready, check=False).returncode == 0

    def ask_to_stop(self, process: subprocess.Popen[bytes]) -> None:
        """SIGINT: end the connections that are open instead of waiting for them."""
        process.send_signal(2)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


class Redis(Server):
    """Redis with a password, keeping what it holds across a restart as docker-compose.yaml has it."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        """Its address, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        """An append-only file, as in docker-compose.yaml."""
        return [
            _program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--requirepass", self.password, "--appendonly", "yes", "--save", "",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Without libfaketime (see conditions.py), which asks Redis's own memory allocator for memory too early."""
        return {name: value for name, value in super().environment().items() if name != "LD_PRELOAD"}

    def answers(self) -> bool:
        """Whether it has read its file and answers."""
        import redis

        with redis.Redis.from_url(self.url) as client, suppress(redis.RedisError):
            return bool(client.ping())
        return False


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed")
    return found


def _required(name: str) -> str:
    found = _postgres_program(name)
    if found is None:
        raise FileNotFoundError(f"{name} of PostgreSQL is not installed")
    return found


def _postgres_program(name: str) -> str | None:
    """Debian keeps PostgreSQL's programs in a folder for each version, outside PATH; the newest one counts."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    return str(found[-1]) if found else shutil.which(name)


def _version(program: Path) -> int:
    version = program.parents[1].name
    return int(version) if version.isdigit() else 0


def _as_account(program: str) -> list[str]:
    """The program, run by PostgreSQL's own account when we are root, and ended with us (INT: at once)."""
    if os.geteuid() != 0:
        return [program]
    return ["setpriv", "--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--pdeathsig", "INT", program]
