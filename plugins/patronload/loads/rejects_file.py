"""The rows that a library has to correct, as one file: at the end of a run, and before it while a question waits."""

from __future__ import annotations

import polars as pl

from patronload.artifacts import names, tables
from patronload.artifacts.progress import Progress
from patronload.artifacts.run import Run
from patronload.exports import reject_files
from patronload.exports.reading import Facts
from patronload.reporting import fates


def is_possible(run: Run) -> bool:
    """Whether the run has come far enough: its export was read and checked."""
    return all(run.has(name) for name in (names.VALIDATE_REJECTS, names.ROWS, names.RAGGED, names.FACTS))


def collected(run: Run, facts: Facts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows as delivered, and the rejects so far with those that the library system refused."""
    delivered = pl.concat([tables.read(run, names.ROWS), tables.read(run, names.RAGGED)]).rename(facts.names)
    return delivered, fates.with_failed(tables.rejects(run), Progress.of(run).results)


def content(run: Run, delimiter: str) -> bytes:
    """rejects.csv as far as the run has come."""
    facts = Facts(**run.read_json(names.FACTS))
    return reject_files.write(*collected(run, facts), delimiter, facts.encoding)
