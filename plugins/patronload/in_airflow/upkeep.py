"""The Airflow tasks for all libraries together: purge old artifacts, report what needs attention, send weekly mails."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import Variable, get_current_context, task

from patronload.artifacts import purging
from patronload.config import tenants
from patronload.in_airflow import ping, tasks

if TYPE_CHECKING:
    from patronload.reporting import attention_mail

log = logging.getLogger(__name__)

OPTIONS: dict[str, Any] = {name: value for name, value in tasks.OPTIONS.items() if name != "max_active_tis_per_dag"}


@task(**OPTIONS, execution_timeout=timedelta(hours=3))
def purge() -> dict[str, int]:
    """Delete the artifacts that are older than each tenant file allows."""
    counts = {"patrons": 0, "runs": 0}
    for name, keep in purging.keeps():
        gone = purging.purge(name, keep, datetime.now(UTC), _under_way)
        if any(gone):
            log.info("%s: deleted the patrons of %s runs, and %s whole runs", name, gone.patrons, gone.runs)
        counts = {"patrons": counts["patrons"] + gone.patrons, "runs": counts["runs"] + gone.runs}
    if unfinished := purging.remove_unfinished(datetime.now(UTC)):
        log.info("%s files deleted that were never finished", unfinished)
    log.info("Deleted: the patrons of %(patrons)s runs, and %(runs)s whole runs", counts)
    ping.send("purge")
    return counts


MAILED = "patronload_attention"
"""The Airflow variable that says what the last mail about attention reported, without names and addresses."""


@task(**OPTIONS, execution_timeout=timedelta(minutes=30))
def attention() -> dict[str, int]:
    """Mail to those on call which libraries need attention: what is new, and once a day what remains."""
    from patronload.in_airflow import watch
    from patronload.reporting import attention_mail, smtp

    run, now = get_current_context()["dag_run"], datetime.now(UTC)
    found = watch.look()
    due = run.run_type == "manual" or attention_mail.is_due(found.problems, _mailed(), now)
    if due:
        smtp.send(attention_mail.mail(found.to, found.problems, found.page, now))
        told = {"marks": sorted(attention_mail.marks(found.problems)), "at": now.isoformat()}
        Variable.set(MAILED, told, serialize_json=True)
    log.info("%s libraries need attention; %s", len(found.problems), "mailed" if due else "nothing new, no mail")
    ping.send("attention")
    return {"libraries": len(found.problems), "mails": len(found.to) if due else 0}


def _mailed() -> attention_mail.Mailed:
    """The report of the last mail; if it cannot be read, as if no mail had been sent."""
    from patronload.reporting.attention_mail import Mailed

    try:
        told = Variable.get(MAILED, default={}, deserialize_json=True)
        return Mailed(frozenset(map(str, told["marks"])), datetime.fromisoformat(told["at"]))
    except (KeyError, TypeError, ValueError):
        return Mailed()


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
    ping.send("digest")
    return {"mails": len(found)}


def _under_way(tenant: str, run_id: str) -> bool:
    """Whether Airflow still works on the run, or is about to."""
    instance: Any = get_current_context()["ti"]
    states = ["running", "queued"]
    return bool(instance.get_dr_count(f"{tenants.DAG_PREFIX}{tenant}", run_ids=[run_id], states=states))
