"""
The stages as Airflow tasks: each finds out which load it is for, and runs its stage.

Each task imports its stage itself: the DAG file is read twice a minute, and a stage needs what is slow to import.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import (
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryDecision,
    RetryRule,
    get_current_context,
    task,
)
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException

from patronload import dates
from patronload.config import tenant_values
from patronload.errors import MissingError, PatronloadError, TransientError
from patronload.in_airflow import current_load, ended_by_hand, kept_failures, metrics, questions
from patronload.in_airflow.pauses import PAUSES
from patronload.loads import approval, earlier_days, late_file, leases
from patronload.loads.load import Counts, Load
from patronload.reporting import approval_question
from patronload.reporting.airflow_links import Links

log = logging.getLogger(__name__)

PARAMS = {
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        source="dag",
        description="Do everything except sending: fetch, validate, transform, plan, report, mail. Change no patron.",
    ),
    "day": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Day",
        source="dag",
        description="Load the file of this day, in the library's time zone. Left empty: today.",
    ),
    "source_path": Param(
        None,
        type=["null", "string"],
        title="Source path",
        source="dag",
        description="Load this file instead of the usual one: a file in the same folder, like outgoing/corrected.csv.",
    ),
    "load_anyway": Param(
        None,
        type=["null", "string"],
        maxLength=500,
        title="Load anyway",
        description=(
            "To load a file that may not be the right one (already loaded, older, other columns, other patrons, "
            "outside the limits), enter the reason. It appears in the report and the mail. Do not name a patron."
        ),
    ),
    "send_all": Param(
        False,
        type="boolean",
        title="Send everyone",
        source="dag",
        description="Send every patron of the file in this run, even patrons who have not changed.",
    ),
    "adopt": Param(
        None,
        type=["null", "string"],
        maxLength=500,
        title="Take over users",
        source="dag",
        description=(
            "To take over users whom earlier programs loaded, so that they can leave, enter 'prefix' for all whose "
            "externalSystemId starts with this library's prefix, or the names of patron groups, separated by commas. "
            "Start a dry run with the same text first. The load always asks for approval."
        ),
    ),
    "undo": Param(
        None,
        type=["null", "string"],
        maxLength=500,
        title="Undo",
        description=(
            "To undo an earlier load of this library, enter its run id. No file is loaded. The run always asks for "
            "approval before anything is sent. With Dry run, the report says what would go back."
        ),
    ),
    "leave": Param(
        False,
        type="boolean",
        title="Leave created users",
        description="With Undo: keep the users whom that load created as they are. Otherwise they become inactive.",
    ),
}

LONGEST_PAUSE = timedelta(hours=1)
"""However long a server asks for."""

LONGEST_REASON = 500
"""The characters of a reason that Airflow keeps."""


class RetryByKind(ExceptionRetryPolicy):
    """Whether and when to try again, by the kind of error; never before the time that the server asked for."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """Tell Airflow what to do after an exception; it asks in the task's own process."""
        decision = super().evaluate(exception, try_number, max_tries, context)
        if decision.action is not RetryAction.RETRY or not isinstance(exception, TransientError):
            return decision
        # If the server asks for no pause, the task's own pauses apply; each is longer. The pages show why.
        pause = min(timedelta(seconds=exception.retry_after), LONGEST_PAUSE) if exception.retry_after else None
        return RetryDecision.retry(pause, str(exception)[:LONGEST_REASON])


# Only an error that says so may pass; a worker that died is retried by Airflow without asking.
RETRY_BY_KIND = RetryByKind(
    [
        RetryRule(TransientError, RetryAction.RETRY, reason="the network or a server was busy"),
        RetryRule(PatronloadError, RetryAction.FAIL, reason="a retry cannot help; see the message"),
    ]
)

OPTIONS: dict[str, Any] = {
    "retries": 3,
    **PAUSES,
    "retry_policy": RETRY_BY_KIND,
    # A backfill does not heed the DAG's max_active_runs; this is heeded by every run.
    "max_active_tis_per_dag": 1,
    # Where slots are short, the task nearest to its load's end goes first: loads finish one after another, and the
    # first mail comes early. By default every library's fetch would come before any library's post.
    "weight_rule": "upstream",
}

FUNCTION: dict[str, Any] = {
    **OPTIONS,
    # What a task hands on is one thing, not one for each figure in it; and its log has a sentence with the figures.
    "multiple_outputs": False,
    "show_return_value_in_logs": False,
}


