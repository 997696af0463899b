"""Transform: map the accepted rows to patrons of the library system."""

from __future__ import annotations

import logging

import polars as pl

from patronload import rows
from patronload.artifacts import names, tables
from patronload.artifacts.models import CodeCount, Fields
from patronload.checks import limits
from patronload.config.mapping import Mapping
from patronload.loads import delivery, failures, gatekeeper, reruns
from patronload.loads.load import Counts, Load
from patronload.mapping import combining, unknown_codes
from patronload.mapping import transform as patrons
from patronload.mapping.combining import Combined

log = logging.getLogger(__name__)


def transform(load: Load) -> Counts:
    """Map the accepted rows. Raises ValidationError for too many rejects, or patrons that are not the library's."""
    if reruns.anything_sent(load.run):
        return reruns.keep(load.run, "patrons", names.PATRONS)
    with failures.recording(load, "transform"):
        reruns.forget_plan(load.run)
        if load.undo:
            return reruns.nothing_to_do(load, "There are no rows to map")
        counts = map_rows(load)
    log.info("Transformed: %s", ", ".join(f"{number:,} {name}" for name, number in counts.items()))
    return counts


def map_rows(load: Load) -> Counts:
    """Write the patrons, part by part, and the outcome of the other rows."""
    facts, refused = delivery.facts(load), tables.read(load.run, names.VALIDATE_REJECTS)
    noted = tables.read(load.run, names.NOTED) if load.run.has(names.NOTED) else rows.no_notes()
    mapping = load.mapping(facts.columns)
    combined = _combine(load, mapping, refused, noted)
    with load.run.writing(names.PATRONS) as file:
        writer = tables.Writer(file)
        rejects, groups, notes = [combined.rejects], [], [combined.noted]
        filled, codes = [], []
        skipped, unmade = tables.read_skipped(load.run), pl.concat([refused, combined.rejects])
        accepted = (rows.without(rows.blank_noted(part, noted), skipped) for part in delivery.rows_in_parts(load.run))
        for part in patrons.parts(accepted, mapping, unmade):
            writer.write(combining.with_others(part.patrons, combined))
            rejects.append(part.rejects)
            notes.append(part.noted)
            filled.append(part.filled)
            codes.append(part.codes)
            groups.append(part.patrons.select(key=mapping.system.key).with_columns(part.groups))
        writer.close()
        _count_fields(writer.height, pl.concat(filled), pl.concat(codes)).write(load.run)
        once = pl.concat(rejects).unique(("row", "column", "value", "reason"), maintain_order=True)
        rejected_here = unknown_codes.named(once)
        _keep_skipped(load, rejected_here)
        tables.write(load.run, names.TRANSFORM_REJECTS, rejected_here)
        tables.write(load.run, names.TRANSFORM_NOTED, pl.concat(notes))
        rejected = pl.concat([refused["row"], rejected_here["row"]]).n_unique()
        outside = limits.verdicts(load.tenant.limits, facts, rejected)
        gatekeeper.check_patrons(load, facts, pl.concat(groups), rejected, outside)
    return {"patrons": writer.height, "rejected": rejected}


def _count_fields(patrons: int, filled: pl.DataFrame, codes: pl.DataFrame) -> Fields:
    """The counts of all parts together."""
    fields = filled.group_by("field", maintain_order=True).agg(pl.col("patrons").sum())
    counted = codes.group_by("code", "group").agg(pl.col("patrons").sum()).sort("patrons", descending=True)
    return Fields(
        patrons=patrons,
        filled=dict(fields.iter_rows()),
        codes=tuple(CodeCount(**line) for line in counted.iter_rows(named=True)),
    )


def _combine(load: Load, mapping: Mapping, refused: pl.DataFrame, noted: pl.DataFrame) -> Combined:
    """The people whose rows are combined; none in most loads."""
    joined = tables.read(load.run, names.COMBINED) if load.run.has(names.COMBINED) else combining.nothing()
    wanted = combining.rows_of(joined).implode()
    parts = delivery.rows_in_parts(load.run) if joined.height else iter(())
    chosen = [rows.blank_noted(part, noted).filter(pl.col(rows.ROW).is_in(wanted)) for part in parts]
    return combining.combine(pl.concat(chosen), joined, mapping, refused) if chosen else combining.no_one()


def _keep_skipped(load: Load, rejects: pl.DataFrame) -> None:
    """Each row counts once: one that was to go into another row, and is rejected here, is not skipped."""
    skipped = tables.read(load.run, names.SKIPPED) if load.run.has(names.SKIPPED) else rows.no_skipped()
    kept = skipped.join(rejects, on="row", how="anti", maintain_order="left")
    if kept.height < skipped.height:
        tables.write(load.run, names.SKIPPED, kept)
