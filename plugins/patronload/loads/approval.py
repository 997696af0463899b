"""
Ask a person before an unusual load: the question, its time limit, the answer, and whether that answer is still valid.

A gate that would stop the run is kept in gates.json as asked (see gatekeeper), and the run continues as far as the
plan, so the question shows what would be sent. An answer is valid for the file and the plan that it was given for.
Another plan needs another answer, and post sends nothing without an approval. Without an answer in time, the load is
declined.

Airflow does the waiting; this module keeps the record, approval.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn

from patronload import dates
from patronload.artifacts import names, questions
from patronload.artifacts.history import History
from patronload.artifacts.models import ApprovalRecord, Delivery, Plan, Validation
from patronload.artifacts.run import Run
from patronload.config.tenants import Approval
from patronload.errors import Declined
from patronload.loads import failures
from patronload.loads.load import Load
from patronload.reporting import plan_summary
from patronload.reporting.approval_question import CHOICES, WITH_LEAVERS, Choice, Figure, Question
from patronload.reporting.plan_summary import PlanSummary

if TYPE_CHECKING:  # it brings polars, and only an unusual load needs it
    from patronload.checks.gates import Loaded

MAX_GROUPS = 8
"""The maximum number of patron groups that are shown one by one, the largest first."""


class Turn(NamedTuple):
    """One time of asking: a number that changes when someone clears it, where to answer, and Airflow's address."""

    number: int
    link: str | None
    base: str | None = None


class Answer(NamedTuple):
    """
    A person's answer; `by` is None when no one answered in time. `at` is aware. `leavers`: if there are too many
    leavers, whether the approval includes them.
    """

    approved: bool
    by: str | None
    at: datetime
    reason: str | None
    leavers: bool = True


def record_answer(load: Load, turn: Turn, answer: Answer | None) -> ApprovalRecord:
    """
    The record of the question that the run asks now, with the answer if there is one; a new record if needed.

    A kept answer is valid when the task is retried, and not when someone clears it. Raises Declined for an answer to
    another question than the one asked now.
    """
    record, question = ApprovalRecord.find(load.run), questions.question_hash(load.run)
    if record is None or (record.question, record.turn) != (question, turn.number):
        if answer:
            raise Declined(
                "Nothing was sent. The load was planned again while the question was open, so the answer does "
                "not count. "
                "Clear the task 'approve' in Airflow to be asked again."
            )
        now, wait = _now(), (load.tenant.approval or Approval()).longest
        record = ApprovalRecord(
            question=question, turn=turn.number, asked=now, until=now + wait, mailed=None, answer=None
        )
    if answer:
        record = record.model_copy(update=_fields_of(answer))
        if questions.asks_about_leavers(load.run):
            leave = answer.approved and answer.leavers
            record = record.model_copy(update={"leavers": "leave" if leave else "wait"})
    record.write(load.run)
    return record


def _fields_of(answer: Answer) -> dict[str, object]:
    # The form requires a reason; an answer by REST may lack one.
    if answer.approved and answer.by and not answer.reason:
        raise Declined(
            f"Nothing was sent. {answer.by} approved the load without a reason. Clear the task 'approve' in Airflow to "
            "be asked again."
        )
    said: Literal["approved", "declined", "no_answer"] = "no_answer"
    if answer.by:
        said = "approved" if answer.approved else "declined"
    # Without a full stop: the reason becomes part of a sentence.
    reason = (answer.reason or "").rstrip(" .") or None
    answered = answer.at.astimezone(UTC).replace(microsecond=0)
    return {"answer": said, "by": answer.by, "answered": answered, "reason": reason}


def refuse_old_question(load: Load) -> NoReturn:
    """Airflow shows a person other figures than those that would be approved. Raises Declined."""
    declined = Declined(
        "Nothing was sent. Airflow still shows an earlier question, with the figures it had then. Clear the task "
        "'approve' in Airflow again to be asked about the current figures."
    )
    failures.record(load, "approve", declined)
    raise declined


