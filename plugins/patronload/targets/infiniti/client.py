"""
Load chunks into a school's Infiniti by its non-interactive user import: one CSV file for each chunk.

Infiniti identifies a patron by the username, so sending a file twice does no harm: existing patrons are updated. A file
whose answer was lost is therefore sent again after a while, but without passwords: the first one may have arrived, and
a patron may have changed their password since.
"""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import httpx
import polars as pl
from httpx import codes

from patronload import http_client
from patronload.config.mapping import Mapping
from patronload.errors import ConfigError, PatronloadError, TargetError, TransientError
from patronload.systems.infiniti import INFINITI, InfinitiTarget
from patronload.targets.connection import Connection
from patronload.targets.delivery import (
    NO_BACKGROUND,
    Background,
    Chunk,
    NothingWritten,
    Offline,
    Outcome,
    Patience,
    Patron,
    Planned,
    Undoing,
    Unreadable,
)
from patronload.targets.infiniti import answers
from patronload.targets.infiniti import plan as infiniti_plan
from patronload.targets.infiniti import undo as infiniti_undo
from patronload.targets.infiniti.answers import MOST_KEPT, Answer

logger = logging.getLogger(__name__)

IMPORT = "/api/import/users"

AGAIN = 25
"""Patrons in a file that is sent again. Gateways give up after a minute."""

FEW = 10

NOT_TAKEN = (codes.NOT_FOUND, codes.METHOD_NOT_ALLOWED, codes.REQUEST_ENTITY_TOO_LARGE, codes.TOO_MANY_REQUESTS)
"""Answers of a server or a gateway that kept the file to itself."""


def connect(settings: InfinitiTarget, connection: Connection, patience: Patience) -> Infiniti:
    """A school's Infiniti, for a `with` block. Raises ConfigError if the connection makes no sense."""
    return Infiniti(settings, connection, patience)


def offline(mapping: Mapping, patrons: pl.DataFrame, zone: ZoneInfo) -> Offline:  # noqa: ARG001 - Infiniti has no dates
    """The patrons as they are posted, and all that is wrong with the others."""
    return infiniti_plan.offline(mapping, patrons)


def request_body(settings: InfinitiTarget, patrons: Iterable[str]) -> bytes:  # noqa: ARG001 - as every target's
    """The content of a chunk's file. As JSON it is never smaller than the CSV file made from it."""
    return f'{{"users":[{",".join(patrons)}]}}'.encode()


