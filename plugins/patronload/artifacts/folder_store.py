"""Files in a folder of this machine, readable by this account only."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from uuid import uuid4

from patronload.artifacts.store import Entry

UNFINISHED = ".unfinished"
"""The end of the name of a file that is still being written."""


class FolderStore:
    """See Store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        """See Store."""
        return (self._folder / name).is_file()

    def read(self, name: str) -> bytes:
        """See Store."""
        return (self._folder / name).read_bytes()

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """See Store."""
        with (self._folder / name).open("rb") as file:
            yield file

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Under another name first, which is then changed. Two who write at the same time do not meet."""
        path = self._folder / name
        _make_private(path.parent)
        unfinished = path.with_name(f".{path.name}.{uuid4().hex}{UNFINISHED}")
        try:
            with open(unfinished, "wb", opener=open_private) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def create(self, name: str, content: bytes) -> bool:
        """See Store."""
        path = self._folder / name
        _make_private(path.parent)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=UNFINISHED) as file:
            file.write(content)
            file.flush()
            try:
                path.hardlink_to(file.name)  # complete or not at all, and only one of several gets the name
            except FileExistsError:
                return False
        return True

    def remove(self, name: str) -> None:
        """See Store."""
        if self.has(name):
            (self._folder / name).unlink(missing_ok=True)

    def entries(self, name: str = "") -> list[Entry]:
        """See Store."""
        try:
            return sorted(_entries(self._folder / name))
        except FileNotFoundError:
            return []

    def folders(self) -> dict[str, list[Entry]]:
        """See Store."""
        return {each.name: self.entries(each.name) for each in self.entries() if each.is_folder}

    def remove_unfinished(self, before: datetime) -> int:
        """Delete what processes that were killed had begun to write, if that was `before` then; how many files."""
        found = [path for path in self._folder.rglob(f"*{UNFINISHED}") if path.is_file()]
        old = [path for path in found if _modification_time(path) < before]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def written_at(self, name: str) -> datetime:
        """See Store."""
        return _modification_time(self._folder / name)

    def remove_entry(self, name: str) -> None:
        """See Store."""
        path = self._folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def remove_folder(self) -> None:
        """See Store."""
        self._folder.rmdir()


def _entries(folder: Path) -> Iterator[Entry]:
    for path in folder.iterdir():
        try:
            yield Entry(path.name, None if path.is_dir() else _modification_time(path))
        except OSError as error:
            # It has gone meanwhile, like an unfinished file that gets its name now, or is a link that leads nowhere.
            if error.errno not in (errno.ENOENT, errno.ELOOP):
                raise


def _modification_time(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def open_private(name: str, flags: int) -> int:
    """An opener for `open`: a new file is for this account only."""
    return os.open(name, flags, 0o600)


def _make_private(folder: Path) -> None:
    """Create a folder, and those above it that are missing, for this account only."""
    if not folder.exists():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
