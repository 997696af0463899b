"""The plan page: who sees it, what it shows of a plan, its downloads, and the question that waits."""

import csv
import io
import re

import pytest
from python_calamine import CalamineWorkbook

from patronload.artifacts import encryption, names, plan_changes
from patronload.artifacts import run as runs
from patronload.in_airflow.pages import plan as plan_page
from tests.pages.conftest import Rights, Site, in_words
from tests.pages.plans import DAG, EVIL, LINES, MAIL, asking, line, written


def links(html: str) -> list[str]:
    """Where the links of a page lead."""
    return [link.replace("&amp;", "&") for link in re.findall(r'<a [^>]*href="([^"]+)"', html)]


@pytest.fixture
def planned(site: Site, counted) -> str:
    """A run of Northfield with a plan; its path. Whoever looks may start loads."""
    site.add_library("northfield", "Patron load: Northfield College")
    (run_id,) = site.add_loads(DAG, [counted("dry_run")])
    written(runs.open_run("northfield", run_id), LINES)
    site.rights = Rights(read=frozenset({DAG}), start=frozenset({DAG}))
    return f"/runs/{DAG}/{run_id}"


def test_it_is_for_those_who_may_start_a_load(site: Site, planned: str):
    """Without the right to start a load there is no page, no file and no audit line; with it, each look is recorded."""
    paths = [f"{planned}/plan", f"{planned}/plan.csv", f"{planned}/plan.xlsx"]
    site.rights = Rights(read=frozenset({DAG}))
    assert [site.get(path).status_code for path in paths] == [403] * 3
    site.rights = None
    assert [site.get(path).status_code for path in paths] == [401] * 3
    assert site.audit == []
    site.rights = Rights(read=frozenset({DAG}), start=frozenset({DAG}))
    assert [site.get(path).status_code for path in paths] == [200] * 3
    taken = ("patron_plan_taken", DAG, "somebody")
    assert site.audit == [("patron_plan_seen", DAG, "somebody"), taken, taken]


def test_the_plan_in_figures_and_patron_by_patron(site: Site, planned: str):
    """Counts by action and field, transitions of codes, and each patron before and after, with the reason."""
    words = in_words(site.get(f"{planned}/plan").text)
    assert "Create 1, update 2, bring back 1, make 1 inactive, leave 1 unchanged" in words
    assert "undergrad to graduate patronGroup 2" in words
    assert "personal.phone – 555-0100 empty in FOLIO" in words
    assert "active true false no longer in the file" in words
    assert "personal.addresses[0].city – Ames new patron" in words
    assert "6 patrons" in words
    assert "0020" not in words, "what does not change is shown only when asked for"
    assert "row 9" not in words, "a leaver is in no row of the file"


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("action=unchanged", ["0020"]),
        ("action=update", ["0018", "0019"]),
        ("field=patronGroup", ["0018", "0019"]),
        ("action=update&field=personal.phone", ["0018"]),
        ("action=create&field=patronGroup", []),
        ("action=inactive", ["0023"]),
        ("page=99", ["0017", "0018", "0019", "0021", "0022", "0023"]),
    ],
)
def test_filters(site: Site, planned: str, query: str, keys: list[str]):
    """By action and by field; the downloads have the same patrons, with all their lines."""
    assert re.findall(r'aria-label="Patron (.*?)"', site.get(f"{planned}/plan?{query}").text) == keys
    table = csv.DictReader(io.StringIO(site.get(f"{planned}/plan.csv?{query}").content.decode("utf-8-sig")))
    assert list(dict.fromkeys(each["key"] for each in table)) == keys


def test_the_downloads_keep_zeros_and_run_nothing(site: Site, planned: str):
    """In CSV a formula gets an apostrophe; in Excel every cell is text, so it needs none."""
    answer = site.get(f"{planned}/plan.csv")
    assert answer.headers["cache-control"] == "no-store"
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert lines[0] == {
        "row": "2", "key": "0017", "action": "create", "field": "username", "before": "", "after": f"'{EVIL}",
        "why": "new patron",
    }  # fmt: skip
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(site.get(f"{planned}/plan.xlsx").content)).get_sheet_by_index(0)
    rows = sheet.to_python()
    assert rows[0] == list(plan_changes.COLUMNS)
    assert rows[1] == ["2", "0017", "create", "username", "", EVIL, "new patron"]
    assert len(rows) == len(lines) + 1


