"""Fetch: copy the export from its source into the run's folder, byte for byte."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

from patronload import sources
from patronload.artifacts import names
from patronload.artifacts.models import DeliveredFile, Delivery, Uploaded
from patronload.errors import MissingError
from patronload.loads import archive, failures, reruns, undoing
from patronload.loads.load import Counts, Load

log = logging.getLogger(__name__)


def fetch(load: Load) -> Counts:
    """Copy the export from its source, byte for byte. Raises SourceError, ConfigError, TransientError."""
    if reruns.anything_sent(load.run):
        return reruns.keep(load.run, "export", names.EXPORT)
    with failures.recording(load, "fetch"):
        # A plan made from another file must not be sent: it would count as this file, which is then never loaded.
        reruns.forget_plan(load.run)
        if load.undo:
            return _undo(load)
        for name in (names.ROWS, names.RAGGED, names.FACTS):
            load.run.remove(name)
        delivery = _delivery(load)
        for no_longer_there in load.run.names(names.MORE)[len(delivery.more) :]:
            load.run.remove(no_longer_there)
    delivery.write(load.run)
    for file in delivery.files:
        log.info("Day %s: fetched %s, %s bytes, into %s", load.day, file.name, f"{file.size:,}", load.run.url)
    more = {"more_files": len(delivery.more)} if delivery.more else {}
    return {"file": delivery.name, "bytes": delivery.size} | more


def _undo(load: Load) -> Counts:
    """No export is needed; whether the run can be undone is checked before anything else."""
    undo = undoing.look_up(load)
    undo.write(load.run)
    log.info("Nothing to fetch: this run undoes run %s, of %s", undo.run, undo.day)
    return {"undo": undo.run}


def _delivery(load: Load) -> Delivery:
    """All files of the delivery: uploaded, from the library, or for a past day from the run that fetched them then."""
    if uploaded := Uploaded.find(load.run):
        load.run.write(names.EXPORT, load.run.read(names.UPLOADED_FILE))
        # Under its own path, or a run for a past day would take it for that day's export.
        return archive.delivery(load, uploaded, []).model_copy(update={"asked": uploaded.path})
    try:
        first, *more = (_fetch_file(load, path, name) for path, name in zip(_paths(load), _file_names(), strict=False))
    except MissingError as missing:
        if not load.of_day:
            raise
        return archive.take(load, missing)
    return archive.delivery(load, first, more)


def _fetch_file(load: Load, path: str, name: str) -> DeliveredFile:
    with load.run.writing(name) as file:
        delivered = sources.fetch(load.tenant.source, path, file, load.until, day=load.day)
    return DeliveredFile(**delivered._asdict(), fetched=datetime.now(UTC).replace(microsecond=0))


def _paths(load: Load) -> list[str]:
    """The paths of the delivery's files; a path that a person gives for one run is the only one."""
    source = load.tenant.source
    if load.source_path:
        return [load.path]
    if source.files == "all":
        return sources.names(source, load.path, load.until)
    return [load.path, *source.more_paths_on(load.day)]


def _file_names() -> Iterator[str]:
    """The names of the delivery's files in the run's folder."""
    yield names.EXPORT
    yield from (f"{names.MORE}/{number:04}.csv" for number in count(2))
