"""Validate: check the export against the expectations, the tenant's limits and the recent loads."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

from patronload import lazy
from patronload.artifacts import names, tables
from patronload.artifacts.models import CheckResult, Validation
from patronload.checks import limits
from patronload.errors import ValidationError
from patronload.loads import delivery, failures, gatekeeper, reruns
from patronload.loads.load import Counts, Load

log = logging.getLogger(__name__)

ALREADY_LOADED = "already_loaded"
"""The key of the sentence that validate returns when there is nothing to do."""


def validate(load: Load) -> Counts:
    """
    Check the export. Hands on ALREADY_LOADED, with a sentence, when there is nothing to do.

    Raises ValidationError, and SourceError or ConfigError when the export cannot be read.
    """
    if reruns.anything_sent(load.run):
        return reruns.keep(load.run, "validation", names.VALIDATION)
    with failures.recording(load, "validate"):
        # A plan based on earlier verdicts must not be sent: those verdicts are about to be replaced.
        reruns.forget_plan(load.run)
        if load.undo:
            return reruns.nothing_to_do(load, "There is no export to check")
        load.run.remove(names.GATES)
        if sentence := gatekeeper.already_loaded(load):
            reruns.forget_checks(load.run)
            log.info("%s", sentence)
            return {ALREADY_LOADED: sentence}
        return _check(load)


def _check(load: Load) -> Counts:
    # Great Expectations keeps one core busy with its import, its setup and its checks. Meanwhile polars reads, writes
    # and checks the rows, one after the other, because polars keeps the other cores busy.
    with ThreadPoolExecutor(1) as pool:
        imported = pool.submit(_import_checks)
        export = delivery.read_export(load)
        validation, great_expectations = imported.result()
        kept = pool.submit(delivery.keep_rows, load, export)
        found = validation.validate(export, load.mapping(export.columns), pool, before_plan=True)
    kept.result()
    rejected = found.rejects["row"].n_unique()
    tables.write(load.run, names.VALIDATE_REJECTS, found.rejects)
    tables.write(load.run, names.SKIPPED, found.skipped)
    load.run.remove(names.COMBINED)
    if found.combined.height:
        tables.write(load.run, names.COMBINED, found.combined)
    tables.write(load.run, names.NOTED, found.noted)
    tables.write(load.run, names.FAILING, found.failing)
    Validation(
        rows=export.rows,
        # In a file without a header line, a header that differs from the mapping's may be a patron.
        columns=() if found.refusals else tuple(export.columns),
        great_expectations=great_expectations.VERSION,
        checks=tuple(CheckResult(**check._asdict()) for check in found.checks),
        notices=() if found.refusals else export.notices,
        unread={} if found.refusals else gatekeeper.unread(load, export),
    ).write(load.run)
    skipped = found.skipped.height
    log.info("Validated %s rows: %s rejected, %s skipped", f"{export.rows:,}", f"{rejected:,}", f"{skipped:,}")
    if found.refusals:
        raise ValidationError("The export is refused; nothing was sent. " + " ".join(found.refusals))
    gatekeeper.check_file(load, export, limits.verdicts(load.tenant.limits, export, rejected))
    return {"rows": export.rows, "rejected": rejected} | ({"skipped": skipped} if skipped else {})


def _import_checks() -> tuple[ModuleType, ModuleType]:
    """Imported here and not above, so that a thread does it while the export is read: it takes seconds."""
    with lazy.pause_collection():
        from patronload.checks import great_expectations, validation
    great_expectations.ready()
    return validation, great_expectations
