"""Update a library's patron ledger with what a run has sent, and with whom a complete file lacks."""

from __future__ import annotations

import json

import polars as pl

from patronload.artifacts import names, tables
from patronload.artifacts.models import Remembered
from patronload.artifacts.progress import Progress
from patronload.artifacts.undo import Undo
from patronload.config.mapping import Mapping
from patronload.loads import adoption, delivery, gatekeeper, leavers, ledger_store, reruns, undoing
from patronload.loads.load import Load
from patronload.loads.posting import post as posting
from patronload.mapping import last_changed
from patronload.targets.delivery import WAITING
from patronload.targets.patron_ledger import LEFT, PatronLedger
from patronload.targets.spool import in_parts


def update(load: Load) -> None:
    """
    Add the patrons that this run has sent, except those that were refused; confirm those that the library system is
    known to have as the file says; and once all is sent, count those whom a complete file lacks.

    It is done once for each new state of the run: clearing a run of long ago changes nothing.
    """
    if load.undo:
        _undo(load)
        return
    progress = _progress(load)
    if progress is None:
        return
    complete = posting.is_complete(load.run)
    state = Remembered(
        rows=progress.arrived["row"].to_list(),
        loaded=progress.confirmed["row"].to_list(),
        complete=complete,
        counted=complete and gatekeeper.is_complete(load) and not _lost_too_many(load, progress),
    )
    before = Remembered.find(load.run)
    if before in (state, state.model_copy(update={"counted": None})):
        return
    system = load.tenant.system
    ledger = ledger_store.read(load.run, system) or PatronLedger.empty(folds=system.folds_keys)
    known = ledger.copy()
    add(load, ledger, progress, state)
    ledger_store.write_changed(load.run, known, ledger)
    state.write(load.run)


def _progress(load: Load) -> Progress | None:
    """How far the run got; None when there is nothing to remember."""
    if not load.run.has(names.PLANNED):
        return None
    progress = Progress.of(load.run)
    is_empty = progress.arrived.is_empty() and tables.read_unchanged(load.run).is_empty()
    return None if is_empty and not load.run.has(names.ADOPTED) else progress


def remembered_again(load: Load, ledger: PatronLedger) -> bool:
    """Add a run of the archive to a ledger that is built again; whether there was anything to add."""
    if load.run.has(names.UNDONE):
        return False
    progress, state = _progress(load), Remembered.find(load.run)
    if progress is None or state is None:
        return False
    if load.run.has(names.UNDO):
        add_undo(load, ledger, progress.arrived)
        return True
    if state.counted is None:
        state = state.model_copy(update={"counted": state.complete and gatekeeper.is_complete(load)})
    add(load, ledger, progress, state)
    return True


def add(load: Load, ledger: PatronLedger, progress: Progress, state: Remembered) -> None:
    """Add what a run has sent to a ledger."""
    system, mapping = load.tenant.system, load.mapping(delivery.facts(load).columns)
    sent, confirmed = progress.arrived, progress.confirmed
    of_file = pl.col("action") != "leave" if "action" in sent.columns else pl.lit(True)
    ledger.take(sent.filter(of_file), system.key, system.remembered)
    _confirm(load, mapping, ledger, confirmed.filter(of_file))
    if state.complete:
        adoption.take_over(load, ledger)
    if state.counted and not ledger.has_counted_later(load.day) and ledger.last_counted != load.day:
        ledger.count_missing(ledger.hashes(leavers.keys_in_file(load, mapping)), load.day)
    if state.complete:
        _settle_leavers(load, ledger, confirmed)


def _undo(load: Load) -> None:
    """Undo what the load wrote into the ledger, and note whom the undo has made inactive; once for each state."""
    if not (reruns.anything_sent(load.run) or posting.is_complete(load.run)):
        return
    sent = Progress.of(load.run).arrived
    before, state = Remembered.find(load.run), Remembered(rows=sent["row"].to_list(), loaded=[], complete=True)
    if before == state:
        return
    undone, system = load.run.sibling(Undo.read(load.run).run), load.tenant.system
    known = ledger_store.read(load.run, system) or PatronLedger.empty(folds=system.folds_keys)
    # The worker may have died after it wrote the ledger, and before it noted that.
    is_first = not before and known.last_undo != load.run_id
    changes = ledger_store.changes(undone) if is_first else None
    ledger = changes.undo(known) if changes else known.copy()
    ledger.last_undo = load.run_id
    add_undo(load, ledger, sent)
    ledger_store.write_changed(load.run, known, ledger)
    state.write(load.run)


