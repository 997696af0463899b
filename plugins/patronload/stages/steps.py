"""
One function for each step of a patron load: read artifacts, call the core or an edge, write artifacts.

A step hands on names and counts only; patrons stay in the run's artifacts. A step that runs again makes its artifacts
anew, but no longer once anything was sent: then the load goes on with what was sent. Another file needs another run.
"""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from operator import itemgetter
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

from patronload import errors, lazy, systems
from patronload.artifacts import run as runs
from patronload.artifacts.run import Run
from patronload.config import mapping_files
from patronload.config.mapping import Mapping
from patronload.config.tenants import Tenant
from patronload.errors import Defect, MissingError, PatronloadError, RefusedError, TargetError, ValidationError
from patronload.loads import archive, leases
from patronload.loads.leases import Lease
from patronload.loads.load import Load

if (
    TYPE_CHECKING
):  # the slow libraries are imported within the step that needs them, so that the other tasks start at once
    import polars as pl
    from pyarrow.parquet import ParquetWriter

    from patronload.exports.reading import Export, Facts
    from patronload.loads.approval import Answer, Turn
    from patronload.loads.posting.post import Totals
    from patronload.reporting.approval_question import Question
    from patronload.reporting.report import Report
    from patronload.targets import Target
    from patronload.targets.patron_ledger import Ledger

log = logging.getLogger(__name__)

Counts = dict[str, Any]
"""What a step hands on: figures and names of artifacts, never a patron."""


def fetch(load: Load) -> Counts:
    """Take the export from its source, byte for byte. Raises SourceError, ConfigError, TransientError."""
    if _anything_sent(load.run):
        return _kept(load.run, "export", runs.EXPORT)
    with _recorded(load, "fetch"):
        # What was planned of another file must not be sent: it would pass for this one, which then is never loaded.
        _forget_plan(load.run)
        for name in (runs.ROWS, runs.RAGGED, runs.FACTS):
            load.run.remove(name)
        delivered = _delivered(load)
        for name in load.run.names(runs.MORE)[len(delivered) - 1 :]:
            load.run.remove(name)
    first, *more = delivered
    load.run.write_json(runs.DELIVERY, first | archive.marked(load) | ({"more": more} if more else {}))
    for each in delivered:
        size = f"{each['size']:,}"
        log.info("Day %s: fetched %s, %s bytes, into %s", load.day, each["name"], size, load.run.url)
    return {"file": first["name"], "bytes": first["size"]} | ({"more_files": len(more)} if more else {})


def _delivered(load: Load) -> list[dict[str, Any]]:
    """All files of the delivery, from the library, or of a past day from the run that fetched them in its time."""
    try:
        return [_fetched(load, path, name) for path, name in zip(_paths(load), _file_names(), strict=False)]
    except MissingError as missing:
        if not load.of_day:
            raise
        return archive.take(load, missing)


def _fetched(load: Load, path: str, name: str) -> dict[str, Any]:
    from patronload import sources

    with load.run.writing(name) as file:
        delivered = sources.fetch(load.tenant.source, path, file, load.until)
    return delivered._asdict() | {"modified": delivered.modified.isoformat(), "fetched": _now()}


def _paths(load: Load) -> list[str]:
    """Where the files of the delivery are; a path that a person gives for one run is the only one."""
    from patronload import sources

    source = load.tenant.source
    if load.source_path:
        return [load.path]
    if source.files == "all":
        return sources.names(source, load.path, load.until)
    more = source.files if isinstance(source.files, tuple) else ()
    return [load.path, *(each.format(date=load.day) for each in more)]


def _file_names() -> Iterator[str]:
    """What the files of a delivery are called in the run's folder."""
    yield runs.EXPORT
    yield from (f"{runs.MORE}/{number:04}.csv" for number in count(2))


