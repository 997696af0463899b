"""Which days were missed, and which were loaded more than once."""

from datetime import date, timedelta
from typing import Any

import pytest

from patronload.in_airflow.pages import attention, days
from patronload.in_airflow.pages.loads import Library, Load
from patronload.reporting import templates
from tests.pages.conftest import NOW

DAY = date(2026, 11, 20)
EVERY_DAY, WEEKDAYS = "30 4 * * *", "30 4 * * 1-5"


def load(back: int, outcome: str | None = "loaded", **changes: Any) -> Load:
    """A load of so many days before DAY, a Friday."""
    day = f"{DAY - timedelta(days=back)}"
    ended = Load(f"manual__{day}", "success", "manual", day, NOW, NOW, waiting="", outcome=outcome, figures={})
    return ended._replace(**changes)


@pytest.mark.parametrize(
    ("schedule", "loads", "missed"),
    [
        pytest.param(EVERY_DAY, [load(0), load(1), load(2)], {}, id="every day was loaded"),
        pytest.param(EVERY_DAY, [load(0), load(3)], {1: "no run", 2: "no run"}, id="no run"),
        pytest.param(WEEKDAYS, [load(0), load(7)], {1: "no run", 2: "no run", 3: "no run", 4: "no run"}, id="weekdays"),
        pytest.param(EVERY_DAY, [load(0), load(1, "no_file"), load(2)], {1: "no file"}, id="no file"),
        pytest.param(EVERY_DAY, [load(0), load(1, None, state="failed"), load(2)], {1: "no report"}, id="killed"),
        pytest.param(
            EVERY_DAY,
            [load(0), load(1, "failed"), load(1, "stopped"), load(2)],
            {1: "failed"},
            id="the last try counts",
        ),
        pytest.param(EVERY_DAY, [load(0), load(1, "dry_run"), load(2)], {1: "dry run"}, id="a dry run is none"),
        pytest.param(EVERY_DAY, [load(0), load(1, "failed"), load(1), load(2)], {}, id="it was loaded before"),
        pytest.param(EVERY_DAY, [load(1), load(0), load(1, "failed"), load(2)], {}, id="a backfill has filled it"),
        pytest.param(EVERY_DAY, [load(0), load(1, "already_loaded"), load(2)], {}, id="there was nothing to do"),
        pytest.param(
            EVERY_DAY, [load(1, None, state="running"), load(0), load(1, "failed"), load(2)], {}, id="on its way"
        ),
        pytest.param(EVERY_DAY, [load(0, "failed"), load(1)], {}, id="the last load's day is told anyway"),
        pytest.param(EVERY_DAY, [load(0), load(30, "failed"), load(1)], {}, id="before the first good load"),
        pytest.param(EVERY_DAY, [], {}, id="never loaded"),
        pytest.param(None, [load(0), load(9)], {}, id="loaded by hand only"),
    ],
)
def test_missed_days(schedule: str | None, loads: list[Load], missed: dict[int, str]):
    """A day of the schedule without a good load, once there was one and until the last one; and why."""
    found = {(DAY - day).days: why for day, why in days.missed_days(schedule, loads)}
    assert found == missed
    assert list(found) == sorted(found), "the newest comes first"


def an_undo(called: str, run: str, minutes: int) -> Load:
    """A run of today that undoes another one."""
    return load(0, "undone", run_id=called, undo=run, began=NOW + timedelta(minutes=minutes))


def test_a_day_whose_load_was_undone_is_missed():
    """Until its file is loaded again, or the undo is undone; the undo itself is no load of a day."""
    loads = [load(0), load(1, run_id="wrong"), load(2)]
    undone = [an_undo("undo", "wrong", 1), *loads]
    assert days.missed_days(EVERY_DAY, undone) == [days.Missed(DAY - timedelta(days=1), "undone")]
    assert days.undone(undone) == {"wrong"}
    again = [an_undo("redo", "undo", 2), *undone]
    assert days.missed_days(EVERY_DAY, again) == []
    assert days.undone(again) == {"undo"}
    assert days.missed_days(EVERY_DAY, [load(1, run_id="right"), *undone]) == []
    assert days.undone([an_undo("third", "redo", 3), *again]) == {"redo", "wrong"}


def test_days_whose_loads_are_not_shown_any_more_are_not_missed():
    """After a backfill of a month the last loads are of long ago, and those of the last days are not among them."""
    backfill = [load(back, kind="backfill") for back in range(40, 70)]
    loads = [load(0, kind="scheduled"), *backfill]
    assert days.missed_days(EVERY_DAY, loads, more=True) == []
    assert days.missed_days(EVERY_DAY, backfill, more=True) == []
    loads = [load(0, kind="scheduled"), *backfill, load(2, kind="scheduled")]
    assert [missed.day for missed in days.missed_days(EVERY_DAY, loads, more=True)] == [DAY - timedelta(days=1)]


def test_the_pages_know_that_there_are_older_loads(site, counted):
    """Whoever is shown the last loads only is told of no day before them."""
    from patronload.in_airflow.pages import loads

    dag_id = site.add_library("riverside", timetable_summary=EVERY_DAY, timetable_partitioned=True)
    site.add_loads(dag_id, [counted(day=f"2026-11-{day}") for day in (10, 19, 20)])
    for most, more in ((3, True), (4, False)):
        (found,) = loads.libraries(site.session, [dag_id], most)
        assert found.more is more


def test_days_that_were_loaded_again():
    """The second load of a day and the third, in the order in which they ran; what brought nothing is not counted."""
    loads = [load(1, run_id="c"), load(0), load(1, "loaded_with_rejects", run_id="b"), load(1, "failed"), load(1)]
    assert days.repeats(loads) == {"b": 2, "c": 3}
    nth = templates.environment().filters["nth"]
    numbers = (1, 2, 3, 4, 11, 12, 21, 111, 122)
    words = ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "111th", "122nd"]
    assert [nth(number) for number in numbers] == words


def test_missed_days_need_attention_for_a_week():
    """Then the sentence goes by itself: the library's page still has the day."""
    loads = (load(0), load(3, "no_file"), load(9))
    library = Library("patron_load__x", "X", paused=False, gone=False, due=None, loads=loads, schedule=WEEKDAYS)
    (missed,) = attention.needs(library, NOW)
    assert missed == (
        "Missed in the week before the last load: "
        "13 Nov (no run), 16 Nov (no run), 17 Nov (no file), 18 Nov (no run), 19 Nov (no run)."
    )
    (again,) = attention.needs(library._replace(loads=(load(0), load(1), load(2), load(4))), NOW)
    assert again == "Missed in the week before the last load: 17 Nov (no run)."
    assert attention.needs(library._replace(loads=(*(load(back) for back in range(8)), load(20))), NOW) == []


def test_the_page_of_a_library_has_them(site, counted):
    """Above the loads the days that are missing, and beside a day the how many-th load of it this is."""
    from tests.pages.conftest import Rights
    from tests.pages.test_pages import Page

    dag_id = site.add_library("riverside", timetable_summary=EVERY_DAY, timetable_partitioned=True)
    told = [counted(day=f"2026-11-{day}") for day in (17, 18, 18, 20)]
    site.add_loads(dag_id, told)
    site.rights = Rights(read=frozenset({dag_id}))
    words = Page(site.get(f"/libraries/{dag_id}").text).words
    assert "1 scheduled day between the loads below was not loaded: 2026-11-19no run" in words
    assert "2026-11-182nd load of this day" in words
    assert words.count("load of this day") == 1
    assert "19 Nov (no run)" in Page(site.get("/").text).words
