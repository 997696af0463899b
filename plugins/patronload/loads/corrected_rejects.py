"""Compare corrected rejects with the rejects of the load that they come from, which lie beside this run's folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.config.mapping import Mapping
from patronload.config.source import Layout
from patronload.errors import ConfigError, SourceError
from patronload.exports import reading, returned_rejects
from patronload.exports.reading import Export
from patronload.loads.load import Load

log = logging.getLogger(__name__)

MOST_LOADS = 60
"""How many of the last loads with rejects a corrected file may belong to."""


def compare(load: Load, export: Export, mapping: Mapping) -> Export:
    """The export; its rows that are corrected rejects are compared with the rows that were rejected."""
    if not export.ours.height:
        return export
    original = returned_rejects.find(export, _originals(load.run, load.tenant.source), mapping)
    if original is None:
        log.warning("The rejects that this file corrects are no longer kept, so its rows cannot be compared.")
        return export
    return returned_rejects.compare(export, original, mapping)._replace(compared=True)


def _originals(run: Run, layout: Layout) -> Iterator[Export]:
    """The rejects of the other loads of the library, the newest first."""
    written = [(other.written_at(names.REJECTS), other) for other in run.others()]
    known = [(moment, other) for moment, other in written if moment]
    for _, other in sorted(known, key=_moment, reverse=True)[:MOST_LOADS]:
        try:
            yield reading.read(other.read(names.REJECTS), layout)
        except (ConfigError, SourceError):
            log.warning("The rejects in %s cannot be read.", other.url)


def _moment(known: tuple[datetime, Run]) -> datetime:
    return known[0].astimezone(UTC)
