"""The loads for other programs: JSON, and the text format of Prometheus."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from patronload.in_airflow.pages import attention, figures
from tests.pages.conftest import Rights, Site
from tests.pages.test_attention import library, load

EVIL = 'Riverside "Library"\\\nof all {places}'


@pytest.fixture
def loaded(site: Site, counted) -> Site:
    """Two libraries, of which someone may read one; its last run was a dry run."""
    for name, title in (("riverside", EVIL), ("ashford", "Ashford")):
        dag_id = site.add_library(name, f"Patron load: {title}", is_paused=name == "riverside")
        site.add_loads(
            dag_id, [counted(created=4), counted("loaded_with_rejects", rejected=2) | {"left": 3}, counted("dry_run")]
        )
    site.rights = Rights(read=frozenset({"patron_load__riverside"}))
    return site


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Name and the values of the labels but the tenant's -> the number, as Prometheus reads it."""
    return {
        (each.name, *(value for label, value in each.labels.items() if label != "tenant")): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def test_prometheus_reads_the_metrics(loaded: Site):
    """Its own client parses them, whatever a library is called; the last load is no dry run."""
    answer = loaded.get("/metrics")
    assert answer.headers["content-type"] == figures.PROMETHEUS
    found = samples(answer.text)
    assert found["patronload_library_info", EVIL] == 1
    assert found["patronload_library_switched_off",] == 1
    assert found["patronload_library_problems",] == 1
    assert found["patronload_last_load_succeeded",] == 1
    assert found["patronload_last_load_rows", "created"] == 10
    assert found["patronload_last_load_rows", "rejected"] == 2
    assert found["patronload_last_load_rows", "left"] == 3
    assert found["patronload_last_load_rows", "all"] == 12
    families = list(text_string_to_metric_families(answer.text))
    assert [family.name for family in families] == [f"patronload_{name}" for name in figures.METRICS]
    assert all(family.type == "gauge" and family.documentation for family in families)


def test_each_metric_is_there_once_for_a_library(loaded: Site):
    """A scrape with a sample twice is refused as a whole."""
    lines = [line for line in loaded.get("/metrics").text.splitlines() if not line.startswith("#")]
    names = sorted(line.rpartition(" ")[0] for line in lines)
    assert names
    assert not [one for one, next_one in pairwise(names) if one == next_one]


def test_only_libraries_that_one_may_read(loaded: Site):
    """Both show what the page over all libraries would show, and nothing of others."""
    for path in ("/metrics", "/loads.json"):
        text = loaded.get(path).text
        assert "riverside" in text
        assert "ashford" not in text.casefold()


def test_the_loads_as_json(loaded: Site):
    """Each library with what needs attention, and its loads, the newest first."""
    answer = loaded.get("/loads.json?most=2")
    assert answer.headers["content-type"] == "application/json"
    (told,) = answer.json()["libraries"]
    assert (told["tenant"], told["library"], told["switched_off"]) == ("riverside", EVIL, True)
    assert told["attention"] == ["The DAG is switched off."]
    assert [one["outcome"] for one in told["loads"]] == ["dry_run", "loaded_with_rejects"]
    assert told["loads"][1]["figures"]["rejected"] == 2
    began = datetime.fromisoformat(told["loads"][1]["began"])
    assert began.tzinfo is not None
    assert told["loads"][1]["run_id"].startswith(f"manual__{began.astimezone(UTC):%Y-%m-%dT%H:%M:%S}")


@pytest.mark.parametrize("query", ["most=0", "most=31", "quiet_days=0", "most=x"])
def test_what_cannot_be_asked_for(loaded: Site, query: str):
    """Refused, and not cut down to something else."""
    assert loaded.get(f"/loads.json?{query}").status_code == 422


EVERY_NIGHT, MONTHLY = "30 2 * * *", "30 2 1 * *"


@pytest.mark.parametrize(
    ("days_ago", "changes", "alarm"),
    [
        pytest.param(8, {"schedule": EVERY_NIGHT}, True, id="a week without a good load"),
        pytest.param(6, {"schedule": EVERY_NIGHT}, False, id="not so long"),
        pytest.param(8, {"schedule": None}, False, id="loaded by hand"),
        pytest.param(8, {"schedule": EVERY_NIGHT, "paused": True}, False, id="switched off, which is another sentence"),
        pytest.param(20, {"schedule": MONTHLY}, False, id="its next day is still to come"),
        pytest.param(30, {"schedule": MONTHLY}, True, id="its day has passed"),
    ],
)
def test_a_library_that_falls_silent(days_ago: int, changes: dict[str, Any], alarm: bool):
    """No good load for a week, though its schedule had a day in it: named with the last good one."""
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    good = now - timedelta(days=days_ago)
    loads = [
        load("no_file", state="failed", day=f"{now - timedelta(days=1):%Y-%m-%d}"),
        load(day=f"{good:%Y-%m-%d}", began=good, ended=good),
    ]
    sentence = f"No load has succeeded since {good:%d %b}."
    assert (sentence in attention.needs(library(*loads, **changes), now)) is alarm
