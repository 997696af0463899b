"""What the checks found, as the library's people see it: the page, noted.csv, the report and the mail."""

import csv
import html
import io
import json
import re
from html.parser import HTMLParser

import polars as pl
import pytest
import yaml

from patronload import __main__ as command_line
from patronload import rows
from patronload.artifacts import names
from patronload.artifacts.models import Validation
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.errors import ValidationError
from patronload.exports import reject_files
from patronload.reporting import mails, report, validation_page
from tests import stages
from tests.leftovers import build
from tests.one_library import Library, person

MAIL = {"expect_column_values_to_match_regex": {"column": "email", "regex": "^[^@ ]+@[^@ ]+$"}}
CARD = {"expect_column_values_to_match_regex": {"column": "barcode", "regex": "^[0-9]{6}$"}}
NAMES = {"expect_column_value_lengths_to_be_between": {"column": "username", "max_value": 8}}
VOID = ("meta", "link", "br", "img", "input", "hr")


class Page(HTMLParser):
    """A page as a program sees it: whether its tags are closed, what it would load, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loads += [given[name] for name in ("src", "srcset", "data", "poster") if name in given]
        self.loads += [given["href"]] if tag == "link" else []
        self.links += [given["href"]] if tag == "a" else []
        self.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def expecting(library: Library, **scopes):
    """The library's tenant file, with expectations of its own."""
    file = library.folder / "include" / "tenants" / "lib.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"expect": scopes}))


def deliver(library: Library, *cells):
    """An export of people with these cells."""
    people = [person(number + 1) | {"email": "ok@mail.example"} | changed for number, changed in enumerate(cells)]
    text = "\n".join([",".join(people[0]), *(",".join(each.values()) for each in people)])
    (library.folder / "exports" / "patrons.csv").write_text(f"{text}\n", encoding="utf-8")


def stored(library: Library, key):
    return library.folio.store("main").user(key)


@pytest.mark.parametrize(("blank_cells", "left"), [("keep", "ok@mail.example"), ("erase", None)])
def test_a_bad_address_does_not_cost_the_patron(library, blank_cells, left):
    """The patron is loaded without it, and what FOLIO has is kept or erased as for any empty cell."""
    file = library.folder / "include" / "tenants" / "lib.yaml"
    expecting(library, blank=[MAIL])
    tenant = yaml.safe_load(file.read_text())
    tenant["target"]["blank_cells"] = blank_cells
    file.write_text(yaml.safe_dump(tenant))
    deliver(library, {}, {})
    library.loaded("first")
    deliver(library, {"email": "none", "lastName": "Changed"}, {})
    told = library.loaded("second")
    assert (told.outcome, told.updated, told.rejected) == ("loaded", 2, 0)
    user = stored(library, "u-1")
    assert (user["personal"]["lastName"], user["personal"].get("email")) == ("Changed", left)
    assert stored(library, "u-2")["personal"]["email"] == "ok@mail.example"


def test_what_was_emptied_or_warned_of_is_counted_and_listed(library):
    """By column and reason in the report and the mail, without values; row by row with them in noted.csv."""
    expecting(library, blank=[MAIL], warn=[CARD, {"expect_table_row_count_to_be_between": {"min_value": 100}}])
    deliver(library, {"email": "=secret()"}, {"barcode": "card"}, {"email": "secret", "barcode": "x"}, {})
    told = library.loaded("first")
    run = Run(library.runs / "first")
    assert [(note.effect, note.column, note.count, note.rows) for note in told.noted] == [
        ("blank", "email", 2, (2, 4)),
        ("warn", "barcode", 2, (3, 4)),
    ]
    assert told.warnings == ("A check that only warns: The file does not have at least 100 rows.",)
    mail = mails.result_mail(tenants.load("lib"), told)
    page = run.read(names.REPORT_PAGE).decode()
    for text in (html.unescape(mail.html), mail.text, html.unescape(page), json.dumps(told.to_json())):
        assert "mail does not match the pattern ^[^@ ]+@[^@ ]+$; the cell counts as empty" in text
        assert "secret" not in text
    lines = list(csv.DictReader(io.StringIO(run.read(names.NOTED_FILE).decode("utf-8-sig"), newline="")))
    assert [(line["row"], line["effect"], line["column"], line["value"]) for line in lines] == [
        ("2", "blank", "email", "'=secret()"),
        ("3", "warn", "barcode", "card"),
        ("4", "blank", "email", "secret"),
        ("4", "warn", "barcode", "x"),
    ]


