"""
A load that is killed with signal 9 at a chosen point: `python killed.py RUN URL POINT`.

POINT is `before` or `after` and the beginning of an artifact's name, such as `after sent/0002`; or `never`, for a load
that somebody else kills.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT), str(PROJECT / "plugins")]

from patronload import targets  # noqa: E402
from patronload.artifacts.run import Run  # noqa: E402
from patronload.connections import Connection  # noqa: E402
from patronload.loads.posting import post  # noqa: E402 - the path has to be there first
from tests.targets.loads import PASSWORD, QUICK, folio_target  # noqa: E402


class MortalRun(Run):
    """A run whose process ends at a point."""

    point = "never"

    def write_json(self, name: str, content: Any) -> None:
        when, _, beginning = self.point.partition(" ")
        if when == "before" and name.startswith(beginning):
            die()
        super().write_json(name, content)
        if when == "after" and name.startswith(beginning):
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: str, url: str, point: str) -> None:
    run = MortalRun(Path(folder))
    run.point = point
    account = Connection("northfield_folio", host=url, login="loader", password=PASSWORD)
    with targets.open_target(folio_target(), lambda _: account, QUICK) as folio:
        post.post(run, folio)


if __name__ == "__main__":
    main(*sys.argv[1:])
