"""Post: send the chunks that have not been sent yet, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable

from patronload import connections, targets
from patronload.artifacts import names, questions, tables
from patronload.artifacts.models import Delivery, Plan, Validation
from patronload.artifacts.progress import Progress
from patronload.artifacts.undo import Undo
from patronload.errors import RefusedError
from patronload.loads import approval, delivery, failures, gatekeeper, ledger_updates, planning, reruns, undoing
from patronload.loads.load import Counts, Load
from patronload.loads.posting import post as posting
from patronload.loads.posting.post import Totals
from patronload.reporting.report import count_of
from patronload.targets import Target

log = logging.getLogger(__name__)


def post(load: Load, tell: Callable[[str], None] = log.debug) -> Counts:
    """
    Send the chunks that have not been sent yet, one after the other; `tell` gets a line of figures after each.

    Raises TargetError and TransientError. Before the first patron: Declined when an approval is missing,
    ValidationError when a newer file was loaded since. After the last one: RefusedError when too many were refused,
    whatever the library system answered to each request.
    """
    with failures.recording(load, "post"):
        undoing.check_not_undone(load)
        if not reruns.anything_sent(load.run):
            reruns.check_plan(load.run)
            approval.check(load.run)
            gatekeeper.check_age(load)
        with targets.open_target(load.tenant.target, connections.get) as target:
            totals = _send(load, target, tell)
        if load.undo:
            return _undone(load, totals)
        rejected = tables.rejects(load.run)["row"].n_unique()
        check_loaded(load, totals, rejected)
        if totals.created + totals.updated or tables.read_unchanged(load.run).height:
            patrons = tables.read(load.run, names.PATRONS, [load.tenant.system.key])
            gatekeeper.record(load, rejected + totals.failed, patrons, _refused(load))
    log.info(
        "Posted in %s: %s, of whom %s were created, %s updated, %s refused",
        count_of(totals.chunks, "chunk"),
        count_of(totals.patrons, "patron"),
        *(f"{number:,}" for number in (totals.created, totals.updated, totals.failed)),
    )
    return totals._asdict() | _about(load)


def _refused(load: Load) -> list[int]:
    """The rows that the library system refused."""
    return [failed.row for result in Progress.of(load.run).results for failed in result.failed]


def _send(load: Load, target: Target, tell: Callable[[str], None]) -> Totals:
    lease = planning.lease_of(load, target)
    if not posting.is_complete(load.run):
        lease.hold()
        planning.plan_again_if_needed(load, target, lease)
        lease.sending(planning.planned_at(load.run))
    try:
        return posting.post(load.run, target, watch=posting.Watch(lease.renewed_by(tell), lease.check))
    finally:
        if load.undo:
            undoing.mark(load)
        ledger_updates.update(load)


def _undone(load: Load, totals: Totals) -> Counts:
    """The figures that the stage returns for an undo. Raises RefusedError if every patron was refused."""
    name = load.tenant.system.name
    if totals.failed and not totals.updated + totals.created:
        raise RefusedError(
            f"{name} refused all {totals.failed:,} patrons that it was sent; nothing was undone. The reasons are "
            "in the report. Correct them, then clear the task 'post'."
        )
    log.info("Undid run %s: %s, %s refused", load.undo, count_of(totals.patrons, "patron"), f"{totals.failed:,}")
    rejected = tables.rejects(load.run)["row"].n_unique()
    return {"day": f"{load.day}", "undone": Undo.read(load.run).run, "rejected": rejected} | totals._asdict()


def check_loaded(load: Load, totals: Totals, rejected: int) -> None:
    """
    Raises RefusedError when nothing was loaded, or when more rows than the limits allow did not become patrons.

    A corrected rejects file is held to no limit, and neither is a load that a person wants anyway. Rejects that a
    person has approved do not count again.
    """
    if not totals.failed:
        return
    if not totals.created + totals.updated + tables.read_unchanged(load.run).height:
        raise RefusedError(
            f"{load.tenant.system.name} refused all {totals.failed:,} patrons that it was sent; nothing was loaded. "
            "The reasons are in the report. Correct them, then start the load again."
        )
    facts, limits = delivery.facts(load), load.tenant.limits
    missing = rejected + totals.failed
    allowed = limits.rejects_allowed(facts.rows)
    held = totals.failed if rejected > allowed and approval.is_approved(load.run) else missing
    if held > allowed and not facts.mended and not load.load_anyway:
        raise RefusedError(
            f"{missing:,} of {facts.rows:,} rows were not loaded ({rejected:,} rejected, {totals.failed:,} refused by "
            f"{load.tenant.system.name}); limits.max_rejects allows {limits.max_rejects}. All others are loaded. The "
            "reasons are in the report. Correct them, then start the load again."
        )


def _about(load: Load) -> Counts:
    """The load that the event of the asset is about, and the figures of its file and of the leavers."""
    delivered, validation = Delivery.find(load.run), Validation.read(load.run)
    of_file, leaving = Progress.of(load.run).split_leavers()
    actions: dict[str, int] = (Plan.read(load.run).effects or {}).get("actions", {})
    return {
        "day": f"{load.day}",
        "file": delivered.name if delivered else None,
        "corrected": questions.figures(load.run).mended,
        "rows": validation.rows,
        "created": sum(result.created for result in of_file.results),
        "updated": sum(result.updated for result in of_file.results),
        "unchanged": tables.read_unchanged(load.run).height,
        "returned": actions.get("return", 0),
        "left": sum(result.created + result.updated for result in leaving.results),
        "rejected": tables.rejects(load.run)["row"].n_unique(),
    }
