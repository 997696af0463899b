"""The note on a run: its words, and that the scheduler is never disturbed by it."""

import pytest
from airflow.models.dagrun import DagRun

from patronload.in_airflow.pages import notes
from tests.pages.conftest import Site

ZEROS = dict.fromkeys(("updated", "failed", "rejected", "not_sent", "unconfirmed"), 0)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            {
                "outcome": "loaded_with_rejects",
                "rows": 4132,
                "created": 54,
                "updated": 4054,
                "rejected": 20,
                "failed": 4,
            },
            "Day 2026-11-24, patrons.csv: loaded, with rejects; 4,108 of 4,132 rows, 24 to correct",
        ),
        ({"outcome": "loaded", "rows": 2, "created": 2}, "Day 2026-11-24, patrons.csv: loaded; 2 of 2 rows"),
        (
            {"outcome": "failed", "rows": 9, "created": 4, "not_sent": 3, "unconfirmed": 2},
            "Day 2026-11-24, patrons.csv: failed; 4 of 9 rows, 3 not sent, 2 unconfirmed",
        ),
        (
            {"outcome": "loaded", "rows": 20_000, "updated": 32, "unchanged": 19_968, "left": 9, "returned": 2},
            (
                "Day 2026-11-24, patrons.csv: loaded; 20,000 of 20,000 rows, 19,968 unchanged, "
                "9 made inactive because they left, 2 returned"
            ),
        ),
        (
            {"outcome": "dry_run", "rows": 9, "would": "create 2, leave 7 unchanged", "not_sent": 2, "unchanged": 7},
            "Day 2026-11-24, patrons.csv: dry run; would create 2, leave 7 unchanged",
        ),
        (
            {"outcome": "loaded", "rows": 15, "created": 15, "corrected": True},
            "Day 2026-11-24, patrons.csv (corrected rows): loaded; 15 of 15 rows",
        ),
        (
            {"outcome": "undone", "undo": "day2", "file": None, "rows": 9, "updated": 7, "rejected": 2},
            "Day 2026-11-24: undo of run day2, complete; 7 of 9 patrons, 2 not undone",
        ),
        ({"outcome": "no_file", "rows": 0, "file": None}, "Day 2026-11-24: no file"),
        ({"outcome": "already_loaded", "rows": 0}, "Day 2026-11-24, patrons.csv: loaded before"),
    ],
)
def test_in_a_line(told, sentence):
    """Day, file, result, and the figures that matter."""
    assert notes.sentence(ZEROS | {"day": "2026-11-24", "file": "patrons.csv"} | told) == sentence


def test_what_a_person_wrote_stays():
    """Our line is put below theirs, and takes the place of the one from before the run was cleared."""
    ours = "Day 2026-11-24: loaded; 2 of 2 rows"
    assert notes.with_sentence(None, ours) == ours
    assert notes.with_sentence("Asked the registrar.\nDay 2026-11-24: failed", ours) == f"Asked the registrar.\n{ours}"


def test_a_run_that_ends(site: Site, counted):
    """The run has the note as soon as the scheduler has seen its end; a run without a report, or not ours, has none."""
    dag_id = site.add_library("riverside")
    other = site.add_library("other_dag")
    loaded, silent = site.add_loads(dag_id, [counted(rejected=2), None])
    (foreign,) = site.add_loads(other, [counted()])
    for run in site.session.query(DagRun).all():
        notes.on_dag_run_failed(run)
    site.session.flush()
    found = {run.run_id: run.note for run in site.session.query(DagRun).all()}
    assert found[loaded] == "Day 2026-11-20: loaded; 10 of 12 rows, 2 to correct"
    assert found[silent] is None
    assert found[foreign] is None


def test_an_error_goes_no_further(site: Site, counted, monkeypatch, caplog):
    """Whatever goes wrong with a note, the scheduler goes on."""
    dag_id = site.add_library("riverside")
    site.add_loads(dag_id, [counted()])
    run = site.session.query(DagRun).one()
    monkeypatch.setattr(notes, "sentence", lambda _told: 1 / 0)
    notes.on_dag_run_success(run)
    assert run.note is None
    # A run that no session holds any more.
    notes.on_dag_run_success(DagRun(dag_id=dag_id, run_id="x", run_type="manual"))
