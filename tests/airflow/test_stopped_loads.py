"""Loads that are stopped, fail or are tried only: nothing is sent, and the colour of the run is true."""

import pytest

from tests.airflow.beginnings import Runs
from tests.airflow.libraries import World, accounted, text_of


@pytest.mark.parametrize(
    ("tenant", "step", "kind", "outcome", "says"),
    [
        pytest.param("ashford", "transform", "ValidationError", "stopped", "6 of 30 rows", id="too many rejects"),
        pytest.param(
            "bexley", "validate", "ValidationError", "stopped", "no column lastName", id="a column is missing"
        ),
        pytest.param("gorsedd", "fetch", "MissingError", "no_file", "patrons_", id="no file"),
    ],
)
def test_a_stopped_load(world: World, stopped: Runs, *, tenant, step, kind, outcome, says):
    """The run is red, nothing was sent, and those who are on call have a mail that says why."""
    run_id = stopped[tenant]
    assert world.api.run(f"patron_load__{tenant}", run_id).state == "failed"
    assert world.imports(tenant) == []
    report = world.report(tenant, run_id)
    assert report["outcome"] == outcome
    assert (report["failure"]["stage"], report["failure"]["kind"]) == (step, kind)
    assert says in report["failure"]["message"]
    assert report["rows"] == accounted(report)
    mail, contacts = world.mails(run_id)
    assert [mail["X-RcptTo"], contacts["X-RcptTo"]] == [f"oncall@{tenant}.example", f"desk@{tenant}.example"]
    assert mail["Subject"] == contacts["Subject"]
    assert "nothing was sent" in mail["Subject"]
    assert report["failure"]["message"] in " ".join(text_of(mail).split())


@pytest.mark.parametrize(("tenant", "failed"), [("ashford", "transform"), ("bexley", "validate"), ("gorsedd", "fetch")])
def test_what_cannot_get_better_is_not_tried_again(world: World, stopped: Runs, tenant, failed):
    """The step that failed was tried once, those behind it were not begun, report and notify went through."""
    tasks = {task.task_id: task for task in world.api.tasks(f"patron_load__{tenant}", stopped[tenant])}
    assert (tasks[failed].state, tasks[failed].try_number) == ("failed", 1)
    order = ("fetch", "validate", "transform", "plan", "approve", "post")
    behind = order[order.index(failed) + 1 :]
    assert {tasks[name].state for name in behind} == {"upstream_failed"}
    assert tasks["report"].state == tasks["notify"].state == "success"


def test_a_dry_run(world: World, stopped: Runs):
    """With Source path it takes that file; the run is green, post is skipped, and the mail says that it was dry."""
    run_id = stopped["hartwell"]
    assert world.api.run("patron_load__hartwell", run_id).state == "success"
    assert world.states("hartwell", run_id) == {
        "fetch": "success",
        "validate": "success",
        "transform": "success",
        "plan": "success",
        "approve": "success",
        "post": "skipped",
        "report": "success",
        "notify": "success",
    }
    # The plan asks with an import of nobody whether it may import; nothing else comes in.
    assert [key for seen in world.imports("hartwell") for key in seen.external_system_ids] == []
    report = world.report("hartwell", run_id)
    assert report["export"]["name"] == "by_hand.csv"
    assert (report["outcome"], report["rows"], report["not_sent"]) == ("dry_run", 30, 30)
    (mail,) = world.mails(run_id)
    assert mail["X-RcptTo"] == "desk@hartwell.example"
    assert mail["Subject"].startswith("Dry run")


@pytest.mark.parametrize("tenant", ["ashford", "bexley", "gorsedd", "hartwell"])
def test_what_sent_nothing_is_no_event(world: World, stopped: Runs, tenant):
    """Nothing that waits for the library's patrons is started by a load that was stopped, failed or dry."""
    events = world.api.http.get("assets/events", params={"source_dag_id": f"patron_load__{tenant}"})
    assert events.raise_for_status().json()["asset_events"] == []


def test_a_mail_that_cannot_be_sent(world: World, stopped: Runs):
    """Patrons are loaded, and the run is red all the same: no one has been told."""
    run_id = stopped["ilminster"]
    assert world.api.run("patron_load__ilminster", run_id).state == "failed"
    states = world.states("ilminster", run_id)
    assert {name for name, state in states.items() if state != "success"} == {"notify"}
    assert world.report("ilminster", run_id)["created"] == 30
