"""
Post the outcome of a load to a webhook and to Slack, through Airflow's own providers, besides the mails.

The content is the headline of the mail and its totals, without personal data. A server that does not answer never stops
a mail or a run: the log says so.
"""

from __future__ import annotations

import logging
from datetime import date, datetime
from typing import Any, NamedTuple

from patronload import connections, dates
from patronload.config.tenants import Tenant
from patronload.reporting import words
from patronload.reporting.approval_question import Question
from patronload.reporting.report import Report

log = logging.getLogger(__name__)

WEBHOOK, SLACK = "webhook", "slack"


class Message(NamedTuple):
    """The content of a message: the kind, its headline and second sentence, and the totals, if the load has ended."""

    tenant: str
    library: str
    day: date
    outcome: str
    headline: str
    lead: str
    totals: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The message for a webhook."""
        totals = {name.lower().replace(" ", "_"): number for name, number in self.totals}
        return self._asdict() | {"day": f"{self.day}", "totals": totals}

    def text(self) -> str:
        """The message for Slack."""
        figures = ", ".join(f"{name} {number:,}" for name, number in self.totals)
        about = f"{self.library}, {dates.short(self.day)}"
        return "\n".join(_plain(line) for line in (f"{self.headline} ({about})", self.lead, figures) if line)


def message(tenant: Tenant, day: date, report: Report | None) -> Message:
    """The result of a run; without a report, that there is none."""
    if report is None:
        return _message(tenant, day, "failed", "The load has no report", "")
    told = words.content(report, tenant.dag_id)
    totals = tuple((number.name, number.amount) for number in told["numbers"])
    return _message(tenant, day, report.outcome, told["headline"], told["lead"])._replace(totals=totals)


def question(tenant: Tenant, day: date, asked: Question) -> Message:
    """The news that a load waits for approval."""
    return _message(tenant, day, "waiting_for_an_answer", asked.headline, asked.lead)


def late(tenant: Tenant, day: date, expected: datetime) -> Message:
    """The news that the file is late."""
    headline = f"No file yet; it was expected by {expected.astimezone(tenant.zone):%H:%M}"
    return _message(tenant, day, "waiting_for_the_file", headline, "The load begins as soon as the file arrives.")


def _message(tenant: Tenant, day: date, outcome: str, headline: str, lead: str) -> Message:
    return Message(tenant.tenant, tenant.library, day, outcome, headline, lead)


class Posting(NamedTuple):
    """A message on its way to the channels that a tenant names."""

    tenant: Tenant
    message: Message

    @property
    def channels(self) -> list[str]:
        """The channels that the tenant file names."""
        named = {WEBHOOK: self.tenant.notify.webhook, SLACK: self.tenant.notify.slack}
        return [channel for channel, connection in named.items() if connection]

    def post_all(self) -> None:
        """Post to all of them."""
        for channel in self.channels:
            self.post(channel)

    def post(self, channel: str) -> None:
        """Post to one of them; a failure is only logged, without its text, which may hold a secret address."""
        try:
            if channel == WEBHOOK:
                connections.post_json(str(self.tenant.notify.webhook), self.message.to_json())
            else:
                connections.post_to_slack(str(self.tenant.notify.slack), self.message.text())
        except Exception as error:  # noqa: BLE001 - whatever it is, mail and run are more important
            named = self.tenant.notify.webhook if channel == WEBHOOK else self.tenant.notify.slack
            log.warning(
                "The %s did not accept the message (%s). Check the Airflow connection '%s'.",
                channel,
                type(error).__name__,
                named,
            )
        else:
            log.info("Posted '%s' to the %s", self.message.headline, channel)


def _plain(text: str) -> str:
    """Text in which Slack finds neither links nor mentions. Slack: formatting text for app surfaces."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
