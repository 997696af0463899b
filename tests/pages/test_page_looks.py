"""How the pages look with a year's life in them. The pictures are kept for a person to look at."""

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest
from airflow.models.dag import DagModel
from leftovers import build, rejects
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import select

from patronload.artifacts import names, tables
from patronload.artifacts import run as runs
from patronload.artifacts.models import Validation
from patronload.config import tenants
from patronload.reporting import report_page, validation_page
from tests.accessibility import SCHEMES, WIDTHS, faults, unreached
from tests.chromium import chromium
from tests.pages.conftest import NOW, Rights, Site
from tests.pages.plans import LINES, asking, line, written

# A browser draws many pages in each test, which takes long on a busy machine.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

HERE = "http://127.0.0.1/patron-loads"

TOP = {"x": 0, "y": 0, "height": 2200}
"""As much of a page as a person looks at; fifty patrons on a phone are twelve times as high."""

DAGS = select(DagModel.dag_id)

NAMES = ("Ashford", "Bexley", "Corvey", "Dunmore", "Elmhurst", "Fairholm and District", "Gorsedd")


@pytest.fixture
def busy(site: Site, counted) -> str:
    """Seven libraries with all that can happen to them; a run of the last one that has a report."""
    chance = random.Random(6)

    def good() -> dict[str, Any]:
        rejected = chance.choice((0, 0, 3, 40))
        outcome = "loaded_with_rejects" if rejected else "loaded"
        return counted(outcome, created=chance.randint(800, 1200), rejected=rejected)

    by_day = {"timetable_summary": "30 4 * * *", "timetable_partitioned": True}
    dags = {name: site.add_library(name.split()[0].lower(), f"Patron load: {name} Library", **by_day) for name in NAMES}
    last = date(2026, 11, 20)
    for name, dag_id in dags.items():
        loads = [good() | {"day": f"{last - timedelta(days=back)}"} for back in range(34, 0, -1)]
        if name == "Gorsedd":  # two days without a run, one without a file, and one that was loaded three times
            loads[30:32], loads[20] = [], counted("no_file", created=0, day=loads[20]["day"])
            loads += [loads[28] | {"created": 300}] * 2
        earlier = site.add_loads(dag_id, loads)
    site.add_loads(dags["Bexley"], [counted("failed", created=0)], state="failed")
    site.add_loads(dags["Corvey"], [counted("stopped", created=0), counted("stopped", created=0)], state="failed")
    site.add_loads(dags["Dunmore"], [None], state="running")
    site.add_loads(dags["Elmhurst"], [counted("no_file", created=0)], state="failed")
    paused = site.add_library("harrow", "Patron load: Harrow Library", is_paused=True)
    site.add_loads(paused, [good()])
    due = NOW - timedelta(hours=2)
    site.add_library("irvine", "Patron load: Irvine Library", next_dagrun_create_after=due)
    (run_id,) = site.add_loads(dags["Gorsedd"], [counted("loaded_with_rejects", rejected=3)], state="queued")
    for each in (run_id, earlier[-1]):
        _with_report(site, dags["Gorsedd"], each)
    every = frozenset({*dags.values(), paused, "patron_load__irvine"})
    site.rights = Rights(read=every, start=every)
    return f"{dags['Gorsedd']}/{run_id}"


def _with_report(site: Site, dag_id: str, run_id: str) -> None:
    """A report with all that a report can have, and the files beside it."""
    found = [(12, "validate", "CARD (barcode) is empty"), (13, "validate", "CARD (barcode) is empty")]
    noted = {"row": [4], "effect": ["blank"], "column": ["EMAIL"], "value": ["x"], "reason": ["r"]}
    made = build(
        rejects=rejects(*found, (14, "plan", "FOLIO does not know the patron group")),
        validation=CHECKED,
        gates=COMPARED,
        noted=pl.DataFrame(noted | {"summary": ["EMAIL is not an address; the cell counts as empty"]}).cast(
            {"row": pl.UInt32}
        ),
    ).model_copy(update={"run": run_id})
    tenant = tenants.load("northfield")
    site.put(dag_id, run_id, "report.json", made.model_dump_json())
    site.put(dag_id, run_id, "report.html", report_page.page(tenant, made))
    site.put(dag_id, run_id, "validation.html", validation_page.page(made, Validation.model_validate(CHECKED)))
    codes = [{"code": "UG", "group": "undergrad", "patrons": 7}, {"code": None, "group": "visitor", "patrons": 3}]
    filled = {"externalSystemId": 10, "personal.email": 3, "personal.addresses[0].addressLine1": 9}
    site.put(dag_id, run_id, "fields.json", json.dumps({"patrons": 10, "filled": filled, "codes": codes}))
    for name in ("rejects.csv", "rejects.xlsx", "noted.csv", "leavers.csv"):
        site.put(dag_id, run_id, name, "ID\n1\n")


