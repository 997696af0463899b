"""What one load changed in the patron ledger, so that the ledger can be undone with the load."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple, Self

import polars as pl

from patronload.targets.patron_ledger import ID, PatronLedger

SIDE, BEFORE, AFTER = "side", "before", "after"
COUNTED = {BEFORE: "counted_before", AFTER: "counted_after"}
"""Where the parquet file has the day of the last complete file, before the load and after it."""

FOLLOWS = "last_load"
"""It changes for every patron of every file; a line in which nothing else changed is left out."""

STAYS_OF_NEW = ("hash", "key", "said")
"""Of patrons whom the load brought in: their keys and ids are known, and what the file said is what they have."""


class LedgerChanges(NamedTuple):
    """
    The lines that a load changed, as they were and as it left them (the column `side`), and the day of the last
    complete file before and after it. A line without a `before` is of a patron whom the load brought in.
    """

    lines: pl.DataFrame
    counted_before: date | None
    counted_after: date | None

    @classmethod
    def between(cls, before: PatronLedger, after: PatronLedger) -> Self:
        """What is different in the later one of two states of a ledger."""
        old, new = _alike(before.patrons, after.patrons)
        changed = _marked(new).join(_marked(old), on=["hash", "mark"], how="anti")["hash"].implode()
        lines = [
            frame.filter(pl.col("hash").is_in(changed)).with_columns(pl.lit(side).alias(SIDE))
            for side, frame in ((BEFORE, old), (AFTER, new))
        ]
        return cls(pl.concat(lines), before.last_counted, after.last_counted)

    @classmethod
    def of(cls, lines: pl.DataFrame, metadata: Mapping[str, str]) -> Self:
        """The changes as a file has them."""
        days = [date.fromisoformat(day) if (day := metadata.get(name)) else None for name in COUNTED.values()]
        return cls(lines, *days)

    @property
    def metadata(self) -> dict[str, str]:
        """The days, for a file."""
        days = zip(COUNTED.values(), (self.counted_before, self.counted_after), strict=True)
        return {name: day.isoformat() for name, day in days if day}

    def followed_by(self, later: LedgerChanges) -> LedgerChanges:
        """These changes and later ones of the same load as one."""
        known, replaced = (part.side(AFTER)["hash"].implode() for part in (self, later))
        lines = [
            self.side(BEFORE),
            later.side(BEFORE).filter(~pl.col("hash").is_in(known)),
            self.side(AFTER).filter(~pl.col("hash").is_in(replaced)),
            later.side(AFTER),
        ]
        return LedgerChanges(pl.concat(lines, how="diagonal_relaxed"), self.counted_before, later.counted_after)

    def side(self, side: str) -> pl.DataFrame:
        """The lines of one side."""
        return self.lines.filter(pl.col(SIDE) == side)

    def undo(self, ledger: PatronLedger) -> PatronLedger:
        """
        The ledger without the load. What other loads have written since stays, value by value.

        A patron whom the load brought in is known no longer as one of the library's, but by key and ids.
        """
        patrons, _ = _alike(ledger.patrons, self.lines.drop(SIDE))
        before, after = (_alike(self.side(side).drop(SIDE), patrons)[0] for side in (BEFORE, AFTER))
        is_new = pl.col("hash").is_in(after["hash"].implode()) & ~pl.col("hash").is_in(before["hash"].implode())
        is_changed = pl.col("hash").is_in(after["hash"].implode())
        joined = patrons.join(after, on="hash", how="left", suffix=f" {AFTER}", maintain_order="left")
        joined = joined.join(before, on="hash", how="left", suffix=f" {BEFORE}", maintain_order="left")
        columns = [name for name in patrons.columns if name != "hash"]
        back = joined.select("hash", *(_column(name, is_changed, is_new) for name in columns))
        counted = self.counted_before if ledger.last_counted == self.counted_after else ledger.last_counted
        return PatronLedger(ledger.secret, back, folds=ledger.folds, last_counted=counted)


def _column(name: str, is_changed: pl.Expr, is_new: pl.Expr) -> pl.Expr:
    """A column with the value from before the load, where nothing else has changed it."""
    goes_back = is_changed & pl.col(name).eq_missing(pl.col(f"{name} {AFTER}"))
    if name in STAYS_OF_NEW or name.startswith(ID):
        goes_back &= ~is_new
    return pl.when(goes_back).then(pl.col(f"{name} {BEFORE}")).otherwise(pl.col(name)).alias(name)


def _alike(one: pl.DataFrame, other: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two frames with the columns of both; a ledger gets a column with the first id of a kind."""
    return _with(one, other), _with(other, one).select(_with(one, other).columns)


def _with(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    lacking = {name: kind for name, kind in other.schema.items() if name not in frame.columns}
    return frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in lacking.items())


def _marked(patrons: pl.DataFrame) -> pl.DataFrame:
    """The patrons' hashes, each with a mark of what its line says."""
    said = patrons.select(pl.exclude(FOLLOWS), is_known=pl.col(FOLLOWS).is_not_null())
    return patrons.select("hash", mark=said.hash_rows())
