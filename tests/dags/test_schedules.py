"""One load for each of the library's local days, whatever daylight saving does."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction
from pendulum import instance as moment

from patronload.in_airflow.pages import days
from tests.dags.dag_files import dags_in

CHICAGO, DUBLIN, SYDNEY = "America/Chicago", "Europe/Dublin", "Australia/Sydney"

CHANGES = [
    pytest.param(CHICAGO, "30 4 * * *", date(2027, 3, 14), id="Chicago, spring"),
    pytest.param(CHICAGO, "30 4 * * *", date(2026, 11, 1), id="Chicago, autumn"),
    pytest.param(CHICAGO, "30 2 * * *", date(2027, 3, 14), id="Chicago, spring, at an hour that is left out"),
    pytest.param(CHICAGO, "30 1 * * *", date(2026, 11, 1), id="Chicago, autumn, at an hour that comes twice"),
    pytest.param(DUBLIN, "15 6 * * *", date(2027, 3, 28), id="Dublin, spring"),
    pytest.param(DUBLIN, "15 6 * * *", date(2026, 10, 25), id="Dublin, autumn"),
    pytest.param(DUBLIN, "30 1 * * *", date(2027, 3, 28), id="Dublin, spring, at an hour that is left out"),
    pytest.param(DUBLIN, "30 1 * * *", date(2026, 10, 25), id="Dublin, autumn, at an hour that comes twice"),
    pytest.param(SYDNEY, "45 5 * * *", date(2026, 10, 4), id="Sydney, spring"),
    pytest.param(SYDNEY, "45 5 * * *", date(2027, 4, 4), id="Sydney, autumn"),
    pytest.param(SYDNEY, "30 2 * * *", date(2026, 10, 4), id="Sydney, spring, at an hour that is left out"),
    pytest.param(SYDNEY, "30 2 * * *", date(2027, 4, 4), id="Sydney, autumn, at an hour that comes twice"),
    pytest.param(
        CHICAGO, "5 0 * * *", date(2027, 3, 14), id="Chicago, just after midnight, where UTC has the same day"
    ),
    pytest.param(DUBLIN, "5 0 * * *", date(2027, 3, 28), id="Dublin, just after midnight"),
    pytest.param(DUBLIN, "5 0 * * *", date(2026, 10, 25), id="Dublin, just after midnight, where UTC is a day behind"),
    pytest.param(CHICAGO, "50 23 * * *", date(2026, 11, 1), id="Chicago, before midnight, where UTC is a day ahead"),
]


@pytest.fixture
def timetable(read, add_tenant):
    """The timetable of a library, as the scheduler has it: after the DAG was put into the database and read back."""

    def make(zone: str, schedule: str):
        add_tenant("riverside", {CHANGED: zone, "30 4 * * *": schedule})
        dag = dags_in(read("patron_load"))["patron_load__riverside"]
        return DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable

    return make


CHANGED = "Europe/Dublin"


@pytest.mark.parametrize(("zone", "schedule", "change"), CHANGES)
def test_scheduled_loads(timetable, zone, schedule, change):
    """Over both changes of the clock, one run a local day, its partition key that day."""
    around = [change + timedelta(days=ahead) for ahead in (-1, 0, 1)]
    runs = next_runs(timetable(zone, schedule), midnight(around[0], zone), len(around))
    assert [run.partition_key for run in runs] == [day.isoformat() for day in around]
    assert [run.run_after.astimezone(ZoneInfo(zone)).date() for run in runs] == around
    assert all(run.data_interval is None for run in runs)


@pytest.mark.parametrize(("zone", "schedule", "change"), CHANGES)
def test_backfills(timetable, zone, schedule, change):
    """A backfill of three days is three runs, each for its local day."""
    around = [change + timedelta(days=ahead) for ahead in (-1, 0, 1)]
    first, behind = midnight(around[0], zone), midnight(around[-1] + timedelta(days=1), zone)
    runs = timetable(zone, schedule).iter_partition_dagrun_infos(
        earliest=moment(first), latest=moment(behind) - timedelta(seconds=1)
    )
    assert [run.partition_key for run in runs] == [day.isoformat() for day in around]


@pytest.mark.parametrize("schedule", ["30 1 * * *", "30 2 * * *", "0 3 * * *", "59 23 * * *", "30 2 * * 0,1"])
@pytest.mark.parametrize("zone", [CHICAGO, DUBLIN, SYDNEY])
def test_a_year_of_days(timetable, zone, schedule):
    """Exactly one run a local day, over both changes; the page that lists missed days expects the very same days."""
    first, last = date(2026, 8, 1), date(2027, 7, 31)
    wanted = days.scheduled_days(schedule, first, last)
    runs = next_runs(timetable(zone, schedule), midnight(first, zone), len(wanted))
    assert [run.partition_key for run in runs] == [day.isoformat() for day in wanted]
    assert [run.run_after.astimezone(ZoneInfo(zone)).date() for run in runs] == list(wanted)
    if schedule.endswith("*"):
        assert len(wanted) == 365


def test_a_library_that_is_switched_on_waits_for_its_hour(timetable):
    """An hour that has just passed is not made up for: whoever switches a DAG on starts a load, if one is wanted."""
    now = datetime.now(ZoneInfo(CHICAGO))
    passed = now - timedelta(minutes=5)
    restriction = TimeRestriction(earliest=None, latest=None, catchup=False)
    schedule = timetable(CHICAGO, f"{passed.minute} {passed.hour} * * *")
    run = schedule.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    assert run.run_after > now


def test_the_demo_libraries_run_at_their_own_hour(read):
    """04:30 in Chicago, 06:15 in Dublin and 05:45 in Sydney, winter and summer."""
    dags = dags_in(read("patron_load"))
    hours = (("northfield", CHICAGO, "04:30"), ("stclare", DUBLIN, "06:15"), ("wattlegrove", SYDNEY, "05:45"))
    for name, zone, clock in hours:
        schedule = DagSerialization.from_dict(DagSerialization.to_dict(dags[f"patron_load__{name}"])).timetable
        for day in (date(2027, 1, 15), date(2027, 7, 15)):
            (run,) = next_runs(schedule, midnight(day, zone), 1)
            assert f"{run.run_after.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" == f"{day} {clock}"


def next_runs(timetable, start: datetime, count: int):
    """What the scheduler would run from `start` on, one after the other."""
    restriction = TimeRestriction(earliest=moment(start), latest=None, catchup=True)
    runs = []
    for _ in range(count):
        runs.append(timetable.next_dagrun_info_v2(last_dagrun_info=runs[-1] if runs else None, restriction=restriction))
    return runs


def midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
