"""The figures of a load as Airflow's metrics, sent by a process of its own, as each task is one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.statsd import StatsdServer

# As Airflow sets them up at the start of a task.
CODE = """
import ast, sys
from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from patronload.in_airflow import metrics

legacy = conf.getboolean("metrics", "legacy_names_on")
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=legacy)
metrics.send("riverside", ast.literal_eval(sys.argv[1]))
"""

TOLD = {"outcome": "loaded", "day": "2026-11-24", "file": "a.csv", "rows": 12, "created": 10, "rejected": 2, "left": 0}


def send(told: dict[str, Any], settings: dict[str, str], project: Path, home: Path) -> str:
    """What the process printed."""
    environment = os.environ | {"PYTHONPATH": str(project / "plugins"), "AIRFLOW_HOME": str(home)} | settings
    command = [sys.executable, "-W", "ignore", "-c", CODE, repr(told)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def gauges(values: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("airflow.patronload."): value for name, value in values.items() if "patronload" in name}


def test_statsd(project, tmp_path):
    """Each count arrives under its own name and under the library's; words do not."""
    with StatsdServer() as server:
        send(TOLD, server.settings, project, tmp_path)
    counts = {"rows": "12|g", "created": "10|g", "rejected": "2|g", "left": "0|g"}
    assert gauges(server.values) == counts | {f"riverside.{name}": value for name, value in counts.items()}


def test_statsd_with_tags(project, tmp_path):
    """Where tags are switched on and old names off, the library is a tag only."""
    tags = {"AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True", "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False"}
    with StatsdServer() as server:
        send(TOLD, server.settings | tags, project, tmp_path)
    assert gauges(server.values) == {
        "rows,tenant=riverside": "12|g",
        "created,tenant=riverside": "10|g",
        "rejected,tenant=riverside": "2|g",
        "left,tenant=riverside": "0|g",
    }


@pytest.mark.parametrize("told", [TOLD | {"outcome": "dry_run"}, TOLD | {"outcome": "undone", "undo": "manual__1"}])
def test_what_is_not_the_load_of_a_library(told, project, tmp_path):
    """A dry run and an undo change no metric."""
    with StatsdServer() as server:
        send(told, server.settings, project, tmp_path)
    assert gauges(server.values) == {}


def test_a_server_that_does_not_exist(project, tmp_path):
    """The load goes on, and nothing is raised."""
    nowhere = {"AIRFLOW__METRICS__STATSD_ON": "True", "AIRFLOW__METRICS__STATSD_HOST": "statsd.invalid"}
    assert "Traceback" not in send(TOLD, nowhere, project, tmp_path)


@contextmanager
def collector(requests: list[ExportMetricsServiceRequest]) -> Iterator[int]:
    """An OpenTelemetry collector that keeps what it gets; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_opentelemetry(project, tmp_path):
    """The same gauges with the library as an attribute arrive at a collector before the process has ended."""
    requests: list[ExportMetricsServiceRequest] = []
    with collector(requests) as port:
        settings = {
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{port}/v1/metrics",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
        send(TOLD, settings, project, tmp_path)
    found = {
        (metric.name, *(attribute.value.string_value for attribute in point.attributes)): point.as_int
        for request in requests
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.gauge.data_points
    }
    assert found["airflow.patronload.created", "riverside"] == 10
    assert found["airflow.patronload.rows", "riverside"] == 12
