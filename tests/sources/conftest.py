"""A real SFTP server, and connections to it."""

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patronload import sources
from patronload.config.source import SftpSource
from sandbox.sftp import KeyPair, SftpAccount, SftpServer, new_key_pair
from tests.sources.places import DAY, PASSWORD, Fetch, Taken


@pytest.fixture(scope="session")
def key() -> KeyPair:
    """The key of the account that comes with one."""
    return new_key_pair()


@pytest.fixture
def server(tmp_path: Path, key: KeyPair) -> Iterator[SftpServer]:
    """Two accounts: `stclare` with a password, `northfield` with a key."""
    accounts = [SftpAccount("stclare", password=PASSWORD), SftpAccount("northfield", public_key=key.public)]
    with SftpServer(tmp_path / "sftp", accounts) as running:
        yield running


@pytest.fixture
def home(server: SftpServer) -> Path:
    """The folder of the account `stclare`."""
    return server.folder("stclare")


@pytest.fixture
def connect(server: SftpServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make the Airflow connection `stclare_sftp`, right in all that is not given; None leaves something out."""

    def connect(extra: dict[str, Any] | None = None, **given: Any) -> str:
        fields = {"conn_type": "sftp", "host": server.host, "port": server.port, "login": "stclare"}
        fields |= {"password": PASSWORD, **given}
        fields["extra"] = without_none({"host_key": server.host_key, "look_for_keys": "false", **(extra or {})})
        monkeypatch.setenv("AIRFLOW_CONN_STCLARE_SFTP", json.dumps(without_none(fields)))
        return "stclare_sftp"

    return connect


@pytest.fixture
def fetch_sftp(connect: Callable[..., str]) -> Fetch:
    """Fetch a path of the account `stclare`, or by the connection that the test has made."""

    def fetch(path: str, into: io.BytesIO | None = None, quiet_seconds: float = 0) -> Taken:
        if "AIRFLOW_CONN_STCLARE_SFTP" not in os.environ:
            connect()
        source = SftpSource(type="sftp", connection="stclare_sftp", path=path, quiet_seconds=quiet_seconds)
        into = into or io.BytesIO()
        return Taken(sources.fetch(source, path, into, day=DAY), into.getvalue())

    return fetch


def without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
