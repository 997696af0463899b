"""
Keep several programs running, and leave none behind.

A guard is a small separate process between us and the programs. It holds one end of a pipe. When the other end
closes, because we have finished or were killed, it stops the programs and everything they started:

    with Guard([Program("web", ["python", "-m", "http.server"], environment, Path("web.log"))]):
        ...
"""

import contextlib
import ctypes
import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn, Self

import psutil

# How long the programs may take to end, and when they are asked a second time: Airflow's scheduler may
# swallow the first signal.
PATIENCE = 15.0
ASK_AGAIN_AFTER = 4.0


class Program(NamedTuple):
    """One program to keep running; its output goes to `log`."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path


class ProgramEndedError(RuntimeError):
    """A program ended unexpectedly; the message has the last lines of its output."""


class Guard:
    """A context manager that keeps programs running while it is open; at the end they get `patience` seconds to end."""

    def __init__(self, programs: Sequence[Program], patience: float = PATIENCE) -> None:
        self.programs = programs
        self.patience = patience
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the programs; `check` reports whether they are still running."""
        for program in self.programs:
            program.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.guard"],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C reaches us, and we decide; it must not end the guard before it has cleaned up.
            start_new_session=True,
        )
        assert self._process.stdin
        print(json.dumps([self.patience, self.programs], default=str), file=self._process.stdin, flush=True)
        return self

    def stop(self) -> None:
        """Stop the programs and everything they started; returns when nothing is left."""
        if self._process:
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.close()
            # A forked child of ours may still hold the pipe open.
            self._process.terminate()
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def check(self) -> None:
        """Raise ProgramEndedError when one of the programs is no longer there."""
        if self._process and self._process.poll() is not None:
            assert self._process.stdout
            ended = self._process.stdout.readline().strip()
            raise ProgramEndedError(_last_words(next((p for p in self.programs if p.name == ended), None)))


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for a message."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:]) if log.exists() else ""


def _last_words(program: Program | None) -> str:
    if not program:
        return "the guard of the started programs was killed"
    return f"{program.name} ended unexpectedly; the last lines of {program.log}:\n{last_lines(program.log)}"


# From here on: the guard's own process.


def main() -> int:
    """Start the programs named on the first line of stdin; stop them when stdin closes or one of them ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    _adopt_orphans()
    patience, programs = json.loads(sys.stdin.readline() or "[0, []]")
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for program in (Program(*fields) for fields in programs):
            running[program.name] = _start(program)
        ended = _watch(running)
    finally:
        # From here on nothing may keep us from cleaning up.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop_descendants(patience)
    if ended:
        print(ended, flush=True)
    return 1 if ended else 0


def stop_descendants(patience: float, again: float = ASK_AGAIN_AFTER) -> None:
    """Ask the programs to end, then also everything they started, then kill the rest."""
    started = time.monotonic()
    _signal_all(signal.SIGTERM, psutil.Process().children())
    asked_again = False
    while left := _descendants():
        waited = time.monotonic() - started
        if waited > patience:
            _signal_all(signal.SIGKILL, left)
        elif waited > again and not asked_again:
            asked_again = True
            _signal_all(signal.SIGTERM, left)
        time.sleep(0.05)


def _start(program: Program) -> subprocess.Popen[bytes]:
    with Path(program.log).open("ab") as log:
        return subprocess.Popen(
            program.command,
            env=dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  the guard has one thread only
        )


def _watch(running: Mapping[str, subprocess.Popen[bytes]]) -> str | None:
    """The name of the program that ended, or None when stdin was closed."""
    while True:
        if select.select([sys.stdin], [], [], 0.2)[0] and not sys.stdin.readline():
            return None
        for name, process in running.items():
            if process.poll() is not None:
                return name


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def _descendants() -> list[psutil.Process]:
    """The descendants of this process; waits for ended children, so that they disappear."""
    return psutil.wait_procs(psutil.Process().children(recursive=True), timeout=0)[1]


def _signal_all(number: int, processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _adopt_orphans() -> None:
    """On Linux, make orphaned descendants our children, so that we can end them."""
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1)


def _end_with_parent() -> None:
    """On Linux, end a program even if the guard is killed."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
