"""Files in a bucket, through the object storage of Airflow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from patronload.artifacts.store import Entry
from patronload.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


class BucketStore:
    """See Store. Errors name the bucket, and what to do."""

    def __init__(self, folder: ObjectStoragePath) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        """See Store."""
        with self._errors():
            there: bool = (self._folder / name).exists()
            return there

    def read(self, name: str) -> bytes:
        """See Store."""
        with self._errors():
            content: bytes = (self._folder / name).read_bytes()
            return content

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """See Store."""
        with self._errors(), (self._folder / name).open("rb") as file:
            yield file

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """
        On this machine first: closing an object of a bucket finishes it, even after an error. The file there has no
        name, so that nothing stays behind if this process is killed.
        """
        with tempfile.TemporaryFile() as file:
            yield file
            file.flush()
            file.seek(0)
            with self._errors():
                path = self._folder / name
                path.fs.put_file(f"/dev/fd/{file.fileno()}", path.path)

    def create(self, name: str, content: bytes) -> bool:
        """See Store."""
        path = self._folder / name
        with self._errors():
            try:
                path.fs.pipe_file(path.path, content, mode="create")  # S3: a conditional write, If-None-Match
            except OSError as error:
                if not (isinstance(error, FileExistsError) or _is_taken(error)):
                    raise
                return False
        return True

    def remove(self, name: str) -> None:
        """See Store."""
        path = self._folder / name
        # One request: S3 deletes what is not there without an error.
        with self._errors(), suppress(FileNotFoundError):
            path.fs.rm_file(path.path)

    def entries(self, name: str = "") -> list[Entry]:
        """See Store."""
        with self._errors():
            try:
                return sorted(_entries(self._folder / name if name else self._folder))
            except FileNotFoundError:
                return []

    def folders(self) -> dict[str, list[Entry]]:
        """See Store. One request for each thousand objects, however many folders there are."""
        found: dict[str, dict[str, Entry]] = {}
        with self._errors():
            objects = self._folder.fs.find(self._folder.path, detail=True)
        for name, info in objects.items():
            folder, *rest = PurePosixPath(name).relative_to(self._folder.path).parts
            if rest:
                written = info["LastModified"].astimezone(UTC) if len(rest) == 1 else None
                found.setdefault(folder, {})[rest[0]] = Entry(rest[0], written)
        return {folder: sorted(entries.values()) for folder, entries in found.items()}

    def written_at(self, name: str) -> datetime:
        """See Store."""
        path = self._folder / name
        with self._errors():
            moment: datetime = path.fs.modified(path.path)
            return moment.astimezone(UTC)

    def remove_entry(self, name: str) -> None:
        """See Store."""
        path = self._folder / name
        with self._errors():
            path.fs.rm(path.path, recursive=True)

    def remove_folder(self) -> None:
        """A bucket has no empty folders."""

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise every error of a bucket as a sentence, except an answer about a single name."""
        from botocore.exceptions import BotoCoreError  # slow to import, and a folder does not need it

        bucket = f"{self._folder.protocol}://{self._folder.path.partition('/')[0]}"
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except PermissionError as error:
            raise ConfigError(
                f"Access to the artifacts in {bucket} was denied. Check the connection in PATRONLOAD_ARTIFACTS."
            ) from error
        except (OSError, BotoCoreError) as error:
            raise TransientError(
                f"The artifacts in {bucket} cannot be reached ({type(error).__name__}). Try again later."
            ) from error

    def ask_each_time(self) -> None:
        """
        Have fsspec ask the bucket for every listing. Otherwise it remembers a listing as long as the process lives, and
        a marker that another process of the task has written since would not be seen.
        """
        with self._errors():
            self._folder.fs.dircache.use_listings_cache = False
            self._folder.fs.invalidate_cache()


def _is_taken(error: OSError) -> bool:
    """S3: another object has the name, or is just getting it; s3fs raises some OSError for both."""
    response = getattr(error.__cause__, "response", None) or {}
    return response.get("Error", {}).get("Code") in ("PreconditionFailed", "ConditionalRequestConflict")


def _entries(folder: Any) -> Iterator[Entry]:
    for info in folder.fs.ls(folder.path, detail=True):
        path = PurePosixPath(info["name"])
        if path == PurePosixPath(folder.path):
            continue  # an empty object with the folder's own name, which S3's console makes for a new folder
        if info["type"] == "directory":
            yield Entry(path.name, None)
        else:
            with suppress(FileNotFoundError):
                # S3 gives it with the listing.
                written = info.get("LastModified") or folder.fs.modified(info["name"])
                yield Entry(path.name, written.astimezone(UTC))
