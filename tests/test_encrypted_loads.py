"""Whole loads with encrypted artifacts: nothing of a patron on the disk, and everything goes on as without."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

from patronload.__main__ import main
from patronload.artifacts import encryption, names
from patronload.artifacts.models import ChunkResult
from patronload.errors import ConfigError
from patronload.loads.load import Load
from patronload.reporting import report
from tests import stages
from tests.one_library import COLUMNS, Library

Encrypt = Callable[..., None]

PATRONS = [
    ("u-zq1", "zebulon.q", "990017001", "Student", "Quackenbush", "Zebulon", "zebulon@quackenbush.example"),
    ("u-zq2", "ottilie.q", "990017002", "Staff", "Thistlethwaite", "Ottilie", "ottilie@thistle.example"),
    ("u-zq3", "barnaby.q", "990017003", "Student", "Wigglesworth", "Barnaby", "barnaby@wiggle.example"),
    ("u-zq4", "cressida.q", "990017004", "Nobody", "Featherstone", "Cressida", "cressida@feather.example"),
]
SECRETS = [cell.encode() for patron in PATRONS for cell in (*patron[:3], *patron[4:])]


@pytest.fixture
def delivered(library: Library) -> Library:
    """A library with an export of four, one of them in a group that does not exist; a chunk has two."""
    file = library.folder / "include" / "tenants" / "lib.yaml"
    tenant = yaml.safe_load(file.read_text())
    tenant["target"]["chunk_size"] = 2
    tenant["limits"]["known_ids"] = "10%"
    file.write_text(yaml.safe_dump(tenant))
    lines = [",".join(COLUMNS), *(",".join([*patron, "", ""]) for patron in PATRONS)]
    (library.folder / "exports" / "patrons.csv").write_text("\n".join(lines) + "\n")
    return library


def new_key() -> str:
    return Fernet.generate_key().decode()


def written(library: Library) -> dict[str, bytes]:
    """All that lies below the root, by its path."""
    root = library.runs.parent
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def leaking(library: Library) -> list[str]:
    return [path for path, content in written(library).items() if any(secret in content for secret in SECRETS)]


def test_no_byte_on_the_disk_tells_of_a_patron(delivered: Library, encrypt: Encrypt):
    """Of a whole load with rejects: each file is encrypted, in the run's folder and beside it; without a key, not."""
    encrypt()
    delivered.load("plain").run.write("export.csv", (delivered.folder / "exports" / "patrons.csv").read_bytes())
    assert leaking(delivered) == ["lib/plain/export.csv"]
    delivered.load("plain").run.remove_all()

    encrypt(new_key())
    made = delivered.loaded("run")
    assert (made.outcome, made.created + made.updated, made.rejected) == ("loaded_with_rejects", 3, 1)
    files = written(delivered)
    assert [path for path, content in files.items() if not content.startswith(encryption.MAGIC)] == []
    assert leaking(delivered) == []
    artifacts = {path.removeprefix("lib/run/") for path in files}
    assert {
        names.EXPORT,
        names.ROWS,
        names.PATRONS,
        names.PLANNED,
        names.REJECTS,
        names.REPORT,
        names.REPORT_PAGE,
    } <= artifacts
    assert {"chunks/0001.json.zst", "sent/0002.json", "results/0002.json", names.TRANSFORM_REJECTS} <= artifacts
    assert sum("/.history/" in path for path in files) == 2
    assert any(path.startswith("_leases/") for path in files)


def test_the_loads_before_are_known(delivered: Library, encrypt: Encrypt):
    """The ledger of the last loads is encrypted, and asked as ever: the same file again is nothing to do."""
    encrypt(new_key())
    delivered.loaded("first")
    assert delivered.loaded("second").outcome == "already_loaded"
    again = delivered.loaded("third", load_anyway="to see the ids compared")
    assert (again.updated, again.rejected) == (3, 1)