def validate(load: Load) -> Counts:
    """
    Check the export: against the expectations, the tenant's limits, and what the last loads were.

    Hands on ALREADY_LOADED when there is nothing to do. Raises ValidationError.
    """
    from patronload.checks import limits
    from patronload.loads import gatekeeper

    if _anything_sent(load.run):
        return _kept(load.run, "validation", runs.VALIDATION)
    with _recorded(load, "validate"):
        # What was planned of an earlier look at the file must not be sent: the verdicts on it are gone.
        _forget_plan(load.run)
        load.run.remove(runs.GATES)
        if told := gatekeeper.already_loaded(load):
            _forget_all(load.run)
            log.info("%s", told)
            return {ALREADY_LOADED: told}
        # Great Expectations keeps one processor busy, with being imported, set up, and with looking. Beside it the rows
        # are read, written, and looked at by polars: one after the other, for polars keeps the other processors busy.
        with ThreadPoolExecutor(1) as pool:
            imported = pool.submit(_validation)
            export = _read_export(load)
            validation, great_expectations = imported.result()
            kept = pool.submit(_keep_rows, load, export)
            found = validation.validate(export, _mapping(load.tenant, export.columns), pool)
        kept.result()
        rejected = found.rejects["row"].n_unique()
        _write_frame(load.run, VALIDATE_REJECTS, found.rejects)
        _write_frame(load.run, runs.NOTED, found.noted)
        _write_frame(load.run, runs.FAILING, found.failing)
        load.run.write_json(
            runs.VALIDATION,
            {
                "rows": export.rows,
                # A header that is not the mapping's may be a patron, in a file that came without a header line.
                "columns": [] if found.refusals else export.columns,
                "great_expectations": great_expectations.VERSION,
                "checks": [check._asdict() for check in found.checks],
            },
        )
        log.info("Validated %s rows: %s rejected", f"{export.rows:,}", f"{rejected:,}")
        if found.refusals:
            raise ValidationError("The export is refused; nothing was sent. " + " ".join(found.refusals))
        gatekeeper.check_file(load, export, limits.verdicts(load.tenant.limits, export, rejected))
    return {"rows": export.rows, "rejected": rejected}


def _validation() -> tuple[ModuleType, ModuleType]:
    with lazy.uncollected():
        from patronload.checks import great_expectations, validation
    great_expectations.ready()
    return validation, great_expectations


def transform(load: Load) -> Counts:
    """Map the good rows to patrons. Raises ValidationError when too many are rejected, or they are not ours."""
    import polars as pl

    from patronload import rows
    from patronload.checks import limits
    from patronload.loads import gatekeeper
    from patronload.mapping import transform as core

    if _anything_sent(load.run):
        return _kept(load.run, "patrons", runs.PATRONS)
    with _recorded(load, "transform"):
        _forget_plan(load.run)
        facts, refused, noted = _facts(load), _read_frame(load.run, VALIDATE_REJECTS), _noted(load.run)
        mapping = _mapping(load.tenant, facts.columns)
        with load.run.writing(runs.PATRONS) as file:
            made = _Writer(file)
            groups = []
            delivered = (rows.blanked(part, noted) for part in _rows_in_parts(load.run))
            for part in core.parts(delivered, mapping, refused):
                made.write(part.patrons)
                made.rejects.append(part.rejects)
                groups.append(part.patrons.select(key=mapping.system.key).with_columns(part.groups))
            made.close()
            rejects = pl.concat(made.rejects)
            _write_frame(load.run, TRANSFORM_REJECTS, rejects)
            rejected = pl.concat([refused["row"], rejects["row"]]).n_unique()
            outside = limits.verdicts(load.tenant.limits, facts, rejected)
            gatekeeper.check_patrons(load, facts, pl.concat(groups), rejected, outside)
    counts = {"patrons": made.height, "rejected": rejected}
    log.info("Transformed: %s", ", ".join(f"{number:,} {name}" for name, number in counts.items()))
    return counts


def plan(load: Load) -> Counts:
    """
    Compare the patrons with what the target has, and cut what is to be sent into chunks. Nothing is changed there.

    Raises TargetError for what has to be mended first, ValidationError when too many are rejected, TransientError.
    """
    from patronload import connections, targets

    if _anything_sent(load.run):
        return _kept(load.run, "plan", runs.PLAN)
    with _recorded(load, "plan"):
        _forget_plan(load.run)
        with targets.open_target(load.tenant.target, connections.get) as target:
            lease = _lease(load, target)
            # From here until the report no other load may change what the plan is made of.
            with nullcontext() if load.dry_run else lease.kept_if_well():
                counts = _plan(load, _facts(load), target, lease)
    log.info("Planned: %s", ", ".join(f"{number:,} {name}" for name, number in counts.items()))
    return counts


