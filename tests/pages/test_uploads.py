"""Corrected rejects, uploaded on a run's page: who may, what is taken, and what starts."""

from urllib.parse import unquote

import httpx
import pytest

from patronload.artifacts import names
from patronload.artifacts import run as runs
from patronload.artifacts.models import Uploaded
from patronload.in_airflow.pages import uploads
from tests.pages.conftest import Rights, Site

CORRECTED = b"ID,LOGIN,reject_row\n1,ann,2\n"
DAG = "patron_load__northfield"


@pytest.fixture
def started(monkeypatch) -> list[dict]:
    """The runs that were started in Airflow."""
    found: list[dict] = []
    monkeypatch.setattr(uploads, "trigger_dag", lambda dag_id, **given: found.append({"dag_id": dag_id, **given}))
    return found


@pytest.fixture
def page(site: Site) -> str:
    """The page of a run with rejects, for somebody who may start a load."""
    site.add_library("northfield")
    (run_id,) = site.add_loads(DAG, [None])
    site.rights = Rights(read=frozenset({DAG}), start=frozenset({DAG}))
    return f"/runs/{DAG}/{run_id}/corrected"


def upload(site: Site, path: str, content: bytes = CORRECTED, name="corrected.csv", **headers) -> httpx.Response:
    return site.client.post(path, files={"file": (name, content)}, headers=headers, follow_redirects=False)


def test_a_corrected_file_starts_a_load_and_names_it(site: Site, page: str, started):
    """The file lies in the new run's folder; nobody types a path. The audit log has who uploaded it."""
    answer = upload(site, page)
    assert answer.status_code == 303
    ((run,)) = started
    assert (run["dag_id"], run["triggering_user_name"]) == (DAG, "somebody")
    here, _, named = answer.headers["location"].partition("?started=")
    assert unquote(here) == "/patron-loads" + page.removesuffix("/corrected"), "the tab of this run shows this run"
    assert unquote(named) == run["run_id"]
    kept = runs.open_run("northfield", run["run_id"])
    assert kept.read(names.UPLOADED_FILE) == CORRECTED
    assert (Uploaded.read(kept).name, Uploaded.read(kept).by) == ("corrected.csv", "somebody")
    assert site.audit == [("patron_corrected_uploaded", DAG, "somebody")]


def test_only_people_who_may_start_a_load_may_upload(site: Site, page: str, started):
    """Who may only look gets 403, who is not logged in 401."""
    site.rights = Rights(read=frozenset({DAG}))
    assert upload(site, page).status_code == 403
    site.rights = None
    assert upload(site, page).status_code == 401
    assert (started, site.audit) == ([], [])


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_on_another_site_is_refused(site: Site, page: str, started, headers):
    """It would be sent with the login of whoever looks at it."""
    answer = upload(site, page, **headers)
    assert (answer.status_code, started) == (403, [])
    assert "another site" in answer.text


@pytest.mark.parametrize("origin", ["http://testserver", "null"])
def test_a_form_of_the_page_itself_is_taken(site: Site, page: str, started, origin):
    """As a browser sends it: from a page that hands its address to no one, the origin is null."""
    assert upload(site, page, **{"Sec-Fetch-Site": "same-origin", "Origin": origin}).status_code == 303


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [
        (b"ID,LOGIN\n1,ann\n", 422, "not a corrected rejects file"),
        (b"", 422, "empty"),
        (b"PK\x03\x04", 422, "zip"),
        (b"reject_row\n" + b"1\n" * 11_000_000, 413, "20 MB"),
    ],
    ids=["an export", "an empty file", "a broken workbook", "a file that is too large"],
)
def test_any_other_file_is_refused_in_a_sentence(site: Site, page: str, started, content, status, told):
    """An export has its own place, with gates and limits."""
    answer = upload(site, page, content)
    assert (answer.status_code, started) == (status, [])
    assert told in answer.text


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\nb.csv", "C:\\temp\\x.csv", "x" * 300])
def test_the_name_of_the_file_is_only_shown(site: Site, page: str, started, name):
    """No path is made of it, and it has one printable line."""
    assert upload(site, page, name=name).status_code == 303
    told = Uploaded.read(runs.open_run("northfield", started[0]["run_id"])).name
    assert told.isprintable()
    assert "/" not in told
    assert "\\" not in told
    assert len(told) <= 100


def test_what_airflow_does_not_start_leaves_nothing_behind(site: Site, page: str, monkeypatch):
    """The file holds personal data, and no run would ever delete it."""

    def refuse(*_, **__):
        raise RuntimeError

    monkeypatch.setattr(uploads, "trigger_dag", refuse)
    with pytest.raises(RuntimeError):
        upload(site, page)
    assert not [path for path in site.artifacts.rglob("*") if path.is_file()]
