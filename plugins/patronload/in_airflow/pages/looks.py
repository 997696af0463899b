"""How the pages look: their templates, style, script and icons, and the pages that refuse something."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any, Literal

from fastapi import HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from patronload import dates
from patronload.checks import gates
from patronload.in_airflow.pages import charts, uploads
from patronload.reporting import templates, words
from patronload.reporting.airflow_links import PAGES, Links

HEADERS = {
    # Only frame.js runs on these pages, nothing is loaded from elsewhere, and only Airflow may show them in a frame.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; frame-ancestors 'self'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that browsers send forms without their origin, which an upload is checked for.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

ICON_COLORS = {"light": "#27272a", "dark": "#fafafa"}
"""The colours of Airflow's own icons, in its light and its dark look."""


def style() -> Response:
    """How the pages look."""
    return _the_same_for_all("pages/style.css", "text/css", looks=words.LOOKS)


def script() -> Response:
    """The only script of the pages: it follows Airflow's light or dark look, and leads links out of the frame."""
    return _the_same_for_all("pages/frame.js", "text/javascript")


def icon(looks: Literal["light", "dark"]) -> Response:
    """The icon before the pages' names in Airflow's menu and tabs."""
    return _the_same_for_all("pages/icon.svg", "image/svg+xml", color=ICON_COLORS[looks])


def _the_same_for_all(template: str, media_type: str, **given: Any) -> Response:
    text = _templates().get_template(template).render(given)
    headers = HEADERS | {"Cache-Control": "private, max-age=3600"}
    return Response(text, media_type=media_type, headers=headers)


async def refusal(request: Request, error: Exception) -> HTMLResponse:
    """A refusal as a page for people: in its frame, no one would see the status."""
    assert isinstance(error, HTTPException)
    titles = {
        413: ("This is too large", str(error.detail)),
        401: ("You are not logged in", "Log in to Airflow to see this page."),
        403: (
            "You do not have access to this page",
            "Your account in Airflow does not have access to these loads, or to their patrons.",
        ),
        422: ("The file was not accepted", str(error.detail)),
        503: ("This page cannot be shown", str(error.detail)),
    }
    if error.detail == uploads.REFUSED_ORIGIN:
        titles[403] = ("The file was not accepted", uploads.REFUSED_ORIGIN)
    title, sentence = titles.get(error.status_code, ("There is nothing here", str(error.detail)))
    logged_out = error.status_code == HTTPStatus.UNAUTHORIZED
    login = _airflow(request).login(_airflow_address(request)) if logged_out else ""
    return page(request, "refused.html", error.status_code, title=title, sentence=sentence, login=login)


def _airflow_address(request: Request) -> str:
    """Where Airflow shows the page that was asked for; its first page for an address that none of them has."""
    airflow = _airflow(request)
    asked, dag_id, run_id = request.url.path, request.path_params.get("dag_id"), request.path_params.get("run_id")
    if dag_id and run_id:
        return airflow.plan(dag_id, run_id) if asked.endswith("/plan") else airflow.report(dag_id, run_id)
    if dag_id:
        return airflow.find(dag_id) if asked.endswith("/find") else airflow.library(dag_id)
    return airflow.libraries


def page(request: Request, template: str, status: int = 200, **content: Any) -> HTMLResponse:
    """A page, made of its template."""
    shown: dict[str, Any] = {"root": root(request), "airflow": _airflow(request), "looks": words.LOOKS}
    shown |= {"height": charts.HEIGHT, "width": charts.WIDTH}
    text = _templates().get_template(f"pages/{template}").render(**shown, **content)
    return HTMLResponse(text, status, HEADERS)


def kept_page(request: Request, text: str) -> HTMLResponse:
    """A page that a run has left: it has its style in it, and gets the script that follows Airflow's look."""
    followed = text.replace("<head>", f'<head>\n<script src="{root(request)}/frame.js"></script>', 1)
    policy = HEADERS["Content-Security-Policy"].replace("style-src 'self'", "style-src 'unsafe-inline'")
    return HTMLResponse(followed, headers=HEADERS | {"Content-Security-Policy": policy})


def root(request: Request) -> str:
    """The path below which these pages are."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _airflow(request: Request) -> Links:
    return Links(root(request).removesuffix(PAGES))


# Read once; what changes in a template is seen all the same.
@cache
def _templates() -> Environment:
    found = templates.environment()
    found.filters.update(moment=dates.moment, clock=dates.clock, both_times=dates.both_times, share=gates.percent)
    return found
