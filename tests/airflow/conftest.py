"""One Airflow for all tests of this folder, with the sandbox around it and libraries of its own."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple

import pytest
from cryptography.fernet import Fernet

from local.airflow import LocalAirflow
from sandbox import connections
from sandbox.everything import BUCKET, Sandbox
from sandbox.folio import FolioServer
from tests.airflow.beginnings import BEGINNINGS, Runs, ask, ended
from tests.airflow.libraries import (
    IN_TROUBLE,
    INVENTED,
    OF_TESTS,
    PROJECT,
    SCHEDULED,
    SEEN_SOON,
    SOON,
    BucketWorld,
    Scheduler,
    World,
    copy_of_include,
    deliver_demo_exports,
    library_file,
    loader_connection,
    schedule_soon,
    wait_until,
)
from tests.statsd import StatsdServer


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them are marked, and run in one worker, for they share one Airflow."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.airflow)
            # The first test waits for Airflow's start and for several loads, on a machine that is busy with others.
            item.add_marker(pytest.mark.timeout(1800))
            if item.get_closest_marker("xdist_group") is None:
                item.add_marker(pytest.mark.xdist_group("airflow"))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, keep: Path, until_last_use: Callable[[str], ExitStack]) -> World:
    """Airflow with its scheduler, FOLIO, Infiniti, SFTP and mail; the demo's libraries and invented ones."""
    folder, running = tmp_path_factory.mktemp("world"), until_last_use("world")
    include = copy_of_include(folder / "include")
    artifacts, dags = folder / "artifacts", copytree(PROJECT / "dags", folder / "dags")
    sandbox = running.enter_context(Sandbox(folder / "sandbox", s3=False))
    folio = running.enter_context(FolioServer([f"fs{name}" for name in (*INVENTED, SCHEDULED)]))
    statsd = running.enter_context(StatsdServer())
    for name in INVENTED:
        library_file(include, name, folder / "exports")
    demo_exports = deliver_demo_exports(sandbox)
    environment = {
        **connections(sandbox.description),
        **statsd.settings,
        "AIRFLOW_CONN_INVENTED_FOLIO": loader_connection(folio),
        "AIRFLOW_CONN_PATRONLOAD_LINKS": json.dumps({"conn_type": "generic", "password": "k" * 48}),
        "PATRONLOAD_INCLUDE": str(include),
        "PATRONLOAD_ARTIFACTS": artifacts.as_uri(),
        # A copy, for a test touches the files to have Airflow read them at once.
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__AUTH_MANAGER": "tests.airflow.rights.RightsByDag",
        **OF_TESTS,
    }
    airflow = LocalAirflow(folder / "airflow", environment=environment, without=("triggerer",))
    running.callback(_keep_logs, airflow, keep)
    running.enter_context(airflow)
    world = World(airflow, sandbox, folio, dags, include, artifacts, folder / "exports", demo_exports, statsd)
    schedule_soon(world)
    return world


@pytest.fixture(scope="session")
def begun(request: pytest.FixtureRequest, world: World) -> Mapping[str, Any]:
    """Fixture -> the loads that it looks at: those of all fixtures in use are begun together, to wait for them once."""
    in_use = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    return {name: begin(world) for name, begin in BEGINNINGS.items() if name in in_use}


@pytest.fixture(scope="session")
def loads(world: World, begun: Mapping[str, Any]) -> Runs:
    """Tenant of the demo -> the run that loaded its newest export, ended."""
    return ended(world, begun["loads"])


@pytest.fixture(scope="session")
def overdue(begun: Mapping[str, Any]) -> str:
    """The run that has not ended within the minute that its tenant file allows."""
    run_id: str = begun["overdue"]
    return run_id


@pytest.fixture(scope="session")
def stopped(world: World, begun: Mapping[str, Any]) -> Runs:
    """Library -> its run that was stopped, failed or was tried only, ended."""
    return ended(world, begun["stopped"])


@pytest.fixture(scope="session")
def questions(world: World, begun: Mapping[str, Any]) -> Runs:
    """Library -> its run that waits, or has waited, for an answer."""
    return ask(world, begun["questions"])


@pytest.fixture(scope="session")
def bucket_world(
    tmp_path_factory: pytest.TempPathFactory, keep: Path, until_last_use: Callable[[str], ExitStack]
) -> BucketWorld:
    """An Airflow of its own whose artifacts are in a bucket; bucket, mail server and scheduler may go down."""
    folder, running = tmp_path_factory.mktemp("bucket"), until_last_use("bucket_world")
    include, home = copy_of_include(folder / "include"), folder / "airflow"
    for name in IN_TROUBLE:
        library_file(include, name, folder / "exports")
    (home / "config").mkdir(parents=True)
    (home / "config" / "airflow_local_settings.py").write_text(SOON)
    sandbox = running.enter_context(Sandbox(folder / "sandbox"))
    folio = running.enter_context(FolioServer([f"fs{name}" for name in IN_TROUBLE]))
    demo_exports = deliver_demo_exports(sandbox)
    environment = {
        **connections(sandbox.description),
        **OF_TESTS,
        **SEEN_SOON,
        "AIRFLOW_CONN_INVENTED_FOLIO": loader_connection(folio),
        "PATRONLOAD_INCLUDE": str(include),
        "PATRONLOAD_ARTIFACTS": f"s3://artifacts@{BUCKET}/loads",
        "PATRONLOAD_ARTIFACTS_KEYS": "artifacts_keys",
    }
    airflow = LocalAirflow(home, environment=environment, without=("scheduler", "triggerer"))
    running.callback(_keep_logs, airflow, keep, "bucket-")
    running.enter_context(airflow)
    key = Fernet.generate_key().decode()
    connection = {"connection_id": "artifacts_keys", "conn_type": "generic", "password": key}
    airflow.api.http.post("connections", json=connection).raise_for_status()
    scheduler = Scheduler(airflow)
    running.callback(scheduler.stop)
    scheduler.start()
    return BucketWorld(airflow, scheduler, sandbox, folio, folder / "exports", demo_exports, key)


class Broken(NamedTuple):
    """The tenant file of `ashford` with a mistake in it."""

    world: World
    file: Path
    good: str

    def correct(self) -> None:
        """As it was before."""
        self.file.write_text(self.good)
        self.world.reread()


@pytest.fixture
def broken_tenant_file(world: World) -> Iterator[Broken]:
    """Airflow has read the file with the mistake; at the end of the test it is corrected."""
    file = world.include / "tenants" / "ashford.yaml"
    broken = Broken(world, file, file.read_text())
    file.write_text(broken.good.replace("chunk_size", "chunk_syze"))
    world.reread()
    try:
        wait_until(world.api.import_errors)
        yield broken
    finally:
        broken.correct()
    wait_until(lambda: not world.api.import_errors())


def _keep_logs(airflow: LocalAirflow, keep: Path, before: str = "") -> None:
    """What Airflow's parts printed, for a person to look at when a test failed."""
    for part in ("scheduler", "dag-processor", "api-server"):
        if airflow.log(part).exists():
            (keep / f"airflow-{before}{part}.log").write_bytes(airflow.log(part).read_bytes())
