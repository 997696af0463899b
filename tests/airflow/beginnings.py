"""Begin the loads that the tests look at, each in a library of its own, so that all of them run beside each other."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.airflow.libraries import (
    ASKING,
    CANARY,
    COLUMNS,
    OVERDUE,
    ZONE,
    World,
    as_csv,
    dag_id,
    people,
    person,
    today,
    wait_until,
)

Runs = Mapping[str, str]
"""Library -> its run."""


def ended(world: World, runs: Runs) -> Runs:
    """The same runs, once they have ended."""
    return {tenant: world.ended(tenant, run_id).run_id for tenant, run_id in runs.items()}


def begin_demo(world: World) -> Runs:
    """The newest exports of the demo's libraries."""
    return {tenant: world.start(tenant) for tenant in world.demo_exports}


def begin_stopped(world: World) -> Runs:
    """Loads that are stopped, fail or are tried only."""
    name = f"patrons_{today():%Y%m%d}.csv"
    world.deliver("ashford", name, as_csv([row | spoiled(row) for row in people("ashford", 30)]))
    world.deliver("bexley", name, as_csv(people("bexley", 30), [name for name in COLUMNS if name != "lastName"]))
    corrected = world.deliver("hartwell", "by_hand.csv", as_csv(people("hartwell", 30)))
    world.deliver("ilminster", name, as_csv(people("ilminster", 30)))
    world.sandbox.mail.refused.add("desk@ilminster.example")
    return {
        "ilminster": world.start("ilminster"),
        "ashford": world.start("ashford"),
        "bexley": world.start("bexley"),
        "gorsedd": world.start("gorsedd"),
        "hartwell": world.start("hartwell", dry_run=True, source_path=corrected.as_uri()),
    }


def spoiled(row: Mapping[str, str]) -> dict[str, str]:
    """Every fifth has no date that can be read: 20%, where 10% are allowed."""
    return {"expirationDate": f"{row['username']} soon"} if row["barcode"].endswith(("0", "5")) else {}


def begin_ordinary(world: World) -> Runs:
    """An ordinary load of each library in which a person is asked before an unusual one."""
    return start_all(world, ASKING, 40)


def ask(world: World, first: Runs) -> Runs:
    """After its ordinary load, each loads a file not half as long, and asks about it."""
    assert {world.ended(tenant, run_id).state for tenant, run_id in first.items()} == {"success"}
    started = start_all(world, first, 12)

    def asks() -> bool:
        # Where little time is given it may have passed before all the others ask.
        states = [world.states(tenant, run_id).get("approve") for tenant, run_id in started.items()]
        return all(state in ("awaiting_input", "failed") for state in states)

    wait_until(asks)
    return started


def start_all(world: World, tenants: Iterable[str], rows: int) -> Runs:
    """A load of this many people for each library."""
    for tenant in tenants:
        world.deliver(tenant, f"patrons_{today():%Y%m%d}.csv", as_csv(people(tenant, rows)))
    return {tenant: world.start(tenant) for tenant in tenants}


class PastDays(NamedTuple):
    """What came of several loads of `dunmore` at once: a backfill by command, one by REST, a load by hand."""

    printed: str
    refused: httpx.Response
    by_hand: str
    page: str
    """The page over the libraries while today's load waited."""


def past_days() -> list[date]:
    """The three days before today."""
    return [today() - timedelta(days=back) for back in (3, 2, 1)]


def deliver_days(world: World, tenant: str) -> None:
    """A file for each past day: five people of that day, and one whose name tells the day."""
    for place, day in enumerate(past_days()):
        known = person(tenant, 999) | {"lastName": f"{CANARY} of {day}"}
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


def begin_past_days(world: World) -> PastDays:
    """Two libraries' past days: one run at a time, by command, and, as the REST API has it by default, up to ten."""
    for tenant in ("dunmore", "elmhurst"):
        deliver_days(world, tenant)
        world.unlock(tenant)
    first, last = bounds()
    days = {"from_date": first.isoformat(), "to_date": last.isoformat()}
    hasty = world.api.http.post("backfills", json={"dag_id": dag_id("elmhurst"), **days}).raise_for_status().json()
    assert hasty["max_active_runs"] == 10
    printed = backfill_by_command(world, "dunmore", first, last)
    refused = world.api.http.post("backfills", json={"dag_id": dag_id("dunmore"), **days})
    by_hand = world.start("dunmore")
    return PastDays(printed, refused, by_hand, wait_until(lambda: page_of_a_load_that_waits(world)))


def page_of_a_load_that_waits(world: World) -> str:
    page = world.api.http.get(f"{world.airflow.url}/patron-loads/?q=dunmore").raise_for_status().text
    return page if "Waiting for " in page else ""


def backfill_by_command(world: World, tenant: str, first: datetime, last: datetime) -> str:
    """Ask for past days as somebody does who is logged in to Airflow's machine; what it prints."""
    days = ["--from-date", first.isoformat(), "--to-date", last.isoformat()]
    command = ["backfill", "create", "--dag-id", dag_id(tenant), *days, "--max-active-runs", "1"]
    program = Path(sys.executable).with_name("airflow")
    done = subprocess.run(
        [program, *command], env=world.airflow.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def begin_overdue(world: World) -> str:
    """A load whose file does not come; its run."""
    return world.start(OVERDUE)


BEGINNINGS: Mapping[str, Callable[[World], Any]] = {
    "backfills": begin_past_days,
    "overdue": begin_overdue,
    "questions": begin_ordinary,
    "loads": begin_demo,
    "stopped": begin_stopped,
}
"""Fixture -> what begins the loads it looks at. Backfills first, for they take the longest."""
