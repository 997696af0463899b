"""
Is this the right file? Ask the gates with what the run and the history have, keep their verdicts, and stop the run.

The verdicts are kept as gates.json, stage by stage. If the tenant file has `approval`, a gate does not stop the run: it
continues as far as the plan, and waits there for the answer. Otherwise a person who knows that a stopped file is right
starts the load again with a reason ('Load anyway'). The report has the answer or the reason, and each gate that it
opened.

A corrected rejects file has only a few rows: only its own gate applies to it, and the next export is not compared with
it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

import polars as pl

from patronload.artifacts import names, questions, tables
from patronload.artifacts.history import History
from patronload.artifacts.models import Delivery, GateFigures, Gates, GatesOfStage, GateState, GateVerdict, Validation
from patronload.checks import effects, gates
from patronload.checks import unread as unread_columns
from patronload.checks.gates import LAST, Loaded, Verdict
from patronload.errors import ValidationError
from patronload.exports.reading import Export, Facts
from patronload.loads import approval, group_counts
from patronload.loads.load import Load

ORDER = ("validate", "transform", "plan", "post")
"""The stages that have gates; what one of them finds is about what those before it left."""

WAY_OUT = (
    "If the file is right after all, start the load again with a reason in 'Load anyway'. The reason appears in "
    "the report."
)

ONLY_WARN_IN_A_DRY_RUN = ("same_file", "older_file")
"""A dry run sends nothing, so an old file does no harm, and it is with a known one that a mapping is tried."""


ABOUT_PEOPLE = (questions.LEAVERS, questions.ADOPT)
"""Gates that say nothing about the file."""

NEVER_ASKED = ("trailer",)
"""The file itself says that it is incomplete, and a person cannot know better."""


class Arrival(NamedTuple):
    """The file that was fetched; `modified` in the library's zone, `file_day` as in gates.Loaded."""

    name: str
    size: int
    sha256: str
    modified: datetime
    file_day: date


def already_loaded(load: Load) -> str | None:
    """
    Why there is nothing to do: another run has loaded these bytes already. None if the load has to go on.

    What the run has to say then is left behind for its report.
    """
    if not load.run.has(names.DELIVERY):
        return None
    verdict = _same_file(load, _arrival(load))
    skips = load.tenant.limits.same_file == "skip" and not (load.load_anyway or load.dry_run or load.adopt)
    if verdict.passed or not skips:
        return None
    sentence = f"{verdict.sentence} There is nothing to do."
    Gates(already_loaded=sentence, load_anyway=None, stages={}).write(load.run)
    return sentence


def check_file(load: Load, export: Export, more: Iterable[Verdict]) -> None:
    """
    After the checks of validate: is it new, is it complete, has it the columns and about the rows of the last loads?

    `more` are further verdicts that apply. Raises ValidationError.
    """
    if export.mended:
        verdicts = [gates.corrected_rejects(is_compared=export.compared)]
        _hold(load, "validate", verdicts, GateFigures(mended=True))
        return
    history, limits, arrival = History(load.run), load.tenant.limits, _arrival(load)
    last = history.last(LAST)
    verdicts = [
        _same_file(load, arrival),
        _newest(load, arrival, history),
        *gates.complete(limits, arrival.size, export.rows, export.trailer),
        gates.columns(limits, export.columns, last[-1] if last else None),
        *gates.rows(limits, export.rows, last),
        *_first_load(load, export.rows, last),
        *more,
    ]
    _hold(load, "validate", verdicts, GateFigures(mended=False, newest=_newest_of(history)))


def unread(load: Load, export: Export) -> dict[str, int]:
    """The filled columns that neither a rule nor a check reads, if the last load did not have them already."""
    last = History(load.run).last(1)
    reported = last[-1].columns if last else ()
    found = {} if export.mended else unread_columns.count_filled(export.frame, load.mapping(export.columns))
    return {column: count for column, count in found.items() if column not in reported}


def _first_load(load: Load, rows: int, last: list[Loaded]) -> list[Verdict]:
    """Asked about where the tenant wants it; a dry run sends nothing."""
    if not load.tenant.approval or not load.tenant.approval.first_load or load.dry_run:
        return []
    return [gates.first_load(rows, last[-1] if last else None)]


