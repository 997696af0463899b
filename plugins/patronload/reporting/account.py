"""
Account for every row of an export: created, updated, refused, skipped or not sent, and why.

To add an outcome of a row, add it to fates_of, to Counts and to Report, whose docstring has the sum of all outcomes.
"""

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from functools import reduce
from typing import Any

import polars as pl

from patronload import dates
from patronload.artifacts.left_behind import LeftBehind
from patronload.artifacts.models import Approval, Delivery, Failure, Gates, GateVerdict, Validation
from patronload.artifacts.progress import Progress
from patronload.artifacts.questions import LEAVERS
from patronload.checks import unread
from patronload.config.source import SftpSource
from patronload.config.tenants import Tenant
from patronload.reporting import undo_words
from patronload.reporting.fates import Counts, count, fates_of, with_failed
from patronload.reporting.report import (
    UNCONFIRMED,
    Check,
    Export,
    Noted,
    Outcome,
    People,
    Reason,
    Report,
    Skip,
    Undo,
)
from patronload.reporting.who_fixes import LIBRARY, MAPPING, OFFICE, REGISTRY, fixer

ENDS: dict[str, Outcome] = {"ValidationError": "stopped", "MissingError": "no_file", "Declined": "declined"}
"""The outcome of a run that this kind of error ended; any other kind is a failure."""

_FEW = 10
"""How many row numbers a reason names: enough to find it in a spreadsheet; all of them are in rejects.csv."""


def build(
    tenant: Tenant, run_id: str, day: date, left: LeftBehind, *, dry_run: bool, undo: str | None = None
) -> Report:
    """The report of a run, from whatever it left behind. `undo` is the run that it undoes."""
    report = _of_load(tenant, run_id, day, left, dry_run=dry_run, undoes=bool(undo))
    return _of_undo(report, undo, left) if undo else report


def _of_load(tenant: Tenant, run_id: str, day: date, left: LeftBehind, *, dry_run: bool, undoes: bool) -> Report:
    of_file, departing = left.progress.split_leavers()
    left = replace(left, progress=of_file)
    fates = fates_of(left)
    counts, reasons = count(left, fates), _reasons(left, fates)
    approval = left.approval.approval if left.approval else None
    gates = _gates(left.gates, approval)
    done_before = left.gates.already_loaded if left.gates else None
    never_mapped = left.progress.rows is None
    ended_early = left.failure is None and not done_before and (never_mapped or (counts.not_sent > 0 and not dry_run))
    return Report(
        tenant=tenant.tenant,
        library=tenant.library,
        target=tenant.system.name,
        run=run_id,
        day=day,
        timezone=tenant.timezone,
        outcome="already_loaded"
        if done_before and not left.failure
        else _outcome(left.failure, counts, ended_early=ended_early, dry_run=dry_run),
        dry_run=dry_run,
        **counts.numbers(),
        corrected=bool(left.gates and left.gates.figures.mended),
        people=_people(left, departing),
        effects=left.plan.effects if left.plan else None,
        reasons=reasons,
        failure=left.failure,
        export=_export(left.delivery),
        artifacts=left.url,
        checks=tuple(_checks(left.validation)),
        warnings=(
            *_warnings_of_checks(left.validation),
            *_warnings_of_approval(gates, approval, tenant),
            *_warnings_of_gates(gates, left.gates.load_anyway if left.gates else None, dry_run=dry_run),
            *_warnings_of_plan(left),
            *_notes(left),
            *counts.warnings,
            *([_ENDED_EARLY] if ended_early else []),
        ),
        noted=_group_notes(left.noted),
        skips=_skips(left.skipped),
        gates=gates,
        load_anyway=left.gates.load_anyway if left.gates else None,
        approval=approval,
        nothing_to_do=done_before,
        who=_who(tenant, left.failure, next(iter(reasons), None), ended_early=ended_early, undoes=undoes),
        folder=_folder(tenant),
        expert=tenant.people.airflow or "",
        can_be_asked=tenant.system.can_be_asked,
    )


def _folder(tenant: Tenant) -> str:
    """Where the library puts its exports, as it sees it; '' where it has no account on a server."""
    if not isinstance(tenant.source, SftpSource):
        return ""
    folder = posixpath.dirname(tenant.source.path)
    return f"{folder}/ on your SFTP server" if folder else "your SFTP folder"


def _of_undo(report: Report, run: str, left: LeftBehind) -> Report:
    """The report of a run that undoes another one, as far as that was found and planned."""
    figures = (left.plan.undo if left.plan else None) or {}
    names = ("run", "day", "export", "undoes_load") if left.undo else ()
    undo = Undo(**{"run": run} | {name: getattr(left.undo, name) for name in names} | figures)
    ended: Outcome = "undone" if report.outcome in ("loaded", "loaded_with_rejects") else report.outcome
    warnings = (*report.warnings, *undo_words.sentences(undo, report.target))
    return report.model_copy(update={"undo": undo, "outcome": ended, "warnings": warnings})


