"""
Tell what became of every row of an export: created, updated, refused or held back; why; and what to do next.

A report holds no personal data: numbers, row numbers, and reasons that were written without values. So it may go into
mails, logs and Airflow's database.
"""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any, Literal, NamedTuple

import polars as pl
from pydantic import BaseModel, ConfigDict

from patronload import dates
from patronload.artifacts.tables import REJECTS
from patronload.config.tenants import Tenant
from patronload.rows import no_skipped

Outcome = Literal[
    "loaded", "loaded_with_rejects", "already_loaded", "stopped", "failed", "no_file", "declined", "dry_run"
]

ENDS: dict[str, Outcome] = {"ValidationError": "stopped", "MissingError": "no_file", "Declined": "declined"}
"""What a run is said to have come to when it was ended by this kind of error; any other kind is a failure."""

UNCONFIRMED = "sent, but no answer tells whether the patron was loaded"

_FEW = 10
"""So many row numbers are enough to find a kind of mistake in a spreadsheet; all of them are in rejects.csv."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Archive(_Part):
    """The earlier run whose export was taken, because the library no longer had that day's; when it had fetched it."""

    run: str
    fetched: datetime


class Export(_Part):
    """The file that arrived. `size` is in bytes; `modified` is the sender's time, `fetched` ours, both with a zone."""

    name: str
    path: str
    size: int
    modified: datetime
    fetched: datetime
    sha256: str
    archive: Archive | None = None


class Failure(_Part):
    """What ended the run: the step, the name of a class in errors.py, and its sentence."""

    step: str
    kind: str
    message: str


class Reason(_Part):
    """Why rows were not loaded: in words, for how many rows, found in which step, and the first few row numbers."""

    reason: str
    count: int
    stage: str
    rows: tuple[int, ...]


class Check(_Part):
    """
    What one expectation found. Scope `file`: a failure stops the run; `rows`: it rejects the row; `blank`: it empties
    the cell; `warn`: it is told.
    """

    expectation: str = ""
    sentence: str
    scope: str = "rows"
    passed: bool
    failed: int | None = None
    columns: tuple[str, ...] = ()


class Noted(_Part):
    """
    Something in rows that did not cost the patrons: the cell counts as empty (`blank`), or it is only told (`warn`). In
    words, for how many rows, and the first few row numbers.
    """

    effect: Literal["blank", "warn"]
    column: str
    reason: str
    count: int
    rows: tuple[int, ...]


class Skip(_Part):
    """Rows that were not loaded because of a rule in the mapping's `skip`: its reason, and the number of rows."""

    reason: str
    count: int


class Gate(_Part):
    """
    What was asked of the file before it was taken for the right one, and what was found: passed, failed (the run
    stopped), overridden (it went on because a person gave a reason), warned (it went on, and tells), asked (a person
    was to answer), approved or declined (a person did).
    """

    gate: str
    state: Literal["passed", "failed", "overridden", "warned", "asked", "approved", "declined"]
    sentence: str


class Approval(_Part):
    """
    That a person was asked, and what came of it; `by` is who answered, and nobody when there was no answer in time.

    `told` is when the question was mailed, None if it could not be. The times have a zone.
    """

    asked: datetime
    until: datetime
    told: datetime | None
    answer: Literal["approved", "declined", "no_answer"] | None
    by: str | None = None
    answered: datetime | None = None
    reason: str | None = None


