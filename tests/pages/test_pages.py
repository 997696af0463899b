"""The pages in Airflow: who sees what, and that nothing of it runs."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from airflow.models.dagrun import DagRun
from fastapi.testclient import TestClient
from leftovers import build, failure, rejects
from sqlalchemy import event

from patronload.artifacts import encryption, names
from patronload.artifacts import run as runs
from patronload.in_airflow.pages import loads, views
from patronload.reporting import airflow_links, words
from patronload.reporting.report import Noted
from tests.pages.conftest import Rights, Site, in_words

EVIL = "<script>alert('x')</script>\"'&"


class Page(HTMLParser):
    """What a browser makes of a page: its elements, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def library(site: Site, counted) -> str:
    """A library that was loaded, with a report and rejects; its DAG."""
    dag_id = site.add_library("riverside", "Patron load: Riverside Library")
    (run_id,) = site.add_loads(dag_id, [counted("loaded_with_rejects", rejected=2)])
    made = build(rejects=rejects((12, "validate", EVIL), (13, "validate", "LOGIN is empty")))
    site.put(dag_id, run_id, "report.json", made.model_copy(update={"run": run_id, "library": EVIL}).model_dump_json())
    site.put(dag_id, run_id, "rejects.csv", "ID,reject_row\n1,2\n")
    return f"{dag_id}/{run_id}"


def everywhere(library: str) -> list[str]:
    dag_id = library.partition("/")[0]
    return [
        "/",
        "/loads.json",
        "/metrics",
        "/icon-light.svg",
        f"/libraries/{dag_id}",
        f"/runs/{library}/leavers.csv",
        f"/runs/{library}/not_undone.csv",
        f"/runs/{library}/noted.csv",
        f"/runs/{library}/validation.html",
        f"/runs/{library}/compare",
        f"/runs/{library}",
        f"/runs/{library}/report.json",
        f"/runs/{library}/rejects.csv",
    ]


def with_patrons(library: str) -> list[str]:
    """The other addresses with patrons on them; see test_plan_page.py and test_find_page.py."""
    dag_id = library.partition("/")[0]
    return [*(f"/runs/{library}/{name}" for name in ("plan", "plan.csv", "plan.xlsx")), f"/libraries/{dag_id}/find"]


def test_nobody_sees_anything_without_a_login(site: Site, library: str):
    """Each address answers 401 to a visitor who is not logged in, as a page that says so."""
    site.rights = None
    # An upload is no page; test_uploads.py has who may send one.
    routes = {
        route.path for route in site.client.app.routes if not route.path.endswith(("/openapi.json", "/corrected"))
    }
    every = [*everywhere(library), *with_patrons(library)]
    assert len(every) == len(routes) - len(FOR_ALL)
    for path in every:
        answer = site.get(path)
        assert answer.status_code == 401, path
        assert "Log in" in Page(answer.text).words


FOR_ALL = ("/style.css", "/frame.js")
"""What the page for someone who is not logged in is made of; it tells nothing."""


def test_who_is_not_logged_in_can_log_in_and_come_back(site: Site, library: str):
    """The page has its style, and a link that leads over Airflow's login back to the same tab."""
    site.rights = None
    assert {site.get(path).status_code for path in FOR_ALL} == {200}
    dag_id, run_id = library.split("/")
    tab = f"/dags/{dag_id}/runs/{quote(run_id, safe='')}/plugin/load-report"
    for path, back in (
        (f"/runs/{library}", tab),
        (f"/runs/{library}/plan", tab.replace("load-report", "load-plan")),
        (f"/libraries/{dag_id}", f"/dags/{dag_id}/plugin/library-loads"),
        (f"/libraries/{dag_id}/find", f"/dags/{dag_id}/plugin/find-a-patron"),
        ("/", "/plugin/patron-loads"),
    ):
        (link,) = [each for each in Page(site.get(path).text).all("a") if each.get("class") == "button"]
        assert link["target"] == "_top"
        assert parse_qs(urlsplit(str(link["href"])).query) == {"next": [back]}
    views_shown = {view["url_route"] for view in views()}
    assert {
        airflow_links.LIBRARIES,
        airflow_links.LIBRARY,
        airflow_links.FIND,
        airflow_links.REPORT,
        airflow_links.PLAN,
    } == views_shown


