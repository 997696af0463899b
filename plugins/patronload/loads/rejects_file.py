"""The rows that a library has to correct, as one file: at the end of a run, and before it while a question waits."""

from __future__ import annotations

import polars as pl

from patronload.artifacts import names, tables
from patronload.artifacts.progress import Progress
from patronload.artifacts.run import Run
from patronload.exports import reject_files
from patronload.exports.reading import Facts
from patronload.reporting import fates
from patronload.rows import ROW
from patronload.targets.spool import in_parts


def is_possible(run: Run) -> bool:
    """Whether the run has come far enough: its export was read and checked."""
    return all(run.has(name) for name in (names.VALIDATE_REJECTS, names.ROWS, names.RAGGED, names.FACTS))


def collected(run: Run, facts: Facts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rejected rows as delivered, and the rejects so far with those that the library system refused."""
    refused = fates.with_failed(tables.rejects(run), Progress.of(run).results)
    rejected = pl.col(ROW).is_in(refused["row"].unique().implode())
    with tables.scanning(run, names.ROWS) as every:
        rows = [part.filter(rejected) for part in in_parts(every, *every.collect_schema())]
        delivered = pl.concat([every.head(0).collect(), *rows, tables.read(run, names.RAGGED)])
    return delivered.rename(facts.names), refused


def content(run: Run, delimiter: str) -> bytes:
    """rejects.csv as far as the run has come."""
    facts = Facts(**run.read_json(names.FACTS))
    return reject_files.write(*collected(run, facts), delimiter, facts.encoding)
