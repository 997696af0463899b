"""Keep the error that ended a run as failure.json, for its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from patronload import errors
from patronload.artifacts import names
from patronload.artifacts.models import Failure
from patronload.errors import Defect, NotStartedError, PatronloadError
from patronload.loads import leases
from patronload.loads.load import Load


@contextmanager
def recording(load: Load, stage: str) -> Iterator[None]:
    """Keep an error raised within for the report, and remove an earlier one when there is none."""
    try:
        yield
    except leases.Superseded:
        raise  # the run continues in another process, which may have finished already
    except PatronloadError as error:
        record(load, stage, error)
        raise
    except Exception as error:  # noqa: BLE001 - an unexpected error goes on as a Defect, without its text
        defect = Defect.hiding(error)
        record(load, stage, defect)
        raise defect from None
    load.run.remove(names.FAILURE)


def record_not_started(load: Load, stage: str) -> None:
    """Keep for the report that Airflow could not start a stage, unless an error is kept already."""
    if load.run.has(names.FAILURE):
        return
    sentence = (
        f"Airflow could not start the task {stage}: it waited too long for a free worker, its worker failed before the "
        "task began, or someone marked it as failed. Nothing is wrong with the export."
    )
    record(load, stage, NotStartedError(sentence))


def record(load: Load, stage: str, error: PatronloadError) -> None:
    """Keep an error that ended a stage."""
    # Targets define subclasses of their own; the advice is found by the class that errors.py defines.
    kind = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    Failure(stage=stage, kind=kind, message=str(error)).write(load.run)
