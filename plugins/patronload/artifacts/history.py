"""
What the last loads of a library were: a small ledger, `<root>/<tenant>/.history/`, beside the runs' folders.

Each load that went through has one file, named by where it stands in the order of the files (the day it is of, when it
was written, its hash), and a second one with the marks of its patrons' ids, if the tenant wants them compared. Nothing
is read and written back but the entry of the very same file, which then tells all runs that have loaded it: so two runs
cannot take each other's entries away, a retry writes the same file once more, and an older file takes its place among
the older ones. The names alone tell which files were loaded.

A folder of this name is never a run's: runs.open_run takes dots off the beginning.
"""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from patronload.artifacts.run import Run
from patronload.errors import ConfigError

if TYPE_CHECKING:  # polars is slow to import, and not every step needs it
    import polars as pl

    from patronload.checks.gates import Loaded

FOLDER = ".history"


class History:
    """The ledger of the library that a run is of."""

    def __init__(self, run: Run) -> None:
        self._files = Run(run.folder.parent)

    def find(self, sha256: str) -> Loaded | None:
        """The load of a file with this hash."""
        names = [name for name in self._names() if name.endswith(f"_{sha256}.json")]
        return self._read(names[-1]) if names else None

    def newest(self) -> Loaded | None:
        """The load of the newest file."""
        names = self._names()
        return self._read(names[-1]) if names else None

    def last(self, most: int) -> list[Loaded]:
        """The last loads, by the order of their files, the newest at the end; without files that were named by hand."""
        found: list[Loaded] = []
        for name in reversed(self._names()):
            loaded = self._read(name)
            if not loaded.by_hand:
                found.insert(0, loaded)
            if len(found) == most:
                break
        return found

    def marks(self, loaded: Loaded) -> pl.Series | None:
        """The marks of a load's ids (see gates.marks, salted with the file's hash); None if they were not kept."""
        import polars as pl

        name = f"{FOLDER}/{_stem(loaded)}.parquet"
        if not self._files.has(name):
            return None
        with self._files.reading(name) as file:
            return pl.read_parquet(io.BytesIO(file.read()))["mark"]

    def add(self, loaded: Loaded, marks: pl.Series | None, keep: int) -> None:
        """
        Put a load into the ledger, and the marks of its ids before it; the same load may be put again.

        Only the marks of the last `keep` loads stay.
        """
        if marks is not None:
            with self._files.writing(f"{FOLDER}/{_stem(loaded)}.parquet") as file:
                marks.to_frame().write_parquet(file)
        self._files.write_json(f"{FOLDER}/{_stem(loaded)}.json", _as_json(loaded))
        kept = {name.removesuffix(".json") for name in self._names()[-keep:]}
        for name in self._files.names(FOLDER):
            if name.endswith(".parquet") and name.removesuffix(".parquet") not in kept:
                self._files.remove(name)

    def _names(self) -> list[str]:
        """The entries by the order of their files, the oldest first."""
        return [name for name in self._files.names(FOLDER) if name.endswith(".json")]

    def _read(self, name: str) -> Loaded:
        try:
            return _from_json(self._files.read_json(name))
        except (json.JSONDecodeError, KeyError, TypeError, ValueError):
            raise ConfigError(
                f"{self._files.url}/{name} cannot be read: somebody changed it. Restore it, or delete it; then that "
                "load is forgotten."
            ) from None


def _stem(loaded: Loaded) -> str:
    return f"{loaded.file_day:%Y%m%d}_{loaded.modified.astimezone(UTC):%Y%m%dT%H%M%S%f}_{loaded.sha256}"


def _as_json(loaded: Loaded) -> dict[str, Any]:
    days = {"day": loaded.day.isoformat(), "file_day": loaded.file_day.isoformat()}
    return {**loaded._asdict(), **days, "modified": loaded.modified.isoformat(), "columns": list(loaded.columns)}


def _from_json(content: dict[str, Any]) -> Loaded:
    from patronload.checks.gates import Loaded  # polars, as above

    return Loaded(
        run=str(content["run"]),
        day=date.fromisoformat(content["day"]),
        file=str(content["file"]),
        file_day=date.fromisoformat(content["file_day"]),
        modified=datetime.fromisoformat(content["modified"]),
        sha256=str(content["sha256"]),
        columns=tuple(content["columns"]),
        rows=int(content["rows"]),
        rejected=int(content["rejected"]),
        groups={str(name): int(count) for name, count in content["groups"].items()},
        by_hand=bool(content["by_hand"]),
        # An entry of an earlier version does not have it.
        earlier=tuple(map(str, content.get("earlier", ()))),
    )
