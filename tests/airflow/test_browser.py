"""Airflow's pages as the people see them who look after the loads. The screenshots are kept for a person to look at."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect

from local.api import ANSWER_PATIENCE
from tests.airflow.beginnings import Runs, bounds, deliver_days
from tests.airflow.libraries import World, as_csv, dag_id, people, question_mails, text_of, today, wait_until
from tests.airflow.test_backfills import check_days, check_order
from tests.chromium import chromium

pytestmark = pytest.mark.browser

OPTIONS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 60_000
STEPS = ["fetch", "validate", "transform", "plan", "approve", "post", "report", "notify"]

Shoot = Callable[[str], None]


@pytest.fixture(scope="module")
def page(world: World) -> Iterator[Page]:
    """A browser window in which somebody has logged in."""
    with chromium(*OPTIONS) as browser:
        page = browser.new_page(base_url=world.airflow.url, viewport={"width": 1440, "height": 1100})
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.goto("/")
        page.fill("input[name=username]", world.airflow.user)
        page.fill("input[name=password]", world.airflow.password)
        page.click("button[type=submit]")
        page.wait_for_url(f"{world.airflow.url}/")
        yield page


@pytest.fixture
def shoot(page: Page, keep: Path) -> Shoot:
    """Keep what is on the screen."""
    folder = keep / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)

    def shoot(name: str) -> None:
        # Whatever slides into its place has arrived by then.
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"airflow-{name}.png")

    return shoot


def test_the_list_of_libraries(world: World, loads, page: Page, shoot: Shoot):
    """Each library is found by its own name, with tags to filter by."""
    page.goto("/dags?search=University")
    expect(page.get_by_role("link", name="Patron load: Northfield University Library")).to_be_visible()
    page.goto("/dags")
    expect(page.get_by_role("link", name="Patron load: Ashford Library")).to_be_visible()
    for tag in ("patron-load", "target:folio", "tenant:ashford"):
        expect(page.get_by_role("link", name=tag).first).to_be_visible()
    shoot("1-libraries")


def test_the_graph_and_the_manual(world: World, loads, page: Page, shoot: Shoot):
    """The graph has the steps from left to right; the manual says what each does, and what this library's are."""
    page.goto(f"/dags/{dag_id('northfield')}")
    page.get_by_role("button", name="Show Graph").click()
    nodes = page.locator(".react-flow__node")
    expect(nodes).to_have_count(len(STEPS))
    left = {step: in_page(nodes.filter(has_text=step)) for step in STEPS}
    assert sorted(STEPS, key=lambda step: left[step]) == STEPS
    shoot("2-graph")
    page.get_by_test_id("markdown-button").click()
    manual = page.get_by_role("dialog")
    expect(manual.locator("li")).to_have_count(len(STEPS) + 6)
    (schedule,) = re.findall('schedule: "(.*)"', (world.include / "tenants" / "northfield.yaml").read_text())
    for told in ("include/tenants/northfield.yaml", f"{schedule}, America/Chicago", "docs/when-a-run-fails.md"):
        expect(manual).to_contain_text(told)
    shoot("3-manual")
    manual.get_by_text("When a task is red").scroll_into_view_if_needed()
    shoot("3-manual-below")
    page.keyboard.press("Escape")


def in_page(node: Locator) -> float:
    box = node.bounding_box()
    assert box is not None
    return box["x"]


def test_a_finished_run(world: World, loads, page: Page, shoot: Shoot):
    """Every step is green, and so is the run."""
    page.goto(f"/dags/{dag_id('northfield')}/runs/{loads['northfield']}")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    expect(page.locator(".react-flow__node").filter(has_text="success")).to_have_count(len(STEPS))
    shoot("4-finished-run")


def test_the_log_of_a_step(world: World, loads, page: Page, shoot: Shoot):
    """What post did can be read in numbers."""
    page.goto(f"/dags/{dag_id('northfield')}/runs/{loads['northfield']}/tasks/post")
    expect(page.get_by_text("chunk 1 of 2: 250 patrons")).to_be_visible()
    shoot("5-log-of-post")


