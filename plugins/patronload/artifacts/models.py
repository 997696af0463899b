"""
The models of the JSON files in a run's folder. The files are read and written through these models only.

They are pydantic models, as the tenant file is: that library is loaded in every task anyway, checks what is read, and
reads the times. Only what was set is written, so a file keeps its shape. Fields that were renamed are still read by
their old name, so a run that an earlier version started can be finished.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import AliasChoices, ConfigDict, Field

from patronload.artifacts import names
from patronload.artifacts.content import ChunkContent, Content, Moment, Part


class DeliveredFile(Part):
    """One fetched file. `size` is in bytes; `modified` is the sender's time, `fetched` ours."""

    name: str
    path: str
    size: int
    modified: Moment
    sha256: str
    fetched: Moment


class Uploaded(DeliveredFile, Content):
    """The corrected rejects that a person uploaded in Airflow for this run."""

    file = names.UPLOADED

    by: str


class LinkUse(Part):
    """An action by a signed link: who did it, when, and from which network address."""

    did: Literal["downloaded", "uploaded", "answered"]
    by: str
    address: str
    at: Moment
    what: str = ""


class Mailed(Content):
    """Who has the mail already, while not all have it: hashes of addresses, and of what the mail is about."""

    file = names.MAILED

    about: str
    done: tuple[str, ...] = ()


class Archived(Part):
    """The earlier run from which an export was taken because the library no longer had it, and when it fetched it."""

    run: str
    fetched: Moment


class Delivery(DeliveredFile, Content):
    """
    The export, the `more` files that belong to it, the `day` it is for, and the path that was `asked` for.

    Exports that an earlier version fetched may have no day and no path.
    """

    file = names.DELIVERY

    archive: Archived | None = None
    day: str | None = None
    asked: str | None = None
    more: tuple[DeliveredFile, ...] = ()

    @property
    def files(self) -> tuple[DeliveredFile, ...]:
        """All files of the delivery, the export first."""
        return (self, *self.more)


class PutBack(Content):
    """The rejects on the library's own server: their paths, or the sentence why they could not be written."""

    file = names.PUT_BACK

    paths: tuple[str, ...]
    trouble: str | None


class CheckResult(Part):
    """
    One expectation and its result. Scope `file`: a failure stops the run; `rows`: it rejects the row; `blank`: it
    empties the cell; `warn`: it is reported. `failed` counts the failing rows, `rows` are the first of them;
    `looks_for` says what a failure means, `holds` what is true of the file if no row fails, `looked_at` how many rows
    were checked.
    """

    expectation: str = ""
    columns: tuple[str, ...] = ()
    scope: str = "rows"
    passed: bool
    failed: int | None = None
    sentence: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    looks_for: str = ""
    looked_at: int | None = None
    rows: tuple[int, ...] = ()
    holds: str = ""


class Validation(Content):
    """The findings of validate: the number of rows, the columns, and each check."""

    file = names.VALIDATION

    rows: int
    columns: tuple[str, ...] = ()
    great_expectations: str = "unknown"
    checks: tuple[CheckResult, ...] = ()
    notices: tuple[str, ...] = ()
    """Sentences about how the file was read, for the report."""
    unread: dict[str, int] = Field(default_factory=dict)
    """Columns that no rule reads and that no earlier load had, each with its number of filled cells."""


class CodeCount(Part):
    """A code of the lookup for the patron group, None for any that it does not list; its group, and the patrons."""

    code: str | None
    group: str | None
    patrons: int


class Fields(Content):
    """How many of the `patrons` have a value in each field, and which codes became which patron groups."""

    file = names.FIELDS

    patrons: int
    filled: dict[str, int] = Field(default_factory=dict)
    codes: tuple[CodeCount, ...] = ()


GateState = Literal["passed", "failed", "overridden", "warned", "asked", "approved", "declined"]


class GateVerdict(Part):
    """
    The value that a gate expected and the one it found, with its verdict: passed; failed (the run stopped); overridden
    (a person gave a reason to load anyway); warned (the run continued, and reports it); asked (a person has to
    answer); and in a report approved or declined (a person has answered).
    """

    gate: str
    state: GateState
    sentence: str


