"""
One tenant's run and the artifacts it leaves: `<root>/<tenant>/<run>/`, in a folder or in a bucket.

Every file is there whole or not at all: in a folder it is written beside its place and then renamed, and a bucket shows
an object only when all of it has arrived. A bucket that does not answer is a TransientError, whatever is asked of it.
Where the setting PATRONLOAD_ARTIFACTS_KEYS names a connection with keys, every file is encrypted, without exception;
who reads through Run does not notice.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import cached_property, wraps
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar
from urllib.parse import quote, unquote
from uuid import uuid4

from patronload import connections, settings
from patronload.artifacts import encryption
from patronload.artifacts.encryption import Cipher
from patronload.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

EXPORT = "export.csv"
DELIVERY = "export.json"
ROWS = "rows.parquet"
RAGGED = "ragged.parquet"
FACTS = "rows.json"
MORE = "more"
VALIDATION = "validation.json"
VALIDATION_PAGE = "validation.html"
FAILING = "failing.parquet"
SKIPPED = "skipped.parquet"
NOTED = "noted.parquet"
NOTED_FILE = "noted.csv"
GATES = "gates.json"
APPROVAL = "approval.json"
PATRONS = "patrons.parquet"
PLAN = "plan.json"
PLANNED = "planned.parquet"
REJECTS = "rejects.csv"
VALIDATE_REJECTS = "rejects/validate.parquet"
TRANSFORM_REJECTS = "rejects/transform.parquet"
PLAN_REJECTS = "rejects/plan.parquet"
REMEMBERED = "remembered.json"
FAILURE = "failure.json"
LATE = "late.json"
REPORT = "report.json"
REPORT_PAGE = "report.html"
PURGED = "purged.json"

CHUNKS, SENT, RESULTS = "chunks", "sent", "results"
"""The folders with one file for each chunk."""

REJECTS_OF_STAGES = {"validate": VALIDATE_REJECTS, "transform": TRANSFORM_REJECTS, "plan": PLAN_REJECTS}
"""Where each stage puts the rows that it rejects."""

MARKS = (EXPORT, DELIVERY, FAILURE, LATE, REPORT, PURGED)
"""A folder with one of these is a run's."""

LEDGER = "ledger.json"
"""Beside the runs of a tenant: whom its loads have brought into a target that cannot be asked."""


Asked = ParamSpec("Asked")
Found = TypeVar("Found")


@contextmanager
def _answers(path: Any) -> Iterator[None]:
    """What a bucket says of a name goes on as it is; all else is put into words here."""
    if _local(path):
        yield
        return
    from botocore.exceptions import BotoCoreError  # slow to import, and a folder does without

    where = f"{path.protocol}://{path.path.partition('/')[0]}"
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except PermissionError as error:
        raise ConfigError(
            f"The artifacts in {where} cannot be read or written: the bucket does not let us. Check the connection in "
            "PATRONLOAD_ARTIFACTS."
        ) from error
    except (OSError, BotoCoreError) as error:
        raise TransientError(
            f"The artifacts in {where} cannot be reached ({type(error).__name__}). Try again later."
        ) from error


def _answered(method: Callable[Concatenate[Run, Asked], Found]) -> Callable[Concatenate[Run, Asked], Found]:
    """A method of a run, in whose errors a bucket is named."""

    @wraps(method)
    def answered(run: Run, /, *args: Asked.args, **kwargs: Asked.kwargs) -> Found:
        with _answers(run.folder):
            return method(run, *args, **kwargs)

    return answered


