"""The report: every row accounted for, the outcome true, the words without personal data."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leftovers import accounted, build, failure, patrons, rejects, result, sums_up

from patronload.artifacts.models import ChunkResult
from patronload.reporting import fates
from patronload.reporting import report as reports
from patronload.reporting.next_steps import next_steps
from patronload.reporting.report import Report
from patronload.rows import SKIPPED
from patronload.targets.delivery import DEPARTURES, UNCHANGED


def test_all_loaded():
    """A load without a fault is `loaded`, tells created and updated, and leaves nothing to do."""
    report = build()
    assert (report.outcome, report.rows, report.created, report.updated) == ("loaded", 10, 6, 4)
    assert next_steps(report) == ["There is nothing to do."]
    assert not report.warnings


def test_rejects_and_failed():
    """A row counts once however many reasons it has; reasons come most frequent first, with the rows that have them."""
    report = build(
        rejects=rejects(
            (2, "validate", "ID is empty"), (2, "validate", "EMAIL is odd"), (3, "validate", "EMAIL is odd")
        ),
        patrons=patrons({1: [4, 5, 6], 2: [7, 8, 9, 10, 11]}),
        results=[result(1, created=2, failed=[5]), result(2, updated=5)],
    )
    assert (report.outcome, report.rejected, report.failed, report.loaded) == ("loaded_with_rejects", 2, 1, 7)
    assert [(reason.reason, reason.count, reason.stage, reason.rows) for reason in report.reasons] == [
        ("EMAIL is odd", 2, "validate", (2, 3)),
        ("ID is empty", 1, "validate", (2,)),
        ("the barcode is taken", 1, "post", (5,)),
    ]
    assert "rejects.csv" in next_steps(report)[0]
    assert accounted(report) == report.rows == 10


def test_ten_row_numbers_a_reason():
    """A reason names at most ten rows, the first ones; its count is of all of them."""
    many = rejects(*((row, "validate", "ID is empty") for row in range(40, 1, -1)))
    report = build(rejects=many, patrons=patrons({}), validation={"rows": 39}, sent=set(), results=[])
    assert report.reasons[0].count == 39
    assert report.reasons[0].rows == tuple(range(2, 12))


def test_stopped():
    """After a refused export everything that was not rejected is not sent, and the next step says so."""
    report = build(
        failure=failure("ValidationError", "validate"),
        rejects=rejects((2, "validate", "ID is empty")),
        patrons=None,
        sent=set(),
        results=[],
    )
    assert (report.outcome, report.rejected, report.not_sent) == ("stopped", 1, 9)
    steps = " ".join(next_steps(report))
    assert "rejects.csv" in steps
    assert "clear the task 'validate'" in steps


def test_killed_between_marker_and_answer():
    """A chunk that was sent and has no answer is unconfirmed, one without a marker is not sent; the run has failed."""
    report = build(results=[result(1, created=5)], failure=failure("TransientError"))
    assert (report.outcome, report.unconfirmed, report.not_sent) == ("failed", 5, 0)
    assert report.reasons[0].reason == reports.UNCONFIRMED
    assert report.reasons[0].rows == (7, 8, 9, 10, 11)
    report = build(results=[result(1, created=5)], sent={1}, failure=failure("TransientError"))
    assert (report.unconfirmed, report.not_sent) == (0, 5)


def test_unconfirmed_rows_fail_the_run():
    """Rows that nobody could confirm make the run a failed one, and the next step is to look them up."""
    report = build(results=[result(1, created=5), result(2, updated=3, unconfirmed=[7, 8])])
    assert (report.outcome, report.unconfirmed) == ("failed", 2)
    assert "It is not known whether FOLIO loaded 2 patrons" in next_steps(report)[0]


def test_dry_run():
    """A dry run sends nothing and says what it would have sent; a dry run that fails is no dry run's outcome."""
    assert build(dry_run=True, sent=set(), results=[]).outcome == "dry_run"
    assert build(dry_run=True, sent=set(), results=[]).not_sent == 10
    stopped = build(dry_run=True, sent=set(), results=[], patrons=None, failure=failure("ValidationError"))
    assert stopped.outcome == "stopped"


def test_killed_without_a_word():
    """A run that ended in the middle and left no failure behind is not told as a success."""
    for left in ({"results": [], "sent": set()}, {"patrons": None, "sent": set(), "results": []}):
        report = build(**left)
        assert (report.outcome, report.not_sent) == ("failed", 10)
        assert "recorded no reason" in report.warnings[-1]
        assert "that failed" in " ".join(next_steps(report))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("SourceError", "Ask the sender"),
        ("ConfigError", "python -m patronload check"),
        ("TargetError", "Fix what is named above in FOLIO"),
        ("TransientError", "whether it is up"),
        ("Defect", "the developers"),
    ],
)
def test_next_steps_by_kind(kind, words):
    """What to do next follows from the kind of failure."""
    report = build(failure=failure(kind, "fetch"), delivery=None, validation=None, patrons=None, sent=set(), results=[])
    assert (report.outcome, report.rows, report.export) == ("failed", 0, None)
    assert words in " ".join(next_steps(report))


