"""The changes of one load in the patron ledger, so that the ledger can be undone with the load."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple, Self

import polars as pl

from patronload.targets.patron_ledger import EXEMPT, GONE, ID, MISSING, PRESENT, SCHEMA, PatronLedger

SIDE, BEFORE, AFTER = "side", "before", "after"
COUNTED = {BEFORE: "counted_before", AFTER: "counted_after"}
"""Where the parquet file has the day of the last complete file, before the load and after it."""

FOLLOWS = "last_load"
"""It changes for every patron of every file. If nothing else changed in a line, only this is kept, to save space."""

STAYS_OF_NEW = ("hash", "key", "said")
"""For patrons whom the load brought in: their keys and ids are known, and they have the file's values."""


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
        """The differences of the later one of two states of a ledger."""
        old, new = _alike(before.patrons, after.patrons)
        changed = _marked(new).join(_marked(old), on=["hash", "mark"], how="anti")["hash"].implode()
        later = new.select("hash", FOLLOWS).join(old.select("hash", FOLLOWS), on=["hash", FOLLOWS], how="anti")["hash"]
        only_later = pl.col("hash").is_in(later.implode()) & ~pl.col("hash").is_in(changed)
        lines = [
            part.with_columns(pl.lit(side).alias(SIDE))
            for side, frame in ((BEFORE, old), (AFTER, new))
            for part in (frame.filter(pl.col("hash").is_in(changed)), frame.filter(only_later).select("hash", FOLLOWS))
        ]
        return cls(pl.concat(lines, how="diagonal"), before.last_counted, after.last_counted)

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
        old, new = (part.side(BEFORE) for part in (self, later))
        known = self.side(AFTER)["hash"].implode()
        # Of these the earlier part says only when they were loaded last.
        brief = old.filter(pl.col("state").is_null(), pl.col("hash").is_in(new["hash"].implode()))
        full = pl.col("hash").is_in(brief["hash"].implode())
        before = [old.filter(~full), _with_days(new.filter(full), brief), new.filter(~pl.col("hash").is_in(known))]
        ends, starts = later.side(AFTER), self.side(AFTER)
        brief = ends.filter(pl.col("state").is_null(), pl.col("hash").is_in(known))
        full = pl.col("hash").is_in(brief["hash"].implode())
        replaced = pl.col("hash").is_in(ends["hash"].implode())
        after = [starts.filter(~replaced), _with_days(starts.filter(full), brief), ends.filter(~full)]
        lines = pl.concat([*before, *after], how="diagonal_relaxed")
        return LedgerChanges(lines, self.counted_before, later.counted_after)

    def side(self, side: str) -> pl.DataFrame:
        """The lines of one side."""
        return self.lines.filter(pl.col(SIDE) == side)

    def undo(self, ledger: PatronLedger) -> PatronLedger:
        """
        The ledger without the load. What other loads have written since stays, value by value; but the load is not
        counted any more for those who have been missing since.

        A patron whom the load brought in is known no longer as one of the library's, but by key and ids.
        """
        patrons, _ = _alike(ledger.patrons, self.lines.drop(SIDE))
        before, after = (_alike(self.side(side).drop(SIDE), patrons)[0] for side in (BEFORE, AFTER))
        counted = self.counted_before if ledger.last_counted == self.counted_after else ledger.last_counted
        joined = patrons.join(after.with_columns(line=pl.lit(1)), on="hash", how="left", suffix=f" {AFTER}")
        joined = joined.join(before.with_columns(was=pl.lit(1)), on="hash", how="left", suffix=f" {BEFORE}")
        joined = joined.with_columns(
            is_changed=pl.col("line").is_not_null(),
            is_new=pl.col("line").is_not_null() & pl.col("was").is_null(),
            was_loaded=pl.col(FOLLOWS).is_not_null(),
            is_loaded_since=pl.col(FOLLOWS).ne_missing(pl.col(f"{FOLLOWS} {AFTER}")),
        )
        columns = [name for name in patrons.columns if name not in ("hash", *COUNTS, "state")]
        back = joined.with_columns(*map(_column, columns), *_counts(counted)).with_columns(_state())
        return ledger.with_lines(back.select(patrons.columns), counted)


COUNTS = ("missing_since", "missing_loads")


def _column(name: str) -> pl.Expr:
    """A column with the value from before the load, where nothing else has changed it."""
    goes_back = pl.col("is_changed") & pl.col(name).eq_missing(pl.col(f"{name} {AFTER}"))
    if name in STAYS_OF_NEW or name.startswith(ID):
        goes_back &= ~pl.col("is_new")
    return pl.when(goes_back).then(pl.col(f"{name} {BEFORE}")).otherwise(pl.col(name)).alias(name)


def _counts(counted: date | None) -> tuple[pl.Expr, pl.Expr]:
    """
    Since when and from how many loads a patron is missing, without this load.

    `counted`: the last complete load; who has been missing only since this load is missing since then at the latest.
    """
    since, loads = pl.col("missing_since"), pl.col("missing_loads").fill_null(0).cast(pl.Int64)
    wrote, was = (pl.col(f"missing_loads {side}").fill_null(0).cast(pl.Int64) for side in (AFTER, BEFORE))
    is_full = pl.col(f"state {AFTER}").is_not_null()
    still = is_full & (since == pl.col(f"missing_since {AFTER}"))
    rest = pl.max_horizontal(loads - (wrote - was), pl.lit(0, pl.Int64))
    begun = pl.when(rest > 0).then(pl.coalesce(f"missing_since {BEFORE}", pl.lit(counted, pl.Date)))
    as_left = is_full & since.eq_missing(pl.col(f"missing_since {AFTER}")) & (loads == wrote)
    before = [pl.col(f"{name} {BEFORE}") for name in COUNTS]
    return (
        pl.when(still).then(begun).when(as_left).then(before[0]).otherwise(since).alias(COUNTS[0]),
        pl.when(still & (rest == was)).then(before[1]).when(still).then(rest.cast(SCHEMA[COUNTS[1]]))
        .when(as_left).then(before[1]).otherwise(pl.col(COUNTS[1])).alias(COUNTS[1]),
    )  # fmt: skip


def _state() -> pl.Expr:
    """The state without this load."""
    goes_back = pl.col("is_changed") & pl.col("state").eq_missing(pl.col(f"state {AFTER}"))
    # A load that has had them since, and counts, makes them the library's again.
    was_none = pl.col(f"state {BEFORE}").fill_null(GONE) == GONE
    is_again = was_none & pl.col("is_loaded_since") & pl.col(FOLLOWS).is_not_null()
    state = pl.when(goes_back & ~is_again).then(pl.col(f"state {BEFORE}")).otherwise(pl.col("state"))
    missing = pl.when(pl.col("missing_since").is_null()).then(pl.lit(PRESENT)).otherwise(pl.lit(MISSING))
    state = (
        pl.when(pl.col("is_changed") & state.is_in([PRESENT, MISSING])).then(missing).otherwise(state.cast(pl.String))
    )
    # Only this load had brought them in, so that they are none of the library's patrons any more.
    is_gone = pl.col("is_changed") & (pl.col("was_loaded") | pl.col("is_new")) & pl.col(FOLLOWS).is_null()
    is_open = state.fill_null(PRESENT).is_in([PRESENT, MISSING, EXEMPT])
    return pl.when(is_gone & is_open).then(pl.lit(GONE)).otherwise(state).cast(SCHEMA["state"]).alias("state")


def _with_days(lines: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Lines with the last loads of other ones."""
    return lines.drop(FOLLOWS).join(days.select("hash", FOLLOWS), on="hash", how="left").select(lines.columns)


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
