"""The mails to those on call: which libraries need a person, and which load has not ended in time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from patronload import dates
from patronload.config.tenants import Tenant
from patronload.reporting import mails, templates
from patronload.reporting.smtp import Mail
from patronload.reporting.words import ALL_WELL, ATTENTION

REPEAT = timedelta(hours=23, minutes=30)
"""Problems that have not changed are mailed again after a day, or a little less: a run begins some seconds late."""


class Problem(NamedTuple):
    """A library that needs a person, and why, in sentences."""

    library: str
    sentences: tuple[str, ...]

    @property
    def marks(self) -> set[str]:
        """The identity of each of its sentences."""
        told = (f"{self.library}\0{sentence}" for sentence in self.sentences)
        return {hashlib.sha256(each.encode()).hexdigest()[:16] for each in told}


class Mailed(NamedTuple):
    """The problems in the last mail, and when it was sent."""

    marks: frozenset[str] = frozenset()
    at: datetime | None = None


def marks(problems: Sequence[Problem]) -> frozenset[str]:
    """The identities of the problems, to see later which are new."""
    return frozenset().union(*(problem.marks for problem in problems))


def is_due(problems: Sequence[Problem], mailed: Mailed, now: datetime) -> bool:
    """Whether to send a mail: about something new, again after a day, or because nothing needs attention any more."""
    found = marks(problems)
    if not found:
        return bool(mailed.marks)
    return bool(found - mailed.marks) or mailed.at is None or now - mailed.at >= REPEAT


def mail(to: Sequence[str], problems: Sequence[Problem], link: str, now: datetime) -> Mail:
    """One mail about all libraries; `link` leads to the page that lists them."""
    number = "1 library needs" if len(problems) == 1 else f"{len(problems)} libraries need"
    headline = f"{number} attention" if problems else "No library needs attention"
    content = {
        "above": ("Patron loads", f"{dates.short(now.date())}, {now:%H:%M} UTC"),
        "look": ATTENTION if problems else ALL_WELL,
        "lead": "" if problems else "Everything reported before has been resolved.",
        "problems": problems,
        "link": link,
        "steps": STEPS if problems else (),
        "foot": "The DAG patron_loads_attention in Airflow sends this mail when something new needs attention, and "
        "once a day until it is resolved.",
    }
    return _mail(to, headline, dates.short(now.date()), content)


STEPS = (
    "Open the page with all libraries. It shows these first, each with its last loads.",
    "If a load is due and has not begun, check Airflow's scheduler and workers.",
    "If a DAG is switched off, switch it on, unless someone paused it on purpose.",
    "If a tenant file has a mistake, correct the line that is named. Airflow reads it again automatically.",
)


def deadline_mail(tenant: Tenant, run_id: str, day: date, link: str) -> Mail:
    """The mail that says that a load has not ended within the time that the tenant file allows."""
    headline = f"The load has not ended after {tenant.deadline}"
    content = {
        "above": (tenant.library, f"Patron load of {dates.in_words(day)}"),
        "look": ATTENTION,
        "lead": "The load continues; another mail reports how it ends.",
        "problems": (),
        "link": link,
        "steps": DEADLINE_STEPS,
        "foot": f"DAG {tenant.dag_id} in Airflow, run {run_id}. The tenant file has 'deadline: {tenant.deadline}'.",
    }
    to = dict.fromkeys([*tenant.notify.always, *tenant.notify.on_failure])
    return _mail([*to], headline, f"{tenant.library}, {dates.short(day)}", content)


DEADLINE_STEPS = (
    "Open the run in Airflow. If it waits for its file or for an answer, nothing is wrong with Airflow.",
    "If a task is running, the last lines of its log show its progress. A slow library system makes a load slow.",
    "If no task has begun, check Airflow's workers.",
)


def _mail(to: Sequence[str], headline: str, where: str, content: Mapping[str, Any]) -> Mail:
    found = templates.environment()
    html, text = (
        found.get_template(f"attention.{kind}").render(content, headline=headline) for kind in ("html", "txt")
    )
    return Mail(mails.subject(headline, where), tuple(to), html, text)
