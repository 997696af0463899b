"""
The figures of each load as Airflow's own metrics, which go to StatsD, DataDog or OpenTelemetry, as Airflow is set up.

All are gauges: a load that is reported again sends the same numbers again, and each comes from a process that ends soon
after, in which a counter would always begin at zero. Airflow itself sends the seconds of each task (`task.duration`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

log = logging.getLogger(__name__)

PREFIX = "patronload"


def send(tenant: str, told: Mapping[str, Any]) -> None:
    """
    Send what the stage report handed on. A dry run has loaded nothing, and an undo is not the library's load.

    Each number goes with the tenant as a tag, and, as Airflow does with its own (`[metrics] legacy_names_on`), with the
    tenant in the name, for a StatsD without tags. Whatever the server does, the load is not affected.
    """
    if told.get("outcome") == "dry_run" or told.get("undo"):
        return
    try:
        for name, number in told.items():
            if type(number) is int:  # not True
                _send(tenant, name, number)
    except Exception as error:  # noqa: BLE001 - a figure that is lost is not worth a load that fails
        log.warning("The figures of the load could not be sent as metrics (%s).", type(error).__name__)


def _send(tenant: str, name: str, number: int) -> None:
    stats.gauge(f"{PREFIX}.{name}", number, tags={"tenant": tenant})
    if conf.getboolean("metrics", "legacy_names_on", fallback=True):
        stats.gauge(f"{PREFIX}.{tenant}.{name}", number)
