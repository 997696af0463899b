"""Whether a person marked a run as failed: Airflow then skips what had not begun, and the run would end green."""

from __future__ import annotations

from typing import Any

from airflow.sdk import get_current_context


def stage() -> str | None:
    """The stage at which a person marked this run as failed; None if no one did. After an error no stage is skipped."""
    states = {each["task_id"]: each["state"] for each in ended()}
    order = [task for task in get_current_context()["dag"].task_ids if task not in ("report", "notify")]
    failed = next((task for task in order if states.get(task) == "failed"), None)
    skipped = [task for task in order if states.get(task) == "skipped"]
    if "fetch" in skipped:
        return "fetch"
    return failed if failed and skipped else None


def ended() -> list[dict[str, Any]]:
    """The tasks of this run that have ended, with their states."""
    context = get_current_context()
    task: Any = context["ti"]
    return [*task.get_task_breadcrumbs(context["dag"].dag_id, context["dag_run"].run_id)]
