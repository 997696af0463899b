"""Patronload can be installed: the wheel has the command, and all that a deployment starts from."""

import os
import subprocess
import sys
import zipfile

import pytest

from patronload import __version__


@pytest.fixture(scope="module")
def installed(project, tmp_path_factory):
    """The content of the wheel, as pip unpacks it; built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run(installed, folder, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PATRONLOAD_")}
    return subprocess.run(
        [sys.executable, "-m", "patronload", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_deployment_of_one_s_own(installed, tmp_path, project):
    """`init` writes the folders, `draft` a first library, and `check` finds both; no checkout is needed."""
    assert run(installed, tmp_path, "--version").stdout.strip() == f"Patronload {__version__}"
    assert run(installed, tmp_path, "init", "--out", "deployment").returncode == 0
    deployment = tmp_path / "deployment"
    for name in ("dags/patron_load.py", "plugins/patron_loads_plugin.py", "include/templates/mail.html"):
        assert (deployment / name).read_bytes() == (project / name).read_bytes()
    sample = project / "docs/examples/patron_template.csv"
    drafted = run(installed, deployment, "draft", "--export", str(sample), "--name", "mylib", "--out", "include")
    assert drafted.returncode == 0, drafted.stderr
    checked = run(installed, deployment, "check")
    assert (checked.returncode, "✓ tenants/mylib.yaml" in checked.stdout) == (0, True), checked.stderr


def test_nothing_is_overwritten(installed, tmp_path):
    """A second `init` stops before it writes anything."""
    run(installed, tmp_path, "init", "--out", ".")
    (tmp_path / "dags" / "patron_load.py").write_text("mine")
    again = run(installed, tmp_path, "init", "--out", ".")
    assert again.returncode == 1
    assert "is already there" in again.stderr
    assert (tmp_path / "dags" / "patron_load.py").read_text() == "mine"


def test_the_package_says_what_it_needs(installed, project):
    """The dependencies are those of requirements.in, written down once."""
    (metadata,) = installed.glob("patronload-*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    for name in ("polars", "httpx", "great-expectations"):
        assert f"Requires-Dist: {name}\n" in text
    (entry_points,) = installed.glob("patronload-*.dist-info/entry_points.txt")
    assert "patronload = patronload.__main__:main" in entry_points.read_text()


def test_a_shell_completes_the_names_of_tenants(project):
    """argcomplete's protocol: the line and the cursor in the environment, the words on descriptor 8."""
    line = "patronload doctor nor"
    environment = os.environ | {
        "PYTHONPATH": str(project / "plugins"),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": "/dev/stdout",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    done = subprocess.run(
        [sys.executable, "-m", "patronload"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["northfield"]
