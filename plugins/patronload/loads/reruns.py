"""
Keep or remove a run's artifacts when a stage runs again.

A stage that runs again replaces what it wrote before. Once patrons were sent it does not: the load continues with what
was planned, and another file needs another run.
"""

from __future__ import annotations

import logging

from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.errors import TargetError
from patronload.loads.load import Counts, Load

log = logging.getLogger(__name__)


def anything_sent(run: Run) -> bool:
    """Whether the run has sent patrons."""
    return bool(run.names(names.SENT) or run.names(names.RESULTS))


def keep(run: Run, what: str, name: str) -> Counts:
    """The counts that a stage returns when it keeps the artifact `name` because patrons were sent."""
    log.warning("The %s is kept, because this run has already sent patrons. For another file, start another run.", what)
    return {"kept": f"{run.url}/{name}"}


def nothing_to_do(load: Load, why: str) -> Counts:
    """The result of a stage that has nothing to do, because the run undoes another one."""
    log.info("%s: this run undoes run %s", why, load.undo)
    return {"undo": load.undo}


def forget_plan(run: Run) -> None:
    """Remove what an earlier attempt planned, so that it is neither sent nor counted."""
    planned = (names.PLANNED, names.PLAN, names.PLAN_REJECTS, names.UNCHANGED, names.CHANGES, names.BEFORE)
    people = (names.PLAN_SKIPPED, names.LEAVERS, names.LEAVERS_FILE, names.ADOPTED, names.NOT_UNDONE)
    for name in (*planned, *people, *run.names(names.CHUNKS)):
        run.remove(name)


def forget_checks(run: Run) -> None:
    """Remove what an earlier attempt found in another file, and its plan."""
    forget_plan(run)
    checks = (names.VALIDATION, names.VALIDATE_REJECTS, names.SKIPPED, names.COMBINED, names.NOTED, names.FAILING)
    patrons = (names.PATRONS, names.TRANSFORM_REJECTS, names.TRANSFORM_NOTED, names.FIELDS)
    for name in (*checks, *patrons, names.REJECTS, names.REJECTS_WORKBOOK):
        run.remove(name)


def check_plan(run: Run) -> None:
    """Raises TargetError when there is no plan."""
    if not run.has(names.PLAN):
        raise TargetError(
            "Nothing was sent. An earlier task was cleared without the tasks after it, so there is no plan to send. "
            "Clear that task in Airflow again, with all tasks after it."
        )
