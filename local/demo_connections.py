"""Give a running Airflow the sandbox's connections, and leave alone those that someone else has made."""

import json
from collections.abc import Mapping

import httpx

from local.api import AirflowApi

OURS = "Patronload's sandbox; the demo sets it at each start."
"""The description by which a connection is known to be the sandbox's."""


def offer(api: AirflowApi, connections: Mapping[str, str]) -> list[str]:
    """
    Add the connections (AIRFLOW_CONN_<ID> -> JSON), or bring those of an earlier sandbox up to date.

    Returns the ids of those that are left alone because Airflow has a connection of that name from elsewhere. One in
    Airflow's environment wins in any case: Airflow asks its database last.
    """
    left_alone = []
    for variable, text in connections.items():
        name = variable.removeprefix("AIRFLOW_CONN_").lower()
        there = api.http.get(f"connections/{name}")
        if there.status_code == httpx.codes.OK and there.json()["description"] != OURS:
            left_alone.append(name)
            continue
        body = _body(name, json.loads(text))
        if there.status_code == httpx.codes.OK:
            api.http.patch(f"connections/{name}", json=body).raise_for_status()
        else:
            api.http.post("connections", json=body).raise_for_status()
    return left_alone


def _body(name: str, connection: Mapping[str, object]) -> dict[str, object]:
    """A connection as Airflow's API takes it: `extra` is text."""
    body = {"connection_id": name, "description": OURS, **connection}
    if "extra" in body:
        body["extra"] = json.dumps(body["extra"])
    return body
