"""
Find out what needs attention in all libraries, for the people on call.

A task cannot read Airflow's database. So it asks Airflow for the content of the page with all libraries, with a
separate account in an Airflow connection. That account's rights decide which libraries are watched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx

from patronload import connections
from patronload.config import tenants
from patronload.connections import Connection
from patronload.errors import ConfigError, TargetError, TransientError
from patronload.in_airflow.pages import attention
from patronload.reporting.airflow_links import PAGES
from patronload.reporting.attention_mail import Problem

CONNECTION = "patronload_airflow"

PATIENCE = 60.0
"""Seconds for an answer about all libraries."""


class Watch(NamedTuple):
    """Who is on call, the address of the page over all libraries, and what there is to report."""

    to: tuple[str, ...]
    page: str
    problems: list[Problem]


def look() -> Watch:
    """Ask Airflow. Raises ConfigError, TargetError, TransientError."""
    connection = connections.get(CONNECTION)
    to = _addresses(connection)
    told = _ask(connection, _quiet_days(connection))
    shown = str(connection.extra.get("page") or f"{connection.host.rstrip('/')}{PAGES}/?show=attention")
    return Watch(to, shown, sorted(_problems(told)))


def _addresses(connection: Connection) -> tuple[str, ...]:
    named = connection.extra.get("mail_to") or ""
    listed = named if isinstance(named, list) else str(named).split(",")
    addresses = tuple(str(each).strip() for each in listed if str(each).strip())
    if not addresses or not all("@" in each for each in addresses):
        raise ConfigError(
            f"The Airflow connection '{CONNECTION}' names no one on call. Add \"mail_to\" to its extra: one "
            f"address, or several, separated by commas."
        )
    return addresses


def _quiet_days(connection: Connection) -> int:
    written = str(connection.extra.get("quiet_days", attention.QUIET_DAYS))
    if not written.isdecimal() or not 1 <= int(written) <= attention.MOST_QUIET_DAYS:
        raise ConfigError(
            f"quiet_days in the extra of the Airflow connection '{CONNECTION}' is not a number of days from 1 to "
            f"{attention.MOST_QUIET_DAYS}."
        )
    return int(written)


def _ask(connection: Connection, quiet_days: int) -> dict[str, dict[str, Any]]:
    """Tenant -> what Airflow says about its library."""
    login = {"username": connection.login, "password": connection.password}
    try:
        with httpx.Client(base_url=connection.host, timeout=PATIENCE) as client:
            token = _answer(client.post("auth/token", json=login))["access_token"]
            told = client.get(
                f"{PAGES.lstrip('/')}/loads.json",
                params={"most": 1, "quiet_days": quiet_days},
                headers={"Authorization": f"Bearer {token}"},
            )
        return {each["tenant"]: each for each in _answer(told)["libraries"]}
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise ConfigError(
            f"The host of the Airflow connection '{CONNECTION}' is not Airflow's address. Write it like "
            "http://api-server:8080."
        ) from None
    except httpx.TransportError:
        raise TransientError(
            f"Airflow does not answer at the address in the Airflow connection '{CONNECTION}'."
        ) from None
    except (ValueError, KeyError, TypeError):
        raise TargetError(
            f"The server at the address in the Airflow connection '{CONNECTION}' is not an Airflow with Patronload's "
            "pages. Correct the connection's host."
        ) from None


def _answer(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise TargetError(f"Airflow refused the login and the password of the Airflow connection '{CONNECTION}'.")
    if answer.is_server_error:
        raise TransientError(f"Airflow answers with status {answer.status_code}; it may be starting.")
    raise TargetError(
        f"Airflow answers with status {answer.status_code} to the account of the Airflow connection "
        f"'{CONNECTION}'. Check its host."
    )


def _problems(told: dict[str, dict[str, Any]]) -> Iterator[Problem]:
    files = dict(tenants.load_all())
    for tenant in sorted(told.keys() | files.keys()):
        shown, file = told.get(tenant), files.get(tenant)
        name = shown["library"] if shown else tenant
        sentences = [*_of_the_file(file, shown)]
        if not isinstance(file, ConfigError):
            # Who waits for a file or an answer has had a mail about it.
            sentences += [each for each in (shown or {}).get("attention", []) if each not in attention.WAITS.values()]
        if sentences:
            yield Problem(name, tuple(sentences))


def _of_the_file(file: object, shown: object) -> Iterator[str]:
    if isinstance(file, ConfigError):
        yield f"Its tenant file does not load. {file}"
    elif file is not None and shown is None:
        yield (
            f"Its DAG is not in Airflow, or the account of the connection '{CONNECTION}' may not see it. If the file "
            "is new, Airflow reads it within minutes."
        )
