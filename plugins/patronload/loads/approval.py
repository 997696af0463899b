"""
Ask a person before an unusual load: what is asked, until when, who said what, and whether that still holds.

A gate that would stop the run is left in gates.json as asked (see right_file), and the run goes on as far as the plan.
So whoever is asked sees what would be sent. An answer is good for the file and the plan that it was given for: with
another one it is asked again, and post sends nothing without a yes. No answer in time is a no.

The waiting is Airflow's; this keeps the account of it, approval.json.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from patronload import dates
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.config.tenants import Approval
from patronload.errors import Declined
from patronload.loads.load import Load
from patronload.reporting.approval_question import Figure, Question

if TYPE_CHECKING:  # it brings polars, and only an unusual load needs it
    from patronload.checks.gates import Loaded

APPROVED, DECLINED, NO_ANSWER = "approved", "declined", "no_answer"

SHOWN = 8
"""Of more patron groups than this the largest are shown one by one."""


class Turn(NamedTuple):
    """One time of asking: a number that is another one when somebody clears the task, and where to answer."""

    number: int
    link: str | None


class Answer(NamedTuple):
    """What a person said; `by` is None when nobody did in time. `at` is aware."""

    approved: bool
    by: str | None
    at: datetime
    reason: str | None


def asked(run: Run) -> list[dict[str, str]]:
    """The verdicts that a person has to answer for; none on ordinary days."""
    found = [verdict for step in _steps(run) for verdict in step["verdicts"] if verdict["state"] == "asked"]
    # Each step may find the same of a limit.
    return list({verdict["sentence"]: verdict for verdict in found}.values())


def figures(run: Run) -> dict[str, Any]:
    """What the gates have counted, in all steps so far."""
    return {name: figure for step in _steps(run) for name, figure in step["figures"].items()}


def take(load: Load, turn: Turn, answer: Answer | None) -> dict[str, Any]:
    """
    The account of the question that the run asks now, with the answer if there is one; a new one if need be.

    An answer that was kept stands when the task is tried again, and not when somebody clears it. Raises Declined for an
    answer to anything else than what is asked now.
    """
    kept = _kept(load.run)
    question = {"question": _mark(load.run), "turn": turn.number}
    if not kept or any(kept[name] != value for name, value in question.items()):
        if answer:
            raise Declined(
                "Nothing was sent. The load was planned anew while a person was asked, so the answer does not count. "
                "Clear the task 'approve' in Airflow to be asked again."
            )
        now = datetime.now(UTC)
        wait = (load.tenant.approval or Approval()).longest
        kept = question | {"asked": _text(now), "until": _text(now + wait), "told": None, "answer": None}
    if answer:
        _check_reason(answer)
        said = (APPROVED if answer.approved else DECLINED) if answer.by else NO_ANSWER
        kept |= {"answer": said, "by": answer.by, "answered": _text(answer.at), "reason": _without_stop(answer.reason)}
    load.run.write_json(names.APPROVAL, kept)
    return kept


def cannot_be_asked(load: Load) -> NoReturn:
    """Airflow shows a person other figures than those that would be approved. Raises Declined."""
    told = (
        "Nothing was sent. Airflow still shows the question that it was asked before, with the figures of then. Clear "
        "the task 'approve' in Airflow once more to be asked about those of now."
    )
    load.run.write_json(names.FAILURE, {"step": "approve", "kind": Declined.__name__, "message": told})
    raise Declined(told)


def settle(load: Load, kept: Mapping[str, Any]) -> None:
    """Raises Declined unless a person approved."""
    if kept["answer"] == APPROVED:
        return
    what = f"Asked was: {' '.join(verdict['sentence'] for verdict in asked(load.run))}"
    if kept["answer"] == NO_ANSWER:
        since = dates.moment(datetime.fromisoformat(kept["asked"]), load.tenant.zone)
        raise Declined(f"Nothing was sent. Nobody answered whether this load is right; it was asked on {since}. {what}")
    when = dates.moment(datetime.fromisoformat(kept["answered"]), load.tenant.zone)
    told = f", and gave no reason. {what}" if not kept["reason"] else f": '{kept['reason']}'. {what}"
    raise Declined(f"Nothing was sent. {kept['by']} said no to this load on {when}{told}")


def told(load: Load, kept: Mapping[str, Any]) -> None:
    """The question was mailed; it is not mailed again."""
    load.run.write_json(names.APPROVAL, {**kept, "told": _text(datetime.now(UTC))})


def answered(run: Run) -> dict[str, Any] | None:
    """The account, if it is of what the run asks now; None if nothing is asked, or nobody was asked yet."""
    kept = _kept(run)
    return kept if kept and asked(run) and kept["question"] == _mark(run) else None


def is_approved(run: Run) -> bool:
    """Whether a person has said yes to just this load."""
    kept = answered(run)
    return kept is not None and kept["answer"] == APPROVED


def check(run: Run) -> None:
    """Raises Declined when something is asked and nobody has said yes to it."""
    if asked(run) and not is_approved(run):
        raise Declined(
            "Nothing was sent. A person has to approve this load as it is planned now, and nobody has. Clear the task "
            "'approve' in Airflow to be asked."
        )


class Shown(NamedTuple):
    """What a person has approved: what is asked, and what the plan comes to."""

    asked: list[dict[str, str]]
    create: int
    update: int
    rejected: int


def shown(run: Run) -> Shown:
    """What is asked of the run as it is planned now."""
    plan = run.read_json(names.PLAN)
    return Shown(asked(run), plan["new"], plan["known"], figures(run)["rejected"])


def carry_over(load: Load, before: Shown) -> None:
    """
    The load was planned once more to be sent: the yes stands if what was approved is still so, whatever else changed.

    Raises Declined, so that a person is asked about the new figures.
    """
    now = shown(load.run)
    if now != before:
        raise Declined(
            f"Nothing was sent. {load.tenant.system.name} has changed since this load was approved: it would create "
            f"{now.create:,} and update {now.update:,} patrons now, and reject {now.rejected:,} rows (approved were "
            f"{before.create:,}, {before.update:,} and {before.rejected:,}). Clear the task 'approve' in Airflow to be "
            "asked again."
        )
    load.run.write_json(names.APPROVAL, _kept(load.run) | {"question": _mark(load.run)})


def question(load: Load, kept: Mapping[str, Any]) -> Question:
    """What is asked, with what helps to answer it. No patron is named."""
    from patronload.artifacts.history import History

    last = next(iter(History(load.run).last(1)), None)
    return Question(
        sentences=tuple(verdict["sentence"] for verdict in asked(load.run)),
        files=tuple(_files(load, last)),
        figures=tuple(_figures(load.run, last)),
        until=datetime.fromisoformat(kept["until"]).astimezone(load.tenant.zone),
    )


def _files(load: Load, last: Loaded | None) -> Iterator[str]:
    delivery = load.run.read_json(names.DELIVERY)
    written = dates.moment(datetime.fromisoformat(delivery["modified"]), load.tenant.zone)
    yield f"The file is {delivery['name']}, written {written}."
    if last:
        written = dates.moment(last.modified, load.tenant.zone)
        yield f"The last load, of {dates.in_words(last.day)}, had {last.file}, written {written}."


def _figures(run: Run, last: Loaded | None) -> Iterator[Figure]:
    plan, counted = run.read_json(names.PLAN), figures(run)
    yield Figure("Rows", f"{run.read_json(names.VALIDATION)['rows']:,}", f"{last.rows:,}" if last else "")
    yield Figure("Rejected", f"{counted['rejected']:,}", f"{last.rejected:,}" if last else "")
    yield Figure("To create", f"{plan['new']:,}", "")
    yield Figure("To update", f"{plan['known']:,}", "")
    yield from _groups(counted.get("groups", {}), last.groups if last else {})


def _groups(now: Mapping[str, int], before: Mapping[str, int]) -> Iterator[Figure]:
    """The patrons by groups. One that the last load did not have may be a slip of the mapping, so it is not named."""
    largest = sorted(before, key=lambda group: -max(before[group], now.get(group, 0)))
    for group in largest[:SHOWN]:
        yield Figure(f"Group {group}", f"{now.get(group, 0):,}", f"{before[group]:,}")
    others = sum(count for group, count in now.items() if group not in largest[:SHOWN])
    if others or len(largest) > SHOWN:
        rest = f"{sum(before[group] for group in largest[SHOWN:]):,}" if before else ""
        yield Figure("Other groups" if before else "In patron groups", f"{others:,}", rest)


def _mark(run: Run) -> str | None:
    """What the answer is about: the file, what is asked of it, and the plan. None while there is no plan."""
    if not run.has(names.PLAN):
        return None
    about = [run.read_json(names.DELIVERY), asked(run), run.read_json(names.PLAN)]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _check_reason(answer: Answer) -> None:
    # The form insists on it; whoever answers by REST may leave it out.
    if answer.approved and answer.by and not answer.reason:
        raise Declined(
            f"Nothing was sent. {answer.by} approved the load without a reason. Clear the task 'approve' in Airflow to "
            "be asked again."
        )


def _without_stop(reason: str | None) -> str | None:
    """A reason as it will stand within a sentence."""
    return (reason or "").rstrip(" .") or None


def _steps(run: Run) -> Iterable[dict[str, Any]]:
    return run.read_json(names.GATES)["steps"].values() if run.has(names.GATES) else ()


def _kept(run: Run) -> dict[str, Any]:
    kept: dict[str, Any] = run.read_json(names.APPROVAL) if run.has(names.APPROVAL) else {}
    return kept


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