def test_fifty_patrons_a_page(site: Site, planned: str):
    """With links to the other pages; each patron is on one page only, with all lines, wherever row groups end."""
    run = runs.open_run("northfield", planned.rpartition("/")[2])
    many = [
        line(row, f"u{row}", "update", field, "a", "b", "the file") for row in range(2, 2402) for field in ("x", "y")
    ]
    written(run, many)
    seen: list[str] = []
    for number in range(1, 49):
        page = plan_changes.page(run, plan_changes.Choice(), number)
        assert (page.total, page.pages, page.number) == (2400, 48, number)
        assert all(len(patron.changes) == 2 for patron in page.patrons)
        seen += [patron.key for patron in page.patrons]
    assert seen == [f"u{row}" for row in range(2, 2402)]
    run_id = planned.rpartition("/")[2].replace(":", "%3A").replace("+", "%2B")
    following = f"/patron-loads/runs/{DAG}/{run_id}/plan?action=&field=&page=3#patrons"
    assert following in links(site.get(f"{planned}/plan?page=2").text)


def test_too_many_lines_for_a_workbook(site: Site, planned: str, monkeypatch):
    """The page says so and offers the CSV file; the address says so too."""
    monkeypatch.setattr(plan_page, "MOST_IN_A_WORKBOOK", 5)
    assert "Excel takes at most 5 lines" in in_words(site.get(f"{planned}/plan").text)
    answer = site.get(f"{planned}/plan.xlsx")
    assert (answer.status_code, "take the CSV file" in answer.text) == (413, True)


def test_encrypted(site: Site, planned: str, encrypt):
    """The page and both files decrypt."""
    encrypt("7ZyeBRjm2OwTuhAl0y1WGJnDnmMNq4pNIi3GnJz0tZk=")
    run = runs.open_run("northfield", planned.rpartition("/")[2])
    written(run, LINES)
    assert (run.folder / names.CHANGES).read_bytes().startswith(encryption.MAGIC)
    for name in ("plan", "plan.csv"):
        assert MAIL in site.get(f"{planned}/{name}").text
    assert site.get(f"{planned}/plan.xlsx").status_code == 200


def test_before_the_plan_and_after_a_purge(site: Site, planned: str):
    """A run without a plan says so; after a purge the figures stay and the patrons are gone."""
    run = runs.open_run("northfield", planned.rpartition("/")[2])
    run.remove(names.CHANGES)
    words = in_words(site.get(f"{planned}/plan").text)
    assert "To create" in words
    assert plan_page.PURGED in words
    assert site.get(f"{planned}/plan.csv").status_code == 404
    run.remove(names.PLAN)
    assert plan_page.NO_PLAN in in_words(site.get(f"{planned}/plan").text)


def test_while_a_question_waits(site: Site, planned: str):
    """The approver sees question, figures, reasons for rejects, the rejects file and the changes before answering."""
    run = runs.open_run("northfield", planned.rpartition("/")[2])
    asking(run)
    html = site.get(f"{planned}/plan").text
    words = in_words(html)
    assert "9 of 9 active users would become inactive." in words
    assert "To update 2" in words
    assert "1 ID is odd" in words
    (answer,) = [link for link in links(html) if link.endswith("/required_actions")]
    assert f"/dags/{DAG}/runs/" in answer
    (rejects,) = [link for link in links(html) if link.endswith("/rejects.csv")]
    assert "0099|7|validate|ID|0099|ID '0099': odd" in site.get(rejects.removeprefix("/patron-loads")).text
    assert ("patron_rejects_taken", DAG, "somebody") in site.audit
    assert MAIL in words


@pytest.mark.parametrize(
    ("gate", "follows"),
    [
        ("becoming_inactive", "nothing is sent, and the run ends"),
        ("leavers", "the patrons in the file are loaded, and the leavers wait"),
    ],
)
def test_what_no_answer_means(site: Site, planned: str, gate: str, follows: str):
    """It is not the same for every question: a file is loaded although its leavers have to wait."""
    asking(runs.open_run("northfield", planned.rpartition("/")[2]), gate)
    words = in_words(site.get(f"{planned}/plan").text)
    assert re.search(rf"Without an answer by [^.]*?, {follows}\.", words)


def test_the_report_tab_while_a_question_waits(site: Site, counted):
    """It has the question with its figures and reasons, for everyone who may read it; no patron is on it."""
    site.add_library("northfield", "Patron load: Northfield College")
    (run_id,) = site.add_loads(DAG, [None], state="running")
    run = runs.open_run("northfield", run_id)
    written(run, LINES)
    asking(run)
    site.rights = Rights(read=frozenset({DAG}))
    html = site.get(f"/runs/{DAG}/{run_id}").text
    words = in_words(html)
    assert "9 of 9 active users would become inactive." in words
    assert "1 ID is odd" in words
    assert not [link for link in links(html) if link.endswith(("/plan", "rejects.csv"))]
    for secret in ("0099", "0018", MAIL):
        assert secret not in words
