"""Plan a load: compare its patrons with the library system, and cut what is to be sent into chunks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from patronload.artifacts import names, questions, tables
from patronload.artifacts.models import Plan
from patronload.artifacts.run import Run
from patronload.artifacts.undo import Undo
from patronload.checks import effects, limits
from patronload.checks.effects import Effects, Tally
from patronload.config import mapping_files
from patronload.config.mapping import Mapping
from patronload.errors import TargetError
from patronload.exports import reject_files
from patronload.exports.reading import Facts
from patronload.loads import (
    adoption,
    approval,
    delivery,
    gatekeeper,
    identities,
    leavers,
    ledger_store,
    reruns,
    undoing,
)
from patronload.loads.leases import Lease
from patronload.loads.load import Counts, Load
from patronload.loads.posting import chunks
from patronload.mapping import expressions
from patronload.rows import ROW
from patronload.targets import Target
from patronload.targets.delivery import CHANGES, Background, Planned
from patronload.targets.outgoing import Outgoing
from patronload.targets.patron_ledger import LEFT, PatronLedger
from patronload.targets.spool import Spool

log = logging.getLogger(__name__)

MAX_AGE = timedelta(hours=1)
"""How old a plan may be when its first patron is sent; an older one is made again."""


def lease_of(load: Load, target: Target) -> Lease:
    """The lease of the library system that this load goes into."""
    return Lease(load.run.root, target.address, load.called)


def plan(load: Load, target: Target, lease: Lease, decision: leavers.Decision = "ask") -> Counts:
    """
    Compare the patrons with what the target has, and cut what is to be sent into chunks. Nothing is changed there.

    `decision`: what happens to too many leavers.

    Raises TargetError for what has to be fixed first, ValidationError when too many are rejected, or when a load cannot
    be undone, and TransientError.
    """
    if load.undo:
        return _plan_undo(load, target, lease)
    return _plan_file(load, delivery.facts(load), target, lease, decision)


def _plan_undo(load: Load, target: Target, lease: Lease) -> Counts:
    """The way back from a load; see undoing."""
    started = datetime.now(UTC)
    planned = target.plan_undo(undoing.undoing(load))
    if not load.dry_run:
        lease.renew()
    reruns.forget_plan(load.run)
    tables.write(load.run, names.PLAN_REJECTS, planned.rejects)
    numbered = chunks.write(load.run, load.tenant.target, planned.patrons)
    if planned.stays is not None:
        load.run.write(names.NOT_UNDONE, reject_files.write_table(planned.stays))
    effect = _write_effects(load, planned, None)
    summary = planned.summary | {"chunks": len(set(numbered)), "planned": started}
    Plan(**summary, effects=effect.to_json()).write(load.run)
    rejected = planned.rejects["row"].n_unique()
    gatekeeper.ask_undo(load, undoing.sentence(Undo.read(load.run), load.tenant.system.name), rejected)
    _write_planned(load.run, planned.patrons, numbered)
    return {"known": planned.patrons.height, "unchanged": planned.summary["unchanged"], "rejected": rejected}


def _plan_file(load: Load, facts: Facts, target: Target, lease: Lease, decision: leavers.Decision) -> Counts:
    """The plan of an export. Its patrons are read part by part, because there may be millions."""
    started = datetime.now(UTC)
    mapping = load.mapping(facts.columns)
    ledger = ledger_store.read(load.run, load.tenant.system)
    leaving, people = leavers.consider(load, mapping, ledger, decision)
    with tables.scanning(load.run, names.PATRONS) as patrons:
        background = _background(load, mapping, patrons)._replace(ledger=ledger, leaving=leaving)
        planned = target.plan(patrons, mapping, load.tenant.zone, background)
    # Comparing takes long: another process of the task may have planned meanwhile, and be sending what it planned.
    if not load.dry_run:
        lease.renew()
    # Not earlier: while the library system does not answer, an earlier plan stands as it was approved.
    reruns.forget_plan(load.run)
    tables.write(load.run, names.PLAN_REJECTS, planned.rejects)
    if planned.skipped is not None and planned.skipped.height:
        tables.write(load.run, names.PLAN_SKIPPED, planned.skipped)
    numbered = chunks.write(load.run, load.tenant.target, planned.patrons) if not planned.stops else []
    effect = _write_effects(load, planned, ledger)
    adopted = _adopted(load, planned, mapping, ledger)
    warnings = [
        *mapping_files.load(load.tenant.mapping).lacking(facts.columns),
        *planned.summary["warnings"],
        *leavers.sentences(people),
        *adoption.sentences(adopted),
    ]
    summary = {"warnings": warnings, "chunks": len(set(numbered)), "planned": started}
    Plan(**planned.summary | summary, people=people, adopt=adopted, effects=effect.to_json()).write(load.run)
    for sentence in warnings:
        log.warning("%s", sentence)
    if planned.stops:
        raise TargetError("Nothing was sent. " + " ".join(planned.stops))
    rejected = tables.rejects(load.run)["row"].n_unique()
    unusual = [
        *limits.verdicts(load.tenant.limits, facts, rejected),
        *effects.verdicts(load.tenant.limits, effect, is_first=gatekeeper.is_first(load)),
        # Where no one can be asked, the tenant file has the answer.
        *effects.taken_over(planned.summary.get("taken_over", 0) if load.tenant.approval else 0),
        *leavers.verdicts(people),
        *adoption.verdicts(adopted, dry_run=load.dry_run),
    ]
    gatekeeper.check_rejects(load, facts, rejected, unusual)
    _write_planned(load.run, planned.patrons, numbered)
    counts = {name: planned.summary.get(name, 0) for name in ("new", "known", "unchanged")}
    return counts | {"chunks": len(set(numbered)), "rejected": rejected}


def _background(load: Load, mapping: Mapping, patrons: pl.LazyFrame) -> Background:
    """The facts that the plan takes into account besides the patrons, without the ledger and the leavers."""
    return Background(
        refused=_rejected_keys(load, mapping),
        day=load.day,
        elsewhere=_keys_elsewhere(load, mapping, patrons),
        identities=identities.of(load.tenant),
        adopting=adoption.wanted(load),
        recall=lambda keys: leavers.last_records(load, keys),
    )


def _adopted(load: Load, planned: Planned, mapping: Mapping, ledger: PatronLedger | None) -> dict[str, Any] | None:
    """The users who are to be taken over, in figures."""
    if planned.adopted is None:
        return None
    hashing = ledger or PatronLedger.empty(folds=load.tenant.system.folds_keys)
    return adoption.settle(load, planned.adopted, hashing.hashes(leavers.keys_in_file(load, mapping)), hashing)


def _write_effects(load: Load, planned: Planned, ledger: PatronLedger | None) -> Effects:
    """Store what the plan would change, row by row and in figures; without rows that were rejected in the end."""
    run, dropped = load.run, planned.rejects.select("row").unique()
    tally = Tally(load.tenant.system.coded)
    back = ledger.patrons.filter(pl.col("state") == LEFT).select("key") if ledger is not None else None
    for part in _write_parts(run, names.CHANGES, planned.changes or Spool(CHANGES), dropped, back):
        tally.add(part)
    if planned.before is not None:
        for _ in _write_parts(run, names.BEFORE, planned.before, dropped):
            pass
    if planned.unchanged is not None:
        tables.write(run, names.UNCHANGED, planned.unchanged)
    if planned.departures is not None and planned.departures.height and ledger is not None:
        tables.write(run, names.LEAVERS, planned.departures)
        run.write(names.LEAVERS_FILE, leavers.to_csv(planned.departures, ledger.patrons))
    stored = {name: planned.summary.get(name, 0) for name in ("active", "stored")}
    return tally.effects(stored["active"], stored["stored"])


def _write_parts(
    run: Run, name: str, spool: Spool, dropped: pl.DataFrame, back: pl.DataFrame | None = None
) -> Iterator[pl.DataFrame]:
    """Store a spool's lines as a table, without those of dropped rows; yields each part, and closes the spool."""
    with closing(spool), run.writing(name) as file:
        writer = tables.Writer(file)
        for part in spool.parts():
            kept = _with_returns(part.join(dropped, on="row", how="anti", maintain_order="left"), back)
            writer.write(kept)
            yield kept
        writer.close()


