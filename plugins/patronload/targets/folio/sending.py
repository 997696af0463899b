"""
Send one chunk to FOLIO, and account for each of its patrons.

FOLIO: mod-user-import splits a request into partitions of ten. When mod-users refuses one update, or the search for the
stored users of a partition fails, it reports all users of the request as failed, even those that it loads. It also
answers before the rest of that partition is done. So such an answer is believed only where it names the refused
patron. For the others the stored users count, and those that differ are sent again.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, NoReturn

import polars as pl

from patronload.errors import PatronloadError, TargetError, TransientError
from patronload.systems.folio import FolioTarget
from patronload.targets.delivery import Chunk, Failed, NothingWritten, Outcome, Patience, Patron, Record
from patronload.targets.folio import answers, new_ids
from patronload.targets.folio.answers import Answer, count, failed_patron, summary
from patronload.targets.folio.client import Folio
from patronload.targets.folio.read_back import ReadBack, is_created_since

logger = logging.getLogger(__name__)

PARTITION = 10
"""FOLIO: UserImportAPI works in partitions of ten; a request of no more is one partition."""

MAX_TRIES = 4
"""How often a patron is sent whose stored user FOLIO cannot search for."""

FIRST_LOOKS = 8
"""The share of `Patience.rest` after which FOLIO is asked for the second time; the pause doubles from there."""


def request_body(settings: FolioTarget, patrons: Iterable[str]) -> bytes:
    """
    The body of one request: the patrons' JSON texts, joined without encoding them again.

    FOLIO: mod-user-import userdataimportCollection.json. The patrons are complete records, made by the stage `plan`;
    updateOnlyPresentFields does not do what its name promises. deactivateMissingUsers is never sent: it works per
    request, so each chunk would deactivate everyone in the other chunks (UserImportAPI).
    """
    # Joined as polars' own bytes; Python strings would be decoded and encoded again.
    texts = pl.Series(values=patrons, dtype=pl.String).cast(pl.Binary).to_list()
    source = f'"sourceType":"{settings.source_type}",' if settings.source_type else ""
    end = f'],"totalRecords":{len(texts)},{source}"updateOnlyPresentFields":false}}'
    return b'{"users":[' + b",".join(texts) + end.encode()


class Sending:
    """One chunk being sent; each of its patrons ends up in exactly one of the counts."""

    def __init__(
        self,
        folio: Folio,
        read_back: ReadBack,
        patience: Patience,
        chunk: Chunk,
        sent_at: datetime,
        again: Callable[[], None],
    ) -> None:
        self.folio = folio
        self.read_back = read_back
        self.patience = patience
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
        """Rows whose user this load created, but not as it was sent; the next POST updates what is still new."""

    @property
    def outcome(self) -> Outcome:
        """The results of the chunk's patrons so far."""
        return Outcome(self.created, self.updated, self.failed, self.unconfirmed, self.looked_up, self.answers)

    def start(self) -> None:
        """
        Send the chunk for the first time, with what its users are in FOLIO by now. Raises as `post`.

        Half a minute passes between the plan and a chunk for every 5,000 users, and a library keeps working meanwhile.
        """
        if self.chunk.changed is None:
            self.post(self.chunk.patrons, self.chunk.body)
            return
        try:
            patrons = self._after_new_ids()
            patrons = self._as_planned(patrons, self.read_back.users(patrons))
        except PatronloadError as error:
            if self.taken:
                raise
            raise NothingWritten(error) from error
        if patrons:
            self.post(patrons, self.chunk.body if patrons == self.chunk.patrons else None)
        self._give_ids_back()

    def post(self, patrons: list[Patron], body: bytes | None = None, tries: int = 0) -> None:
        """
        Send patrons and count them. `tries`: how often they were sent before and not accounted for.

        Raises NothingWritten when no patron of the chunk was touched; TransientError or TargetError when that is not
        known.
        """
        answer = self._send(body or self._body(patrons))
        self.answers.append(answer.raw)
        if answer.is_refusal:
            self._halve(patrons, answer, tries)
            return
        self.taken = True
        if counted := count(answer, patrons, self.folio.target.source_type):
            self._add(counted.created, counted.updated, counted.failed, patrons)
            self._explain(patrons, tries)
        else:
            self._settle(patrons, answer, tries)

    def resume(self, last: datetime) -> None:
        """
        Find out what FOLIO did with the chunk, whose answer was lost, and send what is missing.

        `last`: when something of it was sent for the last time. Raises as targets.Target.resolve.
        """
        self.posted = True
        patrons = self._without_ids_back(self._after_new_ids())
        stored = self._after_lost_answer(patrons, last)
        rest = self._count_held(stored, patrons)
        if rest:
            logger.info("%d of %d patrons did not arrive and are sent now", len(rest), len(patrons))
            try:
                self._post_again(rest, stored, tries=0)
            except NothingWritten as nothing:
                raise nothing.reason from nothing  # of this request; the one before may have done something
        self._give_ids_back()

    def stop_if_unreadable(self) -> None:
        """FOLIO: mod-user-import does not touch users it cannot read; if the first are unreadable, so is everyone."""
        unreadable = sum(answers.is_unreadable(one) for one in self.failed)
        if self.chunk.first and unreadable == len(self.chunk.rows) <= PARTITION:
            raise NothingWritten(
                TargetError(
                    f"FOLIO's user import could not read any of the first {unreadable} users it was to update, so "
                    "nothing more was sent. mod-users was upgraded and mod-user-import was not: ask FOLIO's "
                    "administrator for a matching mod-user-import, then clear the task 'post'."
                )
            )

    # Requests

    def _after_new_ids(self) -> list[Patron]:
        """Give users the externalSystemId that the chunk has for them; the patrons that can be sent then."""
        failed = new_ids.give(self.folio, self.chunk, self._note_change)
        self.failed += failed.values()
        return [patron for patron in self.chunk.patrons if patron.row not in failed]

    def _without_ids_back(self, patrons: list[Patron]) -> list[Patron]:
        """Count the patrons whom an undo has sent, and whose externalSystemId it has given back; return the others."""
        back = new_ids.are_back(self.folio, self.chunk)
        self.updated += len(back)
        return [patron for patron in patrons if patron.row not in back]

    def _give_ids_back(self) -> None:
        """Give users the externalSystemId that they had before a load, once all else of them is as before it."""
        rows = self.chunk.later.keys() - {one.row for one in self.failed} - set(self.unconfirmed)
        failed = new_ids.give_back(self.folio, self.chunk, rows, self._note_change)
        self.updated -= len(failed)
        self.failed += failed.values()

    def _note_change(self) -> None:
        self.taken = True

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

    def _post_again(
        self, patrons: list[Patron], stored: dict[str, Record], tries: int, alone: Collection[int] = ()
    ) -> None:
        """
        Send patrons whom FOLIO does not hold as they were sent: rows in `alone` one by one, the others in tens.

        No one is sent who cannot be created: each attempt leaves a permission user behind (FOLIO: UserImportAPI).
        """
        new = [patron for patron in patrons if patron.key not in stored]
        obstacles = self.read_back.obstacles(new)
        self.failed += obstacles.values()
        free = [patron for patron in new if patron.row not in obstacles]
        missing = {patron.row for patron in self._count_held(self.read_back.users(free), free)}
        going = [patron for patron in patrons if patron.key in stored or patron.row in missing]
        going = self._as_planned(going, stored)
        for patron in going:
            if patron.row in alone:
                self.post([patron], tries=tries)
        for part in _in_tens([patron for patron in going if patron.row not in alone]):
            self.post(part, tries=tries)

    # Refused requests

    def _halve(self, patrons: list[Patron], answer: Answer, tries: int) -> None:
        """FOLIO: if one user breaks the schema, the whole request is refused, and no user is written."""
        if len(patrons) == 1:
            self._refuse(patrons[0], answer)
            return
        middle = len(patrons) // 2
        self.post(patrons[:middle], tries=tries)
        self.post(patrons[middle:], tries=tries)

    def _refuse(self, patron: Patron, answer: Answer) -> None:
        self.failed.append(failed_patron(patron.row, answer.message))
        so_far = self.chunk.so_far.and_refused(len(self.failed))
        if so_far.is_hopeless and not (self.taken or self.created or self.updated):
            self._stop(answer, so_far.refused)

    @staticmethod
    def _stop(answer: Answer, refused: int) -> NoReturn:
        raise NothingWritten(
            TargetError(
                f"FOLIO refused each of the first {refused} patrons that were sent one by one, and loaded none "
                f"({answer.status}: {summary(answer.message)}). Nothing was loaded. Correct the mapping, then run the "
                "load again."
            )
        )

    # Answers that can be believed

    def _add(self, created: int, updated: int, failed: list[Failed], patrons: list[Patron]) -> None:
        refused = {one.row for one in failed}
        born = min(updated, sum(patron.row in self.born and patron.row not in refused for patron in patrons))
        self.created += created + born
        self.updated += updated - born
        self.failed += failed

    def _explain(self, patrons: list[Patron], tries: int) -> None:
        """
        Find out why FOLIO did not create patrons: its answer never says. Where nothing is in the way, try again.

        FOLIO: UserImportAPI.createNewUser gives up at any error of mod-users, a passing 503 among them.
        """
        rows = {patron.row for patron in patrons}
        blind = {one.row: one for one in self.failed if one.row in rows and answers.is_blind(one)}
        if not blind:
            return
        unclear = [patron for patron in patrons if patron.row in blind]
        try:
            stored = self.read_back.users(unclear)
            obstacles = self.read_back.obstacles(unclear)
        except PatronloadError as error:
            logger.warning("Could not look up why FOLIO did not create %d users: %s", len(unclear), error)
            return
        self.failed = [one for one in self.failed if one.row not in blind]
        # A request that was thought to be lost may have come first.
        missing = self._count_held(stored, unclear)
        free = [patron for patron in missing if patron.row not in obstacles]
        free = self._count_held(self.read_back.users(free), free)
        self.failed += [
            answers.explain(blind[patron.row], obstacles[patron.row]) for patron in missing if patron.row in obstacles
        ]
        self._create_once_more(free, blind, tries)

    def _create_once_more(self, patrons: list[Patron], blind: dict[int, Failed], tries: int) -> None:
        """Each attempt that fails leaves a permission user behind, so the first ten without any success end it."""
        for part in _in_tens(patrons):
            failed, done = len(self.failed), self.created + self.updated
            if tries:
                self.failed += [answers.explain(blind[patron.row], None) for patron in part]
                continue
            self.post(part, tries=1)
            if self.created + self.updated == done and len(self.failed) > failed:
                tries = 1

    # Answers that cannot

    def _settle(self, patrons: list[Patron], answer: Answer, tries: int) -> None:
        """Believe what the answer says of refused updates; for the others believe the users that FOLIO holds."""
        refused = answers.refused_updates(answer, patrons, self.folio.prefix)
        self.failed += refused.values()
        others = [patron for patron in patrons if patron.row not in refused]
        if not others:
            return
        logger.warning("FOLIO's answer does not account for %d patrons; reading them back", len(others))
        stored = self._at_rest(others)
        rest = self._count_held(stored, others)
        if not tries:
            self._post_again(rest, stored, 1, _beside(refused, patrons))
            return
        named = self._named_failures(answer, rest)
        self.failed += named.values()
        rest = [patron for patron in rest if patron.row not in named]
        if not answer.searches_failed:
            self.unconfirmed += [patron.row for patron in rest]
        elif rest:
            self._search_again(rest, stored, tries, alone=bool(refused))

    def _named_failures(self, answer: Answer, patrons: list[Patron]) -> dict[int, Failed]:
        """Patrons whom a request of one partition names as failed, for a reason of their own."""
        found = answers.named_failures(answer, patrons, self.folio.target.source_type)
        return {row: failed for row, failed in found.items() if not answers.is_about_the_search(failed)}

    def _search_again(self, patrons: list[Patron], stored: dict[str, Record], tries: int, *, alone: bool) -> None:
        """
        Send again what FOLIO did not reach, because a search or another patron's update failed.

        Raises TransientError when it has failed too often; the next attempt looks the chunk up.
        """
        if tries + 1 >= MAX_TRIES:
            raise TransientError(
                f"FOLIO's user import failed {MAX_TRIES} times in a row to find the stored users of "
                f"{len(patrons)} patrons in chunk {self.chunk.number}. The next attempt looks them up and sends what "
                "is missing."
            )
        if not alone:
            time.sleep(self.patience.rest)
        self._post_again(patrons, stored, tries + 1, {patron.row for patron in patrons} if alone else ())

    # What FOLIO holds

    def _count_held(self, stored: dict[str, Record], patrons: list[Patron]) -> list[Patron]:
        """Count the patrons whom FOLIO holds as they were sent; return the others."""
        self.looked_up = True
        rest = []
        for patron in patrons:
            user = stored.get(patron.key)
            created = user is not None and self._is_created(patron, user)
            if self._holds(patron, user):
                self.created += created
                self.updated += not created
            else:
                rest.append(patron)
                self.born |= {patron.row} if created else set()
        return rest

    def _as_planned(self, patrons: list[Patron], stored: dict[str, Record]) -> list[Patron]:
        return [self.read_back.as_planned(patron, stored.get(patron.key), self.chunk) for patron in patrons]

    def _holds(self, patron: Patron, user: Record | None) -> bool:
        """Whether FOLIO holds what the plan changes, and otherwise what was there."""
        return self.read_back.holds(self.read_back.as_planned(patron, user, self.chunk), user)

    def _is_created(self, patron: Patron, user: Record) -> bool:
        """Whether this load created the user, who was unknown to the plan."""
        return patron.row not in self.chunk.known and is_created_since(user, self.sent_at)

    def _at_rest(self, patrons: list[Patron]) -> dict[str, Record]:
        """
        The stored users of patrons whose request was answered, once FOLIO no longer works on them.

        That is when all are as they were sent, or when nothing has changed for `Patience.rest`. Raises TransientError
        when they still change after `Patience.at_most`.
        """
        began = quiet_since = time.monotonic()
        pause, before = self.patience.rest / FIRST_LOOKS, None
        while True:
            now = self.read_back.users(patrons)
            if self._hold_all(patrons, now):
                return now
            if now != before:
                before, quiet_since = now, time.monotonic()
            elif time.monotonic() - quiet_since >= self.patience.rest:
                return now
            if time.monotonic() - began > self.patience.at_most:
                raise self._still_at_work()
            time.sleep(pause)
            pause = min(2 * pause, self.patience.rest)

    def _after_lost_answer(self, patrons: list[Patron], last: datetime) -> dict[str, Record]:
        """
        The stored users of a chunk that was never answered and of which something was sent `last`, once it is over.

        It is over when all patrons are there, or when two looks some seconds apart show the same and the chunk was
        sent so long ago that an import would have begun. Raises TransientError when that never happens.
        """
        deadline = time.monotonic() + self.patience.at_most
        before = None
        while time.monotonic() < deadline:
            now = self.read_back.users(patrons)
            if self._hold_all(patrons, now):
                return now
            if now == before and (self.folio.clock() - last).total_seconds() > self.patience.settle:
                return now
            before = now
            time.sleep(self.patience.between)
        raise self._still_at_work()

    def _hold_all(self, patrons: list[Patron], stored: dict[str, Record]) -> bool:
        return all(self._holds(patron, stored.get(patron.key)) for patron in patrons)

    def _still_at_work(self) -> TransientError:
        seconds = (self.folio.clock() - self.sent_at).total_seconds()
        return TransientError(
            f"FOLIO is still working on chunk {self.chunk.number}, sent {seconds:.0f} seconds ago. "
            "Nothing was sent again; the next attempt checks again."
        )


def _in_tens(patrons: list[Patron]) -> Iterator[list[Patron]]:
    for start in range(0, len(patrons), PARTITION):
        yield patrons[start : start + PARTITION]


def _beside(refused: Collection[int], patrons: list[Patron]) -> set[int]:
    """The rows in the partitions of refused patrons: only the first refusal of a partition is named."""
    parts = [{patron.row for patron in part} for part in _in_tens(patrons)]
    return {row for rows in parts if rows & set(refused) for row in rows}
