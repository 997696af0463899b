"""One load of one library's patrons: which run it is, which day it is for, and how it was asked for."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from patronload.runs import Run
from patronload.tenants import Tenant


class Load(NamedTuple):
    """
    One load of one library's patrons: the run, the library's local day it is for, and how it was asked for.

    `load_anyway` is the reason why a person wants the file to be loaded although it may not be the right one.
    """

    tenant: Tenant
    run: Run
    run_id: str
    day: date
    dry_run: bool = False
    source_path: str | None = None
    load_anyway: str | None = None
    backfill: bool = False

    @property
    def called(self) -> str:
        """The run among those of all tenants: northfield/manual__2026-11-21."""
        return f"{self.tenant.tenant}/{self.run_id}"
