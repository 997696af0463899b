"""The artifacts that fetch would leave; fetching itself is not measured here."""

from datetime import UTC, datetime

from patronload.artifacts import run as runs
from patronload.artifacts.run import Run


def leave(run: Run) -> None:
    """Write the export's name, size and times beside it. The hash is not real, to save time."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"name": runs.EXPORT, "path": runs.EXPORT, "modified": now, "fetched": now, "sha256": "0" * 64}
    run.write_json(runs.DELIVERY, facts | {"size": (run.folder / runs.EXPORT).stat().st_size})
