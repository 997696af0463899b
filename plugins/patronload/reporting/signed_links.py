"""
Signed links: a page for one recipient and one run, without an account in Airflow.

A link names the run, the recipient as a hash, and the question if it is to be answered; nothing about patrons. The
tenant's own keys sign it, with the time, so it works for no other tenant, cannot be guessed or changed, and expires.
Whether it still counts is decided when it is opened: by the tenant file, and by the question that the run asks then.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from patronload import connections
from patronload.config.links import Links
from patronload.config.tenants import Tenant

FORM = timedelta(hours=12)
"""How long a page may stay open before its buttons are pressed."""


class ForgedLinkError(Exception):
    """The link was not made by us, or not for this."""


class ExpiredLinkError(Exception):
    """The link is too old."""


class Link(NamedTuple):
    """The content of a link: the run, who it is for (see `mark`), and which question it answers, if it answers one."""

    run: str
    to: str
    question: str = ""


def mark(address: str, run: str) -> str:
    """Stands for a recipient in the links of one run, so that no address is in them."""
    return hashlib.sha256(f"{run}\0{address.casefold()}".encode()).hexdigest()[:24]


class Signer:
    """Makes and reads the links of one tenant. New links use the first key; those made with the others are valid."""

    def __init__(self, tenant: str, keys: Sequence[str]) -> None:
        """`keys`: the newest first."""
        oldest_first = [*reversed(keys)]
        options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        self._links = URLSafeTimedSerializer(oldest_first, f"patronload link {tenant}", signer_kwargs=options)
        self._forms = URLSafeTimedSerializer(oldest_first, f"patronload form {tenant}", signer_kwargs=options)

    def sign(self, link: Link) -> str:
        """The part of an address that holds the link."""
        return str(self._links.dumps([*link]))

    def read(self, token: str, valid: timedelta) -> Link:
        """The link. Raises ForgedLinkError, ExpiredLinkError."""
        try:
            run, to, question = self._links.loads(token, max_age=int(valid.total_seconds()))
            return Link(str(run), str(to), str(question))
        except SignatureExpired:
            raise ExpiredLinkError from None
        except (BadData, ValueError, TypeError):
            raise ForgedLinkError from None

    def form(self, token: str) -> str:
        """A text for the forms of the page behind a link: a person who sends one has opened the page."""
        return str(self._forms.dumps(_short(token)))

    def check_form(self, form: str, token: str) -> None:
        """Raises ForgedLinkError for a form of another page, ExpiredLinkError for one that was open for too long."""
        try:
            found = self._forms.loads(form, max_age=int(FORM.total_seconds()))
        except SignatureExpired:
            raise ExpiredLinkError from None
        except BadData:
            raise ForgedLinkError from None
        if not hmac.compare_digest(str(found).encode(), _short(token).encode()):
            raise ForgedLinkError


def _short(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def signer(tenant: Tenant) -> Signer | None:
    """The tenant's signer; None if its links are off. Raises ConfigError if there is no good key."""
    return Signer(tenant.tenant, connections.link_keys(tenant.links.connection)) if tenant.links else None


class Person(NamedTuple):
    """A recipient of links: the address, and what they may do besides reading the report."""

    address: str
    may_correct: bool
    may_answer: bool


def person(tenant: Tenant, link: Link) -> Person | None:
    """The recipient of the link; None if the tenant file no longer names that address."""
    if tenant.links is None:
        return None
    for address in _addresses(tenant, tenant.links):
        if hmac.compare_digest(mark(address, link.run), link.to):
            correctors = tenant.notify.on_rejects if tenant.links.rejects is None else tenant.links.rejects
            return Person(address, _among(address, correctors), _among(address, tenant.links.approvers))
    return None


def _addresses(tenant: Tenant, links: Links) -> Iterator[str]:
    """All addresses that may have a link."""
    named = tenant.notify
    for group in (named.always, named.on_success, named.on_rejects, named.on_stop, named.on_no_file, named.on_decline):
        yield from group or ()
    yield from (*named.on_failure, *(links.rejects or ()), *links.approvers)


def _among(address: str, group: Sequence[str]) -> bool:
    return address.casefold() in map(str.casefold, group)
