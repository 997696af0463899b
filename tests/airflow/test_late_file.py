"""A file that is late: waited for without a worker, told of once, loaded when it comes."""

import pytest

from tests.airflow.libraries import World, as_csv, dag_id, people, today, wait_until

TENANT = "lorton"


@pytest.fixture(scope="module")
def late(world: World) -> str:
    """A load that waits: its file was expected at midnight, and it has been looked for at least twice."""
    file = world.include / "tenants" / f"{TENANT}.yaml"
    waits = 'quiet_seconds: 0\n  expected_by: "00:00"\n  look_again_seconds: 10'
    file.write_text(file.read_text().replace("quiet_seconds: 0", waits))
    run_id = world.start(TENANT)
    wait_until(lambda: world.states(TENANT, run_id)["fetch"] == "up_for_reschedule")
    wait_until(lambda: world.api.task_log(dag_id(TENANT), run_id, "fetch").count("Not there yet") >= 2)
    return run_id


def test_nobody_waits_in_a_worker(world: World, late: str):
    """Between two looks Airflow has nothing running; the try is still the first, the run is still under way."""
    wait_until(lambda: world.states(TENANT, late)["fetch"] == "up_for_reschedule")
    (fetch,) = [task for task in world.api.tasks(dag_id(TENANT), late) if task.task_id == "fetch"]
    assert fetch.try_number == 1
    assert world.api.run(dag_id(TENANT), late).state == "running"


def test_it_can_be_seen(world: World, late: str):
    """The page over all libraries says so, and so does the tab of the run."""
    wait_until(lambda: world.states(TENANT, late)["fetch"] == "up_for_reschedule")
    seen = world.api.http.get(f"{world.airflow.url}/patron-loads/?q={TENANT}").text
    assert "Waiting for the file" in seen
    assert "The file is not there yet. It is loaded as soon as it arrives." in seen
    assert (
        "The file is not there yet"
        in world.api.http.get(f"{world.airflow.url}/patron-loads/runs/{dag_id(TENANT)}/{late}").text
    )


def test_it_is_told_of_once_and_loaded_when_it_comes(world: World, late: str):
    """One mail that it is late, to those named for it; and when it has come, an ordinary load with its own mail."""
    world.deliver(TENANT, f"patrons_{today():%Y%m%d}.csv", as_csv(people(TENANT, 5)))
    run = world.ended(TENANT, late)
    assert run.state == "success"
    assert world.report(TENANT, late)["created"] == 5
    subjects = [str(mail["Subject"]) for mail in world.sandbox.mail.mails if f"{TENANT}.example" in mail["X-RcptTo"]]
    assert len([subject for subject in subjects if subject.startswith("No file yet; it was expected by 00:00")]) == 1
    assert len(subjects) == 2
    assert subjects[-1].startswith("5 patrons are loaded")


def test_a_day_that_is_over(world: World, late: str):
    """A past day's file will not come: the run ends at once, with the outcome and the mail for it."""
    world.ended(TENANT, late)
    run_id = world.api.trigger(dag_id(TENANT), partition_key="2026-01-15")
    assert world.ended(TENANT, run_id).state == "failed"
    assert world.report(TENANT, run_id)["outcome"] == "no_file"
    mail, _ = world.mails(run_id)
    assert str(mail["Subject"]).startswith("No file arrived; nothing was sent")
