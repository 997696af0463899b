"""
What can go wrong, named by what to do next:

* PatronloadError
  + ConfigError      fix the YAML; a retry cannot help
  + SourceError      the export is unreadable; ask the sender
    - MissingError   it is not there, or not there yet
  + ValidationError  the export was read and refused; nothing was sent
  + Declined         a person said no to it, or nobody said yes in time; nothing was sent
  + TargetError      the library system refused us; a retry cannot help
    - RefusedError   it refused too many patrons; load again when that is mended
  + TransientError   the network or the far end was busy; retry
  + Defect           something we did not foresee; tell the developers

A bad row is not an exception. It is data: see the rejects.

A message is a sentence for a person: what, which one, what was expected, what to do. It holds no personal data and no
secret, because it goes to logs, to Airflow's database and into mails.
"""

import traceback
from pathlib import Path


class PatronloadError(Exception):
    """The root of all that Patronload raises on purpose."""


class ConfigError(PatronloadError):
    """A tenant file, a mapping file or a connection is wrong; a retry cannot help."""


class SourceError(PatronloadError):
    """The export is missing or cannot be read; the sender has to act."""


class MissingError(SourceError):
    """There is no export where it should be; it may still come."""


class ValidationError(PatronloadError):
    """The export was read and refused; nothing was sent."""


class Declined(PatronloadError):  # noqa: N818 - the word for it
    """A person said no to the load, or nobody said yes in time; nothing was sent."""


class TargetError(PatronloadError):
    """The library system refused us; a retry cannot help."""


class RefusedError(TargetError):
    """The library system was asked for every patron, and refused too many of them; what it took is loaded."""


class TransientError(PatronloadError):
    """
    The network or the far end was busy; the same call may go through later.

    `retry_after` is the pause in seconds that the far end asked for, if it did.
    """

    retry_after: float | None = None


class Defect(PatronloadError):  # noqa: N818 - the word for it
    """Something nobody foresaw. Its text names the place in the code, never the value that was at hand."""

    @classmethod
    def hiding(cls, error: BaseException) -> "Defect":
        """The defect behind `error`, told without the error's own text, which may hold a patron's data."""
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        return cls(
            f"A {type(error).__name__} that nobody foresaw, at {' > '.join(places[-4:])}. Its text is left out because "
            "it may hold patron data. Please report this line to the developers."
        )