def _plan(load: Load, facts: Facts, target: Target, lease: Lease) -> Counts:
    from patronload.checks import limits
    from patronload.loads import gatekeeper

    begun = datetime.now(UTC)
    patrons, mapping = _read_frame(load.run, runs.PATRONS), _mapping(load.tenant, facts.columns)
    planned = target.plan(patrons, mapping, load.tenant.zone, _ledger(load, mapping), _refused(load, mapping))
    # To ask takes long: another process of the task may have planned meanwhile, and be sending what it planned.
    if not load.dry_run:
        lease.renew()
    # Not before: while the library system does not answer, an earlier plan stands as it was approved.
    _forget_plan(load.run)
    _write_frame(load.run, PLAN_REJECTS, planned.rejects)
    chunks = _cut(load.run, load.tenant.target, planned.patrons) if not planned.stops else []
    warnings = [*mapping_files.load(load.tenant.mapping).lacking(facts.columns), *planned.summary["warnings"]]
    summary = {"warnings": warnings, "chunks": len(set(chunks)), "planned": begun.isoformat()}
    load.run.write_json(runs.PLAN, planned.summary | summary)
    for sentence in warnings:
        log.warning("%s", sentence)
    if planned.stops:
        raise TargetError("Nothing was sent. " + " ".join(planned.stops))
    rejected = _rejects(load.run)["row"].n_unique()
    gatekeeper.check_rejects(load, facts, rejected, limits.verdicts(load.tenant.limits, facts, rejected))
    _write_planned(load.run, planned.patrons, chunks)
    counts = {name: planned.summary[name] for name in ("new", "known")}
    return counts | {"chunks": len(set(chunks)), "rejected": rejected}


def _refused(load: Load, mapping: Mapping) -> list[tuple[int, str]]:
    """The rows that did not get as far as the plan, with the keys of the patrons they are about."""
    import polars as pl

    from patronload.mapping import expressions
    from patronload.rows import ROW

    before = _rejects(load.run).filter(pl.col("stage") != "plan")
    rows, key = before.select(pl.col("row").alias(ROW)).unique(), mapping.system.key
    if rows.is_empty() or not load.run.has(runs.ROWS):
        return []
    found: list[tuple[int, str]] = []
    for part in _rows_in_parts(load.run):
        left = part.join(rows, on=ROW, how="semi")
        keys = expressions.of_fields(left, mapping, [key])[key]
        found += left.select(ROW, key=keys).drop_nulls().with_columns(pl.col("key").cast(pl.String)).iter_rows()
    return found


def approve(load: Load, turn: Turn, answer: Answer | None = None) -> Question | None:
    """
    Where something about the load is unusual, ask a person, or take the answer; None: the load goes on.

    Who is asked gets one mail; then it is for Airflow to wait. Raises Declined.
    """
    from patronload.loads import approval

    if not approval.asked(load.run):
        load.run.remove(runs.APPROVAL)
        log.info("Nothing is unusual: nobody is asked")
        return None
    if _anything_sent(load.run):
        _kept(load.run, "answer", runs.APPROVAL)
        return None
    with _recorded(load, "approve"):
        _expect_plan(load)
        kept = approval.take(load, turn, answer)
        if not kept["answer"]:
            question = approval.question(load, kept)
            _ask(load, question, kept, turn.link)
            return question
        approval.settle(load, kept)
    log.info("Approved by %s", kept["by"])
    return None


def _ask(load: Load, question: Question, kept: Counts, link: str | None) -> None:
    """Mail the question, once. It can be seen in Airflow, too, so a mail server that is down stops nothing."""
    from patronload.loads import approval
    from patronload.reporting import mails, smtp

    # Others need not wait for a person; post takes the lease again, and sends nothing if somebody else has meanwhile.
    leases.release(load.run.root, load.called)
    log.info("A person is asked until %s: %s", question.until, " ".join(question.sentences))
    if kept["told"]:
        return
    try:
        smtp.send(mails.question_mail(load.tenant, load.run_id, load.day, question, link))
    except PatronloadError as error:
        log.warning("Nobody could be told that a person is asked. %s", error)
        return
    approval.told(load, kept)


