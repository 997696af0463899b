"""The content of a run's plan page: the plan in figures, one page of patrons, and the question that waits, if any."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from patronload.artifacts import names, plan_changes, questions
from patronload.artifacts.left_behind import LeftBehind
from patronload.artifacts.models import Delivery, Plan
from patronload.artifacts.plan_changes import Choice
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.config.tenants import Tenant
from patronload.dates import with_weekday
from patronload.errors import ConfigError
from patronload.exports import reject_files, text_workbooks
from patronload.loads import approval
from patronload.loads import rejects_file as rejects_files
from patronload.loads.load import Load
from patronload.reporting import account, plan_summary
from patronload.reporting.plan_summary import PlanSummary

MOST_IN_A_WORKBOOK = 100_000
"""Lines; a workbook is made in memory, which takes about 1 kB a line."""

PURGED = "The patrons of this run are no longer kept; the figures are."
NO_PLAN = "This run has no plan: it has not reached the stage plan, or it ended before that stage."
NOBODY = "The plan contains no patrons."


def content(run: Run, tenant: Tenant | None, choice: Choice, number: int) -> dict[str, Any]:
    """The values for the template, except those about Airflow's run. Raises as Run.reading does."""
    found = Plan.find(run)
    plan = plan_summary.summary(
        found.effects if found else None, tenant.system.name if tenant else "the library system"
    )
    has_patrons = run.has(names.CHANGES)
    lines = plan_changes.number_of_lines(run, choice) if has_patrons else 0
    return {
        "plan": plan,
        "headline": headline(plan),
        "nothing": NOBODY if found else NO_PLAN,
        "choice": choice,
        "page": plan_changes.page(run, choice, number) if has_patrons else None,
        "gone": PURGED,
        "fits": lines <= MOST_IN_A_WORKBOOK,
        "most": MOST_IN_A_WORKBOOK,
        "words": lambda action: plan_summary.words(action, "").name,
    }


def headline(plan: PlanSummary) -> str:
    """The plan in a sentence: Create 20, update 12, leave 19,968 unchanged."""
    sentence = plan.sentence
    return f"{sentence[:1].upper()}{sentence[1:]}" if sentence else "No change"


def waiting(run: Run, run_id: str, tenant: Tenant | None) -> dict[str, Any]:
    """The question that a run asks, with what helps to answer it; nothing in it if no question waits."""
    record = questions.current(run)
    if tenant is None or record is None or record.answer is not None:
        return {"question": None}
    load = Load(tenant, run, run_id, _day(run))
    made = account.build(tenant, run_id, load.day, LeftBehind.of(run), dry_run=False)
    return {
        "question": approval.question(load, record),
        "waiting_reasons": made.reasons,
        "when": lambda moment: with_weekday(moment, tenant.zone),
    }


def csv(run: Run, choice: Choice) -> Iterator[bytes]:
    """The chosen lines as CSV, part by part; the first part is the header line."""
    header = True
    for part in plan_changes.parts(run, choice):
        yield reject_files.safe_csv(part, header=header)
        header = False


def workbook(run: Run, choice: Choice) -> bytes | None:
    """The chosen lines as an Excel workbook; None if there are too many."""
    if plan_changes.number_of_lines(run, choice) > MOST_IN_A_WORKBOOK:
        return None
    return text_workbooks.write("Plan", plan_changes.parts(run, choice))


def rejects_so_far(run: Run, tenant: Tenant) -> bytes | None:
    """The rejects of a run that has not ended; None before there are any."""
    return rejects_files.content(run, tenant.source.delimiter) if rejects_files.is_possible(run) else None


def tenant_of(name: str) -> Tenant | None:
    """The tenant, if its file still loads."""
    try:
        return tenants.load(name)
    except ConfigError:
        return None


def _day(run: Run) -> date:
    delivery = Delivery.find(run)
    return date.fromisoformat(delivery.day) if delivery and delivery.day else run.last_written().date()