class Run:
    """
    The folder of one run. Names are relative to it: `export.csv`, `results/0001.json`.

    Whatever reads or writes raises ConfigError when a file is encrypted and there is no key for it, or no right one.
    """

    def __init__(self, folder: ObjectStoragePath | Path) -> None:
        self.folder = folder

    @property
    def url(self) -> str:
        """Where a person finds the folder."""
        return str(self.folder)

    @property
    def shared(self) -> Run:
        """The folder of all the tenant's runs, for what goes from one to the next."""
        return Run(self.folder.parent)

    @_answered
    def has(self, name: str) -> bool:
        """Whether the artifact is there; if it is, it is whole."""
        there: bool = self._path(name).exists()
        return there

    @_answered
    def read(self, name: str) -> bytes:
        """All of an artifact."""
        content: bytes = self._path(name).read_bytes()
        file = io.BytesIO(content)
        return self._decrypted(file, name).getvalue() if encryption.is_encrypted(file) else content

    def write(self, name: str, content: bytes) -> None:
        """Put an artifact, in place of one of the same name."""
        with self.writing(name) as file:
            file.write(content)

    def read_json(self, name: str) -> Any:
        """An artifact that is JSON."""
        return json.loads(self.read(name))

    def write_json(self, name: str, content: Any) -> None:
        """Put an artifact that is JSON, written for people to read."""
        self.write(name, json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n")

    @_answered
    def create_json(self, name: str, content: Any) -> bool:
        """Put an artifact that is JSON, unless there is one of the name; whether it was put. Of several, one wins."""
        path, text = self._path(name), json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"
        local = _local(path)
        put = self._cipher.encrypted(text) if self._cipher else text
        return _created_here(local, put) if local else _created_there(path, put)

    @_answered
    def others(self) -> list[Run]:
        """The folders beside it, by their names: the tenant's other runs, and what belongs to all of them."""
        return [Run(path) for path in _folders(self.folder.parent) if path.name != self.folder.name]

    @property
    def root(self) -> Run:
        """The folder in which the tenants have theirs, for what all runs share."""
        return Run(self.folder.parent.parent)

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """An artifact to read from; an encrypted one is held in memory."""
        with _answers(self.folder), self._path(name).open("rb") as file:
            yield self._decrypted(file, name) if encryption.is_encrypted(file) else file

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write into; it gets its name when the block ends well, and leaves nothing when it does not."""
        # What is wrong with the keys is told before anything is touched.
        cipher, path = self._cipher, self._path(name)
        local = _local(path)
        with (
            _written_here(local) if local else _written_there(path) as file,
            cipher.writing(file) if cipher else nullcontext(file) as into,
        ):
            yield into

    @_answered
    def remove(self, name: str) -> None:
        """Take an artifact away, if it is there."""
        self._path(name).unlink(missing_ok=True)

    @_answered
    def names(self, folder: str) -> list[str]:
        """The files in a folder of the run, sorted: ["results/0001.json", ...]; none if there is no such folder."""
        return [f"{folder}/{each.name}" for each in _listing(self._path(folder)) if not each.name.startswith(".")]

    @property
    def id(self) -> str:
        """Airflow's id of the run."""
        return unquote(self.folder.name)

    @_answered
    def entries(self) -> list[str]:
        """What lies in the run's folder: the names of files and folders, sorted."""
        return [each.name for each in _listing(self.folder)]

    @_answered
    def modified(self, name: str) -> datetime | None:
        """When an artifact was written, in UTC; None if there is none of this name."""
        path = self._path(name)
        return _modified(path) if path.exists() else None

    @_answered
    def touched(self) -> datetime:
        """When the run last left something in its folder, in UTC. Its being cleared away is no doing of its own."""
        written = [each.modified for each in _listing(self.folder) if each.modified and each.name != PURGED]
        return max(written, default=datetime.fromtimestamp(0, UTC))

    @_answered
    def remove_entry(self, name: str) -> None:
        """Take a file away, or a folder with all that is in it."""
        _remove(self._path(name))

    @_answered
    def remove_all(self) -> None:
        """Take the run's folder away. What makes it known as a run's goes last, so that a crash leaves no remainder."""
        for name in sorted(self.entries(), key=lambda entry: entry in MARKS):
            self.remove_entry(name)
        # A bucket has no empty folders.
        local = _local(self.folder)
        if local:
            local.rmdir()

    def _path(self, name: str) -> Any:
        return self.folder / name

    @cached_property
    def _cipher(self) -> Cipher | None:
        """Asked for once: within a task, each look at a connection is a question to Airflow."""
        connection = settings.artifacts_keys()
        return _cipher_of(connection) if connection else None

    def _decrypted(self, file: IO[bytes], name: str) -> io.BytesIO:
        if self._cipher is None:
            raise ConfigError(
                f"{self.url}/{name} is encrypted, and no key is given. Set PATRONLOAD_ARTIFACTS_KEYS to the Airflow "
                "connection that has it, for all of Airflow's parts."
            )
        return self._cipher.decrypted(file, f"{self.url}/{name}")


def _cipher_of(connection: str) -> Cipher:
    # A key that somebody has put here by mistake must not be told.
    if not re.fullmatch(r"[\w.-]+", connection):
        raise ConfigError(
            "PATRONLOAD_ARTIFACTS_KEYS is not the name of an Airflow connection. Write the keys into the password of a "
            "connection, and its name here."
        )
    return Cipher(connections.get(connection).password, f"the password of the Airflow connection '{connection}'")


@contextmanager
def _written_here(path: Path) -> Iterator[IO[bytes]]:
    """Beside its place, for the eyes of this account only, and then renamed. Two who write at once do not meet."""
    _make_private(path.parent)
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}.unfinished")
    try:
        with open(unfinished, "wb", opener=_privately) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _written_there(path: Any) -> Iterator[IO[bytes]]:
    """On this machine first: closing an object of a bucket finishes it, after an error as well."""
    with tempfile.NamedTemporaryFile() as file:
        yield file
        file.flush()
        with _answers(path):
            path.fs.put_file(file.name, path.path)


