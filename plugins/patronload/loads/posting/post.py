"""
Send the chunks of a run to the library system, each patron exactly once, and keep every answer the moment it arrives.

A chunk leaves three files: chunks/0001.json.zst, written by plan; sent/0001.json, a marker written just before any of
it is sent; and results/0001.json, written when the result of all of it is known. A chunk that would take too long is
sent in parts: its marker then has the results of the parts before, and which part is in flight. So after an
interruption at any point it is known what was sent without an answer, and what was not sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from patronload.artifacts.models import (
    AnsweredPart,
    ChunkResult,
    Created,
    FailedPatron,
    PaceFound,
    Plan,
    SentMarker,
    SentPart,
)
from patronload.artifacts.names import CHUNKS, PLANNED, RESULTS, SENT
from patronload.artifacts.run import Run
from patronload.errors import TargetError, TransientError
from patronload.loads.posting.pace import Pace
from patronload.loads.posting.planned_chunks import PlannedChunks
from patronload.reporting.report import count_of
from patronload.targets import Target
from patronload.targets.delivery import TOO_LARGE, Chunk, Failed, NothingWritten, Outcome, SoFar, Unreadable

logger = logging.getLogger(__name__)

MAX_UNREADABLE = 5
"""How many unreadable answers are kept for a chunk."""


class Totals(NamedTuple):
    """The sums over all chunks of a run. patrons = created + updated + failed."""

    chunks: int
    patrons: int
    created: int
    updated: int
    failed: int


def _ignore(*_sentence: str) -> None:
    """For callers that only read the log, and let everything continue."""


class Watch(NamedTuple):
    """Callbacks: `tell` gets a line after each chunk, as the log does; `before` a request may stop it, by raising."""

    tell: Callable[[str], None] = _ignore
    before: Callable[[], None] = _ignore


NOBODY = Watch()


def post(run: Run, target: Target, pace: Pace | None = None, watch: Watch = NOBODY) -> Totals:
    """
    Send the chunks of `run` that have no result yet, in their order.

    Raises TransientError when the target was busy, or when an answer was lost and the result could not be looked up
    either: the next call looks again, so nothing is sent twice. Raises TargetError when a person has to act first, and
    after the last chunk when patrons remain of which it is not known whether they were loaded.
    """
    chunks = PlannedChunks(run, target.key)
    answered = set(ChunkResult.numbers(run))
    if answered:
        logger.info("%d of %d chunks were answered before", len(answered), len(chunks.numbers))
    left = [number for number in chunks.numbers if number not in answered]
    if left:
        _prepare(run, target)
    posting = _Posting(run, target, _pace(run, pace), chunks, left, watch)
    level = 0
    for number in left:
        if chunks.levels[number] > level:
            level = chunks.levels[number]
            _check_below(run, chunks, level)
        posting.post(number)
    return _totals(run, chunks.numbers)


def is_complete(run: Run) -> bool:
    """Whether every planned chunk of a run has its result. A run without a plan is not complete."""
    return run.has(PLANNED) and len(run.names(RESULTS)) == len(run.names(CHUNKS))


def _prepare(run: Run, target: Target) -> None:
    """Create what the plan wants, once before the first chunk: two chunks at a time would create it twice."""
    plan = Plan.find(run)
    wanted = plan.create if plan else {}
    created = Created.find(run)
    if any(wanted.values()) and not (created and created.to_json() == wanted):
        target.prepare(wanted)
        Created(**wanted).write(run)


def _pace(run: Run, pace: Pace | None) -> Pace:
    """The pace that an earlier attempt of this run found, if any."""
    pace = pace or Pace()
    if found := PaceFound.find(run):
        pace.size, pace.ceiling = found.size, found.ceiling
    return pace


class _Posting:
    """One attempt to send what is left of a run."""

    def __init__(
        self, run: Run, target: Target, pace: Pace, chunks: PlannedChunks, left: list[int], watch: Watch
    ) -> None:
        self.watch = watch
        self.run = run
        self.target = target
        self.pace = pace
        self.chunks = chunks
        self.left = sum(chunks.size(number) for number in left)
        self.done = 0
        self.so_far = _after(SoFar(), (ChunkResult.read(run, number) for number in ChunkResult.numbers(run)))
        self.started = time.monotonic()

    def post(self, number: int) -> None:
        """Send a chunk, or what of it was not sent yet, and keep its result."""
        chunk, started = self.chunks.chunk(number), time.monotonic()
        marker = SentMarker.find(self.run, number) or SentMarker(chunk=number, patrons=len(chunk.rows), parts=())
        sending = _Sending(self, chunk, marker)
        result = ChunkResult.combine(number, sending.results())
        result.write(self.run)
        self.done += len(chunk.rows)
        self._log(result, time.monotonic() - started)

    def learn(self, change: Callable[..., None], *facts: float) -> None:
        """Adapt the pace, and keep it for the next attempt."""
        before = (self.pace.size, self.pace.ceiling)
        change(*facts)
        if (self.pace.size, self.pace.ceiling) != before:
            PaceFound(size=self.pace.size, ceiling=self.pace.ceiling).write(self.run)
            logger.info("From now on a request has at most %s patrons", self.pace.next(10**6))

    def _log(self, result: ChunkResult, seconds: float) -> None:
        speed = result.patrons / max(seconds, 0.001)
        left = (self.left - self.done) * (time.monotonic() - self.started) / max(self.done, 1)
        unclear = f", {len(result.unconfirmed):,} unconfirmed" if result.unconfirmed else ""
        sentence = (
            f"chunk {result.chunk} of {len(self.chunks.numbers)}: {count_of(result.patrons, 'patron')}, "
            f"{result.created:,} created, {result.updated:,} updated, {len(result.failed):,} failed{unclear}; "
            f"{count_of(round(speed), 'patron')} a second; {_duration(left)} left"
        )
        logger.info("%s", sentence)
        self.watch.tell(sentence)


class _Sending:
    """Sends one chunk, and keeps its marker up to date."""

    def __init__(self, posting: _Posting, chunk: Chunk, marker: SentMarker) -> None:
        self.posting = posting
        self.run = posting.run
        self.target = posting.target
        self.chunk = chunk
        self.marker = marker

    def results(self) -> list[ChunkResult]:
        """Send what was not sent yet; the results of all parts."""
        posting = self.posting
        posting.so_far = _after(posting.so_far, (part.result for part in self.marker.parts))
        if part := self.marker.in_flight:
            self._resolve_in_flight(part)
        self._resolve_unconfirmed()
        while (start := self.marker.answered) < len(self.chunk.rows):
            end = start + posting.pace.next(len(self.chunk.rows) - start)
            self._send(start, replace(self.chunk.part(start, end), so_far=posting.so_far))
        return [part.result for part in self.marker.parts]

    def _resolve_in_flight(self, part: SentPart) -> None:
        """A part was sent in an earlier attempt, and its result is not known."""
        number, count = self.chunk.number, len(self.posting.chunks.numbers)
        logger.info("chunk %d of %d: was sent without an answer; looking it up", number, count)
        patrons = self.chunk.part(part.start, part.end)
        self._keep(patrons, self._resolve(patrons, part))

    def _resolve_unconfirmed(self) -> None:
        """Look up again the parts with unconfirmed patrons, after a person deleted the chunk's result."""
        for index, part in enumerate(self.marker.parts):
            if part.result.unconfirmed:
                self._resolve_answered(index, part)

    def _resolve_answered(self, index: int, part: AnsweredPart) -> None:
        patrons = self.chunk.part(part.start, part.end)

        def note_again() -> None:
            self._replace(index, last_sent_at=self.target.clock())
            self._mark()

        outcome = self._outcome(lambda: self.target.resolve(patrons, part.sent_at, part.last, note_again))
        self._replace(index, result=_result(patrons, outcome))

    def _replace(self, index: int, **changes: Any) -> None:
        parts = list(self.marker.parts)
        parts[index] = parts[index].model_copy(update=changes)
        self.marker = self.marker.model_copy(update={"parts": tuple(parts)})

    def _resolve(self, patrons: Chunk, part: SentPart) -> Outcome:
        """Find the outcome of the part in flight; only the process that still has its turn asks."""
        self.posting.watch.before()
        return self._outcome(lambda: self.target.resolve(patrons, part.sent_at, part.last, self._note_again))

    def _outcome(self, ask: Callable[[], Outcome]) -> Outcome:
        try:
            return ask()
        except Unreadable as error:
            self._keep_answer(error)
            raise

    def _note_again(self) -> None:
        """Something of the part in flight is sent again: the next process has to wait for that too."""
        self.marker = self.marker.model_copy(update={"last_sent_at": self.target.clock()})
        self._mark()

    def _mark(self) -> None:
        """
        Write the marker of what is sent next; it may be sent when this returns.

        `before` is called on both sides of it. A process that takes over says so first and reads the markers then. So
        either it finds this marker, or it took over before the marker was written, and the second call notices that.
        """
        self.posting.watch.before()
        self.marker.write(self.run)
        self.posting.watch.before()

    def _send(self, start: int, patrons: Chunk) -> None:
        sent_at, started = self.target.clock(), time.monotonic()
        part = SentPart(start=start, end=start + len(patrons.rows), sent_at=sent_at)
        self.marker = self.marker.sending(part)
        self._mark()
        try:
            outcome = self._outcome(lambda: self.target.deliver(patrons, sent_at, self._note_again))
            self.posting.learn(self.posting.pace.took, len(patrons.rows), time.monotonic() - started)
        except NothingWritten as nothing:
            self._not_written(patrons, nothing)
            return
        except TransientError as error:
            logger.warning("chunk %d: %s", patrons.number, error)
            self.posting.learn(self.posting.pace.note_lost, len(patrons.rows))
            outcome = self._resolve(patrons, self.marker.in_flight or part)
        self._keep(patrons, outcome)

    def _not_written(self, patrons: Chunk, nothing: NothingWritten) -> None:
        """A gateway may have found the request too large; one that accepts no patron at all stops the load."""
        alone = len(patrons.rows) == 1
        hopeless = self.posting.so_far.and_refused(1).is_hopeless
        if nothing.too_large and alone and not hopeless:
            self.posting.learn(self.posting.pace.one_too_large)
            refusals = [Failed(row, TOO_LARGE, TOO_LARGE) for row in patrons.rows]
            self._keep(patrons, Outcome(0, 0, refusals, [], looked_up=False, answers=[]))
            return
        if nothing.too_large and hopeless:
            # All of them were refused; once the limit is raised they are to be sent.
            self.marker = self.marker.model_copy(update={"parts": ()})
        self._take_back()
        if alone or not nothing.too_large:
            raise nothing.reason from nothing
        self.posting.learn(self.posting.pace.too_large, len(patrons.rows))

    def _keep_answer(self, error: Unreadable) -> None:
        """Keep what arrived instead of an answer, in the artifacts only, for later investigation."""
        unreadable = (*self.marker.unreadable, error.answer)[-MAX_UNREADABLE:]
        self.marker = self.marker.model_copy(update={"unreadable": unreadable})
        self.marker.write(self.run)

    def _take_back(self) -> None:
        """Nothing of what was in flight was written."""
        self.marker = self.marker.sending(None)
        if self.marker.parts:
            self.marker.write(self.run)
        else:
            self.run.remove(SENT.of_chunk(self.chunk.number))

    def _keep(self, patrons: Chunk, outcome: Outcome) -> None:
        """
        Add the result of the part in flight. It is written with the next part's marker, or as the chunk's result. If
        the process dies in between, the part still counts as in flight and is looked up.
        """
        part = self.marker.in_flight
        assert part is not None  # only what was sent has an outcome
        answered = AnsweredPart(**part.model_dump(exclude_unset=True), result=_result(patrons, outcome))
        self.marker = self.marker.sending(None)
        self.marker = self.marker.model_copy(update={"parts": (*self.marker.parts, answered)})
        self.posting.so_far = _after(self.posting.so_far, [answered.result])


