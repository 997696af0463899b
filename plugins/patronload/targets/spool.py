"""Lines that are made one by one and are too many for memory: they wait on disk, part by part, until they are read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

PART = 50_000
"""Lines in memory, and in a part."""


class Spool:
    """
    A table that grows line by line. Full parts are files in a temporary folder that goes with the spool.

    `schema` names the columns and their types, as polars takes it.
    """

    def __init__(self, schema: dict[str, Any], part: int = PART) -> None:
        self.schema = schema
        self._part = part
        self._lines: list[tuple[Any, ...]] = []
        self._files: list[Path] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, *line: Any) -> None:
        """Append a line: one value for each column."""
        self._lines.append(line)
        if len(self._lines) >= self._part:
            self._write()

    def parts(self) -> Iterator[pl.DataFrame]:
        """All lines in their order, part by part; a spool without lines has one empty part."""
        for file in self._files:
            yield pl.read_parquet(file)
        if self._lines or not self._files:
            yield self._frame()

    def _write(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="patronload-")
        file = Path(self._folder.name) / f"{len(self._files):06}.parquet"
        self._frame().write_parquet(file, compression="lz4", statistics=False)
        self._files.append(file)
        self._lines = []

    def _frame(self) -> pl.DataFrame:
        return pl.DataFrame(self._lines, schema=self.schema, orient="row")