def _check(scope: str, failed: int, looks_for: str, holds: str) -> dict[str, Any]:
    """A check as validation.json has it."""
    given = {"expectation": "expect_column_values_to_match_regex", "columns": ["EMAIL"], "scope": scope}
    return given | {
        "passed": not failed,
        "failed": failed,
        "sentence": f"{looks_for}." if failed else "",
        "looks_for": looks_for,
        "holds": holds,
        "looked_at": 10,
        "rows": [4] * failed,
        "arguments": {"column": "EMAIL", "regex": "^[^@ ]+@[^@ ]+$"},
    }


CHECKED = {
    "rows": 10,
    "columns": ["ID", "EMAIL"],
    "great_expectations": "1.9",
    "checks": [
        _check("file", 0, "the file does not have 5 to 50 rows", "the file has 5 to 50 rows"),
        _check("rows", 2, "CARD (barcode) is empty", "CARD (barcode) is never empty"),
        _check("rows", 0, "ID (externalSystemId) is empty", "ID (externalSystemId) is never empty"),
        _check("rows", 0, "ID (externalSystemId) is empty", "ID (externalSystemId) is never empty"),
        _check("blank", 1, "EMAIL is not an address; the cell counts as empty", "EMAIL is an address"),
        _check("warn", 1, "PHONE is short", "PHONE is long enough"),
    ],
}
COMPARED = {
    "stages": {
        "validate": {
            "verdicts": [
                {"gate": "order", "state": "passed", "sentence": "The file is newer than the last one loaded."},
                {"gate": "rows", "state": "warned", "sentence": "The file has 10 rows; the last load had 4,132."},
            ]
        }
    }
}


@pytest.fixture
def reviewed(site: Site, counted) -> dict[str, str]:
    """A run with a plan of many patrons, one that waits for an answer, and a patron who can be found; their pages."""
    dag_id = site.add_library("northfield", "Patron load: Northfield College")
    dry, asked = site.add_loads(dag_id, [counted("dry_run"), None], state="running")
    many = [
        line(row, f"N{row:07}", *change)
        for row in range(20, 400)
        for change in (
            ("update", "patronGroup", "undergrad", "graduate", "the file"),
            ("update", "personal.addresses Home.addressLine1", None, f"{row} Prospect Street, 4th", "empty in FOLIO"),
            ("update", "expirationDate", "2026-12-31T05:59:59.000+00:00", "2027-12-31T05:59:59.000+00:00", "the file"),
        )
    ]  # fmt: skip
    patrons = pl.DataFrame(
        {"row": [27], "externalSystemId": ["N0000027"], "username": ["kim27"], "barcode": [None], "patron": ["{}"]},
        schema_overrides={"row": pl.UInt32, "barcode": pl.String},
    )
    tables.write(runs.open_run("northfield", dry), names.PATRONS, patrons)
    failed = {"stage": "plan", "kind": "TargetError", "message": "FOLIO does not answer."}
    runs.open_run("northfield", dry).write_json(names.FAILURE, failed)
    for run_id in (dry, asked):
        written(runs.open_run("northfield", run_id), [*LINES, *many], before=9_000)
    asking(runs.open_run("northfield", asked))
    site.rights = Rights(read=frozenset({dag_id}), start=frozenset({dag_id}))
    return {
        "plan": f"/runs/{dag_id}/{dry}/plan",
        "plan-filtered": f"/runs/{dag_id}/{dry}/plan?action=update&field=patronGroup&page=2",
        "question": f"/runs/{dag_id}/{asked}/plan",
        "question-report": f"/runs/{dag_id}/{asked}",
        "find": f"/libraries/{dag_id}/find",
        "history": f"/libraries/{dag_id}",
    }


@pytest.fixture
def waiting(site: Site) -> dict[str, str]:
    """Runs without a report: under way, waiting for FOLIO, ended, and one that is not there; their pages."""
    dag_id = site.add_library("stclare", "Patron load: St Clare's College")
    going, held = site.add_loads(dag_id, [None, None], state="running")
    (killed,) = site.add_loads(dag_id, [None], state="failed")
    site.add_retry(dag_id, held, "plan", "FOLIO at https://folio.example is busy or down (GET /users, 503).")
    site.rights = Rights(read=frozenset({dag_id}), start=frozenset({dag_id}))
    return {
        "under-way": f"/runs/{dag_id}/{going}",
        "folio-does-not-answer": f"/runs/{dag_id}/{held}",
        "no-report": f"/runs/{dag_id}/{killed}",
        "no-such-run": f"/runs/{dag_id}/manual__never",
    }


