"""
Delete artifacts that are old enough: first all patron data, later the rest.

The files that stay have known names; any other file in a run's folder is deleted with the patron data. A run that
Airflow is working on is not purged, however old its files are. A purged run cannot be resumed, and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from patronload.artifacts import names
from patronload.artifacts import run as runs
from patronload.artifacts.models import Purged
from patronload.artifacts.run import Run
from patronload.artifacts.store import Entry
from patronload.config import tenants
from patronload.config.tenants import Keep, Tenant
from patronload.errors import ConfigError

log = logging.getLogger(__name__)

KEPT = frozenset(artifact for artifact in names.ALL if artifact.keep == "reports")
"""The artifacts without patron data, which stay with the report."""

UnderWay = Callable[[str, str], bool]
"""Whether Airflow works on a run: tenant, run id."""


class Deleted(NamedTuple):
    """The number of runs whose patron data was deleted, and of runs that were deleted completely."""

    patrons: int
    runs: int


def purge(tenant: str, keep: Keep, now: datetime, under_way: UnderWay) -> Deleted:
    """Purge one tenant's runs. `now` is aware. A second call, or one after a crash, finishes what is left."""
    patrons = whole = 0
    for run, entries in runs.listed_runs(tenant):
        age = now - runs.last_written(entries)
        # Asked only of the few runs that are old enough, and again right before anything is deleted.
        if age >= timedelta(days=keep.report_days) and not under_way(tenant, run.id):
            run.remove_all()
            whole += 1
        elif age >= timedelta(days=keep.patron_days) and _holds_patrons(entries) and not under_way(tenant, run.id):
            take_patrons(run, now)
            patrons += 1
    return Deleted(patrons, whole)


def remove_unfinished(now: datetime) -> int:
    """Delete what processes that were killed had begun to write. No stage takes a day."""
    return runs.remove_unfinished(now - timedelta(days=1))


def keeps() -> Iterator[tuple[str, Keep]]:
    """Each tenant with artifacts, and their ages; a tenant whose file is gone has the default ages."""
    known = set(tenants.names())
    for name in runs.all_tenants():
        if name not in known:
            yield name, Keep()
            continue
        try:
            found: Tenant = tenants.load(name)
        except ConfigError as error:
            log.warning("%s: nothing is deleted until its file is corrected. %s", name, error)
            continue
        yield name, found.keep


def check(run: Run) -> None:
    """Raises ConfigError for a purged run, which cannot be resumed."""
    if run.has(names.PURGED):
        raise ConfigError(
            "The patron data of this run was deleted because of its age (see keep in the tenant file), so the "
            "run cannot be resumed. Start a new run for its day."
        )


def _holds_patrons(entries: Iterable[Entry]) -> bool:
    return any(entry.name not in KEPT for entry in entries)


def take_patrons(run: Run, now: datetime) -> None:
    """Remove what holds patrons from a run, and mark it."""
    # The mark comes first: from then on, no task takes the run for a complete one.
    Purged(purged=now.astimezone(UTC).replace(microsecond=0)).write(run)
    for name in run.entries():
        if name not in KEPT:
            run.remove_entry(name)
