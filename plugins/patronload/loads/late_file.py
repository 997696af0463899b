"""
Wait for an export that is not there yet: check every few minutes until the library's day ends, and notify the library
once when the file is late. No process waits in between. Times are in the library's time zone.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from patronload.artifacts import names
from patronload.artifacts.models import LateNotice
from patronload.artifacts.run import Run
from patronload.config.tenants import Tenant
from patronload.errors import PatronloadError

log = logging.getLogger(__name__)

MARGIN = timedelta(seconds=1)
"""How long after the expected time, or the end of the day, the next look is."""


class Wait(NamedTuple):
    """Look again at `again`; `late` when the `expected` time has passed. Both are aware."""

    again: datetime
    expected: datetime
    late: bool


def next_look(tenant: Tenant, day: date, now: datetime) -> Wait | None:
    """
    When to look again for the export of `day`, which is not there at `now` (aware).

    None when there is nothing to wait for: the library's day is over, or the tenant file names no expected time.
    """
    if tenant.source.expected_by is None:
        return None
    # In UTC: two times of one zone would be compared by their clocks, which daylight saving sets back.
    end = _moment(tenant, day + timedelta(days=1), time())
    if now >= end:
        return None
    expected = _moment(tenant, day, tenant.source.expected_time)
    late = now >= expected
    again = now.astimezone(UTC) + timedelta(seconds=tenant.source.look_again_seconds)
    # There is a last look at the end of the day, and one at the expected time, after which the library is notified.
    again = min(again, end + MARGIN, again if late else expected + MARGIN)
    return Wait(again, expected, late)


def notify_once(tenant: Tenant, run: Run, day: date, wait: Wait) -> bool:
    """
    Notify the library once per run that its file is late; whether nothing is left to do.

    If the mail server is down, the wait continues, and the mail is tried again at the next look.
    """
    from patronload.reporting import channels, mails, smtp  # slow, and most loads have their file at once

    if not wait.late or run.has(names.LATE):
        return True
    mail = mails.late_mail(tenant, day, wait.expected)
    try:
        smtp.send(mail)
    except PatronloadError as error:
        log.warning("The mail that the file is late could not be sent. %s", error)
        return False
    channels.Posting(tenant, channels.late(tenant, day, wait.expected)).post_all()
    LateNotice(expected=wait.expected, mailed=datetime.now(UTC)).write(run)
    return True


def _moment(tenant: Tenant, day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, tzinfo=tenant.zone).astimezone(UTC)
