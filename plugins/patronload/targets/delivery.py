"""The vocabulary of sending patrons: what is sent, its outcome, and how long to wait."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import polars as pl

from patronload.config.leavers import Leavers
from patronload.config.mapping import Mapping
from patronload.errors import Defect, PatronloadError, TargetError
from patronload.rows import SKIPPED
from patronload.targets.outgoing import Outgoing
from patronload.targets.patron_ledger import LEFT, PatronLedger
from patronload.targets.spool import Spool

Record: TypeAlias = dict[str, Any]
"""A patron as JSON: what is sent, or what the target has stored."""


REFUSALS = 8
"""If this many patrons are refused one by one and none is accepted, the mapping or the gateway is at fault."""


class SoFar(NamedTuple):
    """The state of a load: patrons that the target has, or may have, and patrons that it refused."""

    taken: int = 0
    refused: int = 0

    def and_refused(self, more: int) -> SoFar:
        """The number of further refusals."""
        return self._replace(refused=self.refused + more)

    @property
    def is_hopeless(self) -> bool:
        """Whether continuing would only repeat the same refusal for every patron."""
        return not self.taken and self.refused > REFUSALS


NOTHING_SO_FAR = SoFar()
"""Before the first patron."""


class Patron(NamedTuple):
    """One patron of a chunk: the row it came from, its key in the target, and what is sent."""

    row: int
    key: str
    record: Record


@dataclass(frozen=True, repr=False)
class Chunk:
    """
    The patrons of one request, and what plan has written down of it: JSON with the patrons' records under `users`.

    `rows` and `keys` are in their order; `key` is the field that a patron is known by. `first` is true for the load's
    first chunk: one that is refused altogether tells that the mapping is wrong, not that its patrons are. `so_far` is
    what became of the patrons before these. `known` are the rows whose patrons the target had when the load was
    planned; `changed` is what the plan changes of a patron, by row, in the target's own words; None in a plan that does
    not say. `former` are patrons whom the target has under another key than the row's, by row; "" stands for no key.
    `later` are patrons who get another key once the chunk is in, by row; "" stands for none.
    """

    number: int
    first: bool
    rows: list[int]
    key: str
    keys: list[str]
    body: bytes
    so_far: SoFar = NOTHING_SO_FAR
    known: frozenset[int] = frozenset()
    changed: dict[int, str | None] | None = None
    former: dict[int, str] = field(default_factory=dict)
    later: dict[int, str] = field(default_factory=dict)

    @cached_property
    def patrons(self) -> list[Patron]:
        """The chunk's patrons. Raises Defect when the body holds others than planned.parquet says."""
        records: list[Record] = json.loads(self.body)["users"]
        if [record[self.key] for record in records] != self.keys:
            raise Defect(
                f"chunks/{self.number:04}.json.zst holds other patrons than planned.parquet says. "
                "Clear the task 'plan', so that both are written again."
            )
        return [Patron(*parts) for parts in zip(self.rows, self.keys, records, strict=True)]

    def part(self, start: int, end: int) -> Chunk:
        """Some of the chunk's patrons, as a chunk; all of them are the chunk itself."""
        if (start, end) == (0, len(self.rows)):
            return self
        content = json.loads(self.body)
        users = content["users"][start:end]
        body = json.dumps(
            content | {"users": users, "totalRecords": len(users)}, ensure_ascii=False, separators=(",", ":")
        )
        rows, keys = self.rows[start:end], self.keys[start:end]
        first = self.first and start == 0
        return replace(self, first=first, rows=rows, keys=keys, body=body.encode())


class Problem(NamedTuple):
    """Why a patron cannot be sent: the field at fault, its value, and the words for the library."""

    field: str
    value: str
    words: str


class Change(NamedTuple):
    """A field of a patron that gets another value; None means none. `why` has no personal data."""

    field: str
    before: Any
    after: Any
    why: str


CHANGES = {"row": pl.UInt32, **dict.fromkeys(("key", "action", "field", "before", "after", "why"), pl.String)}
"""
The changes of a plan: one line for each patron that is not changed field by field, with a null in `field`, and one for
each field that is. `action` is create, update, return (had left, and is in the file again), unchanged, leave, or
inactive (would leave, and was inactive before); the key is the target's. `before` and `after` are JSON: of a patron who
is created, `after` is the whole record.
"""

BEFORE = {"row": pl.UInt32, "key": pl.String, "stored": pl.String}
"""The patrons that are to be changed as the target has them, as JSON."""

UNCHANGED = {"row": pl.UInt32, "key": pl.String}
"""Rows that say what the target has already."""


DEPARTURES = {
    "key": pl.String,
    "row": pl.UInt32,
    **dict.fromkeys(("name", "group", "state", "reason"), pl.String),
}
"""
Patrons whose turn it is to leave, and what becomes of each: `state` is left, inactive (before this load), exempt or
gone (no longer in the library system), as in the patron ledger, or waiting; the reason says why someone is exempt or
waits. Those who leave have a row of their own in the plan, after the file's last one.
"""

