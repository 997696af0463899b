"""The artifacts that fetch would leave; fetching itself is not measured here."""

from datetime import UTC, datetime

from patronload.artifacts import names
from patronload.artifacts.run import Run


def leave(run: Run) -> None:
    """Write the export's name, size and times beside it. The hash is not real, to save time."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    facts = {"name": names.EXPORT, "path": names.EXPORT, "modified": now, "fetched": now, "sha256": "0" * 64}
    run.write_json(names.DELIVERY, facts | {"size": (run.folder / names.EXPORT).stat().st_size})
