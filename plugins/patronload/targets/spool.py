"""Tables that are too large for memory: they wait on disk, part by part, until they are read."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PART = 25_000
"""Lines in memory, and in a part."""

ROWS = 50_000
"""Rows of a file that are read at once."""


def in_parts(table: pl.LazyFrame, *columns: str) -> Iterator[pl.DataFrame]:
    """Some columns of a table, as it is read from its file; a table without rows has no part."""
    height = table.select(pl.len()).collect().item()
    for start in range(0, height, ROWS):
        yield table.slice(start, ROWS).select(columns).collect()


def nonce(number: int) -> bytes:
    """The number of a piece that a key of its own encrypts, as AES-GCM takes it: no two pieces have the same."""
    return number.to_bytes(12, "big")


class PartsOnDisk:
    """
    Parts of a table, each a file in a temporary folder that goes with this object.

    The files hold patrons, so they are encrypted with a key that exists in this process only: run artifacts are never
    on a disk unencrypted, and these parts become one.
    """

    def __init__(self) -> None:
        self._files: list[Path] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._cipher: AESGCM | None = None

    def add(self, part: pl.DataFrame) -> None:
        """Append a part."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # slow to import, and small loads have no files

        if self._folder is None or self._cipher is None:
            self._folder = tempfile.TemporaryDirectory(prefix="patronload-")
            self._cipher = AESGCM(AESGCM.generate_key(128))
        content = io.BytesIO()
        part.write_parquet(content, compression="lz4", statistics=False)
        file = Path(self._folder.name) / f"{len(self._files):06}"
        file.write_bytes(self._cipher.encrypt(nonce(len(self._files)), content.getbuffer(), None))
        self._files.append(file)

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """The parts in their order."""
        for number, file in enumerate(self._files):
            assert self._cipher is not None  # there are files
            yield pl.read_parquet(io.BytesIO(self._cipher.decrypt(nonce(number), file.read_bytes(), None)))

    def close(self) -> None:
        """Remove the files; the parts cannot be read any more."""
        if self._folder is not None:
            self._folder.cleanup()
        self._files, self._folder, self._cipher = [], None, None


class Spool:
    """
    A table that grows line by line; only its last lines are in memory.

    `schema` names the columns and their types, as polars takes it.
    """

    def __init__(self, schema: dict[str, Any], part: int = PART) -> None:
        self.schema = schema
        self._part = part
        self._lines: list[tuple[Any, ...]] = []
        self._full = PartsOnDisk()

    def add(self, *line: Any) -> None:
        """Append a line: one value for each column."""
        self._lines.append(line)
        if len(self._lines) >= self._part:
            self._full.add(self._frame())
            self._lines = []

    def parts(self) -> Iterator[pl.DataFrame]:
        """All lines in their order, part by part; a spool without lines has one empty part."""
        yield from self._full
        if self._lines or not len(self._full):
            yield self._frame()

    def close(self) -> None:
        """Remove the files; the lines cannot be read any more."""
        self._full.close()
        self._lines = []

    def _frame(self) -> pl.DataFrame:
        return pl.DataFrame(self._lines, schema=self.schema, orient="row")