def post(load: Load, tell: Callable[[str], None] = log.debug) -> Counts:
    """
    Send the chunks that have not been sent yet, one after the other; `tell` gets a line of figures after each.

    Raises TargetError, TransientError, before the first patron Declined when a person should have approved it and
    has not and ValidationError when a newer file was loaded since, and after the last one RefusedError when too many
    were refused: that is no load, whatever was answered to each request.
    """
    from patronload import connections, targets
    from patronload.loads import approval, gatekeeper
    from patronload.loads.posting import post as posting

    with _recorded(load, "post"):
        if not _anything_sent(load.run):
            _expect_plan(load)
            approval.check(load.run)
            gatekeeper.check_age(load)
        with targets.open_target(load.tenant.target, connections.get) as target:
            lease = _lease(load, target)
            if not posting.is_through(load.run):
                lease.hold()
                _plan_anew(load, target, lease)
                lease.sending(datetime.fromisoformat(load.run.read_json(runs.PLAN)["planned"]))
            try:
                totals = posting.post(load.run, target, watch=posting.Watch(lease.renewed_by(tell), lease.check))
            finally:
                _remember(load)
        rejected = _rejects(load.run)["row"].n_unique()
        _check_loaded(load, totals, rejected)
        if totals.created + totals.updated:
            gatekeeper.record(load, rejected + totals.failed, _read_frame(load.run, runs.PATRONS))
    log.info("Posted: %s", ", ".join(f"{number:,} {name}" for name, number in totals._asdict().items()))
    return _of_load(load) | totals._asdict()


def _expect_plan(load: Load) -> None:
    if not load.run.has(runs.PLAN):
        raise TargetError(
            "Nothing was sent. A task before this one was cleared alone, so there is no plan of what is to be sent. "
            "Clear it in Airflow together with the tasks after it."
        )


FRESH = timedelta(hours=1)
"""So old a plan may be when its first patron is sent."""


def _plan_anew(load: Load, target: Target, lease: Lease) -> None:
    """
    Plan a load once more that a person has approved, or that is cleared long after: a library goes on working. So is
    one whose plan is not whole, because it was stopped or killed while it was planned anew.

    The records of the first plan would undo what was changed meanwhile. Raises Declined when other figures come of it
    than were approved, or something to ask, ValidationError when a newer file was loaded, and TargetError when anything
    else was sent.
    """
    from patronload.loads import approval, gatekeeper

    planned, asks = datetime.fromisoformat(load.run.read_json(runs.PLAN)["planned"]), approval.asked(load.run)
    # planned.parquet is written last: without it, planning anew did not come to its end the time before.
    is_whole = load.run.has(runs.PLANNED)
    if _anything_sent(load.run) or not (asks or not is_whole or datetime.now(UTC) - planned > FRESH):
        return
    if not asks:
        lease.sending(planned)
    # While it waited for the lease a newer file may have been loaded.
    gatekeeper.check_age(load)
    before = approval.shown(load.run) if asks else None
    log.info("Planned anew, because the library system may have changed since")
    _plan(load, _facts(load), target, lease)
    if before:
        approval.carry_over(load, before)
    # What nobody was asked about, as it was nothing unusual then, may be so by now.
    approval.check(load.run)