@pytest.mark.parametrize(
    ("failed", "words"),
    [
        (1, "1 of 4 libraries needs attention."),
        (2, "2 of 4 libraries need attention."),
        (0, "All is well with all 4 libraries."),
    ],
)
def test_how_many_libraries_need_attention(site: Site, counted, failed: int, words: str):
    """In a sentence that is right for one and for several."""
    dags = [site.add_library(name, f"Patron load: {name} Library") for name in ("ash", "bex", "cor", "dun")]
    for place, dag_id in enumerate(dags):
        bad = place < failed
        site.add_loads(dag_id, [counted("failed" if bad else "loaded")], state="failed" if bad else "success")
    site.rights = Rights(read=frozenset(dags))
    assert words in Page(site.get("/").text).words


def test_only_libraries_that_one_may_read(site: Site, library: str, counted):
    """Per DAG: 403 for another library's pages, and the page over all shows the own ones only."""
    site.add_loads(site.add_library("ashford", "Patron load: Ashford Library"), [counted()])
    site.rights = Rights(read=frozenset({"patron_load__ashford"}))
    refused = [path for path in everywhere(library) if "riverside" in path]
    assert [site.get(path).status_code for path in refused] == [403] * 9
    words = Page(site.get("/").text).words
    assert "Ashford Library" in words
    assert "Riverside" not in words
    assert "the library" in words


def test_rejects_are_for_those_who_may_start_a_load(site: Site, library: str):
    """They hold personal data: who may only look gets 403, and no link; who takes them stands in the audit log."""
    own = frozenset({"patron_load__riverside"})
    site.rights = Rights(read=own)
    assert site.get(f"/runs/{library}/rejects.csv").status_code == 403
    page = Page(site.get(f"/runs/{library}").text)
    assert not [link for link in page.all("a") if "rejects.csv" in str(link["href"])]
    assert "personal data" in page.words
    assert site.audit == []
    site.rights = Rights(read=own, start=own)
    page = Page(site.get(f"/runs/{library}").text)
    (link,) = [str(link["href"]) for link in page.all("a") if "rejects.csv" in str(link["href"])]
    answer = site.get(link.removeprefix("/patron-loads"))
    assert answer.status_code == 200
    assert answer.text == "ID,reject_row\n1,2\n"
    assert answer.headers["content-disposition"].startswith('attachment; filename="riverside_manual__')
    assert answer.headers["cache-control"] == "no-store"
    assert site.audit == [("patron_rejects_taken", "patron_load__riverside", "somebody")]


def test_the_rejects_are_offered_as_a_workbook_too(site: Site, library: str):
    """Where the run left one; any other ending is no page."""
    own = frozenset({"patron_load__riverside"})
    site.rights = Rights(read=own, start=own)
    assert not [
        link for link in Page(site.get(f"/runs/{library}").text).all("a") if "rejects.xlsx" in str(link["href"])
    ]
    assert site.get(f"/runs/{library}/rejects.xlsx").status_code == 404
    site.put(*library.split("/"), "rejects.xlsx", "a workbook")
    page = Page(site.get(f"/runs/{library}").text)
    (link,) = [str(link["href"]) for link in page.all("a") if "rejects.xlsx" in str(link["href"])]
    answer = site.get(link.removeprefix("/patron-loads"))
    assert (answer.text, "spreadsheetml" in answer.headers["content-type"]) == ("a workbook", True)
    assert site.get(f"/runs/{library}/rejects.exe").status_code in (404, 422)


