"""Find the fate of every row of an export, and count them: the law of Report holds whatever a run left behind."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import polars as pl

from patronload.artifacts.left_behind import LeftBehind
from patronload.artifacts.models import ChunkResult
from patronload.artifacts.progress import ANSWERED, IN_FLIGHT
from patronload.artifacts.tables import REJECTS


def with_failed(rejects: pl.DataFrame, results: Iterable[ChunkResult]) -> pl.DataFrame:
    """The rejects, and after them the patrons that the target refused (stage `post`), as rejects.csv shows them."""
    refused = [
        {"row": patron.row, "stage": "post", "reason": patron.message, "summary": patron.summary}
        for result in results
        for patron in result.failed
    ]
    return pl.concat([rejects.select(*REJECTS).cast(pl.Schema(REJECTS)), pl.DataFrame(refused, schema=REJECTS)])


class Counts(NamedTuple):
    """The number of rows with each fate, and warnings where the parts of a run contradict each other."""

    rows: int
    created: int
    updated: int
    unchanged: int
    failed: int
    rejected: int
    skipped: int
    not_sent: int
    unconfirmed: int
    warnings: list[str]

    def numbers(self) -> dict[str, Any]:
        """The counts by name, as Report has them."""
        return {name: number for name, number in self._asdict().items() if name != "warnings"}


def count(left: LeftBehind, fates: pl.DataFrame) -> Counts:
    """
    Every row once. The law of Report holds even where the parts of a run contradict each other: such a row is
    unconfirmed if it was sent and not_sent if it was not, and a warning says so.
    """
    tally = dict(fates.group_by("fate").len().iter_rows())
    confirmed = _confirm(fates, left.progress.results)
    unplaced = max((left.rows or 0) - fates.height, 0)
    return Counts(
        rows=fates.height + unplaced,
        created=confirmed.created,
        updated=confirmed.updated,
        unchanged=tally.get("unchanged", 0),
        failed=tally.get("failed", 0),
        rejected=tally.get("rejected", 0),
        skipped=tally.get("skipped", 0),
        not_sent=tally.get("not_sent", 0) + unplaced,
        unconfirmed=tally.get("unconfirmed", 0) + confirmed.lacking,
        warnings=_disagreements(left, fates) + confirmed.warnings,
    )


def fates_of(left: LeftBehind) -> pl.DataFrame:
    """
    Each known row once: row, chunk, and its fate (unchanged, rejected, skipped, answered, failed, unconfirmed or
    not_sent).
    """
    fate = (
        pl.when(pl.col("state") == ANSWERED)
        .then(pl.coalesce("named", pl.lit("answered")))
        .when(pl.col("state") == IN_FLIGHT)
        .then(pl.lit("unconfirmed"))
        .otherwise(pl.lit("not_sent"))
        .alias("fate")
    )
    named = _named_rows(left.progress.results)
    mapped = _mapped_rows(left.progress.rows).join(named, on=["chunk", "row"], how="left").select("row", "chunk", fate)
    found = [mapped]
    for name, table in (("unchanged", left.unchanged), ("rejected", left.rejects), ("skipped", left.skipped)):
        known = pl.concat([part.select("row") for part in found])
        rows = _rows(table).join(known, on="row", how="anti")
        found.append(rows.with_columns(chunk=pl.lit(None, pl.UInt32), fate=pl.lit(name)))
    return pl.concat(found)


def _rows(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(pl.col("row").cast(pl.UInt32)).unique()


def _mapped_rows(rows: pl.DataFrame | None) -> pl.DataFrame:
    """The rows to be sent, once each: row, chunk, state."""
    if rows is None:
        return pl.DataFrame(schema={"row": pl.UInt32, "chunk": pl.UInt32, "state": pl.String})
    columns = rows.select(pl.col("row", "chunk").cast(pl.UInt32), "state")
    return columns.unique("row", keep="first", maintain_order=True)


def _named_rows(results: Iterable[ChunkResult]) -> pl.DataFrame:
    """The rows that the results name, once each: chunk, row, named (failed or unconfirmed; failed comes first)."""
    found = [
        *((result.chunk, patron.row, "failed") for result in results for patron in result.failed),
        *((result.chunk, row, "unconfirmed") for result in results for row in result.unconfirmed),
    ]
    schema = {"chunk": pl.UInt32, "row": pl.UInt32, "named": pl.String}
    return pl.DataFrame(found, schema=schema, orient="row").unique(["chunk", "row"], keep="first", maintain_order=True)


class _Confirmed(NamedTuple):
    created: int
    updated: int
    lacking: int
    warnings: list[str]


def _confirm(fates: pl.DataFrame, results: Iterable[ChunkResult]) -> _Confirmed:
    """The created and updated patrons of all chunks. An answer that counts more patrons than it got is not believed."""
    sizes = dict(fates.filter(pl.col("fate") == "answered").group_by("chunk").len().iter_rows())
    created = updated = lacking = 0
    warnings = []
    for result in results:
        size, loaded = sizes.get(result.chunk, 0), result.created + result.updated
        if loaded <= size:
            created += result.created
            updated += result.updated
        lacking += size - loaded if loaded <= size else size
        if loaded != size:
            warnings.append(
                f"Chunk {result.chunk}: {size} patrons should be created or updated, but the answer counts {loaded}. "
                "The difference is counted as unconfirmed."
            )
    return _Confirmed(created, updated, lacking, warnings)


def _disagreements(left: LeftBehind, fates: pl.DataFrame) -> list[str]:
    """Where the parts of a run contradict each other, each as a sentence."""
    planned, results = left.progress.rows, left.progress.results
    mapped = _mapped_rows(planned)
    both = mapped.join(_rows(left.rejects), on="row", how="semi").height
    doubled = 0 if planned is None else planned.height - mapped.height
    strangers = _named_rows(results).join(mapped, on=["chunk", "row"], how="anti").height
    unknown = sorted({result.chunk for result in results} - set(mapped["chunk"]))
    missing = 0 if left.rows is None or planned is None else max(left.rows - fates.height, 0)
    excess = 0 if left.rows is None else max(fates.height - left.rows, 0)
    found = {
        f"{both} rows are both rejected and mapped; they are counted as mapped.": both,
        f"{doubled} rows are in patrons.parquet more than once; they are counted once.": doubled,
        f"The answers name {strangers} rows that were not in their chunk; they are not counted.": strangers,
        f"There are answers for chunks that do not exist: {', '.join(map(str, unknown))}.": len(unknown),
        f"{missing} rows were read and are neither mapped nor rejected; they are counted as not sent.": missing,
        f"{excess} rows more are mapped or rejected than were read.": excess,
    }
    return [sentence for sentence, number in found.items() if number]
