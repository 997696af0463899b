"""Read a run's artifacts for the pages. Whatever is wrong with them, the page shows a sentence, not a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TypeVar

from fastapi import HTTPException
from fastapi.responses import StreamingResponse

from patronload.artifacts import names
from patronload.artifacts.models import Fields
from patronload.artifacts.run import Run
from patronload.errors import PatronloadError
from patronload.in_airflow.pages import loads, looks
from patronload.reporting.report import Report

log = logging.getLogger(__name__)

BLOCK = 1 << 20
"""Bytes of a download that are read at once."""

T = TypeVar("T")


def download(
    blocks: Iterator[bytes], dag_id: str, run_id: str, name: str, media_type: str = "text/csv"
) -> StreamingResponse:
    """A file of a run to keep."""
    whole = f"{loads.tenant_of(dag_id)}_{run_id}_{name}"
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-._") else "_" for sign in whole)
    headers = looks.HEADERS | {"Content-Disposition": f'attachment; filename="{safe}"'}
    # Once a download has begun, there is no way to report that something is wrong with it.
    first = or_503(lambda: next(blocks, b""))
    return StreamingResponse(chain([first], blocks), media_type=media_type, headers=headers)


def or_503(read: Callable[[], T]) -> T:
    """The result of reading; if artifacts cannot be read, a page that says what is wrong."""
    try:
        return read()
    except Exception as error:
        raise HTTPException(503, trouble(error)) from error


def report_of(run: Run) -> tuple[Report | None, str]:
    """The run's report; without one, what is in its way, if anything is."""
    try:
        if not run.has(names.REPORT):
            return None, ""
        return Report.from_json(run.read_json(names.REPORT)), ""
    except ValueError:
        return None, "Its report.json cannot be read. It may be of another version of Patronload."
    except Exception as error:  # noqa: BLE001 - a bucket that cannot be reached must not end in a page of code
        return None, trouble(error)


def fields_of(run: Run) -> Fields | None:
    """How full each field is; None if the run did not come so far, or if that cannot be read."""
    try:
        return Fields.find(run)
    except Exception as error:  # noqa: BLE001 - as above
        trouble(error)
        return None


def trouble(error: Exception) -> str:
    """The obstacle, in words for a person."""
    if isinstance(error, PatronloadError):
        return str(error)
    log.warning("The artifacts cannot be read: %s", type(error).__name__)
    return f"The artifacts cannot be reached from Airflow's API server just now ({type(error).__name__})."


def has(run: Run, name: str) -> bool:
    """Whether the run has the artifact; not if that cannot be found out."""
    try:
        return run.has(name)
    except Exception as error:  # noqa: BLE001 - as above
        trouble(error)
        return False


def blocks_of(run: Run, name: str) -> Iterator[bytes]:
    """An artifact, part by part."""
    with run.reading(name) as file:
        while block := file.read(BLOCK):
            yield block