@contextmanager
def opened(browser: Browser, site: Site, scheme: str) -> Iterator[tuple[Page, list[str]]]:
    """A page of a browser that shows the site, and what the browser complains about."""
    said: list[str] = []

    def answer(route: Route) -> None:
        asked = urlsplit(route.request.url)
        path = asked.path.removeprefix("/patron-loads") or "/"
        sent = {"data": dict(parse_qsl(route.request.post_data or ""))} if route.request.method == "POST" else {}
        found = site.client.request(route.request.method, f"{path}?{asked.query}", **sent)
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

    page = browser.new_page(color_scheme=scheme)
    page.on("console", lambda message: said.append(message.text))
    page.route("**/*", answer)
    yield page, said
    page.close()


def look_at(page: Page, name: str, keep: Path, scheme: str) -> list[str]:
    """What keeps people out of the page at each width. A picture of each is kept."""
    found = []
    folder = keep / "screenshots"
    folder.mkdir(exist_ok=True)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=folder / f"page-{name}-{width}-{scheme}.png", clip=TOP | {"width": width}, full_page=True)
        found += [f"{name}, {width} px, {scheme}: {fault}" for fault in faults(page)]
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
def test_libraries_and_reports(site: Site, busy: str, waiting: dict[str, str], keep: Path, scheme: str):
    """Nothing sticks out, axe finds nothing, every link is reached by key, and nothing is refused by the policy."""
    dag_id = busy.partition("/")[0]
    pages = {
        "overview": "/",
        "library": f"/libraries/{dag_id}",
        "report": f"/runs/{busy}",
        "report-artifact": f"/runs/{busy}/report.html",
        "validation": f"/runs/{busy}/validation.html",
        "compare": f"/runs/{busy}/compare",
    } | waiting
    every = frozenset({*site.session.scalars(DAGS)})
    site.rights = Rights(read=every, start=every)
    with chromium("--disable-gpu") as browser, opened(browser, site, scheme) as (page, said):
        found = []
        for name, path in pages.items():
            page.goto(HERE + path)
            found += look_at(page, name, keep, scheme)
            found += [f"{name}: {number} elements without a key"] if (number := unreached(page)) else []
            if name == "overview":
                found += _charts_as_tables(page, keep, scheme)
        site.rights = None
        page.goto(f"{HERE}/runs/{busy}")
        found += look_at(page, "logged-out", keep, scheme)
        assert page.get_by_role("link", name="Log in").is_visible()
    assert found == []
    assert [each for each in said if "404" not in each and "401" not in each] == []


def _charts_as_tables(page: Page, keep: Path, scheme: str) -> list[str]:
    """The small charts have a scale, days, and a table that says the same; what keeps people out of the open table."""
    line = page.get_by_role("row").filter(has=page.get_by_role("link", name="Corvey Library", exact=True))
    expect(line.locator(".top")).to_have_text(re.compile(r"1,\d{3}"))
    expect(line.locator(".zero")).to_have_text("0")
    expect(line.locator(".days")).to_have_text(re.compile(r"2026-\d\d-\d\d.*2026-\d\d-\d\d"))
    line.locator("summary").focus()
    page.keyboard.press("Enter")
    bars = line.locator("svg g title").all_text_contents()
    rows = line.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(len(bars) + 1)
    expect(rows.nth(1)).to_contain_text(bars[0].partition(":")[0])
    expect(rows.last).to_contain_text("Stopped")
    return look_at(page, "overview-table", keep, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_plan_question_and_search(site: Site, reviewed: dict[str, str], keep: Path, scheme: str):
    """The same of the pages about a plan and its patrons; what someone looks for is in no address."""
    with chromium("--disable-gpu") as browser, opened(browser, site, scheme) as (page, said):
        found = []
        for name, path in reviewed.items():
            page.goto(HERE + path)
            if name == "find":
                page.get_by_label("ID, username").fill("N0000027")
                page.keyboard.press("Enter")
                page.get_by_text("1 place in 2 runs").wait_for()
                assert "N0000027" not in page.url
            found += look_at(page, name, keep, scheme)
        page.goto(HERE + reviewed["plan"])
        page.get_by_label("Field").select_option("personal.phone")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**field=personal.phone**")
        assert page.get_by_role("article").count() == 1
    assert found == []
    assert said == []
