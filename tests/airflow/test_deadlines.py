"""A load that has not ended in time: Airflow's own deadline alert sends a mail."""

from tests.airflow.libraries import OVERDUE, World, as_csv, people, text_of, today, wait_until


def test_those_on_call_get_a_mail_while_the_load_goes_on(world: World, overdue: str):
    """To the library's contacts for failures, naming the run; the load waits on, and loads what comes."""
    told = "The load has not ended after 1 minute (Seaton Library, "
    (mail,) = wait_until(lambda: [each for each in world.sandbox.mail.mails if str(each["Subject"]).startswith(told)])
    assert "oncall" in mail["X-RcptTo"]
    assert f"{world.airflow.url}/dags/patron_load__{OVERDUE}/runs/" in text_of(mail)
    assert world.api.run(f"patron_load__{OVERDUE}", overdue).state == "running"
    world.deliver(OVERDUE, f"patrons_{today():%Y%m%d}.csv", as_csv(people(OVERDUE, 5)))
    assert world.ended(OVERDUE, overdue).state == "success"