def test_without_anything_to_note_there_is_no_such_file(library):
    """Also when an earlier try of the run had something."""
    expecting(library, warn=[CARD])
    deliver(library, {"barcode": "x"})
    load = library.load("first")
    for step in (stages.fetch, stages.validate, stages.report):
        step(load)
    assert load.run.has(names.NOTED_FILE)
    deliver(library, {})
    library.loaded("first")
    assert not load.run.has(names.NOTED_FILE)


def test_the_notes_go_into_the_librarys_encoding_or_into_utf_8():
    """Nothing becomes a question mark."""
    noted = pl.DataFrame(
        [{"row": 2, "effect": "warn", "column": "N", "value": "Zoë", "reason": "r", "summary": "s"}], schema=rows.NOTED
    )
    assert "Zoë" in reject_files.write_notes(noted, ";", "cp1252").decode("cp1252")
    wide = noted.with_columns(value=pl.lit("北京"))
    assert "北京" in reject_files.write_notes(wide, ";", "cp1252").decode("utf-8-sig")
    assert reject_files.write_notes(wide, ";", "utf-16").decode("utf-16").startswith("row;effect;column;value;reason")


def test_the_artifacts_of_a_validation(library):
    """What was asked with which arguments, by which version, of how many rows, and which of them failed: no values."""
    expecting(library, rows=[NAMES], blank=[MAIL])
    deliver(library, {"username": "a-secret-name"}, {"email": "secret"}, {})
    library.loaded("first")
    run = Run(library.runs / "first")
    kept = run.read_json(names.VALIDATION)
    assert re.fullmatch(r"1\.\d+\.\d+", kept["great_expectations"])
    asked = {check["expectation"]: check for check in kept["checks"] if check["scope"] in ("blank", "rows")}
    lengths = asked["expect_column_value_lengths_to_be_between"]
    assert (lengths["arguments"], lengths["looked_at"], lengths["failed"], lengths["rows"]) == (
        {"column": "username", "max_value": 8}, 3, 1, [2],
    )  # fmt: skip
    failing = pl.read_parquet(io.BytesIO(run.read(names.FAILING)))
    places = {kept["checks"][check]["columns"][0]: row for check, row in failing.iter_rows()}
    assert places == {"username": 2, "email": 3}
    for name in (names.VALIDATION, names.FAILING, names.VALIDATION_PAGE):
        assert b"secret" not in run.read(name)


def test_the_page_tells_what_was_found_first(library):
    """Each finding in a word, a sentence, numbers and rows; then what passed; with nothing loaded from elsewhere."""
    expecting(library, rows=[NAMES], blank=[MAIL], warn=[CARD])
    deliver(library, {"username": "much-too-long"}, *[{"email": "x"}] * 30, {"barcode": "y"}, {})
    library.loaded("first")
    run = Run(library.runs / "first")
    text = run.read(names.VALIDATION_PAGE).decode()
    page = Page(text)
    words = " ".join(page.words.split())
    assert "3 of 14 checks found something" in words
    order = ["Rejected rows", "Emptied cells", "Warns", "Checks that passed", "Passed", "Is it the right file?"]
    assert sorted(order, key=words.index) == order
    assert "email does not match the pattern ^[^@ ]+@[^@ ]+$; the cell counts as empty" in words
    assert ", 22 and 10 more" in words
    assert "90.9%" in words
    assert "expect_column_values_to_match_regex" in words
    assert page.loads == []
    assert "url(" not in text
    assert "@import" not in text
    assert set(page.links) == {"rejects.csv", "noted.csv", "report.html", "validation.json"}
    assert all(run.has(link) for link in page.links)
    assert 'href="validation.html"' in run.read(names.REPORT_PAGE).decode()
    assert '<html lang="en">' in text
    assert len(page.ids) == len(set(page.ids))
    assert "light-dark(" in text


def test_a_refused_file_has_its_page_too(library):
    """The checks that stopped the run come first."""
    expecting(library, file=[{"expect_table_row_count_to_be_between": {"min_value": 100}}], warn=[CARD])
    deliver(library, {"barcode": "x"})
    load = library.load("first")
    stages.fetch(load)
    with pytest.raises(ValidationError, match="does not have at least 100 rows"):
        stages.validate(load)
    stages.report(load)
    words = " ".join(Page(load.run.read(names.VALIDATION_PAGE).decode()).words.split())
    assert "The file is refused Nothing was sent. The checks that stopped the run come first." in words
    assert words.index("Stopped the run") < words.index("Warns")


