"""The figures of a load as Airflow's metrics, and for Prometheus."""

import httpx

from local.api import ANSWER_PATIENCE
from tests.airflow.libraries import World, dag_id, wait_until
from tests.documentation.pages import TASKS

COUNTS = ("rows", "created", "updated", "unchanged", "rejected", "failed", "skipped", "not_sent", "unconfirmed")


def test_a_load_sends_its_figures_to_statsd(world: World, loads):
    """Each count of the report arrives at a real StatsD server, for each library by its name."""
    for tenant, run_id in loads.items():
        report = world.report(tenant, run_id)
        for name in COUNTS:
            assert world.statsd.values[f"airflow.patronload.{tenant}.{name}"] == f"{report[name]}|g"


def test_the_seconds_of_each_stage_arrive_as_well(world: World, loads):
    """Airflow sends them, by the stage's name."""
    for stage in TASKS:
        name = f"airflow.dag.{dag_id('northfield')}.{stage}.duration"
        value, kind = wait_until(lambda name=name: world.statsd.values.get(name)).split("|")
        assert float(value) > 0
        assert kind == "ms"


def test_prometheus_scrapes_with_a_token(world: World, loads):
    """By the token of an account that may look at one library; without one there is nothing."""
    url = f"{world.airflow.url}/patron-loads/metrics"
    assert httpx.get(url, trust_env=False, timeout=ANSWER_PATIENCE).status_code == 401
    login = {"username": "viewer", "password": world.airflow.passwords["viewer"]}
    token = httpx.post(f"{world.airflow.url}/auth/token", json=login, trust_env=False, timeout=ANSWER_PATIENCE).json()[
        "access_token"
    ]
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=ANSWER_PATIENCE)
    report = world.report("northfield", loads["northfield"])
    assert f'patronload_last_load_rows{{tenant="northfield",result="all"}} {report["rows"]}\n' in answer.text
    assert "stclare" not in answer.text
