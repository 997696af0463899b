"""Tables in a run's folder, as Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import polars as pl
from pyarrow import parquet

from patronload import rows
from patronload.artifacts import names
from patronload.artifacts.run import Run

REJECTS: dict[str, type[pl.DataType]] = {"row": pl.UInt32, "stage": pl.String, **rows.REJECTS}
"""A rejected row with the stage that rejected it."""


def read(run: Run, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The table with this name, or some of its columns."""
    with run.reading(name) as file:
        return pl.read_parquet(io.BytesIO(file.read()), columns=None if columns is None else list(columns))


@contextmanager
def scanning(run: Run, name: str) -> Iterator[pl.LazyFrame]:
    """The table with this name, to be read part by part within a `with` block."""
    with run.reading(name) as file:
        # A file of a disk is read as far as needed; one from a bucket, or an encrypted one, is in memory.
        yield pl.scan_parquet(file if isinstance(file, io.BufferedReader) else io.BytesIO(file.read()))


def write(run: Run, name: str, frame: pl.DataFrame, **options: Any) -> None:
    """Store a table; `options` are those of polars' write_parquet."""
    with run.writing(name) as file:
        frame.write_parquet(file, **options)


def rejects(run: Run) -> pl.DataFrame:
    """The rows that were rejected before sending, with the stage that rejected each; see REJECTS."""
    found = [
        read(run, name).with_columns(stage=pl.lit(stage))
        for stage, name in names.REJECTS_OF_STAGES.items()
        if run.has(name)
    ]
    return pl.concat([no_rejects(), *(frame.select(*REJECTS) for frame in found)])


def no_rejects() -> pl.DataFrame:
    """An empty table of rejects; see REJECTS."""
    return pl.DataFrame(schema=REJECTS)


def read_notes(run: Run) -> pl.DataFrame:
    """The notes about rows that are not rejected; see rows.NOTED."""
    found = [read(run, name) for name in (names.NOTED, names.TRANSFORM_NOTED) if run.has(name)]
    return pl.concat([rows.no_notes(), *found])


def read_skipped(run: Run) -> pl.DataFrame:
    """The rows that the mapping skips: by rule, or as newcomers; see rows.SKIPPED."""
    found = [read(run, name) for name in (names.SKIPPED, names.PLAN_SKIPPED) if run.has(name)]
    return pl.concat([rows.no_skipped(), *found])


def read_unchanged(run: Run) -> pl.DataFrame:
    """The rows that say what the library system has already: row, key."""
    if run.has(names.UNCHANGED):
        return read(run, names.UNCHANGED)
    return pl.DataFrame(schema={"row": pl.UInt32, "key": pl.String})


class Writer:
    """Writes one table of patrons, part by part, into an open file. Close it, or the file cannot be read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._parquet: parquet.ParquetWriter | None = None
        self.height = 0
        """How many rows were written so far."""

    def write(self, part: pl.DataFrame) -> None:
        """Append the rows of a part; all parts have the same columns."""
        table = part.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._parquet is None:
            # No text occurs twice, so a dictionary would only cost space. With the least and the greatest row of each
            # part, the lines of a few rows are found without reading the others.
            options = {"compression": "lz4", "use_dictionary": False, "write_statistics": ["row"]}
            self._parquet = parquet.ParquetWriter(self._file, table.schema, **options)
        self._parquet.write_table(table)
        self.height += part.height

    def close(self) -> None:
        """Finish the file."""
        if self._parquet:
            self._parquet.close()
