"""The part of a connection that a target needs: the address and the account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from patronload import http_client


class Connection(http_client.Connection, Protocol):
    """An account at a server; patronload.connections makes it of an Airflow connection."""

    @property
    def login(self) -> str | None:
        """The user's name."""

    @property
    def password(self) -> str | None:
        """Never to be shown."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """Other settings for the target, such as the kind of login."""