class GateFigures(Part):
    """
    The counts of a stage's gates. `newest` is the hash of the newest file in the history; `groups` are the patrons of
    the file by patron group, `planned` those of them whom the plan neither rejects nor skips.
    """

    mended: bool = False
    newest: str | None = None
    groups: dict[str, int] = Field(default_factory=dict)
    planned: dict[str, int] | None = None
    rejected: int = 0
    skipped: int = 0


class GatesOfStage(Part):
    """The verdicts and counts of one stage's gates."""

    figures: GateFigures = GateFigures()
    verdicts: tuple[GateVerdict, ...] = ()


class Gates(Content):
    """Whether it is the right file, stage by stage; or why there is nothing to do, if it was loaded before."""

    file = names.GATES

    already_loaded: str | None = None
    load_anyway: str | None = None
    stages: dict[str, GatesOfStage] = Field(default_factory=dict, validation_alias=AliasChoices("stages", "steps"))

    @property
    def verdicts(self) -> list[GateVerdict]:
        """The verdicts of all stages, in their order."""
        return [verdict for stage in self.stages.values() for verdict in stage.verdicts]

    @property
    def asked(self) -> list[GateVerdict]:
        """The verdicts that a person has to answer for; none on ordinary days."""
        # A later stage knows more about a gate than an earlier one, and its figures count.
        latest: dict[str, list[GateVerdict]] = {}
        for stage in self.stages.values():
            asked = [verdict for verdict in stage.verdicts if verdict.state == "asked"]
            latest |= {gate: [each for each in asked if each.gate == gate] for gate in {each.gate for each in asked}}
        found = [each for verdicts in latest.values() for each in verdicts]
        return sorted(dict.fromkeys(found), key=self.verdicts.index)

    @property
    def figures(self) -> GateFigures:
        """The counts of all stages' gates; a later stage counts more."""
        found: dict[str, Any] = {}
        for stage in self.stages.values():
            found |= {name: getattr(stage.figures, name) for name in stage.figures.model_fields_set}
        return GateFigures(**found)


class Approval(Part):
    """
    That a person was asked, and the answer. `mailed` is when the question was mailed, None if it could not be; `by` is
    who answered, None if no one did in time. `leavers`: where there were too many leavers, whether they leave with this
    load or wait.
    """

    asked: Moment
    until: Moment
    mailed: Moment | None = Field(None, validation_alias=AliasChoices("mailed", "told"))
    answer: Literal["approved", "declined", "no_answer"] | None = None
    by: str | None = None
    answered: Moment | None = None
    reason: str | None = None
    leavers: Literal["leave", "wait"] | None = None


class ApprovalRecord(Approval, Content):
    """The approval of a run. `question` is a hash of what was asked, `turn` changes when someone clears approve."""

    file = names.APPROVAL

    question: str | None
    turn: int

    @property
    def approval(self) -> Approval:
        """The approval as the report has it."""
        return Approval(**{name: getattr(self, name) for name in Approval.model_fields})


class Plan(Content):
    """
    The patrons to send: how many patrons are `new` to the library system and `known` to it, in how many `chunks`, and
    when it was `planned`. `create` is what the target has to create before the first chunk, in the target's own form.
    A target may add figures of its own.
    """

    model_config = ConfigDict(extra="allow")
    file = names.PLAN

    new: int = 0
    known: int = 0
    unchanged: int = 0
    chunks: int = 0
    planned: Moment | None = None
    warnings: tuple[str, ...] = ()
    create: dict[str, Any] = Field(default_factory=dict)
    people: dict[str, Any] | None = None
    """The patrons of earlier loads, counted; see loads.leavers."""
    adopt: dict[str, Any] | None = None
    """The users who are to be taken over, counted; see loads.adoption."""
    effects: dict[str, Any] | None = None
    """The changes of the load; see checks.effects.Effects."""
    undo: dict[str, Any] | None = None
    """The effect of undoing a load; see targets.delivery.UndoFigures."""


class Created(Content):
    """The values created in the target before the first chunk, as in Plan.create."""

    model_config = ConfigDict(extra="allow")
    file = names.CREATED


class PaceFound(Content):
    """The maximum number of patrons per request, once whole chunks have proved too large; see posting.pace."""

    file = names.PACE

    size: int | None
    ceiling: int | None


class FailedPatron(Part):
    """A patron that the target refused. `message` is the target's and may hold values; `summary` is ours, without."""

    row: int
    message: str
    summary: str