def _check_loaded(load: Load, totals: Totals, rejected: int) -> None:
    """
    Raises RefusedError when nothing was loaded, or when more rows than the limits allow have not become patrons.

    A mended rejects file is held to no limit, and neither is a load that a person wants anyway. Rejects that a person
    has approved do not count once more.
    """
    from patronload.loads import approval

    if not totals.failed:
        return
    if not totals.created + totals.updated:
        raise RefusedError(
            f"{load.tenant.system.name} refused all {totals.failed:,} patrons that it was sent; nothing was loaded. "
            "The reasons are in the report. Mend what they name, then start the load again."
        )
    facts, most = _facts(load), load.tenant.limits
    missing = rejected + totals.failed
    allowed = most.rejects_allowed(facts.rows)
    held = totals.failed if rejected > allowed and approval.is_approved(load.run) else missing
    if held > allowed and not facts.mended and not load.load_anyway:
        raise RefusedError(
            f"{missing:,} of {facts.rows:,} rows were not loaded ({rejected:,} rejected, {totals.failed:,} refused by "
            f"{load.tenant.system.name}); limits.max_rejects allows {most.max_rejects}. All others are loaded. The "
            "reasons are in the report. Mend what they name, then start the load again."
        )


def report(load: Load) -> Counts:
    """Tell what became of every row, as report.json, report.html and the rejects file; also after a failure."""
    from patronload.loads import approval
    from patronload.loads.posting import post as posting
    from patronload.reporting import report as reports
    from patronload.reporting import report_page

    leases.release(load.run.root, load.called)
    # If this goes wrong, notify must not mail the report of an earlier try.
    load.run.remove(runs.REPORT)
    progress = posting.progress(load.run, _to_send(load.run))
    made = reports.build(
        tenant=load.tenant,
        run=load.run_id,
        day=load.day,
        artifacts=load.run.url,
        delivery=load.run.read_json(runs.DELIVERY) if load.run.has(runs.DELIVERY) else None,
        validation=load.run.read_json(runs.VALIDATION) if load.run.has(runs.VALIDATION) else None,
        plan=load.run.read_json(runs.PLAN) if load.run.has(runs.PLAN) else None,
        gates=load.run.read_json(runs.GATES) if load.run.has(runs.GATES) else None,
        approval=approval.answered(load.run),
        rejects=_rejects(load.run),
        noted=_noted(load.run),
        patrons=progress.patrons,
        sent=progress.sent,
        results=progress.results,
        failure=load.run.read_json(runs.FAILURE) if load.run.has(runs.FAILURE) else None,
        dry_run=load.dry_run,
    )
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


def notify(load: Load) -> Counts:
    """Mail the report to those whom the tenant names for this outcome. Raises TargetError, TransientError."""
    from patronload.reporting import mails, smtp
    from patronload.reporting import report as reports

    if not load.run.has(runs.REPORT):
        raise TargetError(
            "Nobody was told of this load, because there is no report of it: the task 'report' went wrong, and its log "
            "says why. Clear 'report' together with 'notify' in Airflow."
        )
    made = reports.Report.from_json(load.run.read_json(runs.REPORT))
    mail = mails.result_mail(load.tenant, made)
    smtp.send(mail)
    log.info("Mailed '%s' to %s people", mail.subject, len(mail.to))
    return {"outcome": made.outcome, "mails": len(mail.to)}


def _lease(load: Load, target: Target) -> Lease:
    return Lease(load.run.root, target.address, load.called)


ALREADY_LOADED = "already_loaded"
"""What validate hands on when there is nothing to do."""


def _of_load(load: Load) -> Counts:
    """Of which load the figures are: day, file, rows, and what was left out of it before sending."""
    file = load.run.read_json(runs.DELIVERY)["name"] if load.run.has(runs.DELIVERY) else None
    rejected = _rejects(load.run)["row"].n_unique()
    return {
        "day": f"{load.day}",
        "file": file,
        "rows": load.run.read_json(runs.VALIDATION)["rows"],
        "rejected": rejected,
    }


FIGURES = ("rows", "created", "updated", "failed", "rejected", "not_sent", "unconfirmed")
"""What the report hands on: Airflow keeps it, and the pages over all libraries are made of it."""

VALIDATE_REJECTS = "rejects/validate.parquet"
TRANSFORM_REJECTS = "rejects/transform.parquet"
PLAN_REJECTS = "rejects/plan.parquet"

WRITERS = 8
"""So many chunks are written at a time: for most of it a disk, or a bucket, has to be waited for."""


