"""What every test finds: where the project is, and where to keep what a person may want to look at."""

import json
import os
import socket
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sandbox.s3 import S3Server
from tests.own_folder import Watch

# What the home of whoever runs the tests has (keys, .netrc, .aws) must not matter, and nothing is written there:
# Airflow writes a configuration into its own home as soon as it is imported.
_home = tempfile.TemporaryDirectory(prefix="tmp-patronload-tests-")
os.environ |= {"HOME": _home.name, "AIRFLOW_HOME": f"{_home.name}/airflow"}

# The same examples every time, and no limit on their seconds, which a busy machine exceeds.
# `make test` with PYTEST_ADDOPTS=--hypothesis-profile=explore tries other ones.
_unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.register_profile("repeatable", _unhurried, derandomize=True)
settings.register_profile("explore", _unhurried)
# `make fuzz`: more and other examples. What it finds is printed; keep it as an @example of its test.
_examples = int(os.environ.get("PATRONLOAD_FUZZ_EXAMPLES") or 1_000)
settings.register_profile("fuzz", _unhurried, max_examples=_examples, print_blob=True)
settings.load_profile("repeatable")

PROJECT = Path(__file__).resolve().parent.parent

pytest_plugins = ["tests.line_coverage"]

IN_USE = pytest.StashKey[dict[str, ExitStack]]()
"""Fixture that tests of several files share -> what it keeps running."""


def pytest_unconfigure() -> None:
    """Leave nothing in the temporary folder."""
    _home.cleanup()


@pytest.fixture(scope="session")
def until_last_use(request: pytest.FixtureRequest) -> Iterator[Callable[[str], ExitStack]]:
    """
    A stack that is closed after the last test that uses the fixture of this name.

    A fixture of the session would end with the session, and an Airflow that idles takes a quarter of a core.
    """
    in_use = request.config.stash.setdefault(IN_USE, {})
    yield lambda name: in_use.setdefault(name, ExitStack())
    for stack in in_use.values():  # of tests that did not come to their end
        stack.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """See until_last_use. Each worker collects all tests, and runs those of a group in their order."""
    yield
    in_use = item.config.stash.get(IN_USE, {})
    for name in [name for name in in_use if name in _fixtures(item)]:
        if item is next(each for each in reversed(item.session.items) if name in _fixtures(each)):
            in_use.pop(name).close()


def _fixtures(item: pytest.Item) -> Collection[str]:
    return getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def _writes(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    return Watch(tmp_path_factory.getbasetemp())


@pytest.fixture(autouse=True)
def _own_folder(_writes: Watch) -> Iterator[None]:
    """A test that writes outside its own folder fails."""
    _writes.found.clear()
    yield
    assert _writes.found == [], "A test writes into its own folder only, tmp_path."


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's folder."""
    return PROJECT


@pytest.fixture(scope="session")
def folio_of_the_library():
    """A FOLIO with one tenant, for the library below."""
    from sandbox.folio import FolioServer, FolioTenant

    with FolioServer([FolioTenant("main", "loader", "secret-of-folio")]) as server:
        yield server


@pytest.fixture
def empty_folio():
    """A FOLIO without users, for one test; a module's tests get it as theirs by overriding `folio_of_the_library`."""
    from sandbox.folio import FolioServer, FolioTenant

    with FolioServer([FolioTenant("main", "loader", "secret-of-folio")]) as server:
        yield server


@pytest.fixture
def mails(monkeypatch):
    """The mails that stages run by the test itself hand over; test_notify.py has those that a mail server takes."""
    from patronload.reporting import smtp

    sent = []
    monkeypatch.setattr(smtp, "send", sent.append)
    return sent


@pytest.fixture
def library(tmp_path, folio_of_the_library, monkeypatch):
    """A library that has never been loaded; see one_library.py."""
    from tests.one_library import Library

    account = {"login": "loader", "password": "secret-of-folio"}
    connection = {"conn_type": "http", "host": folio_of_the_library.url, **account}
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    monkeypatch.setenv("AIRFLOW_CONN_LIB_FOLIO", json.dumps(connection))
    return Library(PROJECT, tmp_path, folio_of_the_library)


@pytest.fixture(scope="session")
def keep() -> Path:
    """Where screenshots and logs stay after the tests; CI keeps the folder."""
    folder = Path(os.environ.get("PATRONLOAD_TEST_KEEP", PROJECT / ".local" / "tests"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def artifact_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS with the bucket `patronload`."""
    with S3Server(tmp_path_factory.mktemp("s3"), ["patronload"]) as running:
        yield running


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses every connection: it is taken, and no server listens on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.fixture(params=["folder", "bucket"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the artifacts of all runs are kept, as $PATRONLOAD_ARTIFACTS says it."""
    root = f"file://{tmp_path}/artifacts"
    if request.param == "bucket":
        from airflow.sdk.io import store

        server = request.getfixturevalue("artifact_store")
        extra = {"endpoint_url": server.url, "region_name": "us-east-1"}
        fields = {"conn_type": "aws", "login": server.access_key, "password": server.secret_key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTS", json.dumps(fields))
        # Airflow keeps what it has opened for the life of the process, a task's life.
        monkeypatch.setattr(store, "_STORE_CACHE", {})
        root = f"s3://artifacts@patronload/{tmp_path.name}"
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", root)
    return root


@pytest.fixture
def encrypt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the artifacts encrypted by some keys, the newest first, from now on; by none, no longer."""

    def by(*keys: str) -> None:
        monkeypatch.setenv("PATRONLOAD_ARTIFACTS_KEYS", "artifacts_keys" if keys else "")
        connection = {"conn_type": "generic", "password": ", ".join(keys)}
        monkeypatch.setenv("AIRFLOW_CONN_ARTIFACTS_KEYS", json.dumps(connection))

    return by
