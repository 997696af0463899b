"""What is pinned fits together, also where no other test runs it."""

import importlib
import re
from importlib.metadata import version

import pytest


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_everything_is_pinned_and_nothing_names_a_registry(project, name):
    """Each line is an exact version; none says from where."""
    lines = [line for line in (project / name).read_text().splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    assert [line for line in lines if not re.match(r"^[a-z0-9-]+==\S+( ; .+)?$", line)] == []
    assert "://" not in (project / name).read_text()


def test_both_files_agree(project):
    """A package that is in both has one version."""
    pins = [set(re.findall(r"^[a-z0-9-]+==\S+.*$", (project / name).read_text(), re.MULTILINE)) for name in FILES]
    names = [{pin.partition("==")[0] for pin in each} for each in pins]
    both = names[0] & names[1]
    assert {pin for pin in pins[0] if pin.partition("==")[0] in both} == {
        pin for pin in pins[1] if pin.partition("==")[0] in both
    }


FILES = ("requirements.txt", "requirements-dev.txt")


def test_the_celery_workers_program_is_there():
    """Airflow's Celery provider names no newest Celery, and Celery 5.7 took away what it imports."""
    importlib.import_module("celery.backends.database").retry  # noqa: B018  looking is the test
    assert version("celery").startswith("5.6.")
