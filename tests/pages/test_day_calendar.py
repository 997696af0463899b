"""A library's days as a calendar."""

from datetime import date

from patronload.in_airflow.pages import day_calendar
from patronload.in_airflow.pages.day_calendar import Day
from patronload.in_airflow.pages.days import Missed
from patronload.in_airflow.pages.loads import Load
from tests.pages.conftest import Rights, Site, in_words


def load(day: str, outcome: str | None = "loaded", rejected: int = 0, **more) -> Load:
    """A load of a day."""
    figures = {"created": 9, "rejected": rejected}
    return Load(f"run {day} {outcome}", "success", "manual", day, None, None, "", outcome, figures)._replace(**more)


def days_of(loads: list[Load], missed: tuple[Missed, ...] = ()) -> dict[int, Day]:
    """The days of the newest month that are anything."""
    month = day_calendar.months(loads, missed)[0]
    return {day.number: day for week in month.weeks for day in week if day and day.kind}


def test_what_each_day_is():
    """The newest load of a day counts, but a dry run or a failure does not take anything from a loaded day."""
    found = days_of(
        [
            load("2026-11-20", None, state="running"),
            load("2026-11-19", "dry_run"),
            load("2026-11-19"),
            load("2026-11-18", "loaded_with_rejects", rejected=3),
            load("2026-11-17", late=True),
            load("2026-11-16", "failed"),
            load("2026-11-13"),
            load("2026-11-13", "failed"),
            load("2026-11-12", "loaded_with_rejects", corrected=True),
        ],
        (Missed(date(2026, 11, 16), "failed"), Missed(date(2026, 11, 15), "no run")),
    )
    assert {number: day.kind for number, day in found.items()} == {
        20: "running",
        19: "loaded",
        18: "rejects",
        17: "late",
        16: "missed",
        15: "missed",
        13: "loaded",
    }
    assert (found[16].run_id, found[15].run_id) == ("run 2026-11-16 failed", "")
    assert found[15].words == "missed: no run"


def test_a_load_that_was_undone_does_not_count():
    """Its day is not loaded any more."""
    undo = load("2026-11-21", "undone", undo="run 2026-11-20 loaded")
    found = days_of([undo, load("2026-11-20")])
    assert {number: day.words for number, day in found.items()} == {20: "undone later"}


def test_weeks_begin_on_monday():
    """Each day stands in the column of its weekday; at most three months are shown, the newest first."""
    months = day_calendar.months([load("2026-11-20"), load("2026-06-01")], ())
    assert [month.name for month in months] == ["November 2026", "October 2026", "September 2026"]
    assert [day.number if day else None for day in months[0].weeks[0]] == [None] * 6 + [1]
    assert sum(bool(day) for week in months[2].weeks for day in week) == 30
    assert day_calendar.months([], ()) == []


def test_the_page_says_each_day_in_words(site: Site, counted):
    """With a link to its run; colours alone tell nothing."""
    dag_id = site.add_library("northfield", "Patron load: Northfield College")
    site.add_loads(dag_id, [counted(day="2026-11-19"), counted("loaded_with_rejects", rejected=2, day="2026-11-20")])
    site.rights = Rights(read=frozenset({dag_id}))
    said = in_words(site.get(f"/libraries/{dag_id}").text)
    assert "Days in the library’s time zone, America/Chicago." in said
    assert "19 ✓ loaded" in said
    assert "20 ! loaded, with rejects" in said
