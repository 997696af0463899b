"""Accounts with roles from FAB, as docs/operations.md sets them up: one library's people see that library only."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.airflow import LocalAirflow
from local.api import ANSWER_PATIENCE, AirflowApi
from tests.airflow.libraries import OF_TESTS, PROJECT, copy_of_include

pytest.importorskip("airflow.providers.fab")
pytestmark = pytest.mark.xdist_group("other-airflows")

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
PASSWORD = "of-the-test-account"
READS, LOADS = "reader", "loader"
ROLES = {READS: ["Library", "northfield: reads"], LOADS: ["Library", "northfield: loads"]}
OURS, OTHERS = "patron_load__northfield", "patron_load__stclare"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """An Airflow with FAB, the demo's libraries, the roles of deploy/fab/roles.json, and an account for each of two."""
    folder = tmp_path_factory.mktemp("fab")
    home = folder / "airflow"
    home.mkdir()
    environment = {
        **OF_TESTS,
        "AIRFLOW__CORE__AUTH_MANAGER": FAB,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "PATRONLOAD_INCLUDE": str(copy_of_include(folder / "include")),
        "PATRONLOAD_ARTIFACTS": (folder / "artifacts").as_uri(),
    }
    with LocalAirflow(home, environment=environment, without=("scheduler", "triggerer")) as running:
        account = ["--username", "admin", "--password", PASSWORD, "--role", "Admin", "--email", "admin@test.example"]
        command(running, "users", "create", *account, "--firstname", "A", "--lastname", "Dmin")
        admin = AirflowApi(running.url, "admin", PASSWORD)
        for dag_id in (OURS, OTHERS):
            admin.wait_for_dag(dag_id)
        command(running, "sync-perm", "--include-dags")
        command(running, "roles", "import", str(PROJECT / "deploy" / "fab" / "roles.json"))
        for name, roles in ROLES.items():
            add_account(running, admin, name, roles)
        admin.close()
        yield running


def command(airflow: LocalAirflow, *words: str) -> None:
    program = Path(airflow.command("scheduler")[0])
    done = subprocess.run([program, *words], env=airflow.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def add_account(airflow: LocalAirflow, admin: AirflowApi, name: str, roles: list[str]) -> None:
    body = {
        "username": name, "password": PASSWORD, "email": f"{name}@test.example", "first_name": name,
        "last_name": "Test", "roles": [{"name": role} for role in roles],
    }  # fmt: skip
    admin.http.post(f"{airflow.url}/auth/fab/v1/users", json=body).raise_for_status()


@pytest.fixture(params=[READS, LOADS])
def account(request: pytest.FixtureRequest, airflow: LocalAirflow) -> Iterator[AirflowApi]:
    api = AirflowApi(airflow.url, request.param, PASSWORD)
    yield api
    api.close()


@pytest.fixture
def reader(airflow: LocalAirflow) -> Iterator[AirflowApi]:
    api = AirflowApi(airflow.url, READS, PASSWORD)
    yield api
    api.close()


@pytest.fixture
def loader(airflow: LocalAirflow) -> Iterator[AirflowApi]:
    api = AirflowApi(airflow.url, LOADS, PASSWORD)
    yield api
    api.close()


def status(api: AirflowApi, path: str) -> int:
    return api.http.get(f"{api.url}/patron-loads{path}").status_code


def test_only_the_own_library_is_shown(account: AirflowApi):
    """In Airflow's list of DAGs, and on the page of all libraries."""
    dags = account.http.get("dags").raise_for_status().json()["dags"]
    assert [dag["dag_id"] for dag in dags] == [OURS]
    page = account.http.get(f"{account.url}/patron-loads/").raise_for_status().text
    assert "Northfield" in page
    assert "St Clare" not in page
    assert "Wattle Grove" not in page


def test_the_pages_of_other_libraries_are_closed(account: AirflowApi):
    """The library's page opens for the own library, and for no other."""
    assert status(account, f"/libraries/{OURS}") == httpx.codes.OK
    assert status(account, f"/libraries/{OTHERS}") == httpx.codes.FORBIDDEN


def test_who_reads_cannot_start_a_load_nor_take_the_rejects(reader: AirflowApi):
    """The rejects are personal data: they are for those who may start loads."""
    with pytest.raises(RuntimeError, match="403"):
        reader.trigger(OURS)
    assert status(reader, f"/runs/{OURS}/any/rejects.csv") == httpx.codes.FORBIDDEN


def test_who_loads_can_start_loads_of_the_own_library_only(loader: AirflowApi):
    """Each library's loads are started by its own people."""
    assert loader.trigger(OURS)
    assert status(loader, f"/runs/{OURS}/any/rejects.csv") == httpx.codes.NOT_FOUND
    with pytest.raises(RuntimeError, match="403"):
        loader.trigger(OTHERS)
    assert status(loader, f"/runs/{OTHERS}/any/rejects.csv") == httpx.codes.FORBIDDEN


def test_nobody_without_an_account_gets_in(airflow: LocalAirflow):
    """The pages ask for a login."""
    assert (
        httpx.get(f"{airflow.url}/patron-loads/", trust_env=False, timeout=ANSWER_PATIENCE).status_code
        == httpx.codes.UNAUTHORIZED
    )