def test_a_few_corrected_rows_are_not_the_last_load(site: Site, counted):
    """A corrected rejects file of 15 rows was shown as the library's last load, as if it had lost all others."""
    corrected = counted(created=15) | {"corrected": True}
    site.add_loads(site.add_library("ashford", "Patron load: Ashford Library"), [counted(created=1000), corrected])
    (library,) = loads.libraries(site.session, {"patron_load__ashford"})
    assert library.last is not None
    assert (library.last.figures["created"], len(library.loads)) == (1000, 2)


@pytest.mark.parametrize("name", ["leavers", "not_undone"])
def test_lists_are_for_those_who_may_start_a_load(site: Site, library: str, name: str):
    """Who leaves, and what an undo leaves as it is: personal data, also while a person is asked about it."""
    own = frozenset({"patron_load__riverside"})
    dag_id, run_id = library.split("/")
    site.put(dag_id, run_id, f"{name}.csv", "key,name\nu-1,Ann\n")
    site.rights = Rights(read=own)
    assert site.get(f"/runs/{library}/{name}.csv").status_code == 403
    assert f"{name}.csv" not in site.get(f"/runs/{library}").text
    site.rights = Rights(read=own, start=own)
    (link,) = [str(one["href"]) for one in Page(site.get(f"/runs/{library}").text).all("a") if name in one["href"]]
    answer = site.get(link.removeprefix("/patron-loads"))
    assert (answer.status_code, answer.text) == (200, "key,name\nu-1,Ann\n")
    assert site.audit == [(f"patron_{name}_taken", "patron_load__riverside", "somebody")]


def test_what_is_encrypted_is_shown_to_those_who_may_see_it(site: Site, library: str, encrypt):
    """The tab, the figures and the download decrypt; on the disk nothing can be read; a missing key is told."""
    dag_id, run_id = library.split("/")
    own = frozenset({dag_id})
    site.rights = Rights(read=own, start=own)
    plain = [site.get(path).content for path in everywhere(library)[-3:]]
    encrypt(KEY)
    run = runs.open_run("riverside", run_id)
    for name in (names.REPORT, names.REJECTS):
        run.write(name, (site.artifacts / "riverside" / run_id / name).read_bytes())
        assert (site.artifacts / "riverside" / run_id / name).read_bytes().startswith(encryption.MAGIC)
    assert [site.get(path).content for path in everywhere(library)[-3:]] == plain
    encrypt(OTHER)
    for path in everywhere(library)[-3:]:
        answer = site.get(path)
        assert answer.status_code == (503 if path.endswith(("json", "csv")) else 200)
        assert "Add the key that encrypted it, after the others." in Page(answer.text).words
        assert "attachment" not in answer.headers.get("content-disposition", "")


KEY, OTHER = "bmV2ZXIgdXNlIHRoaXMga2V5LCBpdCBpcyBhIHRlc3Q=", "YW5kIG5ldmVyIHVzZSB0aGlzIG9uZSwgcGxlYXNlIDo="


def test_nothing_runs_on_a_page(site: Site, library: str, counted):
    """What stands in a report, a title or a search is text, and the browser is told to run and load nothing."""
    site.add_loads(site.add_library("evil", f"Patron load: {EVIL}"), [counted()])
    dags = frozenset({"patron_load__riverside", "patron_load__evil"})
    site.rights = Rights(read=dags, start=dags)
    for path in (
        "/?q=%3Cscript%3E%22",
        "/",
        f"/runs/{library}",
        "/libraries/patron_load__evil",
        "/libraries/%3Cscript%3E",
    ):
        answer = site.get(path)
        page = Page(answer.text)
        assert page.all("script") == [{"src": "/patron-loads/frame.js"}], path
        assert not [attributes for _, attributes in page.elements if {"style", "onclick", "onload"} & attributes.keys()]
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'self'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert EVIL in Page(site.get(f"/runs/{library}").text).words
    assert EVIL in Page(site.get("/").text).words


def test_a_dag_that_is_not_ours(site: Site):
    """The tab is on every DAG's runs: on another's it says so, and does not pretend to be broken."""
    other = site.add_library("other_dag")
    site.rights = Rights(read=frozenset({other}))
    for path in (f"/runs/{other}/manual__1", f"/libraries/{other}"):
        answer = site.get(path)
        assert answer.status_code == 404
        assert "This DAG does not load patrons" in Page(answer.text).words
    assert "You do not have access to the loads of any library." in Page(site.get("/").text).words


