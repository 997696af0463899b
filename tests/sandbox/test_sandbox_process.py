"""`python -m sandbox`, and the Airflow connections of its description."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict

import httpx
import psutil
import pytest

from sandbox import connections
from sandbox.__main__ import main
from sandbox.everything import OWN, Sandbox, read_or_make_secrets, write_private
from sandbox.folio.connections import MEASURED_CALL_SECONDS


@contextmanager
def process(project, folder, *arguments):
    """A sandbox in a process of its own, up and running; it must be gone afterwards."""
    command = [sys.executable, "-W", "error", "-m", "sandbox", "--folder", str(folder), *arguments]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) as running:
        try:
            deadline = time.monotonic() + 60
            while not (folder / "sandbox.json").exists():
                assert running.poll() is None, "the sandbox ended"
                assert time.monotonic() < deadline, "the sandbox is not up"
                time.sleep(0.05)
            yield running
        finally:
            if running.poll() is None:
                running.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_gets_a_signal(project, tmp_path, number):
    """All is there when sandbox.json is; a signal ends it with 0, no process and no description left."""
    s3 = () if number == signal.SIGTERM else ("--no-s3",)
    with process(project, tmp_path, *s3) as running:
        description = json.loads((tmp_path / "sandbox.json").read_text())
        assert (tmp_path / "sandbox.json").stat().st_mode & 0o077 == 0
        assert httpx.get(f"{description['folio']['url']}/_sandbox/journal").json() == []
        assert "No mail yet" in httpx.get(description["smtp"]["page_url"]).text
        children = psutil.Process(running.pid).children(recursive=True)
        assert len(children) == (not s3)
        running.send_signal(number)
        assert running.wait(20) == 0
        assert description["folio"]["url"] in running.stdout.read()
    assert not any(child.is_running() for child in children)
    assert not (tmp_path / "sandbox.json").exists()


def test_it_serves_at_the_real_modules_speed(project, tmp_path):
    """So that someone can measure the length of a night: each call to FOLIO takes at least what a real one took."""
    with process(project, tmp_path, "--no-s3", "--real-speed"):
        url = json.loads((tmp_path / "sandbox.json").read_text())["folio"]["url"]
        with httpx.Client(base_url=url, headers={"x-okapi-tenant": "fs00001234"}) as client:
            client.post("/authn/login-with-expiry", json={"username": "nobody", "password": "wrong"})
            (seen,) = client.get("/_sandbox/journal").json()
    assert (seen["status"], seen["seconds"] >= MEASURED_CALL_SECONDS) == (422, True)


@pytest.fixture
def sandbox(tmp_path):
    with Sandbox(tmp_path, s3=False) as running:
        yield running


def test_the_connections_are_those_of_the_demo_tenants(sandbox):
    """Names, types and ways of logging in, as Airflow reads them."""
    found = {name: json.loads(value) for name, value in connections(sandbox.description | {"s3": S3}).items()}
    assert {name.removeprefix("AIRFLOW_CONN_"): each["conn_type"] for name, each in found.items()} == {
        "SMTP_DEFAULT": "smtp",
        "NORTHFIELD_SFTP": "sftp",
        "STCLARE_SFTP": "sftp",
        "MYLIB_SFTP": "sftp",
        "MYLIB_FOLIO": "http",
        "NORTHFIELD_FOLIO": "http",
        "STCLARE_FOLIO": "http",
        "WATTLEGROVE_SFTP": "sftp",
        "WATTLEGROVE_INFINITI": "http",
        "ARTIFACTS": "aws",
    }
    assert found["AIRFLOW_CONN_NORTHFIELD_SFTP"]["extra"]["private_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY")
    assert found["AIRFLOW_CONN_STCLARE_SFTP"]["password"]
    assert found["AIRFLOW_CONN_NORTHFIELD_FOLIO"]["extra"] == {"login": "expiring"}
    assert found["AIRFLOW_CONN_STCLARE_FOLIO"]["extra"] == {"login": "legacy"}


S3 = {"url": "http://127.0.0.1:1", "access_key": "key", "secret_key": "secret"}


def test_the_connections_log_in(sandbox):
    """Each FOLIO connection's account opens its tenant by its kind of login."""
    logins = {"expiring": "/authn/login-with-expiry", "legacy": "/authn/login"}
    for tenant, name in (("fs00001234", "NORTHFIELD"), ("fs00005678", "STCLARE")):
        connection = json.loads(connections(sandbox.description)[f"AIRFLOW_CONN_{name}_FOLIO"])
        credentials = {"username": connection["login"], "password": connection["password"]}
        url = connection["host"] + logins[connection["extra"]["login"]]
        assert httpx.post(url, json=credentials, headers={"x-okapi-tenant": tenant}).status_code == 201


