"""Statements that people once read and that were not true."""

import pytest
from leftovers import build, patrons, rejects, result

from patronload.artifacts.models import Gates
from patronload.in_airflow.pages import charts
from patronload.in_airflow.pages.loads import Load
from patronload.reporting import words


def test_no_earlier_load_is_said_once():
    """Six gates have nothing to compare a first load with; a person reads that once."""
    passed = [
        {"gate": f"gate{number}", "state": "passed", "sentence": "There is no earlier load."} for number in range(6)
    ]
    failed = {"gate": "limits", "state": "warned", "sentence": "There is no earlier load."}
    made = build(gates={"stages": {"validate": {"verdicts": [*passed, failed]}}})
    assert len(made.gates) == 7
    assert [state for state, *_ in words.content(made, "dag")["gates"]] == ["warned", "passed"]


def test_after_an_abort_nothing_is_claimed_about_all_of_the_library_system():
    """FOLIO may hold many users who are not in the file."""
    lead = words.content(
        build(
            patrons=patrons({1: [2, 3, 4, 5, 6], 2: [7, 8, 9, 10, 11]}),
            sent={1},
            results=[result(1, created=5)],
            failure={"stage": "post", "kind": "TransientError", "message": "FOLIO does not answer."},
        ),
        "dag",
    )["lead"]
    assert lead == "5 patrons were sent before the load stopped; the other 5 were not changed in FOLIO."


def test_a_question_has_one_figure_for_each_limit():
    """Three stages count the rejected rows; the last one knows them all."""
    asked = [
        ("validate", "limits", "10 of 200 rows are rejected."),
        ("validate", "row_change", "The file has 200 rows."),
        ("transform", "limits", "12 of 200 rows are rejected."),
        ("plan", "limits", "15 of 200 rows are rejected."),
        ("plan", "limits", "The file has 200 rows; limits.min_rows is 500."),
        ("plan", "created", "180 users would be created."),
    ]
    stages: dict[str, dict[str, list[dict[str, str]]]] = {}
    for stage, gate, sentence in asked:
        verdicts = stages.setdefault(stage, {"verdicts": []})["verdicts"]
        verdicts.append({"gate": gate, "state": "asked", "sentence": sentence})
    found = [verdict.sentence for verdict in Gates.model_validate({"stages": stages}).asked]
    assert found == [asked[1][2], *(each[2] for each in asked[3:])]


@pytest.mark.parametrize("bad", ["failed", "stopped"])
def test_loads_that_did_not_succeed_are_not_among_those_with_patrons(bad: str):
    """32 patrons each is said of the loads that succeeded only."""
    good = Load("1", "success", "manual", "2026-11-20", None, None, "", "loaded", {"created": 32})
    shown = charts.trend([good, good._replace(outcome=bad, figures={}), good])
    assert shown.words == "2 of the last 3 loads succeeded, with 32 patrons each."


@pytest.mark.parametrize(
    ("found", "who"),
    [
        ((12, "plan", "FOLIO does not know the patron group"), "the people who look after FOLIO"),
        (
            (12, "transform", "ROLE has a code that is not set up in the mapping yet"),
            "the people who look after Airflow",
        ),
        ((12, "validate", "LOGIN is empty"), "the sender of the export"),
    ],
)
def test_too_many_rejects_are_for_whoever_can_fix_them(found: tuple[int, str, str], who: str):
    """The sender of the export cannot fix what FOLIO or the mapping lacks."""
    failed = {"stage": "plan", "kind": "ValidationError", "message": "20 of 60 rows are rejected."}
    assert build(rejects=rejects(found), failure=failed).who.startswith(who)
