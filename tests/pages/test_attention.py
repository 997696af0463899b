"""What a person has to look at, and what the small charts show."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from patronload.in_airflow.pages import attention, charts
from patronload.in_airflow.pages.loads import Library, Load
from patronload.in_airflow.pages.waiting import FOR_ANSWER, Retry

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RETRY = Retry("plan", NOW + timedelta(minutes=4), "FOLIO is not answering", "FOLIO is busy or down.")


def load(outcome: str | None = "loaded", **changes: Any) -> Load:
    figures = (
        {"rows": 12, "created": 7, "updated": 3, "rejected": 2} if outcome and outcome.startswith("loaded") else {}
    )
    began = NOW - timedelta(hours=1)
    plain = Load(
        "manual__1", "success", "manual", "2026-11-24", began, NOW, waiting="", outcome=outcome, figures=figures
    )
    return plain._replace(**changes)


def library(*loads: Load, **changes: Any) -> Library:
    return Library("patron_load__x", "X", paused=False, gone=False, due=None, loads=loads)._replace(**changes)


@pytest.mark.parametrize(
    ("found", "sentences"),
    [
        pytest.param(library(load()), [], id="all is well"),
        pytest.param(library(load("loaded_with_rejects")), [], id="rejects are a librarian's, not an operator's"),
        pytest.param(library(), [], id="never loaded"),
        pytest.param(library(load("failed", state="failed")), ["The last load failed."], id="failed"),
        pytest.param(
            library(load("stopped", state="failed")), ["The last load was stopped; nothing was sent."], id="stopped"
        ),
        pytest.param(library(load("no_file", state="failed")), ["There was no file for the last load."], id="no file"),
        pytest.param(library(load(None, state="failed")), [attention.NO_REPORT], id="killed"),
        pytest.param(library(load(state="failed")), [attention.UNTOLD], id="the mail could not be sent"),
        pytest.param(
            library(load(None, state="running", waiting="the file"), load()),
            ["The file is not there yet. It is loaded as soon as it arrives."],
            id="waiting",
        ),
        pytest.param(
            library(load(None, state="running", waiting="an answer", began=NOW - timedelta(hours=7)), load()),
            ["The load is unusual, and waits for approval in the task approve."],
            id="a person is asked, for however long",
        ),
        pytest.param(
            library(
                load(None, state="queued", day="2026-11-25"), load(None, state="running", waiting="an answer"), load()
            ),
            [
                f"{attention.WAITS[FOR_ANSWER]} It is the load of 2026-11-24; other runs are waiting for it.",
            ],
            id="a person is asked, and the next run is queued behind it",
        ),
        pytest.param(
            library(load(None, state="running", retry=RETRY), load(), zone=ZoneInfo("America/Chicago")),
            ["FOLIO is not answering; next try at 06:04 CST."],
            id="FOLIO does not answer",
        ),
        pytest.param(
            library(load("declined", state="failed")),
            ["No one approved the last load; nothing was sent."],
            id="declined",
        ),
        pytest.param(
            library(load(None, state="running"), load("failed", state="failed")),
            ["The last load failed."],
            id="a new load is under way, the last one that ended had failed",
        ),
        pytest.param(
            library(load(None, state="running", began=NOW - timedelta(hours=7))),
            ["The load has been running since 24 Nov 2026, 05:00 UTC."],
            id="going on for hours",
        ),
        pytest.param(library(load(), paused=True), ["The DAG is switched off."], id="switched off"),
        pytest.param(library(paused=True), [], id="not switched on yet"),
        pytest.param(
            library(load(), due=NOW - timedelta(hours=1)),
            ["A load was due at 24 Nov 2026, 11:00 UTC and has not begun."],
            id="overdue",
        ),
        pytest.param(library(load(), due=NOW + timedelta(hours=1)), [], id="due later"),
        pytest.param(
            library(load(None, state="running"), due=NOW - timedelta(hours=1)), [], id="due, and one is under way"
        ),
        pytest.param(
            library(load(), gone=True), ["Its tenant file cannot be loaded, or was deleted."], id="its file is broken"
        ),
    ],
)
def test_what_needs_attention(found: Library, sentences: list[str]):
    """Each thing that a person should see is said in a sentence, and nothing else is."""
    assert attention.needs(found, NOW) == sentences


def test_a_trend():
    """A bar for each load that ended, the newest at the right; the words tell the same."""
    loads = [
        load(None, state="running"),
        load("failed", state="failed"),
        load("dry_run"),
        load("already_loaded"),
        load(),
    ]
    shown = charts.trend(loads)
    assert [bar.words for bar in shown.bars] == ["2026-11-24: 10 loaded, 2 to correct", "2026-11-24: failed"]
    assert [bar.left for bar in shown.bars] == [charts.WIDTH - 2 * charts.STEP, charts.WIDTH - charts.STEP]
    assert shown.bars[0].good + shown.bars[0].bad == charts.HEIGHT
    assert shown.bars[1].bad > 0
    assert shown.words == "1 of the last 2 loads succeeded, with 10 patrons."


def test_the_days_stand_under_their_own_bars():
    """The newest bar is at the right, and so is its day; a single load has no other."""
    assert (charts.trend([]).first, charts.trend([]).last) == ("", "")
    assert (charts.trend([load()]).first, charts.trend([load()]).last) == ("", "2026-11-24")
    assert (charts.trend([load(), load()]).first, charts.trend([load(), load()]).last) == ("2026-11-24", "2026-11-24")


@pytest.mark.parametrize(
    ("loads", "words"),
    [
        ([], "No load yet."),
        ([load()], "The last load succeeded, with 10 patrons."),
        ([load("failed")], "The last load did not succeed."),
        ([load("failed"), load("stopped")], "None of the last 2 loads succeeded."),
        ([load(), load(), load("stopped")], "2 of the last 3 loads succeeded, with 10 patrons each."),
    ],
)
def test_a_trend_in_words(loads, words):
    """Whoever does not see the bars hears what they show."""
    assert charts.trend(loads).words == words


def test_no_bar_leaves_the_picture():
    """However uneven the loads are, each that brought something can be seen."""
    tall = load(figures={"created": 1_000_000, "rejected": 1})
    for bar in charts.trend([load(figures={"created": 1}), tall, load("failed", figures={})]).bars:
        assert 0 < bar.good + bar.bad <= charts.HEIGHT


def test_shares():
    """The longest is 100 percent, and what is not nothing is seen."""
    assert charts.shares([400, 100, 1, 0]) == [100.0, 25.0, 1.0, 0.0]
    assert charts.shares([]) == []
