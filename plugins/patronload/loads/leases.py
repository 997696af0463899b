"""
One load at a time into one library system: from its plan until its report, a run holds the system's lease.

A plan is based on what the library system has. If another load sent anything in between, the records of this one would
undo it. A backfill ignores a DAG's max_active_runs, and two tenants may load into the same FOLIO tenant, so the lease
is kept where all of them see it, beside the runs: `<root>/_leases/`.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from patronload import plain_text
from patronload.artifacts.run import Run
from patronload.errors import ConfigError, PatronloadError, TargetError, TransientError

log = logging.getLogger(__name__)

FOLDER, HELD = "_leases", ".held.json"

STALE = 2 * 3600.0
"""Seconds without a heartbeat after which a lease expires: no pause within a load is half as long."""

AT_MOST = 2.5 * 3600.0
"""Seconds to wait for another load to end."""

BETWEEN = 5.0
"""Seconds between two looks at the lease while waiting."""

EACH = 60.0
"""Seconds between two heartbeats."""


APART = 3600.0
"""Seconds that the clocks of two machines may differ."""


MOST_BYTES = 1 << 16
"""How much of the file of a lease is read; such a file is a few hundred bytes long."""


class Superseded(TransientError):  # noqa: N818 - says what happened to a process
    """Another process of the same task has taken over, and reports what becomes of the task."""


class UnreadableLease(ConfigError):  # noqa: N818 - says what the file is
    """The file of a lease is empty, damaged or says what cannot be."""


class Lease:
    """
    The lease of one library system, as a process of a run sees it. `holder` is the run: northfield/manual__2026-11-21.

    Of a run's processes the latest has it: Airflow starts a task again when it has lost track of it, whatever became of
    the first process.
    """

    def __init__(self, root: Run, system: str, holder: str) -> None:
        self._root = root
        self._holder = holder
        self._process = uuid4().hex
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", system)
        self._held, self._last = f"{FOLDER}/{name}{HELD}", f"{FOLDER}/{name}.last.json"
        self._renewed = time.monotonic()

    def hold(self) -> None:
        """Take the lease, and wait for it if necessary. Raises TransientError when another load does not end."""
        deadline, logged = time.monotonic() + AT_MOST, False
        while not self._take():
            other = self.holding().get("holder")
            if time.monotonic() > deadline:
                raise TransientError(f"Another load into the same library system has not finished: {other}.")
            if not logged:
                log.info("Waiting for another load into the same library system: %s", other)
                logged = True
            time.sleep(BETWEEN)

    @contextmanager
    def keep_on_success(self) -> Iterator[None]:
        """Hold the lease while something is prepared for sending; it is kept unless that fails."""
        self.hold()
        try:
            yield
        except BaseException:
            # Another process of the run may have it by now, and continues. What failed is what has to be reported.
            with suppress(UnreadableLease):
                if self.holding().get("process") == self._process:
                    self._root.remove(self._held)
            raise

    def check(self) -> None:
        """
        Raises TransientError when the lease has expired and another run took it, Superseded when another process of
        this run has it.

        It writes nothing: a heartbeat would take the lease back from a process that took it since the last look.
        """
        held = self.holding()
        if held.get("holder") != self._holder:
            other = held.get("holder")
            raise TransientError(
                f"This load sent no heartbeat, so its lease expired and another load took over: {other}."
            )
        if held.get("process") != self._process:
            raise Superseded("Airflow has started this task again, so this earlier process of it ends here.")

    def renew(self) -> None:
        """Send a heartbeat. Raises as `check`. What was read before it may be out of date after it."""
        self.check()
        if time.monotonic() - self._renewed >= EACH:
            self._beat()

    def renewed_by(self, tell: Callable[[str], None]) -> Callable[[str], None]:
        """`tell`, with a heartbeat each time."""

        def renew_and_tell(sentence: str) -> None:
            self.renew()
            tell(sentence)

        return renew_and_tell

    def sending(self, planned: datetime) -> None:
        """
        Record that what was planned then is sent now. Raises TargetError when another run has sent something since.

        That happens when someone clears a failed run after a later one has finished.
        """
        last = _read(self._root, self._last)
        if last and last["holder"] != self._holder and datetime.fromisoformat(last["at"]) > planned:
            raise TargetError(
                f"Another load has changed the library system since this one was planned: {last['holder']}. The "
                "rest of this load could undo those changes, so nothing more is sent. Start a new run instead."
            )
        self._root.write_json(self._last, self._mark())

    def _take(self) -> bool:
        if self._root.create_json(self._held, self._mark()):
            return True
        held = self.holding()
        if held.get("holder") == self._holder:
            self._beat()
            return True
        if held and _is_stale(held):
            log.warning(
                "The load %s has sent no heartbeat for a long time; its lease has expired and is taken over.",
                held["holder"],
            )
            self._beat()  # of several that do this the last one has it; the next look shows which
        return False

    def _beat(self) -> None:
        self._root.write_json(self._held, self._mark())
        self._renewed = time.monotonic()

    def holding(self) -> dict[str, str]:
        """Who holds the lease, and the time of the last heartbeat; empty if no one does."""
        return _read(self._root, self._held)

    def _mark(self) -> dict[str, str]:
        return {"holder": self._holder, "process": self._process, "at": datetime.now(UTC).isoformat()}


def release(root: Run, holder: str) -> None:
    """Give back all leases of a run. It needs nothing from the library system, so it works whatever failed there."""
    for name, held in _readable(root):
        if held["holder"] == holder:
            root.remove(name)


def held_by_another(root: Run, holder: str) -> str | None:
    """
    Another run of the same library that holds a lease which has not expired.

    A task must not wait for it: Airflow lets only one run of a library have that task at a time.
    """
    for _, held in _readable(root):
        if held["holder"] != holder and _library(held["holder"]) == _library(holder) and not _is_stale(held):
            return held["holder"]
    return None


def _library(holder: str) -> str:
    return holder.partition("/")[0]


def _is_stale(held: dict[str, str]) -> bool:
    return _age(held) > STALE


def _age(mark: dict[str, Any]) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(mark["at"])).total_seconds()


def _readable(root: Run) -> Iterator[tuple[str, dict[str, str]]]:
    """
    The leases that are held, with their files. One that cannot be read concerns the loads into its own system, which
    report it; the loads into all others go on.
    """
    for name in root.names(FOLDER):
        if not name.endswith(HELD):
            continue
        try:
            held = _read(root, name)
        except UnreadableLease as error:
            log.warning("%s", error)
            continue
        if held:
            yield name, held


def _read(root: Run, name: str) -> dict[str, str]:
    """The mark in a file; empty if there is no such file. Raises UnreadableLease."""
    try:
        with root.reading(name) as file:
            mark: dict[str, Any] = json.loads(file.read(MOST_BYTES))
        problem = _problem(mark)
    except FileNotFoundError:
        return {}
    except TransientError:
        raise
    except (OSError, PatronloadError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        problem = str(error) if isinstance(error, PatronloadError) else type(error).__name__
    if problem:
        raise UnreadableLease(
            f"The lease {root.url}/{name} cannot be read ({problem}), so nothing is loaded into this library system. "
            "Check in Airflow that no load into it is running, delete this file, then start the load again."
        )
    return mark


def _problem(mark: dict[str, Any]) -> str | None:
    """Why no load can have written this; errors of any kind for what is not a mark at all."""
    if not isinstance(mark["holder"], str) or "/" not in mark["holder"] or not plain_text.is_shown(mark["holder"]):
        return "it does not name a run"
    if _age(mark) < -APART:
        return "its time is in the future"
    return None
