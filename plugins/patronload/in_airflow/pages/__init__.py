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

from patronload.reporting import airflow_links

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
    """Where Airflow's UI shows the pages; each in a frame, with the rights of the person who is logged in."""
    root = f"{_base_path()}{airflow_links.PAGES}"
    icons = {"icon": f"{root}/icon-light.svg", "icon_dark_mode": f"{root}/icon-dark.svg"}
    shown: list[dict[str, Any]] = [
        {
            "name": "Load report",
            "href": f"{root}/runs/{{DAG_ID}}/{{RUN_ID}}",
            "destination": "dag_run",
            "url_route": airflow_links.REPORT,
        },
        {
            "name": "Plan",
            "href": f"{root}/runs/{{DAG_ID}}/{{RUN_ID}}/plan",
            "destination": "dag_run",
            "url_route": airflow_links.PLAN,
        },
        {
            "name": "Patron loads",
            "href": f"{root}/libraries/{{DAG_ID}}",
            "destination": "dag",
            "url_route": airflow_links.LIBRARY,
        },
        {
            "name": "Find a patron",
            "href": f"{root}/libraries/{{DAG_ID}}/find",
            "destination": "dag",
            "url_route": airflow_links.FIND,
        },
        {
            # Airflow's menu has no room for a longer word.
            "name": "Loads",
            "href": f"{root}/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": airflow_links.LIBRARIES,
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
