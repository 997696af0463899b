"""A folder of this machine, and a bucket of a real S3 server."""

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from patronload import sources
from patronload.config.source import FolderSource
from patronload.errors import ConfigError, SourceError, TransientError
from sandbox.s3 import S3Server
from tests.sources.places import DAY, EXPORT, TEN_MEGABYTES, Interrupted, fetch_folder, put


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS with the bucket `exports`."""
    with S3Server(tmp_path_factory.mktemp("s3"), ["exports"]) as running:
        yield running


def connection(s3: S3Server, **given: Any) -> str:
    """An Airflow connection to it, right in all that is not given."""
    fields = {"conn_type": "aws", "login": s3.access_key, "password": s3.secret_key}
    return json.dumps({**fields, "extra": {"endpoint_url": s3.url, "region_name": "us-east-1"}, **given})


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch, fresh_stores: None) -> Iterator[Any]:
    """A boto3 client; the bucket is empty, and Airflow has the connection `library_s3`."""
    monkeypatch.setenv("AIRFLOW_CONN_LIBRARY_S3", connection(s3))
    client = s3.client()
    yield client
    for found in client.list_objects_v2(Bucket="exports").get("Contents", []):
        client.delete_object(Bucket="exports", Key=found["Key"])


@pytest.fixture
def fresh_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow keeps what it has opened for the life of the process, a task's life; each test is a life of its own."""
    from airflow.sdk.io import store

    monkeypatch.setattr(store, "_STORE_CACHE", {})


def test_takes_an_object_of_a_bucket(bucket: Any) -> None:
    """Byte for byte, with name, size, time and hash; the path is told without the connection."""
    bucket.put_object(Bucket="exports", Key="northfield/patrons #1.csv", Body=TEN_MEGABYTES)
    taken = fetch_folder("s3://library_s3@exports/northfield/patrons #1.csv")
    there = bucket.head_object(Bucket="exports", Key="northfield/patrons #1.csv")
    assert taken.content == TEN_MEGABYTES
    assert taken.delivered.name == "patrons #1.csv"
    assert taken.delivered.path == "s3://exports/northfield/patrons #1.csv"
    assert taken.delivered.size == len(TEN_MEGABYTES)
    assert taken.delivered.modified == there["LastModified"]
    assert taken.delivered.sha256 == hashlib.sha256(TEN_MEGABYTES).hexdigest()


def test_takes_an_empty_object(bucket: Any) -> None:
    """What an empty export means is for validate to say."""
    bucket.put_object(Bucket="exports", Key="empty.csv", Body=b"")
    assert fetch_folder("s3://library_s3@exports/empty.csv").delivered.size == 0


@pytest.mark.parametrize(
    "path", ["out/patrons_*.csv", "out/patrons_202611??.csv", "o*/patrons_*.csv", "*/patrons_[2]*.csv"]
)
def test_takes_the_newest_object(bucket: Any, path: str) -> None:
    """Time is to the second there; so of one second the last by name."""
    for name in ("patrons_20261120.csv", "patrons_20261121.csv", "patrons_20261122.txt", "deeper/patrons_20261123.csv"):
        bucket.put_object(Bucket="exports", Key=f"out/{name}", Body=name.encode())
    assert fetch_folder(f"s3://library_s3@exports/{path}").delivered.name == "patrons_20261121.csv"


def test_sees_what_has_come_since(bucket: Any) -> None:
    """s3fs remembers what it has seen; an export that is new or gone is seen all the same."""
    with pytest.raises(SourceError):
        fetch_folder("s3://library_s3@exports/out/*.csv")
    bucket.put_object(Bucket="exports", Key="out/a.csv", Body=b"a")
    assert fetch_folder("s3://library_s3@exports/out/*.csv").content == b"a"
    bucket.put_object(Bucket="exports", Key="out/b.csv", Body=b"b")
    assert fetch_folder("s3://library_s3@exports/out/*.csv").content == b"b"
    bucket.delete_object(Bucket="exports", Key="out/b.csv")
    assert fetch_folder("s3://library_s3@exports/out/*.csv").content == b"a"