@pytest.mark.parametrize(
    ("left", "warning"),
    [
        ({"results": [result(1, created=9), result(2, updated=5)]}, "Chunk 1: 5 patrons"),
        ({"results": [result(1, created=2), result(2, updated=5)]}, "Chunk 1: 5 patrons"),
        ({"results": [result(1, created=5), result(2, updated=4, failed=[3])]}, "1 rows that were not in their chunk"),
        ({"results": [result(1, created=5), result(2, updated=5), result(7)]}, "chunks that do not exist: 7"),
        ({"validation": {"rows": 12}}, "2 rows were read and are neither"),
        ({"validation": {"rows": 8}}, "2 rows more"),
        ({"rejects": rejects((2, "validate", "ID is empty"))}, "1 rows are both"),
        ({"patrons": patrons({1: [2, 3, 4, 5, 6], 2: [2, 7, 8, 9, 10, 11]})}, "1 rows are in patrons.parquet more"),
    ],
)
def test_what_does_not_add_up_is_told(left, warning):
    """Where the parts of a run contradict each other the report says so, and still accounts for every row."""
    report = build(**left)
    assert any(warning in sentence for sentence in report.warnings)
    assert accounted(report) == report.rows


def test_an_answer_that_tells_too_much_is_not_believed():
    """Counts that cannot be true (FOLIO counts users twice in one kind of error) become unconfirmed, not loaded."""
    report = build(results=[result(1, created=9, failed=[2]), result(2, updated=5)])
    assert (report.created, report.updated, report.failed, report.unconfirmed) == (0, 5, 1, 4)
    assert report.outcome == "failed"


def test_json_and_back():
    """report.json holds the report and nothing is lost on the way back."""
    report = build(
        failure=failure("TargetError"),
        validation={
            "rows": 10,
            "checks": [
                {"expectation": "e", "columns": ["ID"], "scope": "rows", "failed": None, "passed": True, "sentence": ""}
            ],
        },
    )
    content = json.loads(json.dumps(report.to_json()))
    assert Report.from_json(content) == report
    assert content["day"] == "2026-11-21"
    assert content["failure"]["stage"] == "post"
    assert content["export"]["modified"] == "2026-11-21T09:58:12Z"


def test_refused_patrons_are_rejects():
    """The rejects file also has those that the target refused, with the target's own words."""
    lines = fates.with_failed(
        rejects((2, "validate", "ID is empty")), [ChunkResult(**result(1, created=4, failed=[5]))]
    )
    assert lines.select("row", "stage", "reason").rows() == [
        (2, "validate", "ID is empty: 'x'"),
        (5, "post", "User with x exists"),
    ]


ROWS = st.integers(2, 30)


@st.composite
def leftovers(draw) -> dict[str, Any]:
    """What a run may leave behind, also where its parts contradict each other."""
    chunks = draw(st.dictionaries(st.integers(1, 4), st.lists(ROWS, max_size=6), max_size=4))
    answers = st.builds(
        result,
        chunk=st.integers(1, 5),
        created=st.integers(0, 7),
        updated=st.integers(0, 7),
        failed=st.lists(ROWS, max_size=3, unique=True),
        unconfirmed=st.lists(ROWS, max_size=3, unique=True),
    )
    stages = st.sampled_from(["validate", "transform"])
    reasons = st.sampled_from(["ID is empty", "EMAIL is odd"])
    unchanged = [(row, f"u-{row}") for row in draw(st.sets(ROWS, max_size=4))]
    skipped = [(row, "no longer enrolled", None) for row in draw(st.sets(ROWS, max_size=4))]
    return {
        "unchanged": pl.DataFrame(unchanged, schema=UNCHANGED, orient="row"),
        "skipped": pl.DataFrame(skipped, schema=SKIPPED, orient="row"),
        "validation": draw(st.none() | st.builds(dict, rows=st.integers(0, 40))),
        "rejects": rejects(*draw(st.lists(st.tuples(ROWS, stages, reasons), max_size=8))),
        "patrons": draw(st.none() | st.just(patrons(chunks))),
        "sent": draw(st.sets(st.integers(1, 5))),
        "results": draw(st.lists(answers, max_size=4)),
        "failure": draw(st.none() | st.just(failure("TargetError"))),
        "dry_run": draw(st.booleans()),
    }


