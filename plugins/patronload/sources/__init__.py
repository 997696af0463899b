"""Get an export from its source: an SFTP server, a folder or bucket, the result of a query, or a web server."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import IO
from zoneinfo import ZoneInfo

from patronload.config.source import AnySource, FolderSource, HttpsSource, SftpSource, SqlSource
from patronload.sources import folder, https, sftp, sql
from patronload.sources.deliveries import Delivered, Place, find, matching, take

__all__ = ["Delivered", "fetch", "look", "names", "put"]


def names(source: AnySource, path: str, until: datetime | None = None) -> list[str]:
    """The sorted paths of all files that match `path`, for `fetch`. Raises as `fetch` does."""
    if isinstance(source, SqlSource | HttpsSource):
        return [path]
    with _open(source, path) as (place, inside):
        return matching(place, inside, until)


def look(source: AnySource, day: date, zone: ZoneInfo) -> str:
    """A sentence about the file of a day for `fetch`, with times of the zone; it is not read. Raises as `fetch`."""
    path = source.path_on(day)
    if isinstance(source, SqlSource):
        return sql.look(source, day)
    if isinstance(source, HttpsSource):
        return https.look(source, path)
    with _open(source, path) as (place, inside):
        entry = find(place, inside)
    written = entry.modified.astimezone(zone)
    return f"{entry.path} has {entry.size:,} bytes and was written at {written:%Y-%m-%d %H:%M} ({zone.key})."


def put(source: SftpSource, files: Mapping[str, bytes]) -> None:
    """
    Write files, by path, into the source's SFTP account; each appears complete or not at all.

    The last folder of a path is made if it is missing. Raises SourceError, ConfigError and TransientError as `fetch`.
    """
    with sftp.account(source.connection) as account:
        for path, content in files.items():
            account.put(path, content)


def fetch(source: AnySource, path: str, into: IO[bytes], until: datetime | None = None, *, day: date) -> Delivered:
    """
    Write the export at `path` into `into`, byte for byte; returns its description.

    `path` is one of `source.path_on(day)`. If it contains * ? [ ], the newest regular file that matches is used (among
    files of the same age, the last by name). With `until` (aware), only files written before it count. Of a query the
    result for `day` is written, as CSV. After an error, `into` may contain a part of the file: discard it.

    Raises SourceError (no such file, no permission to read it, not a file), ConfigError (the connection is missing,
    refused or unsafe) and TransientError (the file is still being written, the server is down or disconnected).
    """
    if isinstance(source, SqlSource):
        return sql.fetch(source, day, into, until)
    if isinstance(source, HttpsSource):
        return https.fetch(source, path, into, until)
    with _open(source, path) as (place, inside):
        return take(place, inside, into, source, until)


@contextmanager
def _open(source: SftpSource | FolderSource, path: str) -> Iterator[tuple[Place, str]]:
    """The place of a path, and the path in it."""
    if isinstance(source, SftpSource):
        with sftp.open_account(source.connection) as place:
            yield place, path
    else:
        with folder.open_place(path, source.paths) as found:
            yield found
