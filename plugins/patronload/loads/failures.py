"""Keep the error that ended a run as failure.json, for its report."""

from __future__ import annotations

import errno
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from patronload import errors
from patronload.artifacts import names
from patronload.artifacts.models import Failure
from patronload.artifacts.run import Run
from patronload.errors import Defect, EndedByHandError, FullDiskError, NotStartedError, PatronloadError, TransientError
from patronload.loads import leases
from patronload.loads.load import Load

log = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
"""The system's numbers for a full disk, and for an account that may not write more."""

FULL_IN_WORDS = ("No space left on device", "os error 28", "Disk quota exceeded", "os error 122")
"""The same in the texts of native libraries, which do not pass on the number."""


@contextmanager
def recording(load: Load, stage: str) -> Iterator[None]:
    """
    Keep an error raised within for the report, and remove an earlier one when there is none.

    Raises the error as `in_words` has it.
    """
    try:
        with worded(load.run):
            yield
    except leases.Superseded:
        raise  # the run continues in another process, which may have finished already
    except PatronloadError as error:
        _try_to_record(load, stage, error)
        raise
    except BaseException as error:
        if _is_of_airflow(error):
            _try_to_record(load, stage, TransientError(_stopped(stage, error)))
        raise
    load.run.remove(names.FAILURE)


@contextmanager
def worded(run: Run) -> Iterator[None]:
    """
    Let only errors pass whose text may be read by anyone: an unexpected one goes on as a Defect, without its text.

    A native library may panic with an error that is not an Exception. What ends the process, and what Airflow stops a
    task with, is passed on as it is.
    """
    try:
        yield
    except (PatronloadError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        if _is_of_airflow(error):
            raise
        raise in_words(error, run) from None


def in_words(error: BaseException, run: Run) -> PatronloadError:
    """An unexpected error as a PatronloadError: a full disk is named, anything else is a Defect."""
    if not _is_full_disk(error):
        return Defect.hiding(error)
    return FullDiskError(
        f"There is no space left on the disk, either where this run's artifacts are ({run.url}) or in the folder for "
        f"temporary files ({tempfile.gettempdir()}). Free some, then clear this task."
    )


def record_not_started(load: Load, stage: str) -> None:
    """Keep for the report that Airflow could not start a stage, unless an error is kept already."""
    if load.run.has(names.FAILURE):
        return
    sentence = (
        f"Airflow could not start the task {stage}: it waited too long for a free worker, its worker failed before the "
        "task began, or someone marked it as failed. Nothing is wrong with the export."
    )
    record(load, stage, NotStartedError(sentence))


def record_ended_by_hand(load: Load, stage: str) -> None:
    """Keep for the report that a person marked the run as failed; an error from before it, like a late file's, goes."""
    sentence = (
        f"Someone marked this run as failed in Airflow while it was at the task {stage}, so it ended there. Nothing is "
        "wrong with the export. Start the load again if it should run."
    )
    record(load, stage, EndedByHandError(sentence))


def record(load: Load, stage: str, error: PatronloadError) -> None:
    """Keep an error that ended a stage."""
    failure(stage, error).write(load.run)


def failure(stage: str, error: PatronloadError) -> Failure:
    """The facts about an error that ended a stage, for the report and the mail."""
    # Targets define subclasses of their own; the advice is found by the class that errors.py defines.
    kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    return Failure(stage=stage, kind=kind, message=str(error))


def _try_to_record(load: Load, stage: str, error: PatronloadError) -> None:
    """On a full disk, for example, this fails too; the mail then has the error from Airflow."""
    try:
        record(load, stage, error)
    except Exception as second:  # noqa: BLE001 - whatever it is, the first error is what has to be reported
        log.warning("failure.json cannot be written (%s).", type(second).__name__)


def _is_of_airflow(error: BaseException) -> bool:
    """Whether Airflow stops the task with it: it took too long, or a person ended it."""
    return not isinstance(error, Exception) and type(error).__module__.partition(".")[0] == "airflow"


def _stopped(stage: str, error: BaseException) -> str:
    return (
        f"Airflow stopped the task {stage} ({type(error).__name__}): it exceeded its time limit, or someone "
        f"ended it. Its log shows how far it got."
    )


def _is_full_disk(error: BaseException) -> bool:
    """Whether an error, or one that caused it, says that the disk is full."""
    return any(
        each.errno in FULL if isinstance(each, OSError) else any(words in _text(each) for words in FULL_IN_WORDS)
        for each in errors.causes(error)
    )


def _text(error: BaseException) -> str:
    """The text of an error; some have none, and raise another error about it."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - as above
        return ""
