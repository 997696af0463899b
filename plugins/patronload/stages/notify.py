"""Notify: mail the report to the contacts that the tenant names for its outcome, or that there is no report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from patronload.artifacts import names
from patronload.artifacts.models import Failure
from patronload.artifacts.run import Run
from patronload.errors import ConfigError
from patronload.loads import failures
from patronload.loads.load import Counts, Load
from patronload.reporting import mails, smtp
from patronload.reporting.report import Report

log = logging.getLogger(__name__)


def notify(load: Load, known: Callable[[], Sequence[Failure]] = tuple) -> Counts:
    """
    Mail the report; `known` gives what ended stages of the run, as Airflow has it, for a mail without a report.

    Raises TargetError, TransientError.
    """
    with failures.worded(load.run):
        report = _report(load.run)
        if report is None:
            mail = mails.mail_without_report(load.tenant, load.run_id, load.day, [*known()] or _recorded(load.run))
        else:
            mail = mails.result_mail(load.tenant, report)
        smtp.send(mail)
    log.info("Mailed '%s' to %s people", mail.subject, len(mail.to))
    return {"outcome": report.outcome if report else "failed", "mails": len(mail.to)}


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
