"""The page "From 1 to 1,000 libraries" and the script that computes it."""

import re
import shlex
import subprocess
import sys

import pytest

from deploy import capacity
from deploy.capacity import Plan, needs


def page(project) -> str:
    return (project / "docs" / "capacity.md").read_text()


def run(project, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", project / "deploy" / "capacity.py", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_table_of_the_page_is_what_the_script_prints(project):
    """With nothing but Python, and no package of ours."""
    assert run(project).stdout in page(project)


def test_the_command_of_the_page_works(project):
    """It prints a line for the number of libraries that it names."""
    (command,) = re.findall(r"^python deploy/capacity.py (.*)$", page(project), re.MULTILINE)
    done = run(project, *shlex.split(command))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("| 100 | ")


@pytest.mark.parametrize("name", ["TASK_SECONDS", "LOAD_CPU", "SLOT_GB", "PARTS_GB", "DATABASE_KB", "LOG_KB"])
def test_the_page_names_the_figures_that_are_used(project, name):
    """Where a figure changes, the page changes with it."""
    assert re.search(rf"\| {getattr(capacity, name):g} (s|GB|kB)\b", page(project)), name


def test_more_of_anything_never_needs_less():
    """More libraries, more rows, a slower FOLIO or a shorter night: no figure gets smaller."""
    for fewer in (Plan(50), Plan(50, rows=1000), Plan(500)):
        before = needs(fewer)
        for more in (
            fewer._replace(libraries=fewer.libraries * 2),
            fewer._replace(rows=fewer.rows * 3),
            fewer._replace(per_second=fewer.per_second / 2),
            fewer._replace(hours=fewer.hours / 2),
            fewer._replace(largest=fewer.largest * 2),
        ):
            after = needs(more)
            # From 500 libraries on, the files are read less often.
            assert all(new >= old for new, old in list(zip(after, before, strict=True))[:-1]), more


def test_all_loads_fit_into_the_window():
    """The slots are enough, and one fewer would not be."""
    plan = Plan(1000, rows=50_000, hours=2)
    found = needs(plan)
    assert found.slots > 2
    minutes = plan.hours * 60
    assert plan.libraries * found.minutes_a_load / found.slots <= minutes
    assert plan.libraries * found.minutes_a_load / (found.slots - 1) > minutes


def test_a_library_that_no_night_is_long_enough_for(project):
    """Refused with a sentence, not answered with a number of slots that would not help."""
    done = run(project, "--libraries", "1", "--largest", "2000000", "--changed", "0.5", "--hours", "1")
    assert done.returncode == 2
    assert "Give more hours" in done.stderr
