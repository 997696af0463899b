"""Read and write a library's patron ledger: beside its runs, with the secret in a file of its own."""

from __future__ import annotations

import io

from patronload.artifacts import names
from patronload.artifacts.run import Run
from patronload.systems import System
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


def write(run: Run, ledger: PatronLedger) -> None:
    """Replace the library's ledger. Its secret changes only when a ledger was lost, and is written before it."""
    shared, secret = run.shared, {"secret": ledger.secret.hex()}
    if not shared.has(names.LEDGER_SECRET) or shared.read_json(names.LEDGER_SECRET) != secret:
        shared.write_json(names.LEDGER_SECRET, secret)
    with shared.writing(names.LEDGER) as file:
        ledger.write(file)
    shared.remove(names.OLD_LEDGER)
