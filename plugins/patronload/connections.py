"""An Airflow connection as a plain one: where a server is, and who we are there."""

import os
from dataclasses import dataclass, field
from typing import Any

from patronload.errors import ConfigError
from patronload.exports.pgp import Key


@dataclass(frozen=True)
class Connection:
    """What an Airflow connection says. Printed, it shows neither the password nor what is in `extra`."""

    id: str
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    def says(self, name: str) -> bool:
        """Whether `extra` has a true under `name`; Airflow's form keeps it as text, a JSON connection as a boolean."""
        return str(self.extra.get(name, "")).strip().lower() in ("true", "1", "yes", "on")


def get(connection_id: str) -> Connection:
    """
    The Airflow connection of this id, inside a task and outside of one (there: of AIRFLOW_CONN_* only).

    Raises ConfigError if there is none, or if what is there cannot be read.
    """
    # Seconds to import, and whoever only looks at tenant files does without.
    from airflow.sdk import Connection as AirflowConnection
    from airflow.sdk.exceptions import AirflowException

    try:
        found = AirflowConnection.get(connection_id)
    except (AirflowException, ValueError):
        # Their text is left out: it may quote the connection.
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
    """The PGP key of the Airflow connection of this id. Raises ConfigError as `get` does."""
    found = get(connection_id)
    called, comes = f"the Airflow connection '{found.id}'", "as private_key in extra, and its passphrase as password"
    return Key(str(found.extra.get("private_key", "")), found.password, called, comes)


def _missing(connection_id: str) -> str:
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    if variable in os.environ:
        return (
            f"The Airflow connection '{connection_id}' cannot be read: {variable} is neither JSON nor a URI. Mend it."
        )
    return f"No Airflow connection is called '{connection_id}'. Add it under Admin > Connections or as {variable}."