@pytest.mark.parametrize("run_id", ["..", "../../etc", "%2e%2e%2f%2e%2e%2fetc", "manual__never"])
def test_no_path_is_made_of_what_somebody_types(site: Site, library: str, run_id: str):
    """A run that Airflow does not know is not looked for among the files."""
    site.rights = Rights(read=frozenset({"patron_load__riverside"}), start=frozenset({"patron_load__riverside"}))
    (site.artifacts / "riverside" / "manual__never").mkdir()
    (site.artifacts / "riverside" / "manual__never" / "rejects.csv").write_text("secret")
    for path in (f"/runs/patron_load__riverside/{run_id}", f"/runs/patron_load__riverside/{run_id}/rejects.csv"):
        assert site.get(path).status_code == 404


def test_runs_without_a_report(site: Site, counted):
    """Under way, ended before its time, thrown away, or not to be read: each is said."""
    dag_id = site.add_library("riverside")
    site.rights = Rights(read=frozenset({dag_id}))
    (going,) = site.add_loads(dag_id, [None], state="running")
    (killed,) = site.add_loads(dag_id, [None], state="failed")
    gone, broken = site.add_loads(dag_id, [counted(), counted()])
    site.put(dag_id, broken, "report.json", "{}")
    said = {
        going: "The load is running",
        killed: "The task ‘report’ failed",
        gone: "The report is no longer kept",
        broken: "Its report.json cannot be read",
    }
    for run_id, sentence in said.items():
        assert sentence in Page(site.get(f"/runs/{dag_id}/{run_id}").text).words


def test_the_report_tells_what_the_mail_tells(site: Site, library: str):
    """Headline, numbers, reasons with bars, what to do next, and why it failed."""
    site.rights = Rights(read=frozenset({"patron_load__riverside"}))
    page = Page(site.get(f"/runs/{library}").text)
    assert "What to do next" in page.words
    assert "LOGIN is empty" in page.words
    assert [rect["width"] for rect in page.all("rect")] == ["100.0", "100.0"]
    dag_id, _, run_id = library.partition("/")
    made = build(
        failure=failure("TargetError", "post", "FOLIO is not to be had."), patrons=None, sent=set(), results=[]
    )
    site.put(dag_id, run_id, "report.json", made.model_dump_json())
    page = Page(site.get(f"/runs/{library}").text)
    assert "FOLIO is not to be had." in page.words
    assert words.headline(made) in page.words


CHECKS = [
    {"scope": "rows", "passed": False, "failed": 2, "sentence": "ID is empty.", "looks_for": "ID is empty"},
    {"scope": "rows", "passed": True, "failed": 0, "sentence": "", "holds": "CARD is never empty"},
    {"scope": "rows", "passed": True, "failed": 0, "sentence": "", "holds": "CARD is never empty"},
    {"scope": "blank", "passed": True, "failed": 0, "sentence": "", "holds": "EMAIL matches the pattern @"},
    {"scope": "warn", "passed": True, "failed": 0, "sentence": "", "looks_for": "PHONE is short"},
    {"scope": "file", "passed": True, "failed": 0, "sentence": "", "holds": "The file has 5 rows"},
]


