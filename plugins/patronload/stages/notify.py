"""Notify: mail the report to the contacts that the tenant names for its outcome, or that there is no report."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from patronload.artifacts import names
from patronload.artifacts.models import Failure, Mailed
from patronload.artifacts.run import Run
from patronload.errors import ConfigError, PatronloadError, TransientError
from patronload.loads import failures
from patronload.loads.load import Counts, Load
from patronload.reporting import channels, mails, places, smtp
from patronload.reporting.report import Report
from patronload.reporting.smtp import Mail

log = logging.getLogger(__name__)


def notify(load: Load, known: Callable[[], Sequence[Failure]] = tuple, base: str | None = None) -> Counts:
    """
    Mail the report, and post it where the tenant file says; `base` is Airflow's own address, for buttons in the mail.

    `known` gives what ended stages of the run, as Airflow has it, for a mail without a report. Raises TargetError,
    TransientError.
    """
    with failures.worded(load.run):
        report, site = _report(load.run), places.site(load.tenant, base)
        if report is None:
            known_failures = [*known()] or _recorded(load.run)
            made = mails.mails_without_report(site, load.run_id, load.day, known_failures)
        else:
            made = mails.result_mails(site, report)
        about = hashlib.sha256(repr(report).encode()).hexdigest()
        outcome = report.outcome if report else "failed"
        posting = channels.Posting(load.tenant, channels.message(load.tenant, load.day, report))
        _send(load.run, about, made, posting)
    return {"outcome": outcome, "mails": sum(len(mail.to) for mail in made)}


def _send(run: Run, about: str, made: Sequence[Mail], posting: channels.Posting) -> None:
    """
    Send what was not sent yet: after a failure Airflow starts the task again, and no one gets the same mail twice.

    One mail that fails stops no other one. Raises what was wrong with the first one that another try may help.
    """
    kept = Mailed.find(run)
    done = [*kept.done] if kept and kept.about == about else []
    for channel in posting.channels:
        if channel not in done:
            posting.post(channel)
            done.append(channel)
    wrong: list[PatronloadError] = []
    for mail in made:
        mark = hashlib.sha256(" ".join(mail.to).casefold().encode()).hexdigest()[:16]
        if mark in done:
            continue
        try:
            smtp.send(mail)
        except PatronloadError as error:
            wrong.append(error)
            continue
        log.info("Mailed '%s' to %s people", mail.subject, len(mail.to))
        done.append(mark)
    if wrong:
        Mailed(about=about, done=tuple(done)).write(run)
        raise next((error for error in wrong if isinstance(error, TransientError)), wrong[0])
    run.remove(names.MAILED)


def _report(run: Run) -> Report | None:
    """The report; None if the task report failed, or if the file is damaged."""
    try:
        return Report.from_json(run.read_json(names.REPORT))
    except FileNotFoundError:
        log.warning("There is no report: the task 'report' failed, and its log says why.")
    except (ValidationError, ValueError, ConfigError):
        log.warning("The report is damaged.")
    return None


def _recorded(run: Run) -> list[Failure]:
    try:
        failure = Failure.find(run)
    except ConfigError:
        return []
    return [failure] if failure else []