def _with_returns(changes: pl.DataFrame, back: pl.DataFrame | None) -> pl.DataFrame:
    """The changes, with the action `return` for patrons who had left and are in the file again."""
    if back is None or back.is_empty():
        return changes
    returned = pl.col("key").is_in(back["key"].implode()) & (pl.col("action") == "update")
    return changes.with_columns(action=pl.when(returned).then(pl.lit("return")).otherwise("action"))


def _rejected_keys(load: Load, mapping: Mapping) -> list[tuple[int, str]]:
    """The rows that were rejected before the plan, each with the key of the patron that it is about."""
    before = tables.rejects(load.run).filter(pl.col("stage") != "plan")
    rows, key = before.select(pl.col("row").alias(ROW)).unique(), mapping.system.key
    if rows.is_empty() or not load.run.has(names.ROWS):
        return []
    found: list[tuple[int, str]] = []
    for part in delivery.rows_in_parts(load.run):
        left = part.join(rows, on=ROW, how="semi")
        keys = expressions.of_fields(left, mapping, [key])[key]
        found += left.select(ROW, key=keys).drop_nulls().with_columns(pl.col("key").cast(pl.String)).iter_rows()
    return found


def _keys_elsewhere(load: Load, mapping: Mapping, patrons: pl.LazyFrame) -> frozenset[str]:
    """The patrons whom other tenants' loads brought to the same library system, where only ledgers tell who is new."""
    if mapping.newcomers == "create" or mapping.system.can_be_asked:
        return frozenset()
    keys = patrons.select(mapping.system.key).drop_nulls().collect().to_series()
    return frozenset(leavers.of_other_tenants(load, keys.to_list()))


