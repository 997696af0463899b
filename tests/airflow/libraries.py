"""The libraries of the tests with a scheduler: their files, what they deliver, and what came of it."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import psutil

from local import exports
from local.airflow import LocalAirflow
from local.api import PATIENCE, AirflowApi, Run, TaskState
from local.stand_ins import LIBRARIES, Library
from sandbox.everything import Sandbox
from sandbox.folio import FolioServer, Seen
from tests.statsd import StatsdServer

PROJECT = Path(__file__).resolve().parents[2]

INVENTED = (
    "ashford",
    "bexley",
    "corvey",
    "dunmore",
    "elmhurst",
    "fairholm",
    "gorsedd",
    "hartwell",
    "ilminster",
    "jarrow",
    "lorton",
    "marden",
    "norwell",
    "ordway",
    "penrose",
    "quarley",
    "radnor",
    "seaton",
    "tarrant",
    "thirlby",
    "sedley",
)
"""Libraries with a folder as their source and a FOLIO tenant of their own, so that no test stands in another's way."""

ASKING = dict.fromkeys(("marden", "norwell", "penrose", "quarley", "thirlby"), "1 hour") | {"ordway": "1 minute"}
"""Those of which a person is asked before an unusual load, each with how long an answer is waited for."""

OVERDUE = "seaton"
"""The one whose load has to end within a minute, and whose file does not come."""

LINKED = "sedley"
"""The one whose people have signed links and no account."""

SCHEDULED = "kelso"
"""Another one, with a schedule whose moment comes while the tests run."""

IN_TROUBLE = ("mostyn", "norland", "ormond")
"""Libraries like the INVENTED, in an Airflow of their own, around which things go down."""

# Airflow's own setting for all tasks (a cluster policy), so that a test need not wait a minute for each retry.
SOON = """
from datetime import timedelta


def task_policy(task):
    task.retry_delay = timedelta(seconds=10)
"""

# How soon Airflow sees that a scheduler is gone, and whose tasks went with it; by itself it takes five minutes.
SEEN_SOON = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
}

CANARY = "zqxwjk"
"""
Everything that an invented patron is called begins with it; nothing else does. A shorter one would be found by chance
in the tokens of signed links.
"""

OF_TESTS = {
    # The project itself too, for the tests' own accounts.
    "PYTHONPATH": os.pathsep.join(map(str, (PROJECT / "plugins", PROJECT))),
    # Airflow may notice the end of a task's process as late as its next heartbeat, which holds a slot for 5 seconds.
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}
"""Settings of every Airflow here."""


ZONES = tuple(map(ZoneInfo, ("America/Chicago", "Europe/Dublin", "Australia/Sydney")))
ZONE = next(zone for zone in ZONES if 7 <= datetime.now(zone).hour < 19)
"""
That of the invented libraries: one where it is day now, so that neither a midnight nor the hour of a nightly schedule
comes while the tests run.
"""

SMALL = {"northfield": 300, "stclare": 300, "wattlegrove": 150}
"""How many people each library's demo export has: the universities' make two chunks of up to 250."""
COLUMNS = exports.STCLARE_COLUMNS

Found = TypeVar("Found")


class Times(NamedTuple):
    """From when to when a task ran, for the day of its run."""

    day: str | None
    began: datetime
    ended: datetime


