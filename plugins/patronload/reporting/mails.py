"""
Say who hears of a report, write the mail and the page that tell it, and send the mail.

Mail and page are made from the report alone, so they hold no personal data either. The rejects, which are personal
data, are never attached: the mail says where they lie.
"""

import hashlib
import logging
import smtplib
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import jinja2

from patronload import dates, settings
from patronload.config.tenants import Notify, Tenant
from patronload.errors import ConfigError, PatronloadError, TargetError, TransientError
from patronload.reporting.approval_question import Question
from patronload.reporting.report import UNCONFIRMED, Noted, Outcome, Reason, Report, counted, next_steps

log = logging.getLogger(__name__)

CONNECTION = "smtp_default"
"""The Airflow connection of the mail server; its extra names the sender: {"from_email": ...}."""

WAITS = (2.0, 10.0)
"""Seconds to wait before each new try. Airflow's own retries of the task are for longer outages."""

SCOPE_WORDS = {
    "file": "stops the run",
    "rows": "rejects the row",
    "blank": "empties the cell",
    "warn": "only warns",
}
"""What follows when a check fails."""

GATE_WORDS = {
    "passed": "Passed",
    "failed": "Stopped the run",
    "overridden": "Loaded anyway",
    "warned": "Please note",
    "asked": "Not approved yet",
    "approved": "Approved",
    "declined": "Not approved",
}
"""What is said of each gate in report.html."""

REASONS = 5
"""How many reasons a mail tells; the page tells all of them."""

_FOR_GOOD = 500
"""SMTP replies from here on are final; those below ask to come again later (RFC 5321, section 4.2.1)."""


class Mail(NamedTuple):
    """A mail as it will be sent: whom to, and the same content as HTML and as plain text."""

    subject: str
    to: tuple[str, ...]
    html: str
    text: str


class Look(NamedTuple):
    """How an outcome is shown: a word, and its colour on a light and on a dark ground."""

    word: str
    colour: str
    dark: str


LOOKS: dict[Outcome, Look] = {
    "loaded": Look("Loaded", "#1b7f5c", "#5fd0a0"),
    "loaded_with_rejects": Look("Loaded, with rejects", "#a15c00", "#f0b252"),
    "already_loaded": Look("Loaded before", "#4a5d73", "#a9bdd4"),
    "stopped": Look("Stopped", "#6d4aa8", "#bca4f2"),
    "failed": Look("Failed", "#b3261e", "#ff9088"),
    "no_file": Look("No file", "#9c3d6e", "#f09abf"),
    "declined": Look("Declined", "#5b5f97", "#b3b7f0"),
    "dry_run": Look("Dry run", "#2f5fb3", "#8db4ff"),
}


LATE = Look("Waiting for the file", "#0a7380", "#5ec8d6")
ASKED = Look("Waiting for an answer", "#0a7380", "#5ec8d6")
"""Of mails in the meantime: the load has not ended."""


class Number(NamedTuple):
    """A line of the account: what is counted, how many, and a few words on what it means."""

    name: str
    amount: int
    meaning: str
    kind: str


def recipients(tenant: Tenant, report: Report) -> list[str]:
    """Those whom the tenant names for this outcome, each once."""
    contacts = tenant.notify
    named = list(contacts.always)
    if report.outcome == "loaded":
        named += contacts.on_success
    if report.to_mend:
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


def subject(report: Report) -> str:
    """What happened first, as a phone cuts the rest off; then where and when."""
    return " ".join(f"{headline(report)} ({report.library}, {dates.short(report.day)})".split())


def mail(tenant: Tenant, report: Report) -> Mail:
    """The mail that tells a report to those who are named for its outcome."""
    words = told(report, tenant.dag_id)
    return Mail(
        subject=subject(report),
        to=tuple(recipients(tenant, report)),
        html=templates().get_template("mail.html").render(words),
        text=templates().get_template("mail.txt").render(words),
    )


def late_mail(tenant: Tenant, day: date, expected: datetime) -> Mail:
    """The mail that tells a library that its file is not there, at the time when it should be."""
    when = f"{expected.astimezone(tenant.zone):%H:%M}"
    words = {
        "tenant": tenant,
        "dag": tenant.dag_id,
        "day": dates.in_words(day),
        "look": LATE,
        "headline": f"No file yet; it was expected by {when}",
        "path": tenant.source.path_on(day),
        "end": dates.in_words(day),
    }
    contacts = tenant.notify
    return Mail(
        subject=" ".join(f"{words['headline']} ({tenant.library}, {dates.short(day)})".split()),
        to=tuple(_once([*contacts.always, *_after(contacts, "no_file")])),
        html=templates().get_template("late.html").render(words),
        text=templates().get_template("late.txt").render(words),
    )


