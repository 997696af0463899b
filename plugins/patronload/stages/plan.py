"""Plan: compare the patrons with what the library system has, and cut what is to be sent into chunks."""

from __future__ import annotations

import logging
from contextlib import nullcontext

from patronload import connections, targets
from patronload.artifacts import names
from patronload.loads import failures, planning, reruns
from patronload.loads.load import Counts, Load

log = logging.getLogger(__name__)


def plan(load: Load) -> Counts:
    """
    Compare and cut into chunks. Nothing is changed in the library system.

    Raises TargetError for what has to be fixed first, ValidationError when too many are rejected, TransientError.
    """
    if reruns.anything_sent(load.run):
        return reruns.keep(load.run, "plan", names.PLAN)
    with failures.recording(load, "plan"):
        reruns.forget_plan(load.run)
        with targets.open_target(load.tenant.target, connections.get) as target:
            lease = planning.lease_of(load, target)
            # From here until the report no other load may change what the plan is based on.
            with nullcontext() if load.dry_run else lease.keep_on_success():
                counts = planning.plan(load, target, lease)
    log.info("Planned: %s", ", ".join(f"{number:,} {name}" for name, number in counts.items()))
    return counts
