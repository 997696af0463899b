"""
Write the mails: who gets each, its subject, its HTML and its text.

A mail is made from the report alone, so it holds no personal data either. The rejects, which are personal data, are
never attached: the mail says where they are.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from patronload import dates, plain_text
from patronload.artifacts.models import Failure
from patronload.config.tenants import Notify, Tenant
from patronload.reporting import templates, words
from patronload.reporting.approval_question import Question
from patronload.reporting.report import Outcome, Report
from patronload.reporting.smtp import Mail
from patronload.reporting.words import ASKED, LATE


def recipients(tenant: Tenant, report: Report) -> list[str]:
    """Those whom the tenant names for this outcome, each once."""
    contacts = tenant.notify
    named = list(contacts.always)
    if report.outcome in ("loaded", "undone"):
        named += contacts.on_success
    if report.to_correct:
        named += contacts.on_rejects
    return _once([*named, *_after(contacts, report.outcome)])


def _after(contacts: Notify, outcome: Outcome) -> tuple[str, ...]:
    """Those who are to hear of a load that brought nothing; who is named for all failures stands in for the rest."""
    ends = {"stopped": contacts.on_stop, "no_file": contacts.on_no_file, "declined": contacts.on_decline}
    if outcome == "failed":
        return contacts.on_failure
    if outcome not in ends:
        return ()
    named = ends[outcome]
    return contacts.on_failure if named is None else named


def _once(named: Sequence[str]) -> list[str]:
    return [
        address for place, address in enumerate(named) if address.casefold() not in map(str.casefold, named[:place])
    ]


def subject(headline: str, where_and_when: str) -> str:
    """The headline first, as a phone cuts the rest off; all on one line."""
    return " ".join(plain_text.one_line(f"{headline} ({where_and_when})").split())


def result_mail(tenant: Tenant, report: Report) -> Mail:
    """The mail that reports the result of a run, to those who are named for its outcome."""
    return _mail(
        "mail",
        subject(words.headline(report), f"{report.library}, {dates.short(report.day)}"),
        recipients(tenant, report),
        words.content(report, tenant.dag_id),
    )


def late_mail(tenant: Tenant, day: date, expected: datetime) -> Mail:
    """The mail that says that a library's file is not there, at the time when it should be."""
    contacts = tenant.notify
    headline = f"No file yet; it was expected by {expected.astimezone(tenant.zone):%H:%M}"
    content = {
        "tenant": tenant,
        "dag": tenant.dag_id,
        "day": dates.in_words(day),
        "look": LATE,
        "headline": headline,
        "path": tenant.source.path_on(day),
        "end": dates.in_words(day),
    }
    to = _once([*contacts.always, *_after(contacts, "no_file")])
    return _mail("late", subject(headline, f"{tenant.library}, {dates.short(day)}"), to, content)


def mail_without_report(tenant: Tenant, run_id: str, day: date, failures: Sequence[Failure]) -> Mail:
    """The mail about a run whose report could not be written: what is known, to those who hear of failures."""
    headline = "The load has no report; please look at it in Airflow"
    content = {
        "tenant": tenant,
        "dag": tenant.dag_id,
        "run": run_id,
        "day": dates.in_words(day),
        "look": words.LOOKS["failed"],
        "headline": headline,
        "failures": failures,
        "steps": NO_REPORT,
    }
    to = _once([*tenant.notify.always, *tenant.notify.on_failure])
    return _mail("no_report", subject(headline, f"{tenant.library}, {dates.short(day)}"), to, content)


NO_REPORT = (
    "Fix what is named above. If nothing is, the logs of the tasks that failed in Airflow say more.",
    "Then clear the tasks that failed in Airflow, together with 'report' and 'notify'. The report follows by mail.",
)


def question_mail(tenant: Tenant, run_id: str, day: date, question: Question, link: str | None) -> Mail:
    """The mail that asks whether an unusual load is right; `link` leads to where the answer is given."""
    headline = f"{question.headline} Please answer"
    content = {
        "tenant": tenant,
        "dag": tenant.dag_id,
        "run": run_id,
        "day": dates.in_words(day),
        "look": ASKED,
        "headline": headline,
        "question": question,
        "most_changes": words.CHANGES,
        "link": link,
        "steps": _to_answer(link, dates.with_weekday(question.until, tenant.zone), question),
    }
    asked = tenant.approval.ask if tenant.approval else None
    to = _once(tenant.notify.on_failure if asked is None else asked)
    return _mail("question", subject(headline, f"{tenant.library}, {dates.short(day)}"), to, content)


def _mail(template: str, line: str, to: Sequence[str], content: Mapping[str, Any]) -> Mail:
    found = templates.environment()
    html, text = (found.get_template(f"{template}.{kind}").render(content) for kind in ("html", "txt"))
    return Mail(line, tuple(to), html, text)


def _to_answer(link: str | None, until: str, question: Question) -> list[str]:
    choices = question.choices
    follows = " ".join(f"{choice.name}: {choice.follows}." for choice in choices)
    where = "by the link above" if link else "in Airflow: the run named below, its task 'approve', tab Required Action"
    if question.is_undo:
        return [
            "Find out whether the load has to be undone. The run's report in Airflow lists every change.",
            f"Answer {where}: Approve, and it is undone; Reject, and nothing is sent. A reason has to be given.",
            f"Without an answer by {until}, nothing is sent, and another mail says so.",
        ]
    return [
        "Find out whether this is as it should be; whoever sends the export will know.",
        f"Answer {where}. {follows} A reason has to be given.",
        f"Without an answer by {until}: {choices[-1].follows}. Another mail tells how the load ended.",
    ]
