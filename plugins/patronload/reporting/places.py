"""Where a recipient of a mail finds the report, the rejects and the plan: behind a signed link, or in Airflow."""

from __future__ import annotations

import logging
from typing import NamedTuple
from urllib.parse import quote

from patronload.config.tenants import Tenant
from patronload.errors import ConfigError
from patronload.reporting import signed_links
from patronload.reporting.airflow_links import PAGES, SIGNED_PAGES, Links
from patronload.reporting.signed_links import Link, Signer

log = logging.getLogger(__name__)

HELP = "how-to-fix"
"""The page about rows that were rejected; it is open to everyone and shows no data."""


class Reader(NamedTuple):
    """Who reads a mail: `on_call` people look after Airflow and read its words; contacts do not. '' for a group."""

    on_call: bool = True
    address: str = ""


class Places(NamedTuple):
    """The addresses of pages for one reader; '' where there is none. `signed`: whether they need no account."""

    report: str = ""
    rejects: str = ""
    plan: str = ""
    help: str = ""
    signed: bool = False


class Site(NamedTuple):
    """Airflow's own address, and the signer of this tenant, if its links are on."""

    tenant: Tenant
    base: str = ""
    signer: Signer | None = None

    def places(self, run_id: str, reader: Reader) -> Places:
        """The pages about a run for one reader."""
        if not self.base:
            return Places()
        about = f"{self.base}{SIGNED_PAGES}/{HELP}"
        if self.signer and reader.address and not reader.on_call:
            found = self.link(self.signer, run_id, reader.address)
            link = Link(run_id, signed_links.mark(reader.address, run_id))
            person = signed_links.person(self.tenant, link)
            rejects = f"{found}#rejects" if person and person.may_correct else ""
            return Places(found, rejects, f"{found}#plan", about, signed=True)
        dag_id, airflow = self.tenant.dag_id, Links(self.base)
        rejects = f"{self.base}{PAGES}/runs/{quote(dag_id, safe='')}/{quote(run_id, safe='')}/rejects.xlsx"
        return Places(airflow.report(dag_id, run_id), rejects, airflow.plan(dag_id, run_id), about)

    def answer(self, run_id: str, address: str, question: str) -> str | None:
        """Where an approver answers without an account; None for everyone else."""
        if not (self.base and self.signer):
            return None
        link = Link(run_id, signed_links.mark(address, run_id), question)
        person = signed_links.person(self.tenant, link)
        if person is None or not person.may_answer:
            return None
        return self.link(self.signer, run_id, address, question)

    def link(self, signer: Signer, run_id: str, address: str, question: str = "") -> str:
        """The address of the page for one recipient."""
        token = signer.sign(Link(run_id, signed_links.mark(address, run_id), question))
        return f"{self.base}{SIGNED_PAGES}/{self.tenant.tenant}/{token}"


def site(tenant: Tenant, base: str | None) -> Site:
    """The site of a tenant. Without a key the mails lead into Airflow: they have to be sent."""
    try:
        signer = signed_links.signer(tenant)
    except ConfigError as error:
        log.warning("The mails have no signed links. %s", error)
        signer = None
    return Site(tenant, (base or "").rstrip("/"), signer)
