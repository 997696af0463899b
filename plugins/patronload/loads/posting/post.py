"""
Send the chunks of a run to the library system, each patron exactly once, and keep every answer the moment it arrives.

A chunk leaves three files: chunks/0001.json.zst, made before; sent/0001.json, put just before something of it is sent;
and results/0001.json, put when it is known what became of all of it. A chunk that would take too long goes in parts:
sent/0001.json then holds what became of the parts before, and which one is on its way. So whoever comes after an
interruption, at whatever point, sees where it was: on its way says "sent, and nobody knows", and the rest was not sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl
import zstandard

from patronload.artifacts import names
from patronload.artifacts.names import CHUNKS, CREATED, PACE, PLANNED, RESULTS, SENT, chunk_number
from patronload.artifacts.run import Run
from patronload.errors import Defect, TargetError, TransientError
from patronload.loads.posting.pace import Pace
from patronload.targets import Target
from patronload.targets.delivery import TOO_LARGE, Chunk, Failed, NothingWritten, Outcome, SoFar, Unreadable

logger = logging.getLogger(__name__)

LAST = "last_sent_at"
"""When something of a part was sent again; `sent_at`, its first time, tells the created from the updated."""

ON_ITS_WAY = ("from", "to", "sent_at", LAST)
"""What sent/0001.json says of a part that is on its way."""

MOST_UNREADABLE = 5
"""So many answers that were none are kept of a chunk."""

Result = dict[str, Any]
"""What results/0001.json holds."""


class Totals(NamedTuple):
    """What all chunks of a run came to. patrons = created + updated + failed."""

    chunks: int
    patrons: int
    created: int
    updated: int
    failed: int


class Progress(NamedTuple):
    """How far a run came, for its report: the rows with their chunks, the chunks that were sent, the results."""

    patrons: pl.DataFrame | None
    sent: set[int]
    results: list[Result]


def _nobody(*_sentence: str) -> None:
    """For whoever only reads the log, and lets everything go on."""


class Watch(NamedTuple):
    """Onlookers: `tell` gets a line after each chunk, as the log does; `before` a request may stop it, by raising."""

    tell: Callable[[str], None] = _nobody
    before: Callable[[], None] = _nobody


NOBODY = Watch()


def post(run: Run, target: Target, pace: Pace | None = None, watch: Watch = NOBODY) -> Totals:
    """
    Send the chunks of `run` that have no result yet, in their order.

    Raises TransientError when the target was busy, or when an answer got lost and what became of the patrons could not
    be looked up either: the next call looks once more, so nothing is sent twice. Raises TargetError when somebody has
    to act first, and after the last chunk when patrons remain of which nobody knows whether they were loaded.
    """
    parts = _Parts(run, target.key)
    answered = set(run.names(RESULTS))
    if answered:
        logger.info("%d of %d chunks were answered before", len(answered), len(parts.numbers))
    left = [number for number in parts.numbers if RESULTS.of_chunk(number) not in answered]
    if left:
        _prepare(run, target)
    posting = _Posting(run, target, _pace(run, pace), parts, sum(parts.size(number) for number in left), watch)
    level = 0
    for number in left:
        if parts.levels[number] > level:
            level = parts.levels[number]
            _check_below(run, parts, level)
        posting.post(number)
    return _totals(run, parts.numbers)


def is_through(run: Run) -> bool:
    """Whether every chunk of a run has its result, so that nothing is left to be sent. No plan is not through."""
    return run.has(PLANNED) and len(run.names(RESULTS)) == len(run.names(CHUNKS))


def progress(run: Run, planned: pl.DataFrame | None) -> Progress:
    """
    What a run has come to, whatever point it is at. `planned` has row and chunk.

    A chunk of which only a part was answered is told as three: the part that was, the one on its way, and the rest.
    """
    results = [run.read_json(name) for name in run.names(RESULTS)]
    answered = {result["chunk"] for result in results}
    sent = {chunk_number(name) for name in run.names(SENT)}
    if planned is None:
        return Progress(planned, sent, results)
    for number in sorted(sent - answered):
        marker = run.read_json(SENT.of_chunk(number))
        if marker.get("parts"):
            results.append(_combined(number, [part["result"] for part in marker["parts"]]))
        planned = _split(planned, number, marker)
    on_their_way = {number for number in planned["chunk"].unique() if _BEYOND < number < _UNSENT}
    return Progress(planned, sent | on_their_way, results)


def arrived(run: Run, planned: pl.DataFrame) -> pl.DataFrame:
    """The rows of `planned` that the target may have: those that were sent and not refused."""
    told = progress(run, planned)
    assert told.patrons is not None  # because planned is not
    refused = [user["row"] for result in told.results for user in result["failed"]]
    chunks = [*told.sent, *(result["chunk"] for result in told.results)]
    return told.patrons.filter(pl.col("chunk").is_in(chunks) & ~pl.col("row").is_in(refused))


def confirmed(run: Run, planned: pl.DataFrame) -> pl.DataFrame:
    """The rows of `planned` of which the target says that it has them."""
    told = progress(run, planned)
    assert told.patrons is not None  # because planned is not
    missing = [user["row"] for result in told.results for user in result["failed"]]
    missing += [row for result in told.results for row in result["unconfirmed"]]
    answered = [result["chunk"] for result in told.results]
    return told.patrons.filter(pl.col("chunk").is_in(answered) & ~pl.col("row").is_in(missing))


_BEYOND = 10**6
"""Chunks above are the parts on their way, of the chunk of that number less this."""

_UNSENT = 2 * 10**6
"""And no chunk is this one: it has the rows that were not sent."""


def _split(planned: pl.DataFrame, number: int, marker: dict[str, Any]) -> pl.DataFrame:
    """The chunk's rows, those that are still open with another number."""
    answered = marker["parts"][-1]["to"] if marker.get("parts") else 0
    start, end = marker.get("from", answered), marker.get("to", marker["patrons"])
    on_its_way = "sent_at" in marker
    place = pl.col("chunk").cum_count().over("chunk") - 1
    state = (
        pl.when(pl.col("chunk") != number).then(pl.col("chunk"))
        .when(place < answered).then(pl.col("chunk"))
        .when((place >= start) & (place < end) & on_its_way).then(pl.lit(number + _BEYOND))
        .otherwise(pl.lit(_UNSENT))
    )  # fmt: skip
    return planned.with_columns(state.cast(pl.UInt32).alias("chunk"))