@contextmanager
def _recorded(load: Load, step: str) -> Iterator[None]:
    """What goes wrong within is left behind for the report; what nobody foresaw is told without its text."""
    try:
        yield
    except leases.Leftover:
        raise  # the run goes on in another process, which may be through already
    except PatronloadError as error:
        _record(load, step, error)
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it goes on as a Defect
        defect = Defect.hiding(error)
        _record(load, step, defect)
        raise defect from None
    load.run.remove(runs.FAILURE)


def _record(load: Load, step: str, error: PatronloadError) -> None:
    # A target may have errors of its own kind; what to do next is told by the one that is known everywhere.
    kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    load.run.write_json(runs.FAILURE, {"step": step, "kind": kind, "message": str(error)})


def _anything_sent(run: Run) -> bool:
    return bool(run.names("sent") or run.names("results"))


def _kept(run: Run, what: str, name: str) -> Counts:
    log.warning(
        "The %s stays as it is, because this run has sent patrons already. For another file, start another run.", what
    )
    return {"kept": f"{run.url}/{name}"}


def _mapping(tenant: Tenant, columns: list[str]) -> Mapping:
    """The tenant's mapping; for an export that lacks columns, if the tenant allows it, without what is made of them."""
    mapping = mapping_files.load(tenant.mapping).expecting(tenant.expect)
    return mapping.over(columns) if tenant.source.missing_columns == "keep" else mapping


def _read_export(load: Load) -> Export:
    """The export as rows."""
    from patronload.exports import merging

    source, mapping = load.tenant.source, mapping_files.load(load.tenant.mapping)
    about = load.run.read_json(runs.DELIVERY) if load.run.has(runs.DELIVERY) else {}
    told = [each.get("name", "the export") for each in (about, *about.get("more", []))]
    files = [_read_file(load, name) for name in (runs.EXPORT, *load.run.names(runs.MORE))]
    return merging.merged(list(zip(told, files, strict=True)), mapping, source.same_person)


def _keep_rows(load: Load, export: Export) -> None:
    """Leave the export's rows behind for the steps after this one."""
    from patronload.mapping import transform

    # In groups as large as the parts in which they are read.
    size = transform.part_size(export.frame.height)
    _write_frame(load.run, runs.ROWS, export.frame, compression="lz4", row_group_size=size)
    _write_frame(load.run, runs.RAGGED, export.ragged)
    load.run.write_json(runs.FACTS, export.facts._asdict())


def _read_file(load: Load, name: str) -> Export:
    from patronload import connections
    from patronload.exports import pgp, reading

    source, content = load.tenant.source, load.run.read(name)
    if source.pgp is None:
        return reading.read(content, source)
    return pgp.read(content, source, connections.pgp_key(source.pgp))


def _facts(load: Load) -> Facts:
    """What there is to say of the export without its rows; it is read anew if nobody has left its rows behind."""
    from patronload.exports.reading import Facts

    if not load.run.has(runs.FACTS):
        export = _read_export(load)
        _keep_rows(load, export)
        return export.facts
    return Facts(**load.run.read_json(runs.FACTS))


def _rows_in_parts(run: Run) -> Iterator[pl.DataFrame]:
    """The export's rows, a part at a time; one part at least, which tells the columns."""
    import polars as pl

    from patronload.mapping import transform

    rows = pl.scan_parquet(run.read(runs.ROWS))
    height = rows.select(pl.len()).collect().item()
    size = transform.part_size(height)
    for start in range(0, max(height, 1), size):
        yield rows.slice(start, size).collect()


