"""Notify: mail the report to the contacts that the tenant names for its outcome."""

from __future__ import annotations

import logging

from patronload.artifacts import names
from patronload.errors import TargetError
from patronload.loads.load import Counts, Load
from patronload.reporting import mails, smtp
from patronload.reporting.report import Report

log = logging.getLogger(__name__)


def notify(load: Load) -> Counts:
    """Mail the report. Raises TargetError, TransientError."""
    if not load.run.has(names.REPORT):
        raise TargetError(
            "No mail was sent about this load, because there is no report: the task 'report' failed, and its log "
            "says why. Clear 'report' together with 'notify' in Airflow."
        )
    report = Report.from_json(load.run.read_json(names.REPORT))
    mail = mails.result_mail(load.tenant, report)
    smtp.send(mail)
    log.info("Mailed '%s' to %s people", mail.subject, len(mail.to))
    return {"outcome": report.outcome, "mails": len(mail.to)}