def _created_here(path: Path, content: bytes) -> bool:
    _make_private(path.parent)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".") as file:
        file.write(content)
        file.flush()
        try:
            path.hardlink_to(file.name)  # whole or not at all, and only one of several gets the name
        except FileExistsError:
            return False
    return True


def _created_there(path: Any, content: bytes) -> bool:
    try:
        path.fs.pipe_file(path.path, content, mode="create")  # S3: a conditional write, If-None-Match
    except OSError as error:
        if not (isinstance(error, FileExistsError) or _is_taken(error)):
            raise
        return False
    return True


def _is_taken(error: OSError) -> bool:
    """S3: another object has the name, or is getting it at this moment; s3fs tells both as some OSError."""
    response = getattr(error.__cause__, "response", None) or {}
    return response.get("Error", {}).get("Code") in ("PreconditionFailed", "ConditionalRequestConflict")


def _privately(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this account only."""
    if not folder.exists():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _local(path: Any) -> Path | None:
    """The path as one of this machine's, or None for a bucket."""
    if isinstance(path, Path):
        return path
    return Path(path.path) if path.protocol in ("file", "local", "") else None


class _Entry(NamedTuple):
    """A file, or a folder, which has no time of its own."""

    name: str
    modified: datetime | None


def _listing(folder: Any) -> list[_Entry]:
    """What lies in a folder, sorted by name; nothing if there is no such folder."""
    local = _local(folder)
    try:
        found = list(_listed_here(local) if local else _listed_there(folder))
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda each: each.name)


def _listed_here(folder: Path) -> Iterator[_Entry]:
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # it has gone meanwhile, like a file that is written and gets its name now
            yield _Entry(path.name, None if path.is_dir() else _modified(path))


def _listed_there(folder: Any) -> Iterator[_Entry]:
    for info in folder.fs.ls(folder.path, detail=True):
        path = PurePosixPath(info["name"])
        if path == PurePosixPath(folder.path):
            continue  # an empty object of the folder's own name, as S3's console makes it for a new folder
        if info["type"] == "directory":
            yield _Entry(path.name, None)
        else:
            with suppress(FileNotFoundError):
                # S3 tells it of all at once.
                written = info.get("LastModified") or folder.fs.modified(info["name"])
                yield _Entry(path.name, written.astimezone(UTC))


def _modified(path: Any) -> datetime:
    local = _local(path)
    if local:
        return datetime.fromtimestamp(local.stat().st_mtime, UTC)
    moment: datetime = path.fs.modified(path.path)
    return moment.astimezone(UTC)


def _remove(path: Any) -> None:
    local = _local(path)
    if local is None:
        path.fs.rm(path.path, recursive=True)
    elif local.is_dir():
        shutil.rmtree(local)
    else:
        local.unlink(missing_ok=True)


def all_tenants() -> list[str]:
    """The tenants that have artifacts, sorted."""
    # What all share has a name that no tenant can have, like _leases.
    return [path.name for path in _folders(_root()) if path.name[:1].isalpha()]


def all_runs(tenant: str) -> list[Run]:
    """The tenant's runs that have left something, by the names of their folders. Other folders are nobody's here."""
    return [run for run in map(Run, _folders(_root() / tenant)) if any(name in MARKS for name in run.entries())]


def _folders(folder: Any) -> list[Any]:
    with _answers(folder):
        return [folder / each.name for each in _listing(folder) if each.modified is None]


def _root() -> ObjectStoragePath:
    from airflow.sdk import ObjectStoragePath  # seconds to import, and the command line does without

    root = ObjectStoragePath(settings.artifacts())
    if not _local(root):
        _see_what_others_put(root)
    return root


def _see_what_others_put(root: ObjectStoragePath) -> None:
    """
    Have fsspec ask the bucket each time: it remembers a listing for as long as the process lives, and answers from it
    what is there and how long it is. A mark that another process of the task has put since would not be seen.
    """
    with _answers(root):
        root.fs.dircache.use_listings_cache = False
        root.fs.invalidate_cache()


def open_run(tenant: str, run_id: str) -> Run:
    """The run with Airflow's `run_id`, below $PATRONLOAD_ARTIFACTS."""
    # Airflow's run ids are made of letters, digits and -_.~:+ unless an administrator allows more.
    safe = quote(run_id, safe="~:+").lstrip(".") or "run"
    return Run(_root() / tenant / safe)
