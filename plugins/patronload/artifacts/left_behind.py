"""Everything that a run left behind, as far as its report needs it."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from patronload.artifacts import names, questions, tables
from patronload.artifacts.models import ApprovalRecord, Delivery, Failure, Gates, Plan, PutBack, Validation
from patronload.artifacts.progress import Progress
from patronload.artifacts.run import Run
from patronload.artifacts.undo import Undo


@dataclass(frozen=True)
class LeftBehind:
    """
    The artifacts of a run; those it did not reach are None or empty.

    `url` is where a person finds the run's folder. `rejects` has the rows rejected before sending (see tables.REJECTS),
    `noted` and `skipped` are as rows.NOTED and rows.SKIPPED say. `unchanged` has the rows (row, key) that were not sent
    because they change nothing, `departures` the patrons whose turn it was to leave, `undo` which run it undoes.
    To report another artifact, add a field here.
    """

    url: str
    delivery: Delivery | None
    validation: Validation | None
    gates: Gates | None
    approval: ApprovalRecord | None
    plan: Plan | None
    failure: Failure | None
    rejects: pl.DataFrame
    noted: pl.DataFrame
    skipped: pl.DataFrame
    unchanged: pl.DataFrame
    departures: pl.DataFrame | None
    progress: Progress
    undo: Undo | None = None
    put_back: PutBack | None = None
    has_created: bool = False
    """Whether the values that the target lacked were created, as the plan had announced."""

    @classmethod
    def of(cls, run: Run) -> LeftBehind:
        """Read it from the run's folder."""
        return cls(
            url=run.url,
            delivery=Delivery.find(run),
            validation=Validation.find(run),
            gates=Gates.find(run),
            approval=questions.current(run),
            plan=Plan.find(run),
            failure=Failure.find(run),
            undo=Undo.find(run),
            rejects=tables.rejects(run),
            noted=tables.read_notes(run),
            skipped=tables.read_skipped(run),
            unchanged=tables.read_unchanged(run),
            departures=tables.read(run, names.LEAVERS) if run.has(names.LEAVERS) else None,
            progress=Progress.of(run),
            put_back=PutBack.find(run),
            has_created=run.has(names.CREATED),
        )

    @property
    def rows(self) -> int | None:
        """How many rows the export has; None if it was not read."""
        return self.validation.rows if self.validation else None
