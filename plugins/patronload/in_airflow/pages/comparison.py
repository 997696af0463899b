"""
Compare two loads of a library: their figures, their reasons, and for how long the same rows have been rejected.

Rows are compared by all their cells, as rejects.csv has them; only their number is shown, so the page holds no patron's
data.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.in_airflow.pages import days
from patronload.in_airflow.pages.charts import NO_LOADS
from patronload.in_airflow.pages.loads import Load
from patronload.reporting.report import Report, count_of

MOST = 31
"""The maximum number of loads that are searched for the same rows."""

LARGEST = 8 << 20
"""A larger rejects file is not read: a page must not take a minute."""

FIGURES = ("rows", "created", "updated", "unchanged", "failed", "rejected", "skipped", "not_sent", "unconfirmed")

Rows = frozenset[tuple[str, ...]]


class Line(NamedTuple):
    """A figure or a reason: how many in this load, and in the other one."""

    name: str
    now: int
    before: int

    @property
    def difference(self) -> str:
        """+3, -1,204, or nothing."""
        return f"{self.now - self.before:+,}" if self.now != self.before else ""


def others(load: Load, loads: Sequence[Load]) -> list[Load]:
    """The loads with which one can be compared, the newest before it first. `loads` come newest first."""
    ids = [each.run_id for each in loads]
    earlier = loads[ids.index(load.run_id) + 1 :] if load.run_id in ids else loads
    return [each for each in earlier if each.outcome and each.outcome not in NO_LOADS and not each.corrected]


def figures(now: Report, before: Report) -> list[Line]:
    """The figures that at least one of the loads has."""
    lines = [Line(name.replace("_", " ").capitalize(), getattr(now, name), getattr(before, name)) for name in FIGURES]
    return [line for line in lines if line.now or line.before]


def reasons(now: Report, before: Report) -> list[Line]:
    """The reasons of both loads, the most frequent now first."""
    counts = [{reason.reason: reason.count for reason in report.reasons} for report in (now, before)]
    every = dict.fromkeys([*counts[0], *counts[1]])
    return [Line(reason, counts[0].get(reason, 0), counts[1].get(reason, 0)) for reason in every]


def same_rows(load: Load, run: Run, earlier: Iterable[tuple[Load, Run]]) -> str:
    """
    How long the rejected rows are the same, or how many of them were rejected in the load before.

    `earlier` are the loads before it with their runs, the newest first. Nothing if that cannot be found out.
    """
    rows = rejected_rows(run)
    if not rows:
        return ""
    first, before = None, None
    for place, (each, other) in enumerate(earlier):
        found = rejected_rows(other)
        before = found if place == 0 else before
        if found != rows:
            break
        first = each
    same = "The same row has been" if len(rows) == 1 else f"The same {len(rows):,} rows have been"
    if first is not None:
        lasting = (days.day_of(load) - days.day_of(first)).days + 1
        return f"{same} rejected for {count_of(lasting, 'day')}."
    if before is None:
        return ""
    both = len(rows & before)
    was = "was" if both == 1 else "were"
    return f"{both:,} of the {count_of(len(rows), 'rejected row')} {was} rejected in the load before it, too."


def rejected_rows(run: Run) -> Rows | None:
    """The rejected rows without the columns that we added; None if the file is not kept, or is too large."""
    if not run.has(names.REJECTS):
        return None
    content = run.read(names.REJECTS)
    if len(content) > LARGEST:
        return None
    # Only whether bytes are the same matters, and every byte is a character of Latin-1.
    text = content.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    header = text.partition("\n")[0]
    if "reject_row" not in header:
        return None
    delimiter = header[header.index("reject_row") - 1] if header.index("reject_row") else ","
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    kept = [place for place, name in enumerate(next(lines)) if not name.startswith("reject_")]
    return frozenset(tuple(cells[place] for place in kept if place < len(cells)) for cells in lines)
