"""The DAGs that go for all libraries, by the scheduler."""

import json
import os
import time

from tests.airflow.libraries import World, text_of


def test_what_is_old_is_taken_away(world: World, loads):
    """A run of a library that is long gone goes; the loads of these tests, which are young, stay whole."""
    old = world.artifacts / "longgone" / "manual__2020-01-01T00:00:00+00:00__x"
    old.mkdir(parents=True)
    for name in ("report.json", "export.csv"):
        (old / name).write_text("{}")
        os.utime(old / name, (time.time() - 40 * 86400,) * 2)
    before = set(world.folder("northfield", loads["northfield"]).rglob("*"))
    assert ended(world, "patron_loads_purge") == "success"
    assert sorted(file.name for file in old.iterdir()) == ["purged.json", "report.json"]
    assert set(world.folder("northfield", loads["northfield"]).rglob("*")) == before


def test_the_weekly_mail(world: World, loads):
    """One mail for all the libraries that name the address, not one for each."""
    assert ended(world, "patron_loads_digest") == "success"
    # Airflow makes up for last Monday's run, too, as soon as the DAG is switched on.
    runs = [world.api.wait("patron_loads_digest", run.run_id) for run in world.api.runs("patron_loads_digest")]
    mails = [mail for mail in world.sandbox.mail.mails if "weekly@consortium.example" in mail["X-RcptTo"]]
    assert len(mails) == len(runs)
    for mail in mails:
        assert "ASHFORD LIBRARY" in text_of(mail)
        assert "BEXLEY LIBRARY" in text_of(mail)


def test_what_needs_attention_is_mailed(world: World, stopped):
    """A DAG asks Airflow with an account, and mails those on call: loads that failed, and none that was good."""
    world.ended("ashford", stopped["ashford"])
    extra = {"mail_to": "watch@consortium.example"}
    fields = {"conn_type": "http", "host": world.airflow.url, "extra": json.dumps(extra)}
    account = {"login": "user", "password": world.airflow.passwords["user"]}
    connection = {"connection_id": "patronload_airflow"} | fields | account
    world.api.http.post("connections", json=connection).raise_for_status()
    assert ended(world, "patron_loads_attention") == "success"
    mail = next(mail for mail in world.sandbox.mail.mails if mail["X-RcptTo"] == "watch@consortium.example")
    assert "ASHFORD LIBRARY\nThe last load was stopped; nothing was sent." in text_of(mail)
    assert world.airflow.passwords["user"] not in text_of(mail)


def ended(world: World, dag_id: str) -> str:
    """The state in which a run by hand has ended."""
    world.api.wait_for_dag(dag_id)
    run_id = world.api.trigger(dag_id)
    world.api.unpause(dag_id)
    return world.api.wait(dag_id, run_id).state
