"""The pages behind signed links in Chromium, wide and on a phone, by light and by dark. Pictures are kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from patronload.artifacts import names
from patronload.artifacts import run as runs
from patronload.in_airflow.pages import uploads
from tests.chromium import chromium
from tests.pages.served import server
from tests.pages.signed import DESK, HEAD, Links

# A browser draws many pages in each test, which takes long on a busy machine.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

SIZES = [(width, scheme) for width in (1440, 1024, 390) for scheme in ("light", "dark")]
CORRECTED = b"ID,LOGIN,reject_row\n1,ann,2\n"


@pytest.fixture
def address(links: Links) -> Iterator[str]:
    """Where the pages are."""
    with server(links.client.app, "/patron-links") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        expect.set_options(timeout=60_000)
        yield browser


class Looks:
    """A window of some width, by light or dark, that keeps pictures and finds what is wrong with a page."""

    def __init__(self, browser: Browser, keep: Path, width: int, scheme: str) -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
        self.page.set_default_timeout(60_000)
        self.width, self.name = width, f"{width}-{scheme}"
        self.folder = keep / "screenshots"
        self.folder.mkdir(exist_ok=True)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def check(self, name: str) -> None:
        """Nothing is cut off, axe finds nothing, and nothing is loaded from elsewhere."""
        self.page.screenshot(path=self.folder / f"link-{name}-{self.name}.png", full_page=True)
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width, name
        found = Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()
        assert self.said == []
        assert all(url.startswith("http://127.0.0.1:") for url in self.asked)


@pytest.fixture(params=SIZES, ids=str)
def looks(request: pytest.FixtureRequest, browser: Browser, keep: Path) -> Looks:
    return Looks(browser, keep, *request.param)


def test_refusals_are_pages_too(links: Links, address: str, looks: Looks):
    """A link that does not work says so, and what to do; the guide is open to everyone."""
    looks.page.goto(f"{address}/how-to-fix#office")
    looks.check("how-to-fix")
    looks.page.goto(f"{address}/northfield/guess")
    expect(looks.page.get_by_role("heading")).to_have_text("This link does not work")
    looks.said.clear()  # Chromium notes the 404
    looks.check("refused")


def test_a_contact(links: Links, address: str, looks: Looks, monkeypatch):
    """Opens the link, downloads the workbook, uploads the corrected file, and comes to the page of the new load."""
    run_id = links.load_with_rejects()
    monkeypatch.setattr(uploads, "trigger_dag", lambda dag_id, **given: links.site.add_run(dag_id, given["run_id"]))
    page = looks.page
    page.goto(address + links.link(run_id, DESK))
    expect(page.get_by_role("heading", level=1)).to_have_text("7 patrons are loaded, 3 rows are not")
    looks.check("contact")
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Download rejects.xlsx").click()
    assert downloaded.value.path().read_bytes() == b"PK workbook"
    page.get_by_label("The corrected file").set_input_files(
        {"name": "corrected.csv", "mimeType": "text/csv", "buffer": CORRECTED}
    )
    page.get_by_role("button", name="Upload and load").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The load is running")
    looks.check("contact-uploaded")
    (new,) = [run.id for run in runs.all_runs("northfield") if run.id.startswith("corrected__")]
    assert runs.open_run("northfield", new).read(names.UPLOADED_FILE) == CORRECTED
    assert {use["did"] for use in links.uses(run_id)} == {"downloaded", "uploaded"}


def test_an_approver(links: Links, address: str, looks: Looks):
    """Reads the figures, answers by keyboard alone, and sees that the answer was taken."""
    run_id = links.question()
    page = looks.page
    page.goto(address + links.answer_link(run_id))
    expect(page.get_by_role("heading", level=1)).to_have_text("Is this load right?")
    looks.check("approver")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.get_by_role("radio", name="Approve").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("The registry moved half of them.")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Send the answer"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("The answer was accepted")
    looks.check("approver-answered")
    detail = links.detail(run_id)
    assert (detail.chosen_options, detail.responded_by_user_name) == (["Approve"], HEAD)
    assert detail.params_input == {"reason": "The registry moved half of them."}