def _prepare(run: Run, target: Target) -> None:
    """Once before the first chunk, and one thing after the other: two chunks at once would make it twice."""
    wanted = run.read_json(names.PLAN).get("create", {}) if run.has(names.PLAN) else {}
    if any(wanted.values()) and not (run.has(CREATED) and run.read_json(CREATED) == wanted):
        target.prepare(wanted)
        run.write_json(CREATED, wanted)


def _pace(run: Run, pace: Pace | None) -> Pace:
    """The pace that was found before, if any: it holds for this run's other attempts too."""
    pace = pace or Pace()
    if run.has(PACE):
        known = run.read_json(PACE)
        pace.size, pace.ceiling = known["size"], known["ceiling"]
    return pace


class _Posting:
    """One attempt to send what is left of a run."""

    def __init__(self, run: Run, target: Target, pace: Pace, parts: _Parts, left: int, watch: Watch) -> None:
        self.watch = watch
        self.run = run
        self.target = target
        self.pace = pace
        self.parts = parts
        self.left = left
        self.done = 0
        self.so_far = _after(SoFar(), (run.read_json(name) for name in run.names(RESULTS)))
        self.started = time.monotonic()

    def post(self, number: int) -> None:
        """Send a chunk, or what of it was not sent yet, and leave its result behind."""
        chunk, started = self.parts.chunk(number), time.monotonic()
        marker = self._marker(chunk)
        self.so_far = _after(self.so_far, (part["result"] for part in marker["parts"]))
        if "sent_at" in marker:
            self._resolve(chunk, marker)
        self._look_again(chunk, marker)
        while (start := _answered(marker)) < len(chunk.rows):
            part = chunk.part(start, start + self.pace.next(len(chunk.rows) - start))
            self._send(replace(part, so_far=self.so_far), start, marker)
        result = _combined(number, [part["result"] for part in marker["parts"]])
        self.run.write_json(RESULTS.of_chunk(number), result)
        self.done += len(chunk.rows)
        self._log(result, time.monotonic() - started)

    def _marker(self, chunk: Chunk) -> dict[str, Any]:
        """How far the chunk came in an earlier attempt."""
        name = SENT.of_chunk(chunk.number)
        fresh = {"chunk": chunk.number, "patrons": len(chunk.rows), "parts": []}
        return fresh | (self.run.read_json(name) if self.run.has(name) else {})

    def _resolve(self, chunk: Chunk, marker: dict[str, Any]) -> None:
        """A part was sent in an earlier attempt, and nobody knows what became of it."""
        logger.info("chunk %d of %d: was sent and never answered; looking it up", chunk.number, len(self.parts.numbers))
        part = chunk.part(marker["from"], marker["to"])
        self._keep(marker, part, self._resolved(part, marker, marker))

    def _look_again(self, chunk: Chunk, marker: dict[str, Any]) -> None:
        """Parts that left somebody unconfirmed, after a person took the chunk's result away."""
        for known in marker["parts"]:
            if known["result"]["unconfirmed"]:
                part = chunk.part(known["from"], known["to"])
                known["result"] = _result(part, self._resolved(part, known, marker))

    def _resolved(self, part: Chunk, sent: dict[str, Any], marker: dict[str, Any]) -> Outcome:
        """What became of a part that was sent as `sent` says."""
        first = datetime.fromisoformat(sent["sent_at"])
        last = datetime.fromisoformat(sent.get(LAST, sent["sent_at"]))
        try:
            return self.target.resolve(part, first, last, lambda: self._note_again(sent, marker))
        except Unreadable as error:
            self._keep_answer(marker, error)
            raise

    def _note_again(self, sent: dict[str, Any], marker: dict[str, Any]) -> None:
        """Something of a part goes once more: whoever comes after has to wait for that one too."""
        sent[LAST] = self.target.clock().isoformat()
        self._mark(marker)

    def _mark(self, marker: dict[str, Any]) -> None:
        """
        Put the mark of what is sent next; it may be sent when this returns.

        `before` is asked on both sides of it. Whoever takes over says so first and reads the marks then: so either
        they find this mark, or they have taken over before it was put, and the second question finds that.
        """
        self.watch.before()
        self.run.write_json(SENT.of_chunk(marker["chunk"]), marker)
        self.watch.before()

    def _send(self, part: Chunk, start: int, marker: dict[str, Any]) -> None:
        sent_at, started = self.target.clock(), time.monotonic()
        marker |= {"from": start, "to": start + len(part.rows), "sent_at": sent_at.isoformat()}
        self._mark(marker)
        try:
            outcome = self.target.deliver(part, sent_at, lambda: self._note_again(marker, marker))
            self._learn(self.pace.took, len(part.rows), time.monotonic() - started)
        except NothingWritten as nothing:
            self._not_written(part, marker, nothing)
            return
        except TransientError as error:
            logger.warning("chunk %d: %s", part.number, error)
            self._learn(self.pace.lost, len(part.rows))
            outcome = self._resolved(part, marker, marker)
        except Unreadable as error:
            self._keep_answer(marker, error)
            raise
        self._keep(marker, part, outcome)

    def _not_written(self, part: Chunk, marker: dict[str, Any], nothing: NothingWritten) -> None:
        """A gateway may have taken the request for too large; one that takes no patron at all stops the load."""
        alone = len(part.rows) == 1
        hopeless = self.so_far.and_refused(1).is_hopeless
        if nothing.too_large and alone and not hopeless:
            self._learn(self.pace.one_too_large)
            refusals = [Failed(row, TOO_LARGE, TOO_LARGE) for row in part.rows]
            self._keep(marker, part, Outcome(0, 0, refusals, [], looked_up=False, answers=[]))
            return
        if nothing.too_large and hopeless:
            marker["parts"] = []  # all of them refused; once the limit is raised they are to be sent
        self._take_back(marker)
        if alone or not nothing.too_large:
            raise nothing.reason from nothing
        self._learn(self.pace.too_large, len(part.rows))

    def _keep_answer(self, marker: dict[str, Any], error: Unreadable) -> None:
        """What came instead of an answer is for whoever looks into it, and only in the artifacts."""
        marker["unreadable"] = [*marker.get("unreadable", []), error.answer][-MOST_UNREADABLE:]
        self.run.write_json(SENT.of_chunk(marker["chunk"]), marker)

    def _take_back(self, marker: dict[str, Any]) -> None:
        """What was on its way is not: nothing of it was written."""
        for name in ON_ITS_WAY:
            marker.pop(name, None)
        name = SENT.of_chunk(marker["chunk"])
        if marker["parts"]:
            self.run.write_json(name, marker)
        else:
            self.run.remove(name)

    def _keep(self, marker: dict[str, Any], part: Chunk, outcome: Outcome) -> None:
        """
        Note what became of a part. It is written with the next part's mark, or as the chunk's result; should the
        process die in between, the part counts as on its way and is looked up.
        """
        sent = {name: marker.pop(name) for name in ON_ITS_WAY if name in marker}
        result = _result(part, outcome)
        marker["parts"].append(sent | {"result": result})
        self.so_far = _after(self.so_far, [result])

    def _learn(self, change: Callable[..., None], *facts: float) -> None:
        before = self.pace.to_json()
        change(*facts)
        if self.pace.to_json() != before:
            self.run.write_json(PACE, self.pace.to_json())
            logger.info("From now on a request has %s patrons at most", self.pace.next(10**6))

    def _log(self, result: Result, seconds: float) -> None:
        speed = result["patrons"] / max(seconds, 0.001)
        left = (self.left - self.done) * (time.monotonic() - self.started) / max(self.done, 1)
        unclear = f", {len(result['unconfirmed']):,} unconfirmed" if result["unconfirmed"] else ""
        sentence = (
            f"chunk {result['chunk']} of {len(self.parts.numbers)}: {result['patrons']:,} patrons, "
            f"{result['created']:,} created, {result['updated']:,} updated, {len(result['failed']):,} failed{unclear}; "
            f"{speed:,.0f} patrons a second; {_duration(left)} left"
        )
        logger.info("%s", sentence)
        self.watch.tell(sentence)


