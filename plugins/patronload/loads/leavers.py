"""
Who has left: patrons of earlier loads of this library whom its complete files no longer have.

A patron is missing when no row of the file is theirs, whatever became of the row. Someone leaves after a grace period
that is counted twice, in days and in complete loads, so that neither a quiet fortnight nor a burst of half files
suffices. Which users may be touched at all is decided by the target, which reads them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

import polars as pl

from patronload import settings
from patronload.artifacts import names, questions, tables
from patronload.artifacts.run import Run
from patronload.checks.gates import Verdict
from patronload.config import tenants
from patronload.config.leavers import Leavers
from patronload.config.mapping import Mapping
from patronload.config.tenants import Tenant
from patronload.documents import yaml_files
from patronload.errors import ConfigError
from patronload.loads import delivery, gatekeeper, ledger_store, reruns
from patronload.loads.load import Load
from patronload.mapping import expressions
from patronload.reporting.report import count_of
from patronload.rows import ROW
from patronload.targets.delivery import Leaving
from patronload.targets.patron_ledger import EXEMPT, MISSING, PRESENT, PatronLedger
from patronload.targets.spool import in_parts

Decision = Literal["ask", "leave", "wait", "unasked"]
"""
The state of too many leavers: a person is asked, if the tenant wants that; a person has said that they leave, or that
they wait; or no person can be asked, and they wait.
"""

BY_DEFAULT = Leavers()
"""The rules of a tenant file without `leavers`: the missing are counted."""


class Missing(NamedTuple):
    """
    The patrons of earlier loads, as a complete file finds them.

    known: how many there are. present: how many are in the file. before: how many were found to have left before, by
    state. missing: hash, key, missing_since, missing_loads, last_load, state of the others, this load counted. due:
    those of them whose grace period is over. announced: those whose period ends within the days of `announce`.
    """

    known: int
    present: int
    before: dict[str, int]
    missing: pl.DataFrame
    due: pl.DataFrame
    announced: pl.DataFrame


def missing(ledger: PatronLedger, present: pl.Series, day: date, rules: Leavers) -> Missing:
    """
    The patrons whom the file of the day lacks. `present` has the hashes of the keys of all of its rows.

    A day that the ledger has counted already is not counted again.
    """
    known = ledger.patrons.filter(pl.col("last_load").is_not_null())
    absent = known.filter(~pl.col("hash").is_in(present.implode()))
    # Patrons kept by an exception or by open loans are checked again each time, because exceptions end.
    open_cases = pl.col("state").is_in([PRESENT, MISSING, EXEMPT])
    lacking = absent.filter(open_cases).select(
        "hash",
        "key",
        pl.coalesce("missing_since", pl.lit(day)).alias("missing_since"),
        (pl.col("missing_loads").fill_null(0) + int(ledger.last_counted != day)).alias("missing_loads"),
        "last_load",
        "state",
    )
    due = lacking.filter(_is_due(day, 0, rules), pl.col("key").is_not_null())
    soon = lacking.filter(_is_due(day, rules.announce_days, rules), pl.col("key").is_not_null())
    return Missing(
        known=known.height,
        present=known.height - absent.height,
        before=dict(
            absent.filter(~open_cases).group_by(pl.col("state").cast(pl.String)).len().sort("state").iter_rows()
        ),
        missing=lacking,
        due=due,
        announced=soon.join(due, on="hash", how="anti"),
    )


def _is_due(day: date, ahead: int, rules: Leavers) -> pl.Expr:
    """The patrons whose grace period ends within this number of days, with daily loads."""
    long_enough = pl.col("missing_since") <= day + timedelta(ahead) - timedelta(rules.grace_days)
    return long_enough & (pl.col("missing_loads") + ahead >= rules.missing_loads)


def consider(
    load: Load, mapping: Mapping, ledger: PatronLedger | None, decision: Decision
) -> tuple[Leaving | None, dict[str, Any]]:
    """
    The patrons whose turn it is to leave with this load, or None, and the figures on the missing for plan.json.

    The figures are empty unless the file is a complete one that no gate objected to, and when there was no load before
    or a later day has been counted: a backfill of past days makes no one leave. Without a person's consent too many
    leavers wait: they are planned to be listed, and not to be sent.
    """
    if ledger is None or not gatekeeper.is_complete(load) or ledger.has_counted_later(load.day):
        return None, {}
    rules = load.tenant.leavers or BY_DEFAULT
    found = missing(ledger, ledger.hashes(keys_in_file(load, mapping)), load.day, rules)
    others = of_other_tenants(load, found.due["key"].to_list(), leaving=True)
    due = found.due.filter(~pl.col("key").is_in(list(others)))
    allowed = rules.max_leavers(found.known - sum(found.before.values()))
    too_many = rules.action != "report" and due.height > allowed
    asked = too_many and decision != "unasked" and load.tenant.approval is not None and not load.load_anyway
    figures = {
        "known": found.known,
        "in_file": found.present,
        "missing": found.missing.height,
        "before": found.before,
        "due": due.height,
        "announced": found.announced.height,
        "too_many": too_many,
        "asked": asked,
        "action": rules.action,
        "announce_days": rules.announce_days,
    }
    if rules.action == "report" or due.is_empty():
        return None, figures
    keys = due["key"].to_list()
    return (
        Leaving(
            keys=keys,
            rules=rules,
            day=load.day,
            first_row=_last_row(load) + 1,
            excepted=frozenset(_exceptions(load.tenant)),
            records={} if load.tenant.system.can_be_asked else last_records(load, keys),
            mentioned=frozenset(_cells_without_key(load, mapping)),
            waits=too_many and not (asked and decision in ("ask", "leave")),
        ),
        figures,
    )


def verdicts(figures: dict[str, Any]) -> Iterator[Verdict]:
    """The sentence of the question about too many leavers."""
    if figures.get("asked"):
        yield Verdict(
            questions.LEAVERS,
            False,
            f"{_too_many(figures)} leavers.csv in the run's artifacts lists them. The patrons in the file are loaded "
            "whatever the answer is.",
        )


def sentences(figures: dict[str, Any]) -> Iterator[str]:
    """The sentences of the report about the missing, besides their numbers."""
    if figures.get("too_many") and not figures.get("asked"):
        yield (
            f"{_too_many(figures)} None of them leaves with this load; leavers.csv in the run's artifacts lists them. "
            "If they really left, raise leavers.max in the tenant file."
        )
    if figures.get("announced"):
        soon, days = count_of(figures["announced"], "patron"), count_of(figures["announce_days"], "day")
        yield f"{soon} will leave within {days} if the next files do not contain them either; see leavers.announce."


def _too_many(figures: dict[str, Any]) -> str:
    return (
        f"{figures['due']:,} of {figures['known']:,} known patrons would leave at once, more than leavers.max allows."
    )


def keys_in_file(load: Load, mapping: Mapping) -> Iterator[str]:
    """
    The keys of all rows of the file, also of those that were rejected, set aside or skipped.

    Of a row whose key cannot be read, every cell counts as one: it may be anyone's, and must make no one leave.
    """
    for part in delivery.rows_in_parts(load.run):
        yield from _keys(part, mapping).drop_nulls()
    yield from _keys(_ragged_rows(load), mapping).drop_nulls()
    yield from _cells_without_key(load, mapping)


def _cells_without_key(load: Load, mapping: Mapping) -> Iterator[str]:
    """The cells of rows whose key cannot be read, or not be trusted because the row has too many or too few cells."""
    parts = (part.filter(_keys(part, mapping).is_null()) for part in delivery.rows_in_parts(load.run))
    for rows in (*parts, _ragged_rows(load)):
        for cells in rows.drop(ROW).iter_rows():
            yield from (text for cell in cells if (text := (cell or "").strip()))


def _keys(rows: pl.DataFrame, mapping: Mapping) -> pl.Series:
    key = mapping.system.key
    return expressions.of_fields(rows, mapping, [key])[key].cast(pl.String)


def _ragged_rows(load: Load) -> pl.DataFrame:
    """Rows with too many or too few cells, as far as they fit under the header; and rows that were set aside."""
    return tables.read(load.run, names.RAGGED)


def _last_row(load: Load) -> int:
    """The number of the file's last row; those who leave are numbered after it."""
    last = [part[ROW].max() for part in delivery.rows_in_parts(load.run)]
    return max((int(one) for one in last if isinstance(one, int)), default=1)


