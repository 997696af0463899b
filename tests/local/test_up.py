"""`make up` leaves Airflow and the sandbox running; `make down` leaves nothing."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from local.api import AirflowApi


def local(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=1500)


def started_below(folder: Path) -> list[psutil.Process]:
    """Processes of ours that have to do with the folder, by their command or their Airflow home."""
    return [process for process in psutil.process_iter() if _belongs(process, str(folder))]


def _belongs(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        home = process.environ().get("AIRFLOW_HOME", "")
        return home.startswith(folder) or any(folder in word for word in process.cmdline())
    except psutil.Error:
        return False


@pytest.mark.airflow
@pytest.mark.xdist_group("airflow")
def test_up_and_down(project, tmp_path):
    """The UI answers, the mails have a page, a second `up` starts nothing, and after `down` nothing is left."""
    try:
        up = local(project, "up", "--folder", str(tmp_path))
        assert up.returncode == 0, up.stderr
        where = json.loads((tmp_path / "running.json").read_text())
        assert where["url"] in up.stdout
        for role in ("viewer", "user", "op", "admin"):
            assert f"{role}, password {where['passwords'][role]}" in up.stdout
        assert {where["folio"]["url"], where["sftp"]["accounts"][1]["password"]} <= set(re.split(r"[\s,;]+", up.stdout))
        assert httpx.get(where["url"], follow_redirects=True).status_code == httpx.codes.OK
        assert httpx.get(where["mails"]).status_code == httpx.codes.OK
        assert "Infiniti's users" in httpx.get(where["infiniti"]).text
        check_airflow(where)
        check_privacy(tmp_path)
        running = {process.pid for process in started_below(tmp_path)}
        assert local(project, "up", "--folder", str(tmp_path)).returncode == 0
        assert {process.pid for process in started_below(tmp_path)} >= running
        check_loopback_only(started_below(tmp_path))
    finally:
        down = local(project, "down", "--folder", str(tmp_path))
    assert down.stdout.endswith("Stopped.\n")
    assert started_below(tmp_path) == []
    assert local(project, "down", "--folder", str(tmp_path)).stdout == "Nothing is running.\n"


def check_airflow(where: dict[str, str]) -> None:
    """All four parts are healthy, and both libraries have their DAG."""
    health = httpx.get(f"{where['url']}/api/v2/monitor/health").json()
    assert {part: said["status"] for part, said in health.items()} == dict.fromkeys(health, "healthy")
    api = AirflowApi(where["url"], where["user"], where["password"])
    api.wait_for_dag("patron_load__northfield")
    api.wait_for_dag("patron_load__stclare")
    assert api.import_errors() == {}
    api.close()


def check_privacy(folder: Path) -> None:
    """Passwords and keys can be read by nobody else."""
    for name in ("running.json", "airflow/passwords.json", "airflow/jwt_secret"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name


def check_loopback_only(processes: list[psutil.Process]) -> None:
    """No port is open to other machines."""
    listening = [c for process in processes for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