def test_the_report_on_a_run(world: World, loads, page: Page, shoot: Shoot, tmp_path: Path):
    """The tab has the numbers of report.json and the reasons; the rejects that come down are those of the run."""
    run_id = loads["northfield"]
    page.goto(f"/dags/{dag_id('northfield')}/runs/{run_id}")
    page.get_by_role("tab", name="Load report").or_(page.get_by_role("link", name="Load report")).first.click()
    report = world.report("northfield", run_id)
    frame = page.frame_locator("iframe[title='Load report']")
    expect(frame.get_by_role("heading", level=1)).to_contain_text(f"{report['created']:,} patrons are loaded")
    expect(frame.locator(".reasons tbody tr")).to_have_count(len(report["reasons"]))
    shoot("a-load-report")
    with page.expect_download() as download:
        frame.get_by_role("link", name="Download rejects.csv").click()
    download.value.save_as(tmp_path / "rejects.csv")
    assert (tmp_path / "rejects.csv").read_bytes() == (world.folder("northfield", run_id) / "rejects.csv").read_bytes()
    page.evaluate("document.documentElement.style.colorScheme = 'dark'")
    ground = "getComputedStyle(document.body).backgroundColor"
    page.frames[-1].wait_for_function(f"{ground} === 'rgb(20, 24, 29)'")
    shoot("a-load-report-dark")


def test_the_page_over_all_libraries(world: World, loads, page: Page, shoot: Shoot):
    """From the menu to a library, and by key alone to its loads and to a report."""
    page.goto("/")
    menu = page.get_by_role("link", name="Loads", exact=True).first
    drawn = "image => image.complete && image.naturalWidth > 0"
    assert menu.locator("img").evaluate(drawn), "the menu has Airflow's own icon for what has none"
    menu.click()
    frame = page.frame_locator("iframe[title='Loads']")
    line = frame.get_by_role("row").filter(has_text="Northfield University Library")
    expect(line).to_contain_text("Loaded, with rejects")
    expect(line).to_contain_text(f"{world.report('northfield', loads['northfield'])['created']:,}")
    expect(line.get_by_role("img")).to_have_attribute("aria-label", re.compile("^The last "))
    shoot("b-all-libraries")
    frame.get_by_label("Library", exact=True).fill("northf")
    page.keyboard.press("Enter")
    expect(frame.locator(".libraries > tbody > tr")).to_have_count(1)
    frame.get_by_role("link", name="Northfield University Library", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/dags/{dag_id('northfield')}/plugin/library-loads")
    library = page.frame_locator("iframe[title='Patron loads']")
    expect(library.get_by_role("heading", name="Northfield University Library")).to_be_visible()
    expect(library.get_by_role("heading", name="Calendar")).to_be_visible()
    shoot("b-one-library")
    library.locator("tbody th a").last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/plugin/load-report")
    expect(page.frame_locator("iframe[title='Load report']").get_by_text("What to do next")).to_be_visible()


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        (None, "", 401),
        (None, "style.css", 200),
        (None, "runs/{run}", 401),
        (None, "runs/{run}/rejects.csv", 401),
        ("viewer", "", 200),
        ("viewer", "runs/{run}", 200),
        ("viewer", "runs/{run}/report.json", 200),
        ("viewer", "runs/{run}/rejects.csv", 403),
        ("viewer", "libraries/patron_load__stclare", 403),
        ("viewer", "runs/patron_load__stclare/x", 403),
        ("user", "runs/{run}/rejects.csv", 200),
        ("user", "libraries/patron_load__stclare", 200),
        ("user", "libraries/patron_load__nobody", 404),
    ],
)
def test_who_may_see_what(world: World, loads, role: str | None, path: str, status: int):
    """Airflow's own rights, by DAG; the rejects take the right to start a load."""
    run = f"{dag_id('northfield')}/{quote(loads['northfield'])}"
    headers = {} if role is None else {"Authorization": f"Bearer {token(world, role)}"}
    answer = httpx.get(
        f"{world.airflow.url}/patron-loads/{path.format(run=run)}", headers=headers, timeout=ANSWER_PATIENCE
    )
    assert answer.status_code == status
    if (role, path) == ("viewer", ""):
        assert "Northfield" in answer.text
        assert "St. Clare" not in answer.text


def token(world: World, role: str) -> str:
    login = {"username": role, "password": world.airflow.passwords[role]}
    answer = httpx.post(f"{world.airflow.url}/auth/token", json=login, timeout=ANSWER_PATIENCE).raise_for_status()
    return str(answer.json()["access_token"])