def _export(delivery: Delivery | None) -> Export | None:
    if delivery is None:
        return None
    return Export(**{name: getattr(delivery, name) for name in Export.model_fields})


def _checks(validation: Validation | None) -> Iterator[Check]:
    for check in validation.checks if validation else ():
        yield Check(**{name: getattr(check, name) for name in Check.model_fields})


def _skips(skipped: pl.DataFrame) -> tuple[Skip, ...]:
    """The reasons to skip rows, the most frequent first."""
    counted = skipped.group_by("reason").len("count").sort("count", "reason", descending=[True, False])
    return tuple(Skip(reason=reason, count=count) for reason, count in counted.iter_rows())


def _group_notes(noted: pl.DataFrame) -> tuple[Noted, ...]:
    """The notes by reason, the most frequent first."""
    by_reason = (
        noted.sort("row", maintain_order=True)
        .group_by("effect", "column", "summary", maintain_order=True)
        .agg(
            pl.col("row").n_unique().alias("count"), pl.col("row").unique(maintain_order=True).head(_FEW).alias("rows")
        )
        .sort("count", descending=True, maintain_order=True)
    )
    return tuple(
        Noted(
            effect=line["effect"],
            column=line["column"],
            reason=line["summary"],
            count=line["count"],
            rows=tuple(line["rows"]),
        )
        for line in by_reason.iter_rows(named=True)
    )


def _warnings_of_checks(validation: Validation | None) -> list[str]:
    """
    The failed checks of the whole file that only warn, how it was read, and columns that no rule reads.

    What is about single rows is reported as Noted.
    """
    told = [*validation.notices, *unread.sentences(validation.unread)] if validation else []
    return told + [
        f"A check that only warns: {check.sentence}"
        for check in _checks(validation)
        if check.scope == "warn" and not check.passed and not check.failed
    ]


def _gates(gates: Gates | None, approval: Approval | None) -> tuple[GateVerdict, ...]:
    """The last verdict of each gate, with the answer of a person; what stopped the run comes first."""
    verdicts = [_with_answer(verdict, approval) for verdict in (gates.verdicts if gates else ())]
    last = {(verdict.gate, verdict.gate == "limits" and verdict.sentence): verdict for verdict in verdicts}
    return tuple(sorted(last.values(), key=lambda verdict: GATE_STATES.index(verdict.state)))


GATE_STATES = ("failed", "declined", "asked", "approved", "overridden", "warned", "passed")


def _with_answer(verdict: GateVerdict, approval: Approval | None) -> GateVerdict:
    """A verdict that a person was asked about, with the answer."""
    if verdict.state != "asked" or approval is None or approval.answer is None:
        return verdict
    said = approval.leavers == "leave" if verdict.gate == LEAVERS else approval.answer == "approved"
    return verdict.model_copy(update={"state": "approved" if said else "declined"})


def _warnings_of_approval(gates: Iterable[GateVerdict], approval: Approval | None, tenant: Tenant) -> list[str]:
    """Who approved an unusual load, when and why, and the answer about too many leavers."""
    if approval is None or approval.answered is None:
        return []
    waiting = [verdict.sentence for verdict in gates if (verdict.gate, verdict.state) == (LEAVERS, "declined")]
    approved = " ".join(verdict.sentence for verdict in gates if verdict.state == "approved")
    who = f"by {approval.by} on {dates.moment(approval.answered, tenant.zone)}"
    reason = f"; the reason given: '{approval.reason}'." if approval.reason else "."
    said = [f"Approved {who}{reason} {approved}"] if approval.answer == "approved" and approved else []
    if waiting and approval.by:
        said.append(f"The leavers wait, as decided {who}{reason} {waiting[0]}")
    elif waiting:
        said.append(f"The leavers wait, because no one answered in time. {waiting[0]}")
    return said


def _warnings_of_gates(gates: Iterable[GateVerdict], reason: str | None, *, dry_run: bool) -> list[str]:
    """Warnings about an unusual file that was loaded anyway."""
    overridden = [gate.sentence for gate in gates if gate.state == "overridden"]
    before = "In a real load this would need attention: " if dry_run else ""
    warned = [f"{before}{gate.sentence}" for gate in gates if gate.state == "warned"]
    if not overridden:
        return warned
    return [f"Loaded anyway; the reason given: '{reason}'. {' '.join(overridden)}", *warned]


def _warnings_of_plan(left: LeftBehind) -> list[str]:
    """The warnings of the plan. What it announced to create was created if post came so far."""
    warnings = left.plan.warnings if left.plan else ()
    if not left.has_created:
        return [*warnings]
    done = {"Departments to be created in": "Departments created in", "Options to be added to": "Options added to"}
    return [reduce(lambda text, pair: text.replace(*pair), done.items(), warning) for warning in warnings]


