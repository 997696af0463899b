"""Take an export from where the library left it: an SFTP server, a folder or a bucket."""

from datetime import datetime
from typing import IO

from patronload.config.source import FolderSource, SftpSource
from patronload.sources import folder, sftp
from patronload.sources.deliveries import Delivered, matching, take

__all__ = ["Delivered", "fetch", "names"]


def names(source: SftpSource | FolderSource, path: str, until: datetime | None = None) -> list[str]:
    """The paths of all files that match `path`, sorted, each of which `fetch` takes. Raises as `fetch` does."""
    if isinstance(source, SftpSource):
        with sftp.opened(source.connection) as place:
            return matching(place, path, until)
    with folder.opened(path) as (place, inside):
        return matching(place, inside, until)


def fetch(source: SftpSource | FolderSource, path: str, into: IO[bytes], until: datetime | None = None) -> Delivered:
    """
    Write the export at `path` into `into`, byte for byte, and tell what it was.

    `path` is one of `source.path_on(day)`; with * ? [ ] in it the newest regular file that matches is taken (of equally
    old ones the last by name). Only files that were written before `until` (aware) count, if it is given. When an error
    is raised `into` may hold a part of the file: throw it away.

    Raises SourceError (no such file, no permission to read it, not a file), ConfigError (the connection is missing,
    refused or unsafe) and TransientError (the file is still being written, the server is down or went away).
    """
    if isinstance(source, SftpSource):
        with sftp.opened(source.connection) as place:
            return take(place, path, into, source.quiet_seconds, until)
    with folder.opened(path) as (place, inside):
        return take(place, inside, into, source.quiet_seconds, until)
