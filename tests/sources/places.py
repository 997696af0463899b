"""Exports for the tests of the sources, and how to fetch them."""

import io
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from patronload import sources
from patronload.config.source import FolderSource
from patronload.sources import Delivered

DAY = date(2026, 11, 20)
PASSWORD = "correct-horse-battery"
EXPORT = 'ID|SURNAME\n00012|O\'Neill\n00013|"Ní Bhriain"\n'.encode()
TEN_MEGABYTES = bytes(range(256)) * 40_960


class Taken(NamedTuple):
    """What fetch told, and what it wrote."""

    delivered: Delivered
    content: bytes


Fetch = Callable[..., Taken]


def fetch_folder(path: str, into: io.BytesIO | None = None, quiet_seconds: float = 0) -> Taken:
    """Fetch from a folder or a bucket."""
    source = FolderSource(type="folder", path=path, quiet_seconds=quiet_seconds)
    into = into or io.BytesIO()
    return Taken(sources.fetch(source, path, into, day=DAY), into.getvalue())


def put(folder: Path, name: str, content: bytes = EXPORT, modified: int = 1_700_000_000) -> Path:
    """A file of a known time."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified, modified))
    return path


class Interrupted(io.BytesIO):
    """A file to write into, in which something happens when the first bytes arrive."""

    def __init__(self, happening: Callable[[], object]) -> None:
        super().__init__()
        self.happening = happening

    def write(self, block: Any) -> int:
        if self.tell() == 0:
            self.happening()
        return super().write(block)
