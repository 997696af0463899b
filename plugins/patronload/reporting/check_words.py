"""The results of the checks in words: what was found, its consequence, and what is true of the file, each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

SCOPE_WORDS = {
    "file": "stops the run",
    "rows": "rejects the row",
    "blank": "empties the cell",
    "warn": "only warns",
}
"""The consequences of a failed check."""

FAILED_WORDS = {"file": "Stopped the run", "rows": "Rejected rows", "blank": "Emptied cells", "warn": "Warns"}
"""The consequence of a failure, by the scope of the check, the most serious first."""


class Result(Protocol):
    """The result of a check; see artifacts.models.CheckResult."""

    @property
    def scope(self) -> str: ...  # noqa: D102

    @property
    def passed(self) -> bool: ...  # noqa: D102

    @property
    def failed(self) -> int | None: ...  # noqa: D102

    @property
    def sentence(self) -> str: ...  # noqa: D102

    @property
    def looks_for(self) -> str: ...  # noqa: D102

    @property
    def holds(self) -> str: ...  # noqa: D102


class Finding(NamedTuple):
    """
    A check that found something: the consequence, the finding, the number of rows, and how it is shown: as what stopped
    the run (`fault`), as something to note (`noted`), or quietly.
    """

    word: str
    sentence: str
    rows: int
    look: str


class Passed(NamedTuple):
    """A sentence that is true of the file, and the consequence of a failure."""

    sentence: str
    otherwise: str


def findings(checks: Iterable[Result]) -> list[Finding]:
    """The checks that found something, what costs most first. With `mostly` a check may pass and find rows."""
    found = [
        Finding(
            "Passed, mostly" if check.passed else FAILED_WORDS[check.scope],
            check.looks_for or check.sentence,
            check.failed or 0,
            "quiet" if check.passed else "fault" if check.scope == "file" else "noted",
        )
        for check in checks
        if not check.passed or check.failed
    ]
    costs = [*FAILED_WORDS.values()]
    return sorted(found, key=lambda each: costs.index(each.word) if each.word in costs else len(costs))


def passed(checks: Iterable[Result]) -> list[Passed]:
    """The sentences that are true of the file, each once."""
    return list(
        dict.fromkeys(
            Passed(in_positive(check), SCOPE_WORDS[check.scope])
            for check in checks
            if check.passed and not check.failed
        )
    )


def in_positive(check: Result) -> str:
    """A sentence that is true of the file if the check passes; runs of earlier versions have only its opposite."""
    if check.holds:
        return check.holds
    return f"Not found: {check.looks_for}" if check.looks_for else ""