class _Writer:
    """A file of patrons that is written part by part."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._parquet: ParquetWriter | None = None
        self.height = 0
        self.rejects: list[pl.DataFrame] = []

    def write(self, frame: pl.DataFrame) -> None:
        import polars as pl
        from pyarrow import parquet

        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._parquet is None:
            # No text comes twice, so there is no use in a dictionary of them.
            how = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}
            self._parquet = parquet.ParquetWriter(self._file, table.schema, **how)
        self._parquet.write_table(table)
        self.height += frame.height

    def close(self) -> None:
        if self._parquet:
            self._parquet.close()


def _write_frame(run: Run, name: str, frame: pl.DataFrame, **how: Any) -> None:
    with run.writing(name) as file:
        frame.write_parquet(file, **how)


def _read_frame(run: Run, name: str) -> pl.DataFrame:
    import polars as pl

    with run.reading(name) as file:
        return pl.read_parquet(io.BytesIO(file.read()))


def _forget_all(run: Run) -> None:
    """There is nothing to do: what an earlier try has found in another file must not be told."""
    _forget_plan(run)
    for name in (runs.VALIDATION, runs.PATRONS, VALIDATE_REJECTS, TRANSFORM_REJECTS, runs.REJECTS, runs.NOTED):
        run.remove(name)
    run.remove(runs.FAILING)


def _forget_plan(run: Run) -> None:
    """What an earlier try has planned must neither be sent nor be counted."""
    for name in (runs.PLANNED, runs.PLAN, PLAN_REJECTS, *run.names("chunks")):
        run.remove(name)


def _cut(run: Run, target: systems.Target, patrons: pl.DataFrame) -> list[int]:
    """Write the chunks, and tell each patron's. What goes in a later level, or apart, goes in a later chunk."""
    import zstandard

    from patronload import targets
    from patronload.loads.posting import chunks
    from patronload.mapping import transform

    room = target.chunk_bytes - targets.request_overhead(target)
    cut: list[int] = []
    together = [name for name in ("level", "apart") if name in patrons.columns]
    for part in patrons.partition_by(together, maintain_order=True):
        first = cut[-1] if cut else 0
        sizes = part[transform.PATRON].str.len_bytes()
        cut += [first + number for number in chunks.numbers(sizes, target.chunk_size, room)]

    # One for each thread: to make one anew for each chunk takes half as long as compressing it.
    each = threading.local()

    def write(number: int, texts: pl.Series) -> None:
        body = targets.request_body(target, texts)
        run.write(f"chunks/{number:04}.json.zst", each.zstd.compress(body))

    def ready() -> None:
        each.zstd = zstandard.ZstdCompressor(level=1)

    # Compressing takes no turn at Python's lock, and a disk takes its time.
    with ThreadPoolExecutor(WRITERS, initializer=ready) as pool:
        list(pool.map(write, *zip(*_runs(cut, patrons[transform.PATRON]), strict=True)) if cut else ())
    return cut


def _runs(numbers: list[int], texts: pl.Series) -> Iterator[tuple[int, pl.Series]]:
    """Each number, which are in order, with the texts that have it."""
    for number, together in groupby(enumerate(numbers), key=itemgetter(1)):
        places = [place for place, _ in together]
        yield number, texts[places[0] : places[-1] + 1]


def _numbered(numbers: list[int]) -> pl.Series:
    """The patrons' chunks as a column."""
    import polars as pl

    return pl.Series("chunk", numbers, dtype=pl.UInt32)


def _write_planned(run: Run, patrons: pl.DataFrame, chunks: list[int]) -> None:
    planned = patrons.drop("patron").insert_column(1, _numbered(chunks))
    _write_frame(run, runs.PLANNED, planned)


def _ledger(load: Load, mapping: Mapping) -> Ledger | None:
    """What is known of earlier loads of this library; None when nothing is, or there is no need to know."""
    from patronload.mapping import last_changed
    from patronload.targets.patron_ledger import Ledger

    shared = load.run.shared
    if not (load.tenant.system.remembered or last_changed.paths(mapping)) or not shared.has(runs.LEDGER):
        return None
    return Ledger.from_json(shared.read_json(runs.LEDGER))