def test_the_report_has_more_than_the_mail(site: Site, library: str):
    """What was noted, whether it is the right file, the checks; what holds is said once, with what a failure does."""
    dag_id, _, run_id = library.partition("/")
    site.rights = Rights(read=frozenset({dag_id}), start=frozenset({dag_id}))
    verdict = {"gate": "order", "state": "passed", "sentence": "The file is newer than the last one."}
    made = build(
        validation={"rows": 9, "columns": ["ID"], "checks": CHECKS}, gates={"stages": {"plan": {"verdicts": [verdict]}}}
    )
    note = {"effect": "blank", "column": "EMAIL", "reason": "EMAIL is not an address", "count": 1, "rows": [4]}
    made = made.model_copy(update={"noted": (Noted.model_validate(note),)})
    site.put(dag_id, run_id, "report.json", made.model_dump_json())
    site.put(dag_id, run_id, "noted.csv", "row,value\n4,x\n")
    site.put(dag_id, run_id, "validation.html", "<html><head><title>Checks</title></head></html>")
    html = site.get(f"/runs/{library}").text
    said = in_words(html)
    assert "Rejected rows ID is empty 2" in said
    assert said.count("CARD is never empty") == 1
    assert "CARD is never empty otherwise it rejects the row" in said
    assert "EMAIL matches the pattern @ otherwise it empties the cell" in said
    assert "Not found: PHONE is short otherwise it only warns" in said
    assert "The file has 5 rows otherwise it stops the run" in said
    assert "The file is newer than the last one." in said
    assert "EMAIL is not an address EMAIL: row 4" in said
    hrefs = [str(link["href"]) for link in Page(html).all("a")]
    (noted,) = [link for link in hrefs if link.endswith("noted.csv")]
    assert site.get(noted.removeprefix("/patron-loads")).text == "row,value\n4,x\n"
    assert site.audit == [("patron_noted_taken", dag_id, "somebody")]
    (checks,) = [link for link in hrefs if link.endswith("validation.html")]
    page = site.get(checks.removeprefix("/patron-loads"))
    assert page.text.startswith('<html><head>\n<script src="/patron-loads/frame.js"></script>')
    site.rights = Rights(read=frozenset({dag_id}))
    assert site.get(noted.removeprefix("/patron-loads")).status_code == 403


def test_the_report_says_how_full_each_field_is(site: Site, library: str):
    """With the share, and which code became which patron group; codes that no lookup lists are not named."""
    dag_id, _, run_id = library.partition("/")
    site.rights = Rights(read=frozenset({dag_id}))
    codes = [{"code": "UG", "group": "undergrad", "patrons": 6}, {"code": None, "group": "other", "patrons": 2}]
    fields = {"patrons": 8, "filled": {"username": 8, "personal.email": 2}, "codes": codes}
    site.put(dag_id, run_id, "fields.json", json.dumps(fields))
    said = in_words(site.get(f"/runs/{library}").text)
    assert "Of the 8 patrons that the mapping made from the file." in said
    assert "username 8 100% personal.email 2 25%" in said
    assert "UG undergrad 6 any other code other 2" in said


def test_a_run_says_its_day_from_the_beginning(site: Site, counted):
    """The day that someone chose, or the library's own when it is not yet that day in UTC, or no longer."""
    dag_id = site.add_library("northfield")
    site.rights = Rights(read=frozenset({dag_id}))
    late, chosen = site.add_loads(dag_id, [None, None], state="running")
    one, other = (site.session.query(DagRun).filter_by(run_id=run_id).one() for run_id in (late, chosen))
    one.run_after, other.conf = datetime(2026, 11, 21, 3, 0, tzinfo=UTC), {"day": "2026-10-01"}
    site.session.flush()
    assert "2026-11-20" in in_words(site.get(f"/runs/{dag_id}/{late}").text)
    assert "2026-10-01" in in_words(site.get(f"/runs/{dag_id}/{chosen}").text)


def test_links_to_other_runs_lead_out_of_the_tab(site: Site, library: str):
    """A tab of one run never shows another one: what is elsewhere opens in Airflow."""
    dag_id, _, run_id = library.partition("/")
    site.rights = Rights(read=frozenset({dag_id}), start=frozenset({dag_id}))
    for path in ("/", f"/libraries/{dag_id}", f"/runs/{library}"):
        for link in Page(site.get(path).text).all("a"):
            stays = str(link["href"]).startswith(("#", f"/patron-loads/runs/{dag_id}/{quote(run_id, safe='')}/"))
            assert stays != (link.get("target") == "_top"), (path, link)


