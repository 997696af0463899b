"""Report: account for every row, as report.json, report.html, validation.html, noted.csv, rejects.csv and .xlsx."""

from __future__ import annotations

import logging
from dataclasses import replace

from patronload.artifacts import names
from patronload.artifacts.left_behind import LeftBehind
from patronload.artifacts.run import Run
from patronload.exports import reject_files, reject_workbooks
from patronload.loads import delivery, failures, leases, put_back, rejects_file
from patronload.loads.load import Counts, Load
from patronload.reporting import account, plan_summary, report_page, validation_page
from patronload.reporting.report import Report

log = logging.getLogger(__name__)

FIGURES = ("rows", "created", "updated", "unchanged", "failed", "rejected", "skipped", "not_sent", "unconfirmed")
"""The figures that the stage returns: Airflow keeps them, and the pages for all libraries show them."""

FIGURES_OF_PEOPLE = ("left", "returned")
"""The same of the patrons of earlier loads."""


def report(load: Load) -> Counts:
    """Write the report and its files, also after a failure."""
    with failures.worded(load.run):
        return _report(load)


def _report(load: Load) -> Counts:
    leases.release(load.run.root, load.called)
    # If this fails, notify must not mail the report of an earlier attempt.
    load.run.remove(names.REPORT)
    left = LeftBehind.of(load.run)
    rejects = _write_rejects_files(load)
    left = replace(left, put_back=put_back.put_back(load, rejects))
    made = account.build(load.tenant, load.run_id, load.day, left, dry_run=load.dry_run, undo=load.undo)
    made = made.model_copy(update={"put_back": left.put_back.paths if left.put_back else ()})
    load.run.write_json(names.REPORT, made.to_json())
    load.run.write(names.REPORT_PAGE, report_page.page(load.tenant, made).encode())
    _write_validation_page(load.run, made, left)
    _write_noted_file(load, left)
    figures = {name: getattr(made, name) for name in FIGURES}
    figures |= {name: getattr(made.people, name) if made.people else 0 for name in FIGURES_OF_PEOPLE}
    log.info("%s: %s", made.outcome, ", ".join(f"{name} {number:,}" for name, number in figures.items()))
    export = made.export
    return {
        "outcome": made.outcome,
        "day": f"{load.day}",
        "file": export.name if export else None,
        **({"archive": export.archive.run} if export and export.archive else {}),
        **({"corrected": True} if made.corrected else {}),
        **({"late": True} if load.run.has(names.LATE) else {}),
        **({"undo": made.undo.run} if made.undo else {}),
        **_would(made),
        **figures,
    }


def _would(made: Report) -> dict[str, str]:
    """The effect that a dry run would have, in words; a dry run has done nothing, so its other figures are zeros."""
    planned = plan_summary.summary(made.effects, made.target).sentence
    return {"would": planned} if made.outcome == "dry_run" and planned else {}


def _write_validation_page(run: Run, made: Report, left: LeftBehind) -> None:
    """Write the results of the checks as a page. There is no page when the export could not be read."""
    run.remove(names.VALIDATION_PAGE)
    if left.validation:
        run.write(names.VALIDATION_PAGE, validation_page.page(made, left.validation).encode())


def _write_noted_file(load: Load, left: LeftBehind) -> None:
    """Write the notes row by row, for a spreadsheet. There is no file when nothing was noted."""
    load.run.remove(names.NOTED_FILE)
    if left.noted.height:
        layout = load.tenant.source
        load.run.write(names.NOTED_FILE, reject_files.write_notes(left.noted, layout.delimiter, layout.encoding))


def _write_rejects_files(load: Load) -> list[str]:
    """
    Write the rows that the library has to correct, as delivered; the names of the files, none if there is no such row.

    There is no file when the export could not be read.
    """
    if not load.run.has(names.VALIDATE_REJECTS):
        return []
    facts = delivery.facts(load)
    delivered, refused = rejects_file.collected(load.run, facts)
    load.run.write(names.REJECTS, reject_files.write(delivered, refused, load.tenant.source.delimiter, facts.encoding))
    load.run.remove(names.REJECTS_WORKBOOK)
    workbook = reject_workbooks.write(delivered, refused, facts.names) if refused.height else None
    if workbook:
        load.run.write(names.REJECTS_WORKBOOK, workbook)
    written: list[str] = [names.REJECTS, *([names.REJECTS_WORKBOOK] if workbook else [])]
    return written if refused.height else []
