"""The pages in a frame with the limits that Airflow sets for it: Airflow's look, and links that leave the frame."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from leftovers import build
from playwright.sync_api import Page, Route, expect

from tests.chromium import chromium
from tests.pages.conftest import Rights, Site

pytestmark = pytest.mark.browser

AIRFLOW = """<!doctype html><html class="dark" style="color-scheme: dark"><title>Airflow</title>
<iframe title="tab" src="/patron-loads/{path}" width="900" height="700"
  sandbox="allow-scripts allow-same-origin allow-forms allow-downloads"></iframe>
<script>
  const heading = () => document.body.insertAdjacentHTML("beforeend", "<button data-testid='trigger-dag-button' \
    onclick='document.body.append(`The form Trigger. `)'>Trigger</button>");
  new URLSearchParams(location.search).has("late") ? setTimeout(heading, 500) : heading();
</script></html>"""
"""As Airflow 3.3 shows a plugin's page (i2t in its UI): it may run scripts, and not leave its frame."""


@pytest.fixture
def page(site: Site, counted) -> Iterator[Page]:
    """A window of Airflow with a tab of ours in it."""
    dag_id = site.add_library("riverside", "Patron load: Riverside Library")
    (run_id,) = site.add_loads(dag_id, [counted()])
    site.put(dag_id, run_id, "report.json", build().model_copy(update={"run": run_id}).model_dump_json())
    site.rights = Rights(read=frozenset({dag_id}), start=frozenset({dag_id}))

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if not path.startswith("/patron-loads"):
            shown = f"libraries/{dag_id}" if path.endswith("/library-loads") else f"runs/{dag_id}/{run_id}"
            route.fulfill(content_type="text/html", body=AIRFLOW.replace("{path}", shown))
            return
        found = site.get(path.removeprefix("/patron-loads"))
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

    with chromium("--disable-gpu") as browser:
        page = browser.new_page(color_scheme="light")
        page.route("**/*", answer)
        page.goto("http://127.0.0.1/dags/x")
        yield page


GROUND = "() => getComputedStyle(document.body).backgroundColor"


def test_the_pages_follow_airflows_switch(page: Page):
    """Airflow's own look counts, not that of the machine; also when someone changes it while a page is open."""
    frame = page.frames[1]
    expect(page.frame_locator("iframe").get_by_role("heading", level=1)).to_be_visible()
    assert frame.evaluate(GROUND) == "rgb(20, 24, 29)"
    page.evaluate("document.documentElement.style.colorScheme = 'light'")
    frame.wait_for_function(f"({GROUND})() === 'rgb(255, 255, 255)'")


def test_a_link_to_another_page_opens_in_airflow(page: Page):
    """Airflow's address changes with it; the frame itself may not leave."""
    page.frame_locator("iframe").get_by_role("link", name="All libraries").click()
    page.wait_for_url("http://127.0.0.1/plugin/patron-loads")


LOADS = "http://127.0.0.1/dags/patron_load__riverside/plugin/library-loads"


@pytest.mark.parametrize("late", ["", "?late"])
def test_a_link_opens_the_form_that_starts_a_load(page: Page, late: str):
    """Airflow's form has no address: our page presses its button, also one that comes later than the page."""
    page.goto(f"{LOADS}{late}#start-a-load")
    expect(page.get_by_text("The form Trigger.")).to_have_count(1)
    assert page.url == f"{LOADS}{late}", "a reload would open the form again"


def test_the_link_on_the_page_opens_the_form_each_time(page: Page):
    """On the page with a library's loads; and a report leads there."""
    page.frame_locator("iframe").get_by_role("link", name="Start another load").click()
    expect(page.get_by_text("The form Trigger.")).to_have_count(1)
    page.frame_locator("iframe").get_by_role("link", name="Start a load").click()
    expect(page.locator("body")).to_contain_text("The form Trigger. The form Trigger.")
    assert page.url == LOADS


def test_no_form_opens_by_itself(page: Page):
    """Who only looks at the loads starts none."""
    page.goto(LOADS)
    expect(page.frame_locator("iframe").get_by_role("link", name="Start a load")).to_be_visible()
    expect(page.get_by_text("The form Trigger.")).to_have_count(0)
