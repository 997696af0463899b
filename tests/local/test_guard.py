"""Programs are kept running, and nothing of them is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from local.guard import Guard, Program, ProgramEndedError

# Starts a child in a session of its own that does not listen to SIGTERM, writes down who it is, and sleeps.
STUBBORN = """
import os, pathlib, signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
process = subprocess.Popen([sys.executable, "-c", child], start_new_session=True, stdout=subprocess.PIPE)
process.stdout.readline()
folder = pathlib.Path(sys.argv[1])
(folder / "unfinished").write_text(f"{os.getpid()} {process.pid}")
(folder / "unfinished").rename(folder / "pids")
time.sleep(600)
"""


def program(folder: Path, code: str, name: str = "program") -> Program:
    return Program(name, [sys.executable, "-c", code, str(folder)], dict(os.environ), folder / f"{name}.log")


def pids(folder: Path) -> list[int]:
    deadline = time.monotonic() + 20
    while not (folder / "pids").exists():
        assert time.monotonic() < deadline, "the program did not start"
        time.sleep(0.05)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def wait_until_gone(numbers: list[int], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while left := [number for number in numbers if runs(number)]:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)


def runs(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_programs_started_ends_with_them(tmp_path):
    """A grandchild in a session of its own that ignores SIGTERM is gone, too, when the guard has stopped."""
    with Guard([program(tmp_path, STUBBORN)], patience=1) as guard:
        numbers = pids(tmp_path)
        guard.check()
    assert not [number for number in numbers if runs(number)]


def test_nothing_is_left_when_we_are_killed(tmp_path):
    """Kill -9 of whoever holds the guard ends the programs as well."""
    code = f"""
import os, pathlib, sys, time
from local.guard import Guard, Program
folder = pathlib.Path({str(tmp_path)!r})
command = [sys.executable, "-c", {STUBBORN!r}, str(folder)]
with Guard([Program("program", command, dict(os.environ), folder / "log")], patience=1):
    time.sleep(600)
"""
    holder = subprocess.Popen([sys.executable, "-c", code])
    numbers = pids(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    wait_until_gone(numbers)


def test_one_that_ends_takes_the_others_along_and_is_named(tmp_path):
    """When one program dies, the others are stopped, and the message has its last words."""
    quitter = program(tmp_path, "print('no port is free'); raise SystemExit(3)", "quitter")
    stubborn = tmp_path / "stubborn"
    stubborn.mkdir()
    with Guard([program(stubborn, STUBBORN)], patience=1) as others:
        numbers = pids(stubborn)
        others.check()
        with Guard([program(tmp_path, "import time; time.sleep(600)"), quitter], patience=1) as guard:
            with pytest.raises(ProgramEndedError, match=r"(?s)quitter ended unexpectedly.*no port is free"):
                check_for(guard, seconds=20)
            assert all(runs(number) for number in numbers), "another guard's programs are none of its business"


def check_for(guard: Guard, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        guard.check()
        time.sleep(0.05)