def _remember(load: Load) -> None:
    """
    Add to the ledger whom this run has sent, whatever came of it, but for those who were refused; and what the file
    said of those who were loaded for certain.

    It is done once for each new thing that is known: a run of long ago that is cleared changes nothing.
    """
    from patronload.loads.posting import post as posting
    from patronload.mapping import last_changed
    from patronload.targets.patron_ledger import Ledger

    if not load.run.has(runs.PLANNED) or not _anything_sent(load.run):
        return
    system, mapping = load.tenant.system, _mapping(load.tenant, _facts(load).columns)
    fields = last_changed.paths(mapping)
    if not (system.remembered or fields):
        return
    planned = _read_frame(load.run, runs.PLANNED)
    sent = posting.arrived(load.run, planned)
    loaded = posting.confirmed(load.run, planned) if fields else planned.clear()
    known = {"rows": sent["row"].to_list()} | ({"loaded": loaded["row"].to_list()} if fields else {})
    if load.run.has(runs.REMEMBERED) and load.run.read_json(runs.REMEMBERED) == known:
        return
    before = _ledger(load, mapping)
    ledger = Ledger.empty() if before is None else before  # one that knows nobody counts as false
    if system.remembered:
        ledger.take(sent.select(system.key, *system.remembered).iter_rows(named=True), system.key)
    if fields:
        told = _read_frame(load.run, runs.PATRONS).join(loaded.select("row", "unsaid"), on="row")
        for key, text, unsaid in told.select(system.key, "patron", "unsaid").iter_rows():
            said = last_changed.said(json.loads(text), fields, mapping)
            ledger.hear(key, {name: value for name, value in said.items() if name not in unsaid})
    load.run.shared.write_json(runs.LEDGER, ledger.to_json())
    load.run.write_json(runs.REMEMBERED, known)


def _to_send(run: Run) -> pl.DataFrame | None:
    """The rows that are to be sent, each with its chunk; before there is a plan, those that may be, in no chunk."""
    import polars as pl

    if run.has(runs.PLANNED):
        return _read_frame(run, runs.PLANNED)
    if not run.has(runs.PATRONS):
        return None
    patrons = _read_frame(run, runs.PATRONS).with_columns(chunk=pl.lit(0, pl.UInt32))
    return patrons.join(_rejects(run).select("row").unique(), on="row", how="anti", maintain_order="left")


def _rejects(run: Run) -> pl.DataFrame:
    """The rows that were not sent, with the stage that rejected each."""
    import polars as pl

    from patronload.reporting import report as reports

    found = [
        _read_frame(run, name).with_columns(stage=pl.lit(stage))
        for stage, name in (("validate", VALIDATE_REJECTS), ("transform", TRANSFORM_REJECTS), ("plan", PLAN_REJECTS))
        if run.has(name)
    ]
    columns = reports.no_rejects().columns
    return pl.concat([reports.no_rejects(), *(frame.select(columns) for frame in found)])


def _noted(run: Run) -> pl.DataFrame:
    """What was noted of rows without costing the patron: see rows.NOTED."""
    from patronload import rows

    return _read_frame(run, runs.NOTED) if run.has(runs.NOTED) else rows.no_notes()


def _write_validation_page(load: Load, made: Report) -> None:
    """What the checks found, for people; without a page when the export could not be read at all."""
    from patronload.reporting import validation_page

    load.run.remove(runs.VALIDATION_PAGE)
    if load.run.has(runs.VALIDATION):
        page = validation_page.page(made, load.run.read_json(runs.VALIDATION))
        load.run.write(runs.VALIDATION_PAGE, page.encode())


def _write_noted_file(load: Load) -> None:
    """What was noted, row by row, for a spreadsheet; without a file when there is nothing."""
    from patronload.exports import reject_files

    load.run.remove(runs.NOTED_FILE)
    noted = _noted(load.run)
    if noted.height:
        layout = load.tenant.source
        load.run.write(runs.NOTED_FILE, reject_files.write_notes(noted, layout.delimiter, layout.encoding))


def _write_rejects_file(load: Load) -> None:
    """The rows that the library has to mend, as delivered; without a file when the export could not be read at all."""
    import polars as pl

    from patronload.exports import reject_files
    from patronload.loads.posting import post as posting
    from patronload.reporting import report as reports

    if not load.run.has(VALIDATE_REJECTS):
        return
    facts = _facts(load)
    delivered = pl.concat([_read_frame(load.run, runs.ROWS), _read_frame(load.run, runs.RAGGED)]).rename(facts.names)
    refused = reports.with_failed(_rejects(load.run), posting.progress(load.run, _to_send(load.run)).results)
    load.run.write(runs.REJECTS, reject_files.write(delivered, refused, load.tenant.source.delimiter, facts.encoding))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
