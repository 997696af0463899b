"""The Airflow tasks for all libraries together: purge old artifacts, and send the weekly mails."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from airflow.sdk import get_current_context, task

from patronload.artifacts import purging
from patronload.config import tenants
from patronload.in_airflow import tasks

log = logging.getLogger(__name__)

OPTIONS: dict[str, Any] = {name: value for name, value in tasks.OPTIONS.items() if name != "max_active_tis_per_dag"}


@task(**OPTIONS, execution_timeout=timedelta(hours=3))
def purge() -> dict[str, int]:
    """Take away the artifacts that are older than each tenant's file says."""
    counts = {"patrons": 0, "runs": 0}
    for name, keep in purging.keeps():
        gone = purging.purge(name, keep, datetime.now(UTC), _under_way)
        if any(gone):
            log.info("%s: patrons of %s runs taken away, and %s runs as a whole", name, gone.patrons, gone.runs)
        counts = {"patrons": counts["patrons"] + gone.patrons, "runs": counts["runs"] + gone.runs}
    log.info("Taken away: the patrons of %(patrons)s runs, and %(runs)s runs as a whole", counts)
    return counts


@task(**OPTIONS, execution_timeout=timedelta(hours=3))
def digest() -> dict[str, int]:
    """Send each address that wants it one mail about the week; a retry does not send again what went out."""
    from patronload.reporting import digests, smtp  # slow

    context = get_current_context()
    until = context["dag_run"].run_after
    store = context["task_state_store"]
    done = set(cast("list[str]", store.get("sent", [])))
    found = digests.digests(until)
    for address, weeks in found.items():
        # Airflow's database holds no address.
        mark = hashlib.sha256(address.casefold().encode()).hexdigest()[:16]
        if mark not in done:
            smtp.send(digests.mail(address, weeks, until))
            done.add(mark)
            store.set("sent", [*sorted(done)])
    log.info("Sent %s weekly mails", len(found))
    return {"mails": len(found)}


def _under_way(tenant: str, run_id: str) -> bool:
    """Whether Airflow still works on the run, or is about to."""
    instance: Any = get_current_context()["ti"]
    states = ["running", "queued"]
    return bool(instance.get_dr_count(f"{tenants.DAG_PREFIX}{tenant}", run_ids=[run_id], states=states))