def _after(so_far: SoFar, results: Iterable[Result]) -> SoFar:
    """What a load has come to after some more results. Whom nobody knows of may have been taken."""
    for result in results:
        refused = len(result["failed"])
        so_far = SoFar(so_far.taken + result["patrons"] - refused, so_far.refused + refused)
    return so_far


def _answered(marker: dict[str, Any]) -> int:
    """How many of a chunk's patrons are through."""
    return int(marker["parts"][-1]["to"]) if marker["parts"] else 0


def _duration(seconds: float) -> str:
    """So long that it can be told at a glance: 40 seconds, 12 minutes, 3 hours."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return f"{seconds:.0f} seconds"


def _result(chunk: Chunk, outcome: Outcome) -> Result:
    return {
        "chunk": chunk.number,
        "patrons": len(chunk.rows),
        "created": outcome.created,
        "updated": outcome.updated,
        "failed": [failed._asdict() for failed in outcome.failed],
        "unconfirmed": outcome.unconfirmed,
        "looked_up": outcome.looked_up,
        "answers": outcome.answers,
        **({"notes": list(outcome.notes)} if outcome.notes else {}),
    }


def _combined(number: int, results: list[Result]) -> Result:
    """The results of a chunk's parts as one."""
    notes = [note for result in results for note in result.get("notes", [])]
    return {
        "chunk": number,
        **{name: sum(result[name] for result in results) for name in ("patrons", "created", "updated")},
        **{name: [one for result in results for one in result[name]] for name in ("failed", "unconfirmed")},
        "looked_up": any(result["looked_up"] for result in results),
        "answers": [answer for result in results for answer in result["answers"]],
        **({"notes": notes} if notes else {}),
    }