WAITING = "waiting"
"""The state of a patron who is due to leave, while more are due than may leave at once."""

TOO_MANY = "more patrons than leavers.max allows would leave at once"


class Leaving(NamedTuple):
    """
    The patrons whose turn it is to leave.

    keys: as earlier loads brought them in. rules: the tenant's. day: of the load. first_row: the number of the first
    one's row in the plan. excepted: keys that never leave, from the tenant's list and from other tenants' ledgers.
    records: by key, the patron as `transform` last made them, for a target that cannot be read. mentioned: the cells of
    rows whose key cannot be read; a patron with one of them as an id may be in the file. waits: there are too many, so
    none of them leaves with this load; they are only listed.
    """

    keys: list[str]
    rules: Leavers
    day: date
    first_row: int
    excepted: frozenset[str] = frozenset()
    records: AnyMapping[str, str] = {}
    mentioned: frozenset[str] = frozenset()
    waits: bool = False

    @property
    def state(self) -> str:
        """The state of a patron whom no exception keeps: `left`, or `waiting`."""
        return WAITING if self.waits else LEFT


ADOPTED = dict.fromkeys(("key", "group", "type", "state"), pl.String)
"""
Users whom earlier programs loaded, as far as they are asked for. `state`: `taken over`, or why not: `staff`, `known`
(in the patron ledger), `another library` (in its patron ledger), or `without an id` of this library, which has no key.
"""

TAKEN_OVER = "taken over"


class Adopting(NamedTuple):
    """The choice of users to take over: all with the library's prefix, or else those of some patron groups."""

    by_prefix: bool
    groups: tuple[str, ...] = ()


class Identity(NamedTuple):
    """A person's decision about two keys: whether `new`, of a row, is the same person as `old`, of a stored user."""

    old: str
    new: str
    is_same: bool


def _recall_no_one(_keys: Sequence[str]) -> AnyMapping[str, str]:
    """Before there are earlier runs."""
    return {}


class Background(NamedTuple):
    """
    Facts that a plan considers besides the patrons of the file.

    ledger: what earlier loads brought to the target and what their files said; None before the first load. refused: the
    rows of the file that did not become patrons, with their keys, as far as they have one. leaving: patrons of earlier
    loads who are not in the file; None when no patron's turn to leave has come. day: of the load. elsewhere: keys of
    the file that other tenants' loads brought to the same target; only for a target that cannot be read. identities:
    what the tenant has decided about changed keys. adopting: users of earlier programs who are to be taken over.
    recall: finds patrons by their keys as the last run that had them made them, as JSON; without those whose runs were
    purged.
    """

    ledger: PatronLedger | None = None
    refused: Sequence[tuple[int, str]] = ()
    leaving: Leaving | None = None
    day: date | None = None
    elsewhere: frozenset[str] = frozenset()
    identities: Sequence[Identity] = ()
    recall: Callable[[Sequence[str]], AnyMapping[str, str]] = _recall_no_one
    adopting: Adopting | None = None


NO_BACKGROUND = Background()
"""For a library's first load, without rejected rows."""


SENT: dict[str, Any] = {
    "row": pl.UInt32,
    "key": pl.String,
    "created": pl.Boolean,
    "changed": pl.String,
    "sent_at": pl.Datetime("us", "UTC"),
    "patron": pl.String,
    "before": pl.String,
}
"""
The patrons that a load sent, except the refused ones: the row, the patron's key, whether the load created the patron,
what it changed (as planned.parquet says), the target's time just before, and the record as JSON. `before` is what the
target had: in the form of BEFORE where the target can be asked, else the record that was sent last; null if it is not
known.
"""

STAYS = {"row": pl.UInt32, **dict.fromkeys(("key", "field", "before", "written", "now", "reason"), pl.String)}
"""
The limits of an undo: a field of a patron, its values before the load, as the load wrote it and now, and why it
stays. The field is empty if it is about the whole patron.
"""


class Undoing(NamedTuple):
    """
    A load that is to be undone: what it sent (see SENT), and whether the patrons whom it created are left. `kept`: keys
    of patrons whom another library's loads have too, and who must not become inactive.
    """

    sent: pl.DataFrame
    leave: bool = False
    kept: frozenset[str] = frozenset()


class UndoFigures(NamedTuple):
    """
    The effect of undoing a load.

    patrons: whom the load sent. back: of whom something goes back. partly: of these, whose other fields stay.
    becoming_inactive, becoming_active: among those in `back`. left: created users who are left as they are. stays: the
    fields that stay of patrons in `back`, each with the reason and the number of patrons, without personal data.
    """

    patrons: int
    back: int
    partly: int = 0
    becoming_inactive: int = 0
    becoming_active: int = 0
    left: int = 0
    stays: Sequence[tuple[str, str, int]] = ()