def of_other_tenants(load: Load, keys: list[str], *, leaving: bool = False) -> set[str]:
    """
    The keys, of those given, that another tenant's loads have in the same library system.

    `leaving`: they are about to leave. Patrons who are missing there too, for as long as that tenant's own rules wait,
    have left it as well; otherwise two tenants would keep each other's leavers for ever.
    """
    found: set[str] = set()
    for name, other in tenants.load_all():
        # If a tenant file is broken, it is not known which system the tenant feeds, so its patrons stay.
        if name == load.tenant.tenant or not (isinstance(other, ConfigError) or _is_same_system(other, load.tenant)):
            continue
        ledger = ledger_store.read(Run(load.run.root.folder / name / "none"), load.tenant.system)
        if ledger is not None:
            rules = None if isinstance(other, ConfigError) or not leaving else other.leavers or BY_DEFAULT
            is_over = _is_due(load.day, 0, rules) if rules else pl.lit(value=False)
            stays = (pl.col("state") == PRESENT) | ((pl.col("state") == MISSING) & ~is_over)
            here = ledger.patrons.filter(stays)["hash"]
            own = pl.DataFrame({"key": keys, "hash": ledger.hashes(keys)}, schema={"key": pl.String, "hash": pl.UInt64})
            found |= set(own.filter(pl.col("hash").is_in(here.implode()))["key"])
    return found


