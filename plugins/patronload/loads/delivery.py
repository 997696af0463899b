"""The fetched files of a run as rows: read once, kept in the run's folder, and read again part by part."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from patronload import connections
from patronload.artifacts import names, tables
from patronload.artifacts.models import Delivery
from patronload.artifacts.run import Run
from patronload.config import mapping_files
from patronload.exports import merging, pgp, reading
from patronload.exports.reading import Export, Facts
from patronload.loads import corrected_rejects
from patronload.loads.load import Load
from patronload.mapping import invisible, transform


def read_export(load: Load) -> Export:
    """
    The export, with all files of its delivery merged, and corrected rejects compared.

    Raises SourceError, ConfigError.
    """
    source, mapping = load.tenant.source, mapping_files.load(load.tenant.mapping)
    delivery = Delivery.find(load.run)
    delivered = [file.name for file in delivery.files] if delivery else ["the export"]
    files = [_read_file(load, name) for name in (names.EXPORT, *load.run.names(names.MORE))]
    export = merging.merge(list(zip(delivered, files, strict=True)), mapping, source.same_person)
    return corrected_rejects.compare(load, export, mapping)


def _read_file(load: Load, name: str) -> Export:
    source, content = load.tenant.source, load.run.read(name)
    if source.pgp is None:
        return reading.read(content, source)
    return pgp.read(content, source, connections.pgp_key(source.pgp))


def keep_rows(load: Load, export: Export) -> None:
    """Store the export's rows and its facts for the stages after validate."""
    # In row groups of the size in which the rows are read again.
    size = transform.part_size(export.frame.height)
    tables.write(load.run, names.ROWS, export.frame, compression="lz4", row_group_size=size)
    tables.write(load.run, names.RAGGED, export.ragged)
    load.run.write_json(names.FACTS, export.facts._asdict())


def facts(load: Load) -> Facts:
    """The export without its rows. Reads the export again if its rows were not kept."""
    if not load.run.has(names.FACTS):
        export = read_export(load)
        keep_rows(load, export)
        return export.facts
    return Facts(**load.run.read_json(names.FACTS))


def rows_in_parts(run: Run) -> Iterator[pl.DataFrame]:
    """The export's rows, one part at a time, without invisible characters; at least one part, which has the columns."""
    odd = not run.has(names.FACTS) or Facts(**run.read_json(names.FACTS)).may_have_invisible
    with tables.scanning(run, names.ROWS) as rows:
        height = rows.select(pl.len()).collect().item()
        size = transform.part_size(height)
        for start in range(0, max(height, 1), size):
            part = rows.slice(start, size).collect()
            yield invisible.cleaned(part) if odd else part
