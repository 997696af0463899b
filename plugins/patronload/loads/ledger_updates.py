"""The patron ledger of a library: read it before a plan, and update it with what a run has sent."""

from __future__ import annotations

import json

from patronload.artifacts import names, tables
from patronload.artifacts.models import Remembered
from patronload.artifacts.progress import Progress
from patronload.config.mapping import Mapping
from patronload.loads import delivery, reruns
from patronload.loads.load import Load
from patronload.mapping import last_changed
from patronload.targets.patron_ledger import Ledger


def read(load: Load, mapping: Mapping) -> Ledger | None:
    """The patron ledger of this library; None when it has none yet, or does not need one."""
    shared = load.run.shared
    if not (load.tenant.system.remembered or last_changed.paths(mapping)) or not shared.has(names.LEDGER):
        return None
    return Ledger.from_json(shared.read_json(names.LEDGER))


def update(load: Load) -> None:
    """
    Add the patrons that this run has sent, except those that were refused; and for those that were confirmed, what the
    file said of contested fields.

    It is done once for each new state of the run: clearing a run of long ago changes nothing.
    """
    if not load.run.has(names.PLANNED) or not reruns.anything_sent(load.run):
        return
    system, mapping = load.tenant.system, load.mapping(delivery.facts(load).columns)
    fields = last_changed.paths(mapping)
    if not (system.remembered or fields):
        return
    progress = Progress.of(load.run)
    sent, loaded = progress.arrived, progress.confirmed
    known = Remembered(rows=sent["row"].to_list(), **({"loaded": loaded["row"].to_list()} if fields else {}))
    if Remembered.find(load.run) == known:
        return
    before = read(load, mapping)
    ledger = Ledger.empty() if before is None else before  # an empty ledger is false
    if system.remembered:
        ledger.take(sent.select(system.key, *system.remembered).iter_rows(named=True), system.key)
    if fields:
        patrons = tables.read(load.run, names.PATRONS).join(loaded.select("row", "unsaid"), on="row")
        for key, text, unsaid in patrons.select(system.key, "patron", "unsaid").iter_rows():
            said = last_changed.values(json.loads(text), fields, mapping)
            ledger.hear(key, {name: value for name, value in said.items() if name not in unsaid})
    load.run.shared.write_json(names.LEDGER, ledger.to_json())
    known.write(load.run)
