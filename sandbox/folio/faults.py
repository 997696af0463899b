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
    folio_tenant: str
    query: str = ""
    time: float = field(default_factory=time.time)
    seconds: float | None = None
    status: int | None = None
    bytes: int = 0
    external_system_ids: list[str] = field(default_factory=list)
    flags: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass
class Fault:
    """An answer other than the true one, for the `nth` matching request and as many as `times` from there.

    status: 0 hangs up: the connection closes without an answer (on a port; in process it is a plain 599).
    work: "none" answers instead of working; "first" works, then gives this answer; "goes on" gives this answer at once
        and works on behind it, as a gateway's time-out does.
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
    _met: int = field(default=0, repr=False)

    def strikes(self, seen: Seen) -> bool:
        """Whether this request is one of those; counts the matching ones."""
        if (seen.method, seen.path) != (self.method, self.path) or self.folio_tenant not in (None, seen.folio_tenant):
            return False
        self._met += 1
        return self.nth <= self._met < self.nth + self.times


@dataclass
class Faults:
    """The faults in force.

    import_seconds: what each user import takes at least, spent between its partitions of ten.
    most_bytes: the gateway's limit for a body; a larger one is 413. FOLIO: Kong's default is 1 MB.
    """

    import_seconds: float = 0.0
    most_bytes: int | None = None
    answers: list[Fault] = field(default_factory=list)

    def answer(self, status: int, **fault: Any) -> Fault:
        """Arm a fault; see `Fault` for what may be said."""
        armed = Fault(status, **fault)
        self.answers.append(armed)
        return armed

    def hang_up(self, **fault: Any) -> Fault:
        """Arm a connection that closes without an answer, before the work or (work="first") after it."""
        return self.answer(0, **fault)

    def clear(self) -> None:
        """Back to normal."""
        self.import_seconds, self.most_bytes = 0.0, None
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
        self.most_bytes = wanted.get("most_bytes", self.most_bytes)
        if "status" in wanted:
            self.answer(**{key: value for key, value in wanted.items() if key in Fault.__dataclass_fields__})