class Report(_Part):
    """
    One run, counted. Always: rows = created + updated + failed + rejected + skipped + not_sent + unconfirmed.

    `failed` patrons were refused by the target. `rejected` rows were never sent because of their content, and `skipped`
    rows because of a rule of the mapping. `not_sent` rows were not sent because the run ended first or was a dry run.
    `unconfirmed` rows were sent, but it is not known whether they were loaded.
    """

    tenant: str
    library: str
    target: str
    run: str
    day: date
    timezone: str
    outcome: Outcome
    dry_run: bool
    rows: int
    created: int
    updated: int
    failed: int
    rejected: int
    not_sent: int
    unconfirmed: int
    reasons: tuple[Reason, ...]
    failure: Failure | None
    export: Export | None
    artifacts: str
    checks: tuple[Check, ...]
    warnings: tuple[str, ...]
    skipped: int = 0
    skips: tuple[Skip, ...] = ()
    noted: tuple[Noted, ...] = ()
    gates: tuple[Gate, ...] = ()
    load_anyway: str | None = None
    approval: Approval | None = None
    nothing_to_do: str | None = None
    who: str = ""
    """Who can act on the failure, as the tenant file names them."""
    can_be_asked: bool = True
    """Whether the target tells what it has. If not, what got lost is sent once more."""

    @property
    def is_right_file(self) -> bool:
        """Whether no gate has stopped the run."""
        return all(gate.state != "failed" for gate in self.gates)

    @property
    def loaded(self) -> int:
        """How many patrons are in the target as the export has them."""
        return self.created + self.updated

    @property
    def sent(self) -> int:
        """How many patrons left the house, whatever came of it."""
        return self.loaded + self.failed + self.unconfirmed

    @property
    def to_mend(self) -> int:
        """How many rows stand in rejects.csv."""
        return self.rejected + self.failed

    def to_json(self) -> dict[str, Any]:
        """What report.json holds."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, content: Any) -> "Report":
        """The report that `to_json` told."""
        return cls.model_validate(content)


def build(  # noqa: PLR0913 - one parameter for each thing that a run may have left behind
    *,
    tenant: Tenant,
    run: str,
    day: date,
    artifacts: str,
    delivery: dict[str, Any] | None,
    validation: dict[str, Any] | None,
    rejects: pl.DataFrame,
    patrons: pl.DataFrame | None,
    sent: Collection[int],
    results: Collection[dict[str, Any]],
    failure: dict[str, Any] | None,
    dry_run: bool,
    plan: dict[str, Any] | None = None,
    gates: dict[str, Any] | None = None,
    approval: dict[str, Any] | None = None,
    noted: pl.DataFrame | None = None,
    skipped: pl.DataFrame | None = None,
) -> Report:
    """
    The report of a run, from whatever it left behind; what is not there is None or empty.

    `delivery`, `validation`, `plan`, `gates`, `approval`, `failure` and `results` are the contents of export.json,
    validation.json, plan.json, gates.json, approval.json, failure.json and results/*.json. `rejects` has the columns
    row, stage, column, value, reason, summary (see tables.REJECTS), without the patrons that the target refused;
    `patrons` has row and chunk. `sent` are the chunks that were given to the target. `noted` and `skipped`
    are as rows.NOTED and rows.SKIPPED say.
    """
    left = _Left(
        rows=None if validation is None else int(validation["rows"]),
        rejects=rejects,
        patrons=patrons,
        sent=sent,
        results=list({result["chunk"]: result for result in results}.values()),
        skipped=no_skipped() if skipped is None else skipped,
    )
    fates = _fates(left)
    counts = _count(left, fates)
    answer = Approval.model_validate(approval) if approval else None
    judged = _gates(gates, answer)
    done_before = (gates or {}).get("already_loaded")
    ended_early = failure is None and not done_before and (patrons is None or (counts.not_sent > 0 and not dry_run))
    return Report(
        tenant=tenant.tenant,
        library=tenant.library,
        target=tenant.system.name,
        run=run,
        day=day,
        timezone=tenant.timezone,
        outcome="already_loaded"
        if done_before and not failure
        else _outcome(failure, counts, ended_early=ended_early, dry_run=dry_run),
        dry_run=dry_run,
        **counts.numbers(),
        reasons=_reasons(left, fates),
        failure=Failure.model_validate(failure) if failure else None,
        export=Export.model_validate(delivery) if delivery else None,
        artifacts=artifacts,
        checks=tuple(Check.model_validate(check) for check in (validation or {}).get("checks", ())),
        warnings=(
            *_of_checks(validation),
            *_of_answer(judged, answer, tenant),
            *_of_gates(judged, (gates or {}).get("load_anyway"), dry_run=dry_run),
            *(plan or {}).get("warnings", ()),
            *_notes(left),
            *counts.warnings,
            *([_ENDED_EARLY] if ended_early else []),
        ),
        noted=_noted(noted),
        skips=_skips(left.skipped),
        gates=judged,
        load_anyway=(gates or {}).get("load_anyway"),
        approval=answer,
        nothing_to_do=done_before,
        who=_who(tenant, failure, ended_early=ended_early),
        can_be_asked=tenant.system.can_be_asked,
    )


def _skips(skipped: pl.DataFrame) -> tuple[Skip, ...]:
    """The reasons to skip rows, the most frequent first."""
    counted = skipped.group_by("reason").len("count").sort("count", "reason", descending=[True, False])
    return tuple(Skip(reason=reason, count=count) for reason, count in counted.iter_rows())


def _noted(noted: pl.DataFrame | None) -> tuple[Noted, ...]:
    """What was noted, the most frequent first."""
    if noted is None:
        return ()
    by_reason = (
        noted.sort("row", maintain_order=True)
        .group_by("effect", "column", "summary", maintain_order=True)
        .agg(
            pl.col("row").n_unique().alias("count"), pl.col("row").unique(maintain_order=True).head(_FEW).alias("rows")
        )
        .sort("count", descending=True, maintain_order=True)
    )
    return tuple(
        Noted(
            effect=line["effect"],
            column=line["column"],
            reason=line["summary"],
            count=line["count"],
            rows=tuple(line["rows"]),
        )
        for line in by_reason.iter_rows(named=True)
    )


def _of_checks(validation: dict[str, Any] | None) -> list[str]:
    """The checks of the file as a whole that only warn, and failed. What is about single rows is told as Noted."""
    checks = [Check.model_validate(check) for check in (validation or {}).get("checks", ())]
    return [
        f"A check that only warns: {check.sentence}"
        for check in checks
        if check.scope == "warn" and not check.passed and not check.failed
    ]


def _gates(gates: dict[str, Any] | None, answer: Approval | None) -> tuple[Gate, ...]:
    """What each gate says, what stopped the run first; of one that a later step asked again, what it said last."""
    steps = (gates or {}).get("steps", {}).values()
    verdicts = [_answered(Gate.model_validate(verdict), answer) for step in steps for verdict in step["verdicts"]]
    last = {(gate.gate, gate.gate == "limits" and gate.sentence): gate for gate in verdicts}
    return tuple(sorted(last.values(), key=lambda gate: GATE_STATES.index(gate.state)))


GATE_STATES = ("failed", "declined", "asked", "approved", "overridden", "warned", "passed")


def _answered(gate: Gate, answer: Approval | None) -> Gate:
    """A gate that asked a person, with the answer."""
    if gate.state != "asked" or answer is None or answer.answer is None:
        return gate
    return gate.model_copy(update={"state": "approved" if answer.answer == "approved" else "declined"})


def _of_answer(gates: Iterable[Gate], answer: Approval | None, tenant: Tenant) -> list[str]:
    """Who let an unusual load through, when and why."""
    if answer is None or answer.answer != "approved" or answer.answered is None:
        return []
    approved = " ".join(gate.sentence for gate in gates if gate.state == "approved")
    said = f"Approved by {answer.by} on {dates.moment(answer.answered, tenant.zone)}"
    return [f"{said}; the reason given: '{answer.reason}'. {approved}"]


def _of_gates(gates: Iterable[Gate], reason: str | None, *, dry_run: bool) -> list[str]:
    """What whoever gets the mail should know of a file that went through all the same."""
    overridden = [gate.sentence for gate in gates if gate.state == "overridden"]
    before = "In a real load this would have to be looked at: " if dry_run else ""
    warned = [f"{before}{gate.sentence}" for gate in gates if gate.state == "warned"]
    if not overridden:
        return warned
    return [f"Loaded anyway; the reason given: '{reason}'. {' '.join(overridden)}", *warned]


_ENDED_EARLY = (
    "The run ended before it was through and left no reason behind; a process that is killed leaves none. "
    "The log of the task that failed, in Airflow, may tell more."
)


def _notes(left: "_Left") -> list[str]:
    """What the results have to say beside their figures, each sentence once."""
    return list(dict.fromkeys(note for result in left.results for note in result.get("notes", ())))


def with_failed(rejects: pl.DataFrame, results: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """The rejects, and after them the patrons that the target refused (stage `post`), as rejects.csv shows them."""
    refused = [
        {"row": user["row"], "stage": "post", "reason": user["message"], "summary": user["summary"]}
        for result in results
        for user in result["failed"]
    ]
    return pl.concat([rejects.select(*REJECTS).cast(pl.Schema(REJECTS)), pl.DataFrame(refused, schema=REJECTS)])


class _Left(NamedTuple):
    """What a run left behind, as far as it is counted."""

    rows: int | None
    rejects: pl.DataFrame
    patrons: pl.DataFrame | None
    sent: Collection[int]
    results: list[dict[str, Any]]
    skipped: pl.DataFrame


class _Counts(NamedTuple):
    rows: int
    created: int
    updated: int
    failed: int
    rejected: int
    skipped: int
    not_sent: int
    unconfirmed: int
    warnings: list[str]

    def numbers(self) -> dict[str, Any]:
        return {name: number for name, number in self._asdict().items() if name != "warnings"}


def _count(left: _Left, fates: pl.DataFrame) -> _Counts:
    """
    Every row once. The law holds whatever the parts say of each other: what they cannot agree on is unconfirmed when it
    was sent and not_sent when it was not, and a warning tells.
    """
    tally = dict(fates.group_by("fate").len().iter_rows())
    confirmed = _confirmed(fates, left.results)
    unplaced = max((left.rows or 0) - fates.height, 0)
    return _Counts(
        rows=fates.height + unplaced,
        created=confirmed.created,
        updated=confirmed.updated,
        failed=tally.get("failed", 0),
        rejected=tally.get("rejected", 0),
        skipped=tally.get("skipped", 0),
        not_sent=tally.get("not_sent", 0) + unplaced,
        unconfirmed=tally.get("unconfirmed", 0) + confirmed.lacking,
        warnings=_disagreements(left, fates) + confirmed.warnings,
    )


def _fates(left: _Left) -> pl.DataFrame:
    """Each known row once: row, chunk, and its fate (rejected, skipped, answered, failed, unconfirmed or not_sent)."""
    answered = _numbers(result["chunk"] for result in left.results)
    fate = (
        pl.when(pl.col("chunk").is_in(answered.implode()))
        .then(pl.coalesce("told", pl.lit("answered")))
        .when(pl.col("chunk").is_in(_numbers(left.sent).implode()))
        .then(pl.lit("unconfirmed"))
        .otherwise(pl.lit("not_sent"))
        .alias("fate")
    )
    told = _told(left.results)
    mapped = _mapped(left.patrons).join(told, on=["chunk", "row"], how="left").select("row", "chunk", fate)
    rejected = _rows(left.rejects).join(mapped, on="row", how="anti")
    skipped = _rows(left.skipped).join(mapped, on="row", how="anti").join(rejected, on="row", how="anti")
    rest = {"rejected": rejected, "skipped": skipped}.items()
    return pl.concat(
        [mapped, *(rows.with_columns(chunk=pl.lit(None, pl.UInt32), fate=pl.lit(name)) for name, rows in rest)]
    )


def _rows(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(pl.col("row").cast(pl.UInt32)).unique()


def _mapped(patrons: pl.DataFrame | None) -> pl.DataFrame:
    if patrons is None:
        return pl.DataFrame(schema={"row": pl.UInt32, "chunk": pl.UInt32})
    return patrons.select(pl.col("row", "chunk").cast(pl.UInt32)).unique("row", keep="first", maintain_order=True)


def _told(results: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """The rows that the answers name, once each: chunk, row, told (failed or unconfirmed; failed comes first)."""
    named = [
        *((result["chunk"], user["row"], "failed") for result in results for user in result["failed"]),
        *((result["chunk"], row, "unconfirmed") for result in results for row in result["unconfirmed"]),
    ]
    schema = {"chunk": pl.UInt32, "row": pl.UInt32, "told": pl.String}
    return pl.DataFrame(named, schema=schema, orient="row").unique(["chunk", "row"], keep="first", maintain_order=True)


def _numbers(chunks: Iterable[int]) -> pl.Series:
    return pl.Series(sorted(set(chunks)), dtype=pl.UInt32)


class _Confirmed(NamedTuple):
    created: int
    updated: int
    lacking: int
    warnings: list[str]


def _confirmed(fates: pl.DataFrame, results: Iterable[dict[str, Any]]) -> _Confirmed:
    """The created and the updated of all chunks. An answer that tells of more patrons than it got is not believed."""
    sizes = dict(fates.filter(pl.col("fate") == "answered").group_by("chunk").len().iter_rows())
    created = updated = lacking = 0
    warnings = []
    for result in results:
        size, told = sizes.get(result["chunk"], 0), result["created"] + result["updated"]
        if told <= size:
            created += result["created"]
            updated += result["updated"]
        lacking += size - told if told <= size else size
        if told != size:
            warnings.append(
                f"Chunk {result['chunk']}: {size} patrons should be created or updated, the answer tells of {told}. "
                "Those in doubt are counted as unconfirmed."
            )
    return _Confirmed(created, updated, lacking, warnings)


def _disagreements(left: _Left, fates: pl.DataFrame) -> list[str]:
    """What the parts of a run say differently, each as a sentence."""
    mapped = _mapped(left.patrons)
    both = mapped.join(_rows(left.rejects), on="row", how="semi").height
    doubled = 0 if left.patrons is None else left.patrons.height - mapped.height
    strangers = _told(left.results).join(mapped, on=["chunk", "row"], how="anti").height
    unknown = sorted({result["chunk"] for result in left.results} - set(mapped["chunk"]))
    missing = 0 if left.rows is None or left.patrons is None else max(left.rows - fates.height, 0)
    excess = 0 if left.rows is None else max(fates.height - left.rows, 0)
    told = {
        f"{both} rows are both rejected and mapped; they are counted as mapped.": both,
        f"{doubled} rows are in patrons.parquet more than once; they are counted once.": doubled,
        f"The answers name {strangers} rows that were not in their chunk; they are not counted.": strangers,
        f"There are answers to chunks that were never made: {', '.join(map(str, unknown))}.": len(unknown),
        f"{missing} rows were read and are neither mapped nor rejected; they are counted as not sent.": missing,
        f"{excess} rows more are mapped or rejected than were read.": excess,
    }
    return [sentence for sentence, number in told.items() if number]


def _outcome(failure: dict[str, Any] | None, counts: _Counts, *, ended_early: bool, dry_run: bool) -> Outcome:
    if failure and failure["kind"] in ENDS:
        return ENDS[failure["kind"]]
    if failure or ended_early or counts.unconfirmed:
        return "failed"
    if dry_run:
        return "dry_run"
    return "loaded_with_rejects" if counts.rejected or counts.failed else "loaded"


_ACTS = {
    "SourceError": "export",
    "MissingError": "export",
    "ValidationError": "export",
    "Declined": "export",
    "TargetError": "target",
    "RefusedError": "target",
}
"""Kind of error -> who can act on it: who sends the export, who looks after the target; else, who runs Airflow."""


def _who(tenant: Tenant, failure: dict[str, Any] | None, *, ended_early: bool) -> str:
    """Whoever sends the export: Registrar, x1234."""
    if failure is None and not ended_early:
        return ""
    roles = {
        "export": ("whoever sends the export", tenant.people.export),
        "target": (f"whoever looks after {tenant.system.name}", tenant.people.target),
        "airflow": ("whoever looks after Airflow and this library's files", tenant.people.airflow),
    }
    role, name = roles[_ACTS.get(failure["kind"] if failure else "", "airflow")]
    return f"{role}: {name}" if name else role


def _reasons(left: _Left, fates: pl.DataFrame) -> tuple[Reason, ...]:
    """The reasons, the most frequent first. A row counts once for each of its reasons."""
    unconfirmed = fates.filter(pl.col("fate") == "unconfirmed").select(
        "row", stage=pl.lit("post"), summary=pl.lit(UNCONFIRMED)
    )
    named = pl.concat([with_failed(left.rejects, left.results).select("row", "stage", "summary"), unconfirmed])
    by_reason = (
        named.unique()
        .sort("row")
        .group_by("stage", "summary", maintain_order=True)
        .agg(pl.len().alias("count"), pl.col("row").head(_FEW).alias("rows"))
        .sort("count", descending=True, maintain_order=True)
    )
    return tuple(
        Reason(reason=line["summary"], count=line["count"], stage=line["stage"], rows=tuple(line["rows"]))
        for line in by_reason.iter_rows(named=True)
    )


def next_steps(report: Report) -> list[str]:
    """What to do next, in the order in which to do it."""
    if report.outcome == "stopped":
        return [*_read_rejects(report), *_after_a_stop(report)]
    if report.outcome == "declined":
        return [
            *_read_rejects(report),
            "If it is the wrong file, ask its sender for the right one and start the load again.",
            "If the load is right after all, clear the task 'approve' in Airflow: it asks once more.",
        ]
    if report.outcome in ("failed", "no_file"):
        return [*_after_a_failure(report), *_look_up(report), *_mend_later(report)]
    if report.outcome == "already_loaded":
        return [
            "If a newer export should be there, ask its sender.",
            "To load this one again, start the load in Airflow with the reason in 'Load anyway'.",
        ]
    if report.outcome == "dry_run":
        return [*_read_rejects(report), "To load for real, start the load in Airflow with 'Dry run' switched off."]
    return _mend(report) or ["There is nothing to do."]


def _after_a_stop(report: Report) -> list[str]:
    if not report.is_right_file:
        return [
            "If it is the wrong file, ask its sender for the right one and start the load again.",
            "If it is the right one after all, start the load in Airflow with the reason in 'Load anyway'.",
            (
                f"If it will be so from now on, have {_keys(report)} changed in the tenant file, and clear the task "
                f"{_step(report)} in Airflow."
            ),
        ]
    return [
        "If the export is wrong, ask its sender for a corrected one and start the load again.",
        (
            "If the export is right after all, have the limit or the check named above changed in the tenant or "
            f"mapping file, and clear the task {_step(report)} in Airflow."
        ),
    ]


def _keys(report: Report) -> str:
    """The keys of the tenant file that have stopped the run."""
    failed = [gate.gate for gate in report.gates if gate.state == "failed"]
    named = [f"limits.{gate}" for gate in failed if gate not in ("limits", "trailer")]
    named += ["source.trailer"] * ("trailer" in failed) + ["the limit named above"] * ("limits" in failed)
    return " and ".join(named)


_ADVICE = {
    "ConfigError": [
        "Mend the setting named above: a tenant file, a mapping file or an Airflow connection.",
        "For a file, `python -m patronload check` tells whether it is right now.",
        "Then clear the task {step} in Airflow.",
    ],
    "SourceError": [
        "Ask the sender of the export about the file named above.",
        "When the file is there, start the load again in Airflow.",
    ],
    "MissingError": [
        "Ask the sender of the export for the file named above.",
        "When it is there, start the load again in Airflow; for an earlier day, with that day as 'Partition Key'.",
    ],
    "TargetError": [
        "Mend in {target}, or in its Airflow connection, what is named above.",
        "Then clear the task {step} in Airflow; {once}.",
    ],
    "RefusedError": [
        "Look at the reasons: what {target} refuses is mended there, in the mapping file, or in the export.",
        "Then start the load again in Airflow. Clearing the task {step} does no harm, and sends nothing more.",
    ],
    "NotStartedError": [
        "Check that Airflow's workers run and have enough slots for the loads; see docs/operations.md, Queueing.",
        "Then clear the task {step} in Airflow; {once}.",
    ],
    "TransientError": [
        "A server did not answer, and trying again did not help. Find out whether it is up.",
        "When it is, clear the task {step} in Airflow; {once}.",
    ],
}

_OTHERWISE = [
    "Tell the people who run Airflow: the task's log has more, and the developers want to hear of this.",
    "Clearing the task {step} in Airflow is safe; {once}.",
]


def _after_a_failure(report: Report) -> list[str]:
    if report.failure is None and report.unconfirmed and not report.not_sent:
        return []
    advice = _ADVICE.get(report.failure.kind if report.failure else "", _OTHERWISE)
    once = "no patron is sent twice" if report.can_be_asked else "a patron who is sent twice takes no harm"
    return [sentence.format(step=_step(report), target=report.target, once=once) for sentence in advice]


def _step(report: Report) -> str:
    return f"'{report.failure.step}'" if report.failure else "that failed"


def _look_up(report: Report) -> list[str]:
    if not report.unconfirmed:
        return []
    does = "looks up those whose answer got lost before it sends anything"
    if not report.can_be_asked:
        does = "sends those whose answer got lost once more, which does no harm"
    sentence = (
        f"Of {counted(report.unconfirmed, 'patron')} nobody knows whether {report.target} has them. The task 'post', "
        f"once cleared, {does}. Rows that stay unconfirmed after that are for a person to look up in {report.target}."
    )
    return [sentence]


def _read_rejects(report: Report) -> list[str]:
    if not report.to_mend:
        return []
    rows = f"it has {counted(report.to_mend, 'row')} and why they are rejected"
    return [f"Open rejects.csv in a spreadsheet: {rows}. Mend them in the system that the export comes from."]


def _mend_later(report: Report) -> list[str]:
    if not report.to_mend:
        return []
    if report.failure and report.failure.kind == "RefusedError":
        return _read_rejects(report)
    return [f"The {counted(report.to_mend, 'row')} in rejects.csv can wait until the load is through."]


def _mend(report: Report) -> list[str]:
    if not report.to_mend:
        return []
    return [
        f"Open rejects.csv in a spreadsheet: it has the {counted(report.to_mend, 'row')} and the reasons.",
        "Mend them there, and in the system that the export comes from, or the next export brings the mistakes back.",
        "Save the file as CSV, with the reject_ columns left in, and put it where the exports lie.",
        "Start the load in Airflow with the path of that file as 'Source path'; it loads these rows only.",
    ]


def counted(number: int, thing: str) -> str:
    """1 row, 1,204 rows."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
