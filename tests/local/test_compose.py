"""docker-compose.yaml is valid, pinned, watched over, and holds no secret."""

import importlib.util
import json
import re
import subprocess
import sys

import pytest
import yaml

from tests.compose import fill

ONE_SHOT = {"init", "s3-bucket"}
AIRFLOW = {"init", "api-server", "scheduler", "dag-processor", "triggerer", "worker", "housekeeping"}
WANTED = AIRFLOW | {"postgres", "redis", "s3", "s3-bucket", "sandbox"}

SECRETS = {
    "POSTGRES_PASSWORD": {"postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer", "housekeeping"},
    "CELERY_PASSWORD": {"init", "scheduler", "worker", "housekeeping"},
    "REDIS_PASSWORD": {"redis", "scheduler", "worker"},
    "AIRFLOW_FERNET_KEY": {"init", "api-server", "scheduler", "dag-processor", "triggerer", "housekeeping"},
    "AIRFLOW_JWT_SECRET": {"api-server", "scheduler"},
    "AIRFLOW_API_SECRET_KEY": AIRFLOW,
    "AIRFLOW_ADMIN_PASSWORD": {"init", "sandbox"},
    "S3_ACCESS_KEY": {"s3", "api-server", "worker"},
    "S3_SECRET_KEY": {"s3", "api-server", "worker"},
}
"""Each secret, and the services that get it."""


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
        _, _, tag = fill(service["image"], {}).rpartition("/")[2].partition(":")
        assert tag
        assert tag != "latest"
    assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+\S+\nFROM \S+", dockerfile(project), re.MULTILINE)


def dockerfile(project):
    return (project / "Dockerfile").read_text()


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
    assert asked == set(SECRETS)
    example = dict(re.findall(r"^(\w+)=(.*)$", (project / ".env.example").read_text(), re.MULTILINE))
    assert example == dict.fromkeys(asked, "")
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"(PASSWORD|SECRET|_KEY|_AUTH)$", name):
                assert str(value).startswith("${"), name


def test_a_secret_is_only_where_it_is_used(compose):
    """A worker, which runs the tasks, holds no key to Airflow's database, nor what signs Airflow's tokens."""
    for secret, services in SECRETS.items():
        holders = {name for name, service in compose["services"].items() if f"${{{secret}" in str(service)}
        assert holders == services, secret
    with_connections = {name for name, service in compose["services"].items() if "env_file" in service}
    assert with_connections == {"api-server"}


def test_a_container_has_no_more_rights_than_it_needs(compose):
    """No new privileges for any; no capabilities and a read-only disk where the image allows it."""
    services = compose["services"]
    assert all("no-new-privileges:true" in service["security_opt"] for service in services.values())
    unconfined = {name for name, service in services.items() if service.get("cap_drop") != ["ALL"]}
    assert unconfined == {"s3", "s3-bucket"}
    writable = {name for name, service in services.items() if not service.get("read_only")}
    assert writable == {"s3", "s3-bucket", "sandbox"}


def test_memory_and_logs_have_limits(compose):
    """One service cannot take the machine down, neither by its memory nor by what it prints."""
    for name, service in compose["services"].items():
        assert re.fullmatch(r"\d+[mg]", fill(str(service["mem_limit"]), {})), name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name


def test_no_more_tasks_are_handed_out_than_there_are_slots(compose):
    """The scheduler computes its parallelism from the workers, unless SLOTS names those of several machines."""
    scheduler = compose["services"]["scheduler"]
    script = fill(scheduler["command"][-1], {}).replace("exec airflow scheduler", "echo $AIRFLOW__CORE__PARALLELISM")

    def parallelism(**variables):
        environment = {name: fill(str(value), variables) for name, value in scheduler["environment"].items()}
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    secrets = dict.fromkeys(SECRETS, "x")
    assert parallelism(**secrets) == 8
    assert parallelism(**secrets, WORKERS="3", WORKER_CONCURRENCY="5") == 15
    assert parallelism(**secrets, SLOTS="40") == 40
    assert fill(compose["services"]["worker"]["deploy"]["replicas"], {}) == "2"
    assert fill(compose["services"]["worker"]["environment"]["AIRFLOW__CELERY__WORKER_CONCURRENCY"], {}) == "4"


def test_what_a_worker_imports_is_there(compose):
    """The module that Celery imports when a worker starts exists; importing it brings what every task needs."""
    setting = compose["services"]["worker"]["environment"]["AIRFLOW__CELERY__EXTRA_CELERY_CONFIG"]
    (module,) = json.loads(setting)["imports"]
    assert importlib.util.find_spec(module)


def test_the_account_that_watches_is_optional(compose):
    """Without a password there is no such account; with one it may only look, and has the connection to do so."""
    environment = compose["services"]["api-server"]["environment"]
    users, connection = (
        environment[name] for name in ("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "AIRFLOW_CONN_PATRONLOAD_AIRFLOW")
    )
    assert fill(users, {}) == "admin:admin"
    chosen = {"WATCH_PASSWORD": "secret", "ON_CALL": "a@x.example,b@x.example"}
    assert fill(users, chosen) == "admin:admin,watch:viewer"
    told = json.loads(fill(connection, chosen))
    assert (told["login"], told["password"], told["extra"]["mail_to"]) == ("watch", "secret", chosen["ON_CALL"])


def test_redis_is_process_1_and_keeps_its_queue(compose):
    """A shell as process 1 would not hear a stop; without a file on a volume a restart would lose the queue."""
    redis = compose["services"]["redis"]
    last = fill(redis["command"][-1], {}).strip().splitlines()[-1]
    assert last.startswith("exec redis-server ")
    assert "--appendonly yes" in last
    assert redis["volumes"] == ["queue:/data"]
    assert "--dir /data" in last


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
