"""An unusual load waits for a person, and no worker with it: a yes, a no, and no answer."""

import re
from contextlib import closing
from typing import Any

import httpx

from local.api import AirflowApi
from tests.airflow.beginnings import Runs
from tests.airflow.libraries import (
    World,
    as_csv,
    dag_id,
    people,
    question_mails,
    text_of,
    today,
    wait_until,
)

APPROVED, REJECTED, SILENT = "marden", "norwell", "ordway"
UNDONE = "radnor"
"""A library without `approval` in its tenant file."""


def wait_for_the_process(world: World, tenant: str, run_id: str) -> None:
    """
    Until the process that asked is gone, and the scheduler knows it; a person takes longer.

    A task that is answered before is taken by Airflow for one that was killed; it is tried again after its pause.
    """
    log = world.airflow.log("scheduler")

    def is_known() -> bool:
        (turn,) = (each.try_number for each in world.api.tasks(dag_id(tenant), run_id) if each.task_id == "approve")
        key = f"{dag_id(tenant)}'.*'approve'.*{re.escape(run_id)}.*try_number={turn}\\b"
        events = re.findall(rf"Received executor event with state (\w+) for task instance .*{key}", log.read_text())
        return events[-1:] == ["success"]

    wait_until(is_known)


def answer(world: World, role: str, tenant: str, run_id: str, chosen: str, reason: str) -> httpx.Response:
    wait_for_the_process(world, tenant, run_id)
    api = AirflowApi(world.airflow.url, role, world.airflow.passwords[role])
    sent = {"chosen_options": [chosen], "params_input": {"reason": reason}}
    with closing(api):
        return api.http.patch(detail_of(tenant, run_id), json=sent)


def detail_of(tenant: str, run_id: str) -> str:
    return f"dags/{dag_id(tenant)}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"


def question_of(world: World, tenant: str, run_id: str) -> Any:
    return world.api.http.get(detail_of(tenant, run_id)).raise_for_status().json()


def test_the_question_in_airflow(world: World, questions: Runs):
    """Subject, figures beside those of the last load, two answers, the safe one as the default, and a reason."""
    found = question_of(world, APPROVED, questions[APPROVED])
    assert found["subject"].startswith("Marden Library, ")
    assert found["subject"].endswith(": is this load right?")
    assert (found["options"], found["defaults"]) == (["Approve", "Reject"], ["Reject"])
    assert "The file has 12 rows; expected 32 to 48" in found["body"]
    assert "| Rows | 12 | 40 |" in found["body"]
    assert "| To update | 12 |  |" in found["body"]
    assert found["params"]["reason"]["schema"]["type"] == "string"


def test_nothing_is_sent_and_the_mail_leads_there(world: World, questions: Runs):
    """One mail, to whoever is to answer; FOLIO has the patrons of the first load only."""
    assert sum(len(seen.external_system_ids) for seen in world.imports(REJECTED)) == 40
    assert world.states(REJECTED, questions[REJECTED])["approve"] == "awaiting_input"
    (mail,) = question_mails(world, REJECTED)
    assert "Is this load right? Please answer (Norwell Library" in mail["Subject"]
    (link,) = [line for line in text_of(mail).splitlines() if line.startswith("http")]
    assert link.startswith(f"{world.airflow.url}/dags/{dag_id(REJECTED)}/runs/")
    assert link.endswith("/tasks/approve/required_actions")


def test_it_can_be_seen(world: World, questions: Runs):
    """The page over all libraries says so, and so does the tab of the run."""
    seen = world.api.http.get(f"{world.airflow.url}/patron-loads/?q={APPROVED}").text
    assert "Waiting for an answer" in seen
    assert "The load is unusual, and waits for approval" in seen
    run = f"{world.airflow.url}/patron-loads/runs/{dag_id(APPROVED)}/{questions[APPROVED]}"
    assert "Is this load right?" in world.api.http.get(run).text


def test_who_may_only_look_may_not_answer(world: World, questions: Runs):
    """A viewer is refused, and the load goes on waiting."""
    assert answer(world, "viewer", APPROVED, questions[APPROVED], "Approve", "why not").status_code == 403
    assert world.states(APPROVED, questions[APPROVED])["approve"] == "awaiting_input"


def test_a_yes(world: World, questions: Runs):
    """The load goes through; report and mail say who let it, and why; there was one mail with the question."""
    run_id = questions[APPROVED]
    assert answer(world, "user", APPROVED, run_id, "Approve", "half of them left, says the registry").is_success
    assert world.ended(APPROVED, run_id).state == "success"
    report = world.report(APPROVED, run_id)
    assert (report["outcome"], report["updated"]) == ("loaded", 12)
    assert (report["approval"]["answer"], report["approval"]["by"]) == ("approved", "user")
    assert report["approval"]["reason"] == "half of them left, says the registry"
    (mail,) = ends(world, APPROVED, run_id)
    assert "half of them left, says the registry" in " ".join(text_of(mail).split())
    assert len(question_mails(world, APPROVED)) == 1


