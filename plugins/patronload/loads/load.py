"""One load of one library's patrons: which run it is, which day it is for, and how it was asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from patronload.artifacts.run import Run
from patronload.config import mapping_files
from patronload.config.mapping import Mapping
from patronload.config.tenants import Tenant

Counts = dict[str, Any]
"""The result of a stage: figures and names of artifacts, never a patron."""


class Load(NamedTuple):
    """
    One load of one library's patrons: the run, the library's local day it is for, and how it was asked for.

    `load_anyway` is the reason why a person wants the file to be loaded although it may not be the right one. `past`
    says that a person asked for this day, by a backfill or a chosen day, when it was over. `adopt` names users to
    take over; see adoption. `undo` is the id of the run that this one undoes, and `leave` says that users whom that run
    created stay as they are.
    """

    tenant: Tenant
    run: Run
    run_id: str
    day: date
    dry_run: bool = False
    source_path: str | None = None
    load_anyway: str | None = None
    past: bool = False
    adopt: str | None = None
    undo: str | None = None
    leave: bool = False

    @property
    def called(self) -> str:
        """The run among those of all tenants: northfield/manual__2026-11-21."""
        return f"{self.tenant.tenant}/{self.run_id}"

    @property
    def path(self) -> str:
        """Where the export is to be, as the tenant file or a person has it. Raises ConfigError for a forbidden path."""
        source = self.tenant.source
        return source.path_instead(self.source_path, self.day) if self.source_path else source.path_on(self.day)

    @property
    def of_day(self) -> bool:
        """Whether its export has to be that past day's own, and not what the library has by now."""
        return self.past and not self.source_path

    @property
    def until(self) -> datetime | None:
        """When a file has to be written at the latest, where its name does not say which day it is of."""
        if not self.of_day or self.tenant.source.is_dated:
            return None
        return datetime.combine(self.day + timedelta(days=1), time(), self.tenant.zone).astimezone(UTC)

    def mapping(self, columns: list[str]) -> Mapping:
        """
        The tenant's mapping for an export with these columns.

        If the tenant allows missing columns, it leaves out what is made from them. Raises ConfigError.
        """
        mapping = mapping_files.load(self.tenant.mapping).expecting(self.tenant.expect)
        return mapping.over(columns) if self.tenant.source.missing_columns == "keep" else mapping
