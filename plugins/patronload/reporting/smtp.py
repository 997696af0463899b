"""
Send a mail through Airflow's connection `smtp_default`.

The SMTP provider gives the connection type and its form. Its hook sends HTML without plain text beside it, so the
message is written and sent here, with the same settings in the connection's extra.
"""

import hashlib
import logging
import smtplib
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import NamedTuple

from patronload import connections
from patronload.connections import Connection
from patronload.errors import ConfigError, PatronloadError, TargetError, TransientError

log = logging.getLogger(__name__)

CONNECTION = "smtp_default"
"""The Airflow connection of the mail server; its extra names the sender: {"from_email": ...}."""

WAITS = (2.0, 10.0)
"""Seconds to wait before each new try. Airflow's own retries of the task are for longer outages."""

RUN = "X-Patronload-Run"
"""The header of a mail that names its run."""

_FINAL = 500
"""SMTP replies from here on are final; those below ask to come again later (RFC 5321, section 4.2.1)."""

_TIMEOUT = 30
"""Seconds, unless the connection's extra has a `timeout`."""


class Mail(NamedTuple):
    """A mail as it will be sent: its recipients, the same content as HTML and as plain text, and its run."""

    subject: str
    to: tuple[str, ...]
    html: str
    text: str
    run: str = ""


def send(mail: Mail, waits: Sequence[float] = WAITS) -> None:
    """
    Send the mail, and try again after each of the `waits` (seconds).

    Raises TransientError when the server is down or asks to come again later, TargetError when it refuses the login,
    the sender or a recipient, ConfigError for a connection that is missing or wrong. No error names an address.
    """
    if not mail.to:
        log.info("No recipient is named for this outcome, so there is no mail.")
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
        refused += sum(code >= _FINAL for code in replies.values())
        waiting = [address for address, code in replies.items() if code < _FINAL]
        trouble = TransientError(f"The mail server defers {len(waiting)} of {len(mail.to)} recipients.")
        if not waiting:
            break
    if waiting and trouble:
        raise trouble
    if refused:
        raise TargetError(
            f"The mail server refused {refused} of the {_recipients(mail)}. Check the addresses under notify in "
            f"the tenant file."
        )
    log.info("The mail went to %s.", _recipients(mail))


def log_in() -> None:
    """Connect to the mail server and log in; nothing is sent. Raises as `send` does."""
    with _server():
        pass


def _recipients(mail: Mail) -> str:
    return "1 recipient" if len(mail.to) == 1 else f"{len(mail.to)} recipients"


def _submit(mail: Mail, to: list[str]) -> dict[str, int]:
    """Hand the mail to the server; return the recipients that it did not take, each with the code of its reply."""
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
    """The error to raise when the server did not take a mail."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return TargetError(
            "The mail server accepts only ASCII addresses, and one under notify in the tenant file has other "
            "characters."
        )
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
    if code < _FINAL:
        return TransientError("The mail server closed the connection, or asks us to try again later.")
    what = "the sender; check from_email in" if isinstance(error, smtplib.SMTPSenderRefused) else "the mail; see"
    return TargetError(f"The mail server refused {what} the Airflow connection '{CONNECTION}' (reply {code}).")


@contextmanager
def _server() -> Iterator[tuple[smtplib.SMTP, str]]:
    """The mail server, logged in to, and the address that mails come from."""
    connection = _connection()
    sender = str(connection.extra.get("from_email") or "")
    client = _connect(connection)
    try:
        if not sender:
            raise ConfigError(
                f"The Airflow connection '{CONNECTION}' names no sender. Add \"from_email\" to its extra."
            )
        yield client, sender
        with suppress(smtplib.SMTPException):
            client.quit()
    finally:
        client.close()


def _connection() -> Connection:
    try:
        return connections.get(CONNECTION)
    except ConfigError as error:
        raise ConfigError(f"Mails cannot be sent. {error}") from None


def _connect(connection: Connection) -> smtplib.SMTP:
    """Open the connection and log in."""
    if not connection.host:
        raise ConfigError(f"The Airflow connection '{CONNECTION}' names no host. Add the mail server's.")
    client = None
    try:
        client = _client(connection)
        _log_in(client, connection)
    except (PatronloadError, smtplib.SMTPException, OSError, ValueError) as error:
        if client:
            client.close()
        raise (error if isinstance(error, PatronloadError) else _no_connection(error)) from None
    return client


def _client(connection: Connection) -> smtplib.SMTP:
    """Encrypted from the start, encrypted by STARTTLS or in plain text, as the extra says; the provider's own rules."""
    timeout = float(connection.extra.get("timeout") or _TIMEOUT)
    context = _tls(connection)
    if not connection.says("disable_ssl"):
        return smtplib.SMTP_SSL(connection.host, connection.port or 0, timeout=timeout, context=context)
    client = smtplib.SMTP(connection.host, connection.port or 0, timeout=timeout)
    if not connection.says("disable_tls"):
        try:
            client.starttls(context=context)
        except BaseException:
            client.close()
            raise
    return client


