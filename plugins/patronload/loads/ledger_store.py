"""Read and write a library's patron ledger: beside its runs, with the secret in a file of its own."""

from __future__ import annotations

import io

import polars as pl

from patronload.artifacts import names, tables
from patronload.artifacts.run import Run
from patronload.systems import System
from patronload.targets.ledger_changes import LedgerChanges
from patronload.targets.patron_ledger import PatronLedger


def read(run: Run, system: System) -> PatronLedger | None:
    """The ledger of the library that a run is of; None before its first load. An earlier version's ledger is read."""
    shared = run.shared
    if shared.has(names.LEDGER) and shared.has(names.LEDGER_SECRET):
        secret = bytes.fromhex(shared.read_json(names.LEDGER_SECRET)["secret"])
        return PatronLedger.read(io.BytesIO(shared.read(names.LEDGER)), secret, folds=system.folds_keys)
    if shared.has(names.OLD_LEDGER):
        return PatronLedger.from_json(shared.read_json(names.OLD_LEDGER), folds=system.folds_keys)
    return None


def changes(run: Run) -> LedgerChanges | None:
    """The changes that a run made in the ledger; None if it made none yet."""
    if not run.has(names.LEDGER_CHANGES):
        return None
    content = io.BytesIO(run.read(names.LEDGER_CHANGES))
    metadata = pl.read_parquet_metadata(content)
    content.seek(0)
    return LedgerChanges.of(pl.read_parquet(content), metadata)


def write_changed(run: Run, before: PatronLedger, ledger: PatronLedger) -> None:
    """
    Replace the library's ledger, and note before what the run changes in it.

    `before` is the ledger as it was read. A process that ends in between does the same again.
    """
    found, earlier = LedgerChanges.between(before, ledger), changes(run)
    found = earlier.followed_by(found) if earlier else found
    tables.write(run, names.LEDGER_CHANGES, found.lines, metadata=found.metadata)
    write(run, ledger)


def write(run: Run, ledger: PatronLedger) -> None:
    """Replace the library's ledger. Its secret changes only when a ledger was lost, and is written before it."""
    shared, secret = run.shared, {"secret": ledger.secret.hex()}
    if not shared.has(names.LEDGER_SECRET) or shared.read_json(names.LEDGER_SECRET) != secret:
        shared.write_json(names.LEDGER_SECRET, secret)
    with shared.writing(names.LEDGER) as file:
        ledger.write(file)
    shared.remove(names.OLD_LEDGER)