def add_undo(load: Load, ledger: PatronLedger, sent: pl.DataFrame) -> None:
    """
    Note what an undo has sent: the library system may no longer have what the ledger says, and the users whom the load
    had created were made inactive. They become active again when a file has them, like others who left.
    """
    system = load.tenant.system
    ledger.forget_contents(ledger.hashes(sent[system.key]))
    created = undoing.made_inactive(load, sent)
    ledger.take(created, system.key, system.remembered)
    ledger.settle(ledger.hashes(created[system.key]), LEFT, load.day)


def _confirm(load: Load, mapping: Mapping, ledger: PatronLedger, confirmed: pl.DataFrame) -> None:
    """Confirm the patrons who were loaded and those who were unchanged."""
    key = load.tenant.system.key
    content = [pl.Series(ledger.contents(confirmed["content"]))] if "content" in confirmed.columns else []
    ledger.confirm(confirmed.select(pl.col(key).alias("key"), *content), "key", load.day)
    unchanged = tables.read_unchanged(load.run)
    ledger.confirm(unchanged, "key", load.day)
    if fields := last_changed.paths(mapping):
        left_out = confirmed.select("row", "unsaid") if "unsaid" in confirmed.columns else confirmed.select("row")
        rows = pl.concat([left_out, unchanged.select("row")], how="diagonal")
        said = _contested_values(load, mapping, ledger, rows, fields)
        ledger.confirm(said, "key", load.day)


def _contested_values(
    load: Load, mapping: Mapping, ledger: PatronLedger, rows: pl.DataFrame, fields: list[str]
) -> pl.DataFrame:
    """The values of contested fields in these rows, except those that FOLIO did not get; see `PatronLedger.pack`."""
    key = load.tenant.system.key
    if "unsaid" not in rows.columns:
        rows = rows.with_columns(unsaid=pl.lit(None, pl.List(pl.String)))
    found = [pl.DataFrame(schema={"key": pl.String, "said": pl.String})]
    with tables.scanning(load.run, names.PATRONS) as patrons:
        for part in in_parts(patrons, "row", key, "patron"):
            here, told = part.join(rows, on="row", maintain_order="left"), []
            for text, unsaid in here.select("patron", "unsaid").iter_rows():
                said = last_changed.values(json.loads(text), fields, mapping)
                told.append(ledger.pack({name: value for name, value in said.items() if name not in (unsaid or ())}))
            found.append(here.select(key=key).with_columns(said=pl.Series(told, dtype=pl.String)))
    return pl.concat(found)


def _lost_too_many(load: Load, progress: Progress) -> bool:
    """Whether more rows than the limits allow did not become patrons, with those that the library system refused."""
    of_file, _ = progress.split_leavers()
    refused = sum(len(result.failed) for result in of_file.results)
    rejected = tables.rejects(load.run)["row"].n_unique()
    return refused > 0 and rejected + refused > load.tenant.limits.rejects_allowed(delivery.facts(load).rows)


def _settle_leavers(load: Load, ledger: PatronLedger, confirmed: pl.DataFrame) -> None:
    """Note what became of those whose turn it was; planned only for a complete file that no gate objected to."""
    if ledger.has_counted_later(load.day) or not load.run.has(names.LEAVERS):
        return
    departures = tables.read(load.run, names.LEAVERS)
    # Half a file says nothing about anyone's state.
    if (departures["state"] == WAITING).any():
        return
    arrived = pl.col("row").is_in(confirmed["row"].implode())
    for state, keys in departures.filter((pl.col("state") != LEFT) | arrived).group_by("state").agg("key").iter_rows():
        ledger.settle(ledger.hashes(keys), state, load.day)
