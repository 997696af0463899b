"""A load by the scheduler whose artifacts go to object storage."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from local.airflow import LocalAirflow
from local.stand_ins import LIBRARIES
from sandbox import connections
from sandbox.everything import BUCKET, Sandbox
from tests.airflow.libraries import READY_TASKS, accounted, copy_of_include, dag_id, deliver_demo_exports

# An Airflow of its own, so it may run beside the others.
pytestmark = pytest.mark.xdist_group("airflow-with-a-bucket")

TENANT = LIBRARIES[1].tenant


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """SFTP, FOLIO, mail, and a real S3 server with a bucket."""
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


def test_a_load_with_its_artifacts_in_a_bucket(sandbox: Sandbox, tmp_path: Path):
    """One setting and a connection put the whole folder of a run into a bucket; nothing else changes."""
    export = deliver_demo_exports(sandbox)[TENANT]
    environment = {
        **READY_TASKS,
        **connections(sandbox.description),
        "PATRONLOAD_INCLUDE": str(copy_of_include(tmp_path / "include")),
        "PATRONLOAD_ARTIFACTS": f"s3://artifacts@{BUCKET}/loads",
    }
    with LocalAirflow(tmp_path / "airflow", environment=environment, triggerer=False) as airflow:
        airflow.api.wait_for_dag(dag_id(TENANT))
        airflow.api.unpause(dag_id(TENANT))
        run_id = airflow.api.trigger(dag_id(TENANT))
        run = airflow.api.wait(dag_id(TENANT), run_id, timeout=240)
    assert run.state == "success"
    found = objects(sandbox, f"loads/{TENANT}/{run_id}/")
    assert found.keys() == {
        "export.csv",
        "export.json",
        "rows.parquet",
        "ragged.parquet",
        "rows.json",
        "validation.json",
        "rejects/validate.parquet",
        "rejects/transform.parquet",
        "rejects/plan.parquet",
        "rejects.csv",
        "patrons.parquet",
        "plan.json",
        "planned.parquet",
        *(f"{place}/000{chunk}.json{end}" for chunk in (1, 2) for place, end in PARTS.items()),
        "report.json",
        "report.html",
    }
    assert found["export.csv"] == export.content
    report = json.loads(found["report.json"])
    assert report["outcome"] == "loaded_with_rejects"
    assert report["rows"] == accounted(report) == len(export.rows)
    assert report["created"] == len(sandbox.folio.store("fs00005678").users)
    assert report["created"] == pl.read_parquet(found["patrons.parquet"]).height
    (mail,) = sandbox.mail.mails
    assert f"s3://artifacts@{BUCKET}/loads/{TENANT}" in mail.as_string().replace("=\n", "")


PARTS = {"chunks": ".zst", "sent": "", "results": ""}


def objects(sandbox: Sandbox, prefix: str) -> dict[str, bytes]:
    """Everything below the prefix, by its name there."""
    assert sandbox.s3 is not None
    client: Any = sandbox.s3.client()
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    return {
        each["Key"].removeprefix(prefix): client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        for each in listed
    }
