"""
The archive of earlier runs: the export that was fetched for a past day, when the library no longer has it.

Each run keeps its export byte for byte for as long as `keep.patrons` says. If several runs have the same day, the
export that was fetched last is used, with all files of its delivery. A file that someone named for a single run is
never used for another.
"""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple

from patronload import dates
from patronload.artifacts import names
from patronload.artifacts.models import Archived, DeliveredFile, Delivery
from patronload.artifacts.run import Run
from patronload.errors import MissingError, SourceError
from patronload.loads.load import Load

log = logging.getLogger(__name__)

READERS = 8
"""The number of runs that are read in parallel: a bucket answers slowly, but many requests at a time."""

BLOCK = 1 << 20
"""Bytes copied at a time."""

NONE_KEPT = "No earlier run has kept an export of this day either."


class Kept(NamedTuple):
    """The files that an earlier run fetched for the same day, and whether all files of it are still there."""

    run: Run
    delivery: Delivery
    complete: bool

    @property
    def fetched(self) -> datetime:
        """When it came from the library. What was itself taken from the archive did not come again."""
        return (self.delivery.archive or self.delivery).fetched


def take(load: Load, missing: MissingError) -> Delivery:
    """
    Copy the newest export of the load's day that an earlier run has kept into this run.

    Raises MissingError, with what is `missing` at the library, when no run has kept it, and SourceError when what was
    kept is not what was fetched.
    """
    found = [kept for kept in (*_of_other_runs(load), _of_this_run(load)) if kept]
    complete = [kept for kept in found if kept.complete]
    if not complete:
        raise MissingError(f"{missing} {_why_none(load, found)}")
    newest = max(complete, key=lambda kept: (kept.fetched, kept.delivery.archive is None, kept.run.id))
    if newest.run is load.run:
        log.info("%s So this run keeps the export that it has fetched already.", missing)
        return newest.delivery
    first, *more = (
        _copy(load, newest.run, name, file)
        for name, file in zip(_names(newest.run), newest.delivery.files, strict=True)
    )
    log.info("%s So it is taken from the archive of run %s, fetched %s.", missing, newest.run.id, newest.fetched)
    return delivery(load, first, more, Archived(run=newest.run.id, fetched=newest.fetched))


def delivery(load: Load, first: DeliveredFile, more: list[DeliveredFile], archive: Archived | None = None) -> Delivery:
    """A delivery of these files for the load's day and path, by which later runs find it."""
    optional = {name: value for name, value in (("archive", archive), ("more", tuple(more))) if value}
    return Delivery(**dict(first), **optional, day=load.day.isoformat(), asked=load.path)


def _of_other_runs(load: Load) -> list[Kept | None]:
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda run: _kept_delivery(load, run), load.run.others()))


def _kept_delivery(load: Load, run: Run) -> Kept | None:
    """The files of a run, if it was for the same day and the same path."""
    found = Delivery.find(run)
    if found is None or (found.day, found.asked) != (load.day.isoformat(), load.path):
        return None
    if load.until and any(file.modified >= load.until for file in found.files):
        return None  # that run was cleared on a later day, and fetched what was there then
    complete = run.has(names.EXPORT) and len(_names(run)) == len(found.files)
    return Kept(run, found, complete)


def _of_this_run(load: Load) -> Kept | None:
    """The files that this run fetched before it was cleared, if none has changed since."""
    kept = _kept_delivery(load, load.run)
    if kept is None or not kept.complete:
        return None
    named = zip(_names(load.run), kept.delivery.files, strict=True)
    return kept if all(_digest(load.run, name) == file.sha256 for name, file in named) else None


def _digest(run: Run, name: str) -> str:
    digest = hashlib.sha256()
    with run.reading(name) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _names(run: Run) -> list[str]:
    return [names.EXPORT, *run.names(names.MORE)]


def _copy(load: Load, kept: Run, name: str, about: DeliveredFile) -> DeliveredFile:
    digest = hashlib.sha256()
    with kept.reading(name) as file, load.run.writing(name) as into:
        while block := file.read(BLOCK):
            digest.update(block)
            into.write(block)
        if digest.hexdigest() != about.sha256:
            raise SourceError(
                f"The copy that run {kept.id} kept of {about.name} is not the file that it fetched: the SHA-256 "
                f"differs. "
                f"Restore {kept.url}/{name}, or delete it, and clear fetch; or ask the sender for the file."
            )
    fields = {field: getattr(about, field) for field in DeliveredFile.model_fields}
    return DeliveredFile(**fields | {"fetched": datetime.now(UTC).replace(microsecond=0)})


def _why_none(load: Load, found: list[Kept]) -> str:
    if not found:
        return NONE_KEPT
    last = max(found, key=lambda kept: kept.fetched)
    return (
        f"Run {last.run.id} fetched the export of {dates.in_words(load.day)}, but patrons are kept for only "
        f"{load.tenant.keep.patrons} (keep.patrons), so it has been deleted. Ask the sender for the file."
    )
