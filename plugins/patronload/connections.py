"""Airflow connections as plain objects: the address of a server, and how we log in."""

import os
import re
from dataclasses import dataclass, field
from typing import Any

from patronload.errors import ConfigError
from patronload.exports.pgp import Key


@dataclass(frozen=True)
class Connection:
    """The content of an Airflow connection. Printed, it shows neither the password nor `extra`."""

    id: str
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    def says(self, name: str) -> bool:
        """Whether `name` is true in `extra`; Airflow's form stores it as text, a JSON connection as a boolean."""
        return str(self.extra.get(name, "")).strip().lower() in ("true", "1", "yes", "on")


def get(connection_id: str) -> Connection:
    """
    The Airflow connection with this id. Outside a task only AIRFLOW_CONN_* variables are found.

    Raises ConfigError if there is none, or if it cannot be read.
    """
    # Takes seconds to import, and checking tenant files does not need it.
    from airflow.sdk import Connection as AirflowConnection
    from airflow.sdk.exceptions import AirflowException

    try:
        found = AirflowConnection.get(connection_id)
    except (AirflowException, ValueError):
        # Their text is left out, because it may quote the connection.
        raise ConfigError(_missing(connection_id)) from None
    return Connection(
        id=connection_id,
        host=found.host or "",
        port=found.port,
        login=found.login or "",
        password=found.password or "",
        extra=found.extra_dejson,
    )


def pgp_key(connection_id: str) -> Key:
    """The PGP key in the Airflow connection with this id. Raises ConfigError as `get` does."""
    found = get(connection_id)
    called, comes = f"the Airflow connection '{found.id}'", "as private_key in extra, and its passphrase as password"
    return Key(str(found.extra.get("private_key", "")), found.password, called, comes)


SHORTEST_KEY = 32
"""Characters of a key for signed links."""

MAKE_KEY = "openssl rand -base64 48"


def link_keys(connection_id: str) -> list[str]:
    """
    The keys for signed links: the password of the Airflow connection, the newest first, with blanks or commas between.

    Raises ConfigError as `get` does, and for a key that is too short to be safe.
    """
    keys = [key for key in re.split(r"[\s,]+", get(connection_id).password) if key]
    if not keys:
        raise ConfigError(
            f"The Airflow connection '{connection_id}' has no key for signed links. Make one with: {MAKE_KEY}"
        )
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ConfigError(
            f"A key in the Airflow connection '{connection_id}' has fewer than {SHORTEST_KEY} characters, so signed "
            f"links could be guessed. Make a new one with: {MAKE_KEY}"
        )
    return keys


POST_TIMEOUT = 30
"""Seconds that a webhook may take."""


def post_json(connection_id: str, content: dict[str, Any]) -> None:
    """Post to the Airflow connection of type http, by Airflow's own provider; raises whatever that raises."""
    from airflow.providers.http.notifications import HttpNotifier

    options = {"timeout": POST_TIMEOUT, "check_response": True}
    HttpNotifier(http_conn_id=connection_id, json=content, extra_options=options).notify({})


def post_to_slack(connection_id: str, text: str) -> None:
    """Post to the Airflow connection of type slackwebhook, by Airflow's own provider, if it is installed."""
    try:
        from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
    except ImportError:
        raise ConfigError(
            "Messages to Slack need the package apache-airflow-providers-slack. Install it, or remove notify.slack."
        ) from None
    SlackWebhookNotifier(
        slack_webhook_conn_id=connection_id, text=text, timeout=POST_TIMEOUT, unfurl_links=False
    ).notify({})


def _missing(connection_id: str) -> str:
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    if variable in os.environ:
        wrong = f"{variable} is neither JSON nor a URI. Correct it."
        return f"The Airflow connection '{connection_id}' cannot be read: {wrong}"
    return f"No Airflow connection is called '{connection_id}'. Add it under Admin > Connections or as {variable}."
