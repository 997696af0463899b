"""The words of a report are true for each way a run can end."""

from pathlib import Path

from leftovers import TENANT, build, failure, patrons, rejects, result

from patronload.config.tenants import load_file
from patronload.reporting import report_page, words
from patronload.reporting.report import Report


def lead(report: Report) -> str:
    return str(words.content(report, "dag")["lead"])


def test_an_aborted_load_says_what_was_sent_and_what_was_not():
    """FOLIO may hold thousands of patrons beside those of this file, so the sentence is about the file's."""
    report = build(failure=failure("TransientError"), results=[result(1, created=5)], sent={1})
    assert lead(report) == "5 patrons were sent before the load stopped; the other 5 were not changed in FOLIO."


def test_a_dry_run_into_a_system_that_cannot_be_asked_was_compared_with_nothing(project: Path):
    """Infiniti has no search, so no comparison is claimed."""
    infiniti = load_file(project / "include/tenants/wattlegrove.yaml")
    left = {"dry_run": True, "sent": set(), "results": []}
    assert "but not compared with" in lead(build(tenant=infiniti, **left))
    assert "compared with FOLIO as in a real load" in lead(build(**left))


def test_column_names_are_written_as_in_the_export():
    """A reason that begins with a column keeps its first letter."""
    report = build(
        rejects=rejects((2, "transform", "patronGroup (patronGroup) is not set up")),
        patrons=patrons({1: [3, 4, 5, 6], 2: [7, 8, 9, 10, 11]}),
        results=[result(1, created=4), result(2, created=5)],
    )
    page = report_page.page(TENANT, report)
    assert "patronGroup (patronGroup)" in page
    assert "PatronGroup" not in page


def test_departments_are_announced_before_and_reported_after():
    """The plan says what is to be created; once it was created, the report says so."""
    warnings = ["Departments to be created in FOLIO: 'Chess' (2 rows).", "Options to be added to the custom field 'x'."]
    left = {"plan": {"new": 0, "known": 10, "chunks": 2, "warnings": warnings}}
    assert [*build(**left).warnings] == warnings
    done = build(**left, has_created=True).warnings
    assert done == ("Departments created in FOLIO: 'Chess' (2 rows).", "Options added to the custom field 'x'.")


def test_gates_that_say_the_same_are_one_line():
    """A first load has nothing to be compared with; the page says so once."""
    verdicts = [
        {"gate": gate, "state": "passed", "sentence": "There is no earlier load to compare with."}
        for gate in ("older_file", "changed_columns", "row_change", "group_change", "reject_change", "known_ids")
    ]
    gates = {"already_loaded": None, "load_anyway": None, "stages": {"validate": {"verdicts": verdicts}}}
    page = report_page.page(TENANT, build(gates=gates))
    assert page.count("There is no earlier load to compare with.") == 1
    assert "row_change, group_change" in page
