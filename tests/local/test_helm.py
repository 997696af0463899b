"""The values for Airflow's Helm chart fit the image, the tasks, and what docker-compose.yaml says."""

import json
import re
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from tests import compose

pytest.importorskip("kubernetes")
from kubernetes.client import V1Container, V1ObjectMeta, V1Pod, V1PodSpec, V1ResourceRequirements

STAGES = {"fetch", "validate", "transform", "plan", "approve", "post", "report", "notify"}


@pytest.fixture(scope="module")
def values(project) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((project / "deploy" / "helm" / "values.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def celery(project) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((project / "deploy" / "helm" / "celery.yaml").read_text())
    return loaded


def pod_of(task_id: str) -> V1Pod:
    """The pod of a task as the chart's template makes it."""
    base = V1Container(name="base", resources=V1ResourceRequirements(limits={"memory": "1Gi"}))
    sidecar = V1Container(name="sidecar", resources=V1ResourceRequirements(limits={"memory": "64Mi"}))
    return V1Pod(metadata=V1ObjectMeta(labels={"task_id": task_id}), spec=V1PodSpec(containers=[sidecar, base]))


@pytest.mark.parametrize("task_id", sorted(STAGES))
def test_a_stage_gets_the_memory_it_needs(values, task_id):
    """The heavy stages get more than the others, in the container that runs the task and in no other."""
    settings: dict[str, Any] = {}
    exec(values["airflowLocalSettings"], settings)
    pod = pod_of(task_id)
    settings["pod_mutation_hook"](pod)
    sidecar, base = pod.spec.containers
    assert sidecar.resources.limits == {"memory": "64Mi"}
    if task_id not in settings["STAGES"]:
        assert base.resources.limits == {"memory": "1Gi"}
    else:
        assert base.resources["limits"]["memory"] in ("2Gi", "3Gi", "4Gi")
        assert base.resources["requests"].keys() == {"cpu", "memory"}
    assert set(settings["STAGES"]) <= STAGES


def test_a_pod_of_another_dag_is_left_alone(values):
    """A pod without labels, such as one that somebody's own operator starts, does not break the hook."""
    settings: dict[str, Any] = {}
    exec(values["airflowLocalSettings"], settings)
    pod = V1Pod(metadata=V1ObjectMeta(), spec=V1PodSpec(containers=[V1Container(name="base")]))
    settings["pod_mutation_hook"](pod)
    assert pod.spec.containers[0].resources is None


def test_the_version_is_the_pinned_one(values):
    """The chart renders by the version of Airflow, which is the one in requirements.txt."""
    assert values["airflowVersion"] == version("apache-airflow")


def test_the_image_has_what_the_chart_calls(project):
    """The chart's probes begin with /entrypoint."""
    assert "> /entrypoint" in (project / "Dockerfile").read_text()


def test_no_secret_is_in_the_files(project):
    """Secrets are named, and nothing else."""
    text = "".join(path.read_text() for path in (project / "deploy" / "helm").glob("*.yaml"))
    for name, value in re.findall(r"^ *(\w*(?:[pP]assword|Secret|secret)\w*): *(\S+)", text, re.MULTILINE):
        assert name.endswith("Name") or value.startswith("{"), (name, value)


def test_no_more_tasks_are_handed_out_than_there_are_slots(celery):
    """With Celery the parallelism is that of all workers together."""
    slots = celery["workers"]["celery"]["replicas"] * celery["config"]["celery"]["worker_concurrency"]
    assert celery["config"]["core"]["parallelism"] == slots


def test_queueing_is_as_in_compose(values, celery, project):
    """Tasks wait as long, and workers import the same, whichever way Patronload runs."""
    scheduler = compose.load(project)["services"]["scheduler"]["environment"]
    for name in ("task_queued_timeout", "num_stuck_in_queued_retries"):
        assert str(values["config"]["scheduler"][name]) == scheduler[f"AIRFLOW__SCHEDULER__{name.upper()}"]
    worker = compose.load(project)["services"]["worker"]["environment"]
    for section, name in (("celery", "extra_celery_config"), ("celery_broker_transport_options", "visibility_timeout")):
        assert str(celery["config"][section][name]) == worker[f"AIRFLOW__{section.upper()}__{name.upper()}"]


def test_the_settings_of_the_environment_are_ours(values):
    """What is set for all pods is read by Patronload."""
    names = {entry["name"] for entry in values["env"]}
    assert names == {"PATRONLOAD_INCLUDE", "PATRONLOAD_ARTIFACTS"}
    kwargs = json.loads(next(e["value"] for e in values["apiServer"]["env"] if e["name"].endswith("KWARGS")))
    mounted = values["apiServer"]["extraVolumeMounts"][0]["mountPath"]
    assert kwargs["connections_file_path"].startswith(mounted)
