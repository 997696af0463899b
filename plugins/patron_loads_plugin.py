"""
The plugin that Airflow loads: pages about patron loads, and a note on each run.

All of its code is in patronload/in_airflow/pages.
"""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from patronload.in_airflow import pages
from patronload.in_airflow.pages import notes, overtaken
from patronload.reporting import airflow_links


class PatronLoads(AirflowPlugin):
    """A tab with the report on each run, one with the loads on each library's DAG, and a page over all libraries."""

    name = "patron_loads"
    # Airflow requires class attributes that are lists.
    fastapi_apps: list[Any] = [  # noqa: RUF012
        {"app": pages.Pages(), "url_prefix": airflow_links.PAGES, "name": "Patron loads"},
        {"app": pages.SignedPages(), "url_prefix": airflow_links.SIGNED_PAGES, "name": "Patron loads, by signed link"},
    ]
    external_views: list[Any] = pages.views()
    listeners: list[Any] = [notes, overtaken]  # noqa: RUF012
