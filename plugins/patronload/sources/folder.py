"""Read from a folder on this machine or from a bucket: any path that Airflow's ObjectStoragePath supports."""

from __future__ import annotations

import errno
import posixpath
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patronload import connections
from patronload.errors import ConfigError, SourceError, TransientError
from patronload.sources.deliveries import Entry, Kind, Place, utc

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

BLOCK = 1 << 20
"""Bytes per read."""

AHEAD = 5 << 20
"""Bytes per request to a bucket; the default of s3fs is 50 MB."""

KINDS: dict[str, Kind] = {"file": "file", "directory": "folder"}

LOGIN_REFUSED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestTimeTooSkewed")
"""S3's codes for a wrong login; s3fs turns them into a PermissionError about the file."""


class _Folder(Place):
    """The folders behind a URL; paths in it are written without the scheme: bucket/exports/patrons.csv."""

    def __init__(self, path: ObjectStoragePath, undated: Iterable[str]) -> None:
        self.url = path
        self.base = _base(path.path, undated) if _is_local(path) else None
        # fsspec has no type hints.
        self.files: Any = path.fs

    def address(self, path: str) -> str:
        return path if _is_local(self.url) else f"{self.url.protocol}://{path}"

    def display_name(self, path: str) -> str:
        return self.address(path) + (f" ({self.url.conn_id})" if self.url.conn_id else "")

    def listing(self, folder: str) -> list[Entry]:
        with self._answers():
            self.files.invalidate_cache()
            names = [str(info["name"]) for info in self.files.ls(folder, detail=True)]
            return [self._entry(name) for name in names if name != folder]

    def look(self, path: str) -> Entry:
        with self._answers():
            # s3fs answers from its cache, and would not notice a growing file.
            self.files.invalidate_cache()
            entry = self._entry(path, missing_ok=False)
        self._expect_inside(path)
        return entry

    def blocks(self, entry: Entry) -> Generator[bytes]:
        self._expect_inside(entry.path)
        with self._answers(), self.files.open(entry.path, "rb", block_size=AHEAD) as file:
            while block := file.read(BLOCK):
                yield block

    def _entry(self, path: str, *, missing_ok: bool = True) -> Entry:
        """One file or folder; a link that leads nowhere, or a file that has just been deleted, is neither."""
        try:
            info = self.files.info(path)
        except OSError as error:
            leads_nowhere = isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP
            if not (missing_ok and leads_nowhere):
                raise
            return Entry(path, 0, utc(0), "other")
        if missing_ok and not self._is_inside(path):
            return Entry(path, 0, utc(0), "other")
        kind = KINDS.get(info["type"], "other")
        # Folders in a bucket have no time.
        modified = (info.get("LastModified") or self.files.modified(path)) if kind == "file" else utc(0)
        return Entry(path, info["size"] or 0, modified.astimezone(UTC), kind)

    def _is_inside(self, path: str) -> bool:
        """Whether a path, with all links in it followed, is in the folder of the exports."""
        return self.base is None or Path(path).resolve().is_relative_to(self.base.resolve())

    def _expect_inside(self, path: str) -> None:
        if not self._is_inside(path):
            raise SourceError(
                f"{self.display_name(path)} is a link that leads out of its folder, so it is not read. Put the file "
                "itself there, or write its real path into the tenant file."
            )

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Pass on errors about a path; turn all others into a sentence."""
        from botocore.exceptions import BotoCoreError, NoCredentialsError

        place = self.base or f"{self.url.protocol}://"
        where = f"{place}" + (f" (connection '{self.url.conn_id}')" if self.url.conn_id else "")
        try:
            yield
        except PermissionError as error:
            if _code(error) in LOGIN_REFUSED:
                raise ConfigError(
                    f"{where} refused our login ({_code(error)}). Check the key and the secret."
                ) from error
            raise
        except (FileNotFoundError, NotADirectoryError):
            raise
        except NoCredentialsError as error:
            raise ConfigError(f"{where} requires a login. Name a connection in the path.") from error
        except (OSError, BotoCoreError) as error:
            raise TransientError(f"{where} cannot be read ({error}). Try again later.") from error


@contextmanager
def open_place(path: str, undated: Iterable[str] = ()) -> Iterator[tuple[Place, str]]:
    """
    The place of a path such as s3://conn@bucket/exports/*.csv, and the path in it. Raises ConfigError.

    `undated`: the paths as the tenant file has them, with {date:...}.
    """
    # Takes seconds to import, and the command line does not need it.
    from airflow.sdk import ObjectStoragePath

    try:
        url = ObjectStoragePath(path)
    except ValueError as error:
        raise ConfigError(
            f"'{path}' cannot be read: {error}. Write /folder/file or s3://connection@bucket/file."
        ) from error
    if _is_local(url) and not url.path.startswith("/"):
        raise ConfigError(f"'{path}' is not an absolute path. Write it from the root: /folder/file.")
    if url.conn_id:
        # Otherwise Airflow would silently use any login that the machine happens to have.
        connections.get(url.conn_id)
    yield _Folder(url, undated), url.path


def _base(path: str, undated: Iterable[str]) -> Path:
    """
    The folder within which links are followed: what the tenant file names, up to its first date, * or the like. The
    sender makes the folders of the dates, so one of them may be a link to another library's.
    """
    given = [_fixed(re.sub("^[a-z]+://", "", each)) for each in undated]
    around = [each for each in given if path.startswith(f"{each.rstrip('/')}/")]
    return Path(max(around, key=len, default=_fixed(path)))


def _fixed(path: str) -> str:
    """The folders of a path up to the first that is not always the same."""
    return posixpath.dirname(re.split(r"[*?\[{]", path, maxsplit=1)[0])


def _is_local(url: ObjectStoragePath) -> bool:
    return url.protocol in ("", "file", "local")


def _code(error: BaseException) -> str:
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
