"""A scanner: markers in every cell, key and password, searched for in what good, failed and killed runs leave."""

import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
from cryptography.fernet import Fernet

from patronload.artifacts import history, names
from patronload.artifacts.models import ChunkResult
from patronload.errors import PatronloadError
from patronload.reporting import smtp
from patronload.stages import transform
from tests import stages
from tests.one_library import COLUMNS

MARK, PASSWORD = b"zqxmark", b"secret-of-folio"
STEPS = (stages.fetch, stages.validate, stages.transform, stages.plan, stages.post)


class Left:
    """What a run has left anywhere but in the artifacts that hold patrons."""

    def __init__(self, library, monkeypatch, caplog, capfd) -> None:
        self.library, self.caplog, self.capfd = library, caplog, capfd
        self.mails, self.told = [], []
        self.temporary = library.folder / "temporary"
        self.temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(self.temporary))
        monkeypatch.setattr(smtp, "send", self.mails.append)
        caplog.set_level("DEBUG", "patronload")

    def run(self, steps=STEPS):
        """All stages as Airflow runs them: after an error, report and notify; what ended the run."""
        load, ended = self.library.load(), None
        try:
            for step in steps:
                self.told.append(json.dumps(step(load), default=str))
        except (PatronloadError, KeyboardInterrupt) as error:
            ended = error
            self.told.append(f"{error!r} {error.__cause__!r}")
        for step in (stages.report, stages.notify):
            self.told.append(json.dumps(step(load), default=str))
        return ended

    def texts(self):
        """Everything that people without the right to see patrons may read, by its place."""
        out, err = self.capfd.readouterr()
        yield from {"log": self.caplog.text, "output": out, "errors": err, "Airflow": " ".join(self.told)}.items()
        yield from (("mail", f"{mail.subject} {mail.html} {mail.text}") for mail in self.mails)
        yield from (
            ("temporary", f"{path} {path.read_bytes()!r}") for path in self.temporary.rglob("*") if path.is_file()
        )
        for path, name in self.files():
            if not any(each.holds_patrons for each in names.ALL if each == name):
                yield f"{path}", content(path)

    def files(self):
        """Each file of the library, with the name of the artifact that it is or belongs to."""
        for path in self.library.runs.rglob("*"):
            if path.is_file():
                parts = path.relative_to(self.library.runs).parts
                below = parts[1:] if len(parts) > 1 and parts[0] != history.FOLDER else parts
                yield path, "/".join(below) if "/".join(below) in names.ALL else below[0]


def content(path: Path) -> str:
    """A file as text; tables are compressed, so their cells are written out."""
    return (
        str(pl.read_parquet(path).to_dicts())
        if path.suffix == ".parquet"
        else path.read_bytes().decode(errors="replace")
    )


@pytest.fixture
def left(library, monkeypatch, caplog, capfd):
    """A library whose export has the marker in every cell but the patron group, which is no secret."""
    rows = []
    for number in range(6):
        row = {column: f"zqxmark{column}{number}" for column in COLUMNS}
        row |= {"patronGroup": "Student" if number < 4 else "Nobody", "email": f"zqxmark{number}@x.example"}
        rows.append(row | {"phone": "", "expirationDate": "zqxmarkdate" if number == 3 else ""})
    text = "\n".join([",".join(COLUMNS), *(",".join(row[column] for column in COLUMNS) for row in rows)])
    (library.folder / "exports" / "patrons.csv").write_text(f"{text}\nzqxmark too few cells\n")
    library.configure(limits={"max_rejects": "100%"}, target={"send": "all", "chunk_size": 2})
    return Left(library, monkeypatch, caplog, capfd)


def die(*_):
    raise KeyboardInterrupt


def panic(*_):
    raise BaseException(f"panicked at {MARK.decode()}")  # noqa: TRY002 - as native libraries do


CASES = {
    "good": lambda _: None,
    "failed in transform": lambda patch: patch.setattr(transform, "map_rows", panic),
    "failed in plan": lambda patch: patch.setenv(
        "AIRFLOW_CONN_LIB_FOLIO", json.dumps({"conn_type": "http", "host": ""})
    ),
    "killed in post": lambda patch: patch.setattr(ChunkResult, "write", die),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_no_marker_is_found_outside_of_the_artifacts_that_hold_patrons(left, monkeypatch, encrypt, case, encrypted):
    """Log, mail, Airflow's database, errors, temporary files and the artifacts that are kept for long."""
    encrypt(*([key := Fernet.generate_key().decode()] if encrypted else []))
    CASES[case](monkeypatch)
    ended = left.run()
    assert (ended is None) == (case == "good")
    if not encrypted:
        found = [place for place, text in left.texts() if MARK.decode() in text]
        assert found == []
        assert any(MARK in path.read_bytes() for path, _ in left.files()), "the markers were there"
    secrets = [PASSWORD, *([key.encode(), MARK] if encrypted else [])]
    assert [path for path, _ in left.files() if any(secret in path.read_bytes() for secret in secrets)] == []
