"""
The errors, named by what to do next:

* PatronloadError
  + ConfigError      fix the YAML; a retry cannot help
  + SourceError      the export is unreadable; ask the sender
    - MissingError   it is missing, or has not arrived yet
  + ValidationError  the export was read and refused; nothing was sent
  + Declined         a person declined the load, or no one approved it in time; nothing was sent
  + TargetError      the library system refused us; a retry cannot help
    - RefusedError   it refused too many patrons; load again once that is fixed
  + TransientError   the network or a server was busy; retry
    - FullDiskError  there is no space left; free some
  + NotStartedError  Airflow could not start a stage; look at its workers
    - EndedByHandError  a person marked the run as failed; start it again if it should run
  + Defect           an unexpected error; report it to the developers

A bad row is not an exception. It is data: see the rejects.

A message is a sentence for a person: what is wrong, where, what was expected, what to do. It contains no personal data
and no secrets, because it goes to logs, to Airflow's database and into mails.
"""

import traceback
from collections.abc import Iterator
from pathlib import Path

from patronload import plain_text


class PatronloadError(Exception):
    """
    The base class of every error that Patronload raises on purpose.

    Its message may quote names from outside; they lose what a log would take for something else than text.
    """

    def __init__(self, *told: object) -> None:
        super().__init__(*(plain_text.lines(each) if isinstance(each, str) else each for each in told))


class ConfigError(PatronloadError):
    """A tenant file, a mapping file or a connection is wrong; a retry cannot help."""


class SourceError(PatronloadError):
    """The export is missing or cannot be read; the sender has to act."""


class MissingError(SourceError):
    """The export is not in its place; it may still arrive."""


class ValidationError(PatronloadError):
    """The export was read and refused; nothing was sent."""


class Declined(PatronloadError):  # noqa: N818 - the word for it
    """A person declined the load, or no one approved it in time; nothing was sent."""


class TargetError(PatronloadError):
    """The library system refused us; a retry cannot help."""


class RefusedError(TargetError):
    """Every patron was sent, and the library system refused too many of them; the others are loaded."""


class TransientError(PatronloadError):
    """
    The network or a server was busy; the same call may succeed later.

    `retry_after` is the pause in seconds that the server asked for, if it did.
    """

    retry_after: float | None = None


class FullDiskError(TransientError):
    """There is no space left where artifacts or temporary files are written."""


class NotStartedError(PatronloadError):
    """Airflow could not start a stage: no worker was free in time, or the worker failed before the stage began."""


class EndedByHandError(NotStartedError):
    """A person marked the run as failed in Airflow before it had ended."""


class Defect(PatronloadError):  # noqa: N818 - the word for it
    """An unexpected error. Its text names the place in the code, and never a value."""

    @classmethod
    def hiding(cls, error: BaseException) -> "Defect":
        """The defect that reports `error` without its own text, which may contain patron data."""
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        return cls(
            f"Unexpected {type(error).__name__} at {' > '.join(places[-4:])}. Its text is left out because it may "
            "contain patron data. Please report this line to the developers."
        )


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that caused it, the first one last. Each once: some libraries give an error as its cause."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and not any(cause is each for each in seen):
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