def test_a_missing_object_is_named_with_what_is_there_instead(bucket: Any) -> None:
    """The same sentences as for an SFTP server."""
    bucket.put_object(Bucket="exports", Key="out/a.csv", Body=b"a")
    with pytest.raises(
        SourceError, match=r"^There is no file s3://exports/out/x\.csv \(library_s3\)\. The newest there: a\.csv\.$"
    ):
        fetch_folder("s3://library_s3@exports/out/x.csv")
    with pytest.raises(
        SourceError, match=r"^No file matches s3://exports/out/x\* \(library_s3\)\. The newest there: a\.csv\.$"
    ):
        fetch_folder("s3://library_s3@exports/out/x*")
    with pytest.raises(
        SourceError, match=r"^There is no file s3://exports/in/x\.csv \(library_s3\): there is no such folder\.$"
    ):
        fetch_folder("s3://library_s3@exports/in/x.csv")
    with pytest.raises(SourceError, match=r"s3://no-such-bucket/x\.csv \(library_s3\): there is no such folder\.$"):
        fetch_folder("s3://library_s3@no-such-bucket/x.csv")
    with pytest.raises(SourceError, match=r"s3://exports/out \(library_s3\) is a folder"):
        fetch_folder("s3://library_s3@exports/out")


def test_an_object_that_is_replaced_while_it_is_read_is_not_taken(bucket: Any) -> None:
    """A bucket shows only whole objects, but half of one and half of another is neither."""
    bucket.put_object(Bucket="exports", Key="a.csv", Body=TEN_MEGABYTES)

    def replace() -> None:
        bucket.put_object(Bucket="exports", Key="a.csv", Body=TEN_MEGABYTES[:-1])

    with pytest.raises(TransientError):
        fetch_folder("s3://library_s3@exports/a.csv", Interrupted(replace))


@pytest.mark.parametrize("path", ["a.csv", "*.csv"])
@pytest.mark.parametrize("wrong", [{"login": "WRONG"}, {"password": "wrong-secret"}])
def test_a_wrong_key_is_told_with_the_connection(
    bucket: Any, s3: S3Server, monkeypatch: pytest.MonkeyPatch, path: str, wrong: dict[str, str]
) -> None:
    """S3 says of a wrong login and of a closed file alike no more than 403; either way the message names the login."""
    monkeypatch.setenv("AIRFLOW_CONN_LIBRARY_S3", connection(s3, **wrong))
    with pytest.raises((ConfigError, SourceError), match="library_s3") as caught:
        fetch_folder(f"s3://library_s3@exports/{path}")
    assert "wrong-secret" not in str(caught.value)


def test_a_bucket_that_is_down(s3: S3Server, monkeypatch: pytest.MonkeyPatch, fresh_stores: None) -> None:
    """It may be up again for the next try."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        extra = {"endpoint_url": url, "config_kwargs": {"retries": {"max_attempts": 0}}}
        monkeypatch.setenv("AIRFLOW_CONN_LIBRARY_S3", connection(s3, extra=extra))
        with pytest.raises(TransientError, match=r"s3:// \(connection 'library_s3'\) cannot be read"):
            fetch_folder("s3://library_s3@exports/a.csv")


def test_a_missing_connection_is_no_reason_to_try_another_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow would go on with the login of the machine, and read somebody else's bucket."""
    with pytest.raises(ConfigError, match="No Airflow connection is called 'nowhere'"):
        fetch_folder("s3://nowhere@exports/a.csv")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("exports/a.csv", "is not an absolute path"),
        ("*.csv", "is not an absolute path"),
        ("nosuch://exports/a.csv", r"cannot be read.*Write /folder/file or s3://connection@bucket/file"),
    ],
)
def test_a_path_that_leads_nowhere(path: str, sentence: str) -> None:
    """A slip in the tenant file."""
    with pytest.raises(ConfigError, match=sentence):
        fetch_folder(path)


