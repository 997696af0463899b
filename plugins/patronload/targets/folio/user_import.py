"""
Load chunks into FOLIO by POST /user-import, and find out what became of each patron.

Success is what FOLIO confirmed, not status 200. A request that was refused for one bad patron is halved until the bad
one is alone; an answer whose numbers cannot be believed is checked against the users FOLIO has; and a request that was
never answered is not sent again before it is known what it did.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import polars as pl

from patronload.config.mapping import Mapping
from patronload.errors import PatronloadError, TargetError, TransientError
from patronload.folding import fold
from patronload.rows import no_rejects
from patronload.systems.folio import FOLIO, FolioTarget
from patronload.targets.connection import Connection
from patronload.targets.delivery import (
    Chunk,
    Failed,
    NothingWritten,
    Offline,
    Outcome,
    Patience,
    Patron,
    Planned,
    Record,
)
from patronload.targets.folio import answers, reference_data
from patronload.targets.folio import plan as folio_plan
from patronload.targets.folio.answers import Answer, count, failed_patron, summary
from patronload.targets.folio.client import Folio
from patronload.targets.folio.comparison import Comparison, moment
from patronload.targets.folio.merge import IDS
from patronload.targets.patron_ledger import Ledger

logger = logging.getLogger(__name__)

PARTITION = 10
"""FOLIO: UserImportAPI works in partitions of ten; a request of no more is one partition, and its answer exact."""


def connect(settings: FolioTarget, connection: Connection, patience: Patience) -> UserImport:
    """A FOLIO tenant, for a `with` block. Raises ConfigError if the connection makes no sense."""
    return UserImport(settings, connection, patience)


def offline(mapping: Mapping, patrons: pl.DataFrame, zone: ZoneInfo) -> Offline:
    """The patrons as they are posted for people whom FOLIO does not have; what it would refuse, only FOLIO knows."""
    return Offline(folio_plan.as_new(mapping, patrons["patron"], zone), no_rejects(), [])


def request_body(settings: FolioTarget, patrons: Iterable[str]) -> bytes:
    """
    The body of one request: the patrons' JSON texts joined as they are, nothing encoded anew.

    FOLIO: mod-user-import userdataimportCollection.json. The patrons are complete records, made by the step `plan`;
    updateOnlyPresentFields would not keep what its name promises. deactivateMissingUsers is never among the flags: it
    works per request, so that each chunk would deactivate everybody in the other chunks (UserImportAPI).
    """
    # Joined as polars' own bytes: as texts of Python's they would be decoded and encoded again.
    texts = pl.Series(values=patrons, dtype=pl.String).cast(pl.Binary).to_list()
    source = f'"sourceType":"{settings.source_type}",' if settings.source_type else ""
    end = f'],"totalRecords":{len(texts)},{source}"updateOnlyPresentFields":false}}'
    return b'{"users":[' + b",".join(texts) + end.encode()


class UserImport(Folio):
    """A FOLIO tenant as a target; see targets.Target."""

    key = FOLIO.key

    def plan(
        self,
        patrons: pl.DataFrame,
        mapping: Mapping,
        zone: ZoneInfo,
        ledger: Ledger | None = None,
        refused: Iterable[tuple[int, str]] = (),
    ) -> Planned:
        """Compare the patrons of a file with what FOLIO has."""
        return folio_plan.plan(self, patrons, mapping, zone, ledger, refused)

    def prepare(self, create: dict[str, Any]) -> None:
        """Make departments and options of custom fields, one after the other."""
        reference_data.create(self, create)

    def deliver(self, chunk: Chunk, sent_at: datetime, again: Callable[[], None]) -> Outcome:
        """Send a chunk that was never sent before."""
        work = _Work(self, chunk, sent_at, again)
        work.post(chunk.patrons, chunk.body)
        work.stop_if_unreadable()
        return work.outcome()

    def resolve(self, chunk: Chunk, sent_at: datetime, last: datetime, again: Callable[[], None]) -> Outcome:
        """Look up what became of a chunk that was never answered, and send the patrons that FOLIO does not have."""
        work = _Work(self, chunk, sent_at, again)
        work.posted = True
        stored = work.settled(last)
        rest = work.confirmed(stored)
        if rest:
            logger.info("%d of %d patrons did not arrive and are sent now", len(rest), len(chunk.patrons))
            try:
                work.post_again(rest, stored)
            except NothingWritten as nothing:
                raise nothing.reason from nothing  # of this request; the one before may have done something
        return work.outcome()

    @property
    def patience(self) -> Patience:
        """How long to wait for what."""
        return self._patience

    def stored(self, patrons: list[Patron]) -> dict[str, Record]:
        """The users FOLIO has for these patrons, by externalSystemId; with their request preference if one was sent."""
        users = self.users_by_external_system_ids(patron.key for patron in patrons)
        asked = [patron.key for patron in patrons if "requestPreference" in patron.record]
        preferences = self.preferences_by_user_ids(users[key]["id"] for key in asked if key in users)
        return {key: user | {"requestPreference": preferences.get(user["id"])} for key, user in users.items()}

    def obstacles(self, patrons: list[Patron]) -> dict[int, Failed]:
        """Why FOLIO cannot create some of these patrons, by row: another user has one of their ids."""
        names = (*IDS, "id")
        wanted = {name: {p.row: str(p.record[name]) for p in patrons if p.record.get(name)} for name in names}
        wanted["externalSystemId"] = {row: self.prefix + key for row, key in wanted["externalSystemId"].items()}
        found: dict[int, Failed] = {}
        for name, values in wanted.items():
            holders = {fold(user[name]): user for user in self.users_by(name, values.values()) if user.get(name)}
            for row, value in values.items():
                if (holder := holders.get(fold(value))) is not None:
                    found.setdefault(row, answers.held(row, name, value, holder))
        return found

    @property
    def comparison(self) -> Comparison:
        """Compares what was sent with what is there."""
        if self._comparison is None:
            self._comparison = Comparison(self)
        return self._comparison

    _comparison: Comparison | None = None


class _Work:
    """One chunk on its way: each patron ends up in exactly one of the counts."""

    def __init__(self, folio: UserImport, chunk: Chunk, sent_at: datetime, again: Callable[[], None]) -> None:
        self.folio = folio
        self.again = again
        self.posted = False
        """Whether anything of the chunk was sent before."""
        self.chunk = chunk
        self.sent_at = sent_at
        self.created = self.updated = 0
        self.failed: list[Failed] = []
        self.unconfirmed: list[int] = []
        self.looked_up = False
        self.answers: list[Any] = []
        self.taken = False
        self.born: set[int] = set()
        """Rows whose user this load made, but not as it was sent; the next POST updates what still was created."""

    def outcome(self) -> Outcome:
        return Outcome(self.created, self.updated, self.failed, self.unconfirmed, self.looked_up, self.answers)

    def post(self, patrons: list[Patron], body: bytes | None = None, again: bool = False) -> None:
        """Send patrons and count them by the answer. `again`: they were sent before, and answered incredibly."""
        answer = self._send(body or self._body(patrons))
        self.answers.append(answer.raw)
        if answer.is_refusal:
            self._halve(patrons, answer, again)
        elif counted := count(answer, patrons, self.folio.target.source_type):
            self.taken = True
            failed = [one for one in counted.failed if not answers.is_blind(one)]
            self._add(counted.created, counted.updated, counted.failed, patrons)
            if len(failed) < len(counted.failed):
                self._explain(patrons)
        else:
            self.taken = True
            self._check(patrons, answer, again)

    def _send(self, body: bytes) -> Answer:
        if self.posted:
            self.again()
        self.posted = True
        try:
            return self.folio.post(body, self.again)
        except NothingWritten as nothing:
            if self.taken:
                raise nothing.reason from nothing  # nothing of this request, but the one before did something
            raise

    def _body(self, patrons: list[Patron]) -> bytes:
        texts = (json.dumps(patron.record, ensure_ascii=False, separators=(",", ":")) for patron in patrons)
        return request_body(self.folio.target, texts)

    def _add(self, created: int, updated: int, failed: list[Failed], patrons: list[Patron]) -> None:
        refused = {one.row for one in failed}
        born = min(updated, sum(patron.row in self.born and patron.row not in refused for patron in patrons))
        self.created += created + born
        self.updated += updated - born
        self.failed += failed

    def _halve(self, patrons: list[Patron], answer: Answer, again: bool) -> None:
        """FOLIO: one user that breaks the schema has the whole request refused; nothing of it is written."""
        if len(patrons) == 1:
            self._refuse(patrons[0], answer)
            return
        middle = len(patrons) // 2
        self.post(patrons[:middle], again=again)
        self.post(patrons[middle:], again=again)

    def _refuse(self, patron: Patron, answer: Answer) -> None:
        self.failed.append(failed_patron(patron.row, answer.message))
        so_far = self.chunk.so_far.and_refused(len(self.failed))
        if so_far.is_hopeless and not (self.taken or self.created or self.updated):
            self._stop(answer, so_far.refused)

    @staticmethod
    def _stop(answer: Answer, refused: int) -> NoReturn:
        raise NothingWritten(
            TargetError(
                f"FOLIO refused each of the first {refused} patrons it was sent one by one, and took none "
                f"({answer.status}: {summary(answer.message)}). Nothing was loaded. Correct the mapping, then run the "
                "load again."
            )
        )

    def stop_if_unreadable(self) -> None:
        """FOLIO: users that mod-user-import cannot read are not touched; where the first are so, the others are too."""
        unreadable = sum(answers.is_unreadable(one) for one in self.failed)
        if self.chunk.first and unreadable == len(self.chunk.rows) <= PARTITION:
            raise NothingWritten(
                TargetError(
                    f"FOLIO's user import could not read any of the first {unreadable} users it was to update, so "
                    "nothing more was sent. mod-users has been changed and mod-user-import has not: ask FOLIO's "
                    "administrator for one that fits, then clear the task 'post'."
                )
            )

    def _check(self, patrons: list[Patron], answer: Answer, again: bool) -> None:
        """Believe the stored users, not the answer; send what is missing once more, a partition a request."""
        logger.warning("FOLIO's answer does not fit the %d patrons that were sent; looking them up", len(patrons))
        stored = self.folio.stored(patrons)
        rest = self.confirmed(stored, patrons)
        if again:
            self._give_up(rest, answer)
            return
        self.post_again(rest, stored)

    def post_again(self, patrons: list[Patron], stored: dict[str, Record]) -> None:
        """
        Send patrons who are not there as they were sent, a partition a request: then the answers are exact.

        Nobody is sent who cannot be created: FOLIO leaves a permission user behind for each try (UserImportAPI).
        """
        obstacles = self.folio.obstacles([patron for patron in patrons if patron.key not in stored])
        self.failed += obstacles.values()
        for part in _parts([patron for patron in patrons if patron.row not in obstacles]):
            self.post(part, again=True)

    def _explain(self, patrons: list[Patron]) -> None:
        """FOLIO says of a create that failed that it failed, and never why; so look what is in its way."""
        rows = {patron.row for patron in patrons}
        blind = {one.row for one in self.failed if one.row in rows and answers.is_blind(one)}
        unclear = [patron for patron in patrons if patron.row in blind]
        try:
            stored = self.folio.stored(unclear)
            obstacles = self.folio.obstacles(unclear)
        except PatronloadError as error:
            logger.warning("Why FOLIO did not create %d users could not be looked up: %s", len(unclear), error)
            return
        # A request that was thought to be lost may have come first.
        missing = {patron.row for patron in self.confirmed(stored, unclear)}
        told = [one for one in self.failed if one.row in missing or one.row not in blind]
        self.failed = [answers.explained(one, obstacles.get(one.row)) if one.row in blind else one for one in told]

    def _give_up(self, patrons: list[Patron], answer: Answer) -> None:
        """After a request of one partition: a patron who is not there and is named as failed has failed."""
        found = answers.named(answer, patrons, self.folio.target.source_type)
        # Some failed searches are no word on the patrons.
        named = {row: failed for row, failed in found.items() if not answers.is_about_the_search(failed)}
        self.failed += named.values()
        self.unconfirmed += [patron.row for patron in patrons if patron.row not in named]

    def confirmed(self, stored: dict[str, Record], patrons: list[Patron] | None = None) -> list[Patron]:
        """Count the patrons that FOLIO has as they were sent; the others are returned."""
        self.looked_up = True
        rest = []
        for patron in self.chunk.patrons if patrons is None else patrons:
            user = stored.get(patron.key)
            created = user is not None and _created(user) >= self.sent_at
            if user is not None and self._holds(patron, user):
                self.created += created
                self.updated += not created
            else:
                rest.append(patron)
                self.born |= {patron.row} if created else set()
        return rest

    def _holds(self, patron: Patron, user: Record) -> bool:
        comparison = self.folio.comparison
        preference = user["requestPreference"]
        return comparison.holds(patron.record, user) and comparison.holds_preference(patron.record, preference)

    def settled(self, last: datetime) -> dict[str, Record]:
        """
        The stored users of a chunk that was never answered and of which something was sent `last`, once it is over.

        It is over when all patrons are there, or when two looks some seconds apart show the same and so much time has
        passed since the chunk was sent that an import would have begun. Raises TransientError when that never happens.
        """
        patience, deadline = self.folio.patience, time.monotonic() + self.folio.patience.at_most
        before = None
        while time.monotonic() < deadline:
            now = self.folio.stored(self.chunk.patrons)
            if self._all_there(now) or (now == before and self._seconds_since(last) > patience.settle):
                return now
            before = now
            time.sleep(patience.between)
        raise TransientError(
            f"FOLIO is still at work on chunk {self.chunk.number}, sent {self._seconds_since(last):.0f} seconds ago. "
            "Nothing was sent again; the next attempt looks once more."
        )

    def _all_there(self, stored: dict[str, Record]) -> bool:
        return all(patron.key in stored and self._holds(patron, stored[patron.key]) for patron in self.chunk.patrons)

    def _seconds_since(self, last: datetime) -> float:
        return (self.folio.clock() - last).total_seconds()


def _parts(patrons: list[Patron]) -> Iterator[list[Patron]]:
    for start in range(0, len(patrons), PARTITION):
        yield patrons[start : start + PARTITION]


def _created(user: Record) -> datetime:
    """When FOLIO made the user, by its own clock. FOLIO: RMB's metadata; createdDate is mod-users' own."""
    return moment(user.get("createdDate") or user["metadata"]["createdDate"])
