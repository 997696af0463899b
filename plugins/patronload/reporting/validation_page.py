"""
Write validation.html, the page that shows people what the checks of an export found.

It is made from validation.json and the report, so it contains no patron data: rows are named by their number. It loads
nothing from elsewhere. (Great Expectations' own pages fetch sixteen things, and show the content of the cells.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from patronload import dates
from patronload.artifacts.models import CheckResult, Validation
from patronload.checks import gates
from patronload.reporting import check_words, templates, words
from patronload.reporting.report import Report, count_of

LEAST_SHARE = 0.001
"""A smaller one would be written as none."""

ROWS_SHOWN = 20
"""How many row numbers the page shows for a check; all of them are in failing.parquet."""


class Line(NamedTuple):
    """A check as the page shows it: its result, what was found or is true, and the consequence of a failure."""

    state: str
    word: str
    looks_for: str
    costs: str
    expectation: str
    arguments: list[tuple[str, str]]
    looked_at: int | None
    failed: int
    share: str
    rows: str


def page(report: Report, validation: Validation) -> str:
    """The page."""
    lines = [_line(check) for check in validation.checks]
    found = sorted((line for line in lines if line.state != "passed"), key=lambda line: [*STATES].index(line.state))
    return (
        templates.environment()
        .get_template("validation.html")
        .render(
            report=report,
            day=dates.in_words(report.day),
            rows=validation.rows,
            version=validation.great_expectations,
            headline=_headline(report, len(lines), found),
            lead=_lead(report, found),
            colour=_colour(report, found),
            found=found,
            passed=list({line.looks_for: line for line in lines if line.state == "passed"}.values()),
            gate_words=words.GATE_WORDS,
            gates=words.distinct_gates(report),
            reason_words=words.reason_words(report),
            signs=STATES | GATE_SIGNS,
        )
    )


STATES = {
    "failed-file": "\u2715",
    "failed-rows": "\u2715",
    "failed-blank": "!",
    "failed-warn": "!",
    "tolerated": "\u2713",
    "passed": "\u2713",
}
"""The states of a check, the most serious first, each with a character: readers need not distinguish colours."""

GATE_SIGNS = {
    "failed": "\u2715",
    "declined": "\u2715",
    "asked": "?",
    "approved": "\u2713",
    "overridden": "!",
    "warned": "!",
}


def _headline(report: Report, checks: int, found: list[Line]) -> str:
    if _is_refused(found):
        return "The file is refused"
    if not report.is_right_file:
        return "This may not be the right file"
    if not found:
        return f"{'The one check' if checks == 1 else f'All {checks} checks'} passed"
    return f"{len(found)} of {count_of(checks, 'check')} found something"


def _lead(report: Report, found: list[Line]) -> str:
    if _is_refused(found) or not report.is_right_file:
        return "Nothing was sent. The checks that stopped the run come first."
    if not found:
        return "Every row passed every check."
    return "None of this stops the run."


def _colour(report: Report, found: list[Line]) -> str:
    if _is_refused(found) or not report.is_right_file:
        return "file"
    return "rows" if found else "passed"


def _is_refused(found: Iterable[Line]) -> bool:
    return any(line.state == "failed-file" for line in found)


def _line(check: CheckResult) -> Line:
    state = _state(check)
    looked_at, failed = check.looked_at, check.failed or 0
    return Line(
        state=state,
        word={"passed": "Passed", "tolerated": "Passed, mostly"}.get(state, check_words.FAILED_WORDS[check.scope]),
        looks_for=check_words.in_positive(check) if state == "passed" else check.looks_for or check.sentence,
        costs=check_words.SCOPE_WORDS[check.scope],
        expectation=check.expectation,
        arguments=[(name, _to_text(value)) for name, value in check.arguments.items()],
        looked_at=looked_at,
        failed=failed,
        share=_share(failed, looked_at),
        rows=_rows(check.rows, failed),
    )


def _state(check: CheckResult) -> str:
    """With `mostly` a check may have passed and all the same have found rows."""
    if check.passed:
        return "tolerated" if check.failed else "passed"
    return f"failed-{check.scope}"


def _share(failed: int, looked_at: int | None) -> str:
    if not failed or not looked_at:
        return ""
    part = failed / looked_at
    return gates.percent(part) if part >= LEAST_SHARE else f"under {gates.percent(LEAST_SHARE)}"


def _rows(rows: Iterable[int], failed: int) -> str:
    shown = list(rows)[:ROWS_SHOWN]
    more = failed - len(shown)
    return ", ".join(map(str, shown)) + (f" and {more:,} more" if shown and more > 0 else "")


def _to_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
