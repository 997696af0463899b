"""The sandbox's S3 server: SeaweedFS, started and stopped as the demo does."""

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from sandbox.s3 import KEEPS_ANOTHER_TIME, S3Server


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def server(folder):
    with S3Server(folder, ["artifacts"]) as running:
        yield running


def test_objects_are_stored_and_read(server):
    """The bucket asked for is there."""
    client = server.client()
    client.put_object(Bucket="artifacts", Key="northfield/run:1+2/report.json", Body=b"{}")
    assert client.get_object(Bucket="artifacts", Key="northfield/run:1+2/report.json")["Body"].read() == b"{}"


def test_an_object_can_be_written_only_if_it_is_not_there(server):
    """Conditional writes, as real S3 has them."""
    client = server.client()
    client.put_object(Bucket="artifacts", Key="once", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket="artifacts", Key="once", Body=b"2", IfNoneMatch="*")


@pytest.mark.skipif(KEEPS_ANOTHER_TIME, reason="on another day the server takes every signature")
def test_wrong_keys_open_nothing(server):
    """The keys of the description are the only ones."""
    wrong = boto3.client(
        "s3", endpoint_url=server.url, aws_access_key_id="A", aws_secret_access_key="B", region_name="us-east-1"
    )
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        wrong.list_buckets()


def test_it_listens_on_loopback_only(server):
    """None of SeaweedFS's eight ports is open to others."""
    listening = [each for each in psutil.Process(server.process_id).net_connections() if each.status == "LISTEN"]
    assert len(listening) >= 4
    assert {each.laddr.ip for each in listening} == {"127.0.0.1"}


def test_a_program_that_cannot_start_says_why(tmp_path, server):
    """A port that is taken is an error, and leaves no process."""
    second = S3Server(tmp_path, port=server.port)
    with pytest.raises(RuntimeError, match=f"port {server.port} is taken"):
        second.start()
    assert second.process_id is None


@pytest.mark.skipif(KEEPS_ANOTHER_TIME, reason="on another day the server has no keys that could outlive it")
def test_objects_and_keys_outlive_a_restart_and_a_killed_owner(server, folder):
    """Runs last: a server started in the folder of one that was left behind ends it and has its objects."""
    server.client().put_object(Bucket="artifacts", Key="kept", Body=b"1")
    left_behind = psutil.Process(server.process_id)
    with S3Server(folder, ["artifacts"], access_key=server.access_key, secret_key=server.secret_key) as again:
        assert not left_behind.is_running() or left_behind.status() == psutil.STATUS_ZOMBIE
        assert again.client().get_object(Bucket="artifacts", Key="kept")["Body"].read() == b"1"
        process = again.process_id
    assert not psutil.pid_exists(process)
