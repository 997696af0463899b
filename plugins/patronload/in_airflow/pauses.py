"""How long a task of a load waits before it is tried again, each time twice as long as before."""

from datetime import timedelta
from typing import Any

PAUSES: dict[str, Any] = {
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=15),
}
"""The arguments for Airflow's operators."""