def _write_planned(run: Run, patrons: Outgoing, numbered: list[int]) -> None:
    """Store the patrons to send without their records, each with its chunk."""
    with closing(patrons), run.writing(names.PLANNED) as file:
        writer, done = tables.Writer(file), 0
        for part in (patrons.empty, *patrons.parts()):
            column = pl.Series("chunk", numbered[done : done + part.height], dtype=pl.UInt32)
            writer.write(part.drop("patron").insert_column(1, column))
            done += part.height
        writer.close()


def planned_at(run: Run) -> datetime:
    """When the plan was made, in UTC."""
    planned = Plan.read(run).planned
    assert planned is not None  # plan always writes it
    return planned


def plan_again_if_needed(load: Load, target: Target, lease: Lease) -> None:
    """
    Plan again a load that a person has approved, or whose plan is older than MAX_AGE or incomplete.

    People keep working in the library system: the records of the first plan would undo what was changed since. A plan
    is incomplete when the process that made it again was killed.

    Raises Declined when the figures differ from those that were approved, or when something new needs approval;
    ValidationError when a newer file was loaded; and TargetError when another load has sent anything since.
    """
    planned, asks = planned_at(load.run), questions.verdicts_to_answer(load.run)
    # planned.parquet is written last: without it, the last attempt to plan did not finish.
    is_complete = load.run.has(names.PLANNED)
    if reruns.anything_sent(load.run) or not (asks or not is_complete or datetime.now(UTC) - planned > MAX_AGE):
        return
    if not asks:
        lease.sending(planned)
    # A newer file may have been loaded while this load waited for the lease.
    gatekeeper.check_age(load)
    before = approval.current_question(load.run) if asks else None
    log.info("Planning again, because the library system may have changed since")
    decision: leavers.Decision = "unasked"
    if questions.asks_about_leavers(load.run):
        decision = "leave" if approval.leavers_may_leave(load.run) else "wait"
    plan(load, target, lease, decision)
    if before:
        approval.carry_over(load, before)
    # Something that was usual in the first plan may be unusual now.
    approval.check(load.run)