def test_a_load_that_was_killed_goes_on_with_keys_that_come_and_change(
    delivered: Library, encrypt: Encrypt, monkeypatch: pytest.MonkeyPatch
):
    """Begun without encryption, a key at each step, killed between a request and its result: each patron once."""
    keys: list[str] = []

    def load() -> Load:
        """As each task finds it: a new key in front of the others."""
        keys.insert(0, new_key())
        encrypt(*keys)
        return delivered.load("run")

    encrypt()
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS_ACCEPT_OLD", "1")
    stages.fetch(delivered.load("run"))
    for step in (stages.validate, stages.transform, stages.plan):
        step(load())
    with monkeypatch.context() as patch:
        patch.setattr(ChunkResult, "write", _die)
        with pytest.raises(KeyboardInterrupt):
            stages.post(load())
    assert delivered.load("run").run.names("results") == []
    stages.post(load())
    stages.report(load())
    made = report.Report.from_json(load().run.read_json(names.REPORT))
    assert (made.outcome, made.created + made.updated, made.rejected) == ("loaded_with_rejects", 3, 1)
    found = [
        user for user in delivered.folio.store("main").users if str(user.get("externalSystemId")).startswith("u-zq")
    ]
    assert len(found) == 3
    assert leaking(delivered) == ["lib/run/export.csv"]


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_key_that_was_taken_away_stops_the_run_until_it_is_back(delivered: Library, encrypt: Encrypt):
    """Each task that looks at such a file names it; nothing is sent, and with the old key the load goes through."""
    old, new = new_key(), new_key()
    encrypt(old)
    stages.fetch(delivered.load("run"))
    encrypt(new)
    for step in (stages.validate, stages.report):
        with pytest.raises(
            ConfigError, match=r"run/export\.json was encrypted with another key than those in the passw"
        ):
            step(delivered.load("run"))
    encrypt(new, old)
    assert delivered.loaded("run").outcome == "loaded_with_rejects"


def test_a_run_can_be_decrypted_by_hand(
    delivered: Library, encrypt: Encrypt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A file or the whole folder, for the eyes of this account only, with keys from a file or as they are typed."""
    key, keys, out = new_key(), tmp_path / "keys.txt", tmp_path / "out"
    encrypt(key)
    delivered.loaded("run")
    keys.write_text(f"{new_key()}\n{key}\n")
    assert main(["decrypt", "--artifact", str(delivered.runs / "run"), "--keys", str(keys), "--out", str(out)]) == 0
    run = delivered.load("run").run
    files = {str(path.relative_to(out)): path for path in out.rglob("*") if path.is_file()}
    assert len(files) > 20
    assert all(path.read_bytes() == run.read(name) for name, path in files.items())
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    rejects = list(csv.DictReader(io.StringIO(files[names.REJECTS].read_text(encoding="utf-8-sig"))))
    assert [row["username"] for row in rejects] == ["cressida.q"]
    one = ["decrypt", "--artifact", str(delivered.runs / "run" / names.EXPORT), "--out", str(tmp_path / "one")]
    monkeypatch.setattr("getpass.getpass", lambda _: key)
    assert main(one) == 0
    assert (tmp_path / "one" / names.EXPORT).read_bytes() == run.read(names.EXPORT)


def test_the_wrong_key_by_hand_is_told(
    delivered: Library, encrypt: Encrypt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """With the file that it does not open, and nothing is left of it."""
    keys, export = tmp_path / "keys.txt", delivered.runs / "run" / names.EXPORT
    encrypt(new_key())
    stages.fetch(delivered.load("run"))
    for text, told in ((new_key(), "export.csv was encrypted with another key"), ("é", "Key 1 of 1 in")):
        keys.write_text(text, encoding="utf-8")
        words = ["decrypt", "--artifact", str(export), "--keys", str(keys), "--out", str(tmp_path / "out")]
        assert main(words) == 1
        assert told in " ".join(capsys.readouterr().err.split())
        assert not (tmp_path / "out").exists()
