"""
The report of a load: the outcome of every row of an export, and why.

A report holds no personal data: numbers, row numbers, and reasons written without values. So it may go into mails, logs
and Airflow's database.
"""

from datetime import date, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, field_validator

from patronload import plain_text
from patronload.artifacts.models import Approval, Archived, Failure, GateVerdict

Outcome = Literal[
    "loaded", "loaded_with_rejects", "already_loaded", "stopped", "failed", "no_file", "declined", "dry_run", "undone"
]

UNCONFIRMED = "sent, but no answer says whether the patron was loaded"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)

    @field_validator("*")
    @classmethod
    def _shown(cls, value: Any) -> Any:
        """Names from files and library systems as text that changes neither a page nor a mail."""
        if isinstance(value, tuple):
            return tuple(plain_text.one_line(each) if isinstance(each, str) else each for each in value)
        return plain_text.one_line(value) if isinstance(value, str) else value


class Export(_Part):
    """The file that arrived. `size` is in bytes; `modified` is the sender's time, `fetched` ours, both with a zone."""

    name: str
    path: str
    size: int
    modified: datetime
    fetched: datetime
    sha256: str
    archive: Archived | None = None


class Reason(_Part):
    """Why rows were not loaded: in words, for how many rows, found in which stage, and the first few row numbers."""

    reason: str
    count: int
    stage: str
    rows: tuple[int, ...]


class Check(_Part):
    """One expectation and its result; see CheckResult."""

    expectation: str = ""
    sentence: str
    scope: str = "rows"
    passed: bool
    failed: int | None = None
    columns: tuple[str, ...] = ()
    looks_for: str = ""
    holds: str = ""


class Noted(_Part):
    """
    Something in rows that did not cost the patrons: the cell counts as empty (`blank`), or the report mentions it
    (`warn`). In words, for how many rows, and the first few row numbers.
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


class People(_Part):
    """
    The patrons of earlier loads, as a complete file shows them. Always: known = in_file + missing + left + inactive +
    exempt + gone + waiting.

    `missing`: not in the file, in their grace period or only reported. `left`: made inactive by this load. `inactive`:
    were inactive before it. `exempt`: kept by an exception, by open loans or fees. `gone`: no longer in the library
    system. `waiting`: their turn has come, and they are as they were: too many at once, refused, or not sent.
    `announced` of the missing will leave soon. `returned` of those in the file had left.
    """

    known: int
    in_file: int
    missing: int = 0
    left: int = 0
    inactive: int = 0
    exempt: int = 0
    gone: int = 0
    waiting: int = 0
    announced: int = 0
    returned: int = 0


class Undo(_Part):
    """
    The run that a run undoes, with its day and file, and what that does; see targets.delivery.UndoFigures.

    `undoes_load`: a load is undone. If not, an undo is, and the load counts again. The day is None if the run could
    not be found.
    """

    run: str
    day: date | None = None
    export: str | None = None
    undoes_load: bool = True
    patrons: int = 0
    back: int = 0
    partly: int = 0
    becoming_inactive: int = 0
    becoming_active: int = 0
    left: int = 0
    stays: tuple[tuple[str, str, int], ...] = ()


class Report(_Part):
    """
    One run, counted. Always: rows = created + updated + unchanged + failed + rejected + skipped + not_sent +
    unconfirmed.

    `unchanged` patrons are in the target as the row says, and were not sent. `failed` patrons were refused by the
    target. `rejected` rows were never sent because of their content, and `skipped` rows because of a rule of the
    mapping. `not_sent` rows were not sent because the run ended first or was a dry run. `unconfirmed` rows were sent,
    but it is not known whether they were loaded.

    The rows of an `undo` are the patrons whom that load had sent: `updated` have what they had before, `unchanged` had
    it already, and `rejected` cannot go back.
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
    unchanged: int = 0
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
    corrected: bool = False
    """Whether the file was a corrected rejects file: its few rows say nothing about the library's usual file."""
    people: People | None = None
    effects: dict[str, Any] | None = None
    """The changes that the load makes, or would make; see checks.effects.Effects."""
    undo: Undo | None = None
    skips: tuple[Skip, ...] = ()
    noted: tuple[Noted, ...] = ()
    gates: tuple[GateVerdict, ...] = ()
    load_anyway: str | None = None
    approval: Approval | None = None
    nothing_to_do: str | None = None
    who: str = ""
    """Who can act on the failure, as the tenant file names them."""
    put_back: tuple[str, ...] = ()
    """The paths of the rejects in the library's own SFTP account, if they were put there."""
    folder: str = ""
    """Where the library puts its exports, as it sees it: "outgoing/ on your SFTP server"."""
    expert: str = ""
    """Who looks after Airflow and this library's files, as the tenant file names them."""
    can_be_asked: bool = True
    """Whether the target can be queried. If not, patrons whose answer was lost are sent again."""

    @property
    def is_right_file(self) -> bool:
        """Whether no gate has stopped the run."""
        return all(gate.state != "failed" for gate in self.gates)

    @property
    def loaded(self) -> int:
        """How many patrons are in the target as the export has them."""
        return self.created + self.updated + self.unchanged

    @property
    def sent(self) -> int:
        """How many patrons were sent, whatever came of it."""
        return self.created + self.updated + self.failed + self.unconfirmed

    @property
    def to_correct(self) -> int:
        """How many rows are in rejects.csv."""
        return 0 if self.undo else self.rejected + self.failed

    def to_json(self) -> dict[str, Any]:
        """The content of report.json."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """The report that `to_json` gave."""
        return cls.model_validate(content)


def count_of(number: int, thing: str) -> str:
    """1 row, 1,204 rows."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