def question_mail(tenant: Tenant, run_id: str, day: date, question: Question, link: str | None) -> Mail:
    """The mail that asks whether an unusual load is right; `link` leads to where the answer is given."""
    words = {
        "tenant": tenant,
        "dag": tenant.dag_id,
        "run": run_id,
        "day": dates.in_words(day),
        "look": ASKED,
        "headline": "Is this load right? Please answer",
        "question": question,
        "link": link,
        "steps": _to_answer(link, dates.with_weekday(question.until, tenant.zone)),
    }
    asked = tenant.approval.ask if tenant.approval else None
    return Mail(
        subject=" ".join(f"{words['headline']} ({tenant.library}, {dates.short(day)})".split()),
        to=tuple(_once(tenant.notify.on_failure if asked is None else asked)),
        html=templates().get_template("question.html").render(words),
        text=templates().get_template("question.txt").render(words),
    )


def _to_answer(link: str | None, until: str) -> list[str]:
    where = "by the link above" if link else "in Airflow: the run named below, its task 'approve', tab Required Action"
    return [
        "Find out whether this is as it should be; whoever sends the export will know.",
        f"Answer {where}: Approve, and it is loaded; Reject, and nothing is sent. A reason has to be given.",
        f"Without an answer by {until}, nothing is sent, and another mail says so.",
    ]


def page(tenant: Tenant, report: Report) -> str:
    """The report as one HTML page that loads nothing from elsewhere."""
    return templates().get_template("report.html").render(told(report, tenant.dag_id))


NO_ROWS = ("failed", "no_file", "already_loaded")
"""When such a run has read no row, there is nothing to count."""


def headline(report: Report) -> str:
    """What happened, in one line."""
    nothing = "" if report.sent else ", nothing was sent"
    plain = {
        "dry_run": f"Dry run: {counted(report.not_sent, 'patron')} would be sent",
        "already_loaded": "Nothing to do: the file was loaded before",
        "stopped": f"The load was stopped{nothing}",
        "no_file": f"No file came{nothing}",
        "declined": f"{'Nobody approved the load' if _unanswered(report) else 'The load was declined'}{nothing}",
        "loaded_with_rejects": f"{_are(report.loaded, 'patron')} loaded, {_are(report.to_mend, 'row')} not",
        "loaded": f"{_are(report.loaded, 'patron')} loaded",
    }
    return _failed(report) if report.outcome == "failed" else plain[report.outcome]


def _unanswered(report: Report) -> bool:
    return report.approval is None or report.approval.answer != "declined"


def _said_no(report: Report) -> str:
    return "nobody said in time that it is right" if _unanswered(report) else "a person said no to it"


def _failed(report: Report) -> str:
    if not report.sent:
        return "The load failed, nothing was sent"
    if report.not_sent:
        return f"The load failed after {report.sent:,} of {counted(report.sent + report.not_sent, 'patron')}"
    if report.unconfirmed:
        return f"{_are(report.unconfirmed, 'patron')} unconfirmed"
    return "The load failed"


def _are(number: int, thing: str) -> str:
    return f"{counted(number, thing)} {'is' if number == 1 else 'are'}"


def _lead(report: Report) -> str:
    """The second sentence: what the headline means."""
    target, rows = report.target, counted(report.rows, "row")
    as_before = "" if report.sent else f" {target} is as it was before."
    plain = {
        "dry_run": "The export was read, checked, mapped and compared with "
        f"{target} as in a real load. Nothing was sent to {target}.",
        "already_loaded": f"{report.nothing_to_do} {target} is as it was before.",
        "stopped": f"The export was read ({rows}) and refused.{as_before}",
        "no_file": f"There was no export for this day.{as_before}",
        "declined": f"The export was read ({rows}), and {_said_no(report)}.{as_before}",
        "failed": as_before.strip() or f"{target} has {report.loaded:,} of {rows}.",
        "loaded_with_rejects": f"Of the {rows} in the export these could not be loaded as they are; "
        "the reasons are below.",
        "loaded": f"Every row of the export is a patron in {target} now.",
    }
    return plain[report.outcome]


def _numbers(report: Report) -> list[Number]:
    """The account, top to bottom: the lines after the first add up to it."""
    target = report.target
    lines = [
        Number("Rows", report.rows, "in the export", "rows"),
        Number("Created", report.created, f"new in {target}", "good"),
        Number("Updated", report.updated, f"were in {target} before", "good"),
        Number("Failed", report.failed, f"refused by {target}", "bad"),
        Number("Rejected", report.rejected, "left out before sending", "bad"),
    ]
    waiting = "would be sent in a real load" if report.outcome == "dry_run" else "the run ended before their turn"
    rest = [
        Number("Not sent", report.not_sent, waiting, "open"),
        Number("Unconfirmed", report.unconfirmed, "sent, the answer was lost", "unknown"),
    ]
    return lines + [line for line in rest if line.amount]


