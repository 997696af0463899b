"""Report: account for every row, as report.json, report.html, validation.html, noted.csv and rejects.csv."""

from __future__ import annotations

import logging

import polars as pl

from patronload.artifacts import names, tables
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
    load.run.remove(names.REPORT)
    made = _build(load)
    load.run.write_json(names.REPORT, made.to_json())
    load.run.write(names.REPORT_PAGE, report_page.page(load.tenant, made).encode())
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
        delivery=load.run.read_json(names.DELIVERY) if load.run.has(names.DELIVERY) else None,
        validation=load.run.read_json(names.VALIDATION) if load.run.has(names.VALIDATION) else None,
        plan=load.run.read_json(names.PLAN) if load.run.has(names.PLAN) else None,
        gates=load.run.read_json(names.GATES) if load.run.has(names.GATES) else None,
        approval=approval.answered(load.run),
        rejects=tables.rejects(load.run),
        noted=tables.noted(load.run),
        skipped=tables.skipped(load.run),
        patrons=progress.patrons,
        sent=progress.sent,
        results=progress.results,
        failure=load.run.read_json(names.FAILURE) if load.run.has(names.FAILURE) else None,
        dry_run=load.dry_run,
    )


def _write_validation_page(load: Load, made: Report) -> None:
    """What the checks found, for people. There is no page when the export could not be read."""
    load.run.remove(names.VALIDATION_PAGE)
    if load.run.has(names.VALIDATION):
        page = validation_page.page(made, load.run.read_json(names.VALIDATION))
        load.run.write(names.VALIDATION_PAGE, page.encode())


def _write_noted_file(load: Load) -> None:
    """What was noted, row by row, for a spreadsheet. There is no file when nothing was noted."""
    load.run.remove(names.NOTED_FILE)
    noted = tables.noted(load.run)
    if noted.height:
        layout = load.tenant.source
        load.run.write(names.NOTED_FILE, reject_files.write_notes(noted, layout.delimiter, layout.encoding))


def _write_rejects_file(load: Load) -> None:
    """The rows that the library has to correct, as delivered. There is no file when the export could not be read."""
    if not load.run.has(names.VALIDATE_REJECTS):
        return
    facts = delivery.facts(load)
    delivered = pl.concat([tables.read(load.run, names.ROWS), tables.read(load.run, names.RAGGED)]).rename(facts.names)
    results = posting.progress(load.run, planning.to_send(load.run)).results
    refused = reports.with_failed(tables.rejects(load.run), results)
    load.run.write(names.REJECTS, reject_files.write(delivered, refused, load.tenant.source.delimiter, facts.encoding))
