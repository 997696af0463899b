"""The Grafana dashboard in deploy/ shows what the metrics have."""

import json
import re
from typing import Any

import pytest

from patronload.in_airflow.pages import figures, loads
from patronload.stages import report

METRIC = re.compile(r"\bpatronload_(\w+)")


@pytest.fixture(scope="module")
def dashboard(project) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((project / "deploy" / "grafana" / "patron-loads.json").read_text())
    return loaded


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_it_asks_for_metrics_that_exist(dashboard):
    """Every metric in it is one of the pages', and nearly every one of these is shown."""
    named = {name for expression in expressions(dashboard) for name in METRIC.findall(expression)}
    assert named <= figures.METRICS.keys()
    assert len(named) > len(figures.METRICS) * 2 / 3


def test_it_asks_for_labels_that_exist(dashboard):
    """What a load can wait for, and what can become of a row, is written as the metrics write it."""
    text = " ".join(expressions(dashboard))
    assert set(re.findall(r'for="(.*?)"', text)) <= {loads.FOR_FILE, loads.FOR_ANSWER, loads.FOR_EARLIER_DAYS}
    results = {name for found in re.findall(r'result!?=~?"(.*?)"', text) for name in found.split("|")}
    assert results <= {"all", *report.FIGURES, *report.FIGURES_OF_PEOPLE}


def test_every_panel_follows_the_choice_of_libraries(dashboard):
    """A panel that ignored the choice would show figures of other libraries beside those of the chosen ones."""
    for expression in expressions(dashboard):
        assert 'tenant=~"$tenant"' in expression
    assert {each["name"] for each in dashboard["templating"]["list"]} == {"datasource", "tenant"}


def test_its_panels_do_not_cover_one_another(dashboard):
    """Each has an id and a place of its own."""
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_page_lists_every_metric(project):
    """docs/monitoring.md explains them all, and no other."""
    text = (project / "docs" / "monitoring.md").read_text()
    assert re.findall(r"^\| `patronload_(\w+)` \|", text, re.MULTILINE) == list(figures.METRICS)