def _shares(report: Report) -> list[tuple[str, float]]:
    """The parts of a bar, in percent of the rows: each that is not empty can be seen."""
    parts = {
        "good": report.loaded,
        "bad": report.to_mend,
        "open": report.not_sent,
        "unknown": report.unconfirmed,
    }
    seen = {kind: max(count / report.rows, 0.01) for kind, count in parts.items() if count}
    return [(kind, round(100 * share / sum(seen.values()), 2)) for kind, share in seen.items()]


def _found_by(report: Report, reason: Reason) -> str:
    post = "Patronload" if reason.reason == UNCONFIRMED else report.target
    words = {"validate": "the checks", "transform": "the mapping", "plan": "the plan", "post": post}
    return words.get(reason.stage, reason.stage)


def reason_words(report: Report) -> str:
    """What stands before the reason that a person gave to load the file anyway."""
    used = any(gate.state == "overridden" for gate in report.gates)
    return "Loaded anyway; the reason given:" if used else "A reason to load it anyway was given, and not needed:"


def _row_numbers(reason: Reason | Noted) -> str:
    """Row 17; rows 17, 45 and 101; rows 17, 45, 101 and 37 more."""
    named, more = [f"{row}" for row in reason.rows], reason.count - len(reason.rows)
    last = [f"{more:,} more"] if more else named[-1:]
    first = named if more else named[:-1]
    return f"{'row' if reason.count == 1 else 'rows'} " + " and ".join(
        part for part in (", ".join(first), *last) if part
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def told(report: Report, dag_id: str) -> dict[str, Any]:
    """What the templates may say of a report: mail.html, mail.txt, report.html, and the page in Airflow."""
    zone = ZoneInfo(report.timezone)
    return {
        "report": report,
        "dag": dag_id,
        "day": dates.in_words(report.day),
        "look": LOOKS[report.outcome],
        "headline": headline(report),
        "lead": _lead(report),
        "numbers": _numbers(report) if report.rows or report.outcome not in NO_ROWS else [],
        "shares": _shares(report),
        "reasons": [
            (reason, _capital(reason.reason), _found_by(report, reason), _row_numbers(reason))
            for reason in report.reasons
        ],
        "most_reasons": REASONS,
        "noted": [(note, _capital(note.reason), _row_numbers(note)) for note in report.noted],
        "noted_rows": sum(note.count for note in report.noted),
        "gate_words": GATE_WORDS,
        "scope_words": SCOPE_WORDS,
        "reason_words": reason_words(report),
        "steps": next_steps(report),
        "archive": _archive(report, zone),
        "when": lambda moment: dates.with_weekday(moment, zone),
    }


def _archive(report: Report, zone: ZoneInfo) -> str:
    """Where an export comes from that the library no longer had; else nothing."""
    kept = report.export.archive if report.export else None
    return (
        f"taken from the archive of run {kept.run}, which fetched it {dates.with_weekday(kept.fetched, zone)}"
        if kept
        else ""
    )


def _size(count: int) -> str:
    """812 bytes, 1.2 MB."""
    for unit, size in (("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return counted(count, "byte")


def _nth(number: int) -> str:
    """2nd, 3rd, 11th, 21st."""
    teens = number // 10 % 10 == 1
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def templates() -> jinja2.Environment:
    """The templates of this installation; those it does not bring are the project's own."""
    folders = [settings.templates(), settings.PROJECT / "include" / "templates"]
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters.update(size=_size, thousands="{:,}".format, nth=_nth)
    return found


def send(mail: Mail, waits: Sequence[float] = WAITS) -> None:
    """
    Send the mail through Airflow's connection `smtp_default`, trying again after each of the `waits` (seconds).

    The provider's own `send_email_smtp` sends HTML without a text beside it (`SmtpHook._build_mime_message`), so the
    message is made here, and the hook gives the connection with its TLS and login.

    Raises TransientError when the server is down or asks to come again later, TargetError when it refuses the login,
    the sender or a recipient, ConfigError for a connection that is missing or wrong. No error names an address.
    """
    if not mail.to:
        log.info("Nobody is named for this outcome, so there is no mail.")
        return
    waiting, refused = list(mail.to), 0
    trouble: PatronloadError | None = None
    for wait in (0.0, *waits):
        time.sleep(wait)
        try:
            replies = _submit(mail, waiting)
        except TransientError as error:
            trouble = error
            continue
        refused += sum(code >= _FOR_GOOD for code in replies.values())
        waiting = [address for address, code in replies.items() if code < _FOR_GOOD]
        trouble = TransientError(f"The mail server puts off {len(waiting)} of {len(mail.to)} recipients until later.")
        if not waiting:
            break
    if waiting and trouble:
        raise trouble
    if refused:
        raise TargetError(
            f"The mail server refused {refused} of the {counted(len(mail.to), 'recipient')}. Look at the addresses "
            "under notify in the tenant file."
        )
    log.info("The mail went to %s.", counted(len(mail.to), "recipient"))


def _submit(mail: Mail, to: list[str]) -> dict[str, int]:
    """Hand the mail to the server; the recipients that it did not take, each with the code of its reply."""
    with _server() as (client, sender):
        try:
            replies = client.send_message(_message(mail, sender), from_addr=sender, to_addrs=to)
        except smtplib.SMTPRecipientsRefused as error:
            replies = error.recipients
        except (smtplib.SMTPException, OSError) as error:
            # Its text and its traceback may name addresses.
            raise _refusal(error) from None
    return {address: code for address, (code, _) in replies.items()}


def _refusal(error: Exception) -> PatronloadError:
    """What it means that the server did not take a mail."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return TargetError(
            "The mail server takes ASCII addresses only, and one under notify in the tenant file is not."
        )
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
    if code < _FOR_GOOD:
        return TransientError("The mail server broke off, or asks to come again later.")
    what = "the sender; look at from_email in" if isinstance(error, smtplib.SMTPSenderRefused) else "the mail; see"
    return TargetError(f"The mail server refused {what} the Airflow connection '{CONNECTION}' (reply {code}).")


@contextmanager
def _server() -> Iterator[tuple[smtplib.SMTP, str]]:
    """The mail server, logged in to, and the address that mails come from."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook  # seconds to import, and only sending needs it

    hook = SmtpHook(smtp_conn_id=CONNECTION)
    try:
        _connect(hook)
        if not hook.from_email:
            raise ConfigError(
                f"The Airflow connection '{CONNECTION}' names no sender. Add \"from_email\" to its extra."
            )
        # The hook offers no other way to a message with two alternatives.
        client = hook._smtp_client  # noqa: SLF001
        assert isinstance(client, smtplib.SMTP)
        yield client, hook.from_email
        with suppress(smtplib.SMTPException):
            client.quit()
    finally:
        if hook._smtp_client:  # noqa: SLF001 - a login that fails leaves it open
            hook._smtp_client.close()  # noqa: SLF001


def _connect(hook: Any) -> None:
    try:
        hook.get_conn()
    except Exception as error:  # noqa: BLE001 - the hook raises its own, smtplib's, the socket's and RuntimeError
        raise _no_connection(error) from None


def _no_connection(error: Exception) -> PatronloadError:
    """What it means that the hook did not get through to the server; `error` is its own or smtplib's."""
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

    here = f"the Airflow connection '{CONNECTION}'"
    cause = error.__context__ if isinstance(error, AirflowException) else error
    if isinstance(cause, AirflowNotFoundException):
        return ConfigError(
            f"Mails cannot be sent: there is no Airflow connection '{CONNECTION}'. Add it, of type SMTP."
        )
    if isinstance(cause, ssl.SSLError | smtplib.SMTPNotSupportedError):
        return ConfigError(
            "The mail server and we do not agree on encryption. Look at disable_ssl, disable_tls and ssl_context in "
            f'the extra of {here}; with port 465 write "disable_tls": true.'
        )
    if isinstance(cause, smtplib.SMTPAuthenticationError) and cause.smtp_code >= _FOR_GOOD:
        return TargetError(f"The mail server refused our login. Look at the login and the password of {here}.")
    if isinstance(cause, smtplib.SMTPException | OSError):
        return TransientError(f"The mail server does not answer, or not now. If it stays so, look at {here}.")
    return ConfigError(f"{here[:1].upper()}{here[1:]} cannot be used ({type(error).__name__}).")


def _message(mail: Mail, sender: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = mail.subject
    message["From"] = sender
    message["To"] = [Address(addr_spec=address) for address in mail.to]
    message["Date"] = format_datetime(datetime.now().astimezone())
    # The same mail sent twice, because an answer got lost, has the same id, by which many programs show it once.
    key = hashlib.sha256("\0".join((mail.subject, *mail.to, mail.text)).encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{key}@{sender.rpartition('@')[2].rstrip('>') or 'patronload'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message
