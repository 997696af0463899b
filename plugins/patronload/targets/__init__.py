"""
The library systems that patrons are loaded into.

`open_target` connects to the one that a tenant names; posting.py sends chunks to it without knowing which it is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, cast
from zoneinfo import ZoneInfo

import polars as pl

from patronload.config.mapping import Mapping
from patronload.systems import Target as Settings
from patronload.targets.connection import Connection
from patronload.targets.delivery import NO_BACKGROUND, Background, Chunk, Offline, Outcome, Patience, Planned, Undoing


class Target(Protocol):
    """A library system, connected."""

    @property
    def address(self) -> str:
        """The library system, whatever connection leads to it: folio.example.edu/fs00001234."""

    @property
    def key(self) -> str:
        """The field by which it knows a patron, such as externalSystemId; a column of planned.parquet."""

    def clock(self) -> datetime:
        """The time of the server's clock. Raises TransientError or TargetError."""

    def readiness(self, mapping: Mapping) -> list[str]:
        """
        Find out whether a load could work, and describe the server in sentences; nothing is changed there.

        Raises TargetError for everything that has to be fixed first, all of it together, or TransientError.
        """

    def plan(
        self,
        patrons: pl.DataFrame | pl.LazyFrame,
        mapping: Mapping,
        zone: ZoneInfo,
        background: Background = NO_BACKGROUND,
    ) -> Planned:
        """
        Compare the patrons that `transform` made with what the server has; nothing is changed there.

        There may be millions of patrons: a lazy frame is read part by part (spool.in_parts).

        Raises TargetError for everything that has to be fixed first, all of it together, or TransientError.
        """

    def plan_undo(self, undoing: Undoing) -> Planned:
        """
        Plan how a load is undone: compare what it sent with what the server has now; nothing is changed there.

        All patrons keep the rows that they had in that load. `summary` has `undo`, an UndoFigures as a dictionary.

        Raises TargetError when it cannot be undone at all, or TransientError.
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


class Module(Protocol):
    """The interface of a target's module; see docs/add-a-target.md."""

    def connect(self, settings: Settings, connection: Connection, patience: Patience) -> AbstractContextManager[Target]:
        """
        The library system that a tenant names, for a `with` block.

        Raises ConfigError if the connection makes no sense; nothing is sent before the first chunk.
        """

    def offline(self, mapping: Mapping, patrons: pl.DataFrame, zone: ZoneInfo) -> Offline:
        """Check the patrons from `transform` as far as possible without asking the target."""

    def request_body(self, settings: Settings, patrons: Iterable[str]) -> bytes:
        """The content of a chunk's file: JSON with the patrons' texts under `users`, joined as they are."""


MODULES = {"folio": "patronload.targets.folio.user_import", "infiniti": "patronload.targets.infiniti.client"}
"""Where each kind of target is; imported when it is needed, because httpx is slow to import."""


def module(kind: str) -> Module:
    """The module of a kind of target."""
    return cast("Module", importlib.import_module(MODULES[kind]))


def open_target(
    target: Settings, connection: Callable[[str], Connection], patience: Patience | None = None
) -> AbstractContextManager[Target]:
    """
    The library system that a tenant names, for a `with` block. `connection` finds a connection by its id.

    Raises ConfigError if the connection makes no sense; nothing is sent before the first chunk.
    """
    return module(target.type).connect(target, connection(target.connection), patience or Patience())


def offline(mapping: Mapping, patrons: pl.DataFrame, zone: ZoneInfo) -> Offline:
    """Check the patrons from `transform` as far as possible without asking the target."""
    return module(mapping.target).offline(mapping, patrons, zone)


def request_body(target: Settings, patrons: Iterable[str]) -> bytes:
    """The request of a chunk: the patrons' JSON texts, joined without encoding them again."""
    return module(target.type).request_body(target, patrons)


def request_overhead(target: Settings) -> int:
    """The bytes of a chunk around its patrons, without the comma between two of them; never too few."""
    return len(request_body(target, [])) + len(str(target.chunk_size))
