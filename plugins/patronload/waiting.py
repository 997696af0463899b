"""
Wait for an export that is not there yet: look again every few minutes until the library's day is over, and tell the
library once when the file is late. In between no process waits. Times are the library's own.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from patronload import runs
from patronload.errors import PatronloadError
from patronload.runs import Run
from patronload.tenants import Tenant

log = logging.getLogger(__name__)

MARGIN = timedelta(seconds=1)
"""A moment is looked at just after it has come."""


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


def told(tenant: Tenant, run: Run, day: date, found: Wait) -> bool:
    """
    Tell the library that its file is late, once for each run, whatever is tried again; whether that is done.

    The wait goes on when the mail server is down: the mail is tried at the next look.
    """
    from patronload import notify  # slow, and most loads have their file at once

    if not found.late or run.has(runs.LATE):
        return True
    mail = notify.late_mail(tenant, day, found.expected)
    try:
        notify.send(mail)
    except PatronloadError as error:
        log.warning("The library could not be told that its file is late. %s", error)
        return False
    run.write_json(runs.LATE, {"expected": found.expected.isoformat(), "told": datetime.now(UTC).isoformat()})
    return True


def _moment(tenant: Tenant, day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, tzinfo=tenant.zone).astimezone(UTC)
