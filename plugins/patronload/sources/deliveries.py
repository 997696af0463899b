"""The rules for getting an export from any kind of place: which file, whether it is complete, its description."""

import hashlib
import logging
import posixpath
import re
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import IO, Literal, NamedTuple, Protocol

from patronload import plain_text
from patronload.config.source import Source
from patronload.errors import MissingError, SourceError, TransientError

log = logging.getLogger(__name__)

NAMES_SHOWN = 3


Kind = Literal["file", "folder", "other"]


class Entry(NamedTuple):
    """A file or folder as its place describes it; `modified` is aware, in UTC. Links are followed."""

    path: str
    size: int
    modified: datetime
    kind: Kind

    @property
    def name(self) -> str:
        """The last part of the path."""
        return posixpath.basename(self.path)


class Delivered(NamedTuple):
    """
    A fetched export. `path` is the path on the SFTP server, or the URL in the bucket. `sha256` is the hash of the bytes
    as they arrived, in hexadecimal; `modified` is aware, in UTC.
    """

    name: str
    path: str
    size: int
    modified: datetime
    sha256: str


class Place(Protocol):
    """
    A place with folders and files.

    The methods raise FileNotFoundError, NotADirectoryError and PermissionError about the given path, and a
    PatronloadError for everything else: a server that is down, a wrong password.
    """

    def address(self, path: str) -> str:
        """The path as written in a tenant file, without a login."""

    def display_name(self, path: str) -> str:
        """The path for people: 'outgoing/patrons.csv on northfield_sftp'."""

    def listing(self, folder: str) -> list[Entry]:
        """The entries of a folder."""

    def look(self, path: str) -> Entry:
        """The entry at a path now, never a cached one."""

    def blocks(self, entry: Entry) -> Generator[bytes]:
        """The bytes of a file in order, including those after its earlier size if it has grown."""


def take(place: Place, path: str, into: IO[bytes], source: Source, until: datetime | None = None) -> Delivered:
    """Write the file at `path` into `into` if it is complete. Raises as sources.fetch does."""
    entry = find(place, path, until)
    if entry.size > source.most.bytes:
        raise SourceError(
            f"{place.display_name(entry.path)} has {entry.size:,} bytes; source.most.bytes allows "
            f"{source.most.bytes:,}. If the file is right, raise that limit in the tenant file; otherwise ask the "
            "sender."
        )
    time.sleep(source.quiet_seconds)
    _expect_unchanged(place, entry, f"{source.quiet_seconds:g} s later")
    sha256 = _copy(place, entry, into)
    _expect_unchanged(place, entry, "after it had been read")
    return Delivered(entry.name, place.address(entry.path), entry.size, entry.modified, sha256)


def find(place: Place, path: str, until: datetime | None = None) -> Entry:
    """The file at `path`, or the newest that matches it. Raises as sources.fetch does."""
    if not _is_pattern(path):
        entry = _look(place, path)
        if entry.kind != "file":
            what = "a folder" if entry.kind == "folder" else "neither a file nor a folder"
            raise SourceError(f"{place.display_name(path)} is {what}. Give the path of the export itself.")
        _expect_written(place, path, [entry], until)
        return entry
    with _in_words(place, path):
        found = _files_until(place, path, until)
    return max(found, key=lambda entry: (entry.modified, entry.path))


def matching(place: Place, path: str, until: datetime | None = None) -> list[str]:
    """The sorted paths of all files that match. Raises as sources.fetch does."""
    if not _is_pattern(path):
        return [path]
    with _in_words(place, path):
        found = _files_until(place, path, until)
    return sorted(place.address(entry.path) for entry in found)