def _after(so_far: SoFar, results: Iterable[ChunkResult]) -> SoFar:
    """The state of a load after more results. Unconfirmed patrons may have been accepted."""
    for result in results:
        refused = len(result.failed)
        so_far = SoFar(so_far.taken + result.patrons - refused, so_far.refused + refused)
    return so_far


def _duration(seconds: float) -> str:
    """In the largest unit that makes sense: 40 seconds, 12 minutes, 3 hours."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return count_of(round(seconds), "second")


def _result(chunk: Chunk, outcome: Outcome) -> ChunkResult:
    return ChunkResult(
        chunk=chunk.number,
        patrons=len(chunk.rows),
        created=outcome.created,
        updated=outcome.updated,
        failed=tuple(FailedPatron(**failed._asdict()) for failed in outcome.failed),
        unconfirmed=tuple(outcome.unconfirmed),
        looked_up=outcome.looked_up,
        answers=tuple(outcome.answers),
        **({"notes": outcome.notes} if outcome.notes else {}),
    )


def _totals(run: Run, numbers: list[int]) -> Totals:
    """The sum of all results. Raises TargetError when one of them leaves a patron unconfirmed."""
    results = [ChunkResult.read(run, number) for number in numbers]
    if unclear := [result for result in results if result.unconfirmed]:
        raise _unclear(run, unclear)
    return Totals(
        chunks=len(numbers),
        patrons=sum(result.patrons for result in results),
        created=sum(result.created for result in results),
        updated=sum(result.updated for result in results),
        failed=sum(len(result.failed) for result in results),
    )


def _check_below(run: Run, chunks: PlannedChunks, level: int) -> None:
    """
    A patron of this level takes over an id that one of a lower level gives up; it must be certain that it was given up.

    Raises TargetError when a chunk of a lower level leaves a patron unconfirmed.
    """
    below = [ChunkResult.read(run, number) for number in chunks.numbers if chunks.levels[number] < level]
    if unclear := [result for result in below if result.unconfirmed]:
        raise _unclear(run, unclear, "The next chunks take over ids that they give up, and were not sent")


def _unclear(run: Run, results: list[ChunkResult], rest: str = "Everything else was sent") -> TargetError:
    patrons = sum(len(result.unconfirmed) for result in results)
    chunks = ", ".join(f"chunk {result.chunk}: {run.url}/{RESULTS.of_chunk(result.chunk)}" for result in results[:5])
    return TargetError(
        f"{patrons:,} patrons are unconfirmed: the library system's answers contradict its data, or each other. "
        f"{rest}. See 'unconfirmed' in the results of {chunks}"
        f"{' and others' if results[5:] else ''}. To have a chunk looked up again, delete its result and clear 'post'."
    )
