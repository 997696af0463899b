"""
Examine one library before its first load: files, connections, servers, permissions, mail and artifacts.

Nothing is loaded, no mail is sent, and nothing remains but what was there. Each check says what to do if it fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from patronload import connections, settings, sources, targets
from patronload.artifacts import run as runs
from patronload.config import mapping_files, tenants
from patronload.config.source import FolderSource
from patronload.config.tenants import Tenant
from patronload.errors import ConfigError, Defect, MissingError, PatronloadError
from patronload.reporting import smtp

State = Literal["passed", "warning", "failed"]

TRIAL = "_doctor/trial"
"""The artifact that is written, read and removed; no tenant can have this name."""

ASK_AIRFLOW = 60.0
"""Seconds for `airflow connections get`, which starts all of Airflow."""


class Check(NamedTuple):
    """The result of one check: what was examined, and sentences for a person."""

    subject: str
    state: State
    sentences: tuple[str, ...]


def examine(name: str) -> Iterator[Check]:
    """Each check of the tenant with this name, as soon as it is done. Without a valid tenant file there is only one."""
    try:
        tenant = tenants.load(name)
        mapping_files.load(tenant.mapping)
    except ConfigError as error:
        yield Check("files", "failed", (str(error),))
        return
    yield Check("files", "passed", (f"The tenant file and the mapping {tenant.mapping} are valid.",))
    checks: list[tuple[str, Callable[[Tenant], list[str]]]] = [
        ("export", _export),
        *([("PGP key", _pgp_key)] if tenant.source.pgp else []),
        (tenant.system.name, _target),
        ("mail", _mail),
        *([("signed links", _links)] if tenant.links else []),
        *([("webhook", _webhook)] if tenant.notify.webhook else []),
        *([("Slack", _slack)] if tenant.notify.slack else []),
        ("artifacts", _artifacts),
    ]
    for subject, check in checks:
        yield _done(subject, check, tenant)


def _done(subject: str, check: Callable[[Tenant], list[str]], tenant: Tenant) -> Check:
    try:
        return Check(subject, "passed", tuple(check(tenant)))
    except MissingError as missing:  # the server and the folder are fine
        return Check(subject, "warning", ("The server answers, and the login works.", str(missing)))
    except (PatronloadError, OSError) as error:
        return Check(subject, "failed", (str(error),))
    except Exception as error:  # noqa: BLE001 - one check must not hide the others
        return Check(subject, "failed", (str(Defect.hiding(error)),))


def _export(tenant: Tenant) -> list[str]:
    source = tenant.source
    if not isinstance(source, FolderSource):
        _find_connection(source.connection)
    return [sources.look(source, datetime.now(tenant.zone).date(), tenant.zone)]


def _pgp_key(tenant: Tenant) -> list[str]:
    _find_connection(str(tenant.source.pgp))
    connections.pgp_key(str(tenant.source.pgp))
    return [f"The connection '{tenant.source.pgp}' has a key."]


def _target(tenant: Tenant) -> list[str]:
    _find_connection(tenant.target.connection)
    with targets.open_target(tenant.target, connections.get) as target:
        return target.readiness(mapping_files.load(tenant.mapping))


def _mail(tenant: Tenant) -> list[str]:
    _find_connection(smtp.CONNECTION)
    smtp.log_in()
    addresses = len({*tenant.notify.always, *tenant.notify.on_failure})
    return [
        "The mail server answers, and the login works. No mail was sent.",
        f"A failed load would be reported to {addresses} {'address' if addresses == 1 else 'addresses'}.",
    ]


def _links(tenant: Tenant) -> list[str]:
    assert tenant.links
    _find_connection(tenant.links.connection)
    keys = len(connections.link_keys(tenant.links.connection))
    return [f"The connection '{tenant.links.connection}' has {keys} {'key' if keys == 1 else 'keys'}."]


def _webhook(tenant: Tenant) -> list[str]:
    named = str(tenant.notify.webhook)
    _find_connection(named)
    if not connections.get(named).host:
        raise ConfigError(f"The Airflow connection '{named}' names no host. Add the webhook's.")
    return [f"The connection '{named}' has a host. Nothing was posted."]


def _slack(tenant: Tenant) -> list[str]:
    named = str(tenant.notify.slack)
    _find_connection(named)
    if not connections.get(named).password:
        raise ConfigError(f"The Airflow connection '{named}' has no password. Add the token of Slack's webhook.")
    return [f"The connection '{named}' has a token. Nothing was posted."]


def _artifacts(tenant: Tenant) -> list[str]:
    if keys := settings.artifacts_keys():
        _find_connection(keys)
    root = runs.open_run(tenant.tenant, "doctor").root
    content = os.urandom(32)
    root.write(TRIAL, content)
    try:
        if root.read(TRIAL) != content:
            raise ConfigError(f"{root.url} returned different bytes than were written. Check the storage.")
    finally:
        root.remove_entry(TRIAL.partition("/")[0])
    return [f"{root.url} can be written and read{', encrypted' if keys else ''}."]


def _find_connection(connection_id: str) -> None:
    """
    See that the connection can be found from here; one entered in the UI is fetched with Airflow's own command.

    Raises ConfigError if there is none.
    """
    try:
        connections.get(connection_id)
    except ConfigError:
        found = _from_airflow(connection_id)
        if found is None:
            raise
        # The hooks of Airflow's providers look in the environment of this process, which ends with the command.
        os.environ[f"AIRFLOW_CONN_{connection_id.upper()}"] = found


def _from_airflow(connection_id: str) -> str | None:
    """The connection as a URI, from Airflow's database, if this machine can reach it."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the id's letters are checked by the tenant file's model
            [sys.executable, "-m", "airflow", "connections", "get", connection_id, "--output", "json"],
            capture_output=True,
            check=True,
            timeout=ASK_AIRFLOW,
        )
        (row,) = json.loads(done.stdout)
        return str(row["get_uri"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None