def _tls(connection: Connection) -> ssl.SSLContext | None:
    """Checks the server's certificate; only "ssl_context": "none" switches that off, for a server in a laboratory."""
    return None if connection.extra.get("ssl_context") == "none" else ssl.create_default_context()


def _log_in(client: smtplib.SMTP, connection: Connection) -> None:
    if connection.extra.get("auth_type") == "oauth2":
        user = connection.login or str(connection.extra.get("from_email"))
        token = connection.extra.get("access_token") or _access_token(connection)
        client.ehlo_or_helo_if_needed()
        client.auth("XOAUTH2", lambda _=None: f"user={user}\x01auth=Bearer {token}\x01\x01")
    elif connection.login and connection.password:
        client.login(connection.login, connection.password)


def _access_token(connection: Connection) -> str:
    """A token of the connection's own client: the client credentials grant (RFC 6749, 4.4), as Microsoft 365 asks."""
    import httpx  # only this login needs it

    extra = connection.extra
    tenant = extra.get("tenant_id") or "common"
    asked = {
        "grant_type": "client_credentials",
        "client_id": extra.get("client_id"),
        "client_secret": extra.get("client_secret"),
        "scope": extra.get("scope") or "https://outlook.office.com/.default",
    }
    url = extra.get("token_url") or f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
    try:
        answer = httpx.post(str(url), data=asked, timeout=_TIMEOUT)
    except httpx.HTTPError:
        raise TransientError("The mail server's login service does not answer.") from None
    if not answer.is_success:
        raise TargetError(
            "The mail server's login service gave no token. Check client_id, client_secret, tenant_id and scope in "
            f"the Airflow connection '{CONNECTION}' (reply {answer.status_code})."
        )
    return str(answer.json()["access_token"])


def _no_connection(error: Exception) -> PatronloadError:
    """The error to raise when there is no way through to the server."""
    here = f"the Airflow connection '{CONNECTION}'"
    if isinstance(error, ssl.SSLError | smtplib.SMTPNotSupportedError):
        return ConfigError(
            "The mail server expects a different encryption setting. Check disable_ssl, disable_tls and ssl_context in "
            f'the extra of {here}; with port 587 write "disable_ssl": true.'
        )
    if isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= _FINAL:
        return TargetError(f"The mail server refused our login. Check the login and the password of {here}.")
    if isinstance(error, smtplib.SMTPException | OSError):
        return TransientError(f"The mail server does not answer. If this persists, check {here}.")
    return ConfigError(f"{here[:1].upper()}{here[1:]} cannot be used ({type(error).__name__}).")


def _message(mail: Mail, sender: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = mail.subject
    message["From"] = sender
    message["To"] = [Address(addr_spec=address) for address in mail.to]
    message["Date"] = format_datetime(datetime.now().astimezone())
    # The same mail sent twice, because an answer was lost, has the same id, and many mail programs show it only once.
    key = hashlib.sha256("\0".join((mail.subject, *mail.to, mail.text)).encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{key}@{sender.rpartition('@')[2].rstrip('>') or 'patronload'}>"
    message["Auto-Submitted"] = "auto-generated"
    if mail.run:  # for the people on call, who look for all mails of a run; no reader sees it
        message[RUN] = mail.run
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message
