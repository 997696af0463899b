"""Whatever ends a stage reaches the mail, without patrons' data."""

import errno
import json
import os

import polars as pl
import pytest

from patronload.artifacts import folder_store, names
from patronload.artifacts.models import Failure
from patronload.errors import Defect, FullDiskError
from patronload.loads import failures
from patronload.stages import transform
from tests import stages

SECRET = "Abernathy"


class PanicException(BaseException):
    """As native libraries raise it: not an Exception."""


class NoTextError(Exception):
    """Its text cannot be had; asking for it raises an error with a patron's name."""

    def __str__(self) -> str:
        raise ValueError(SECRET)


def its_own_cause(error):
    """An error as `raise error from error` leaves it, which some libraries do."""
    error.__cause__ = error
    return error


def in_a_circle(error):
    """An error whose cause has the error as its cause."""
    error.__cause__ = KeyError(SECRET)
    error.__cause__.__cause__ = error
    return error


@pytest.fixture
def validated(library):
    """A load up to transform."""
    library.deliver(range(3))
    load = library.load()
    stages.fetch(load)
    stages.validate(load)
    return load


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (PanicException(f"panicked at {SECRET}"), Defect, "Unexpected PanicException"),
        (MemoryError(), Defect, "Unexpected MemoryError"),
        (UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), Defect, "Unexpected UnicodeDecodeError"),
        (OSError(errno.ENOSPC, "No space left on device", SECRET), FullDiskError, "There is no space left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", SECRET), FullDiskError, "There is no space left"),
        (NoTextError(), Defect, "Unexpected NoTextError"),
        (its_own_cause(LookupError(SECRET)), Defect, "Unexpected LookupError"),
        (in_a_circle(ArithmeticError(SECRET)), Defect, "Unexpected ArithmeticError"),
        (pl.exceptions.ComputeError("No space left on device (os error 28)"), FullDiskError, "There is no space left"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_whatever_a_stage_raises_is_kept_for_the_mail(validated, mails, monkeypatch, error, kind, says):
    """In words that anyone may read: an unexpected text could hold a patron's name."""

    def fail(*_):
        raise error

    monkeypatch.setattr(transform, "map_rows", fail)
    with pytest.raises(kind, match=says):
        stages.transform(validated)
    kept = Failure.read(validated.run)
    assert (kept.stage, kept.kind) == ("transform", kind.__name__)
    stages.report(validated)
    stages.notify(validated)
    assert says in mails[0].text
    assert SECRET not in mails[0].text + mails[0].html + kept.message


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_what_ends_the_process_is_left_alone(validated, monkeypatch, error):
    """It is not a failure of the load."""

    def fail(*_):
        raise error

    monkeypatch.setattr(transform, "map_rows", fail)
    with pytest.raises(type(error)):
        stages.transform(validated)
    assert not validated.run.has(names.FAILURE)


def test_on_a_full_disk_the_mail_has_the_reason_from_airflow(validated, mails, monkeypatch):
    """Neither failure.json nor the report can be written there; /dev/full is as full as a disk can be."""
    monkeypatch.setattr(folder_store, "open_private", lambda _, flags: os.open("/dev/full", flags))
    with pytest.raises(FullDiskError, match="There is no space left on the disk") as ended:
        stages.transform(validated)
    with pytest.raises(FullDiskError):
        stages.report(validated)
    assert not validated.run.has(names.FAILURE)
    assert stages.notify(validated, lambda: [failures.failure("transform", ended.value)]) == {
        "outcome": "failed",
        "mails": 1,
    }
    assert "There is no space left on the disk" in mails[0].text
    assert mails[0].to == ("oncall@lib.example",)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"outcome": "loaded"}'])
def test_a_damaged_report_does_not_prevent_the_mail(validated, mails, content):
    """It says that there is no report; an earlier error is repeated from failure.json."""
    validated.run.write(names.REPORT, content)
    failures.record(validated, "plan", Defect("Unexpected KeyError at plan.py:1."))
    stages.notify(validated)
    assert mails[0].subject.startswith("The load has no report")
    assert "Unexpected KeyError at plan.py:1." in mails[0].text
    assert "Unexpected KeyError at plan.py:1." in mails[0].html


@pytest.mark.parametrize(
    "name", [names.DELIVERY, names.VALIDATION, names.VALIDATE_REJECTS, names.ROWS, names.FACTS, names.FAILURE]
)
@pytest.mark.parametrize("content", [b"", f"{SECRET} \x00".encode()], ids=["empty", "overwritten"])
def test_a_damaged_artifact_ends_in_a_mail(validated, mails, name, content):
    """Whichever file it is, somebody hears of it, and nobody reads what was in it."""
    validated.run.write(name, content)
    told = []
    for stage in (stages.transform, stages.report):
        try:
            stage(validated)
        except Exception as error:  # noqa: BLE001 - which one it is depends on the file
            told.append(failures.failure(stage.__name__, error))
    stages.notify(validated, lambda: told)
    assert len(mails) == 1
    assert SECRET not in mails[0].text + mails[0].html + json.dumps([each.to_json() for each in told])
