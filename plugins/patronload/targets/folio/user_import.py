"""FOLIO as a target: plan a load, and send its chunks by POST /user-import; see sending.py for the results."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from patronload.config.mapping import Mapping
from patronload.systems.folio import FOLIO, FolioTarget
from patronload.targets.connection import Connection
from patronload.targets.delivery import NO_BACKGROUND, Background, Chunk, Outcome, Patience, Planned, Undoing
from patronload.targets.folio import plan as folio_plan
from patronload.targets.folio import readiness as folio_readiness
from patronload.targets.folio import reference_data
from patronload.targets.folio import undo as folio_undo
from patronload.targets.folio.client import Folio
from patronload.targets.folio.offline import offline
from patronload.targets.folio.read_back import ReadBack
from patronload.targets.folio.sending import Sending, request_body

__all__ = ["connect", "offline", "request_body"]  # see targets.Module


def connect(settings: FolioTarget, connection: Connection, patience: Patience) -> UserImport:
    """A FOLIO tenant, for a `with` block. Raises ConfigError if the connection makes no sense."""
    return UserImport(settings, connection, patience)


class UserImport(Folio):
    """A FOLIO tenant as a target; see targets.Target."""

    key = FOLIO.key

    def readiness(self, mapping: Mapping) -> list[str]:
        """Sentences about what FOLIO has; raises TargetError for everything that has to be fixed first."""
        return list(folio_readiness.readiness(self, mapping))

    def plan(
        self,
        patrons: pl.DataFrame | pl.LazyFrame,
        mapping: Mapping,
        zone: ZoneInfo,
        background: Background = NO_BACKGROUND,
    ) -> Planned:
        """Compare the patrons of a file with what FOLIO has."""
        return folio_plan.plan(self, patrons, mapping, zone, background)

    def plan_undo(self, undoing: Undoing) -> Planned:
        """Compare what a load sent with what FOLIO has now, and plan the way back."""
        return folio_undo.plan(self, undoing)

    def prepare(self, create: dict[str, Any]) -> None:
        """Make departments and options of custom fields, one after the other."""
        reference_data.create(self, create)

    def deliver(self, chunk: Chunk, sent_at: datetime, again: Callable[[], None]) -> Outcome:
        """Send a chunk that was never sent before."""
        sending = Sending(self, self._read_back, self._patience, chunk, sent_at, again)
        sending.start()
        sending.stop_if_unreadable()
        return sending.outcome

    def resolve(self, chunk: Chunk, sent_at: datetime, last: datetime, again: Callable[[], None]) -> Outcome:
        """Look up the patrons of a chunk that was never answered, and send those whom FOLIO does not have."""
        sending = Sending(self, self._read_back, self._patience, chunk, sent_at, again)
        sending.resume(last)
        return sending.outcome

    @cached_property
    def _read_back(self) -> ReadBack:
        """Reads FOLIO's reference data once a load."""
        return ReadBack(self)