class Planned(NamedTuple):
    """
    The patrons to send, before they are divided into chunks.

    patrons: row, level, the target's unique fields, patron (the record as it is sent, JSON); a level is through before
    the next one begins, and where there is a column `apart`, no two of its values go in one chunk. rejects: see
    rows.REJECTS. stops: sentences why nothing may be sent. summary: figures and findings for plan.json, without
    personal data; `create` is what has to be made in the target before the first chunk.
    skipped: rows that the mapping does not load because the target does not have their patron, see rows.SKIPPED.
    unchanged, changes, before, departures, stays: see UNCHANGED, CHANGES, BEFORE, DEPARTURES, STAYS; adopted: see
    ADOPTED; rows
    that were rejected may still be in `changes` and `before`.
    """

    patrons: Outgoing
    rejects: pl.DataFrame
    stops: list[str]
    summary: dict[str, Any]
    skipped: pl.DataFrame | None = None
    unchanged: pl.DataFrame | None = None
    changes: Spool | None = None
    before: Spool | None = None
    departures: pl.DataFrame | None = None
    adopted: pl.DataFrame | None = None
    stays: pl.DataFrame | None = None


class Offline(NamedTuple):
    """
    The result of checks that do not ask the target: the texts that are posted for newcomers, the rejects (see
    rows.REJECTS; their rows are not among the texts), and sentences that the library should hear.
    """

    posted: list[str]
    rejects: pl.DataFrame
    warnings: list[str]


class Failed(NamedTuple):
    """A patron the target refused. The message is the target's and may hold values; the summary is ours, without."""

    row: int
    message: str
    summary: str


TOO_LARGE = "this patron alone is larger than the gateway accepts in one request; shorten its longest values"


class Outcome(NamedTuple):
    """
    The outcome for the patrons of a chunk: created + updated + failed + unconfirmed are all of them.

    `unconfirmed` are rows; `looked_up` tells that not all of it comes from answers; `answers` are the target's own, in
    the order they came; `notes` are sentences for the report, without personal data.
    """

    created: int
    updated: int
    failed: list[Failed]
    unconfirmed: list[int]
    looked_up: bool
    answers: list[Any]
    notes: tuple[str, ...] = ()


class Unreadable(TargetError):  # noqa: N818 - names what came
    """An answer that the target never gives. `answer` is what came: for the run's artifacts, it may hold patrons."""

    def __init__(self, sentence: str, answer: Any) -> None:
        super().__init__(sentence)
        self.answer = answer


class NothingWritten(Exception):  # noqa: N818 - it states a fact about a request; the error is its `reason`
    """
    A request did not go through, and it is certain that the target did not touch a single patron.

    `too_large`: fewer patrons in one request may go through.
    """

    def __init__(self, reason: PatronloadError, *, too_large: bool = False) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.too_large = too_large


class Patience(NamedTuple):
    """How long one waits, in seconds."""

    connect: float = 10
    """For a connection."""
    answer: float = 300
    """For the answer to a chunk. Gateways give up after a minute; without one the import may take longer."""
    read: float = 60
    """For the answer to anything else."""
    busy: float = 600
    """The longest pause that a busy server may ask for; Airflow's retry is there for longer ones."""
    settle: float = 60
    """After a chunk was sent and not answered, the target may still be at work on it for so long."""
    between: float = 10
    """The pause between two look-ups of a chunk; the import is over only if both find the same."""
    rest: float = 5
    """After a chunk was answered, the target is no longer at work on it once nothing has changed for so long."""
    at_most: float = 900
    """Until the target must have come to rest."""


def newcomer(field: str, key: str, target: str) -> Problem:
    """The problem of a patron whom the target does not have, when the mapping loads known patrons only."""
    words = f"{target} does not have this patron, and the mapping loads only patrons that it has"
    return Problem(field, key, words)


def only_known(mapping: Mapping) -> list[str]:
    """The warning without asking the target, when the mapping loads known patrons only."""
    done = {"reject": "rejects", "skip": "skips"}.get(mapping.newcomers)
    return [f"A load {done} the rows of patrons whom {mapping.system.name} does not have."] if done else []


def skip_newcomers(found: Sequence[tuple[int, str]], target: str) -> pl.DataFrame:
    """Rows, with their keys, of patrons whom the target does not have, as skipped rows; see rows.SKIPPED."""
    lines = [(row, f"{target} does not have this patron", key) for row, key in found]
    return pl.DataFrame(lines, schema=SKIPPED, orient="row")


def reject(row: int, problem: Problem, mapping: Mapping) -> dict[str, Any]:
    """A line of the rejects (see rows.REJECTS): the problem in the words of the library's own columns."""
    shown = f" '{problem.value}'" if problem.value else ""
    column = mapping.source_of(problem.field) or problem.field
    reason = f"{column}{shown}: {problem.words}"
    value = problem.value or None
    return {"row": row, "column": column, "value": value, "reason": reason, "summary": problem.words}
