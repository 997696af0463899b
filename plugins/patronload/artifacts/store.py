"""Where the files of runs are stored: one interface for a folder of this machine and for a bucket."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import IO, NamedTuple, Protocol


class Entry(NamedTuple):
    """A file, with the time when it was written, in UTC; or a folder, which has no time."""

    name: str
    modified: datetime | None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.modified is None


class Store(Protocol):
    """
    The files below one folder; names are relative to it, like `results/0001.json`.

    A file appears complete or not at all. Reading a file that is not there raises FileNotFoundError. A bucket raises
    ConfigError when access is denied, and TransientError when it does not answer.
    """

    def has(self, name: str) -> bool:
        """Whether the file is there."""

    def read(self, name: str) -> bytes:
        """The whole content of a file."""

    def reading(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """An open file to read from."""

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """An open file to write into. It gets its name when the block ends without an error."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one with this name; whether it was written. Of several writers one wins."""

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""

    def entries(self, name: str = "") -> list[Entry]:
        """The entries of a folder, sorted by name; none if there is no such folder. "" is the store's own folder."""

    def folders(self) -> dict[str, list[Entry]]:
        """The entries of each folder in the store's own folder; a bucket lists all of them together."""

    def written_at(self, name: str) -> datetime:
        """When a file was written, in UTC."""

    def remove_entry(self, name: str) -> None:
        """Delete a file, or a folder with everything in it."""

    def remove_folder(self) -> None:
        """Delete the store's own folder once it is empty."""
