"""
The patron ledger: what the loads of one library know of each patron whom they brought into the library system.

One line for each patron: the key, when the file first and last had it, how long it has been missing, whether the
patron has left, and hashes: of the ids, to recognise a patron in a library system that cannot be queried; of the
record as last confirmed; and of the file's values for contested fields, to see what the campus has changed since.

The hashes are keyed with the ledger's own secret, so two libraries' ledgers cannot be compared. The key itself is kept
in plain text, because a patron who has left has to be looked up by it; the file is encrypted like all artifacts.

It is a polars frame, not Python objects: a million patrons take about 100 MB.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import date
from typing import IO, Any, Self

import numpy as np
import polars as pl

from patronload.folding import fold

BYTES = 12
"""The bytes of a hash as it is made. The first eight are kept: among a million patrons no two are alike by chance."""

PRESENT, MISSING, LEFT, INACTIVE, EXEMPT, GONE = "present", "missing", "left", "inactive", "exempt", "gone"
STATES = (PRESENT, MISSING, LEFT, INACTIVE, EXEMPT, GONE)
"""
In the last complete file; missing from it; made inactive by us; inactive already when it was their turn to leave;
kept by an exception; no longer in the library system, or brought in only by a load that was undone.
"""

SCHEMA: dict[str, Any] = {
    "hash": pl.UInt64,
    "key": pl.String,
    "first_load": pl.Date,
    "last_load": pl.Date,
    "missing_since": pl.Date,
    "missing_loads": pl.UInt32,
    "state": pl.Enum(STATES),
    "since": pl.Date,
    "content": pl.UInt64,
    "confirmed": pl.Date,
    "said": pl.String,
}
"""
One line for each patron, by `hash`, the hash of the key. `last_load` is the day of the last file whose row for the
patron was confirmed; null for someone who was sent and never confirmed. `missing_loads` counts complete files since.
`since` is the day of the state. `content` is the hash of the record as confirmed on the day `confirmed`. `said` is
JSON: a hash (hexadecimal) for each contested field. A column `id.NAME` has the hash of each remembered id. The key is
null for a patron whom an older version of this ledger knew, until the file has the patron again.
"""

ID = "id."

COUNTED, UNDO = "last_counted", "last_undo"
"""Where the parquet file says what is true of all lines; in it, so that both are written as one."""


class PatronLedger:
    """
    A library's patron ledger.

    `folds`: keys that differ in case or accents only are one patron's, as in FOLIO.
    """

    def __init__(
        self,
        secret: bytes,
        patrons: pl.DataFrame,
        *,
        folds: bool = False,
        last_counted: date | None = None,
        last_undo: str | None = None,
    ) -> None:
        self.secret = secret
        self.folds = folds
        self.last_counted = last_counted
        """The day of the last complete file in which patrons were counted as present or missing."""
        self.last_undo = last_undo
        """The last run that undid a load here: a run that is repeated must not undo it twice."""
        self._set(patrons)

    @classmethod
    def empty(cls, *, folds: bool = False) -> Self:
        """A ledger of no patrons, with a secret of its own."""
        return cls(secrets.token_bytes(32), pl.DataFrame(schema=SCHEMA), folds=folds)

    @classmethod
    def from_json(cls, content: Any, *, folds: bool = False) -> Self:
        """The ledger that earlier versions kept as ledger.json: hashes only, without days."""
        ledger = cls(bytes.fromhex(content["secret"]), pl.DataFrame(schema=SCHEMA), folds=folds)
        ids: dict[str, dict[str, str]] = content["patrons"]
        said: dict[str, dict[str, str]] = content.get("said") or {}
        names = sorted({name for patron in ids.values() for name in patron})
        lines = [
            {"hash": _short(one), "state": PRESENT}
            | {f"{ID}{name}": _short(value) for name, value in ids.get(one, {}).items()}
            | ({"said": _json({name: text[:16] for name, text in said[one].items()})} if one in said else {})
            for one in {**ids, **said}
        ]
        schema = SCHEMA | {f"{ID}{name}": pl.UInt64 for name in names}
        ledger._set(pl.DataFrame(lines, schema=schema))
        return ledger

    @classmethod
    def read(cls, file: IO[bytes], secret: bytes, *, folds: bool = False) -> Self:
        """The ledger that `write` wrote."""
        about = pl.read_parquet_metadata(file)
        file.seek(0)
        day = date.fromisoformat(about[COUNTED]) if COUNTED in about else None
        return cls(secret, pl.read_parquet(file), folds=folds, last_counted=day, last_undo=about.get(UNDO))

    def copy(self) -> PatronLedger:
        """The ledger as it is now; it shares its lines until one of the two changes them."""
        return self.with_lines(self.patrons, self.last_counted)

    def with_lines(self, patrons: pl.DataFrame, last_counted: date | None) -> PatronLedger:
        """The same ledger with other lines."""
        return PatronLedger(self.secret, patrons, folds=self.folds, last_counted=last_counted, last_undo=self.last_undo)

    def write(self, file: IO[bytes]) -> None:
        """The ledger as a parquet file; the secret is kept elsewhere."""
        about = {COUNTED: self.last_counted.isoformat()} if self.last_counted else {}
        about |= {UNDO: self.last_undo} if self.last_undo else {}
        self.patrons.write_parquet(file, compression="zstd", statistics=False, metadata=about)

    def __len__(self) -> int:
        return self.patrons.height

    def __contains__(self, key: str) -> bool:
        return self._place(self.hash(key)) is not None

    def hash(self, key: str) -> int:
        """The hash of a patron's key."""
        return self._hash(fold(key) if self.folds else key)

    def hashes(self, keys: Iterable[str]) -> pl.Series:
        """The hashes of many keys, in their order."""
        return pl.Series("hash", [self.hash(key) for key in keys], dtype=pl.UInt64)

    def contents(self, texts: Iterable[str]) -> pl.Series:
        """The hashes of many records, in their order; see `content`."""
        return pl.Series("content", [self._hash(text) for text in texts], dtype=pl.UInt64)

    def is_anothers(self, field: str, value: str, key: str) -> bool:
        """Whether a patron with another key than this had the value in the field when last sent."""
        holder = self._holders(field).get(self._hash(value))
        return holder is not None and holder != self.hash(key)

    def changed_fields(self, key: str, said: Mapping[str, str]) -> dict[str, bool]:
        """The parts of a row -> whether they differ from the last load; without those not known yet."""
        place = self._place(self.hash(key))
        known = self.patrons["said"][place] if place is not None else None
        before = json.loads(known) if known else {}
        return {name: before[name] != self._hex(text) for name, text in said.items() if name in before}

    def pack(self, said: Mapping[str, str]) -> str:
        """One patron's contested values as the column `said` keeps them."""
        return _json({name: self._hex(text) for name, text in said.items()})

    def take(self, patrons: pl.DataFrame, key: str, ids: Iterable[str] = ()) -> None:
        """
        Add patrons who were sent: `key` and `ids` are columns of theirs.

        An empty id stays as it was known; an id has one holder, the last.
        """
        names = list(ids)
        found = pl.DataFrame({"hash": self.hashes(patrons[key]), "key": patrons[key]})
        for name in names:
            column = [self._hash(value) if value else None for value in patrons[name]]
            found = found.with_columns(pl.Series(f"{ID}{name}", column, dtype=pl.UInt64))
        self._merge(found.unique("hash", keep="last", maintain_order=True))
        for name in names:
            self._one_holder(f"{ID}{name}", found)

    def confirm(self, patrons: pl.DataFrame, key: str, day: date) -> None:
        """
        Note patrons whom the library system is known to have as the file says.

        `patrons` has `key`, and may have `content` and `said` as `contents` and `told` make them. They are not missing
        any more, whether the file was a complete one or not; but a file of a day before the last one counted takes
        no one's count back.
        """
        columns = [name for name in ("content", "said") if name in patrons.columns]
        found = patrons.select(pl.Series("hash", self.hashes(patrons[key])), pl.col(key).alias("key"), *columns)
        found = found.unique("hash", keep="last", maintain_order=True).with_columns(
            first_load=pl.lit(day), last_load=pl.lit(day), state=pl.lit(PRESENT, SCHEMA["state"])
        )
        is_older = self.has_counted_later(day)
        if is_older:
            missing = self.patrons.filter(pl.col("state") == MISSING)["hash"]
            stays = pl.col("hash").is_in(missing.implode())
            found = found.with_columns(state=pl.when(stays).then(pl.lit(MISSING, SCHEMA["state"])).otherwise("state"))
        if "content" in columns:
            found = found.with_columns(confirmed=pl.lit(day))
        if "said" in columns:
            found = found.join(self.patrons.select("hash", before="said"), on="hash", how="left", maintain_order="left")
            found = found.with_columns(_overlay(found["before"], found["said"])).drop("before")
        self._merge(found, first=("first_load",), greatest=("last_load",))
        if not is_older:
            self._return(found["hash"])

    def has_counted_later(self, day: date) -> bool:
        """Whether a complete file of a later day was counted; then one of this day is a backfill."""
        return self.last_counted is not None and day < self.last_counted

    def count_missing(self, present: pl.Series, day: date) -> None:
        """After a complete load of the day: patrons not among the hashes have been missing for one more load."""
        self.last_counted = day
        known = pl.col("last_load").is_not_null()
        absent = known & ~pl.col("hash").is_in(present.implode())
        self._set(
            self.patrons.with_columns(
                missing_since=pl.when(absent).then(pl.coalesce("missing_since", pl.lit(day))).otherwise(None),
                missing_loads=pl.when(absent).then(pl.col("missing_loads").fill_null(0) + 1).otherwise(0),
                since=pl.when(absent & (pl.col("state") == PRESENT)).then(pl.lit(day)).otherwise("since"),
                state=pl.when(absent & (pl.col("state") == PRESENT))
                .then(pl.lit(MISSING, SCHEMA["state"]))
                .when(~absent & (pl.col("state") == MISSING))
                .then(pl.lit(PRESENT, SCHEMA["state"]))
                .otherwise("state"),
            )
        )

    def settle(self, hashes: pl.Series, state: str, day: date) -> None:
        """Record the outcome for patrons who were missing."""
        chosen = pl.col("hash").is_in(hashes.implode())
        self._set(
            self.patrons.with_columns(
                since=pl.when(chosen & (pl.col("state") != state)).then(pl.lit(day)).otherwise("since"),
                state=pl.when(chosen).then(pl.lit(state, SCHEMA["state"])).otherwise("state"),
            )
        )

    def forget_contents(self, hashes: pl.Series) -> None:
        """Forget which records patrons have, so that the next file sends them."""
        chosen = pl.col("hash").is_in(hashes.implode())
        self._set(
            self.patrons.with_columns(
                pl.when(chosen).then(None).otherwise(pl.col(name)).alias(name) for name in ("content", "confirmed")
            )
        )

    def left(self) -> dict[str, date | None]:
        """The patrons whom a load made inactive, by folded key, each with the day on which it did."""
        found = self.patrons.filter(pl.col("state") == LEFT, pl.col("key").is_not_null())
        return {fold(key): since for key, since in found.select("key", "since").iter_rows()}

    def _return(self, hashes: pl.Series) -> None:
        back = pl.col("hash").is_in(hashes.implode())
        self._set(
            self.patrons.with_columns(
                missing_since=pl.when(back).then(None).otherwise("missing_since"),
                missing_loads=pl.when(back).then(0).otherwise("missing_loads"),
                since=pl.when(back).then(None).otherwise("since"),
            )
        )

    def _merge(self, found: pl.DataFrame, first: tuple[str, ...] = (), greatest: tuple[str, ...] = ()) -> None:
        """Lay lines over those of the same hash. What is null says nothing; of `first` the known value stays."""
        wide = pl.concat([self.patrons.clear(), found], how="diagonal_relaxed")
        old = self.patrons.join(wide, on="hash", how="full", coalesce=True, suffix=" new")
        names = [name for name in wide.columns if name != "hash"]
        self._set(
            old.select(
                "hash",
                *(_latest(name, name in self.patrons.columns, name in first, name in greatest) for name in names),
            )
        )

    def _one_holder(self, column: str, found: pl.DataFrame) -> None:
        """The id belongs to the patron whose row had it last."""
        given = found.select(column, holder="hash").drop_nulls(column).unique(column, keep="last")
        joined = self.patrons.join(given, on=column, how="left", maintain_order="left")
        stays = pl.col("holder").is_null() | (pl.col("holder") == pl.col("hash"))
        self._set(joined.with_columns(pl.when(stays).then(column).otherwise(None).alias(column)).drop("holder"))

    def _set(self, patrons: pl.DataFrame) -> None:
        lacking = {name: kind for name, kind in SCHEMA.items() if name not in patrons.columns}
        patrons = patrons.with_columns(pl.lit(None, kind).alias(name) for name, kind in lacking.items())
        self.patrons = patrons.cast(pl.Schema(SCHEMA)).with_columns(pl.col("state").fill_null(PRESENT)).sort("hash")
        self._sorted: Any = None
        self._by_id: dict[str, _Lookup] = {}

    def _place(self, one: int) -> int | None:
        if self._sorted is None:
            self._sorted = self.patrons["hash"].to_numpy()
        return _find(self._sorted, one)

    def _holders(self, field: str) -> _Lookup:
        if field not in self._by_id:
            self._by_id[field] = _Lookup(self.patrons, f"{ID}{field}")
        return self._by_id[field]

    def _hash(self, text: str) -> int:
        digest = hashlib.blake2b(text.encode(), digest_size=BYTES, key=self.secret).digest()
        return int.from_bytes(digest[:8], "big")

    def _hex(self, text: str) -> str:
        return f"{self._hash(text):016x}"