@settings(max_examples=400)
@given(left=leftovers())
def test_every_row_is_accounted_for(left):
    """Whatever a run leaves behind, every row has one outcome, and the outcomes add up to the rows."""
    report = build(**left)
    assert accounted(report) == report.rows
    assert min(report.created, report.updated, report.not_sent, report.unconfirmed) >= 0
    assert report.rows >= (left["validation"] or {"rows": 0})["rows"]
    assert report.outcome != "loaded" or report.loaded + report.skipped == report.rows


STATES = ("left", "inactive", "exempt", "gone")
COUNTS = st.integers(0, 9)


@st.composite
def known_patrons(draw) -> dict[str, Any]:
    """What plan and post may leave behind about the patrons of earlier loads, however far the load came."""
    states = draw(st.lists(st.sampled_from(STATES), max_size=8))
    too_many = draw(st.booleans())
    due = draw(st.integers(0, 9)) if too_many else len(states)
    before = draw(st.dictionaries(st.sampled_from(("left", "inactive", "gone")), COUNTS))
    missing = due + draw(COUNTS)
    in_file = draw(COUNTS)
    people = {
        "known": in_file + missing + sum(before.values()), "in_file": in_file, "missing": missing, "before": before,
        "due": due, "announced": draw(COUNTS), "too_many": too_many, "action": "deactivate",
    }  # fmt: skip
    table = [(f"u-{place}", place if state == "left" else None, None, None, state, None)
             for place, state in enumerate([] if too_many else states, 100)]  # fmt: skip
    departures = pl.DataFrame(table, schema=DEPARTURES, orient="row")
    leaving = departures.filter(pl.col("state") == "left")["row"].to_list()
    planned = patrons({1: [2, 3, 4], 2: leaving}).with_columns(
        action=pl.when(pl.col("chunk") == 2).then(pl.lit("leave")).otherwise(pl.lit("update"))
    )
    answers = st.builds(result, chunk=st.just(2), created=st.integers(0, 2), updated=st.integers(0, 9))
    return {
        "validation": {"rows": 3},
        "plan": {"people": people, "effects": {"actions": {"return": draw(COUNTS)}}},
        "departures": draw(st.none() | st.just(departures)) if departures.is_empty() else departures,
        "patrons": draw(st.none() | st.just(planned)),
        "sent": {1, 2},
        "results": [result(1, updated=3), *draw(st.lists(answers, max_size=1))],
        "failure": draw(st.none() | st.just(failure("TargetError"))),
        "dry_run": draw(st.booleans()),
    }


@settings(max_examples=400)
@given(left=known_patrons())
def test_every_known_patron_is_accounted_for(left):
    """Known = in the file + missing + made inactive + already inactive + exempt + gone + waiting, whatever happens."""
    report = build(**left)
    assert report.people
    assert sums_up(report.people)
    assert min(report.people.model_dump().values()) >= 0
    assert accounted(report) == report.rows


@settings(max_examples=200)
@given(
    fates=st.lists(st.sampled_from(["created", "updated", "failed", "unconfirmed", "rejected", "unsent", "lost"])),
    size=st.integers(1, 5),
)
def test_each_fate_is_counted_as_what_it_is(fates, size):
    """Where the parts agree, each number is exactly the number of rows with that fate, and there is no warning."""
    rows = dict(enumerate(fates, 2))
    chunks: dict[int, list[int]] = {}
    for fate in ("answered", "lost", "unsent"):
        of_fate = [
            row
            for row, each in rows.items()
            if each == fate or (fate == "answered" and each not in ("lost", "unsent", "rejected"))
        ]
        for start in range(0, len(of_fate), size):
            chunks[len(chunks) + 1] = of_fate[start : start + size]
    kinds = {number: {rows[row] for row in members} for number, members in chunks.items()}
    results = [
        result(
            number,
            created=sum(rows[row] == "created" for row in members),
            updated=sum(rows[row] == "updated" for row in members),
            failed=[row for row in members if rows[row] == "failed"],
            unconfirmed=[row for row in members if rows[row] == "unconfirmed"],
        )
        for number, members in chunks.items()
        if not kinds[number] & {"lost", "unsent"}
    ]
    report = build(
        validation={"rows": len(rows)},
        rejects=rejects(*((row, "validate", "ID is empty") for row, fate in rows.items() if fate == "rejected")),
        patrons=patrons(chunks),
        sent={number for number in chunks if "unsent" not in kinds[number]},
        results=results,
        failure=failure("TransientError"),
    )
    assert not report.warnings
    told = (report.created, report.updated, report.failed, report.rejected, report.not_sent, report.unconfirmed)
    assert told == (
        *(fates.count(fate) for fate in ("created", "updated", "failed", "rejected", "unsent")),
        fates.count("unconfirmed") + fates.count("lost"),
    )
