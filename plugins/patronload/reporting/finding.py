"""
Find a patron in the runs of a library: in which run, in which row, what came of the row, and what changed.

One pass over the runs' tables, from the oldest run to the newest; nothing has to be kept up to date. A patron is found
by an id, a username, a barcode or an e-mail address, as the file says it or as the mapping makes it. Once found, the
patron is also found by the key, so that a run says so in which they were no longer in the file.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from patronload.artifacts import names, plan_changes, tables
from patronload.artifacts.models import ChunkResult, Delivery
from patronload.artifacts.plan_changes import Change
from patronload.artifacts.progress import ANSWERED, IN_FLIGHT, Progress
from patronload.artifacts.run import Run
from patronload.config import mapping_files
from patronload.config.mapping import Mapping
from patronload.config.tenants import Tenant
from patronload.errors import ConfigError
from patronload.folding import fold, fold_cells
from patronload.reporting.report import Report
from patronload.reporting.words import LOOKS
from patronload.rows import ROW

WEEKS = timedelta(weeks=8)
"""How far back runs are searched, unless their patron data was purged before."""

MOST = 20
"""If a run has more rows than this, only the first are shown."""

MAIL = re.compile(r"e?-?mail", re.IGNORECASE)


KINDS = {
    "created": "good",
    "updated": "good",
    "unchanged": "good",
    "rejected": "bad",
    "failed": "bad",
    "unconfirmed": "unknown",
}
"""The outcomes that a page colours: as the same counts are."""


class Hit(NamedTuple):
    """
    A run that had the patron, with the day and the result of the run. `row` is None for someone who was not in the
    file. `outcome` and `reason` say what came of the row.
    """

    run_id: str
    day: str
    result: str
    row: int | None
    key: str
    outcome: str
    reason: str
    changes: tuple[Change, ...]


class Search(NamedTuple):
    """The hits, the newest run first; the number of runs that were searched, and the day of the oldest."""

    hits: tuple[Hit, ...]
    runs: int
    since: str


def search(runs: Iterable[Run], tenant: Tenant, value: str, now: datetime | None = None) -> Search:
    """The patron in the runs of a tenant. Raises as Run.reading does."""
    since = (now or datetime.now(UTC)) - WEEKS
    recent = [(run.last_written(), run) for run in runs if not run.has(names.PURGED)]
    ordered = [run for touched, run in sorted(recent, key=lambda pair: pair[0]) if touched >= since]
    searched = [run for run in ordered if run.has(names.ROWS) or run.has(names.PATRONS)]
    wanted = _Wanted(value, tenant)
    hits = [hit for run in searched for hit in _in_run(run, wanted)]
    days = [day for run in searched if (day := _day(run))]
    return Search(tuple(reversed(hits)), len(searched), min(days, default=""))


class _Wanted:
    """The person someone searches for: values that may occur anywhere, and keys that turned out to be theirs."""

    def __init__(self, value: str, tenant: Tenant) -> None:
        value = " ".join(value.split())
        source_type = getattr(tenant.target, "source_type", None)
        # FOLIO shows an externalSystemId with its prefix; the tables have it without.
        plain = value.removeprefix(f"{source_type}_") if source_type else value
        self.values = sorted({fold(value), fold(plain)} - {""})
        self.keys: set[str] = set()
        self.is_mail = "@" in value
        self.system = tenant.system
        self.mapping: Mapping | None = None
        with suppress(ConfigError):
            self.mapping = mapping_files.load(tenant.mapping)

    @property
    def fields(self) -> list[str]:
        """The fields by which a patron is found."""
        every = list(self.mapping.fields) if self.mapping else []
        return [*dict.fromkeys([self.system.key, *self.system.unique, *filter(MAIL.search, every)])]

    def columns(self, of_file: Iterable[str]) -> list[str]:
        """The columns of the file that fill these fields; every column if the mapping cannot say so any more."""
        every = [name for name in of_file if name != ROW]
        if self.mapping is None:
            return every
        named = {
            name for field in self.fields if field in self.mapping.fields for name in self.mapping.fields[field].columns
        }
        return [name for name in every if name in named] or every

    def may_be(self, text: pl.Expr) -> pl.Expr:
        """Whether a text may be a key or one of the values: quick to say, as folding of all texts is not."""
        plain = text.str.strip_chars().str.to_lowercase().is_in([*self.values, *self.keys])
        return plain | text.str.contains(r"[^\x00-\x7F]")

    def is_one(self, text: pl.Expr) -> pl.Expr:
        """Whether a text is one of the values."""
        return fold_cells(text.str.strip_chars()).is_in(self.values)

    def is_key(self, text: pl.Expr) -> pl.Expr:
        """Whether a text is a key of the patron, or one of the values."""
        return fold_cells(text.str.strip_chars()).is_in([*self.values, *self.keys])


def _in_run(run: Run, wanted: _Wanted) -> Iterator[Hit]:
    keys = _patrons(run, wanted) | _skipped(run, wanted)
    wanted.keys |= {fold(key) for key in keys.values() if key}
    rows = sorted({*keys, *_rows(run, wanted)})
    day, result = _day(run), _result(run)
    for row in rows[:MOST]:
        outcome, reason = _outcome(run, row)
        changes = plan_changes.of_row(run, row) if run.has(names.CHANGES) else ()
        shown = tuple(change for change in changes if change.field)
        yield Hit(run.id, day, result, row, keys.get(row) or "", outcome, reason, shown)
    if not rows:
        yield from _leavers(run, wanted, day, result)


def _patrons(run: Run, wanted: _Wanted) -> dict[int, str]:
    """The rows that became patrons with such an id or address, each with its key."""
    if not run.has(names.PATRONS):
        return {}
    lines = _scan(run, names.PATRONS)
    ids = [name for name in lines.collect_schema() if name in wanted.system.unique or name == wanted.system.key]
    by_id = pl.any_horizontal(
        wanted.is_key(pl.col(name)) if name == wanted.system.key else wanted.is_one(pl.col(name)) for name in ids
    )
    near = lines.filter(pl.any_horizontal(wanted.may_be(pl.col(name)) for name in ids)).select("row", *ids).collect()
    found = near.filter(by_id).select("row", wanted.system.key)
    keys = dict(found.iter_rows())
    return keys | _by_address(lines, wanted) if wanted.is_mail else keys


def _by_address(lines: pl.LazyFrame, wanted: _Wanted) -> dict[int, str]:
    written = "|".join(re.escape(json.dumps(value, ensure_ascii=False)) for value in wanted.values)
    likely = lines.filter(pl.col("patron").str.contains(f"(?i){written}"))
    found = likely.select("row", wanted.system.key, "patron").collect()
    return {row: key for row, key, text in found.iter_rows() if _has_address(json.loads(text), wanted.values)}


def _has_address(record: Any, values: list[str]) -> bool:
    if not isinstance(record, dict):
        return False
    return any(
        _has_address(value, values) or (isinstance(value, str) and MAIL.search(name) and fold(value) in values)
        for name, value in record.items()
    )


def _rows(run: Run, wanted: _Wanted) -> set[int]:
    """The rows of the file with such a cell, also those that did not become patrons."""
    found: set[int] = set()
    for name in (names.ROWS, names.RAGGED):
        if run.has(name):
            lines = _scan(run, name)
            columns = wanted.columns(lines.collect_schema())
            if columns:
                texts = [pl.col(column).cast(pl.String) for column in columns]
                near = lines.filter(pl.any_horizontal(map(wanted.may_be, texts))).select(ROW, *columns).collect()
                found |= set(near.filter(pl.any_horizontal(map(wanted.is_key, texts)))[ROW])
    return found


def _skipped(run: Run, wanted: _Wanted) -> dict[int, str]:
    if not run.has(names.SKIPPED):
        return {}
    found = _scan(run, names.SKIPPED).filter(wanted.is_key(pl.col("key"))).select("row", "key").collect()
    return dict(found.iter_rows())


def _leavers(run: Run, wanted: _Wanted, day: str, result: str) -> Iterator[Hit]:
    """The result of the plan of a run for a patron who was not in its file."""
    if not run.has(names.LEAVERS):
        return
    found = tables.read(run, names.LEAVERS).filter(wanted.is_key(pl.col("key")))
    for line in found.iter_rows(named=True):
        row, state = line["row"], line["state"]
        outcome = f"not in the file: {LEAVING[state]}"
        reason = line["reason"] or ""
        if row is not None and _outcome(run, row)[0] not in ("created", "updated"):
            outcome = "not in the file: due to be made inactive, but not changed"
        yield Hit(run.id, day, result, None, line["key"], outcome, reason, ())


LEAVING = {
    "left": "made inactive",
    "inactive": "already inactive",
    "exempt": "kept",
    "gone": "no longer in the library system",
}
"""The words for a patron who is due to leave; see targets.delivery.DEPARTURES."""


def _outcome(run: Run, row: int) -> tuple[str, str]:
    """The outcome of a row, and why it was not loaded."""
    rejects = tables.rejects(run).filter(pl.col("row") == row)
    if rejects.height:
        return "rejected", "; ".join(dict.fromkeys(rejects["reason"]))
    skipped = tables.read_skipped(run).filter(pl.col("row") == row)
    if skipped.height:
        return "skipped", skipped["reason"][0]
    if row in tables.read_unchanged(run)["row"]:
        return "unchanged", ""
    return _sent(run, row)


def _sent(run: Run, row: int) -> tuple[str, str]:
    if not run.has(names.PLANNED):
        return "not sent", "The run ended before its plan."
    mine = _scan(run, names.PLANNED).filter(pl.col("row") == row).collect()
    if mine.is_empty():
        return "not sent", ""
    progress = Progress.of_chunk(run, mine["chunk"][0])
    state = progress.rows.filter(pl.col("row") == row)["state"][0] if progress.rows is not None else ""
    if state != ANSWERED:
        return ("unconfirmed", "No answer says whether the row was loaded.") if state == IN_FLIGHT else ("not sent", "")
    return _answered(progress.results, row, mine["action"][0] if "action" in mine.columns else "update")


def _answered(results: Iterable[ChunkResult], row: int, action: str) -> tuple[str, str]:
    for result in results:
        failed = next((patron.message for patron in result.failed if patron.row == row), None)
        if failed is not None:
            return "failed", failed
        if row in result.unconfirmed:
            return "unconfirmed", "No answer says whether the row was loaded."
    return ("created" if action == "create" else "updated"), ""


def _scan(run: Run, name: str) -> pl.LazyFrame:
    return pl.scan_parquet(io.BytesIO(run.read(name)))


def _day(run: Run) -> str:
    delivery = Delivery.find(run)
    return (delivery.day if delivery else None) or ""


def _result(run: Run) -> str:
    """How the run ended, in a word."""
    if not run.has(names.REPORT):
        return "No report yet"
    return LOOKS[Report.from_json(run.read_json(names.REPORT)).outcome].word