def ends(world: World, tenant: str, run_id: str) -> list[Any]:
    """The mails that tell how the run ended."""
    asked = question_mails(world, tenant)
    return [mail for mail in world.mails(run_id) if mail["Message-ID"] not in [each["Message-ID"] for each in asked]]


def test_a_no_and_another_question(world: World, questions: Runs):
    """The run is red, nothing was sent, and who said no is told; cleared, the task asks again, and a yes loads."""
    run_id = questions[REJECTED]
    assert answer(world, "op", REJECTED, run_id, "Reject", "it is last year's file").is_success
    assert world.ended(REJECTED, run_id).state == "failed"
    report = world.report(REJECTED, run_id)
    assert (report["outcome"], report["not_sent"]) == ("declined", 12)
    assert "op declined this load" in report["failure"]["message"]
    states = world.states(REJECTED, run_id)
    assert (states["approve"], states["post"], states["notify"]) == ("failed", "upstream_failed", "success")
    mail, _ = ends(world, REJECTED, run_id)
    assert "The load was declined; nothing was sent" in mail["Subject"]
    asks_again(world, run_id, 12, "approve")
    assert len(question_mails(world, REJECTED)) == 2
    assert answer(world, "op", REJECTED, run_id, "Reject", "it is half of it").is_success
    assert world.ended(REJECTED, run_id).state == "failed"
    asks_again(world, run_id, 13, "fetch")
    # Cleared while it waits, Airflow would show the question with the figures of before: nothing is asked.
    deliver(world, 14)
    world.api.clear(dag_id(REJECTED), run_id, "fetch")
    assert world.ended(REJECTED, run_id).state == "failed"
    assert "Airflow still shows an earlier question" in world.report(REJECTED, run_id)["failure"]["message"]
    asks_again(world, run_id, 14, "approve")
    assert answer(world, "op", REJECTED, run_id, "Approve", "it is this year's after all").is_success
    assert world.ended(REJECTED, run_id).state == "success"
    assert world.report(REJECTED, run_id)["updated"] == 14


def deliver(world: World, rows: int) -> None:
    world.deliver(REJECTED, f"patrons_{today():%Y%m%d}.csv", as_csv(people(REJECTED, rows)))


def asks_again(world: World, run_id: str, rows: int, cleared: str) -> None:
    """A file of so many rows, and the question about it, with its own figures."""
    deliver(world, rows)
    world.api.clear(dag_id(REJECTED), run_id, cleared)
    wait_until(lambda: world.states(REJECTED, run_id)["approve"] == "awaiting_input")
    assert f"| Rows | {rows} | 40 |" in question_of(world, REJECTED, run_id)["body"]


def test_no_answer(world: World, questions: Runs):
    """When the time has passed nothing is sent, and the mail says that nobody answered."""
    run_id = questions[SILENT]
    assert world.ended(SILENT, run_id).state == "failed"
    report = world.report(SILENT, run_id)
    assert (report["outcome"], report["not_sent"]) == ("declined", 12)
    assert (report["approval"]["answer"], report["approval"]["by"]) == ("no_answer", None)
    mail, _ = ends(world, SILENT, run_id)
    assert "No one approved the load; nothing was sent" in mail["Subject"]


def test_an_undo(world: World):
    """A person is asked although the tenant file has no `approval`; a yes undoes the load, and its file loads again."""
    world.deliver(UNDONE, f"patrons_{today():%Y%m%d}.csv", as_csv(people(UNDONE, 5)))
    loaded = world.ended(UNDONE, world.start(UNDONE)).run_id
    undo = world.start(UNDONE, undo=loaded)
    wait_until(lambda: world.states(UNDONE, undo)["approve"] == "awaiting_input")
    found = question_of(world, UNDONE, undo)
    assert found["subject"].endswith(": undo an earlier load?")
    assert f"Run to undo: {loaded}" in found["body"].replace("\\", "")
    assert "| Become inactive | 5 |" in found["body"]
    assert answer(world, "user", UNDONE, undo, "Approve", "it was the wrong file").is_success
    assert world.ended(UNDONE, undo).state == "success"
    report = world.report(UNDONE, undo)
    assert (report["outcome"], report["updated"], report["approval"]["by"]) == ("undone", 5, "user")
    assert not any(user.get("active") for user in world.folio.store(f"fs{UNDONE}").users if "externalSystemId" in user)
    page = world.api.http.get(f"{world.airflow.url}/patron-loads/libraries/{dag_id(UNDONE)}").text
    assert "undone later" in page
    again = world.ended(UNDONE, world.start(UNDONE)).run_id
    assert world.report(UNDONE, again)["outcome"] == "loaded"