def test_the_form_for_a_load_by_hand(world: World, page: Page, shoot: Shoot):
    """The parameters have titles and say what they do."""
    form = open_form(page, "jarrow")
    expect(form.get_by_text("Dry run").first).to_be_visible()
    expect(form.get_by_text("Do everything except sending")).to_be_visible()
    expect(form.locator("input[name='element_day']")).to_have_attribute("type", "date")
    expect(form.get_by_text("Source path")).to_be_visible()
    expect(form.get_by_text("Load this file instead of the usual one")).to_be_visible()
    expect(form.get_by_text("Load anyway")).to_be_visible()
    expect(form.get_by_text("To load a file that may not be the right one")).to_be_visible()
    shoot("6-load-by-hand")


def test_past_days_by_the_form(world: World, page: Page, shoot: Shoot):
    """Three days, asked for in the form, are three loads: each of its day's file, in order, one at a time."""
    deliver_days(world, "jarrow")
    world.unlock("jarrow")
    form = open_form(page, "jarrow")
    form.get_by_text("Backfill", exact=True).click()
    for field, moment in enumerate(bounds()):
        choose(page, form, field, moment)
    expect(form.get_by_text("3 runs will be triggered.")).to_be_visible()
    most = form.locator("input[name=max_active_runs]")
    assert (most.input_value(), most.get_attribute("max")) == ("1", "1")
    shoot("7-past-days")
    form.get_by_role("button", name="Run Backfill").click()
    expect(form).to_be_hidden()
    found = world.api.http.get("backfills", params={"dag_id": dag_id("jarrow")}).raise_for_status().json()
    (backfill,) = found["backfills"]
    world.api.wait_for_backfill(backfill["id"])
    check_days(world, "jarrow")
    check_order(world, "jarrow")
    page.goto(f"/dags/{dag_id('jarrow')}/runs")
    for run in world.api.runs(dag_id("jarrow")):
        if run.run_type == "backfill":
            expect(page.get_by_text(str(run.partition_key)).first).to_be_visible()
    shoot("8-past-days-loaded")


def choose(page: Page, form: Locator, field: int, moment: datetime) -> None:
    """Fill one of the form's two moments, in the library's own time: Airflow reads what is typed as its wall clock."""
    form.get_by_test_id("datetime-input").nth(field).click()
    page.get_by_placeholder("YYYY/MM/DD").fill(f"{moment:%Y/%m/%d}")
    page.get_by_placeholder("HH:mm").fill(f"{moment:%H:%M}")
    form.get_by_text("Date Range").click()
    expect(page.get_by_placeholder("HH:mm")).to_be_hidden()


def open_form(page: Page, tenant: str) -> Locator:
    page.goto(f"/dags/{dag_id(tenant)}")
    page.get_by_test_id("trigger-dag-button").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_text("Run Parameters")).to_be_visible()
    return form


def test_an_unusual_load_is_approved(world: World, questions: Runs, page: Page, shoot: Shoot):
    """From the home page and by the link in the mail to the question; with a reason the load goes on, and tells it."""
    run_id = questions["penrose"]
    page.goto("/")
    expect(page.get_by_role("button", name=re.compile("Required Action"))).to_be_visible()
    shoot("c-home-asks")
    open_question(world, page, "penrose")
    approve = page.get_by_role("button", name="Approve", exact=True)
    expect(page.get_by_text("The file has 12 rows; expected 32 to 48")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="To update")).to_contain_text("12")
    expect(approve).to_be_disabled()
    shoot("c-question")
    give_reason(page, "Half of them left, says the registry.")
    approve.scroll_into_view_if_needed()
    shoot("c-question-answered")
    approve.click()
    assert world.ended("penrose", run_id).state == "success"
    report = open_report(page, "penrose", run_id)
    expect(report.get_by_text(f"Approved by {world.airflow.user} on")).to_be_visible()
    expect(report.get_by_text("the reason given: 'Half of them left, says the registry'")).to_be_visible()
    report.get_by_text("Approved by").first.scroll_into_view_if_needed()
    shoot("c-approved")


