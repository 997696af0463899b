"""
A dead man's switch: after each good run a request goes to an address, whose service raises an alarm if none arrives.

So someone notices when Airflow itself has stopped, which no mail from Airflow could report.
"""

from __future__ import annotations

import logging

from patronload import connections
from patronload.errors import ConfigError

log = logging.getLogger(__name__)

PREFIX = "patronload_ping_"
"""How the id of the connection begins; the rest is the DAG's name without patron_loads_."""

PATIENCE = 10.0


def send(name: str) -> bool:
    """Whether the address was reached. A ping that is lost sounds the alarm, so the task does not fail."""
    import httpx  # slow

    called = f"{PREFIX}{name}"
    try:
        url = connections.get(called).host
    except ConfigError:
        log.info("There is no Airflow connection '%s', so no one is notified if this stops running.", called)
        return False
    try:
        status = httpx.get(url, timeout=PATIENCE, follow_redirects=True).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The address is a secret: anyone who knows it can keep the alarm quiet.
        log.warning("The ping to the address in '%s' failed (%s).", called, type(error).__name__)
        return False
    if not httpx.codes.is_success(status):
        log.warning("The ping to the address in '%s' failed (status %s).", called, status)
        return False
    log.info("Pinged the address in '%s'.", called)
    return True