class _Lookup:
    """The hash of the key by the hash of an id."""

    def __init__(self, patrons: pl.DataFrame, column: str) -> None:
        known = patrons.select(column, "hash").drop_nulls(column).sort(column) if column in patrons.columns else None
        self._ids = None if known is None else known[column].to_numpy()
        self._hashes = None if known is None else known["hash"]

    def get(self, one: int) -> int | None:
        place = None if self._ids is None else _find(self._ids, one)
        return None if place is None or self._hashes is None else int(self._hashes[place])


def _find(ordered: Any, one: int) -> int | None:
    place = int(np.searchsorted(ordered, np.uint64(one)))
    return place if place < len(ordered) and int(ordered[place]) == one else None


def _latest(name: str, known: bool, first: bool, greatest: bool) -> pl.Expr:
    old, new = pl.col(name), pl.col(f"{name} new" if known else name)
    if not known:
        return new
    if first:
        return pl.coalesce(old, new).alias(name)
    if greatest:
        return pl.max_horizontal(old, new).alias(name)
    return pl.coalesce(new, old).alias(name)


def _overlay(before: pl.Series, after: pl.Series) -> pl.Series:
    """The values of a file over earlier ones, patron by patron; fields that the file does not have keep theirs."""
    both = [
        new if not old else old if not new else _json(json.loads(old) | json.loads(new))
        for old, new in zip(before, after, strict=True)
    ]
    return pl.Series("said", both, dtype=pl.String)


def _json(value: Mapping[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _short(text: str) -> int:
    return int(text[:16], 16)