class Approval(HITLOperator):
    """
    Ask a person whether an unusual load is right. Nothing runs while it waits: Airflow has the answer, or the time that
    has passed, wake it up. On ordinary days it ends at once.
    """

    def __init__(self, *, tenant: str, **options: Any) -> None:
        # What is asked, and until when, is known when it is asked. What no answer means is said here.
        super().__init__(
            subject="",
            options=[choice.name for choice in approval_question.CHOICES],
            defaults=approval_question.REJECT,
            response_timeout=tenant_values.LONGEST_WAIT,
            **options,
        )
        self.tenant = tenant

    def execute(self, context: Any) -> None:
        """Ask, if there is something to ask."""
        from patronload.stages import approve as stage

        load = current_load.of_the_task(self.tenant)
        question = stage.approve(load, self._turn(context))
        if question is None:
            return
        self.subject = f"{load.tenant.library}, {dates.in_words(load.day)}: {question.subject}"
        self.body = approval_question.markdown(question, load.tenant.system.name)
        self.options = [choice.name for choice in question.choices]
        self.defaults = self.options[-1:]
        self.params = ParamsDict({"reason": REASON})
        # It may have been asked before the worker died.
        self.response_timeout = max(question.until - datetime.now(UTC), timedelta(seconds=1))
        if questions.show(context["ti"].id, self) != self.body:
            approval.refuse_old_question(load)
        super().execute(context)

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> None:
        """Take the answer. Airflow calls it, with the last choice by no person when the time has passed."""
        from patronload.stages import approve as stage

        if "error" in event:
            self.process_trigger_event_error(dict(event))
        user = event["responded_by_user"] or {}
        answer = approval.Answer(
            approved=event["chosen_options"] != [approval_question.REJECT] and bool(user),
            by=user.get("name") or user.get("id"),
            at=event["responded_at"],
            reason=current_load.on_one_line((event["params_input"] or {}).get("reason")),
            leavers=event["chosen_options"] == [approval_question.APPROVE],
        )
        stage.approve(current_load.of_the_task(self.tenant), self._turn(context), answer)

    def _turn(self, context: Any) -> approval.Turn:
        # Clearing a task raises the number of its tries; trying again does not.
        return approval.Turn(context["ti"].max_tries, _link(context["ti"]), _base())


REASON = Param(
    "",
    type="string",
    minLength=3,
    maxLength=500,
    title="Reason",
    description="Why it is right, or wrong. This appears in the report and the mail. Do not name a patron.",
)


def _base() -> str | None:
    """Airflow's own address; None if it does not know it (api.base_url)."""
    found: str | None = conf.get("api", "base_url", fallback=None)
    return found


def _link(task: Any) -> str | None:
    """Where the person answers; None if Airflow does not know its own address (api.base_url)."""
    base = _base()
    return Links(base.rstrip("/")).question(task.dag_id, task.run_id) if base else None


@task(**FUNCTION, execution_timeout=timedelta(hours=1))
def fetch(tenant: str) -> Counts:
    """Take the export from its source, byte for byte; when it is not there yet, or not its turn, look again later."""
    from patronload.stages import fetch as stage

    with kept_failures.for_the_mail():
        load = current_load.of_the_task(tenant)
        _wait_for_earlier_days(load)
        try:
            return stage.fetch(load)
        except MissingError as missing:
            _look_again(load, missing)
            raise


@task(**FUNCTION, execution_timeout=timedelta(hours=1))
def validate(tenant: str) -> Counts:
    """Check the export: what is wrong with the file stops the run, what is wrong with a row rejects the row."""
    from patronload.stages import validate as stage

    with kept_failures.for_the_mail():
        counts = stage.validate(current_load.of_the_task(tenant))
    if told := counts.get(stage.ALREADY_LOADED):
        raise AirflowSkipException(told)
    return counts


@task(**FUNCTION, execution_timeout=timedelta(hours=1))
def transform(tenant: str) -> Counts:
    """Map the rows to patrons of the target."""
    from patronload.stages import transform as stage

    with kept_failures.for_the_mail():
        return stage.transform(current_load.of_the_task(tenant))


@task(**FUNCTION, execution_timeout=timedelta(hours=3))
def plan(tenant: str) -> Counts:
    """Compare the patrons with what the target has: what is to be sent, in which order, and what is set aside."""
    from patronload.stages import plan as stage

    with kept_failures.for_the_mail():
        load = current_load.of_the_task(tenant)
        if not load.dry_run:
            _wait_for_the_lease(load)
        return stage.plan(load)


def approve(tenant: str) -> Approval:
    """Where something about the load is unusual, ask a person, and wait for the answer; else go on at once."""
    return Approval(task_id="approve", tenant=tenant, **OPTIONS, execution_timeout=timedelta(hours=1))


