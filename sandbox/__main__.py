"""Start all stand-ins and serve until stopped: `python -m sandbox --folder DIR`."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sandbox import connections
from sandbox.everything import Ports, Sandbox
from sandbox.folio.connections import MEASURED_CALL_SECONDS

KEEP_EVERY = 60.0
"""Seconds after which what FOLIO and Infiniti have is written again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT (Ctrl-C), then stop in order."""
    given = _parser().parse_args(arguments)
    if given.print_connections:
        return print_connections(given.folder)
    is_stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_stopped.set())
    ports = Ports(*(getattr(given, f"{server}_port") for server in Ports._fields))
    made = Sandbox(given.folder, given.host, ports, not given.no_s3, given.advertise)
    with made.keeping() if given.keep else made as sandbox:
        if given.real_speed:
            sandbox.folio.faults.call_seconds = MEASURED_CALL_SECONDS
        print(_summary(sandbox), flush=True)
        # A machine that is switched off loses what came in during the last minute.
        while not is_stopped.wait(KEEP_EVERY):
            sandbox.keep()
    return 0


def print_connections(folder: Path) -> int:
    """`export AIRFLOW_CONN_...` lines for a shell, from a running sandbox's description."""
    description = folder / "sandbox.json"
    if not description.exists():
        print(f"No sandbox runs in {folder}: there is no {description}", file=sys.stderr)
        return 1
    for name, value in connections(json.loads(description.read_text())).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _summary(sandbox: Sandbox) -> str:
    lines = [
        f"FOLIO     {sandbox.folio.url}",
        f"Infiniti  {sandbox.infiniti.url}",
        f"SFTP      {sandbox.sftp.host}:{sandbox.sftp.port}",
        f"SMTP      {sandbox.mail.host}:{sandbox.mail.port}",
        f"mails     {sandbox.mail.page_url}",
        *([f"S3        {sandbox.s3.url}"] if sandbox.s3 else []),
        f"accounts and keys: {sandbox.folder / 'sandbox.json'}",
    ]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where files, mails, objects and keys are kept")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--advertise", default="", metavar="NAME", help="host name for clients on other machines")
    for server in Ports._fields:
        name = server.replace("_", "-")
        parser.add_argument(f"--{name}-port", type=int, default=0, metavar="N", help="default: any free port")
    parser.add_argument("--keep", action="store_true", help="keep FOLIO's and Infiniti's users for the next start")
    parser.add_argument("--no-s3", action="store_true", help="leave the S3 server out")
    parser.add_argument("--real-speed", action="store_true", help="FOLIO takes as long as the real modules do")
    parser.add_argument("--print-connections", action="store_true", help="print Airflow's connections for a shell")
    return parser


if __name__ == "__main__":
    sys.exit(main())