class ChunkResult(ChunkContent):
    """
    The result of a chunk, or of a part of it: created + updated + failed + unconfirmed = patrons.

    `unconfirmed` are rows; `looked_up`: not all of it comes from answers; `answers` are the target's own; `notes` are
    sentences for the report.
    """

    folder = names.RESULTS

    patrons: int
    created: int
    updated: int
    failed: tuple[FailedPatron, ...]
    unconfirmed: tuple[int, ...]
    looked_up: bool = False
    answers: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def combine(cls, chunk: int, parts: Iterable[ChunkResult]) -> Self:
        """The results of a chunk's parts as one."""
        parts = list(parts)
        notes = tuple(note for part in parts for note in part.notes)
        return cls(
            chunk=chunk,
            patrons=sum(part.patrons for part in parts),
            created=sum(part.created for part in parts),
            updated=sum(part.updated for part in parts),
            failed=tuple(one for part in parts for one in part.failed),
            unconfirmed=tuple(row for part in parts for row in part.unconfirmed),
            looked_up=any(part.looked_up for part in parts),
            answers=tuple(answer for part in parts for answer in part.answers),
            **({"notes": notes} if notes else {}),
        )


class SentPart(Part):
    """
    Some patrons of a chunk that were sent: from `start` up to, but not including, `end`. `sent_at` is the target's time
    when they were first sent, `last_sent_at` when some of them were sent again.
    """

    start: int = Field(alias="from")
    end: int = Field(alias="to")
    sent_at: Moment
    last_sent_at: Moment | None = None

    @property
    def last(self) -> datetime:
        """When something of it was last sent."""
        return self.last_sent_at or self.sent_at


class AnsweredPart(SentPart):
    """A part of a chunk with its result."""

    result: ChunkResult


class SentMarker(ChunkContent):
    """
    Written just before something of a chunk is sent: the `parts` that were answered, and the one in flight, whose
    fields stand beside them. `unreadable` are responses that were not a valid answer.
    """

    folder = names.SENT

    patrons: int
    parts: tuple[AnsweredPart, ...] = ()
    start: int | None = Field(None, alias="from")
    end: int | None = Field(None, alias="to")
    sent_at: Moment | None = None
    last_sent_at: Moment | None = None
    unreadable: tuple[Any, ...] = ()

    @property
    def answered(self) -> int:
        """How many of the chunk's patrons have a result."""
        return self.parts[-1].end if self.parts else 0

    @property
    def in_flight(self) -> SentPart | None:
        """The part that was sent and not answered yet. An older marker of a whole chunk has no start and end."""
        if self.sent_at is None:
            return None
        start = self.answered if self.start is None else self.start
        end = self.patrons if self.end is None else self.end
        again = {} if self.last_sent_at is None else {"last_sent_at": self.last_sent_at}
        return SentPart(start=start, end=end, sent_at=self.sent_at, **again)

    def sending(self, part: SentPart | None) -> SentMarker:
        """The marker with this part in flight, and no other."""
        fields = {name: getattr(self, name) for name in ("chunk", "patrons", "parts")}
        fields |= {"unreadable": self.unreadable} if self.unreadable else {}
        if part:
            fields |= {name: getattr(part, name) for name in part.model_fields_set}
        return SentMarker(**fields)


class Remembered(Content):
    """
    The rows of this run that are in the patron ledger: those sent, and those `loaded` for certain. `complete`: all was
    sent. `counted`: the file was a complete one, and those whom it lacks are counted; None in a run of an earlier
    version.
    """

    file = names.REMEMBERED

    rows: list[int]
    loaded: list[int] | None = None
    complete: bool = False
    counted: bool | None = None


class LateNotice(Content):
    """When the file was expected, and when the library was notified that it is late."""

    file = names.LATE

    expected: Moment
    mailed: Moment = Field(validation_alias=AliasChoices("mailed", "told"))


class Failure(Content):
    """The error that ended the run: the stage, the name of a class in errors.py, and its message."""

    file = names.FAILURE

    stage: str = Field(validation_alias=AliasChoices("stage", "step"))
    kind: str
    message: str


class Purged(Content):
    """When the patron data of the run was deleted."""

    file = names.PURGED

    purged: Moment
