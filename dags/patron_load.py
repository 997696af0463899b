"""
## What a load does

This DAG loads one library's patron export into its library system.

* **fetch** gets the export from its source, byte for byte, once it is no longer being written.
* **validate** checks it. A problem with the file stops the run; a problem with a row rejects that row. It also checks
  whether this is the right file: not loaded before, not older than the last one, with the same columns, and so on.
* **transform** maps the rows to patrons, with the mapping file.
* **plan** compares them with the library system and changes nothing there. It keeps what the library owns, sets aside
  what cannot be loaded, and cuts the rest into chunks.
* **approve** asks a person if something about the load is unusual, and waits for the answer. Without `approval` in the
  tenant file, an unusual load stops instead; an undo is always asked about.
* **post** sends the chunks one after the other, each once, and keeps every answer. You can clear it at any time.
* **report** counts what happened to every row: rows = created + updated + unchanged + failed + rejected + skipped +
  not sent + unconfirmed.
* **notify** mails the report to the contacts that the tenant file names for this outcome. report and notify run after
  a failure too.

## What you can do

* **Load by hand:** press Trigger. *Dry run* does everything except post. *Source path* uses another file instead of the
  usual one. *Load anyway* loads a file even if it may be the wrong one: give the reason; it appears in the report.
  *Day* is the day the load is for; the default is today.
* **Load past days:** press Trigger and choose Backfill. If the clock at the lower left shows UTC, *From* and *To* are
  the library's own time: 00:00 of the first day, 23:59 of the last. Leave *Max Active Runs* at 1, so that the days are
  loaded in order. If a day's file is gone, the copy of the run that fetched it is used. Days before the last one loaded
  are stopped, unless *Load anyway* has a reason.
* **Answer for an unusual load:** open *Required Actions* on the home page, or the link in the mail. It shows what is
  unusual and what would be loaded. Approve or Reject, with a reason. Nothing is sent without approval.
* **Undo a load:** press Trigger and write the run id of the load into *Undo*. No file is loaded; fields go back to
  what they were, unless someone has changed them since. You are always asked first. See `docs/undo.md`.
* **See the result:** open the tab *Load report* of a run. The tab *Patron loads* above lists all of its library's
  loads.
* **When a task is red:** the last lines of its log say what is wrong and what to do. See also
  `docs/when-a-run-fails.md`.
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, CronPartitionTimetable, chain, get_parsing_context

from patronload.config import tenants
from patronload.config.tenants import Tenant
from patronload.in_airflow import deadlines, lineage, tasks


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
        deadline=deadlines.alert(tenant),
    ) as dag:
        stages(tenant)
    # Set last: Airflow would otherwise give each task a copy and validate it again and again. With hundreds of tenants
    # that is more than half of the time it takes to read them.
    dag.params.update(tasks.PARAMS)
    for task_id in lineage.STAGES:
        lineage.tell(dag.get_task(task_id), tenant)
    # post succeeds only after a real load, so each event of the asset is one.
    patrons = Asset(name=f"{tenant.tenant} patrons", uri=tenant.asset, group="patron-load")
    dag.get_task("post").outlets.append(patrons)
    return dag


def stages(tenant: Tenant) -> None:
    """The stages of a load, in order."""
    name = tenant.tenant
    chain(
        tasks.fetch(name),
        tasks.validate(name),
        tasks.transform(name),
        tasks.plan(name),
        # Without `approval` a person is asked about an undo only, and the task ends at once on all other days.
        tasks.approve(name),
        tasks.post(name),
        # Teardowns run after a failure too. The run is red if post or notify is: Airflow looks at the last tasks, and a
        # teardown that counts hides the task before it. So report must not count, or it would hide post.
        tasks.report(name).as_teardown(),
        tasks.notify(name).as_teardown(on_failure_fail_dagrun=True),
    )


def timetable(tenant: Tenant) -> CronPartitionTimetable | None:
    """One run for each of the library's local days, whatever daylight saving time does; None: by hand only."""
    if tenant.schedule is None:
        return None
    # A DAG that is unpaused for the first time loads at its next scheduled time. By default Airflow would also start a
    # run for a time that has just passed, beside the one that someone starts as a trial.
    return CronPartitionTimetable(
        tenant.schedule, timezone=tenant.timezone, key_format="%Y-%m-%d", run_immediately=timedelta(0)
    )


def about(tenant: Tenant) -> str:
    """The table about this tenant, above the manual."""
    return (
        f"| library | {tenant.library} |\n| --- | --- |\n"
        f"| tenant file | `include/tenants/{tenant.tenant}.yaml` |\n"
        f"| mapping file | `include/mappings/{tenant.mapping}.yaml` |\n"
        f"| export | `{tenant.source.path}` ({tenant.source.type}) |\n"
        f"| schedule | `{tenant.schedule or 'by hand'}`, {tenant.timezone} |\n"
    )


# A task needs only its own DAG. tenant_files.py reports tenant files that do not load, because an error here would take
# down every tenant's DAG.
wanted = get_parsing_context().dag_id
for _, loaded in tenants.load_all():
    if isinstance(loaded, Tenant) and wanted in (None, loaded.dag_id):
        globals()[loaded.dag_id] = patron_load(loaded)