def _is_same_system(one: Tenant, other: Tenant) -> bool:
    """
    Whether two tenants may feed the same users. In FOLIO, users of another source_type are others, and one FOLIO tenant
    may be reached by several connections.
    """
    same = ("type", "folio_tenant", "source_type") if one.target.type == "folio" else ("type", "connection")
    return all(getattr(one.target, name, None) == getattr(other.target, name, None) for name in same)


def _exceptions(tenant: Tenant) -> Iterator[str]:
    """The keys in the tenant's list of exceptions. Raises ConfigError when the list cannot be read."""
    name = tenant.leavers.exceptions.ids if tenant.leavers else None
    if name is None:
        return
    path = settings.tenants() / name
    if not path.is_file():
        raise ConfigError(f"There is no file {name} next to the tenant file; leavers.except.ids names it.")
    lines = csv.reader(io.StringIO(yaml_files.read_text(path), newline=""))
    yield from (line[0].strip() for line in lines if line and line[0].strip())


def last_records(load: Load, keys: Sequence[str]) -> dict[str, str]:
    """
    The patrons as the last load that had them made them; without those whose runs were purged.

    What a dry run or a stopped run read was never loaded.
    """
    found: dict[str, str] = {}
    key = load.tenant.system.key
    for run in sorted(load.run.others(), key=lambda run: run.last_written(), reverse=True):
        wanted = [one for one in keys if one not in found]
        if not wanted:
            break
        loaded = run.has(names.REMEMBERED) or reruns.anything_sent(run)
        if loaded and run.has(names.PATRONS) and not run.has(names.UNDONE):
            among = pl.col(key).is_in(pl.Series(wanted, dtype=pl.String).implode())
            with tables.scanning(run, names.PATRONS) as patrons:
                for part in in_parts(patrons, key, "patron"):
                    found |= dict(part.filter(among).iter_rows())
    return found


def to_csv(leavers: pl.DataFrame, known: pl.DataFrame) -> bytes:
    """
    leavers.csv for people who may start a load: key, name, group, last seen, missing since, state, reason.

    `leavers` as delivery.DEPARTURES, `known` as PatronLedger.patrons.
    """
    days = known.select("key", last_seen="last_load", missing_since="missing_since")
    joined = leavers.join(days, on="key", how="left", maintain_order="left")
    columns = ["key", "name", "group", "last_seen", "missing_since", "state", "reason"]
    return joined.select(columns).sort("group", "name", "key").write_csv().encode()