@task(**FUNCTION, execution_timeout=timedelta(hours=12))
def post(tenant: str) -> Counts:
    """Send the chunks to the target, one after the other, each once."""
    from patronload.stages import post as stage

    with kept_failures.for_the_mail():
        load = current_load.of_the_task(tenant)
        if load.dry_run:
            raise AirflowSkipException("This is a dry run: nothing is sent.")
        _wait_for_the_lease(load)
        counts = stage.post(load, _show_progress)
    _add_figures_to_event(counts)
    return counts


@task(**FUNCTION, execution_timeout=timedelta(minutes=30))
def report(tenant: str) -> Counts:
    """Report the outcome of every row."""
    from patronload.loads import failures
    from patronload.stages import report as stage

    with kept_failures.for_the_mail():
        load = current_load.of_the_task(tenant)
        if ended_at := ended_by_hand.stage():
            failures.record_ended_by_hand(load, ended_at)
        elif not_started := _stage_that_did_not_start():
            failures.record_not_started(load, not_started)
        counts = stage.report(load)
    metrics.send(tenant, counts)
    return counts


@task(**FUNCTION, execution_timeout=timedelta(minutes=30))
def notify(tenant: str) -> Counts:
    """Mail the report to those whom the tenant names for this outcome."""
    from patronload.stages import notify as stage

    counts = stage.notify(current_load.of_the_task(tenant), kept_failures.of_the_run, _base())
    if ended_at := ended_by_hand.stage():
        # The tasks that had not begun were skipped, and with them the run would end green.
        raise AirflowFailException(f"Someone marked the run as failed at the task {ended_at}. The mails were sent.")
    return counts


ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
"""States of a run's last task, after which the run has ended."""


def _stage_that_did_not_start() -> str | None:
    """The task of this run that Airflow set to failed before it ran: its start is the moment at which it failed."""
    return next(
        (each["task_id"] for each in ended_by_hand.ended() if each["state"] == "failed" and not each["duration"]), None
    )


def _wait_for_earlier_days(load: Load) -> None:
    """
    Have Airflow start fetch again later while a backfill has earlier days to load; no worker is kept in between.

    A day of the backfill itself waits only for those that have started: a backward backfill would wait forever.
    """
    if load.dry_run:
        return
    context = get_current_context()
    dag_id, states = context["dag"].dag_id, ["running"]
    if context["dag_run"].run_type != "backfill":
        states.append("queued")
    last = context["ti"].get_task_states(dag_id, task_ids=["notify"])
    open_runs = [run_id for run_id, tasks in last.items() if tasks.get("notify") not in ENDED]
    earlier = earlier_days.backfills_before(open_runs, load.day)
    if not earlier or not context["ti"].get_dr_count(dag_id, run_ids=earlier, states=states):
        return
    _begin_again(
        datetime.now(UTC) + earlier_days.LOOK_AGAIN,
        f"Waiting for the backfill of earlier days, so that no older file follows a newer one: {min(earlier)}",
    )


def _wait_for_the_lease(load: Load) -> None:
    """
    Have Airflow start plan or post again later while another run of the library holds the lease.

    A backfill may have planned while a person was asked; its post does not start as long as this one is running. Nor
    does its plan, when it was killed and has to start again.
    """
    other = leases.held_by_another(load.run.root, load.called)
    if other is None:
        return
    _begin_again(
        datetime.now(UTC) + earlier_days.LOOK_AGAIN,
        f"Waiting for another load of this library: {other}",
    )


def _look_again(load: Load, missing: MissingError) -> None:
    """Have Airflow start fetch again later, if the tenant waits for its file; no worker is kept in between."""
    # A person who tries something out, or names a file, wants the answer now.
    found = None if load.dry_run or load.source_path else late_file.next_look(load.tenant, load.day, datetime.now(UTC))
    if found is None:
        return
    late_file.notify_once(load.tenant, load.run, load.day, found)
    again, expected = (moment.astimezone(load.tenant.zone) for moment in (found.again, found.expected))
    sentence = f"Not there yet, expected by {expected:%H:%M}; checking again at {again:%H:%M:%S %Z}"
    log.info("%s", missing)
    _begin_again(found.again, sentence)


def _begin_again(at: datetime, sentence: str) -> NoReturn:
    """Have Airflow start the task again at that time; no worker is kept until then. The sentence says why."""
    log.info("%s", sentence)
    _show_progress(sentence)
    raise AirflowRescheduleException(at) from None


def _add_figures_to_event(counts: Counts) -> None:
    """Put the figures into the event of the library's asset, for DAGs that continue from it and for the Assets page."""
    context = get_current_context()
    for asset in context["task"].outlets:
        context["outlet_events"][asset].extra = dict(counts)


def _show_progress(progress: str) -> None:
    """Show it under the task's tab Storage while it runs. A load does not fail because that did not work."""
    with suppress(Exception):
        get_current_context()["task_state_store"].set("progress", progress)
