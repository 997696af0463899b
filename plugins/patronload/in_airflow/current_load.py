"""The load that a task is part of, from its run and the run's parameters."""

from __future__ import annotations

from datetime import date, datetime

from airflow.sdk import get_current_context
from airflow.sdk.types import DagRunProtocol

from patronload import plain_text
from patronload.artifacts import purging
from patronload.artifacts import run as runs
from patronload.config import tenants
from patronload.loads.load import Load


def of_the_task(name: str) -> Load:
    """The load that the task at hand is part of."""
    context = get_current_context()
    tenant = tenants.load(name)
    run, params = context["dag_run"], context["params"]
    artifacts = runs.open_run(tenant.tenant, run.run_id)
    purging.check(artifacts)
    return Load(
        tenant=_sending_everyone(tenant) if params.get("send_all") else tenant,
        run=artifacts,
        run_id=run.run_id,
        day=day_of(params.get("day") or run.partition_key, run.run_after, tenant),
        dry_run=params["dry_run"],
        source_path=params["source_path"],
        # A run that was started by an earlier version, and is cleared now, has no such parameter.
        load_anyway=on_one_line(params.get("load_anyway")),
        past=is_past(run, tenant, params.get("day")),
        adopt=on_one_line(params.get("adopt")),
        undo=on_one_line(params.get("undo")),
        leave=bool(params.get("leave")),
    )


def _sending_everyone(tenant: tenants.Tenant) -> tenants.Tenant:
    """The tenant as if its file had `target.send: all`."""
    return tenant.model_copy(update={"target": tenant.target.model_copy(update={"send": "all"})})


def on_one_line(written: str | None) -> str | None:
    """A person's text on one line, for logs and mails; None if it is blank."""
    return " ".join(plain_text.one_line(written or "").split()) or None


def day_of(asked: str | None, run_after: datetime, tenant: tenants.Tenant) -> date:
    """The library's local day: the one asked for (a chosen day, or the run's partition), or the day of the start."""
    return date.fromisoformat(asked) if asked else run_after.astimezone(tenant.zone).date()


def is_past(run: DagRunProtocol, tenant: tenants.Tenant, chosen: str | None = None) -> bool:
    """Whether a person asked for a past day: a backfill, or a run by hand with a day or a partition key."""
    asked = chosen or run.partition_key if run.run_type in ("backfill", "manual") else None
    return bool(asked) and day_of(asked, run.run_after, tenant) < datetime.now(tenant.zone).date()
