"""How the pages look with a year's life in them. The pictures are kept for a person to look at."""

import random
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl
import pytest
from leftovers import build, rejects
from playwright.sync_api import Route, sync_playwright

from patronload.artifacts import names, tables
from patronload.artifacts import run as runs
from tests.pages.conftest import NOW, Rights, Site
from tests.pages.plans import LINES, asking, line, written

pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HERE = "http://127.0.0.1/patron-loads"
FAINT = """() => {
  const light = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = node => { for (; node; node = node.parentElement) {
    const colour = getComputedStyle(node).backgroundColor;
    if (!/, 0\\)$|transparent/.test(colour)) return colour; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('main *')].filter(node => [...node.childNodes].some(
    each => each.nodeType === 3 && each.textContent.trim()))
    .filter(node => node.checkVisibility() && node.tagName !== 'OPTION').map(node => {
      const [one, other] = [getComputedStyle(node).color, ground(node)].map(light);
      return [(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), node.textContent.trim().slice(0, 40)];
    }).filter(([contrast]) => contrast < 4.5);
}"""
"""Finds words whose contrast with what is behind them is less than 4.5 to 1."""

TOP = {"x": 0, "y": 0, "height": 2200}
"""As much of a page as a person looks at; fifty patrons on a phone are twelve times as high."""

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
        site.add_loads(dag_id, loads)
    site.add_loads(dags["Bexley"], [counted("failed", created=0)], state="failed")
    site.add_loads(dags["Corvey"], [counted("stopped", created=0), counted("stopped", created=0)], state="failed")
    site.add_loads(dags["Dunmore"], [None], state="running")
    site.add_loads(dags["Elmhurst"], [counted("no_file", created=0)], state="failed")
    paused = site.add_library("harrow", "Patron load: Harrow Library", is_paused=True)
    site.add_loads(paused, [good()])
    due = NOW - timedelta(hours=2)
    site.add_library("irvine", "Patron load: Irvine Library", next_dagrun_create_after=due)
    (run_id,) = site.add_loads(dags["Gorsedd"], [counted("loaded_with_rejects", rejected=3)], state="queued")
    found = [(12, "validate", "CARD (barcode) is empty"), (13, "validate", "CARD (barcode) is empty")]
    made = build(rejects=rejects(*found, (14, "plan", "FOLIO does not know the patron group")))
    site.put(dags["Gorsedd"], run_id, "report.json", made.model_copy(update={"run": run_id}).model_dump_json())
    site.put(dags["Gorsedd"], run_id, "rejects.csv", "ID\n1\n")
    every = frozenset({*dags.values(), paused, "patron_load__irvine"})
    site.rights = Rights(read=every, start=every)
    return f"{dags['Gorsedd']}/{run_id}"


@pytest.mark.parametrize(("width", "scheme"), [(1300, "light"), (1300, "dark"), (380, "light")])
def test_every_page(site: Site, busy: str, keep: Path, width: int, scheme: str):
    """Nothing is refused by the page's own policy, nothing sticks out, and all can be reached by key."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium, chromium-browser or google-chrome on this machine")
    folder = keep / "screenshots"
    folder.mkdir(exist_ok=True)
    said: list[str] = []

    def answer(route: Route) -> None:
        found = site.get(urlsplit(route.request.url).path.removeprefix("/patron-loads") or "/")
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: said.append(message.text))
        page.route("**/*", answer)
        pages = {"overview": "/", "library": f"/libraries/{busy.partition('/')[0]}", "report": f"/runs/{busy}"}
        for name, path in pages.items():
            page.goto(HERE + path)
            page.screenshot(path=folder / f"page-{name}-{width}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.className") == "skip"
            links = page.locator("a").count()
            assert page.locator("a[href]:not([tabindex='-1'])").count() == links
        browser.close()
    assert said == []


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_plan_question_and_search(site: Site, reviewed: dict[str, str], keep: Path, width: int, scheme: str):
    """Wide and narrow, by light and by dark: nothing is cut off, everything can be reached by key and be made out."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium, chromium-browser or google-chrome on this machine")
    folder = keep / "screenshots"
    folder.mkdir(exist_ok=True)
    said: list[str] = []

    def answer(route: Route) -> None:
        asked = urlsplit(route.request.url)
        path = asked.path.removeprefix("/patron-loads") or "/"
        sent = {"data": dict(parse_qsl(route.request.post_data or ""))} if route.request.method == "POST" else {}
        found = site.client.request(route.request.method, f"{path}?{asked.query}", **sent)
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: said.append(message.text))
        page.route("**/*", answer)
        for name, path in reviewed.items():
            page.goto(HERE + path)
            if name == "find":
                page.get_by_label("ID, username").fill("N0000027")
                page.keyboard.press("Enter")
                page.get_by_text("1 place in 2 runs").wait_for()
                assert "N0000027" not in page.url
            page.screenshot(
                path=folder / f"page-{name}-{width}-{scheme}.png", clip=TOP | {"width": width}, full_page=True
            )
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert page.evaluate(FAINT) == [], name
            links = page.locator("a").count()
            assert page.locator("a[href]:not([tabindex='-1'])").count() == links
        page.goto(HERE + reviewed["plan"])
        page.get_by_label("Field").select_option("personal.phone")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**field=personal.phone**")
        assert page.get_by_role("article").count() == 1
        browser.close()
    assert said == []
