"""Several loads of one library at once: past days, and two by hand."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from tests.airflow.libraries import ZONE, Times, World, as_csv, dag_id, people, person, text_of, today


def past_days() -> list[date]:
    """The three days before today."""
    return [today() - timedelta(days=back) for back in (3, 2, 1)]


def deliver_days(world: World, tenant: str) -> None:
    """A file for each past day: five people of that day, and one whose name tells the day."""
    for place, day in enumerate(past_days()):
        known = person(tenant, 999) | {"lastName": f"zqx of {day}"}
        world.deliver(tenant, f"patrons_{day:%Y%m%d}.csv", as_csv([*people(tenant, 5, first=1 + 5 * place), known]))
    # A DAG that has never run makes up for today's load, too, as soon as a backfill has run.
    world.deliver(tenant, f"patrons_{today():%Y%m%d}.csv", as_csv(people(tenant, 5, first=101)))


def bounds() -> tuple[datetime, datetime]:
    """From midnight to midnight, in the library's own time."""
    first, *_, last = past_days()
    return (
        datetime(first.year, first.month, first.day, tzinfo=ZONE),
        datetime(last.year, last.month, last.day, 23, 59, tzinfo=ZONE),
    )


def assert_one_at_a_time(times: list[Times]) -> None:
    for earlier, later in pairwise(times):
        assert earlier.ended <= later.began


def check_days(world: World, tenant: str) -> None:
    """One good run a local day, each with that day's file, and FOLIO as the last one left it."""
    runs = [run for run in world.api.runs(dag_id(tenant)) if run.run_type == "backfill"]
    assert sorted(str(run.partition_key) for run in runs) == [day.isoformat() for day in past_days()]
    for run in runs:
        assert run.state == "success"
        report = world.report(tenant, run.run_id)
        day = date.fromisoformat(str(run.partition_key))
        assert report["day"] == day.isoformat()
        assert report["export"]["name"] == f"patrons_{day:%Y%m%d}.csv"
        assert report["created"] + report["updated"] == 6
    loaded = {person(tenant, number)["externalSystemId"] for number in (*range(1, 16), 999)}
    assert loaded <= {user["externalSystemId"] for user in world.folio.store(f"fs{tenant}").users}


def past_only(times: list[Times]) -> list[Times]:
    return [each for each in times if each.day != today().isoformat()]


def check_order(world: World, tenant: str) -> None:
    """The days were sent in their order."""
    sent = past_only(world.times(tenant, "post"))
    assert [each.day for each in sent] == [day.isoformat() for day in past_days()]
    known = world.folio.store(f"fs{tenant}").user(person(tenant, 999)["externalSystemId"])
    assert known is not None
    assert known["personal"]["lastName"] == f"zqx of {past_days()[-1]}"


@pytest.fixture(scope="module")
def backfills(world: World) -> None:
    """Two libraries' past days, one run at a time and, as the REST API has it by default, up to ten."""
    for tenant in ("dunmore", "elmhurst"):
        deliver_days(world, tenant)
        world.unlock(tenant)
    first, last = bounds()
    careful = world.api.backfill(dag_id("dunmore"), first, last)
    body = {"dag_id": dag_id("elmhurst"), "from_date": first.isoformat(), "to_date": last.isoformat()}
    hasty = world.api.http.post("backfills", json=body).raise_for_status().json()
    assert hasty["max_active_runs"] == 10
    world.api.wait_for_backfill(careful, timeout=300)
    world.api.wait_for_backfill(hasty["id"], timeout=300)


def test_past_days_one_run_at_a_time(world: World, backfills):
    """Three days give three loads, in order, each begun when the one before has ended."""
    check_days(world, "dunmore")
    check_order(world, "dunmore")
    ended = {each.day: each.ended for each in world.times("dunmore", "notify")}
    for earlier, later in pairwise(past_only(world.times("dunmore", "fetch"))):
        assert ended[earlier.day] <= later.began


def test_past_days_as_the_rest_api_has_it_by_default(world: World, backfills):
    """Ten runs at a time may be asked for: no step of a library runs twice at once, and the days stay in order."""
    check_days(world, "elmhurst")
    for task in ("fetch", "validate", "transform", "plan", "post", "report", "notify"):
        assert_one_at_a_time(world.times("elmhurst", task))
    check_order(world, "elmhurst")


def test_two_loads_by_hand(world: World):
    """The second one waits until the first has ended; the same file is loaded again because a reason is given."""
    world.deliver("fairholm", f"patrons_{today():%Y%m%d}.csv", as_csv(people("fairholm", 5)))
    first, second = world.start("fairholm"), world.start("fairholm", load_anyway="a test of two loads")
    for run_id in (first, second):
        assert world.ended("fairholm", run_id).state == "success"
    fetched, notified = world.times("fairholm", "fetch"), world.times("fairholm", "notify")
    assert len(fetched) == 2
    assert notified[0].ended <= fetched[1].began
    assert_one_at_a_time(world.times("fairholm", "post"))
    assert world.report("fairholm", first)["created"] == 5
    assert world.report("fairholm", second)["updated"] == 5


def test_a_file_that_was_loaded_already(world: World):
    """Nothing is sent, nothing is red: all up to post is skipped, and the mail says which load had the file."""
    world.deliver("fairholm", "by_hand.csv", as_csv(people("fairholm", 5, first=6)))
    source = f"{world.exports.as_uri()}/fairholm/by_hand.csv"
    first = world.ended("fairholm", world.start("fairholm", source_path=source))
    sent = len(world.imports("fairholm"))
    second = world.ended("fairholm", world.start("fairholm", source_path=source))
    assert (first.state, second.state) == ("success", "success")
    assert len(world.imports("fairholm")) == sent
    assert world.states("fairholm", second.run_id) == {
        "fetch": "success",
        **dict.fromkeys(("validate", "transform", "plan", "post"), "skipped"),
        "report": "success",
        "notify": "success",
    }
    assert world.report("fairholm", second.run_id)["outcome"] == "already_loaded"
    (mail,) = world.mails(second.run_id)
    assert "Nothing to do" in mail["Subject"]
    assert first.run_id in text_of(mail)


def test_a_past_day_after_a_newer_one(world: World):
    """Who asks for a backfill has named the day: its file is loaded although today's was before, and the mail warns."""
    yesterday = past_days()[-1]
    world.deliver("fairholm", f"patrons_{today():%Y%m%d}.csv", as_csv(people("fairholm", 5)))
    by_hand = world.ended("fairholm", world.start("fairholm", load_anyway="to have a newer one"))
    assert world.report("fairholm", by_hand.run_id)["outcome"] == "loaded"
    world.deliver("fairholm", f"patrons_{yesterday:%Y%m%d}.csv", as_csv(people("fairholm", 3)))
    first = datetime(yesterday.year, yesterday.month, yesterday.day, tzinfo=ZONE)
    asked = world.api.backfill(dag_id("fairholm"), first, first.replace(hour=23))
    world.api.wait_for_backfill(asked, timeout=240)
    (run,) = [run for run in world.api.runs(dag_id("fairholm")) if run.run_type == "backfill"]
    assert run.state == "success"
    report = world.report("fairholm", run.run_id)
    assert (report["outcome"], report["updated"]) == ("loaded", 3)
    assert "The file is older than the last one loaded" in report["warnings"][0]
    entries = sorted(file.name[:8] for file in (world.artifacts / "fairholm" / ".history").glob("*.json"))
    assert f"{yesterday:%Y%m%d}" in entries
    assert entries[-1] == f"{today():%Y%m%d}"
