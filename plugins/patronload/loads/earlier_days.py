"""
Wait for earlier days: Airflow starts a library's next load while a backfill is running, and what the backfill loads
would then be older than what the library has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta

BACKFILL = re.compile(r"backfill__.+__(\d{4}-\d{2}-\d{2})__\w+")
"""How Airflow names a run of a backfill: the time of its schedule, its partition key, and random letters."""

LOOK_AGAIN = timedelta(seconds=10)
"""How long to wait before looking again whether the earlier days are loaded."""


def backfills_before(run_ids: Iterable[str], day: date) -> list[str]:
    """The runs, of those given, that belong to a backfill and are for a day before this one."""
    found = ((run_id, BACKFILL.fullmatch(run_id)) for run_id in run_ids)
    return [run_id for run_id, match in found if match and date.fromisoformat(match[1]) < day]
