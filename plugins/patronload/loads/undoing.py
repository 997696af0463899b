"""
Undo a load: which run it is, whether it can be undone, and what it sent.

An undo is a run like any other. It gets no file: its plan is made from the artifacts of the run that it undoes, and
from what the library system has now. So an undo can be undone in turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from patronload import dates
from patronload.artifacts import names, tables
from patronload.artifacts.history import History
from patronload.artifacts.models import Delivery, Plan, SentMarker
from patronload.artifacts.progress import NOT_SENT, Progress
from patronload.artifacts.run import Run
from patronload.artifacts.undo import Undo, Undone, is_undone
from patronload.config import tenants
from patronload.errors import ValidationError
from patronload.loads import leavers, reruns
from patronload.loads.load import Load
from patronload.loads.posting import post as posting
from patronload.loads.posting.planned_chunks import PlannedChunks
from patronload.targets.delivery import SENT, Undoing

CREATE = "create"
"""The action of patrons whom a load creates, in planned.parquet."""


def look_up(load: Load) -> Undo:
    """The run that the load is to undo. Raises ValidationError with the reason if it cannot be undone."""
    if load.source_path or load.load_anyway:
        raise ValidationError(
            "Nothing was undone. 'Undo' loads no file, so leave 'Source path' and 'Load anyway' empty."
        )
    run = _run(load)
    _check(load, run)
    before, delivery = Undo.find(run), Delivery.find(run)
    return Undo(
        run=run.id,
        day=before.day if before else (delivery.day if delivery and delivery.day else load.day.isoformat()),
        export=before.export if before else (delivery.name if delivery else None),
        load=before.load if before else run.id,
        undoes_load=not before.undoes_load if before else True,
        leave=load.leave,
    )


def _run(load: Load) -> Run:
    """The folder of the run to undo. Its id may have the tenant before it, as messages write it."""
    tenant, slash, run_id = (load.undo or "").rpartition("/")
    if slash and tenant != load.tenant.tenant:
        raise ValidationError(
            f"Nothing was undone. {load.undo} is a run of another library. A run can only be undone by a run "
            "of the same library's DAG."
        )
    if run_id == load.run_id:
        raise ValidationError("Nothing was undone. A run cannot undo itself; name an earlier one.")
    run = load.run.sibling(run_id or "?")
    if not any(run.has(name) for name in names.RUN_MARKERS):
        others = [name for name in tenants.names() if _has_run(load, name, run_id)]
        elsewhere = f" There is one of another library: {', '.join(others)}." if others else ""
        raise ValidationError(
            f"Nothing was undone. {load.tenant.library} has no run {run_id}, or its artifacts are gone.{elsewhere} "
            "Copy the run id from the run's page in Airflow, or from its report."
        )
    return run


def _has_run(load: Load, tenant: str, run_id: str) -> bool:
    other = Run(load.run.root.folder / tenant / load.run.folder.name).sibling(run_id)
    return tenant != load.tenant.tenant and any(other.has(name) for name in names.RUN_MARKERS)


def _check(load: Load, run: Run) -> None:
    """Raises ValidationError when a run cannot be undone."""
    if run.has(names.PURGED):
        raise ValidationError(
            f"Nothing was undone. The patron data of run {run.id} was deleted because of its age (keep.patrons in "
            "the tenant file), so it is no longer known what was there before."
        )
    if not reruns.anything_sent(run):
        raise ValidationError(
            f"Nothing was undone. Run {run.id} has sent nothing: it was a dry run, its file changed nothing, or it "
            "ended before. So there is nothing to undo."
        )
    if is_undone(run) and Undone.read(run).by != load.run_id:
        raise ValidationError(
            f"Nothing was undone. Run {run.id} was already undone, by run {Undone.read(run).by}. To have that "
            "load again, undo that run; to continue an undo that failed, clear its task 'post'."
        )
    asked = load.tenant.system.can_be_asked
    for name in (names.PLANNED, names.CHUNKS, *([names.BEFORE] if asked else [])):
        if not (run.names(name) if name in names.OF_CHUNKS else run.has(name)):
            raise ValidationError(
                f"Nothing was undone. {run.url}/{name} is missing: it was deleted, or the run is of an earlier "
                "version. Without it, the load cannot be undone."
            )


def undoing(load: Load) -> Undoing:
    """The patrons that the undone run had sent. Raises ValidationError when that cannot be known any more."""
    undo = look_up(load)
    run = load.run.sibling(undo.run)
    progress = Progress.of(run)
    assert progress.rows is not None  # it has planned.parquet
    asked = load.tenant.system.can_be_asked
    # FOLIO may have changed a user whom it reports as refused, and can be asked.
    rows = progress.rows.filter(pl.col("state") != NOT_SENT) if asked else progress.arrived
    sent = _sent(run, rows, load.tenant.system.key)
    before = _stored(run) if asked else _sent_before(load, run, sent)
    return Undoing(
        sent.drop("before").join(before, on="row", how="left", maintain_order="left"),
        undo.leave,
        frozenset(leavers.of_other_tenants(load, sent["key"].to_list(), leaving=True)),
    )


def _sent(run: Run, rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """The rows of a run, each with the record that was sent; see SENT, without what was there before."""
    chunks, wanted = PlannedChunks(run, key), set(rows["row"])
    started = Plan.read(run).planned or datetime.fromtimestamp(0, UTC)
    found: list[tuple[Any, ...]] = []
    about = {line["row"]: line for line in rows.iter_rows(named=True)}
    for number in sorted(set(rows["chunk"])):
        sent_at = _sent_at(run, number) or started
        for row, one, record in chunks.records(number):
            if row in wanted:
                line = about[row]
                found.append((row, one, line.get("action") == CREATE, line.get("changed"), sent_at, record, None))
    return pl.DataFrame(found, schema=SENT, orient="row")


def _sent_at(run: Run, number: int) -> datetime | None:
    """The target's time when something of a chunk was sent for the first time."""
    marker = SentMarker.find(run, number)
    if marker is None:
        return None
    parts = [*marker.parts, *([marker.in_flight] if marker.in_flight else [])]
    return min((part.sent_at for part in parts), default=None)