def _totals(run: Run, numbers: list[int]) -> Totals:
    """The sum of all results. Raises TargetError when one of them leaves a patron unconfirmed."""
    unclear: list[Result] = []
    sums = dict.fromkeys(("patrons", "created", "updated", "failed"), 0)
    for number in numbers:
        result = run.read_json(RESULTS.of_chunk(number))
        for name in sums:
            sums[name] += len(result[name]) if isinstance(result[name], list) else result[name]
        if result["unconfirmed"]:
            unclear.append(result)
    if unclear:
        raise _unclear(run, unclear)
    return Totals(chunks=len(numbers), **sums)


def _check_below(run: Run, parts: _Parts, level: int) -> None:
    """
    A patron of this level takes over an id that one of a lower level gives up; nobody may doubt that it was given up.

    Raises TargetError when some lower chunk leaves a patron unconfirmed.
    """
    below = [run.read_json(RESULTS.of_chunk(number)) for number in parts.numbers if parts.levels[number] < level]
    if unclear := [result for result in below if result["unconfirmed"]]:
        raise _unclear(run, unclear, "The next chunks take over ids that they give up, and were not sent")


def _unclear(run: Run, results: list[Result], rest: str = "Everything else went through") -> TargetError:
    patrons = sum(len(result["unconfirmed"]) for result in results)
    chunks = ", ".join(
        f"chunk {result['chunk']}: {run.url}/{RESULTS.of_chunk(result['chunk'])}" for result in results[:5]
    )
    return TargetError(
        f"Of {patrons:,} patrons nobody knows whether they were loaded: the library system's answers contradict "
        f"what it has, or each other. {rest}. See 'unconfirmed' in the results of {chunks}"
        f"{' and others' if results[5:] else ''}. To have a chunk looked up again, delete its result and clear 'post'."
    )