def check_patrons(load: Load, export: Facts, patrons: pl.DataFrame, rejected: int, more: Iterable[Verdict]) -> None:
    """
    After transform: are these the library's patrons, in about the groups and with about the rejects of the last loads?

    `patrons` has key and group. Raises ValidationError.
    """
    groups = group_counts.count(patrons["group"], load.mapping(export.columns))
    if export.mended:
        _hold(load, "transform", [], GateFigures(groups=groups))
        return
    history, limits = History(load.run), load.tenant.limits
    last = history.last(LAST)
    verdicts = [
        *_known_ids(load, patrons["key"], history, last),
        *gates.groups(limits, groups, last),
        *gates.rejects(limits, rejected, export.rows, last),
        *more,
    ]
    _hold(load, "transform", verdicts, GateFigures(groups=groups))


def check_rejects(load: Load, export: Facts, rejected: int, more: Iterable[Verdict]) -> None:
    """
    After plan: with those that it set aside, are about as many rows rejected as in the last loads?

    Counts the groups again without them, because a person reads these counts beside those of the plan.
    """
    last = [] if export.mended else History(load.run).last(LAST)
    verdicts = [] if export.mended else [*gates.rejects(load.tenant.limits, rejected, export.rows, last), *more]
    planned = _groups_without(load, group_counts.set_aside(load.run))
    skipped = tables.read_skipped(load.run).height
    _hold(load, "plan", verdicts, GateFigures(rejected=rejected, planned=planned, skipped=skipped))


def _groups_without(load: Load, rows: Iterable[int]) -> dict[str, int]:
    """The patrons of each group, without these rows."""
    made = questions.figures(load.run).groups
    return group_counts.without(load.run, load.tenant.system.group, made, rows)


def ask_undo(load: Load, sentence: str, rejected: int) -> None:
    """After the plan of an undo: a person is always asked about it. A dry run sends nothing, and asks no one."""
    _hold(load, "plan", [Verdict("undo", load.dry_run, sentence, "ask")], GateFigures(rejected=rejected))


def check_age(load: Load) -> None:
    """
    Before the first patron is sent: no newer file was loaded since this run began. Raises ValidationError.

    A person who approved an older file knew which one is newer, and of no other.
    """
    history, figures = History(load.run), questions.figures(load.run)
    if not load.run.has(names.DELIVERY) or figures.mended:
        return
    older = any(verdict.gate == "older_file" for verdict in questions.verdicts_to_answer(load.run))
    if older and approval.is_approved(load.run) and figures.newest == _newest_of(history):
        return
    _hold(load, "post", [_newest(load, _arrival(load), history)], GateFigures())


def is_first(load: Load) -> bool:
    """Whether no load of this library went through before."""
    return not History(load.run).last(1)


def record(load: Load, rejected: int, patrons: pl.DataFrame, refused: Iterable[int] = ()) -> None:
    """
    Add a successful load to the history; `rejected` counts all rows that did not become patrons.

    `patrons` has the target's key field; `refused` are the rows that the target refused. The same load may be recorded
    again.
    """
    figures = questions.figures(load.run)
    if figures.mended:
        return
    history, arrival, validation = History(load.run), _arrival(load), Validation.read(load.run)
    before = history.entry(arrival.sha256)
    loaded = Loaded(
        run=load.run_id,
        day=load.day,
        file=arrival.name,
        file_day=arrival.file_day,
        modified=arrival.modified,
        sha256=arrival.sha256,
        columns=validation.columns,
        rows=validation.rows,
        rejected=rejected,
        groups=figures.groups,
        loaded=_groups_without(load, [*group_counts.set_aside(load.run), *refused]),
        # The usual file that someone names to load it again is the usual one still.
        by_hand=_by_hand(load) and (before is None or before.by_hand),
        earlier=tuple(run for run in (*before.earlier, before.run) if run != load.run_id) if before else (),
    )
    compared = gates.fewest_known(load.tenant.limits, load.tenant.source.contains) is not None and not loaded.by_hand
    marks = gates.marks(gates.folded_ids(patrons[load.tenant.system.key]), loaded.sha256) if compared else None
    history.add(loaded, marks, LAST)


