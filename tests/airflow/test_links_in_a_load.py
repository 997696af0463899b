"""People without an account: a contact corrects rejects, and an approver answers on a phone; the load goes on."""

import io
import re
from collections.abc import Iterator
from email.message import EmailMessage

import httpx
import pytest
import xlsxwriter
from playwright.sync_api import Browser, expect
from python_calamine import CalamineWorkbook

from local.api import ANSWER_PATIENCE
from tests.airflow.libraries import LINKED, World, as_csv, dag_id, people, text_of, today, wait_until
from tests.airflow.test_approvals import wait_for_the_process
from tests.chromium import chromium

pytestmark = pytest.mark.browser

DESK, CHIEF = "desk@sedley.example", "chief@sedley.example"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        expect.set_options(timeout=60_000)
        yield browser


def mail_to(world: World, address: str, run_id: str) -> EmailMessage:
    """The mail about a run that someone has of their own."""

    def found() -> list[EmailMessage]:
        return [mail for mail in world.mails(run_id) if mail["X-RcptTo"] == address]

    (mail,) = wait_until(found)
    return mail


def link_in(mail: EmailMessage) -> str:
    """The first link of a mail."""
    return next(line for line in text_of(mail).splitlines() if line.startswith("http"))


def corrected(workbook: bytes) -> bytes:
    """The workbook of rejects as someone saves it who has emptied the wrong dates."""
    rows = CalamineWorkbook.from_filelike(io.BytesIO(workbook)).get_sheet_by_index(0).to_python()
    made = io.BytesIO()
    with xlsxwriter.Workbook(made) as book:
        sheet = book.add_worksheet()
        at = rows[0].index("expirationDate")
        for number, row in enumerate(rows):
            cells = [*row[:at], "" if number else row[at], *row[at + 1 :]]
            for column, cell in enumerate(cells):
                sheet.write_string(number, column, str(cell))
    return made.getvalue()


@pytest.fixture(scope="module")
def first(world: World) -> str:
    """A load of forty people, three of whom have a date that cannot be read; its run."""
    rows = [row | ({"expirationDate": "soon"} if number < 3 else {}) for number, row in enumerate(people(LINKED, 40))]
    world.deliver(LINKED, f"patrons_{today():%Y%m%d}.csv", as_csv(rows))
    run_id = world.start(LINKED)
    assert world.ended(LINKED, run_id).state == "success"
    return run_id


def test_a_contact_from_mail_to_load(world: World, first: str, browser: Browser):
    """Mail, link, workbook, correction, upload, load: without a login, and without a path typed by anyone."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(link_in(mail_to(world, DESK, first)))
    expect(page.get_by_role("heading", level=1)).to_contain_text("37 patrons are loaded, 3 rows are not")
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Download rejects.xlsx").click()
    file = corrected(downloaded.value.path().read_bytes())
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    page.get_by_label("The corrected file").set_input_files({"name": "rejects.xlsx", "mimeType": kind, "buffer": file})
    page.get_by_role("button", name="Upload and load").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("running|3 patrons are loaded"))
    (run_id,) = [run.run_id for run in world.api.runs(dag_id(LINKED)) if run.run_id.startswith("corrected__")]
    assert world.ended(LINKED, run_id).state == "success"
    report = world.report(LINKED, run_id)
    assert (report["outcome"], report["rows"], report["created"], report["corrected"]) == ("loaded", 3, 3, True)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("3 patrons are loaded")
    assert mail_to(world, DESK, run_id)["Subject"].startswith("3 patrons are loaded")
    page.close()
    audited = world.api.http.get("eventLogs", params={"dag_id": dag_id(LINKED)}).raise_for_status().json()["event_logs"]
    seen = {(line["event"], line["owner"]) for line in audited}
    assert {("patron_link_downloaded", DESK), ("patron_link_uploaded", DESK)} <= seen
    assert len([*(world.folder(LINKED, first) / "links").glob("*.json")]) == 2


def test_an_approver_on_a_phone(world: World, first: str, browser: Browser):
    """The question arrives by mail; the answer, given at 390 px, lets the load go on. There is no second one."""
    world.deliver(LINKED, f"patrons_{today():%Y%m%d}.csv", as_csv(people(LINKED, 12)))
    run_id = world.start(LINKED)
    wait_until(lambda: world.states(LINKED, run_id)["approve"] == "awaiting_input")
    link = link_in(mail_to(world, CHIEF, run_id))
    assert "/patron-links/sedley/" in link
    wait_for_the_process(world, LINKED, run_id)
    assert httpx.get(link, timeout=ANSWER_PATIENCE).status_code == 200, "as a scanner does"
    assert world.states(LINKED, run_id)["approve"] == "awaiting_input"
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark", is_mobile=True, has_touch=True)
    page.goto(link)
    expect(page.get_by_text("The file has 12 rows; expected 32 to 48")).to_be_visible()
    page.get_by_role("radio", name="Approve").tap()
    page.get_by_label("Reason").fill("The others moved to the city library.")
    page.get_by_role("button", name="Send the answer").tap()
    expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile("answer"))
    assert world.ended(LINKED, run_id).state == "success"
    report = world.report(LINKED, run_id)
    assert (report["outcome"], report["updated"]) == ("loaded", 12)
    assert (report["approval"]["answer"], report["approval"]["by"]) == ("approved", CHIEF)
    assert report["approval"]["reason"] == "The others moved to the city library"
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("This question was answered")
    assert page.get_by_role("button").count() == 0
    page.close()