class _Parts:
    """The chunks of a run, and the rows they are made of."""

    def __init__(self, run: Run, key: str) -> None:
        self._run = run
        self._key = key
        self.numbers = sorted(_numbers(run))
        self._rows = self._rows_by_chunk() if self.numbers else {}
        self.levels = {number: int(rows["level"][0]) for number, rows in self._rows.items()}
        if set(self.numbers) != set(self._rows):
            raise Defect("chunks/ and planned.parquet do not fit each other. Clear the task 'plan' to make both anew.")

    def chunk(self, number: int) -> Chunk:
        """One chunk, read when it is its turn."""
        rows = self._rows[number]
        packed = self._run.read(CHUNKS.of_chunk(number))
        body = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
        first, keys = number == self.numbers[0], rows[self._key].to_list()
        known = frozenset(rows.filter("known")["row"].to_list()) if "known" in rows.columns else frozenset[int]()
        changed = dict(rows.select("row", "changed").iter_rows()) if "changed" in rows.columns else None
        return Chunk(number, first, rows["row"].to_list(), self._key, keys, body, known=known, changed=changed)

    def size(self, number: int) -> int:
        """How many patrons a chunk has."""
        return self._rows[number].height

    def _rows_by_chunk(self) -> dict[int, pl.DataFrame]:
        with self._run.reading(PLANNED) as file:
            planned = pl.read_parquet(file)
            rows = planned.select(
                name for name in ("row", "chunk", "level", "known", "changed", self._key) if name in planned
            )
        parts = rows.partition_by("chunk", maintain_order=True, as_dict=True)
        return {int(number): part for (number,), part in parts.items()}


def _numbers(run: Run) -> Iterator[int]:
    yield from (chunk_number(name) for name in run.names(CHUNKS))
