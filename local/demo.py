"""
Load the patrons of three fictional libraries, from their files on an SFTP server to the mail in the contact's inbox.

Everything runs on this machine: Airflow, and stand-ins for the SFTP server, FOLIO, Infiniti and the mail server.
Nothing else is reached, and nothing is left running.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.airflow import USER
from local.api import ENDED, Run
from local.environment import PROJECT
from local.stage import Stage, stage
from local.stand_ins import LIBRARIES, Library

FOLDER = PROJECT / ".local" / "demo"
RUN_PATIENCE = 1800.0
COUNTS = ("rows", "created", "updated", "rejected", "failed")
GOOD_OUTCOMES = frozenset({"loaded", "loaded_with_rejects"})


class Load(NamedTuple):
    """How one library's load ended; `report` is what the run wrote into report.json, empty when it wrote none."""

    tenant: str
    run: Run
    folder: Path
    report: dict[str, Any]

    @property
    def problem(self) -> str | None:
        """Why this load is not as it should be, or None."""
        if self.run.state != "success":
            return f"the run ended as {self.run.state}"
        if not self.report:
            return "there is no report.json"
        if self.report["outcome"] not in GOOD_OUTCOMES:
            return f"the outcome is {self.report['outcome']}"
        return None


def main(folder: Path = FOLDER, console: Console | None = None) -> int:
    """Run the demo in a folder of its own, emptied first; 0 when all libraries were loaded."""
    console = console or Console(highlight=False)
    shutil.rmtree(folder, ignore_errors=True)
    clock = Clock(console)
    with stage(folder, without=("triggerer",), tell=clock.tell) as running:
        clock.tell(f"Airflow is up: {running.airflow.url}, user {USER}, password {running.airflow.password}")
        loads = _load_all(running, clock)
        mails = _mails(running.stand_ins.mail_folder)
        clock.tell("stopping everything")
    clock.tell("done; nothing is left running")
    for load in loads:
        _show(load, mails, console)
    problems = [f"{load.tenant}: {load.problem}. Logs: {folder / 'airflow' / 'logs'}" for load in loads if load.problem]
    for problem in problems:
        console.print(f"[bold red]{problem}[/]", soft_wrap=True)
    return 1 if problems else 0


class Clock:
    """Says what happens, and when."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()

    def tell(self, text: str) -> None:
        """One line, behind the seconds since the start."""
        seconds = time.monotonic() - self._started
        self._console.print(f"[dim]{seconds:5.1f} s[/]  {text}", soft_wrap=True)


def _load_all(running: Stage, clock: Clock) -> list[Load]:
    """Start today's load of each library and follow them until all have ended."""
    runs = [_start(running, library) for library in LIBRARIES]
    clock.tell("all loads are triggered; their tasks, as they end:")
    _follow(running, runs, clock)
    return [_load(running, library.tenant, run) for library, run in zip(LIBRARIES, runs, strict=True)]


def _start(running: Stage, library: Library) -> Run:
    """Trigger the load of the library's own day, and switch the DAG on so that it begins."""
    api = running.airflow.api
    api.wait_for_dag(library.dag_id)
    # The run of a DAG that is switched off waits; so nothing begins before all are started.
    run_id = api.trigger(library.dag_id, partition_key=library.today.isoformat())
    api.unpause(library.dag_id)
    return api.run(library.dag_id, run_id)


def _follow(running: Stage, runs: Sequence[Run], clock: Clock) -> None:
    """Report each task as it ends; returns when all runs have ended or time is up."""
    told: set[tuple[str, str]] = set()
    going = list(runs)
    deadline = time.monotonic() + RUN_PATIENCE
    while going and time.monotonic() < deadline:
        running.check()
        # The state first: tasks that end between the two questions are then still asked about.
        states = {run: running.airflow.api.run(run.dag_id, run.run_id).state for run in going}
        for run in going:
            _tell_of_tasks(running, run, told, clock)
        going = [run for run in going if states[run] not in ENDED]
        time.sleep(0.3)


def _tell_of_tasks(running: Stage, run: Run, told: set[tuple[str, str]], clock: Clock) -> None:
    tenant = run.dag_id.removeprefix("patron_load__")
    for task in running.airflow.api.tasks(run.dag_id, run.run_id):
        if task.state in {"success", "failed", "skipped", "upstream_failed"} and (tenant, task.task_id) not in told:
            told.add((tenant, task.task_id))
            colour = {"success": "green", "skipped": "yellow"}.get(task.state, "red")
            clock.tell(f"{tenant:<11} {task.task_id:<10} [{colour}]{task.state}[/] {task.seconds or 0:.1f} s")


def _load(running: Stage, tenant: str, run: Run) -> Load:
    ended = running.airflow.api.run(run.dag_id, run.run_id)
    for file in (running.artifacts / tenant).glob("*/report.json"):
        report = json.loads(file.read_text())
        if report["run"] == run.run_id:
            return Load(tenant, ended, file.parent, report)
    return Load(tenant, ended, running.artifacts / tenant, {})


def _mails(folder: Path) -> dict[Path, EmailMessage]:
    """The mails that came, the first one first."""
    files = sorted(folder.glob("*.eml"))
    return {file: message_from_bytes(file.read_bytes(), EmailMessage, policy=default) for file in files}


def _show(load: Load, mails: Mapping[Path, EmailMessage], console: Console) -> None:
    report = load.report
    library = str(report.get("library", load.tenant))
    console.print(f"\n[bold]{library}[/], {report.get('day', 'no report')}", soft_wrap=True)
    console.print(_counts(report))
    for reason in report.get("reasons", []):
        console.print(f"  {reason['count']:>3} x {escape(reason['reason'])}", soft_wrap=True)
    console.print(f"  Artifacts  {_short(load.folder)}", soft_wrap=True)
    for file, mail in mails.items():
        if library in str(mail["Subject"]):
            console.print(f"  Mail       {_short(file)}\n             to {mail['To']}", soft_wrap=True)


def _counts(report: Mapping[str, Any]) -> Table:
    table = Table()
    for name in COUNTS:
        table.add_column(name, justify="right", min_width=9)
    table.add_row(*(f"{report[name]:,}" if name in report else "?" for name in COUNTS))
    return table


def _short(path: Path) -> Path:
    return path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
