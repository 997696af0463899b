"""A server that does not answer: the pages say which, since when nothing happens, and when the next try is."""

from datetime import timedelta

import pytest

from patronload import dates
from patronload.config import tenants
from tests.pages.conftest import NOW, Rights, Site, in_words

BUSY = "Another load into the same library system has not finished: ashford."


@pytest.mark.parametrize(
    ("stage", "reason", "trouble"),
    [
        ("plan", "FOLIO is busy or down.", "FOLIO is not answering"),
        ("post", "", "FOLIO is not answering"),
        ("plan", BUSY, "Another load into the same library system has not ended"),
        ("fetch", "The SFTP server stopped answering.", "The server with the export is not answering"),
        ("notify", "The mail server does not answer.", "The mail server is not answering"),
        ("transform", "The bucket does not answer.", "The storage of the artifacts is not answering"),
    ],
)
def test_who_is_not_answering_and_when_the_next_try_is(site: Site, stage: str, reason: str, trouble: str):
    """On the page of the run with the message, on the library's page, and among the libraries that need attention."""
    dag_id = site.add_library("northfield", "Patron load: Northfield College")
    (run_id,) = site.add_loads(dag_id, [None], state="running")
    site.add_retry(dag_id, run_id, stage, reason)
    site.rights = Rights(read=frozenset({dag_id}))
    at = dates.clock(NOW + timedelta(minutes=4), tenants.load("northfield").zone)
    page = in_words(site.get(f"/runs/{dag_id}/{run_id}").text)
    assert trouble in page
    assert f"The next try is at {at} ." in page
    assert reason in page
    assert f"tasks/{stage}" in site.get(f"/runs/{dag_id}/{run_id}").text
    for path in ("/", f"/libraries/{dag_id}"):
        said = in_words(site.get(path).text)
        assert f"{trouble}; next try at {at}." in said
        assert f"Trying again at {at}" in said
