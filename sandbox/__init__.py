"""Stand-ins for the outside world: FOLIO, Infiniti, an SFTP server, a mail server, an S3 server.

Start them all with `python -m sandbox --folder DIR`, or `with Sandbox(folder) as sandbox:` (sandbox.everything), or one
at a time (sandbox.folio, sandbox.infiniti, sandbox.sftp, sandbox.smtp, sandbox.s3). They listen on
loopback by default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["PROJECT", "connections"]

PROJECT = Path(__file__).resolve().parents[1]


def connections(description: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that make Airflow's connections out of a running sandbox.

    Args:
        description: what sandbox.json holds.

    Returns:
        AIRFLOW_CONN_<ID> -> JSON, for <tenant>_sftp, <tenant>_folio, <tenant>_infiniti, smtp_default and,
        with an S3 server, artifacts.
    """
    found = {"smtp_default": _smtp(description["smtp"])}
    for account in description["sftp"]["accounts"]:
        found[f"{account['username']}_sftp"] = _sftp(description["sftp"], account)
    for account in description["folio"]["tenants"]:
        found[f"{account['tenant']}_folio"] = _folio(description["folio"], account)
    found[f"{description['infiniti']['tenant']}_infiniti"] = _infiniti(description["infiniti"])
    if description.get("s3"):
        found["artifacts"] = _s3(description["s3"])
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in found.items()}


def _sftp(server: Mapping[str, Any], account: Mapping[str, Any]) -> dict[str, Any]:
    extra = {"host_key": server["host_key"], "look_for_keys": "false", "allow_agent": "false"}
    connection = {"conn_type": "sftp", "host": server["host"], "port": server["port"], "login": account["username"]}
    if account.get("private_key"):
        return connection | {"extra": extra | {"private_key": account["private_key"]}}
    return connection | {"password": account["password"], "extra": extra}


def _folio(server: Mapping[str, Any], account: Mapping[str, Any]) -> dict[str, Any]:
    credentials = {"login": account["username"], "password": account["password"]}
    extra = {"login": account["login"], **_by_http(server)}
    return {"conn_type": "http", "host": server["url"], **credentials, "extra": extra}


def _infiniti(server: Mapping[str, Any]) -> dict[str, Any]:
    credentials = {"login": server["username"], "password": server["password"]}
    return {"conn_type": "http", "host": server["url"], **credentials, "extra": _by_http(server)}


def _by_http(server: Mapping[str, Any]) -> dict[str, bool]:
    """Under Docker Compose the sandbox is another machine, in a network of the containers' own."""
    return {} if "//127.0.0.1" in server["url"] else {"allow_http": True}


def _smtp(server: Mapping[str, Any]) -> dict[str, Any]:
    extra = {"from_email": "patronload@consortium.example", "disable_tls": True, "disable_ssl": True}
    return {"conn_type": "smtp", "host": server["host"], "port": server["port"], "extra": extra}


def _s3(server: Mapping[str, Any]) -> dict[str, Any]:
    credentials = {"login": server["access_key"], "password": server["secret_key"]}
    return {"conn_type": "aws", **credentials, "extra": {"endpoint_url": server["url"], "region_name": "us-east-1"}}