def test_a_pipe_is_no_export(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        fetch_folder(f"{tmp_path}/pipe")


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    """Named like a folder in the path."""
    put(tmp_path, "outgoing")
    for path in ("outgoing/a.csv", "outgoing/*.csv"):
        with pytest.raises(SourceError, match=r"outgoing/"):
            fetch_folder(f"{tmp_path}/{path}")


@pytest.mark.skipif(os.geteuid() == 0, reason="the system lets root read everything")
def test_a_file_that_we_may_not_read(tmp_path: Path) -> None:
    """Only its owner can help."""
    put(tmp_path, "a.csv").chmod(0)
    with pytest.raises(SourceError, match="no permission to read"):
        fetch_folder(f"{tmp_path}/a.csv")


def test_reads_into_any_file(tmp_path: Path) -> None:
    """The run's own file, for example."""
    put(tmp_path, "a.csv")
    with (tmp_path / "into").open("wb") as into:
        path = f"file://{tmp_path}/a.csv"
        sources.fetch(FolderSource(type="folder", path=path, quiet_seconds=0), path, into, day=DAY)
    assert (tmp_path / "into").read_bytes() == EXPORT


def test_is_cheap_to_import(project: Path) -> None:
    """Airflow reads the DAG file again and again; what is slow is loaded when an export is fetched."""
    slow = ("airflow", "paramiko", "asyncssh", "botocore", "s3fs", "fsspec", "polars")
    program = f"import sys, patronload.sources; print([name for name in {slow} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(project / "plugins")}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("path", ["exports/*.csv", "exports/patrons.csv", "exports/sub*/patrons.csv"])
def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path, path: str) -> None:
    """Whoever may put a file there could otherwise have any file of the machine loaded; a link within it is fine."""
    put(tmp_path, "secret/patrons.csv", b"another library's")
    put(tmp_path, "exports/archive/real.csv")
    (tmp_path / "exports/patrons.csv").symlink_to(tmp_path / "secret/patrons.csv")
    (tmp_path / "exports/sub1").symlink_to(tmp_path / "secret")
    with pytest.raises(SourceError, match=r"leads out of its folder|No file matches"):
        fetch_folder(f"{tmp_path}/{path}")
    (tmp_path / "exports/patrons.csv").unlink()
    (tmp_path / "exports/patrons.csv").symlink_to("archive/real.csv")
    assert fetch_folder(f"{tmp_path}/exports/patrons.csv").content == EXPORT


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_date_in_a_folders_name_is_no_way_out_of_it(tmp_path: Path, scheme: str) -> None:
    """The sender makes these folders, and one could be a link to another library's."""
    put(tmp_path, "secret/patrons.csv", b"another library's")
    put(tmp_path, "exports/2026-11-20/patrons.csv")
    (tmp_path / "exports/2026-11-21").symlink_to(tmp_path / "secret")
    source = FolderSource(
        type="folder", path=f"{scheme}{tmp_path}/exports/{{date:%Y-%m-%d}}/patrons.csv", quiet_seconds=0
    )
    with pytest.raises(SourceError, match="leads out of its folder"):
        sources.fetch(source, source.path_on(date(2026, 11, 21)), io.BytesIO(), day=DAY)
    (tmp_path / "exports/2026-11-21").unlink()
    (tmp_path / "exports/2026-11-21").symlink_to("2026-11-20")
    for day in (20, 21):
        into = io.BytesIO()
        sources.fetch(source, source.path_on(date(2026, 11, day)), into, day=DAY)
        assert into.getvalue() == EXPORT


def test_a_link_to_itself_does_not_close_its_folder(tmp_path: Path) -> None:
    """Whoever may put a file there could otherwise stop the library's loads; it is none of the exports."""
    put(tmp_path, "exports/a.csv")
    (tmp_path / "exports" / "b.csv").symlink_to("b.csv")
    assert fetch_folder(f"{tmp_path}/exports/*.csv").content == EXPORT
    with pytest.raises(TransientError, match=f"^{tmp_path}/exports cannot be read"):
        fetch_folder(f"{tmp_path}/exports/b.csv")
