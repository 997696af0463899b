"""A load by the scheduler whose artifacts go to object storage."""

import io
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest

from local.stand_ins import LIBRARIES
from patronload.artifacts import purging
from patronload.artifacts import run as runs
from patronload.artifacts.encryption import MAGIC, Cipher
from patronload.config.tenants import Keep
from sandbox import connections
from sandbox.everything import BUCKET, Sandbox
from tests.airflow.libraries import BucketWorld, accounted, dag_id

# An Airflow of its own, so it may run beside that of most tests; but no third one beside them.
pytestmark = pytest.mark.xdist_group("other-airflows")

TENANT = LIBRARIES[1].tenant


def test_a_load_with_its_artifacts_in_a_bucket(bucket_world: BucketWorld):
    """
    One setting and a connection put the whole folder of a run into a bucket; another one, with a key that somebody
    typed into Airflow, encrypts all of it. Nothing else changes, and no log and no database shows the key.
    """
    sandbox, api, key = bucket_world.sandbox, bucket_world.airflow.api, bucket_world.key
    export = bucket_world.demo_exports[TENANT]
    run_id = bucket_world.start(TENANT)
    run = bucket_world.ended(TENANT, run_id)
    # The API server has the same setting and the same connection.
    address = f"{bucket_world.airflow.url}/patron-loads/runs/{dag_id(TENANT)}/{quote(run_id)}"
    page = api.http.get(address).raise_for_status().text
    rejects = api.http.get(f"{address}/rejects.csv").raise_for_status().content
    assert run.state == "success"
    home = bucket_world.airflow.home
    assert not any(key.encode() in path.read_bytes() for path in home.rglob("*") if path.is_file())
    found = decrypted(objects(sandbox, f"loads/{TENANT}/{run_id}/"), key)
    assert found.keys() == {
        "export.csv",
        "export.json",
        "rows.parquet",
        "ragged.parquet",
        "rows.json",
        "validation.json",
        "validation.html",
        "failing.parquet",
        "fields.json",
        "noted.parquet",
        "gates.json",
        "rejects/validate.parquet",
        "rejects/transform.parquet",
        "rejects/plan.parquet",
        "rejects.csv",
        "rejects.xlsx",
        "patrons.parquet",
        "plan.json",
        "planned.parquet",
        "skipped.parquet",
        "noted_transform.parquet",
        "unchanged.parquet",
        "changes.parquet",
        "before.parquet",
        "remembered.json",
        "ledger_changes.parquet",
        *(f"{place}/000{chunk}.json{end}" for chunk in (1, 2) for place, end in PARTS.items()),
        "report.json",
        "report.html",
    }
    assert found["export.csv"] == export.content
    # What the next load is compared with; without ids, for this library's exports hold updates.
    (entry,) = map(json.loads, decrypted(objects(sandbox, f"loads/{TENANT}/.history/"), key).values())
    assert (entry["run"], entry["rows"]) == (run_id, len(export.rows))
    report = json.loads(found["report.json"])
    assert report["outcome"] == "loaded_with_rejects"
    assert report["rows"] == accounted(report) == len(export.rows)
    assert report["created"] == len(sandbox.folio.store("fs00005678").users)
    assert report["created"] == pl.read_parquet(found["planned.parquet"]).height
    # The plan decides who of two rows with one barcode keeps it.
    set_aside = pl.read_parquet(found["rejects/plan.parquet"])["row"].n_unique()
    assert report["created"] + set_aside == pl.read_parquet(found["patrons.parquet"]).height
    assert f"{report['created']:,} patrons are loaded" in page
    assert rejects == found["rejects.csv"]
    (mail,) = (mail for mail in sandbox.mail.mails if mail["X-Patronload-Run"] == run_id)
    assert mail["Subject"].startswith(f"{report['created']:,} patrons are loaded")
    # A contact's mail is in a contact's words: where the artifacts are is for people on call.
    assert "s3://" not in mail.as_string().replace("=\n", "")


def test_what_is_old_goes_from_a_bucket_too(bucket_world: BucketWorld, monkeypatch: pytest.MonkeyPatch):
    """First what holds patrons, then the rest; another library's objects stay. Their age is by the storage's clock."""
    sandbox = bucket_world.sandbox
    for name, told in connections(sandbox.description).items():
        monkeypatch.setenv(name, told)
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"s3://artifacts@{BUCKET}/loads")
    for tenant in ("aged", "other"):
        run = runs.open_run(tenant, "manual__2026-01-01T00:00:00+00:00")
        for name in ("export.csv", "report.json", "results/0001.json"):
            run.write(name, b"{}")
    assert {"aged", "other"} <= set(runs.all_tenants())
    now = last_written(sandbox, "loads/aged/")
    assert purging.purge("aged", Keep(), now + timedelta(days=31), lambda *_: False) == (1, 0)
    (folder,) = {name.partition("/")[0] for name in objects(sandbox, "loads/aged/")}
    assert objects(sandbox, f"loads/aged/{folder}/").keys() == {"report.json", "purged.json"}
    assert purging.purge("aged", Keep(), now + timedelta(days=401), lambda *_: False) == (0, 1)
    assert runs.all_runs("aged") == []
    assert len(objects(sandbox, "loads/other/")) == 3


PARTS = {"chunks": ".zst", "sent": "", "results": ""}


def decrypted(files: dict[str, bytes], key: str) -> dict[str, bytes]:
    """Files that are encrypted, all of them."""
    assert all(content.startswith(MAGIC) for content in files.values())
    cipher = Cipher(key, "the test")
    return {name: cipher.decrypt(io.BytesIO(content), name).getvalue() for name, content in files.items()}


def last_written(sandbox: Sandbox, prefix: str) -> datetime:
    """When the storage took the newest object below the prefix, by its own clock."""
    assert sandbox.s3 is not None
    client: Any = sandbox.s3.client()
    written: list[datetime] = [
        each["LastModified"] for each in client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    ]
    return max(written)


def objects(sandbox: Sandbox, prefix: str) -> dict[str, bytes]:
    """Everything below the prefix, by its name there."""
    assert sandbox.s3 is not None
    client: Any = sandbox.s3.client()
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    return {
        each["Key"].removeprefix(prefix): client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        for each in listed
    }
