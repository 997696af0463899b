"""Report: account for every row, as report.json, report.html, validation.html, noted.csv and rejects.csv."""

from __future__ import annotations

import logging

import polars as pl

from patronload.artifacts import run as runs
from patronload.artifacts import tables
from patronload.exports import reject_files
from patronload.loads import approval, delivery, leases, planning
from patronload.loads.load import Counts, Load
from patronload.loads.posting import post as posting
from patronload.reporting import report as reports
from patronload.reporting import report_page, validation_page
from patronload.reporting.report import Report

log = logging.getLogger(__name__)

FIGURES = ("rows", "created", "updated", "failed", "rejected", "skipped", "not_sent", "unconfirmed")
"""The figures that the stage hands on: Airflow keeps them, and the pages over all libraries show them."""


def report(load: Load) -> Counts:
    """Write the report and its files, also after a failure."""
    leases.release(load.run.root, load.called)
    # If this fails, notify must not mail the report of an earlier attempt.
    load.run.remove(runs.REPORT)
    made = _build(load)
    load.run.write_json(runs.REPORT, made.to_json())
    load.run.write(runs.REPORT_PAGE, report_page.page(load.tenant, made).encode())
    _write_validation_page(load, made)
    _write_noted_file(load)
    _write_rejects_file(load)
    figures = {name: getattr(made, name) for name in FIGURES}
    log.info("%s: %s", made.outcome, ", ".join(f"{name} {number:,}" for name, number in figures.items()))
    export = made.export
    from_archive = {"archive": export.archive.run} if export and export.archive else {}
    return {
        "outcome": made.outcome,
        "day": f"{load.day}",
        "file": export.name if export else None,
        **from_archive,
        **figures,
    }


def _build(load: Load) -> Report:
    progress = posting.progress(load.run, planning.to_send(load.run))
    return reports.build(
        tenant=load.tenant,
        run=load.run_id,
        day=load.day,
        artifacts=load.run.url,
        delivery=load.run.read_json(runs.DELIVERY) if load.run.has(runs.DELIVERY) else None,
        validation=load.run.read_json(runs.VALIDATION) if load.run.has(runs.VALIDATION) else None,
        plan=load.run.read_json(runs.PLAN) if load.run.has(runs.PLAN) else None,
        gates=load.run.read_json(runs.GATES) if load.run.has(runs.GATES) else None,
        approval=approval.answered(load.run),
        rejects=tables.rejects(load.run),
        noted=tables.noted(load.run),
        skipped=tables.skipped(load.run),
        patrons=progress.patrons,
        sent=progress.sent,
        results=progress.results,
        failure=load.run.read_json(runs.FAILURE) if load.run.has(runs.FAILURE) else None,
        dry_run=load.dry_run,
    )


def _write_validation_page(load: Load, made: Report) -> None:
    """What the checks found, for people. There is no page when the export could not be read."""
    load.run.remove(runs.VALIDATION_PAGE)
    if load.run.has(runs.VALIDATION):
        page = validation_page.page(made, load.run.read_json(runs.VALIDATION))
        load.run.write(runs.VALIDATION_PAGE, page.encode())


def _write_noted_file(load: Load) -> None:
    """What was noted, row by row, for a spreadsheet. There is no file when nothing was noted."""
    load.run.remove(runs.NOTED_FILE)
    noted = tables.noted(load.run)
    if noted.height:
        layout = load.tenant.source
        load.run.write(runs.NOTED_FILE, reject_files.write_notes(noted, layout.delimiter, layout.encoding))


def _write_rejects_file(load: Load) -> None:
    """The rows that the library has to correct, as delivered. There is no file when the export could not be read."""
    if not load.run.has(runs.VALIDATE_REJECTS):
        return
    facts = delivery.facts(load)
    delivered = pl.concat([tables.read(load.run, runs.ROWS), tables.read(load.run, runs.RAGGED)]).rename(facts.names)
    results = posting.progress(load.run, planning.to_send(load.run)).results
    refused = reports.with_failed(tables.rejects(load.run), results)
    load.run.write(runs.REJECTS, reject_files.write(delivered, refused, load.tenant.source.delimiter, facts.encoding))
