"""Loads that are stopped, fail or are tried only: nothing is sent, and the colour of the run is true."""

from collections.abc import Mapping

import pytest

from tests.airflow.libraries import COLUMNS, World, accounted, as_csv, people, text_of, today

Runs = Mapping[str, str]


@pytest.fixture(scope="module")
def runs(world: World) -> Runs:
    """Library -> its run, ended. All are started at once, for each is another library's."""
    name = f"patrons_{today():%Y%m%d}.csv"
    world.deliver("ashford", name, as_csv([row | spoiled(row) for row in people("ashford", 30)]))
    world.deliver("bexley", name, as_csv(people("bexley", 30), [name for name in COLUMNS if name != "lastName"]))
    mended = world.deliver("hartwell", "by_hand.csv", as_csv(people("hartwell", 30)))
    world.deliver("ilminster", name, as_csv(people("ilminster", 30)))
    world.sandbox.mail.refused.add("desk@ilminster.example")
    started = {
        "ilminster": world.start("ilminster"),
        "ashford": world.start("ashford"),
        "bexley": world.start("bexley"),
        "gorsedd": world.start("gorsedd"),
        "hartwell": world.start("hartwell", dry_run=True, source_path=mended.as_uri()),
    }
    return {tenant: world.ended(tenant, run_id).run_id for tenant, run_id in started.items()}


def spoiled(row: Mapping[str, str]) -> dict[str, str]:
    """Every fifth has no date that can be read: 20%, where 10% are allowed."""
    return {"expirationDate": f"{row['username']} soon"} if row["barcode"].endswith(("0", "5")) else {}


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
def test_a_stopped_load(world: World, runs: Runs, *, tenant, step, kind, outcome, says):
    """The run is red, nothing was sent, and those who are on call have a mail that says why."""
    run_id = runs[tenant]
    assert world.api.run(f"patron_load__{tenant}", run_id).state == "failed"
    assert world.imports(tenant) == []
    report = world.report(tenant, run_id)
    assert report["outcome"] == outcome
    assert (report["failure"]["stage"], report["failure"]["kind"]) == (step, kind)
    assert says in report["failure"]["message"]
    assert report["rows"] == accounted(report)
    (mail,) = world.mails(run_id)
    assert mail["X-RcptTo"] == f"desk@{tenant}.example, oncall@{tenant}.example"
    assert "nothing was sent" in mail["Subject"]
    assert report["failure"]["message"] in " ".join(text_of(mail).split())


@pytest.mark.parametrize(("tenant", "failed"), [("ashford", "transform"), ("bexley", "validate"), ("gorsedd", "fetch")])
def test_what_cannot_get_better_is_not_tried_again(world: World, runs: Runs, tenant, failed):
    """The step that failed was tried once, those behind it were not begun, report and notify went through."""
    tasks = {task.task_id: task for task in world.api.tasks(f"patron_load__{tenant}", runs[tenant])}
    assert (tasks[failed].state, tasks[failed].try_number) == ("failed", 1)
    order = ("fetch", "validate", "transform", "plan", "post")
    behind = order[order.index(failed) + 1 :]
    assert {tasks[name].state for name in behind} == {"upstream_failed"}
    assert tasks["report"].state == tasks["notify"].state == "success"


def test_a_dry_run(world: World, runs: Runs):
    """With Source path it takes that file; the run is green, post is skipped, and the mail says that it was dry."""
    run_id = runs["hartwell"]
    assert world.api.run("patron_load__hartwell", run_id).state == "success"
    assert world.states("hartwell", run_id) == {
        "fetch": "success",
        "validate": "success",
        "transform": "success",
        "plan": "success",
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
def test_what_sent_nothing_is_no_event(world: World, runs: Runs, tenant):
    """Nothing that waits for the library's patrons is started by a load that was stopped, failed or dry."""
    events = world.api.http.get("assets/events", params={"source_dag_id": f"patron_load__{tenant}"})
    assert events.raise_for_status().json()["asset_events"] == []


def test_a_mail_that_cannot_be_sent(world: World, runs: Runs):
    """Patrons are loaded, and the run is red all the same: no one has been told."""
    run_id = runs["ilminster"]
    assert world.api.run("patron_load__ilminster", run_id).state == "failed"
    states = world.states("ilminster", run_id)
    assert {name for name, state in states.items() if state != "success"} == {"notify"}
    assert world.report("ilminster", run_id)["created"] == 30
