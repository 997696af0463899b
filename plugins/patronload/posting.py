"""
Send the chunks of a run to the library system, each exactly once, and keep every answer the moment it arrives.

A chunk leaves three files: chunks/0001.json.zst, made before; sent/0001.json, put just before it is sent; and
results/0001.json, put when it is known what became of it. So whoever comes after an interruption, at whatever point,
sees where it was: a result says done, a marker alone says "sent, and nobody knows", and neither says never sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import polars as pl
import zstandard

from patronload.errors import Defect, TargetError
from patronload.runs import PATRONS, Run
from patronload.targets import Target
from patronload.targets.delivery import Chunk, NothingWritten, Outcome

logger = logging.getLogger(__name__)

CHUNKS, SENT, RESULTS = "chunks", "sent", "results"


class Totals(NamedTuple):
    """What all chunks of a run came to. patrons = created + updated + failed."""

    chunks: int
    patrons: int
    created: int
    updated: int
    failed: int


def post(run: Run, target: Target) -> Totals:
    """
    Send the chunks of `run` that have no result yet, in their order.

    Raises TransientError when the target was busy or an answer got lost: the next call looks up what became of the
    chunk, so nothing is sent twice. Raises TargetError when somebody has to act first, and after the last chunk when
    patrons remain of which nobody knows whether they were loaded.
    """
    parts = _Parts(run)
    answered = set(run.names(RESULTS))
    if answered:
        logger.info("%d of %d chunks were answered before", len(answered), len(parts.numbers))
    for number in parts.numbers:
        if _name(RESULTS, number) not in answered:
            _post_one(run, target, parts.chunk(number), len(parts.numbers))
    return _totals(run, parts.numbers)


def _post_one(run: Run, target: Target, chunk: Chunk, chunks: int) -> None:
    started = time.monotonic()
    outcome = _outcome(run, target, chunk, chunks)
    run.write_json(_name(RESULTS, chunk.number), _result(chunk, outcome))
    _log(chunk, chunks, outcome, time.monotonic() - started)


def _outcome(run: Run, target: Target, chunk: Chunk, chunks: int) -> Outcome:
    marker = _name(SENT, chunk.number)
    if run.has(marker):
        logger.info("chunk %d of %d: was sent and never answered; looking up what became of it", chunk.number, chunks)
        return target.resolve(chunk, datetime.fromisoformat(run.read_json(marker)["sent_at"]))
    sent_at = target.clock()
    run.write_json(marker, {"chunk": chunk.number, "patrons": len(chunk.rows), "sent_at": sent_at.isoformat()})
    try:
        return target.deliver(chunk, sent_at)
    except NothingWritten as nothing:
        run.remove(marker)
        raise nothing.reason from nothing


def _result(chunk: Chunk, outcome: Outcome) -> dict[str, Any]:
    """What results/0001.json holds."""
    return {
        "chunk": chunk.number,
        "patrons": len(chunk.rows),
        "created": outcome.created,
        "updated": outcome.updated,
        "failed": [failed._asdict() for failed in outcome.failed],
        "unconfirmed": outcome.unconfirmed,
        "looked_up": outcome.looked_up,
        "answers": outcome.answers,
    }


def _log(chunk: Chunk, chunks: int, outcome: Outcome, seconds: float) -> None:
    logger.info(
        "chunk %d of %d: %s patrons, %s created, %s updated, %s failed%s; %s patrons a second",
        chunk.number,
        chunks,
        f"{len(chunk.rows):,}",
        f"{outcome.created:,}",
        f"{outcome.updated:,}",
        f"{len(outcome.failed):,}",
        f", {len(outcome.unconfirmed):,} unconfirmed" if outcome.unconfirmed else "",
        f"{len(chunk.rows) / max(seconds, 0.001):,.0f}",
    )


def _totals(run: Run, numbers: list[int]) -> Totals:
    """The sum of all results. Raises TargetError when one of them leaves a patron unconfirmed."""
    results = [run.read_json(_name(RESULTS, number)) for number in numbers]
    unclear = [result for result in results if result["unconfirmed"]]
    if unclear:
        raise _unclear(run, unclear)
    return Totals(
        chunks=len(results),
        patrons=sum(result["patrons"] for result in results),
        created=sum(result["created"] for result in results),
        updated=sum(result["updated"] for result in results),
        failed=sum(len(result["failed"]) for result in results),
    )


def _unclear(run: Run, results: list[dict[str, Any]]) -> TargetError:
    patrons = sum(len(result["unconfirmed"]) for result in results)
    chunks = ", ".join(
        f"chunk {result['chunk']}: {run.url}/{_name(RESULTS, result['chunk'])}" for result in results[:5]
    )
    return TargetError(
        f"Of {patrons:,} patrons nobody knows whether they were loaded: the library system's answers contradict what "
        f"it has stored. Everything else went through. See 'unconfirmed' in the results of {chunks}"
        f"{' and others' if results[5:] else ''}. To have a chunk looked up again, delete its result and clear 'post'."
    )


class _Parts:
    """The chunks of a run, and the rows they are made of."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.numbers = sorted(_numbers(run))
        self._rows = self._rows_by_chunk() if self.numbers else {}
        if set(self.numbers) != set(self._rows):
            raise Defect(
                "chunks/ and patrons.parquet do not fit each other. Clear the task 'transform' to make both anew."
            )

    def chunk(self, number: int) -> Chunk:
        """One chunk, read when it is its turn."""
        rows = self._rows[number]
        packed = self._run.read(_name(CHUNKS, number))
        body = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
        return Chunk(number, number == self.numbers[0], rows["row"].to_list(), rows["externalSystemId"].to_list(), body)

    def _rows_by_chunk(self) -> dict[int, pl.DataFrame]:
        with self._run.reading(PATRONS) as file:
            rows = pl.read_parquet(file, columns=["row", "chunk", "externalSystemId"])
        parts = rows.partition_by("chunk", maintain_order=True, as_dict=True)
        return {int(number): part for (number,), part in parts.items()}


def _numbers(run: Run) -> Iterator[int]:
    for name in run.names(CHUNKS):
        yield int(PurePosixPath(name).name.split(".", maxsplit=1)[0])


def _name(folder: str, number: int) -> str:
    return f"{folder}/{number:04}.json{'.zst' if folder == CHUNKS else ''}"
