"""Find a patron in a library's runs, on the command line: the same search as the page in Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from patronload import settings
from patronload.artifacts import run as runs
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.reporting import finding
from patronload.reporting.finding import Hit, Search

ON_DISK = "file://"


def find(tenant: str, value: str) -> Search:
    """The runs of a tenant that contain a patron. Raises ConfigError."""
    found = tenants.load(tenant)
    return finding.search(_runs(tenant), found, value)


def _runs(tenant: str) -> list[Run]:
    root = settings.artifacts()
    # On a disk it works without Airflow, which takes seconds to import.
    return (
        runs.runs_in(Path(root.removeprefix(ON_DISK)) / tenant) if root.startswith(ON_DISK) else runs.all_runs(tenant)
    )


def lines(found: Search) -> Iterator[str]:
    """The findings as text for a terminal."""
    since = f" since {found.since}" if found.since else ""
    yield f"{len(found.hits)} found in {found.runs} {'run' if found.runs == 1 else 'runs'}{since}"
    for hit in found.hits:
        yield ""
        yield _headline(hit)
        if hit.reason:
            yield f"    {hit.reason}"
        for change in hit.changes:
            yield f"    {change.field}: {change.before or '(empty)'} -> {change.after or '(empty)'}  ({change.why})"


def _headline(hit: Hit) -> str:
    place = [f"row {hit.row}"] if hit.row else []
    place += [hit.key] if hit.key else []
    return f"{hit.day or 'day unknown'}  {', '.join([*place, hit.outcome])}  (run {hit.run_id}: {hit.result})"