_ENDED_EARLY = (
    "The run ended early and recorded no reason, for example because its process was killed. "
    "The log of the failed task in Airflow may say more."
)


def _notes(left: LeftBehind) -> list[str]:
    """The notes in the results, each sentence once, and why the rejects were not put back."""
    trouble = [left.put_back.trouble] if left.put_back and left.put_back.trouble else []
    return [*dict.fromkeys(note for result in left.progress.results for note in result.notes), *trouble]


def _people(left: LeftBehind, leaving: Progress) -> People | None:
    """The patrons of earlier loads; None where the file says nothing about who has left."""
    figures: dict[str, Any] = (left.plan.people if left.plan else None) or {}
    if not figures:
        return None
    states = dict(left.departures.group_by("state").len().iter_rows()) if left.departures is not None else {}
    before: dict[str, int] = figures["before"]
    turn_has_come = states.get("left", 0)
    # An answer may count more patrons than there were.
    gone_now = min(sum(result.created + result.updated for result in leaving.results), turn_has_come)
    actions: dict[str, int] = ((left.plan.effects if left.plan else None) or {}).get("actions", {})
    return People(
        known=figures["known"],
        in_file=figures["in_file"],
        missing=figures["missing"] - sum(states.values()),
        left=gone_now,
        inactive=states.get("inactive", 0) + before.get("left", 0) + before.get("inactive", 0),
        exempt=states.get("exempt", 0),
        gone=states.get("gone", 0) + before.get("gone", 0),
        waiting=states.get("waiting", 0) + turn_has_come - gone_now,
        announced=figures["announced"],
        returned=actions.get("return", 0),
    )


def _outcome(failure: Failure | None, counts: Counts, *, ended_early: bool, dry_run: bool) -> Outcome:
    if failure and failure.kind in ENDS:
        return ENDS[failure.kind]
    if failure or ended_early or counts.unconfirmed:
        return "failed"
    if dry_run:
        return "dry_run"
    return "loaded_with_rejects" if counts.rejected or counts.failed else "loaded"


_ACTS = {
    "SourceError": "export",
    "MissingError": "export",
    "ValidationError": "export",
    "Declined": "export",
    "TargetError": "target",
    "RefusedError": "target",
}
"""Kind of error -> who can act on it: who sends the export, who looks after the target; else, who runs Airflow."""


_FIXERS = {REGISTRY: "export", LIBRARY: "target", OFFICE: "target", MAPPING: "airflow"}
"""Who can fix the rows of a reason -> who can act on a load that was stopped because of too many such rows."""


def _who(tenant: Tenant, failure: Failure | None, reason: Reason | None, *, ended_early: bool, undoes: bool) -> str:
    """The sender of the export (Registrar, x1234). `reason`: the most frequent one. An undo has no export."""
    if failure is None and not ended_early:
        return ""
    roles = {
        "export": ("the sender of the export", tenant.people.export),
        "target": (f"the people who look after {tenant.system.name}", tenant.people.target),
        "airflow": ("the people who look after Airflow and this library's files", tenant.people.airflow),
    }
    acts = _ACTS.get(failure.kind if failure else "", "airflow")
    if reason and failure and failure.kind == "ValidationError":
        acts = _FIXERS[fixer(reason, tenant.system.name).key]
    if undoes and acts == "export":
        acts = "airflow"
    role, name = roles[acts]
    return f"{role} ({name})" if name else role


def _reasons(left: LeftBehind, fates: pl.DataFrame) -> tuple[Reason, ...]:
    """
    The reasons, the most frequent first. A row counts once for each of its reasons in the stage that rejected it first;
    what else is wrong with it is in the rejects file only.
    """
    unconfirmed = fates.filter(pl.col("fate") == "unconfirmed").select(
        "row", stage=pl.lit("post"), summary=pl.lit(UNCONFIRMED)
    )
    named = pl.concat([with_failed(left.rejects, left.progress.results).select("row", "stage", "summary"), unconfirmed])
    by_checks = named.filter(pl.col("stage") == "validate").select("row").unique()
    again = pl.col("row").is_in(by_checks["row"].implode()) & (pl.col("stage") == "transform")
    by_reason = (
        named.filter(~again)
        .unique()
        .sort("row")
        .group_by("stage", "summary", maintain_order=True)
        .agg(pl.len().alias("count"), pl.col("row").head(_FEW).alias("rows"))
        .sort("count", descending=True, maintain_order=True)
    )
    return tuple(
        Reason(reason=line["summary"], count=line["count"], stage=line["stage"], rows=tuple(line["rows"]))
        for line in by_reason.iter_rows(named=True)
    )