def utc(seconds: float) -> datetime:
    """Seconds since 1970 as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def inside(folder: str, name: str) -> str:
    """The path of `name` in a folder; "." is the folder where an account begins."""
    return name if folder == "." else posixpath.join(folder, name)


def _files_until(place: Place, path: str, until: datetime | None) -> list[Entry]:
    """All files that match and were written before `until`; at least one."""
    found = [entry for entry in _matches(place, path) if entry.kind == "file"]
    if not found:
        raise FileNotFoundError(path)
    return _expect_written(place, path, found, until)


def _expect_written(place: Place, path: str, found: list[Entry], until: datetime | None) -> list[Entry]:
    """The files written before `until`. Raises MissingError if all of them are newer."""
    old = [entry for entry in found if until is None or entry.modified < until]
    if not old:
        oldest = min(entry.modified for entry in found)
        raise MissingError(
            f"{place.display_name(path)} was written at {oldest:%Y-%m-%d %H:%M} UTC, after the requested day had "
            "ended: it is not that day's export."
        )
    return old


def _is_pattern(text: str) -> bool:
    return bool(re.search(r"[*?\[]", text))


def _matches(place: Place, path: str) -> Iterator[Entry]:
    """All matches, folder by folder, as in a shell: * stops at a slash and ignores hidden files."""
    steps = path.split("/")
    first = next(number for number, step in enumerate(steps) if _is_pattern(step))
    before, pattern, after = steps[:first], steps[first], steps[first + 1 :]
    found = (
        entry for entry in _listing(place, "/".join(before) or ("/" if before else ".")) if _fits(entry.name, pattern)
    )
    if not after:
        yield from found
        return
    for entry in found:
        if entry.kind == "folder":
            yield from _matches_below(place, posixpath.join(entry.path, *after))


def _matches_below(place: Place, path: str) -> Iterator[Entry]:
    """Like _matches, but a missing path is not an error: not every matching folder contains an export."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if _is_pattern(path):
            yield from _matches(place, path)
        else:
            yield place.look(path)


def _listing(place: Place, folder: str) -> list[Entry]:
    """The entries of a folder, without those whose name is not UTF-8 or has characters that are not shown."""
    entries = place.listing(folder)
    shown = [entry for entry in entries if plain_text.is_shown(entry.name)]
    if len(shown) < len(entries):
        log.warning(
            "%s entries of %s are left out: their names are not UTF-8, or have line breaks, control characters or "
            "changes of direction. Ask the sender for other names.",
            len(entries) - len(shown),
            place.display_name(folder),
        )
    return shown


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) and (pattern.startswith(".") or not name.startswith("."))


def _look(place: Place, path: str) -> Entry:
    with _in_words(place, path):
        return place.look(path)


def _copy(place: Place, entry: Entry, into: IO[bytes]) -> str:
    digest, received = hashlib.sha256(), 0
    with closing(_blocks(place, entry)) as blocks:
        for block in blocks:
            received += len(block)
            if received > entry.size:
                break
            digest.update(block)
            into.write(block)
    if received != entry.size:
        arrived = "more" if received > entry.size else f"{received}"
        raise TransientError(
            f"{place.display_name(entry.path)} is still being written: it had {entry.size} bytes, "
            f"and {arrived} arrived."
        )
    return digest.hexdigest()


def _blocks(place: Place, entry: Entry) -> Generator[bytes]:
    # Only errors of the place are described in its words, not errors of the file that the bytes are written to.
    with _in_words(place, entry.path), closing(place.blocks(entry)) as blocks:
        yield from blocks


def _expect_unchanged(place: Place, before: Entry, when: str) -> None:
    now = _look(place, before.path)
    if now.size != before.size:
        change = f"it had {before.size} bytes, and {now.size} bytes {when}"
    elif now.modified != before.modified:
        change = f"its time was {before.modified:%H:%M:%S} UTC, and {now.modified:%H:%M:%S} UTC {when}"
    else:
        return
    raise TransientError(f"{place.display_name(before.path)} is still being written: {change}.")


@contextmanager
def _in_words(place: Place, path: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise SourceError(
            f"We have no permission to read {place.display_name(path)}. Ask its owner to let our account read the file "
            "and its folder."
        ) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(_missing(place, path)) from error


def _missing(place: Place, path: str) -> str:
    """A sentence about a missing file, with the names of the newest ones there."""
    folder = posixpath.dirname(path)
    verb = "No file matches" if _is_pattern(path) else "There is no file"
    if _is_pattern(folder):
        return f"{verb} {place.display_name(path)}."
    try:
        there = [
            entry for entry in _listing(place, folder or ".") if entry.kind == "file" and not entry.name.startswith(".")
        ]
    except (FileNotFoundError, NotADirectoryError):
        return f"{verb} {place.display_name(path)}: there is no such folder."
    except PermissionError:
        return f"{verb} {place.display_name(path)}, and we have no permission to see what is in its folder."
    newest = sorted(there, key=lambda entry: (entry.modified, entry.name), reverse=True)[:NAMES_SHOWN]
    names = ", ".join(entry.name for entry in newest)
    return f"{verb} {place.display_name(path)}. " + (
        f"The newest there: {names}." if names else "The folder holds no files."
    )
