"""How far a run came with sending, read from its artifacts at whatever point it is."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from patronload.artifacts import names, tables
from patronload.artifacts.models import ChunkResult, SentMarker
from patronload.artifacts.run import Run

ANSWERED, IN_FLIGHT, NOT_SENT = "answered", "in_flight", "not_sent"
"""The state of a row: its chunk, or its part of it, has a result; it was sent and not answered; it was not sent."""


class Progress(NamedTuple):
    """
    `rows`: the rows to be sent with at least row, chunk and state, or None before transform; `results`: the results of
    all chunks, one each. A chunk of which only some parts were answered has a result for these.
    """

    rows: pl.DataFrame | None
    results: list[ChunkResult]

    @classmethod
    def of(cls, run: Run) -> Progress:
        """The progress of a run."""
        results = [ChunkResult.read(run, number) for number in ChunkResult.numbers(run)]
        rows = rows_to_send(run)
        if rows is None:
            return cls(None, results)
        answered = {result.chunk for result in results}
        rows = with_state(rows, answered)
        for number in SentMarker.numbers(run):
            if number not in answered:
                marker = SentMarker.read(run, number)
                if marker.parts:
                    results.append(ChunkResult.combine(number, [part.result for part in marker.parts]))
                rows = _with_marker(rows, marker)
        return cls(rows, results)

    @classmethod
    def of_chunk(cls, run: Run, number: int) -> Progress:
        """The progress of one chunk of a run that has a plan."""
        every = rows_to_send(run)
        assert every is not None  # the caller has seen that there is a plan
        rows = every.filter(pl.col("chunk") == number)
        result, marker = ChunkResult.find(run, number), SentMarker.find(run, number)
        if result is not None:
            return cls(with_state(rows, {number}), [result])
        rows = with_state(rows, set())
        if marker is None:
            return cls(rows, [])
        answered = [ChunkResult.combine(number, [part.result for part in marker.parts])] if marker.parts else []
        return cls(_with_marker(rows, marker), answered)

    def split_leavers(self) -> tuple[Progress, Progress]:
        """The patrons of the file, and those who leave, who are in chunks of their own."""
        if self.rows is None or "action" not in self.rows.columns:
            return self, Progress(None, [])
        leaving = pl.col("action") == "leave"
        apart = set(self.rows.filter(leaving)["chunk"])
        return (
            Progress(self.rows.filter(~leaving), [result for result in self.results if result.chunk not in apart]),
            Progress(self.rows.filter(leaving), [result for result in self.results if result.chunk in apart]),
        )

    @property
    def arrived(self) -> pl.DataFrame:
        """The rows that the target may have: those that were sent and not refused."""
        assert self.rows is not None  # the caller has seen that there is a plan
        refused = [patron.row for result in self.results for patron in result.failed]
        return self.rows.filter(pl.col("state") != NOT_SENT, ~pl.col("row").is_in(refused))

    @property
    def confirmed(self) -> pl.DataFrame:
        """The rows that the target has said it has."""
        assert self.rows is not None  # as above
        missing = [patron.row for result in self.results for patron in result.failed]
        missing += [row for result in self.results for row in result.unconfirmed]
        return self.rows.filter(pl.col("state") == ANSWERED, ~pl.col("row").is_in(missing))


def rows_to_send(run: Run) -> pl.DataFrame | None:
    """The rows to be sent, each with its chunk. Before there is a plan: those that may be sent, in chunk 0."""
    if run.has(names.PLANNED):
        return tables.read(run, names.PLANNED)
    if not run.has(names.PATRONS):
        return None
    with tables.scanning(run, names.PATRONS) as every:
        patrons = every.select("row").collect().with_columns(chunk=pl.lit(0, pl.UInt32))
    return patrons.join(tables.rejects(run).select("row").unique(), on="row", how="anti", maintain_order="left")


def with_state(rows: pl.DataFrame, answered: set[int], sent: set[int] = frozenset()) -> pl.DataFrame:  # type: ignore[assignment]
    """The rows (with chunk) with their state, where whole chunks were answered, or sent."""
    state = (
        pl.when(pl.col("chunk").is_in(sorted(answered)))
        .then(pl.lit(ANSWERED))
        .when(pl.col("chunk").is_in(sorted(sent)))
        .then(pl.lit(IN_FLIGHT))
        .otherwise(pl.lit(NOT_SENT))
    )
    return rows.with_columns(state=state)


def _with_marker(rows: pl.DataFrame, marker: SentMarker) -> pl.DataFrame:
    """The rows, those of one chunk with the state in its marker."""
    place, part = pl.col("chunk").cum_count().over("chunk") - 1, marker.in_flight
    state = pl.when(place < marker.answered).then(pl.lit(ANSWERED))
    if part:
        state = state.when((place >= part.start) & (place < part.end)).then(pl.lit(IN_FLIGHT))  # type: ignore[assignment]
    in_chunk = pl.col("chunk") == marker.chunk
    return rows.with_columns(
        pl.when(in_chunk).then(state.otherwise(pl.lit(NOT_SENT))).otherwise(pl.col("state")).alias("state")
    )
