"""Get an export from the place where the library puts it: an SFTP server, a folder or a bucket."""

from collections.abc import Mapping
from datetime import datetime
from typing import IO

from patronload.config.source import FolderSource, SftpSource
from patronload.sources import folder, sftp
from patronload.sources.deliveries import Delivered, Entry, find, matching, take

__all__ = ["Delivered", "fetch", "names", "newest", "put"]


def names(source: SftpSource | FolderSource, path: str, until: datetime | None = None) -> list[str]:
    """The sorted paths of all files that match `path`, for `fetch`. Raises as `fetch` does."""
    if isinstance(source, SftpSource):
        with sftp.open_account(source.connection) as place:
            return matching(place, path, until)
    with folder.open_place(path) as (place, inside):
        return matching(place, inside, until)


def newest(source: SftpSource | FolderSource, path: str) -> Entry:
    """The file that `fetch` would take; it is not read. Raises as `fetch` does."""
    if isinstance(source, SftpSource):
        with sftp.open_account(source.connection) as place:
            return find(place, path)
    with folder.open_place(path) as (place, inside):
        return find(place, inside)


def put(source: SftpSource, files: Mapping[str, bytes]) -> None:
    """
    Write files, by path, into the source's SFTP account; each appears complete or not at all.

    The last folder of a path is made if it is missing. Raises SourceError, ConfigError and TransientError as `fetch`.
    """
    with sftp.account(source.connection) as account:
        for path, content in files.items():
            account.put(path, content)


def fetch(source: SftpSource | FolderSource, path: str, into: IO[bytes], until: datetime | None = None) -> Delivered:
    """
    Write the export at `path` into `into`, byte for byte; returns its description.

    `path` is one of `source.path_on(day)`. If it contains * ? [ ], the newest regular file that matches is used (among
    files of the same age, the last by name). With `until` (aware), only files written before it count. After an error,
    `into` may contain a part of the file: discard it.

    Raises SourceError (no such file, no permission to read it, not a file), ConfigError (the connection is missing,
    refused or unsafe) and TransientError (the file is still being written, the server is down or disconnected).
    """
    if isinstance(source, SftpSource):
        with sftp.open_account(source.connection) as place:
            return take(place, path, into, source, until)
    with folder.open_place(path) as (place, inside):
        return take(place, inside, into, source, until)
