"""Faults on demand, and a journal of the requests that came in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class Seen:
    """One request. For a user import: the externalSystemIds posted, its flags and the counts answered."""

    method: str
    path: str
    folio_tenant: str = ""
    query: str = ""
    time: float = field(default_factory=time.time)
    seconds: float | None = None
    status: int | None = None
    bytes: int = 0
    external_system_ids: list[str] = field(default_factory=list)
    flags: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


HANGS_UP = 0
"""Instead of a status: the connection closes without an answer (on a port; in process it is a plain 599)."""

TRUE = -1
"""Instead of a status: the answer is the module's own, and the fault lies elsewhere."""


@dataclass
class Fault:
    """A fault that affects the `nth` matching request and the following ones, `times` in all.

    status: of the answer, or HANGS_UP, or TRUE.
    work: "none" gives this answer instead of working, "first" works before it; "goes on" gives it at once and works
        on, as when a gateway's time-out has passed.
    delay: seconds before the work begins, as in a queue. seconds: what this import takes, instead of import_seconds.
    trickle: seconds over which the body arrives, piece by piece. cut: the answer and its connection end halfway.
    failed_setup: the error of a user import that cannot list its reference data: 500, no user touched.
    failed_searches: the user import's partitions of ten, from 0, whose lookup fails: all users are reported as failed.
    breaks_off: the user import crashes after this number of partitions' worth of users.
    """

    status: int
    method: str = "POST"
    path: str = "/user-import"
    nth: int = 1
    times: int = 1
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    work: Literal["none", "first", "goes on"] = "none"
    folio_tenant: str | None = None
    delay: float = 0.0
    seconds: float | None = None
    trickle: float = 0.0
    cut: bool = False
    failed_setup: str = ""
    failed_searches: tuple[int, ...] = ()
    breaks_off: int | None = None
    _met: int = field(default=0, repr=False)

    def strikes(self, seen: Seen) -> bool:
        """Whether this request is one of those; counts the matching ones."""
        if (seen.method, seen.path) != (self.method, self.path) or self.folio_tenant not in (None, seen.folio_tenant):
            return False
        self._met += 1
        return self.nth <= self._met < self.nth + self.times

    @property
    def has_struck(self) -> bool:
        """Whether it affected any request."""
        return self._met >= self.nth


@dataclass
class Faults:
    """The active faults.

    import_seconds: what each user import takes at least, one partition of ten after the other.
    call_seconds: what each call takes at least, also those of mod-user-import to mod-users; 0.011 is the real speed.
    late_seconds: how long the rest of a partition takes after one of its updates was refused.
    most_bytes: the gateway's limit for a body; a larger one is 413. FOLIO: Kong's default is 1 MB.
    path: the path of faults that name none: the import.
    """

    path: str = "/user-import"
    import_seconds: float = 0.0
    call_seconds: float = 0.0
    late_seconds: float = 0.0
    most_bytes: int | None = None
    answers: list[Fault] = field(default_factory=list)

    def answer(self, status: int, **fault: Any) -> Fault:
        """Arm a fault; see `Fault` for its options."""
        armed = Fault(status, **{"path": self.path} | fault)
        self.answers.append(armed)
        return armed

    def hang_up(self, **fault: Any) -> Fault:
        """Arm a connection that closes without an answer, before the work or (work="first") after it."""
        return self.answer(HANGS_UP, **fault)

    def trouble(self, **fault: Any) -> Fault:
        """Arm a fault inside the module or on the way back, whose answer is the module's own: see `Fault`."""
        return self.answer(TRUE, **fault)

    def clear(self) -> None:
        """Back to normal."""
        self.import_seconds = self.call_seconds = self.late_seconds = 0.0
        self.most_bytes = None
        self.answers.clear()

    def strike(self, seen: Seen) -> Fault | None:
        """The fault for this request, if one is armed for it."""
        struck = [fault for fault in list(self.answers) if fault.strikes(seen)]
        return struck[0] if struck else None

    def set(self, wanted: Mapping[str, Any]) -> None:
        """The same from JSON: {"import_seconds": 2}, {"most_bytes": 9}, {"status": 503, "nth": 2}, {"clear": true}."""
        if wanted.get("clear"):
            self.clear()
        self.import_seconds = wanted.get("import_seconds", self.import_seconds)
        self.call_seconds = wanted.get("call_seconds", self.call_seconds)
        self.late_seconds = wanted.get("late_seconds", self.late_seconds)
        self.most_bytes = wanted.get("most_bytes", self.most_bytes)
        if "failed_searches" in wanted:
            wanted = {**wanted, "failed_searches": tuple(wanted["failed_searches"])}
        if "status" in wanted:
            self.answer(**{key: value for key, value in wanted.items() if key in Fault.__dataclass_fields__})
