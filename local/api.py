"""Ask a running Airflow over its REST API: unpause, trigger, wait, backfill."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import httpx

ENDED = frozenset({"success", "failed"})

PATIENCE = 600.0
"""Seconds to wait for a run, a backfill or a DAG; on a machine that is busy with other programs it takes minutes."""

ANSWER_PATIENCE = 120.0
"""Seconds to wait for one answer of Airflow."""

TRIES = 20
"""Requests until an answer of 500 counts, with a pause after each."""

PAUSE = 1.0
"""Seconds."""


class Run(NamedTuple):
    """A DAG run: its id, its state (queued, running, success, failed), its partition key and who started it."""

    dag_id: str
    run_id: str
    state: str
    partition_key: str | None
    run_type: str


class TaskState(NamedTuple):
    """A task of a run; `state` is None while it has not been scheduled, `seconds` until it has ended."""

    task_id: str
    state: str | None
    seconds: float | None
    try_number: int


class _Patient(httpx.HTTPTransport):
    """
    Asks again after a 500.

    With SQLite, Airflow's server answers so if a task writes at the same moment: its event loop waits for a lock whose
    owner waits for the event loop. Such a request has changed nothing.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The first answer that is not a 500, or the last of TRIES."""
        for _ in range(TRIES - 1):
            response = super().handle_request(request)
            if response.status_code != httpx.codes.INTERNAL_SERVER_ERROR:
                return response
            response.close()
            time.sleep(PAUSE)
        return super().handle_request(request)


class AirflowApi:
    """Airflow's REST API for one user; `http` is the client underneath, logged in, for everything else."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._login = {"username": user, "password": password}

    @cached_property
    def http(self) -> httpx.Client:
        """A client whose addresses are below /api/v2; made, and logged in, when it is first used."""
        answer = httpx.post(f"{self.url}/auth/token", json=self._login, timeout=ANSWER_PATIENCE, trust_env=False)
        token = answer.raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(
            base_url=f"{self.url}/api/v2",
            headers=headers,
            timeout=ANSWER_PATIENCE,
            trust_env=False,
            transport=_Patient(),
        )

    def close(self) -> None:
        """Close the connections; the next call logs in again."""
        if "http" in self.__dict__:
            self.__dict__.pop("http").close()

    def wait_for_dag(self, dag_id: str, timeout: float = PATIENCE) -> None:
        """Until Airflow has read the DAG; TimeoutError names what could not be read."""
        for _ in _until(timeout):
            if self.http.get(f"dags/{dag_id}").status_code == httpx.codes.OK:
                return
        raise TimeoutError(f"Airflow has no DAG {dag_id} after {timeout:.0f} s. {self.import_errors() or ''}")

    def import_errors(self) -> dict[str, str]:
        """DAG file -> why it could not be read."""
        return {e["filename"]: e["stack_trace"] for e in self._get("importErrors")["import_errors"]}

    def unpause(self, dag_id: str) -> None:
        """Let the DAG's runs begin."""
        self.http.patch(f"dags/{dag_id}", json={"is_paused": False}).raise_for_status()

    def pause(self, dag_id: str) -> None:
        """Let no further task of the DAG begin."""
        self.http.patch(f"dags/{dag_id}", json={"is_paused": True}).raise_for_status()

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, partition_key: str | None = None) -> str:
        """Start a run (for a day, when `partition_key` names one); its run_id."""
        body = {"logical_date": None, "conf": dict(conf or {}), "partition_key": partition_key}
        return str(self._post(f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> Run:
        """The run as it is now."""
        return _run(self._get(f"dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str) -> list[Run]:
        """All runs of the DAG, the first one first."""
        found = self._get(f"dags/{dag_id}/dagRuns", limit=100, order_by="id")
        return [_run(run) for run in found["dag_runs"]]

    def wait(
        self,
        dag_id: str,
        run_id: str,
        timeout: float = PATIENCE,
        tell: Callable[[Run, list[TaskState]], None] = lambda _run, _tasks: None,
    ) -> Run:
        """Until the run has ended, well or not; `tell` hears of it again and again. TimeoutError names its state."""
        for _ in _until(timeout):
            run, tasks = self.run(dag_id, run_id), self.tasks(dag_id, run_id)
            tell(run, tasks)
            if run.state in ENDED:
                return run
        raise TimeoutError(f"{dag_id} {run_id} is {run.state} after {timeout:.0f} s: {tasks}")

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """The run's tasks in the order in which they began; those that have not begun come last."""
        found = self._get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        found.sort(key=lambda task: task["start_date"] or "9")
        return [TaskState(t["task_id"], t["state"], t["duration"], t["try_number"]) for t in found]

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """The log of a task, one event a line."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        return "\n".join(str(line.get("event", line)) for line in self._get(path)["content"])

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Run these tasks again, and the tasks after them."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "include_downstream": True,
        }
        self._post(f"dags/{dag_id}/clearTaskInstances", body)

    def backfill(
        self,
        dag_id: str,
        first: datetime,
        last: datetime,
        conf: Mapping[str, Any] | None = None,
        reprocess: str = "none",
    ) -> int:
        """Ask for one run per scheduled moment from `first` to `last` (aware, both included), one at a time; the id."""
        body = {
            "dag_id": dag_id,
            "from_date": first.isoformat(),
            "to_date": last.isoformat(),
            "dag_run_conf": dict(conf or {}),
            "reprocess_behavior": reprocess,
            "max_active_runs": 1,
        }
        return int(self._post("backfills", body)["id"])

    def wait_for_backfill(self, backfill_id: int, timeout: float = PATIENCE) -> None:
        """Until all runs of the backfill have ended, well or not."""
        for _ in _until(timeout):
            if self._get(f"backfills/{backfill_id}")["completed_at"]:
                return
        raise TimeoutError(f"backfill {backfill_id} goes on after {timeout:.0f} s")

    def _get(self, path: str, **query: str | int) -> Any:
        return _checked(self.http.get(path, params=query))

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return _checked(self.http.post(path, json=body))


def _checked(answer: httpx.Response) -> Any:
    """Airflow says in the body why it refuses; the exception must carry it."""
    if answer.is_error:
        raise RuntimeError(f"Airflow answered {answer.status_code} to {answer.request.url.path}: {answer.text[:500]}")
    return answer.json()


def _run(run: Mapping[str, Any]) -> Run:
    return Run(run["dag_id"], run["dag_run_id"], run["state"], run.get("partition_key"), run["run_type"])


def _until(timeout: float, pause: float = 0.3) -> Iterator[None]:
    deadline = time.monotonic() + timeout
    yield
    while time.monotonic() < deadline:
        time.sleep(pause)
        yield
