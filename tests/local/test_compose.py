"""docker-compose.yaml is valid, pinned, watched over, and holds no secret."""

import re
import subprocess
import sys

import pytest
import yaml

ONE_SHOT = {"init", "s3-bucket"}
WANTED = {
    "postgres", "redis", "s3", "s3-bucket", "init", "api-server", "scheduler", "dag-processor", "triggerer", "worker",
    "sandbox",
}  # fmt: skip


@pytest.fixture(scope="module")
def text(project):
    """The file as it is written."""
    return (project / "docker-compose.yaml").read_text()


@pytest.fixture(scope="module")
def compose(text):
    """The file as YAML."""
    return yaml.safe_load(text)


def test_it_is_what_compose_reads(project):
    """The Compose specification's own schema accepts it."""
    command = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yaml"]
    checked = subprocess.run([sys.executable, *command], cwd=project, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_everything_is_there(compose):
    """The parts of a production-like Airflow, storage, and the sandbox as a profile."""
    assert set(compose["services"]) == WANTED
    assert [name for name, service in compose["services"].items() if "profiles" in service] == ["sandbox"]


def test_images_are_pinned(compose, project):
    """No tag is missing, and none is `latest`; what we build is built on a pinned image."""
    for service in compose["services"].values():
        _, _, tag = service["image"].rpartition("/")[2].partition(":")
        assert tag
        assert tag != "latest"
    bases = re.findall(r"^FROM (\S+)", (project / "Dockerfile").read_text(), re.MULTILINE)
    assert re.search(r":\d+\.\d+\.\d+", bases[0])


def test_what_runs_is_watched_and_started_again(compose):
    """Each lasting service has a health check and comes back; each one-shot is tried a few times."""
    for name, service in compose["services"].items():
        if name in ONE_SHOT:
            assert service["restart"].startswith("on-failure")
        else:
            assert service["restart"] == "unless-stopped"
            assert service["healthcheck"]["test"]


def test_no_secret_is_in_the_file(text, compose, project):
    """Each secret is asked for by name, with a message; .env.example names it and gives it no value."""
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    assert asked == {
        "POSTGRES_PASSWORD", "REDIS_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_ADMIN_PASSWORD",
        "S3_ACCESS_KEY", "S3_SECRET_KEY",
    }  # fmt: skip
    example = dict(re.findall(r"^(\w+)=(.*)$", (project / ".env.example").read_text(), re.MULTILINE))
    assert example == dict.fromkeys(asked, "")
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"(PASSWORD|SECRET|_KEY|_AUTH)$", name):
                assert str(value).startswith("${"), name


def test_every_variable_is_in_the_example(text, project):
    """What may be set is in .env.example, as a comment where there is a default."""
    example = (project / ".env.example").read_text()
    for name in re.findall(r"\$\{(\w+)", text):
        assert re.search(rf"^#?{name}=", example, re.MULTILINE), name


def test_only_this_machine_reaches_it(compose):
    """Ports are opened on loopback only."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_variable_is_dollar_expanded_by_accident(text):
    """A lone $ in a command would be taken for a variable of Compose."""
    assert not re.findall(r"(?<!\$)\$(?![{$])", text)
