"""
The archive of earlier runs: the export that was fetched for a past day, when the library no longer has it.

Each run keeps its export byte for byte for as long as `keep.patrons` says. Of several runs of a day the export that was
fetched last is taken, with all files of its delivery. A file that somebody named for one run is nobody's usual export.
"""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

from patronload import dates
from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.errors import MissingError, SourceError
from patronload.loads.load import Load

log = logging.getLogger(__name__)

LOOKERS = 8
"""So many runs are looked at at a time: a bucket answers each question slowly, and many at once."""

BLOCK = 1 << 20
"""Bytes copied at once."""

NONE_KEPT = "No earlier run has kept an export of this day either."


class Kept(NamedTuple):
    """What an earlier run fetched for the same day: its export.json, and whether all files of it are still there."""

    run: Run
    delivery: dict[str, Any]
    whole: bool

    @property
    def fetched(self) -> str:
        """When it came from the library, in UTC; what was itself taken from the archive has not come again."""
        origin = self.delivery.get("archive") or self.delivery
        return str(origin["fetched"])


def take(load: Load, missing: MissingError) -> list[dict[str, Any]]:
    """
    Put the newest export of the load's day that an earlier run has kept into the run; what export.json holds of it.

    Raises MissingError, with what is `missing` from the library, when nobody has kept it, and SourceError when what was
    kept is not what was fetched.
    """
    found = [kept for kept in (*_looked_at(load), _own(load)) if kept]
    whole = [kept for kept in found if kept.whole]
    if not whole:
        raise MissingError(f"{missing} {_why_none(load, found)}")
    newest = max(whole, key=lambda kept: (kept.fetched, "archive" not in kept.delivery, kept.run.id))
    if newest.run is load.run:
        log.info("%s So the export stays that this run has fetched already.", missing)
        return _unmarked(load, newest)
    first, *more = (
        _copied(load, newest.run, name, about)
        for name, about in zip(_names(newest.run), _files(newest.delivery), strict=True)
    )
    log.info("%s So it is taken from the archive of run %s, fetched %s.", missing, newest.run.id, newest.fetched)
    return [first | {"archive": {"run": newest.run.id, "fetched": newest.fetched}}, *more]


def marked(load: Load) -> dict[str, str]:
    """What export.json says beside the file, so that later runs find it: of which day it is, and what was asked for."""
    return {"day": load.day.isoformat(), "asked": load.path}


def _looked_at(load: Load) -> list[Kept | None]:
    with ThreadPoolExecutor(LOOKERS) as pool:
        return list(pool.map(lambda run: _kept(load, run), load.run.others()))


def _kept(load: Load, run: Run) -> Kept | None:
    """What a run has kept, if it was for the same day and the same path."""
    if not run.has(names.DELIVERY):
        return None
    delivery = run.read_json(names.DELIVERY)
    if any(delivery.get(name) != told for name, told in marked(load).items()):
        return None
    if load.until and any(datetime.fromisoformat(each["modified"]) >= load.until for each in _files(delivery)):
        return None  # that run was cleared on a later day, and has fetched what lay there then
    whole = run.has(names.EXPORT) and len(_names(run)) == len(_files(delivery))
    return Kept(run, delivery, whole)


def _own(load: Load) -> Kept | None:
    """What the run itself fetched before it was cleared, if all of it is still as it was fetched."""
    kept = _kept(load, load.run)
    if kept is None or not kept.whole:
        return None
    named = zip(_names(load.run), _files(kept.delivery), strict=True)
    return kept if all(_digest(load.run, name) == each["sha256"] for name, each in named) else None


def _unmarked(load: Load, kept: Kept) -> list[dict[str, Any]]:
    first, *more = _files(kept.delivery)
    return [{name: told for name, told in first.items() if name not in marked(load)}, *more]


def _digest(run: Run, name: str) -> str:
    digest = hashlib.sha256()
    with run.reading(name) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _names(run: Run) -> list[str]:
    return [names.EXPORT, *run.names(names.MORE)]


def _files(delivery: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: told for name, told in delivery.items() if name != "more"}, *delivery.get("more", ())]


def _copied(load: Load, kept: Run, name: str, about: dict[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256()
    with kept.reading(name) as file, load.run.writing(name) as into:
        while block := file.read(BLOCK):
            digest.update(block)
            into.write(block)
        if digest.hexdigest() != about["sha256"]:
            raise SourceError(
                f"What run {kept.id} has kept of {about['name']} is not what it had fetched: the SHA-256 is another "
                f"one. Restore {kept.url}/{name}, or delete it, and clear fetch; or ask the sender for the file."
            )
    return about | {"fetched": datetime.now(UTC).isoformat(timespec="seconds")}


def _why_none(load: Load, found: list[Kept]) -> str:
    if not found:
        return NONE_KEPT
    last = max(found, key=lambda kept: kept.fetched)
    return (
        f"Run {last.run.id} had fetched the export of {dates.in_words(load.day)}, but patrons are kept for "
        f"{load.tenant.keep.patrons} only (keep.patrons), and it was taken away since. Ask the sender for the file."
    )
