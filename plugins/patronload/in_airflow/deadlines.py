"""
Airflow's deadline alerts: a mail while a load has not ended in time, whatever holds it up.

The alert is Airflow's own: the scheduler sees that the time has passed, and has an executor call `report_missed`. So it
works even if no task of the load ever begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from airflow.sdk.configuration import conf
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from patronload.config import tenant_values, tenants
from patronload.config.tenants import Tenant
from patronload.in_airflow import current_load
from patronload.reporting.airflow_links import Links


def alert(tenant: Tenant) -> DeadlineAlert | None:
    """The alert of a library's DAG; None if its tenant file has no `deadline`."""
    if tenant.deadline is None:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=tenant_values.duration(tenant.deadline),
        callback=SyncCallback(report_missed, kwargs={"tenant": tenant.tenant}),
    )


def report_missed(tenant: str, context: Mapping[str, Any]) -> None:
    """Mail that the load has not ended; Airflow calls it. Raises ConfigError, TargetError, TransientError."""
    from patronload.reporting import attention_mail, smtp

    run, loaded = context["dag_run"], tenants.load(tenant)
    run_id = str(run["dag_run_id"])
    link = Links(conf.get("api", "base_url", fallback="").rstrip("/")).run(loaded.dag_id, run_id)
    smtp.send(attention_mail.deadline_mail(loaded, run_id, _day(run, loaded), link))


def _day(run: Mapping[str, Any], tenant: Tenant) -> date:
    asked = (run.get("conf") or {}).get("day") or run.get("partition_key")
    return current_load.day_of(asked, datetime.fromisoformat(str(run["run_after"])), tenant)
