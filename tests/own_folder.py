"""Notices what a test writes outside its own folder, where other tests and other runs of the suite would meet it."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent

KEPT = tuple(f"{PROJECT}/{name}/" for name in (".local", ".hypothesis", ".pytest_cache"))
"""What the tools keep between two runs of the suite, and what a person may want to look at."""

PASSING = ("tmp", "pymp-", "playwright", "seaweedfs-", "patronload-")
"""How the names begin of what programs put into the temporary folder and remove themselves; each name is used once."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
FIRST, SECOND, BOTH = slice(1), slice(1, 2), slice(2)
CHANGES = {
    "os.mkdir": FIRST,
    "os.remove": FIRST,
    "os.rmdir": FIRST,
    "os.truncate": FIRST,
    "os.rename": BOTH,
    "os.link": SECOND,
    "os.symlink": SECOND,
}
"""Event -> which of its arguments name what is changed."""


class Watch:
    """Lists the files that this process writes and may not; `base` has a folder for each test and each fixture."""

    def __init__(self, base: Path) -> None:
        self.found: list[str] = []
        self._base = f"{base.resolve()}/"
        self._temporary = f"{Path(tempfile.gettempdir()).resolve()}/"
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            paths = (path,) if flags & WRITES else ()
        elif event in CHANGES:
            # The last argument is the number of a folder that the path is relative to, or -1.
            is_relative = event != "os.truncate" and arguments[-1] > -1
            paths = () if is_relative else arguments[CHANGES[event]]
        else:
            return
        # To make a folder that is there changes nothing; to open one makes a file without a name, gone when closed.
        nothing = event in ("open", "os.mkdir")
        changed = [path for path in _absolute(paths) if not (nothing and Path(path).is_dir())]
        self.found += [f"{event} {path}" for path in changed if not self._may_write(path)]

    def _may_write(self, path: str) -> bool:
        if f"{path}/".startswith((*KEPT, "/dev/", "/proc/")) or "/__pycache__/" in f"{path}/":
            return True
        if path.startswith(self._base):
            return "/" in path.removeprefix(self._base) or _is_pytests()
        if path.startswith(self._temporary):
            return path.removeprefix(self._temporary).startswith(PASSING) or _is_pytests()
        return False


def _absolute(paths: tuple[Any, ...]) -> Iterator[str]:
    for path in paths:
        if not isinstance(path, int):
            # A link is changed itself, not what it leads to.
            given = Path(os.fsdecode(path))
            yield str(given.parent.resolve() / given.name)


def _is_pytests() -> bool:
    """Whether pytest itself makes or removes a test's folder."""
    frame = sys._getframe(2)
    while frame := frame.f_back:
        if frame.f_globals.get("__name__") in ("_pytest.pathlib", "_pytest.tmpdir"):
            return True
    return False
