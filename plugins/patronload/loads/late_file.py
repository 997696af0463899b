"""
Wait for an export that is not there yet: look again every few minutes until the library's day is over, and tell the
library once when the file is late. In between no process waits. Times are the library's own.

Wait for earlier days, too: Airflow starts a library's next load while a backfill is under way, and what that one loads
would then be older than what the library has.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from patronload.artifacts import names
from patronload.artifacts.models import LateNotice
from patronload.artifacts.run import Run
from patronload.config.tenants import Tenant
from patronload.errors import PatronloadError

log = logging.getLogger(__name__)

MARGIN = timedelta(seconds=1)
"""A moment is looked at just after it has come."""

BACKFILL = re.compile(r"backfill__.+__(\d{4}-\d{2}-\d{2})__\w+")
"""How Airflow names a backfill's run: the moment of its schedule, its partition key, and letters of chance."""

BEHIND = timedelta(seconds=10)
"""How long to wait before looking again whether the earlier days are through."""


class Wait(NamedTuple):
    """Look again at `again`; `late` when the time has passed at which the file was `expected`. Both are aware."""

    again: datetime
    expected: datetime
    late: bool


def wait(tenant: Tenant, day: date, now: datetime) -> Wait | None:
    """
    How to go on when the export of `day` is not there at `now`, which is aware.

    None when there is nothing to wait for: the library's day is over, or its file names no time.
    """
    if tenant.source.expected_by is None:
        return None
    # Two moments of one zone would be compared by their clocks, which daylight saving sets back.
    end = _moment(tenant, day + timedelta(days=1), time())
    if now >= end:
        return None
    expected = _moment(tenant, day, tenant.source.expected_time)
    late = now >= expected
    again = now.astimezone(UTC) + timedelta(seconds=tenant.source.look_again_seconds)
    # The day's end comes with a last look, and the expected time with one that tells the library.
    again = min(again, end + MARGIN, again if late else expected + MARGIN)
    return Wait(again, expected, late)


def of_earlier_days(run_ids: Iterable[str], day: date) -> list[str]:
    """Those of some runs that are a backfill's, and of a day before this one."""
    found = ((run_id, BACKFILL.fullmatch(run_id)) for run_id in run_ids)
    return [run_id for run_id, match in found if match and date.fromisoformat(match[1]) < day]


def told(tenant: Tenant, run: Run, day: date, found: Wait) -> bool:
    """
    Tell the library that its file is late, once for each run, whatever is tried again; whether that is done.

    The wait goes on when the mail server is down: the mail is tried at the next look.
    """
    from patronload.reporting import mails, smtp  # slow, and most loads have their file at once

    if not found.late or run.has(names.LATE):
        return True
    mail = mails.late_mail(tenant, day, found.expected)
    try:
        smtp.send(mail)
    except PatronloadError as error:
        log.warning("The library could not be told that its file is late. %s", error)
        return False
    LateNotice(expected=found.expected, mailed=datetime.now(UTC)).write(run)
    return True


def _moment(tenant: Tenant, day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, tzinfo=tenant.zone).astimezone(UTC)
