"""
One tenant's run and its artifacts: `<root>/<tenant>/<run>/`, in a folder or in a bucket.

Every file appears complete or not at all. Where the setting PATRONLOAD_ARTIFACTS_KEYS names a connection with keys,
every file is encrypted, without exception. Code that reads through Run does not notice.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from patronload import connections, settings
from patronload.artifacts import encryption
from patronload.artifacts.bucket_store import BucketStore
from patronload.artifacts.encryption import Cipher
from patronload.artifacts.folder_store import FolderStore
from patronload.artifacts.names import PURGED, RUN_MARKERS, SHARED, UNDONE
from patronload.artifacts.store import Entry, Store
from patronload.errors import ConfigError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


class Run:
    """
    The folder of one run. Names are relative to it: `export.csv`, `results/0001.json`; see names.py.

    Reading and writing raise ConfigError when a file is encrypted and the key is missing or wrong, and what Store says.
    """

    def __init__(self, folder: ObjectStoragePath | Path) -> None:
        self.folder = folder
        self._store = store_of(folder)

    @property
    def id(self) -> str:
        """Airflow's id of the run."""
        return unquote(self.folder.name)

    @property
    def url(self) -> str:
        """Where a person finds the folder."""
        return str(self.folder)

    @property
    def shared(self) -> Run:
        """The folder of all the tenant's runs, for what one run hands to the next."""
        return Run(self.folder.parent)

    @property
    def root(self) -> Run:
        """The folder of all tenants, for what all runs share."""
        return Run(self.folder.parent.parent)

    def others(self) -> list[Run]:
        """The folders beside it, by name: the tenant's other runs, and what belongs to all of them."""
        return [Run(path) for path in _folders(self.folder.parent) if path.name != self.folder.name]

    def sibling(self, run_id: str) -> Run:
        """The folder of another run of the tenant."""
        return Run(self.folder.parent / _folder_name(run_id))

    def has(self, name: str) -> bool:
        """Whether the artifact is there; if it is, it is complete."""
        return self._store.has(name)

    def read(self, name: str) -> bytes:
        """The whole content of an artifact."""
        file = io.BytesIO(self._store.read(name))
        return self._opened(file, name).read()

    def write(self, name: str, content: bytes) -> None:
        """Write an artifact, in place of one of the same name."""
        with self.writing(name) as file:
            file.write(content)

    def read_json(self, name: str) -> Any:
        """The content of a JSON artifact. For what a run leaves there are models; see models.py."""
        return json.loads(self.read(name))

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON artifact so that people can read it."""
        self.write(name, _json(content))

    def create_json(self, name: str, content: Any) -> bool:
        """Write a JSON artifact unless there is one of this name; whether it was written. Of several, one wins."""
        text = _json(content)
        return self._store.create(name, self._cipher.encrypt(text, self._place(name)) if self._cipher else text)

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """An open artifact to read from; an encrypted one is held in memory."""
        with self._store.reading(name) as file:
            yield self._opened(file, name)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write into. It gets its name when the block ends without an error, and is discarded otherwise."""
        cipher = self._cipher  # a wrong key is reported before anything is touched
        with (
            self._store.writing(name) as file,
            cipher.writing(file, self._place(name)) if cipher else nullcontext(file) as into,
        ):
            yield into

    def remove(self, name: str) -> None:
        """Delete an artifact, if it is there."""
        self._store.remove(name)

    def names(self, folder: str) -> list[str]:
        """The files in a folder of the run, sorted: ["results/0001.json", ...]; none if there is no such folder."""
        return [f"{folder}/{each.name}" for each in self._store.entries(folder) if not each.name.startswith(".")]

    def entries(self) -> list[str]:
        """The names of files and folders in the run's folder, sorted."""
        return [each.name for each in self._store.entries()]

    def written_at(self, name: str) -> datetime | None:
        """When an artifact was written, in UTC; None if it is not there."""
        return self._store.written_at(name) if self._store.has(name) else None

    def last_written(self) -> datetime:
        """When the run last wrote something into its folder, in UTC. Purging does not count, nor does an undo."""
        return last_written(self._store.entries())

    def remove_entry(self, name: str) -> None:
        """Delete a file, or a folder with everything in it."""
        self._store.remove_entry(name)

    def remove_all(self) -> None:
        """Delete the run's folder. What marks it as a run's goes last, so that after a crash it is found again."""
        for name in sorted(self.entries(), key=lambda entry: entry in RUN_MARKERS):
            self.remove_entry(name)
        self._store.remove_folder()

    @cached_property
    def _cipher(self) -> Cipher | None:
        """Looked up once: within a task, each look-up of a connection is a request to Airflow."""
        connection = settings.artifacts_keys()
        return _cipher_of(connection) if connection else None

    def _opened(self, file: IO[bytes], name: str) -> IO[bytes]:
        """The content of a file, decrypted; where there are keys, a plain file is refused."""
        if encryption.is_encrypted(file):
            if not encryption.is_bound(file):
                self._expect_old_files(name, "was encrypted by an earlier version, which did not bind it to its place")
            return self._decrypt(file, name)
        if settings.artifacts_keys():
            self._expect_old_files(name, "is not encrypted, although there are keys")
        return file

    def _expect_old_files(self, name: str, what: str) -> None:
        if not settings.accepts_old_artifacts():
            raise ConfigError(
                f"{self.url}/{name} {what}: either the file is old, or someone replaced it. Set "
                "PATRONLOAD_ARTIFACTS_ACCEPT_OLD=1 for all of Airflow's parts until the old files are purged; see "
                "docs/run-artifacts.md, Encryption."
            )

    def _place(self, name: str) -> str:
        """The tenant, run and name of a file, to which its content is bound. The root may be moved or renamed."""
        folder = PurePosixPath(getattr(self.folder, "path", None) or str(self.folder))
        root = PurePosixPath(_path_of_root(self.folder))
        below = folder.relative_to(root) if folder.is_relative_to(root) else PurePosixPath(folder.name)
        return f"{below}/{name}"

    def _decrypt(self, file: IO[bytes], name: str) -> io.BytesIO:
        if self._cipher is None:
            raise ConfigError(
                f"{self.url}/{name} is encrypted, and no key is given. Set PATRONLOAD_ARTIFACTS_KEYS to the Airflow "
                "connection that has it, for all of Airflow's parts."
            )
        return self._cipher.decrypt(file, f"{self.url}/{name}", self._place(name))