def test_the_schools_connection_is_let_in(sandbox):
    """Its account may import users into the stand-in Infiniti."""
    connection = json.loads(connections(sandbox.description)["AIRFLOW_CONN_WATTLEGROVE_INFINITI"])
    account, where = (connection["login"], connection["password"]), f"{connection['host']}/api/import/users"
    assert httpx.post(where, files={"file": b""}, auth=account).json()["success"] is True
    assert httpx.post(where, files={"file": b""}, auth=("autoimport", "x")).json()["success"] is False


def test_northfields_folio_knows_what_its_export_speaks_of(sandbox):
    """Departments and the campus field; St. Clare's is a new tenant."""
    store = sandbox.folio.store("fs00001234")
    assert store.departments.find("name", "Computer Science")
    assert store.custom_fields.find("refId", "homeCampus")
    assert len(sandbox.folio.store("fs00005678").departments) == 0


def test_accounts_and_keys_outlive_a_restart(tmp_path):
    """`make down` and `make up` keep the connections of Airflow valid but for the ports."""
    with Sandbox(tmp_path, s3=False) as first:
        before = first.description
    with Sandbox(tmp_path, s3=False) as second:
        after = second.description
    assert after["sftp"]["host_key"] == before["sftp"]["host_key"]
    assert after["sftp"]["accounts"] == before["sftp"]["accounts"]
    assert after["folio"]["tenants"] == before["folio"]["tenants"]
    assert after["infiniti"]["password"] == before["infiniti"]["password"]


def test_other_machines_get_another_name(tmp_path):
    """In Docker Compose clients reach the sandbox by its service's name."""
    with Sandbox(tmp_path, s3=False, advertised="sandbox") as sandbox:
        description = sandbox.description
    assert description["folio"]["url"].startswith("http://sandbox:")
    assert description["infiniti"]["url"].startswith("http://sandbox:")
    assert (description["sftp"]["host"], description["smtp"]["host"]) == ("sandbox", "sandbox")


def test_a_shell_gets_the_connections(sandbox, capsys):
    """`--print-connections` prints export lines for a running sandbox, and says so when none runs."""
    assert main(["--folder", str(sandbox.folder), "--print-connections"]) == 0
    script = capsys.readouterr().out + 'printf %s "$AIRFLOW_CONN_SMTP_DEFAULT"'
    shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert json.loads(shown.stdout)["port"] == sandbox.mail.port
    assert main(["--folder", str(sandbox.folder / "elsewhere"), "--print-connections"]) == 1
    assert "No sandbox runs in" in capsys.readouterr().err


def test_a_start_that_fails_leaves_nothing_running(tmp_path):
    """When the last server cannot start, those before it stop again."""
    broken = Sandbox(tmp_path, s3=False)
    broken.mail.start = lambda: (_ for _ in ()).throw(RuntimeError("no"))
    with pytest.raises(RuntimeError, match="no"):
        broken.start()
    with pytest.raises(httpx.ConnectError):
        httpx.get(broken.folio.url)


def test_users_stay_from_one_start_to_the_next(tmp_path):
    """Where they are to be kept: FOLIO's and Infiniti's, and what hangs on them; otherwise they are gone."""
    with Sandbox(tmp_path, s3=False).keeping() as first:
        assert first.description["restored"] is False
        first.folio.store("fs00001234").users.put({"id": "1", "externalSystemId": "A1", "username": "kim"})
        first.infiniti.school.users["kim"] = {"username": "kim"}
        groups = list(first.folio.store("fs00001234").groups)
    with Sandbox(tmp_path, s3=False).keeping() as second:
        assert second.description["restored"] is True
        assert second.folio.store("fs00001234").user("A1")["username"] == "kim"
        assert second.folio.store("fs00001234").users.find("username", "KIM") is not None
        assert list(second.folio.store("fs00001234").groups) == groups
        assert second.infiniti.school.users == {"kim": {"username": "kim"}}
    with Sandbox(tmp_path, s3=False) as other:
        assert len(other.folio.store("fs00001234").users) == 0


def test_a_folder_of_an_earlier_version_gets_the_account_that_it_lacks(tmp_path):
    """The others keep their passwords."""
    first = read_or_make_secrets(tmp_path / "secrets.json")
    kept = {tenant: word for tenant, word in first.folio_passwords.items() if tenant != OWN.folio_tenant}
    write_private(tmp_path / "secrets.json", asdict(first) | {"folio_passwords": kept})
    again = read_or_make_secrets(tmp_path / "secrets.json")
    assert again.folio_passwords.keys() == first.folio_passwords.keys()
    assert kept.items() <= again.folio_passwords.items()
    assert read_or_make_secrets(tmp_path / "secrets.json") == again
