"""
The library systems that patrons are loaded into.

`open_target` connects to the one that a tenant names; posting.py sends chunks to it without knowing which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import polars as pl

from patronload.mappings import Mapping
from patronload.targets.connection import Connection
from patronload.targets.delivery import Chunk, Outcome, Patience, Planned
from patronload.tenants import FolioTarget


class Target(Protocol):
    """A library system, connected."""

    @property
    def system(self) -> str:
        """Which library system it is, whatever connection leads to it: folio.example.edu/fs00001234."""

    def clock(self) -> datetime:
        """What the server's clock shows now. Raises TransientError or TargetError."""

    def plan(self, patrons: pl.DataFrame, mapping: Mapping, zone: ZoneInfo) -> Planned:
        """
        Compare the patrons that `transform` made with what the server has; nothing is changed there.

        Raises TargetError for what somebody has to mend first, all of it at once, or TransientError.
        """

    def prepare(self, create: dict[str, Any]) -> None:
        """
        Make what a plan's `create` names, as far as it is not there yet; nothing that is there is renamed.

        Raises TargetError or TransientError; it may be called again.
        """

    def deliver(self, chunk: Chunk, sent_at: datetime, again: Callable[[], None]) -> Outcome:
        """
        Send a chunk that was never sent before. `sent_at` is the server's time just before.

        `again` is called just before anything of the chunk is sent once more.

        Raises NothingWritten when it is certain that no patron was touched, TransientError or TargetError when it is
        not known what became of the chunk.
        """

    def resolve(self, chunk: Chunk, sent_at: datetime, last: datetime, again: Callable[[], None]) -> Outcome:
        """
        Find out what became of a chunk that was sent at `sent_at` and never answered, and send what is missing.

        `last` is when something of it was sent for the last time; `again` as in `deliver`.

        Raises TransientError or TargetError; the chunk is then as unknown as before.
        """


def open_target(
    target: FolioTarget, connection: Callable[[str], Connection], patience: Patience | None = None
) -> AbstractContextManager[Target]:
    """
    The library system that a tenant names, for a `with` block. `connection` finds a connection by its id.

    Raises ConfigError if the connection makes no sense; nothing is sent before the first chunk.
    """
    from patronload.targets.folio_import import UserImport  # httpx is slow to import, and not every step needs it

    return UserImport(target, connection(target.connection), patience or Patience())


def as_new(mapping: Mapping, patrons: Iterable[str], zone: ZoneInfo) -> list[str]:
    """The patrons' JSON texts as they are posted for people whom the target does not have yet."""
    from patronload.targets import folio_plan  # as above

    return folio_plan.as_new(mapping, patrons, zone)


def request_body(target: FolioTarget, patrons: Iterable[str]) -> bytes:
    """
    The body of one request: the patrons' JSON texts joined as they are, nothing encoded anew.

    FOLIO: mod-user-import userdataimportCollection.json. The patrons are complete records, made by the step `plan`;
    updateOnlyPresentFields would not keep what its name promises. deactivateMissingUsers is never among the flags: it
    works per request, so that each chunk would deactivate everybody in the other chunks (UserImportAPI).
    """
    return _joined(target, list(patrons))


def request_overhead(target: FolioTarget) -> int:
    """The bytes of a request around its patrons, without the comma between two of them; never too few."""
    return len(_joined(target, [])) + len(str(target.chunk_size))


def _joined(target: FolioTarget, patrons: Sequence[str]) -> bytes:
    source = f'"sourceType":"{target.source_type}",' if target.source_type else ""
    flags = f'{source}"updateOnlyPresentFields":false'
    return f'{{"users":[{",".join(patrons)}],"totalRecords":{len(patrons)},{flags}}}'.encode()