def _path_of_root(folder: ObjectStoragePath | Path) -> str:
    """The path of the root of all artifacts, written as that of a folder below it."""
    if isinstance(folder, Path):
        return re.sub(r"^[a-z0-9]+://([^/@]*@)?", "", settings.artifacts())
    from airflow.sdk import ObjectStoragePath  # whoever made the folder has imported it

    return ObjectStoragePath(settings.artifacts()).path


def store_of(folder: ObjectStoragePath | Path) -> Store:
    """Where the files of a folder are stored."""
    if isinstance(folder, Path):
        return FolderStore(folder)
    return FolderStore(Path(folder.path)) if folder.protocol in ("file", "local", "") else BucketStore(folder)


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"


def _cipher_of(connection: str) -> Cipher:
    # Someone may have put the key itself here, and it must not be shown.
    if not re.fullmatch(r"[\w.-]+", connection):
        raise ConfigError(
            "PATRONLOAD_ARTIFACTS_KEYS is not the name of an Airflow connection. Write the keys into the password of a "
            "connection, and its name here."
        )
    return Cipher(connections.get(connection).password, f"the password of the Airflow connection '{connection}'")


def all_tenants() -> list[str]:
    """The tenants that have artifacts, sorted."""
    # What all tenants share has a name that no tenant can have, like _leases.
    return [path.name for path in _folders(_root()) if path.name[:1].isalpha()]


def all_runs(tenant: str) -> list[Run]:
    """The tenant's runs that have left something, sorted by the names of their folders. Other folders are skipped."""
    return _runs(_root() / tenant)


class Listed(NamedTuple):
    """A run with the entries of its folder."""

    run: Run
    entries: list[Entry]


def listed_runs(tenant: str) -> list[Listed]:
    """The same as all_runs, with what they have: of a bucket in as few requests as it takes to list the tenant."""
    folder = _root() / tenant
    found = [Listed(Run(folder / name), entries) for name, entries in sorted(store_of(folder).folders().items())]
    return [each for each in found if any(entry.name in RUN_MARKERS for entry in each.entries)]


def last_written(entries: Iterable[Entry]) -> datetime:
    """When a run with these entries last wrote something; see Run.last_written."""
    by_others = (PURGED, UNDONE)
    written = [each.modified for each in entries if each.modified and each.name not in by_others]
    return max(written, default=datetime.fromtimestamp(0, UTC))


def remove_unfinished(before: datetime) -> int:
    """
    Delete what processes that were killed had begun to write, `before` then (aware), of all tenants; how many files.

    In a bucket an object is complete or not there.
    """
    store = store_of(_root())
    return store.remove_unfinished(before) if isinstance(store, FolderStore) else 0


def runs_in(folder: Path) -> list[Run]:
    """The same of a tenant's folder on a disk; it takes no Airflow."""
    return _runs(folder)


def _runs(folder: Any) -> list[Run]:
    return [run for run in map(Run, _folders(folder)) if any(name in RUN_MARKERS for name in run.entries())]


def open_run(tenant: str, run_id: str) -> Run:
    """The run with Airflow's `run_id`, below $PATRONLOAD_ARTIFACTS. Different ids have different folders."""
    return Run(_root() / tenant / _folder_name(run_id))


def _folder_name(run_id: str) -> str:
    """
    The id itself, with %.. for what a folder cannot be called; Run.id turns it back.

    A folder whose name begins with a dot, or is that of a file that all runs share, is not a run's: whoever may start
    a load chooses its id. `quote` writes no letter and no dot as %.., so no other id gets the same name.
    """
    # Airflow's run ids are made of letters, digits and -_.~:+ unless an administrator allows more.
    safe = quote(run_id, safe="~:+")
    return f"%{ord(safe[0]):02X}{safe[1:]}" if safe.startswith(".") or safe in SHARED else safe


def _folders(folder: Any) -> list[Any]:
    return [folder / each.name for each in store_of(folder).entries() if each.is_folder]


def _root() -> ObjectStoragePath:
    from airflow.sdk import ObjectStoragePath  # seconds to import, and the command line does not need it

    root = ObjectStoragePath(settings.artifacts())
    store = store_of(root)
    if isinstance(store, BucketStore):
        store.ask_each_time()
    return root
