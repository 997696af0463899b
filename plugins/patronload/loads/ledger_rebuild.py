"""
Build a library's patron ledger again from the archive of its runs, when it was lost or damaged.

The runs are added in the order in which they were planned, as when they were new. A run whose patron data was purged
has nothing to add. So a patron whom no kept run has is unknown again, and no one leaves who is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from patronload.artifacts import names
from patronload.artifacts import run as runs
from patronload.artifacts.models import Delivery, Plan
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.config.tenants import Tenant
from patronload.errors import ConfigError
from patronload.loads import leases, ledger_store, ledger_updates
from patronload.loads.load import Load
from patronload.targets.patron_ledger import PatronLedger


class Rebuilt(NamedTuple):
    """The days of the runs that were added, in order; runs without patron data any more; and the patrons known now."""

    days: tuple[date, ...]
    purged: int
    patrons: int


def rebuild(name: str) -> Rebuilt:
    """
    Replace the ledger of a tenant by one made from its runs. Raises ConfigError for a tenant that there is not, while a
    load is under way, and when no run is left to build it from.
    """
    tenant = tenants.load(name)
    found = runs.all_runs(tenant.tenant)
    running = leases.held_by_another(found[0].root, f"{tenant.tenant}/ledger") if found else None
    if running:
        raise ConfigError(f"The load {running} is running. Wait until it has finished, then start the command again.")
    ledger = PatronLedger.empty(folds=tenant.system.folds_keys)
    days = tuple(load.day for load in _loads(tenant, found) if ledger_updates.remembered_again(load, ledger))
    if not days:
        raise ConfigError(
            f"No run of {tenant.tenant} still has patron data, so there is nothing to build the ledger from. It "
            f"is not changed. Without a ledger no one leaves, and the next load begins a new one."
        )
    ledger_store.write(found[0], ledger)
    return Rebuilt(days, sum(run.has(names.PURGED) for run in found), len(ledger))


def _loads(tenant: Tenant, found: list[Run]) -> Iterator[Load]:
    """The loads of the runs that planned something, in the order of their plans."""
    plans = [
        (plan.planned, run) for run in found if run.has(names.PLANNED) and (plan := Plan.find(run)) and plan.planned
    ]
    for _, run in sorted(plans, key=lambda pair: pair[0]):
        delivery = Delivery.find(run)
        report = run.read_json(names.REPORT) if run.has(names.REPORT) else {}
        day = report.get("day") or (delivery.day if delivery else None)
        if day is None or report.get("dry_run"):
            continue
        load = Load(tenant, run, run.id, date.fromisoformat(day))
        asked = delivery.asked if delivery else None
        named = asked if asked and asked != tenant.source.path_on(load.day) else None
        yield load._replace(source_path=named)
