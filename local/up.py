"""Leave Airflow and the sandbox running in the background (`make up`), and stop them (`make down`)."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from local.airflow import free_port, is_free
from local.environment import PROJECT, write_private
from local.stage import stage

FOLDER = PROJECT / ".local" / "up"
MAY = {
    "viewer": "may look",
    "user": "may also start loads, answer questions, download rejects",
    "op": "may also change connections, pools",
    "admin": "may do everything",
}
"""Airflow's own roles, for the one who tries them out."""
PORT = 8080
PORTS = {"folio": 9130, "sftp": 2222, "smtp": 2525, "mail-page": 8025, "infiniti": 9140}
"""The sandbox's ports, the same at each start; a port that another program has is replaced by a free one."""

OWN = "mylib"
"""The account for someone's own library; see sandbox.everything."""

START_PATIENCE = 900.0
STOP_PATIENCE = 60.0


def up(folder: Path = FOLDER) -> int:
    """Start what is not running yet, and print where it is."""
    if not _running(folder):
        problem = _start(folder)
        if problem:
            print(problem, file=sys.stderr)
            return 1
    print(_whereabouts(folder))
    return 0


def down(folder: Path = FOLDER) -> int:
    """Stop what `up` started; returns when nothing of it is left."""
    server = _running(folder)
    if server is None:
        print("Nothing is running.")
        return 0
    print("Stopping Airflow and the sandbox.")
    server.terminate()
    try:
        server.wait(STOP_PATIENCE)
    except psutil.TimeoutExpired:
        # Its guards notice, and end the rest.
        server.kill()
    print("Stopped.")
    return 0


def serve(folder: Path = FOLDER) -> int:
    """The process in the background: run everything until asked to end."""
    signal.signal(signal.SIGTERM, _leave)
    port = PORT if is_free(PORT) else free_port()
    options = ["--keep", *(f"--{server}-port={number}" for server, number in PORTS.items() if is_free(number))]
    with stage(folder, port=port, options=options, tell=lambda text: print(text, flush=True)) as running:
        sandbox = running.stand_ins.description
        whereabouts = {
            "url": running.airflow.url,
            "user": running.airflow.user,
            "password": running.airflow.password,
            "passwords": running.airflow.passwords,
            "mails": running.stand_ins.mail_page,
            "infiniti": running.stand_ins.infiniti_page,
            "artifacts": str(running.artifacts),
            "folio": sandbox["folio"],
            "sftp": {name: sandbox["sftp"][name] for name in ("host", "port", "accounts")},
            "school": {name: sandbox["infiniti"][name] for name in ("username", "password")},
        }
        write_private(folder / "running.json", json.dumps(whereabouts))
        try:
            while True:
                running.check()
                time.sleep(1)
        finally:
            (folder / "running.json").unlink(missing_ok=True)


def _start(folder: Path) -> str | None:
    """Start `serve` and wait until it is ready, showing what it says; the problem if it ended instead."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "running.json").unlink(missing_ok=True)
    log = folder / "up.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "local", "serve", "--folder", str(folder)],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (folder / "pid").write_text(str(server.pid))
    try:
        return _wait_until_ready(folder, server, log)
    except KeyboardInterrupt:
        server.terminate()
        server.wait()
        return "Stopped before everything was up."


def _wait_until_ready(folder: Path, server: subprocess.Popen[bytes], log: Path) -> str | None:
    deadline = time.monotonic() + START_PATIENCE
    with log.open() as lines:
        while not (folder / "running.json").exists():
            if server.poll() is not None:
                return f"It did not start:\n{log.read_text()}"
            if time.monotonic() > deadline:
                server.terminate()
                return f"It was not ready after {START_PATIENCE:.0f} s; see {log}"
            print(lines.read(), end="", flush=True)
            time.sleep(0.2)
        print(lines.read(), end="", flush=True)
    return None


def _running(folder: Path) -> psutil.Process | None:
    """The process in the background, if it is there and is ours; numbers of processes are used again."""
    try:
        process = psutil.Process(int((folder / "pid").read_text()))
        ours = process.cmdline()[-2:] == ["--folder", str(folder)] and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return None
    return process if ours else None


def _whereabouts(folder: Path) -> str:
    where = json.loads((folder / "running.json").read_text())
    return "\n".join(
        [
            "",
            f"Airflow    {where['url']}",
            *(f"  {MAY[role]:<42} user {role}, password {password}" for role, password in where["passwords"].items()),
            f"Mails      {where['mails']}",
            f"Infiniti   {where['infiniti']}   the school's users",
            f"  user {where['school']['username']}, password {where['school']['password']}",
            f"FOLIO      {where['folio']['url']}",
            *(
                f"  tenant {each['folio_tenant']} of {each['tenant']}, user {each['username']}, "
                f"password {each['password']}"
                for each in where["folio"]["tenants"]
            ),
            f"SFTP       {where['sftp']['host']}, port {where['sftp']['port']}",
            *(
                f"  user {each['username']}, {_login(each)}; its files are in {each['folder']}"
                for each in where["sftp"]["accounts"]
            ),
            f"Artifacts  {where['artifacts']}",
            "",
            f"{OWN} is for a library of your own: see README.md, Your own file in five minutes.",
            "Trigger a load in Airflow and read its mail. `make down` stops everything.",
        ]
    )


def _login(account: dict[str, str]) -> str:
    return f"password {account['password']}" if "password" in account else "with a key"


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)