class Infiniti:
    """A school's Infiniti as a target; see targets.Target. What httpx raises stays in here."""

    key = INFINITI.key

    def __init__(self, settings: InfinitiTarget, connection: Connection, patience: Patience) -> None:
        self.settings = settings
        self.url = school(connection)
        self._connection = connection
        self._patience = patience
        self._client = httpx.Client(
            transport=http_client.BoundedTransport(),
            base_url=self.url,
            auth=httpx.BasicAuth(connection.login or "", connection.password or ""),
            headers={"accept": "application/json"},
            timeout=httpx.Timeout(patience.answer, connect=patience.connect),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def __repr__(self) -> str:
        return f"Infiniti({self.url})"

    def __str__(self) -> str:
        return f"Infiniti at {self.url} (connection '{self._connection.id}')"

    @property
    def address(self) -> str:
        """The school's host."""
        return self.url.netloc.decode()

    def clock(self) -> datetime:
        """Our own: nothing is compared with Infiniti's."""
        return datetime.now(UTC)

    def readiness(self, mapping: Mapping) -> list[str]:  # noqa: ARG002 - Infiniti has no reference data to compare
        """
        Log in by sending a file with a header and no patron.

        Infiniti: "the CSV may be empty"; a school that takes an empty file for an error says so in its answer.
        """
        try:
            response = self._post(to_csv([], self.settings))
            answer = Answer.of(response.text)
            if answer is None:
                raise self._not_an_answer(response)
        except NothingWritten as nothing:
            raise nothing.reason from nothing
        if answer.is_unauthorised:
            raise self._login_error()
        return ["The login works. Infiniti cannot say which patrons it has."]

    def plan(
        self,
        patrons: pl.DataFrame | pl.LazyFrame,
        mapping: Mapping,
        zone: ZoneInfo,  # noqa: ARG002 - Infiniti has no dates
        background: Background = NO_BACKGROUND,
    ) -> Planned:
        """Compare the patrons of a file with what earlier loads brought to Infiniti."""
        return infiniti_plan.plan(self.settings, patrons, mapping, background)

    def plan_undo(self, undoing: Undoing) -> Planned:
        """The rows that were sent before, again; created users are disabled."""
        return infiniti_undo.plan(undoing)

    def prepare(self, create: dict[str, Any]) -> None:
        """Infiniti creates form classes automatically, so nothing has to be created."""

    def deliver(self, chunk: Chunk, sent_at: datetime, again: Callable[[], None]) -> Outcome:  # noqa: ARG002 - sent once
        """Send a chunk that was never sent before."""
        return self._send(chunk.patrons, chunk.number, first=chunk.first)

    def resolve(self, chunk: Chunk, sent_at: datetime, last: datetime, again: Callable[[], None]) -> Outcome:  # noqa: ARG002
        """
        Send a chunk again whose answer was lost, once Infiniti must have finished it: without passwords, and in files
        so small that a gateway which gave up on the first one does not give up again.
        """
        time.sleep(max(0.0, self._patience.settle - (self.clock() - last).total_seconds()))
        logger.info("Chunk %d is sent again: %d patrons", chunk.number, len(chunk.patrons))
        patrons, secret = chunk.patrons, [patron.row for patron in chunk.patrons if "password" in patron.record]
        outcomes = []
        for start in range(0, len(patrons), AGAIN):
            part = [_without_password(patron) for patron in patrons[start : start + AGAIN]]
            again()
            try:
                outcomes.append(self._send(part, chunk.number, first=chunk.first and start == 0))
            except NothingWritten as nothing:
                raise nothing.reason from nothing  # of this file; the one before may have done something
        outcome = _together(outcomes)
        return outcome._replace(notes=(*outcome.notes, *_notes(outcome, secret)))

    def _send(self, patrons: list[Patron], number: int, *, first: bool) -> Outcome:
        """
        POST one file of the chunk of that number, the load's first or not, and read what became of its patrons.

        Raises NothingWritten if the file certainly did not reach the users, TransientError if that is not known.
        """
        response = self._post(to_csv(patrons, self.settings))
        answer = Answer.of(response.text)
        if answer is None:
            raise self._not_an_answer(response)
        if answer.is_unauthorised:
            raise NothingWritten(self._login_error())
        if not answer.is_refusal_of_the_file:
            return answers.outcome(answer, patrons, self.settings.first_row)
        if first:
            raise Unreadable(
                f"{self} refused the whole first file; its answer is in sent/{number:04}.json. Correct "
                "the mapping, or target.header in the tenant file, and start the load again.",
                answer.raw,
            )
        return answers.refused_file(answer, patrons)

    def _post(self, content: bytes) -> httpx.Response:
        try:
            return self._client.post(IMPORT, files={"file": ("users.csv", content, "text/csv")})
        except httpx.RequestError as error:
            if http_client.was_not_sent(error):
                raise NothingWritten(http_client.unreachable(str(self), error)) from error
            raise self._lost_answer(http_client.cause(error)) from error

    def _not_an_answer(self, response: httpx.Response) -> Exception:
        """The error for an answer that is not Infiniti's JSON."""
        status = response.status_code
        if status in (codes.UNAUTHORIZED, codes.FORBIDDEN):
            return NothingWritten(self._login_error())
        if status in NOT_TAKEN or response.is_redirect:
            return NothingWritten(self._refusal(response), too_large=status == codes.REQUEST_ENTITY_TOO_LARGE)
        if response.is_server_error:
            return self._lost_answer(f"the server answered {status}")
        return Unreadable(
            f"{self} answers a file in a way Infiniti never does ({status}). Is the host of the connection the "
            "school's own address? The answer is in sent/.",
            {"status": status, "text": response.text[:MOST_KEPT]},
        )

    def _refusal(self, response: httpx.Response) -> PatronloadError:
        status = response.status_code
        if status == codes.TOO_MANY_REQUESTS:
            return TransientError(f"{self} asks us to try again later ({status}).")
        if response.is_redirect:
            return TargetError(
                f"{self} redirects the import to another address ({status}). Correct the host of the connection."
            )
        if status == codes.REQUEST_ENTITY_TOO_LARGE:
            size = int(response.request.headers["content-length"])
            return TargetError(
                f"{self} refuses a file of {size:,} bytes as too large ({status}). Ask for its limit, and set "
                "target.chunk_bytes to less than that."
            )
        return TargetError(
            f"{self} has no user import ({status}). Is the host of the connection the school's own address, like "
            "https://yourschool.concordinfiniti.com?"
        )

    def _login_error(self) -> TargetError:
        return TargetError(
            f"{self} refused our login: Unauthorised. The account of the connection needs system administration "
            "privileges, and a password of Infiniti's own (single sign-on with SAML is not enough). Correct the "
            "connection. Nothing in this file was loaded."
        )

    def _lost_answer(self, why: str) -> TransientError:
        return TransientError(
            f"The answer of {self} to a file was lost: {why}. Infiniti may still be working on it. The file is sent "
            "again, without passwords; that does no harm."
        )


def school(connection: Connection) -> httpx.URL:
    """
    The address of a school's Infiniti.

    Raises ConfigError when there is no host, one with a user name in it, or http to another machine without leave.
    """
    url = http_client.address(connection)
    if url is None:
        raise ConfigError(
            f"The connection '{connection.id}' needs the address of the school's Infiniti as its host, like "
            "https://yourschool.concordinfiniti.com; user name and password have fields of their own."
        )
    http_client.check_encryption(connection, url)
    return url


def to_csv(patrons: list[Patron], settings: InfinitiTarget) -> bytes:
    """The patrons as a CSV file, with the header that the school's Infiniti knows."""
    columns = list(patrons[0].record) if patrons else [INFINITI.key]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(settings.header.get(column, column) for column in columns)
    writer.writerows([patron.record[column] for column in columns] for patron in patrons)
    return text.getvalue().encode(settings.encoding)


def _without_password(patron: Patron) -> Patron:
    return patron._replace(record={name: value for name, value in patron.record.items() if name != "password"})


def _together(outcomes: list[Outcome]) -> Outcome:
    """The outcome for the patrons of several files."""
    return Outcome(
        created=sum(outcome.created for outcome in outcomes),
        updated=sum(outcome.updated for outcome in outcomes),
        failed=[failed for outcome in outcomes for failed in outcome.failed],
        unconfirmed=[row for outcome in outcomes for row in outcome.unconfirmed],
        looked_up=False,
        answers=[answer for outcome in outcomes for answer in outcome.answers],
        notes=tuple(note for outcome in outcomes for note in outcome.notes),
    )


def _notes(outcome: Outcome, secret: list[int]) -> Iterator[str]:
    """Notes for the report on a file that was sent twice."""
    if outcome.updated:
        yield (
            "The answer to a file was lost, so the file was sent again. Patrons whom Infiniti created the first time "
            f"are counted as updated: at most {outcome.updated:,}."
        )
    refused = {failed.row for failed in outcome.failed}
    rows = [str(row) for row in secret if row not in refused]
    if outcome.created and rows:
        yield (
            f"{len(rows):,} patrons of a file that was sent again may have no password, because no password is sent "
            f"twice: rows {', '.join(rows[:FEW])}{' and others' if rows[FEW:] else ''}. Set missing passwords in "
            "Infiniti."
        )