def is_complete(load: Load) -> bool:
    """
    Whether the file is one by which people can be missing: a complete one, in its turn, that no gate objected to.

    Not so: a file of updates, corrected rejects, a file that a person named, and a file that a gate stopped or would
    have stopped, even if someone let it through. What is said about the effect of the load says nothing about the file.
    """
    kept = Gates.find(load.run) or Gates()
    if load.tenant.source.contains != "everyone" or load.source_path or load.undo or kept.figures.mended:
        return False
    about_file = [verdict for verdict in kept.verdicts if verdict.gate not in (*effects.WORDS, *ABOUT_PEOPLE)]
    return all(verdict.state in ("passed", "warned") for verdict in about_file)


def _arrival(load: Load) -> Arrival:
    """The delivery as one file; if it has several, it is as new as the newest of them."""
    delivery = Delivery.read(load.run)
    hashes = [file.sha256 for file in delivery.files]
    modified = max(file.modified for file in delivery.files).astimezone(load.tenant.zone)
    dated = load.tenant.source.is_dated and not _by_hand(load)
    return Arrival(
        delivery.name,
        sum(file.size for file in delivery.files),
        hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest(),
        modified,
        load.day if dated else modified.date(),
    )


def _by_hand(load: Load) -> bool:
    source = load.tenant.source
    return bool(load.source_path) and source.path_instead(load.source_path or "", load.day) != source.path_on(load.day)


def _same_file(load: Load, arrival: Arrival) -> Verdict:
    found = History(load.run).find(arrival.sha256)
    # A run that is cleared does not stand in its own way.
    verdict = gates.loaded_before(None if found and found.run == load.run_id else found)
    # Users can be taken over although nothing in the file has changed.
    return verdict._replace(effect="warn") if load.adopt else verdict


def _newest_of(history: History) -> str | None:
    newest = history.newest()
    return newest.sha256 if newest else None


def _newest(load: Load, arrival: Arrival, history: History) -> Verdict:
    verdict = gates.newest(arrival.file_day, arrival.modified, history.newest())
    # For a backfill too: filling a gap is not meant to bring back what newer files have changed.
    return verdict._replace(effect=load.tenant.limits.older_file)


def _known_ids(load: Load, ids: pl.Series, history: History, last: list[Loaded]) -> list[Verdict]:
    least = gates.fewest_known(load.tenant.limits, load.tenant.source.contains)
    if least is None:
        return []
    # An export of updates has other patrons every day.
    compared = last[-1:] if load.tenant.source.contains == "everyone" else last
    kept = [(loaded, marks) for loaded in compared if (marks := history.marks(loaded)) is not None]
    own = gates.folded_ids(ids)
    if compared and not kept:
        return [Verdict("known_ids", True, "The last load kept no ids to compare with.")]
    known = pl.Series([False]).new_from_index(0, own.len())
    for loaded, marks in kept:
        known = known | gates.marks(own, loaded.sha256).is_in(marks.implode())
    return gates.known_ids(least, int(known.sum()), own.len(), [loaded for loaded, _ in kept])


def _hold(load: Load, stage: str, verdicts: Iterable[Verdict], figures: GateFigures) -> None:
    """Keep the verdicts, and stop the run for those that failed, unless a person gave a reason, or is asked."""
    found = tuple(
        GateVerdict(gate=verdict.gate, state=_state(load, stage, verdict), sentence=verdict.sentence)
        for verdict in verdicts
    )
    kept = Gates.find(load.run) or Gates()
    stages = {name: kept.stages[name] for name in ORDER[: ORDER.index(stage)] if name in kept.stages}
    stages[stage] = GatesOfStage(figures=figures, verdicts=found)
    Gates(already_loaded=None, load_anyway=load.load_anyway, stages=stages).write(load.run)
    failed = [verdict.sentence for verdict in found if verdict.state == "failed"]
    if failed:
        raise ValidationError(f"Nothing was sent. {' '.join(failed)} {WAY_OUT}")


def _state(load: Load, stage: str, verdict: Verdict) -> GateState:
    # Once patrons are about to be sent, it is too late to ask.
    rules = load.tenant.approval
    asks = rules is not None and stage != ORDER[-1] and verdict.gate not in NEVER_ASKED
    if verdict.passed:
        return "passed"
    if verdict.effect == "ask":
        return "asked"
    if verdict.effect == "warn" or (load.dry_run and (asks or verdict.gate in ONLY_WARN_IN_A_DRY_RUN)):
        return "warned"
    if load.load_anyway and (rules is None or rules.load_anyway):
        return "overridden"
    return "asked" if asks else "failed"
