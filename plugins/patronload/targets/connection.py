"""The part of a connection that a target needs: the address and the account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Connection(Protocol):
    """An account at a server; patronload.connections makes it of an Airflow connection."""

    @property
    def id(self) -> str:
        """The connection's id in Airflow."""

    @property
    def host(self) -> str | None:
        """A name, or a URL."""

    @property
    def port(self) -> int | None:
        """Left out: the protocol's own."""

    @property
    def login(self) -> str | None:
        """The user's name."""

    @property
    def password(self) -> str | None:
        """Never to be shown."""

    def says(self, name: str) -> bool:
        """Whether `name` is true in `extra`."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """Other settings for the target, such as the kind of login."""
