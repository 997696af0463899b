"""
## What a load does

Keeps one library's patrons in its library system in step with what the institution knows.

* **fetch** takes the export from its source, byte for byte, and only when nobody is writing to it any more.
* **validate** checks it: what is wrong with the file stops the run, what is wrong with a row rejects that row. It also
  asks whether it is the right file: not loaded before, not older than the last one, with the same columns, and so on.
* **transform** maps the rows to patrons by the mapping file.
* **plan** compares them with what the library system has, and changes nothing there: it keeps what the library owns,
  sets aside what cannot be loaded, and cuts the rest into chunks.
* **approve** asks a person when something about the load is unusual, and waits for the answer, if the tenant file has
  `approval`. Else it goes on at once; without `approval` there is no such task, and an unusual load is stopped.
* **post** sends the chunks one after the other, each once, and keeps every answer. It may be cleared at any time.
* **report** tells what became of every row: rows = created + updated + failed + rejected, and what is still open.
* **notify** mails that to the contacts whom the tenant names for this outcome. Both run after a failure, too.

## What you can do

* **To load by hand:** Trigger. 'Dry run' does everything but post. 'Source path' takes another file than the usual one.
  'Load anyway' loads a file although it may not be the right one: write the reason, it goes into the report.
  The 'Partition Key' (under Advanced Options) is the day the load is for, like 2026-11-20; left out, it is today.
* **To load past days:** Trigger, Backfill. With the clock at the lower left at UTC, 'From' and 'To' are the library's
  own time: 00:00 of the first day, 23:59 of the last. Leave 'Max Active Runs' at 1: the days are loaded in order.
  A day's file that is no longer there is taken from the run that fetched it. Days before the last one loaded are
  stopped, unless 'Load anyway' has a reason.
* **To answer for an unusual load:** *Required Actions* on the home page, or the link in the mail. What is unusual and
  what would be loaded is told there. Approve or Reject, with a reason. Nothing is sent without a yes.
* **To see what became of it:** the tab *Load report* of a run; *Patron loads* above has all of this library's loads.
* **When a task is red:** its log says in its last lines what is wrong and what to do. More is in
  `docs/when-a-run-fails.md`.
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, CronPartitionTimetable, chain, get_parsing_context

from patronload.config import tenants
from patronload.config.tenants import Tenant
from patronload.in_airflow import tasks


def patron_load(tenant: Tenant) -> DAG:
    """One library's DAG."""
    with DAG(
        tenant.dag_id,
        dag_display_name=f"Patron load: {tenant.library}",
        description=f"{tenant.source.type} to {tenant.target.type}, by {tenant.mapping}",
        doc_md=f"{about(tenant)}\n{__doc__}",
        schedule=timetable(tenant),
        catchup=False,
        max_active_runs=1,
        tags=["patron-load", f"tenant:{tenant.tenant}", f"target:{tenant.target.type}"],
        default_args={"owner": tenant.library},
        is_paused_upon_creation=True,
    ) as dag:
        steps(tenant)
    # Not before: Airflow would give each task a copy, and check it again and again. With hundreds of tenants that is
    # more than half of the time it takes to read them.
    dag.params.update(tasks.PARAMS)
    # post succeeds after a real load only, so each event of the asset is one.
    patrons = Asset(name=f"{tenant.tenant} patrons", uri=tenant.asset, group="patron-load")
    dag.get_task("post").outlets.append(patrons)
    return dag


def steps(tenant: Tenant) -> None:
    """What a load does, in its order."""
    name = tenant.tenant
    chain(
        tasks.fetch(name),
        tasks.validate(name),
        tasks.transform(name),
        tasks.plan(name),
        # Where nobody is ever asked, no task waits to ask.
        *([tasks.approve(name)] if tenant.approval else []),
        tasks.post(name),
        # Teardowns run after a failure, too. The run is red when post or notify is: Airflow asks the last tasks, and a
        # teardown that counts hides the one before it. So report must not count, or it would stand for post.
        tasks.report(name).as_teardown(),
        tasks.notify(name).as_teardown(on_failure_fail_dagrun=True),
    )


def timetable(tenant: Tenant) -> CronPartitionTimetable | None:
    """One run for each of the library's local days, whatever daylight saving does; None: by hand only."""
    if tenant.schedule is None:
        return None
    # A library that is switched on for the first time loads at its next hour; Airflow would by itself also make a run
    # for an hour that has just passed, beside the one that somebody starts to see whether it works.
    return CronPartitionTimetable(
        tenant.schedule, timezone=tenant.timezone, key_format="%Y-%m-%d", run_immediately=timedelta(0)
    )


def about(tenant: Tenant) -> str:
    """The tenant's own lines, above the manual."""
    return (
        f"| library | {tenant.library} |\n| --- | --- |\n"
        f"| tenant file | `include/tenants/{tenant.tenant}.yaml` |\n"
        f"| mapping file | `include/mappings/{tenant.mapping}.yaml` |\n"
        f"| export | `{tenant.source.path}` ({tenant.source.type}) |\n"
        f"| schedule | `{tenant.schedule or 'by hand'}`, {tenant.timezone} |\n"
    )


# A task needs its own DAG only. A tenant file that does not load is told of by tenant_files.py, because an error here
# would take every tenant's DAG down.
wanted = get_parsing_context().dag_id
for _, loaded in tenants.load_all():
    if isinstance(loaded, Tenant) and wanted in (None, loaded.dag_id):
        globals()[loaded.dag_id] = patron_load(loaded)
