"""A load whose process is killed while it sends."""

import os
import signal
from collections import Counter

import psutil

from tests.airflow.libraries import World, accounted, as_csv, dag_id, people, today, wait_until


def test_a_load_that_was_killed_goes_on_where_it_was(world: World):
    """Kill -9 in the middle of a request, then clear: nothing is sent twice, nothing is missing, the counts add up."""
    rows = people("corvey", 100)
    rows[70]["expirationDate"] = "soon"
    taken = {"id": "4be3f2a8-8d3c-4dbb-9c3e-000000000001", "username": "there before", "barcode": rows[90]["barcode"]}
    world.folio.store("fscorvey").users.put({**taken, "active": True, "personal": {"lastName": "Before"}})
    world.deliver("corvey", f"patrons_{today():%Y%m%d}.csv", as_csv(rows))
    world.folio.faults.import_seconds = 1.5
    run_id = world.start("corvey")
    wait_until(lambda: len(world.imports("corvey")) >= 2)
    os.kill(process_of(world, run_id, "post"), signal.SIGKILL)
    sent = len(world.imports("corvey"))
    wait_until(lambda: world.states("corvey", run_id)["post"] in ("up_for_retry", "failed"))
    assert len(world.imports("corvey")) == sent < 5
    world.folio.faults.clear()

    world.api.clear(dag_id("corvey"), run_id, "post")

    run = world.ended("corvey", run_id)
    assert run.state == "success"
    posted = Counter(each for seen in world.imports("corvey") for each in seen.external_system_ids)
    wrong = (rows[70], rows[90])  # the date, and a barcode that somebody has: the plan sets that row aside
    good = [row["externalSystemId"] for row in rows if row not in wrong]
    assert posted == Counter(good)
    stored = {user["externalSystemId"] for user in world.folio.store("fscorvey").users if "externalSystemId" in user}
    assert stored == set(good)
    report = world.report("corvey", run_id)
    assert report["rows"] == accounted(report) == 100
    assert (report["created"], report["failed"], report["rejected"]) == (98, 0, 2)
    assert report["outcome"] == "loaded_with_rejects"


def process_of(world: World, run_id: str, task_id: str) -> int:
    """The process that runs the task's own code; Airflow names it after the task instance."""
    tasks = world.api.http.get(f"dags/{dag_id('corvey')}/dagRuns/{run_id}/taskInstances/{task_id}")
    title = f"airflow worker -- {tasks.raise_for_status().json()['id']}"
    (found,) = [each.pid for each in psutil.process_iter(["cmdline"]) if title in " ".join(each.info["cmdline"] or [])]
    return int(found)