def check_answer(load: Load, record: ApprovalRecord) -> None:
    """Raises Declined unless a person approved. Where only the leavers were asked about, every answer will do."""
    if record.answer == "approved" or (record.answer and questions.asks_only_about_leavers(load.run)):
        return
    unusual = f"What was unusual: {' '.join(verdict.sentence for verdict in questions.verdicts_to_answer(load.run))}"
    if record.answer == "no_answer" or record.answered is None:
        since = dates.moment(record.asked, load.tenant.zone)
        raise Declined(
            f"Nothing was sent. No one answered in time whether this load is right. The question was asked on "
            f"{since}. {unusual}"
        )
    when = dates.moment(record.answered, load.tenant.zone)
    reason = f": '{record.reason}'. {unusual}" if record.reason else f", without a reason. {unusual}"
    raise Declined(f"Nothing was sent. {record.by} declined this load on {when}{reason}")


def record_mail(load: Load, record: ApprovalRecord) -> None:
    """The question was mailed; it is not mailed again."""
    record.model_copy(update={"mailed": _now()}).write(load.run)


def is_approved(run: Run) -> bool:
    """Whether a person has approved exactly this load, with or without its leavers."""
    record = questions.current(run)
    if record is None or record.answer is None:
        return False
    return record.answer == "approved" or questions.asks_only_about_leavers(run)


def leavers_may_leave(run: Run) -> bool:
    """Whether a person has said that too many leavers may leave with this load."""
    record = questions.current(run)
    return record is not None and record.leavers == "leave"


def check(run: Run) -> None:
    """Raises Declined when something is asked and no one has approved it."""
    if questions.verdicts_to_answer(run) and not is_approved(run):
        raise Declined(
            "Nothing was sent. This load has to be approved as it is planned now, and no one has approved it. "
            "Clear the task "
            "'approve' in Airflow to be asked."
        )


class Shown(NamedTuple):
    """
    The approved facts: the gates that asked, and the figures of the plan. `due` are too many leavers, `adopt`
    users to take over.
    """

    gates: frozenset[str]
    create: int
    update: int
    rejected: int
    due: int
    adopt: int = 0


def current_question(run: Run) -> Shown:
    """The question about the run as it is planned now."""
    plan = Plan.read(run)
    gates = frozenset(verdict.gate for verdict in questions.verdicts_to_answer(run))
    due = (plan.people or {}).get("due", 0) if questions.asks_about_leavers(run) else 0
    return Shown(gates, plan.new, plan.known, questions.figures(run).rejected, due, (plan.adopt or {}).get("users", 0))


def carry_over(load: Load, before: Shown) -> None:
    """
    The load was planned again to be sent: the approval stays valid if the question and the figures are the same.

    Raises Declined otherwise, so that a person is asked about the new figures.
    """
    now = current_question(load.run)
    if now != before:
        raise Declined(
            f"Nothing was sent. {load.tenant.system.name} has changed since this load was approved. The load would "
            f"now create {now.create:,} and update {now.update:,} patrons, and reject {now.rejected:,} rows; approved "
            f"were {before.create:,}, {before.update:,} and {before.rejected:,}.{_people_now(now, before)} Clear the "
            "task 'approve' in Airflow to be asked again."
        )
    record = ApprovalRecord.read(load.run)
    record.model_copy(update={"question": questions.question_hash(load.run)}).write(load.run)


def _people_now(now: Shown, before: Shown) -> str:
    """The differences about leavers and users to take over, in sentences."""
    found = ""
    if now.due != before.due:
        found += f" The approval was for {before.due:,} leavers; now there are {now.due:,}."
    if now.adopt != before.adopt:
        found += f" The approval was for taking over {before.adopt:,} users; now there are {now.adopt:,}."
    return found


def question(load: Load, record: ApprovalRecord) -> Question:
    """The question, with what helps to answer it. It names no patron."""
    if load.undo:
        return _undo_question(load, record)
    last = next(iter(History(load.run).last(1)), None)
    plan = plan_summary.summary(Plan.read(load.run).effects, load.tenant.system.name)
    return Question(
        sentences=tuple(verdict.sentence for verdict in questions.verdicts_to_answer(load.run)),
        files=tuple(_files(load, last)),
        figures=tuple(_figures(load.run, last, plan)),
        until=record.until.astimezone(load.tenant.zone),
        plan=plan,
        choices=_choices(load),
    )