def test_an_unusual_load_is_rejected(world: World, questions: Runs, page: Page, shoot: Shoot):
    """The page over all libraries says that it waits; a no ends the run, and its report says whose it was, and why."""
    run_id = questions["quarley"]
    page.goto("/")
    menu = page.get_by_role("link", name="Loads", exact=True).first
    drawn = "image => image.complete && image.naturalWidth > 0"
    assert menu.locator("img").evaluate(drawn), "the menu has Airflow's own icon for what has none"
    menu.click()
    overview = page.frame_locator("iframe[title='Loads']")
    expect(overview.get_by_role("row").filter(has_text="Quarley Library")).to_contain_text("Waiting for an answer")
    shoot("d-overview-asks")
    open_question(world, page, "quarley")
    give_reason(page, "It is last year's file.")
    page.get_by_role("button", name="Reject", exact=True).click()
    assert world.ended("quarley", run_id).state == "failed"
    assert world.report("quarley", run_id)["outcome"] == "declined"
    report = open_report(page, "quarley", run_id)
    expect(report.get_by_role("heading", level=1)).to_contain_text("The load was declined; nothing was sent")
    expect(report.get_by_text("'It is last year's file'")).to_be_visible()
    shoot("d-rejected")


def test_an_undo_is_approved(world: World, page: Page, shoot: Shoot):
    """By the link in the mail: what goes back is in figures there and patron by patron on the plan page; then a yes."""
    world.deliver("tarrant", f"patrons_{today():%Y%m%d}.csv", as_csv(people("tarrant", 5)))
    loaded = world.ended("tarrant", world.start("tarrant")).run_id
    undo = world.start("tarrant", undo=loaded)
    wait_until(lambda: world.states("tarrant", undo)["approve"] == "awaiting_input")
    page.goto(f"/patron-loads/runs/{dag_id('tarrant')}/{quote(undo, safe='')}/plan")
    expect(page.get_by_role("article")).to_have_count(5)
    expect(page.get_by_role("article").first.get_by_role("row").filter(has_text="active")).to_contain_text("as before")
    shoot("e-undo-plan")
    (mail,) = [mail for mail in world.sandbox.mail.mails if mail["X-RcptTo"] == "oncall@tarrant.example"]
    page.goto(next(line for line in text_of(mail).splitlines() if line.startswith(world.airflow.url)))
    expect(page.get_by_text(re.compile("undo an earlier load")).first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="Become inactive")).to_contain_text("5")
    give_reason(page, "It was the wrong file.")
    shoot("e-undo-question")
    page.get_by_role("button", name="Approve", exact=True).click()
    assert world.ended("tarrant", undo).state == "success"
    report = open_report(page, "tarrant", undo)
    expect(report.get_by_role("heading", level=1)).to_contain_text("undone")
    expect(report.get_by_role("link", name="Download not_undone.csv")).to_be_visible()
    shoot("e-undone")
    users = [user for user in world.folio.store("fstarrant").users if "externalSystemId" in user]
    assert [user["active"] for user in users] == [False] * 5


def open_question(world: World, page: Page, tenant: str) -> None:
    """As whoever has the mail does."""
    (mail,) = question_mails(world, tenant)
    (link,) = [line for line in text_of(mail).splitlines() if line.startswith("http")]
    page.goto(link)
    expect(page.get_by_text(re.compile("is this load right")).first).to_be_visible()


def give_reason(page: Page, reason: str) -> None:
    page.locator("input[name='element_reason'], textarea[name='element_reason']").fill(reason)


def open_report(page: Page, tenant: str, run_id: str) -> FrameLocator:
    page.goto(f"/dags/{dag_id(tenant)}/runs/{run_id}")
    page.get_by_role("tab", name="Load report").or_(page.get_by_role("link", name="Load report")).first.click()
    return page.frame_locator("iframe[title='Load report']")


def test_a_broken_tenant_file(world: World, broken_tenant_file, page: Page, shoot: Shoot):
    """The first page counts the error; a click shows file, line, key and what to write instead."""
    page.goto("/")
    page.get_by_text("Dag Import Error").click()
    told = page.get_by_role("dialog")
    told.get_by_role("button").filter(has_text="tenant_files.py").first.click()
    error = told.locator("code").filter(has_text="ConfigError")
    expect(error).to_be_visible()
    expect(error).to_contain_text("ashford.yaml, line 15: target.chunk_syze")
    expect(error).to_contain_text("did you mean 'chunk_size'?")
    shoot("9-broken-tenant-file")
