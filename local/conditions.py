"""
Run a command on another day, at another time of day, in another time zone or on a busy machine:

    python -m local.conditions --day 2028-02-29 --time 23:58 --zone Australia/Sydney --busy python -m pytest

Only the command and the programs it starts see the other time; the machine's clock stays as it is. This needs Linux
with libfaketime (Debian and Ubuntu: apt-get install faketime gcc). Programs written in Go, such as the sandbox's S3
server, keep the machine's time, and so does the browser of the tests. That server then takes every signature.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from local.environment import PROJECT

NOON = time(12)
PLACES = ("/usr/lib/*/faketime", "/usr/lib*/faketime", "/usr/local/lib/faketime")
"""Folders in which distributions keep libfaketime."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.conditions", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--day", type=date.fromisoformat, help="such as 2028-02-29; default: today")
    parser.add_argument("--time", type=time.fromisoformat, help="such as 23:58, in the zone; default: noon")
    parser.add_argument("--zone", type=ZoneInfo, help="such as Australia/Sydney; default: the machine's own")
    parser.add_argument("--busy", action="store_true", help="keep all processors busy with other programs meanwhile")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    try:
        changes = environment(given.day, given.time, given.zone)
    except FileNotFoundError as error:
        parser.exit(2, f"{error}\n")
    with busy_machine() if given.busy else nullcontext():
        return subprocess.run(given.command, env={**os.environ, **changes}, check=False).returncode


@contextmanager
def busy_machine() -> Iterator[None]:
    """One program for each processor that does nothing but use it; they end with this one, however it ends."""
    code = f"import os\nwhile os.getppid() == {os.getpid()}: sum(range(100_000))"
    programs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


def environment(day: date | None, at: time | None, zone: ZoneInfo | None) -> Mapping[str, str]:
    """The variables that give a program another time. Raises FileNotFoundError when libfaketime is missing."""
    variables = {"TZ": zone.key} if zone else {}
    if day is None and at is None:
        return variables
    now = datetime.now(zone).astimezone(zone)
    wanted = datetime.combine(day or now.date(), at or NOON, zone or now.tzinfo)
    return variables | {
        "LD_PRELOAD": f"{_additions()} {_libfaketime()}",
        "FAKETIME": f"{wanted.timestamp() - now.timestamp():+.0f}s",
        # A process measures how long it waits by another clock, which must not jump.
        "DONT_FAKE_MONOTONIC": "1",
        "FAKE_UTIME": "1",
        "PRETENDED_FILES": f"{tempfile.gettempdir()}:{PROJECT / '.local'}",
    }


def _libfaketime() -> Path:
    found = [file for place in PLACES for file in Path("/").glob(f"{place[1:]}/libfaketime.so.1")]
    if not found:
        raise FileNotFoundError("There is no libfaketime here. Debian and Ubuntu: apt-get install faketime")
    return found[0]


def _additions() -> Path:
    """`conditions.c`, compiled."""
    source = Path(__file__).with_suffix(".c")
    compiled = PROJECT / ".local" / "cache" / "conditions.so"
    if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
        compiled.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", compiled, source], check=True)
    return compiled


if __name__ == "__main__":
    sys.exit(main())