def _choices(load: Load) -> tuple[Choice, ...]:
    """The possible answers; the last one applies if no one answers."""
    if not questions.asks_about_leavers(load.run):
        return CHOICES
    only = questions.asks_only_about_leavers(load.run)
    return WITH_LEAVERS if only else (*WITH_LEAVERS, CHOICES[-1])


def _undo_question(load: Load, record: ApprovalRecord) -> Question:
    """Whether a load is to be undone, with what that would do."""
    plan = Plan.read(load.run)
    undo: dict[str, int] = plan.undo or {}
    figures = {
        "Patrons sent by that load": undo["patrons"],
        "Go back": undo["back"],
        "of these only in part": undo["partly"],
        "Become inactive": undo["becoming_inactive"],
        "Become active": undo["becoming_active"],
        "Already as before": plan.unchanged,
        "Cannot go back": questions.figures(load.run).rejected,
    }
    return Question(
        sentences=tuple(verdict.sentence for verdict in questions.verdicts_to_answer(load.run)),
        files=(f"Run to undo: {load.undo}.", f"Details: {load.run.url}/{names.NOT_UNDONE} has what stays, and why."),
        figures=tuple(Figure(name, f"{number:,}", "") for name, number in figures.items()),
        until=record.until.astimezone(load.tenant.zone),
        plan=plan_summary.summary(plan.effects, load.tenant.system.name),
        is_undo=True,
    )


def _files(load: Load, last: Loaded | None) -> Iterator[str]:
    delivery = Delivery.read(load.run)
    yield f"The file is {delivery.name}, written {dates.moment(delivery.modified, load.tenant.zone)}."
    if last:
        written = dates.moment(last.modified, load.tenant.zone)
        yield f"The last load, of {dates.in_words(last.day)}, had {last.file}, written {written}."


def _figures(run: Run, last: Loaded | None, planned: PlanSummary) -> Iterator[Figure]:
    plan, counted = Plan.read(run), questions.figures(run)
    yield Figure("Rows", f"{Validation.read(run).rows:,}", f"{last.rows:,}" if last else "")
    yield Figure("Rejected", f"{counted.rejected:,}", f"{last.rejected:,}" if last else "")
    if counted.skipped:
        yield Figure("Skipped", f"{counted.skipped:,}", "")
    yield Figure("To create", f"{plan.new:,}", "")
    yield Figure("To update", f"{plan.known - planned.number_of('return'):,}", "")
    for each in planned.actions:
        if each.action not in ("create", "update"):
            yield Figure(each.name, f"{each.patrons:,}", "")
    if adopt := plan.adopt:
        yield Figure("To take over", f"{adopt['users']:,}", "")
    if people := plan.people:
        yield Figure("Not in the file", f"{people['known'] - people['in_file']:,}", "")
    # A run of an earlier version counted the groups before the plan only, so they need not add up.
    groups = counted.groups if counted.planned is None else counted.planned
    yield from _groups(groups, (last.groups if last.loaded is None else last.loaded) if last else {})
    without = plan.new + plan.known + planned.number_of("unchanged") - sum(groups.values())
    if without and counted.planned is not None:
        yield Figure("Without a patron group", f"{without:,}", "")


def _groups(now: Mapping[str, int], before: Mapping[str, int]) -> Iterator[Figure]:
    """The patrons by group. One that the last load did not have may be a mistake in the mapping, so it is not named."""
    largest = sorted(before, key=lambda group: -max(before[group], now.get(group, 0)))
    for group in largest[:MAX_GROUPS]:
        yield Figure(f"Group {group}", f"{now.get(group, 0):,}", f"{before[group]:,}")
    others = sum(count for group, count in now.items() if group not in largest[:MAX_GROUPS])
    if others or len(largest) > MAX_GROUPS:
        rest = f"{sum(before[group] for group in largest[MAX_GROUPS:]):,}" if before else ""
        yield Figure("Other groups" if before else "In patron groups", f"{others:,}", rest)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