def test_everything_can_be_heard_and_reached_by_key(site: Site, library: str):
    """Language, title, one main part, one heading, tables with headers, charts with words, labels, a skip link."""
    site.rights = Rights(read=frozenset({"patron_load__riverside"}))
    for path in ("/", "/libraries/patron_load__riverside", f"/runs/{library}"):
        page = Page(site.get(path).text)
        assert page.all("html") == [{"lang": "en"}]
        assert len(page.all("main")) == len(page.all("h1")) == len(page.all("title")) - len(page.all("g")) == 1
        assert page.all("a")[0]["href"] == "#main"
        for chart in page.all("svg"):
            assert chart.get("aria-hidden") == "true" or (chart["role"] == "img" and chart["aria-label"])
        assert all(header.get("scope") for header in page.all("th"))
        named = {str(label["for"]) for label in page.all("label")}
        assert {str(field["id"]) for field in page.all("input") + page.all("select")} == named
        # What is wider than the window can be scrolled by key.
        assert all(
            part["tabindex"] == "0" and part["aria-label"] for part in page.all("div") if part.get("class") == "scroll"
        )


def test_colours_can_be_told_apart(site: Site):
    """Text on its ground has a contrast of 4.5 and more, by light and by dark (WCAG 2.2, 1.4.3)."""
    pairs = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", site.get("/style.css").text)
    for place in (1, 2):
        colours = {pair[0]: pair[place] for pair in pairs}
        for name in ("ink", "quiet", "link", "good-text", "bad", "rejects", "running", "waiting", *words.LOOKS):
            for ground in ("desk", "box"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def test_the_icon_is_drawn_for_light_and_for_dark(site: Site):
    """Airflow shows it as a picture, which does not take the colour of the text around it."""
    site.rights = Rights()
    light, dark = (site.get(f"/icon-{looks}.svg") for looks in ("light", "dark"))
    assert {each.headers["content-type"] for each in (light, dark)} == {"image/svg+xml"}
    assert [ET.fromstring(each.text).get("stroke") for each in (light, dark)] == ["#27272a", "#fafafa"]
    shown = [view[name].removeprefix(airflow_links.PAGES) for view in views() for name in ("icon", "icon_dark_mode")]
    assert set(shown) == {"/icon-light.svg", "/icon-dark.svg"}
    assert site.get("/icon-red.svg").status_code == 422


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_hundred_libraries(site: Site, counted):
    """The page over all takes a handful of questions to the database, whatever their number, and no artifact."""
    for number in range(100):
        dag_id = site.add_library(f"library{number:03}", f"Patron load: Library {number:03}")
        site.add_loads(dag_id, [counted(created=place) for place in range(32)])
    site.rights = Rights(read=frozenset(f"patron_load__library{number:03}" for number in range(100)))
    with asked(site) as questions:
        page = Page(site.get("/").text)
    assert len(questions) < 20
    assert len(page.all("svg")) == 100
    assert "The last 30 loads succeeded, with 2 to 31 patrons each." in str(page.all("svg")[0]["aria-label"])
    assert not site.artifacts.exists()
    found = Page(site.get("/?q=library+007").text)
    assert len(found.all("svg")) == 1


@contextmanager
def asked(site: Site) -> Iterator[list[str]]:
    """The questions to the database, as they come."""
    questions: list[str] = []

    def ask(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        questions.append(statement)

    event.listen(site.session.get_bind(), "before_cursor_execute", ask)
    yield questions
    event.remove(site.session.get_bind(), "before_cursor_execute", ask)


def test_a_base_path(site: Site, library: str):
    """Links lead below the path at which Airflow is served."""
    site.rights = Rights(read=frozenset({"patron_load__riverside"}))
    site.client = TestClient(site.client.app, root_path="/tools/patron-loads")
    page = Page(site.get("/").text)
    assert {link["src"] for link in page.all("script")} == {"/tools/patron-loads/frame.js"}
    assert all(str(link["href"]).startswith(("/tools/", "#")) for link in page.all("a"))
