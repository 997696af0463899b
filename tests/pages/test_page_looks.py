"""How the pages look with a year's life in them. The pictures are kept for a person to look at."""

import random
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from leftovers import build, rejects
from playwright.sync_api import Route, sync_playwright

from tests.pages.conftest import NOW, Rights, Site

pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HERE = "http://127.0.0.1/patron-loads"
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