def test_a_file_that_may_be_the_wrong_one_has_its_page_too(library):
    """With the gate that stopped it above the checks."""
    deliver(library, {}, {})
    library.loaded("first")
    library.configure(limits={"row_change": "10%"})
    deliver(library, {})
    library.stopped("second", "The file has 1 rows")
    words = " ".join(Page(Run(library.runs / "second").read(names.VALIDATION_PAGE).decode()).words.split())
    assert "This may not be the right file" in words
    assert words.index("Stopped the run The file has 1 rows") < words.index(
        "Passed This file has not been loaded before"
    )


def test_all_passed(library):
    """One sentence says so."""
    deliver(library, {})
    library.loaded("first")
    words = " ".join(Page(Run(library.runs / "first").read(names.VALIDATION_PAGE).decode()).words.split())
    assert "All 11 checks passed Every row passed every check." in words
    assert "What the checks found" not in words


def test_what_earlier_runs_left_behind_is_shown_too():
    """A validation.json of an earlier version has fewer keys."""
    checks = [
        {"expectation": "e", "columns": ["A"], "scope": "rows", "passed": False, "failed": 3, "sentence": "A is x."}
    ]
    text = validation_page.page(build(), Validation.model_validate({"rows": 10, "columns": ["A"], "checks": checks}))
    assert "A is x." in Page(text).words


def test_what_a_file_says_cannot_break_the_page():
    """A description of a check or a column's name is text, not markup."""
    check = {
        "expectation": "e",
        "columns": ["<b>"],
        "scope": "warn",
        "passed": False,
        "failed": 0,
        "sentence": "<script>",
    }
    text = validation_page.page(build(), Validation(rows=1, checks=({**check, "arguments": {"regex": "<i>"}},)))
    assert "<script>" not in text
    assert "<script>" in Page(text).words


def test_a_tenants_own_expectations_are_checked_beforehand(library, capsys):
    """By `patronload check`, which names the tenant's file."""
    expecting(library, rows=[{"expect_column_values_to_be_uniqe": {"column": "barcode"}}])
    assert command_line.main(["check"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "expect.rows[0].expect_column_values_to_be_uniqe: no such check; did you mean" in told
    expecting(library, wrong=[CARD])
    assert command_line.main(["check"]) == 1
    assert "expect.wrong: no such key" in " ".join(capsys.readouterr().err.split())
    expecting(library, rows=[CARD])
    assert command_line.main(["check"]) == 0


def test_a_preview_tells_what_would_be_emptied(library, capsys, tmp_path):
    """And shows the patron without it."""
    expecting(library, blank=[MAIL])
    deliver(library, {"email": "secret"}, {})
    export = library.folder / "exports" / "patrons.csv"
    assert (
        command_line.main(["preview", "--tenant", "lib", "--export", str(export), "--out", str(tmp_path / "out")]) == 0
    )
    assert "Also noted in 1 rows: email does not match the pattern" in " ".join(capsys.readouterr().out.split())
    first, second = (tmp_path / "out" / "patrons.jsonl").read_text().splitlines()
    assert "email" not in json.loads(first)["personal"]
    assert json.loads(second)["personal"]["email"] == "ok@mail.example"
    (note,) = json.loads((tmp_path / "out" / "report.json").read_text())["noted"]
    assert (note["effect"], note["count"]) == ("blank", 1)


def test_a_preview_looks_at_the_trailer(library, capsys, tmp_path):
    """A file that was cut short is told before anybody loads it."""
    library.configure(trailer="TRAILER,{rows}")
    library.deliver(range(3), trailer="TRAILER,4")
    export = library.folder / "exports" / "patrons.csv"
    assert (
        command_line.main(["preview", "--tenant", "lib", "--export", str(export), "--out", str(tmp_path / "out")]) == 1
    )
    assert "The run would stop: The trailer line counts 4 rows; found 3." in " ".join(capsys.readouterr().out.split())


def test_a_report_of_an_earlier_version_can_still_be_mailed():
    """What it does not have is left out."""
    old = build().to_json()
    for name in ("noted", "gates", "load_anyway", "nothing_to_do"):
        old.pop(name)
    assert report.Report.from_json(old) == build()
