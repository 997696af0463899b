"""
Loaded by a Celery worker when it starts, see AIRFLOW__CELERY__EXTRA_CELERY_CONFIG in docker-compose.yaml.

It imports what tasks need once, before the worker forks: a task then begins at once. And it lets the worker take tasks
only while the artifacts can be reached: a worker cut off from them would fail task after task, faster than any other
worker could take them.
"""

import importlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import airflow.dag_processing.dagbag
import airflow.sdk.execution_time.task_runner  # noqa: F401  for the tasks
from botocore.loaders import JSONFileLoader, Loader
from celery.signals import worker_init, worker_ready, worker_shutting_down

import patronload.checks.validation
import patronload.stages.plan
import patronload.stages.post
import patronload.stages.report
import patronload.stages.transform
import patronload.stages.validate  # noqa: F401  for the tasks
from patronload import settings, targets

log = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKS = 10.0
SECONDS_TO_ANSWER = 5

_ends = threading.Event()


class ReadOnce(JSONFileLoader):
    """
    Reads botocore's descriptions of S3 once, and not in each task: that took a quarter of a second of a processor,
    more than anything else that a task of a small load does. The worker reads them before it forks.
    """

    def load_file(self, file_path: str) -> Any:
        """The content of a file; None if there is no such file."""
        return _content(file_path)


@cache
def _content(file_path: str) -> Any:
    return JSONFileLoader().load_file(file_path)


Loader.FILE_LOADER_CLASS = ReadOnce

for _module in ("airflow.providers.amazon.aws.fs.s3", "s3fs", *targets.MODULES.values()):
    importlib.import_module(_module)


def find_problem() -> str | None:
    """Why the bucket of $PATRONLOAD_ARTIFACTS cannot be used from here; None if it can, or if it is not in S3."""
    url = urlsplit(settings.artifacts())
    if url.scheme != "s3":
        return None
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        _client(url.username).head_bucket(Bucket=url.hostname)
    except (BotoCoreError, ClientError) as error:
        # Its text may name the address and the bucket, never a key.
        return f"the bucket '{url.hostname}' cannot be used ({type(error).__name__}: {error})"
    return None


@cache
def _client(connection: str | None) -> Any:
    """A client of S3 that gives up soon."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config

    limits = Config(
        connect_timeout=SECONDS_TO_ANSWER, read_timeout=SECONDS_TO_ANSWER, retries={"total_max_attempts": 1}
    )
    return S3Hook(aws_conn_id=connection, config=limits).get_conn()


class Gate:
    """Whether a worker takes tasks: opened and closed by what `find` says."""

    def __init__(self, take: Callable[[], None], stop: Callable[[], None], find: Callable[[], str | None]) -> None:
        self._take, self._stop, self._find = take, stop, find
        self.is_open = True

    def check(self) -> None:
        """Close the gate when there is a problem, open it when there is none any more."""
        problem = self._find()
        if problem and self.is_open:
            log.error("This worker takes no more tasks: %s. Running tasks continue.", problem)
            self._stop()
        elif not problem and not self.is_open:
            log.info("The artifacts can be reached again; this worker takes tasks again.")
            self._take()
        self.is_open = not problem


def wait_for_artifacts(**_: Any) -> None:
    """Do not start to take tasks before the artifacts can be reached."""
    while problem := find_problem():
        log.error("This worker waits and takes no tasks: %s.", problem)
        time.sleep(SECONDS_BETWEEN_CHECKS)


def watch(sender: Any, **_: Any) -> None:
    """Check the artifacts from now on, in a thread of the worker's main process; `sender` is Celery's consumer."""
    queues = list(sender.app.amqp.queues.consume_from)

    # Called in the thread that talks to Redis, between two messages.
    def take() -> None:
        for queue in queues:
            sender.call_soon(sender.add_task_queue, queue)

    def stop() -> None:
        for queue in queues:
            sender.call_soon(sender.cancel_task_queue, queue)

    gate = Gate(take, stop, find_problem)
    threading.Thread(target=_check_again_and_again, args=(gate,), daemon=True).start()


def end(**_: Any) -> None:
    """End the checks with the worker."""
    _ends.set()


def _check_again_and_again(gate: Gate) -> None:
    while not _ends.wait(SECONDS_BETWEEN_CHECKS):
        # An unexpected error must not end the checks; the next one may find nothing wrong.
        with suppress(Exception):
            gate.check()


worker_init.connect(wait_for_artifacts)
worker_ready.connect(watch)
worker_shutting_down.connect(end)
