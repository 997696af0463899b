"""Keep the error that ends a stage in Airflow too, for the mail about a run that could not keep it in its folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from airflow.sdk import get_current_context

from patronload.artifacts.models import Failure
from patronload.errors import PatronloadError

log = logging.getLogger(__name__)

FAILED_WITH = "failed_with"
"""Airflow's key for what ended a stage, for a mail about a run whose own folder could not record it."""


@contextmanager
def for_the_mail() -> Iterator[None]:
    """
    Keep in Airflow what ends a stage. Where a disk is full, neither failure.json nor the report can be written, and
    the mail has to say so nevertheless. The messages hold no personal data.
    """
    from patronload.loads import failures

    try:
        yield
    except PatronloadError as error:
        instance: Any = get_current_context()["ti"]
        with suppress(Exception):  # what ended the stage is what has to be reported
            instance.xcom_push(FAILED_WITH, failures.failure(instance.task_id, error).to_json())
        raise


def of_the_run() -> list[Failure]:
    """The failures of this run's stages, in order; none if Airflow does not answer, so that the mail is sent anyway."""
    context = get_current_context()
    instance: Any = context["ti"]
    stages = [stage for stage in context["dag"].task_ids if stage != instance.task_id]
    try:
        kept = [instance.xcom_pull(task_ids=stage, key=FAILED_WITH) for stage in stages]
        return [Failure.model_validate(each) for each in kept if each]
    except Exception as error:  # noqa: BLE001 - whatever it is, the mail is more important
        log.warning("Airflow does not say what ended the stages (%s).", type(error).__name__)
        return []
