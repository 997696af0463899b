"""`make setup` does its work once, and says in one sentence what is wrong with a Python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = ("sh", "awk", "cat", "cmp", "cut", "dirname", "grep", "mkdir", "mv", "rm", "sed", "uname")


@pytest.fixture
def folder(tmp_path, project):
    """A project that has nothing to install, and so needs no network."""
    (tmp_path / "local").mkdir()
    shutil.copy(project / "local" / "setup.sh", tmp_path / "local")
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "requirements-dev.txt").write_text("# nothing\n")
    return tmp_path


@pytest.fixture
def path(tmp_path):
    """A folder of programs with the tools of every Unix, and no Python."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(Path(shutil.which(tool) or pytest.skip(f"no {tool}")))
    return programs


def setup(folder: Path, path: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "VENV"}}
    variables = {**kept, **({"PATH": str(path)} if path else {}), **environment}
    command = ["/bin/sh", "local/setup.sh"]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def fake_python(path: Path, name: str, version: str, has_venv: bool = True) -> None:
    script = path / name
    script.write_text(
        f'#!/bin/sh\ncase "$2" in *version_info*) echo {version} ;; *) exit {0 if has_venv else 1} ;; esac\n'
    )
    script.chmod(0o755)


def test_a_second_call_does_nothing(folder, path):
    """It looks for no Python, prints nothing, and touches nothing; changed requirements are noticed.

    The first call finds what an interrupted one left; without the stamp of success it is not taken for good.
    """
    (folder / ".venv" / "bin").mkdir(parents=True)
    first = setup(folder)
    assert first.returncode == 0, first.stderr
    python = folder / ".venv" / "bin" / "python"
    made = python.lstat().st_mtime_ns

    second = setup(folder, path)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert python.lstat().st_mtime_ns == made

    (folder / "requirements.txt").write_text("# nothing else\n")
    # There is something to do again; that it is not done for want of a Python is quicker to see.
    assert "no Python called python3.0" in setup(folder, PYTHON="python3.0").stderr


@pytest.mark.parametrize("version", ["2.7", "3.9", "3.10", "3.14"])
def test_a_wrong_python_gets_one_sentence(folder, path, version):
    """Which versions will do, which was found, and how to choose another."""
    fake_python(path, "python3", version)
    answer = setup(folder, path)
    assert answer.returncode != 0
    assert answer.stderr.count("\n") == 1
    assert f"needs Python 3.11, 3.12 or 3.13 and found none (python3 is {version})" in answer.stderr
    assert not (folder / ".venv").exists()


def test_no_python_gets_one_sentence(folder, path):
    """Also when there is none at all, and when the one asked for is not there."""
    assert "there is no python3" in setup(folder, path).stderr
    answer = setup(folder, path, PYTHON="python3.12")
    assert (
        answer.stderr
        == "make setup: There is no Python called python3.12; Patronload needs Python 3.11, 3.12 or 3.13.\n"
    )


def test_the_python_asked_for_is_not_replaced_by_another(folder, path):
    """PYTHON=python3.10 is refused although a good one is there."""
    fake_python(path, "python3.10", "3.10")
    fake_python(path, "python3.12", "3.12")
    answer = setup(folder, path, PYTHON="python3.10")
    assert answer.stderr == "make setup: python3.10 is Python 3.10; Patronload needs Python 3.11, 3.12 or 3.13.\n"


def test_a_missing_venv_module_gets_one_sentence(folder, path):
    """Debian and Ubuntu have it in a package of its own; the sentence names the package."""
    fake_python(path, "python3.12", "3.12", has_venv=False)
    answer = setup(folder, path)
    assert answer.returncode != 0
    assert answer.stderr.count("\n") == 1
    assert "python3.12 (3.12) has no venv module" in answer.stderr
    assert "apt-get install python3.12-venv" in answer.stderr


def test_make_alone_lists_every_target(project):
    """Whoever types `make` sees what can be made."""
    listed = subprocess.run(["make"], cwd=project, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "test", "check", "up", "down", "preview", "bench", "clean"):
        assert f"\n  {target} " in listed