def made_inactive(load: Load, sent: pl.DataFrame) -> pl.DataFrame:
    """The patrons sent by an undo whom the load had created, and whom the undo makes inactive."""
    about = Undo.read(load.run)
    undone = load.run.sibling(about.run)
    if not undone.has(names.PLANNED):
        return sent.clear()
    created = tables.read(undone, names.PLANNED).filter(pl.col("action") == CREATE)
    found = sent.join(created.select("row"), on="row", how="semi", maintain_order="left")
    if "changed" in found.columns:
        # As three_way writes it: one path a line, with its condition.
        found = found.filter(pl.col("changed").cast(pl.String).str.contains(r"(?m)(^|:)active$"))
    return found


def _stored(run: Run) -> pl.DataFrame:
    """The patrons as the target had them: row, before."""
    return tables.read(run, names.BEFORE).select("row", before="stored").unique("row", keep="first")


def _sent_before(load: Load, run: Run, sent: pl.DataFrame) -> pl.DataFrame:
    """
    The record that was sent last before the run, from the artifacts of earlier runs: row, before.

    Raises ValidationError when patrons were changed, and the record of none of them is kept.
    """
    wanted = dict(sent.filter(~pl.col("created")).select("key", "row").iter_rows())
    found: dict[str, str] = {}
    for earlier in _earlier(load, run):
        left = wanted.keys() - found.keys()
        if not left:
            break
        found |= _confirmed(earlier, load.tenant.system.key, left)
    if wanted and not found:
        raise ValidationError(
            f"Nothing was undone. {load.tenant.system.name} cannot be asked what it had before, and the rows that "
            "earlier loads sent are no longer kept (keep.patrons in the tenant file)."
        )
    return pl.DataFrame(
        [(wanted[key], text) for key, text in found.items()],
        schema={"row": SENT["row"], "before": SENT["before"]},
        orient="row",
    )


def _earlier(load: Load, run: Run) -> list[Run]:
    """The runs that were planned and sent before this one, the newest first."""
    planned = Plan.read(run).planned
    found = [
        (plan.planned, other)
        for other in load.run.others()
        if other.has(names.PLANNED) and reruns.anything_sent(other) and (plan := Plan.find(other)) and plan.planned
    ]
    return [
        other
        for when, other in sorted(found, key=lambda pair: pair[0], reverse=True)
        if planned is not None and when < planned
    ]


def _confirmed(run: Run, key: str, keys: Iterable[str]) -> dict[str, str]:
    """The records that a run sent, and the target confirmed, of patrons with these keys."""
    rows = Progress.of(run).confirmed.filter(pl.col(key).is_in(list(keys)))
    return dict(_sent(run, rows, key).select("key", "patron").iter_rows())


def sentence(undo: Undo, target: str) -> str:
    """The question about an undo."""
    about = f"of {dates.in_words(date.fromisoformat(undo.day))}"
    file = f", with the file {undo.export}" if undo.export else ""
    if not undo.undoes_load:
        return f"This run undoes an undo ({about}): {target} gets back what the load had written{file}."
    return f"This run undoes a load ({about}{file})."


def mark(load: Load) -> None:
    """
    Note that the load was undone, once something was sent: with the run, and in the library's history.

    The run cannot be resumed then. If it was an undo itself, the load that it had undone counts again.
    """
    if not (reruns.anything_sent(load.run) or posting.is_complete(load.run)):
        return
    by, undo, is_gone = load.run, Undo.find(load.run), True
    while undo:
        run = load.run.sibling(undo.run)
        if is_gone and not is_undone(run):
            Undone(by=by.id, at=datetime.now(UTC).replace(microsecond=0)).write(run)
        elif not is_gone:
            run.remove(names.UNDONE)
        by, undo, is_gone = run, Undo.find(run), not is_gone
    about = Undo.read(load.run)
    History(load.run).mark_undone(about.load, load.run_id if about.undoes_load else None)


def check_not_undone(load: Load) -> None:
    """Raises ValidationError for a load that was undone: the rest of it must not be sent."""
    if is_undone(load.run):
        raise ValidationError(
            f"Nothing was sent. This load was undone by run {Undone.read(load.run).by}. Start a new run instead."
        )
