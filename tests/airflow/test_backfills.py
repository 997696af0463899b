"""Several loads of one library at once: past days, and two by hand."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from local.api import Run
from patronload.dates import in_words
from tests.airflow.beginnings import PastDays, past_days
from tests.airflow.libraries import CANARY, ZONE, Times, World, as_csv, dag_id, people, person, text_of, today


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
    return [each for each in times if each.day not in (None, today().isoformat())]


def check_order(world: World, tenant: str) -> None:
    """The days were sent in their order, and today's load, which Airflow starts meanwhile, not among them."""
    sent = world.times(tenant, "post")
    assert [each.day for each in past_only(sent)] == [day.isoformat() for day in past_days()]
    assert past_only(sent) == sent[: len(past_days())]
    known = world.folio.store(f"fs{tenant}").user(person(tenant, 999)["externalSystemId"])
    assert known is not None
    assert known["personal"]["lastName"] == f"{CANARY} of {past_days()[-1]}"


@pytest.fixture(scope="module")
def backfills(world: World, begun: Mapping[str, Any]) -> PastDays:
    """The past days of `dunmore` and `elmhurst`, loaded."""
    past: PastDays = begun["backfills"]
    for tenant in ("dunmore", "elmhurst"):
        found = world.api.http.get("backfills", params={"dag_id": dag_id(tenant)}).raise_for_status().json()
        (backfill,) = found["backfills"]
        world.api.wait_for_backfill(backfill["id"])
    world.ended("dunmore", past.by_hand)
    return past


def test_past_days_by_command(world: World, backfills: PastDays):
    """Three days give three loads, in order, each begun when the one before has ended."""
    check_days(world, "dunmore")
    check_order(world, "dunmore")
    ended = {each.day: each.ended for each in world.times("dunmore", "notify")}
    for earlier, later in pairwise(past_only(world.times("dunmore", "fetch"))):
        assert ended[earlier.day] <= later.began


def test_a_second_backfill_and_a_load_by_hand_at_the_same_time(world: World, backfills: PastDays):
    """The second backfill is refused, with words; the load by hand waits: no two overlap, and everybody is there."""
    assert backfills.refused.status_code == httpx.codes.CONFLICT
    assert "already" in backfills.refused.text
    for task in ("fetch", "validate", "transform", "plan", "post", "report", "notify"):
        assert_one_at_a_time(world.times("dunmore", task))
    report = world.report("dunmore", backfills.by_hand)
    # Airflow may have started today's load by itself before; then there was nothing left to do for the one by hand.
    assert report["outcome"] in ("loaded", "already_loaded")
    assert "Waiting for a backfill of earlier days" in backfills.page
    assert "The load waits until a backfill of earlier days has finished." in backfills.page
    stored = {user["externalSystemId"] for user in world.folio.store("fsdunmore").users if "externalSystemId" in user}
    everybody = (*range(1, 16), *range(101, 106), 999)
    assert stored == {person("dunmore", number)["externalSystemId"] for number in everybody}


def test_past_days_as_the_rest_api_has_it_by_default(world: World, backfills: PastDays):
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
        **dict.fromkeys(("validate", "transform", "plan", "approve", "post"), "skipped"),
        "report": "success",
        "notify": "success",
    }
    assert world.report("fairholm", second.run_id)["outcome"] == "already_loaded"
    (mail,) = world.mails(second.run_id)
    assert "Nothing to do" in mail["Subject"]
    assert f"with the load of {in_words(today())}" in " ".join(text_of(mail).split())
    assert first.run_id not in text_of(mail)


def test_a_past_day_after_a_newer_one(world: World):
    """Its file would set patrons back: the load is stopped. With a reason it goes through, from the archive by then."""
    yesterday = past_days()[-1]
    world.deliver("fairholm", f"patrons_{today():%Y%m%d}.csv", as_csv(people("fairholm", 5)))
    by_hand = world.ended("fairholm", world.start("fairholm", load_anyway="to have a newer one"))
    assert world.report("fairholm", by_hand.run_id)["outcome"] == "loaded"
    file = world.deliver("fairholm", f"patrons_{yesterday:%Y%m%d}.csv", as_csv(people("fairholm", 3)))
    content, sent = file.read_bytes(), len(world.imports("fairholm"))
    stopped = backfilled(world, "fairholm", yesterday)
    assert stopped.state == "failed"
    report = world.report("fairholm", stopped.run_id)
    assert report["outcome"] == "stopped"
    assert "The file is older than the newest one loaded" in report["failure"]["message"]
    assert len(world.imports("fairholm")) == sent

    file.unlink()
    again = backfilled(world, "fairholm", yesterday, load_anyway="three were wrong today")
    assert again.state == "success"
    report = world.report("fairholm", again.run_id)
    assert (report["outcome"], report["updated"]) == ("loaded", 3)
    assert "three were wrong today" in report["warnings"][0]
    assert report["export"]["archive"]["run"] == stopped.run_id
    assert (world.folder("fairholm", again.run_id) / "export.csv").read_bytes() == content
    (mail,) = (mail for mail in world.mails(again.run_id) if "Waiting" not in mail["Subject"])
    assert "taken from the archive of an earlier run" in " ".join(text_of(mail).split())
    # What the first run left is still there, and the ledger's newest file is still today's.
    assert world.report("fairholm", stopped.run_id)["outcome"] == "stopped"
    entries = sorted((world.artifacts / "fairholm" / ".history").glob("*.json"))
    assert f"{yesterday:%Y%m%d}" in {file.name[:8] for file in entries}
    assert json.loads(entries[-1].read_text())["day"] == today().isoformat()


def backfilled(world: World, tenant: str, day: date, **params: str) -> Run:
    """The run that a backfill of one day has made, ended; days that failed are taken again."""
    first = datetime(day.year, day.month, day.day, tzinfo=ZONE)
    asked = world.api.backfill(dag_id(tenant), first, first.replace(hour=23), params, reprocess="failed")
    world.api.wait_for_backfill(asked)
    return [run for run in world.api.runs(dag_id(tenant)) if run.run_type == "backfill"][-1]