class Scheduler:
    """Airflow's scheduler as a process that a test may kill; what it leaves running is ended with the test."""

    def __init__(self, airflow: LocalAirflow) -> None:
        self._airflow = airflow
        self._process: subprocess.Popen[bytes] | None = None
        self._left: list[psutil.Process] = []

    def start(self) -> None:
        with self._airflow.log("scheduler").open("ab") as log:
            self._process = subprocess.Popen(
                self._airflow.command("scheduler"),
                env=self._airflow.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill -9 of this one process, as Linux does when memory runs out; the tasks that it began live on."""
        assert self._process
        self._left += psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it, with all that it and those before it have begun."""
        if self._process and self._process.poll() is None:
            self._left += psutil.Process(self._process.pid).children(recursive=True)
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for process in self._left:
            with suppress(psutil.NoSuchProcess):
                process.kill()


class BucketWorld(NamedTuple):
    """
    An Airflow of its own with its artifacts in the sandbox's bucket, encrypted, and libraries around which things go
    down.
    """

    airflow: LocalAirflow
    scheduler: Scheduler
    sandbox: Sandbox
    folio: FolioServer
    exports: Path
    demo_exports: Mapping[str, exports.Export]
    key: str
    """Of its artifacts."""

    def start(self, tenant: str) -> str:
        """A load by hand; its run_id."""
        self.airflow.api.wait_for_dag(dag_id(tenant))
        self.airflow.api.unpause(dag_id(tenant))
        return self.airflow.api.trigger(dag_id(tenant))

    def ended(self, tenant: str, run_id: str) -> Run:
        """The run, once it has ended."""
        return self.airflow.api.wait(dag_id(tenant), run_id)

    def task(self, tenant: str, run_id: str, task_id: str) -> TaskState:
        """How a task of a run stands."""
        return next(task for task in self.airflow.api.tasks(dag_id(tenant), run_id) if task.task_id == task_id)

    def deliver(self, tenant: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Put today's export where the library's source looks for it."""
        place = self.exports / tenant / f"patrons_{today():%Y%m%d}.csv"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(as_csv(rows))

    def imports(self, tenant: str) -> list[Seen]:
        """The user imports that came in for a library."""
        return [seen for seen in self.folio.imports if seen.folio_tenant == f"fs{tenant}"]


class World(NamedTuple):
    """What runs, and where its files are."""

    airflow: LocalAirflow
    sandbox: Sandbox
    folio: FolioServer
    """The FOLIO of the invented libraries; the demo's have the sandbox's."""
    dags: Path
    include: Path
    artifacts: Path
    exports: Path
    demo_exports: Mapping[str, exports.Export]
    """The newest export of each of the demo's libraries."""
    statsd: StatsdServer
    """What Airflow sends as metrics."""

    @property
    def api(self) -> AirflowApi:
        return self.airflow.api

    def unlock(self, tenant: str) -> None:
        """Let the library's loads run."""
        self.api.wait_for_dag(dag_id(tenant))
        self.api.unpause(dag_id(tenant))

    def ended(self, tenant: str, run_id: str) -> Run:
        """The run, once it has ended."""
        return self.api.wait(dag_id(tenant), run_id)

    def times(self, tenant: str, task_id: str) -> list[Times]:
        """When the task ran, of all runs of the library in which it has ended, the first one first."""
        found = self.api.http.get(f"dags/{dag_id(tenant)}/dagRuns/~/taskInstances", params={"task_id": task_id})
        keys = {run.run_id: run.partition_key for run in self.api.runs(dag_id(tenant))}
        times = [
            Times(keys[task["dag_run_id"]], _moment(task["start_date"]), _moment(task["end_date"]))
            for task in found.raise_for_status().json()["task_instances"]
            if task["end_date"]
        ]
        return sorted(times, key=lambda each: each.began)

    def start(self, tenant: str, **params: Any) -> str:
        """A load by hand; its run_id."""
        self.unlock(tenant)
        return self.api.trigger(dag_id(tenant), params)

    def states(self, tenant: str, run_id: str) -> dict[str, str | None]:
        """Task -> its state."""
        return {task.task_id: task.state for task in self.api.tasks(dag_id(tenant), run_id)}

    def folder(self, tenant: str, run_id: str) -> Path:
        """Where the run's artifacts are."""
        return self.artifacts / tenant / run_id

    def report(self, tenant: str, run_id: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder(tenant, run_id) / "report.json").read_text())
        return report

    def mails(self, run_id: str) -> list[EmailMessage]:
        """The mails about this run: one for people on call where they get one, and one for contacts."""
        return [mail for mail in self.sandbox.mail.mails if mail["X-Patronload-Run"] == run_id]

    def imports(self, tenant: str) -> list[Seen]:
        """The user imports that came in for an invented library."""
        return [seen for seen in self.folio.imports if seen.folio_tenant == f"fs{tenant}"]

    def reread(self) -> None:
        """Have Airflow read the DAG files now; by itself it does so every 30 seconds."""
        for file in self.dags.glob("*.py"):
            file.touch()

    def deliver(self, tenant: str, name: str, content: str | bytes) -> Path:
        """Put an export where the library's source looks for it."""
        place = self.exports / tenant / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        return place


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def dag_id(tenant: str) -> str:
    return f"patron_load__{tenant}"


def text_of(mail: EmailMessage) -> str:
    """The mail's plain text."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def accounted(report: Mapping[str, Any]) -> int:
    """Every row once: these are the rows of the export."""
    parts = ("created", "updated", "unchanged", "failed", "rejected", "skipped", "not_sent", "unconfirmed")
    return sum(report[name] for name in parts)


def wait_until(what: Callable[[], Found], seconds: float = PATIENCE) -> Found:
    """What `what` answers, once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {seconds:.0f} s: {what}")
        time.sleep(0.2)
    return found


def copy_of_include(include: Path) -> Path:
    """The demo's own files, but for limits and waits that suit small exports."""
    shutil.copytree(PROJECT / "include", include)
    changes = {r"quiet_seconds: 1\b": "quiet_seconds: 0.1", "min_rows: 1000": "min_rows: 100"}
    changes |= {"max_rejects: 5%": "max_rejects: 20%"}
    for file in (include / "tenants").glob("*.yaml"):
        text = file.read_text()
        for old, new in changes.items():
            text = re.sub(old, new, text)
        file.write_text(put_off(text))
    return include


def put_off(tenant_file: str) -> str:
    """The tenant file, loaded half a day later if the moment of its schedule would come while the tests run."""
    found = re.search(r'^schedule: "(\d+) (\d+) \* \* \*".*\ntimezone: (\S+)', tenant_file, re.MULTILINE)
    if found is None:
        return tenant_file
    minute, hour, now = int(found[1]), int(found[2]), datetime.now(ZoneInfo(found[3]))
    minutes_ahead = (60 * hour + minute - 60 * now.hour - now.minute) % (24 * 60)
    if minutes_ahead > 3 * 60:
        return tenant_file
    return tenant_file.replace(f'"{minute} {hour} * * *"', f'"{minute} {(hour + 12) % 24} * * *"')


def library_file(include: Path, name: str, delivered: Path, schedule: str = "0 3 * * *", zone: str = ZONE.key) -> None:
    """A tenant file of one of the INVENTED; its exports are in delivered/<name>/."""
    (include / "tenants" / f"{name}.yaml").write_text(
        f"""
tenant: {name}
library: {name.title()} Library
mapping: folio/flat_patrons
schedule: "{schedule}"
timezone: {zone}
source:
  type: folder
  path: {delivered.as_uri()}/{name}/patrons_{{date:%Y%m%d}}.csv
  quiet_seconds: 0
{overdue(name)}target:
  type: folio
  connection: invented_folio
  folio_tenant: fs{name}
  chunk_size: 20
  send: all
limits:
  max_rejects: 10%
{asking(name)}notify:
  always: [desk@{name}.example]
  on_failure: [oncall@{name}.example]
  weekly: [weekly@consortium.example]
{LINKS if name == LINKED else ""}"""
    )


def overdue(name: str) -> str:
    """The lines of a tenant file by which a load waits for its file, and is reported while it does."""
    return '  expected_by: "00:00"\n  look_again_seconds: 10\ndeadline: 1 minute\n' if name == OVERDUE else ""


LINKS = """links:
  rejects: [desk@sedley.example]
  approvers: [chief@sedley.example]
"""


def asking(name: str) -> str:
    """The lines of a tenant file by which a load asks when it is much shorter or longer than the last one."""
    if name not in ASKING and name != LINKED:
        return ""
    within = ASKING.get(name, "1 hour")
    return f"  row_change: 20%\napproval:\n  ask: [head@{name}.example]\n  answer_within: {within}\n"


def question_mails(world: World, tenant: str) -> list[EmailMessage]:
    """The mails to whoever is to answer."""
    return [mail for mail in world.sandbox.mail.mails if mail["X-RcptTo"] == f"head@{tenant}.example"]


def schedule_soon(world: World, seconds: float = 100) -> None:
    """Give one library a schedule whose moment is so far ahead, and the export of that day."""
    # In UTC no hour is left out or comes twice.
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    world.deliver(SCHEDULED, f"patrons_{moment:%Y%m%d}.csv", as_csv(people(SCHEDULED, 5)))
    library_file(world.include, SCHEDULED, world.exports, f"{moment:%-M %-H} * * *", "UTC")
    world.reread()
    world.unlock(SCHEDULED)


def loader_connection(folio: FolioServer) -> str:
    """The account that `FolioServer` gives to a tenant it knows by name alone."""
    account = next(iter(folio.tenants.values()))
    return json.dumps({"conn_type": "http", "host": folio.url, "login": account.username, "password": account.password})


def deliver_demo_exports(sandbox: Sandbox) -> dict[str, exports.Export]:
    """Small exports of the last two days for the demo's libraries; the newest one of each."""
    newest = {}
    for library in LIBRARIES:
        folder = sandbox.sftp.folder(library.tenant) / library.folder
        folder.mkdir(parents=True, exist_ok=True)
        for day in exports.days_before(library.today, 1):
            newest[library.tenant] = demo_export(library, day)
            (folder / newest[library.tenant].name).write_bytes(newest[library.tenant].content)
    return newest


def demo_export(library: Library, day: date) -> exports.Export:
    made: exports.Export = getattr(exports, library.tenant)(day, SMALL[library.tenant])
    return made


def today() -> date:
    """The invented libraries' own day."""
    return datetime.now(ZONE).date()


def people(library: str, count: int, first: int = 1) -> list[dict[str, str]]:
    """People who do not exist, each with a number; a row's cells may be changed."""
    return [person(library, number) for number in range(first, first + count)]


def person(library: str, number: int) -> dict[str, str]:
    mark = f"{CANARY}{library[:3]}"
    return {
        "externalSystemId": f"{mark}id{number:05}",
        "username": f"{mark}user{number}",
        "barcode": f"{mark}00{number:06}",
        "patronGroup": "Student",
        "lastName": f"{mark}sson",
        "firstName": f"{mark}Zoë",
        "email": f"{mark}{number}@mail.example",
        "phone": f"{mark} 020 910 {number:04}",
        "expirationDate": "2031-08-31",
    }


def as_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
