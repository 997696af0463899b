"""How the mails look, on a desk and on a phone, by light and by dark. The pictures are kept for a person to look at."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from leftovers import build
from playwright.sync_api import Browser
from test_notify import LIBRARY, OUTCOMES

from patronload.reporting import attention_mail, digests, smtp, words
from patronload.reporting import mails as mailing
from patronload.reporting.approval_question import Figure, Question
from patronload.reporting.attention_mail import Problem
from patronload.reporting.digests import Week
from patronload.reporting.places import Places, Reader
from patronload.reporting.report import Report, Undo
from tests.accessibility import SCHEMES, WIDTHS, faults, unreached
from tests.chromium import chromium

# A browser draws many pages in each test, which takes long on a busy machine.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800), pytest.mark.xdist_group("mails")]

SUNDAY = date(2026, 11, 22)
MOMENT = datetime(2026, 11, 24, 12, tzinfo=UTC)
PEOPLE = {"export": "Registrar's office, registrar@campus.example", "target": "FOLIO office, +1 312 555 0199"}

OLDER = (
    "The file is older than the newest one loaded: it is from 23 November 2026 (written 23 Nov 2026, 02:00 CST); the "
    "load of 24 November 2026 had patrons_20261124.csv from 24 November 2026 (written 24 Nov 2026, 02:00 CST)."
)
SHORT = "The file has 2,011 rows; expected 3,306 to 4,958 (the last load, of 24 November 2026, had 4,132 rows)."
QUESTION = Question(
    (OLDER, SHORT),
    (
        "The file is patrons_20261123.csv, written 23 Nov 2026, 02:00 CST.",
        "The last load, of 24 November 2026, had patrons_20261124.csv, written 24 Nov 2026, 02:00 CST.",
    ),
    (
        Figure("Rows", "2,011", "4,132"),
        Figure("To create", "3", ""),
        Figure("Group undergrad", "1,400", "2,900"),
    ),
    MOMENT,
)


PLACES = Places(*(f"https://a.example/{page}" for page in ("report", "rejects", "plan", "help")), signed=True)

PROBLEMS = [
    Problem("Ashford Library", ("The DAG is switched off.", "No load has succeeded since 11 Nov.")),
    Problem("bexley", ("Its tenant file does not load. bexley.yaml, line 3: key 'chunk_syze' is not known.",)),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium("--disable-gpu") as browser:
        yield browser


def mails() -> dict[str, smtp.Mail]:
    """Each kind of mail that there is."""
    library = LIBRARY.model_copy(update={"people": LIBRARY.people.model_copy(update=PEOPLE)})
    reports = {name: build(tenant=library, **left) for name, left in OUTCOMES.items()}
    undo = Undo(run="scheduled__1", day=date(2026, 11, 16), export="patrons.csv", patrons=7, back=7)
    reports["undone"] = reports["loaded"].model_copy(update={"outcome": "undone", "undo": undo})
    loads = [report.model_copy(update={"day": date(2026, 11, 16 + at)}) for at, report in enumerate(reports.values())]
    weeks = [
        Week(library, tuple(loads), SUNDAY),
        Week(library.model_copy(update={"library": "Ashford Library"}), (), SUNDAY),
    ]
    contact, effects = Reader(on_call=False, address="a@b.example"), {"actions": {"create": 2, "update": 5}}
    with_plan = {name: report.model_copy(update={"effects": effects}) for name, report in reports.items()}
    of_contacts: dict[str, Report] = {f"{name}-contact": with_plan[name] for name in OUTCOMES}
    return {
        **{
            name: mailing.result_mail(library, report, ["a@b.example"], contact, PLACES)
            for name, report in of_contacts.items()
        },
        **{name: mailing.result_mail(library, report) for name, report in reports.items()},
        "late": mailing.late_mail(library, date(2026, 11, 24), MOMENT),
        "question": mailing.question_mail(
            library, "manual__1", date(2026, 11, 24), QUESTION, "https://a.example", ["a@b.example"]
        ),
        "attention": attention_mail.mail(["a@library.example"], PROBLEMS, "https://a.example/patron-loads/", MOMENT),
        "deadline": attention_mail.deadline_mail(
            library.model_copy(update={"deadline": "4 hours"}), "manual__1", date(2026, 11, 24), "https://a.example/run"
        ),
        "weekly": digests.mail("a@library.example", weeks, MOMENT),
    }


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_mail(browser: Browser, keep: Path, scheme: str):
    """At each width nothing sticks out and axe finds nothing; nothing is loaded from elsewhere."""
    folder = keep / "screenshots"
    folder.mkdir(exist_ok=True)
    page = browser.new_page(color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    found = []
    for name, mail in mails().items():
        page.set_content(mail.html)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=folder / f"mail-{name}-{width}-{scheme}.png", full_page=True)
            found += [f"{name}, {width} px: {fault}" for fault in faults(page)]
        found += [f"{name}: {number} elements without a key"] if (number := unreached(page)) else []
    assert found == []
    assert asked == []
    page.close()


def test_each_end_of_a_run_is_known_at_a_glance():
    """Its own subject line, its own word and its own colour, by light and by dark."""
    ends = {name: mail for name, mail in mails().items() if name in {*OUTCOMES, "undone"}}
    assert ends.keys() == words.LOOKS.keys()
    assert len({mail.subject for mail in ends.values()}) == len(ends)
    for aspect in ("word", "colour", "dark"):
        assert len({getattr(look, aspect) for look in words.LOOKS.values()}) == len(ends)
