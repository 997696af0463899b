"""The share of plugins/ that the tests run is measured, and less than the floor fails."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import line_coverage

SOURCE = b'''"""A module with one of each."""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """Two numbers."""

    one: int
    two: int = 2


def both(pair: Pair) -> int:
    """Their sum, if there is a pair."""
    global calls
    calls = 1
    match pair:
        case Pair(one=0):
            return pair.two
        case _:
            pass
    try:
        return pair.one + pair.two
    except TypeError:
        return 0
    finally:
        calls += 1


@staticmethod
def never() -> None:
    for each in ():
        print(each)
    else:
        print()
'''


def test_a_statement_that_ran_is_known_from_one_that_did_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The module does what it does without the marks, and keeps its docstrings."""
    (tmp_path / "one_of_each.py").write_bytes(SOURCE)
    (tmp_path / "not_imported.py").write_text("x = 1\ny = 2\n")
    monkeypatch.setattr(line_coverage, "RUN", {})
    monkeypatch.setattr(sys, "meta_path", [line_coverage.MarkingFinder(tmp_path), *sys.meta_path])
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("one_of_each")
    monkeypatch.delitem(sys.modules, "one_of_each")
    assert module.both(module.Pair(1)) == 3
    assert (module.__doc__, module.calls) == ("A module with one of each.", 2)
    assert module.both.__doc__ == "Their sum, if there is a pair."
    assert line_coverage.modules(tmp_path, line_coverage.RUN) == [
        ("one_of_each.py", 17, [21, 27, 34, 35, 37]),
        ("not_imported.py", 2, [1, 2]),
    ]
    assert line_coverage.share(line_coverage.modules(tmp_path, line_coverage.RUN)) == pytest.approx(100 * 12 / 19)


def test_less_than_the_floor_fails(project: Path, tmp_path: Path):
    """The worker has run the test, and hands over what it has seen."""
    one_test = "tests/core/test_pace.py::test_whole_chunks_as_long_as_they_are_answered_in_time"
    options = ["-n", "1", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "base"), "--coverage-floor", "99"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, one_test], cwd=project, capture_output=True, text=True, check=False
    )
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout
    found = re.search(r"^([0-9.]+) % of [0-9,]+ statements; at least 99 % is required$", ended.stdout, re.MULTILINE)
    assert found is not None
    assert 1 < float(found[1]) < 99
