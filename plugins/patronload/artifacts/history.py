"""
The history of a library's past loads, `<root>/<tenant>/.history/`, beside the runs' folders.

Each successful load has one file, named by its position in the order of exports (day, time written, hash), and a second
one with the marks of its patrons' ids, if the tenant compares them. An entry is changed only if the same export is
loaded again; it then lists all runs that loaded it. So two runs cannot delete each other's entries, a retry writes the
same file again, and an older export takes its place among the older ones. The names alone show which exports were
loaded.

No run has a folder of this name: run.open_run writes a dot at the beginning of an id as %2E.
"""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from patronload.artifacts.run import Run
from patronload.errors import ConfigError

if TYPE_CHECKING:  # polars is slow to import, and not every stage needs it
    import polars as pl

    from patronload.checks.gates import Loaded

FOLDER = ".history"


class History:
    """The history of the library that a run belongs to."""

    def __init__(self, run: Run) -> None:
        self._files = Run(run.folder.parent)

    def find(self, sha256: str) -> Loaded | None:
        """The load of a file with this hash; None if there is none, or if it was undone."""
        entries = (self._read(name) for name in reversed(self._names()) if name.endswith(f"_{sha256}.json"))
        return next((entry for entry in entries if not entry.undone), None)

    def entry(self, sha256: str) -> Loaded | None:
        """The load of a file with this hash, also if it was undone."""
        names = [name for name in self._names() if name.endswith(f"_{sha256}.json")]
        return self._read(names[-1]) if names else None

    def newest(self) -> Loaded | None:
        """The load of the newest export that was not undone."""
        return next((loaded for name in reversed(self._names()) if not (loaded := self._read(name)).undone), None)

    def last(self, most: int) -> list[Loaded]:
        """The last loads in the order of their exports, the newest last; without those by hand or undone."""
        found: list[Loaded] = []
        for name in reversed(self._names()):
            loaded = self._read(name)
            if not loaded.by_hand and not loaded.undone:
                found.insert(0, loaded)
            if len(found) == most:
                break
        return found

    def marks(self, loaded: Loaded) -> pl.Series | None:
        """The marks of a load's ids (see gates.marks, salted with the export's hash); None if they were not kept."""
        import polars as pl

        name = f"{FOLDER}/{_stem(loaded)}.parquet"
        if not self._files.has(name):
            return None
        with self._files.reading(name) as file:
            return pl.read_parquet(io.BytesIO(file.read()))["mark"]

    def add(self, loaded: Loaded, marks: pl.Series | None, keep: int) -> None:
        """
        Add a load to the history, after the marks of its ids; the same load may be added again.

        Only the marks of the last `keep` loads stay.
        """
        if marks is not None:
            with self._files.writing(f"{FOLDER}/{_stem(loaded)}.parquet") as file:
                marks.to_frame().write_parquet(file)
        self._write(loaded)
        kept = {name.removesuffix(".json") for name in self._names()[-keep:]}
        for name in self._files.names(FOLDER):
            if name.endswith(".parquet") and name.removesuffix(".parquet") not in kept:
                self._files.remove(name)

    def mark_undone(self, run: str, by: str | None) -> None:
        """
        Note which run has undone a run's load; None if it counts again. A load that is not there is left out.

        A load that counts again takes the entry back from a later load of the same file, if that one was undone.
        """
        for name in self._names():
            loaded = self._read(name)
            if loaded.run == run and loaded.undone != by:
                self._write(loaded._replace(undone=by))
            elif by is None and loaded.undone and run in loaded.earlier:
                earlier = (*(one for one in loaded.earlier if one != run), loaded.run)
                self._write(loaded._replace(run=run, earlier=earlier, undone=None))

    def _names(self) -> list[str]:
        """The entries in the order of their exports, the oldest first."""
        return [name for name in self._files.names(FOLDER) if name.endswith(".json")]

    def _write(self, loaded: Loaded) -> None:
        self._files.write_json(f"{FOLDER}/{_stem(loaded)}.json", _as_json(loaded))

    def _read(self, name: str) -> Loaded:
        try:
            return _from_json(self._files.read_json(name))
        except (json.JSONDecodeError, KeyError, TypeError, ValueError):
            raise ConfigError(
                f"{self._files.url}/{name} cannot be read: it was changed or is damaged. Restore it, or delete it "
                f"to forget that load."
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
        groups=_counts(content["groups"]),
        by_hand=bool(content["by_hand"]),
        # An entry of an earlier version lacks these.
        earlier=tuple(map(str, content.get("earlier", ()))),
        undone=content.get("undone"),
        loaded=_counts(content["loaded"]) if content.get("loaded") is not None else None,
    )


def _counts(content: dict[str, Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in content.items()}
