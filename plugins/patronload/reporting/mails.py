"""
Write the mails: who gets each, its subject, its HTML and its text.

A mail is made from the report alone, so it holds no personal data either. The rejects, which are personal data, are
never attached: the mail says where they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from patronload import dates, plain_text
from patronload.artifacts.models import Failure
from patronload.config.tenants import Notify, Tenant
from patronload.reporting import contact_steps, templates, words
from patronload.reporting.airflow_links import SIGNED_PAGES
from patronload.reporting.approval_question import Question
from patronload.reporting.places import Places, Reader, Site
from patronload.reporting.report import Outcome, Report
from patronload.reporting.smtp import Mail
from patronload.reporting.words import ASKED, LATE


def recipients(tenant: Tenant, report: Report) -> list[str]:
    """The addresses that the tenant file has for this outcome, each once."""
    contacts = tenant.notify
    named = list(contacts.always)
    if report.outcome in ("loaded", "undone"):
        named += contacts.on_success
    if report.to_correct:
        named += contacts.on_rejects
    return _once([*named, *_after(contacts, report.outcome)])


def _after(contacts: Notify, outcome: Outcome) -> tuple[str, ...]:
    """Who is notified of a load that brought nothing: `on_failure`, if the outcome's own key is left out."""
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


class Button(NamedTuple):
    """A button of a mail: its words, and where it leads."""

    words: str
    url: str


def readers(site: Site, named: Sequence[str]) -> Iterator[tuple[Reader, tuple[str, ...]]]:
    """
    The readers among the recipients, each with the addresses of one mail.

    Where links are on, each has a mail of their own; otherwise there is one for people on call and one for contacts.
    """
    on_call = {address.casefold() for address in site.tenant.notify.on_failure}
    if site.signer:
        for address in named:
            yield Reader(address.casefold() in on_call, address), (address,)
        return
    for wanted in (True, False):
        if group := tuple(address for address in named if (address.casefold() in on_call) is wanted):
            yield Reader(wanted), group


def result_mails(site: Site, report: Report) -> list[Mail]:
    """The mails that report the result of a run, to those who are named for its outcome."""
    return [
        result_mail(site.tenant, report, to, reader, site.places(report.run, reader))
        for reader, to in readers(site, recipients(site.tenant, report))
    ]


def result_mail(
    tenant: Tenant,
    report: Report,
    to: Sequence[str] | None = None,
    reader: Reader | None = None,
    places: Places | None = None,
) -> Mail:
    """The mail for one reader, by default for people on call."""
    found = words.content(report, tenant.dag_id, reader, places)
    return _mail(
        "mail",
        subject(words.headline(report), f"{report.library}, {dates.short(report.day)}"),
        recipients(tenant, report) if to is None else to,
        found | {"buttons": _buttons(report, found["places"], found["plan"].actions)},
        report.run,
    )


def _buttons(report: Report, places: Places, planned: Sequence[object]) -> list[Button]:
    """To the rejects, the report and the plan; those that need an account say so."""
    login = "" if places.signed else " (login)"
    rejects = "Download and correct the rejects" if places.signed else "Download the rejects (login)"
    found = [
        *([Button(rejects, places.rejects)] if report.to_correct else []),
        Button(f"Open the report{login}", places.report),
        *([Button(f"See the plan{login}", places.plan)] if planned else []),
    ]
    return [button for button in found if button.url]


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


def mails_without_report(site: Site, run_id: str, day: date, failures: Sequence[Failure]) -> list[Mail]:
    """The mails about a run whose report could not be written: what is known, to those who hear of failures."""
    tenant = site.tenant
    named = _once([*tenant.notify.always, *tenant.notify.on_failure])
    return [_without_report(tenant, run_id, day, failures, reader, to) for reader, to in readers(site, named)]


def _without_report(
    tenant: Tenant, run_id: str, day: date, failures: Sequence[Failure], reader: Reader, to: Sequence[str]
) -> Mail:
    headline = f"The load has no report{'; please look at it in Airflow' if reader.on_call else ''}"
    content = {
        "tenant": tenant,
        "dag": tenant.dag_id,
        "run": run_id,
        "reader": reader,
        "day": dates.in_words(day),
        "look": words.LOOKS["failed"],
        "headline": headline,
        "failures": failures if reader.on_call else (),
        "steps": NO_REPORT if reader.on_call else (contact_steps.ON_CALL,),
    }
    return _mail("no_report", subject(headline, f"{tenant.library}, {dates.short(day)}"), to, content, run_id)


NO_REPORT = (
    "Fix the problem named above. If none is named, read the logs of the failed tasks in Airflow.",
    "Then clear the failed tasks in Airflow, together with 'report' and 'notify'. The report follows by mail.",
)


def question_mails(
    site: Site, run_id: str, day: date, question: Question, link: str | None, mark: str = ""
) -> list[Mail]:
    """
    The mails that ask whether an unusual load is right: to those whom the tenant names, and to approvers by link.

    `link` leads to where the answer is given in Airflow, and `mark` names the question in an approver's own link.
    """
    tenant = site.tenant
    asked = tenant.approval.ask if tenant.approval else None
    approvers = tenant.links.approvers if tenant.links else ()
    named = _once([*(tenant.notify.on_failure if asked is None else asked), *approvers])
    own = {address: found for address in named if (found := site.answer(run_id, address, mark))}
    others = tuple(address for address in named if address not in own)
    mails = [question_mail(tenant, run_id, day, question, found, (address,)) for address, found in own.items()]
    return [*mails, *([question_mail(tenant, run_id, day, question, link, others)] if others else [])]


def question_mail(
    tenant: Tenant, run_id: str, day: date, question: Question, link: str | None, to: Sequence[str]
) -> Mail:
    """The mail with the question; `link` leads to where the answer is given."""
    headline = f"{question.headline} Please answer"
    signed = bool(link and SIGNED_PAGES in link)
    question = contact_steps.in_contact_words(question) if signed else question
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
        "signed": signed,
        "steps": _to_answer(link, dates.with_weekday(question.until, tenant.zone), question),
    }
    return _mail("question", subject(headline, f"{tenant.library}, {dates.short(day)}"), to, content, run_id)


def _mail(template: str, line: str, to: Sequence[str], content: Mapping[str, Any], run: str = "") -> Mail:
    found = templates.environment()
    html, text = (found.get_template(f"{template}.{kind}").render(content) for kind in ("html", "txt"))
    return Mail(line, tuple(to), html, text, run)


def _to_answer(link: str | None, until: str, question: Question) -> list[str]:
    choices = question.choices
    follows = " ".join(f"{choice.name}: {choice.follows}." for choice in choices)
    where = (
        "with the button above" if link else "in Airflow: the run named below, its task 'approve', tab Required Action"
    )
    if question.is_undo:
        return [
            "Find out whether the load has to be undone. The plan of this run lists every change.",
            f"Answer {where}. Approve: the load is undone. Reject: nothing is sent. You have to give a reason.",
            f"Without an answer by {until}, nothing is sent, and another mail says so.",
        ]
    return [
        "Find out whether this is right. The sender of the export will know.",
        f"Answer {where}. {follows} You have to give a reason.",
        f"Without an answer by {until}, {choices[-1].follows}.",
    ]
