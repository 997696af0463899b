"""
The pages about patron loads within Airflow's UI.

Every part of Airflow loads the plugin, each task's process too, and only the API server shows pages. So nothing slow is
imported here: the pages are built when the first one is asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

PREFIX = "/patron-loads"
"""Where the pages are, below Airflow's own address."""

LINKS_PREFIX = "/patron-links"
"""Where the pages behind signed links are; Airflow asks no one there for a login."""

Asgi = Callable[..., Awaitable[None]]


class Pages:
    """The pages as an ASGI application."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        await _build()(scope, receive, send)


class SignedPages:
    """The pages behind signed links as an ASGI application."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        await _build_signed()(scope, receive, send)


def views() -> list[dict[str, Any]]:
    """Where Airflow's UI shows the pages; each in a frame, under the rights of whoever is logged in."""
    root = f"{_base_path()}{PREFIX}"
    icons = {"icon": f"{root}/icon-light.svg", "icon_dark_mode": f"{root}/icon-dark.svg"}
    shown: list[dict[str, Any]] = [
        {
            "name": "Load report",
            "href": f"{root}/runs/{{DAG_ID}}/{{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "load-report",
        },
        {
            "name": "Plan",
            "href": f"{root}/runs/{{DAG_ID}}/{{RUN_ID}}/plan",
            "destination": "dag_run",
            "url_route": "load-plan",
        },
        {
            "name": "Patron loads",
            "href": f"{root}/libraries/{{DAG_ID}}",
            "destination": "dag",
            "url_route": "library-loads",
        },
        {
            "name": "Find a patron",
            "href": f"{root}/libraries/{{DAG_ID}}/find",
            "destination": "dag",
            "url_route": "find-a-patron",
        },
        {
            # Airflow's menu has no room for a longer word.
            "name": "Loads",
            "href": f"{root}/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "patron-loads",
        },
    ]
    return [view | icons for view in shown]


@cache
def _build() -> Asgi:
    from patronload.in_airflow.pages import routes  # FastAPI, Airflow's models, polars: a second and more

    return routes.application()


@cache
def _build_signed() -> Asgi:
    from patronload.in_airflow.pages import signed  # as slow as the others

    return signed.application()


def _base_path() -> str:
    """The path below which Airflow is served, if it has one."""
    from airflow.configuration import conf

    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
