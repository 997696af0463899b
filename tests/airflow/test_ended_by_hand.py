"""A run that a person marks as failed stays red; its mail says so, and blames neither file nor library."""

from tests.airflow.beginnings import Runs
from tests.airflow.libraries import World, dag_id, question_mails, text_of, today, wait_until
from tests.airflow.test_approvals import wait_for_the_process

TENANT = "thirlby"


def mark_as_failed(world: World, run_id: str) -> None:
    """As a person does with the button of the run in Airflow."""
    path = f"dags/{dag_id(TENANT)}/dagRuns/{run_id}"
    world.api.http.patch(path, json={"state": "failed"}).raise_for_status()


def check_end(world: World, run_id: str, stage: str) -> None:
    """The run is red; report, page and mails say who ended it and where, and never that there was no file."""
    wait_until(lambda: world.states(TENANT, run_id).get("notify") in ("success", "failed", "skipped"))
    assert world.ended(TENANT, run_id).state == "failed"
    states = world.states(TENANT, run_id)
    assert (states["post"], states["report"], states["notify"]) == ("skipped", "success", "failed")
    report = world.report(TENANT, run_id)
    assert report["outcome"] not in ("no_file", "loaded")
    assert (report["failure"]["kind"], report["failure"]["stage"]) == ("EndedByHandError", stage)
    asked = {mail["Message-ID"] for mail in question_mails(world, TENANT)}
    mails = [mail for mail in world.mails(run_id) if mail["Message-ID"] not in asked]
    # The mail that the file is late, before, is none about the end.
    ends = [mail for mail in mails if not str(mail["Subject"]).startswith("No file yet")]
    assert {mail["X-RcptTo"] for mail in ends} == {f"oncall@{TENANT}.example", f"desk@{TENANT}.example"}
    told = {mail["X-RcptTo"]: " ".join(text_of(mail).split()) for mail in ends}
    assert "marked this run as failed" in told[f"oncall@{TENANT}.example"]
    assert all("nothing was sent" in str(mail["Subject"]) for mail in ends)
    assert all("No file" not in mail["Subject"] + text_of(mail) for mail in ends)
    page = world.api.http.get(f"{world.airflow.url}/patron-loads/runs/{dag_id(TENANT)}/{run_id}").text
    assert "marked this run as failed" in page
    assert "No file arrived" not in page


def test_while_a_person_is_asked(world: World, questions: Runs):
    """The question is left unanswered, and nothing is sent."""
    run_id = questions[TENANT]
    wait_for_the_process(world, TENANT, run_id)
    mark_as_failed(world, run_id)
    check_end(world, run_id, "approve")
    assert sum(len(seen.external_system_ids) for seen in world.imports(TENANT)) == 40, "those of the load before"


def test_while_the_load_waits_for_its_file(world: World, questions: Runs):
    """The run would end green otherwise: Airflow skips every task of it."""
    if world.api.run(dag_id(TENANT), questions[TENANT]).state == "running":
        mark_as_failed(world, questions[TENANT])
    world.ended(TENANT, questions[TENANT])
    (world.exports / TENANT / f"patrons_{today():%Y%m%d}.csv").unlink()
    file = world.include / "tenants" / f"{TENANT}.yaml"
    waits = 'quiet_seconds: 0\n  expected_by: "00:00"\n  look_again_seconds: 3600'
    file.write_text(file.read_text().replace("quiet_seconds: 0", waits))
    run_id = world.start(TENANT)
    wait_until(lambda: world.states(TENANT, run_id)["fetch"] == "up_for_reschedule")
    mark_as_failed(world, run_id)
    check_end(world, run_id, "fetch")
