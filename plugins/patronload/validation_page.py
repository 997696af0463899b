"""
Write the page that tells what the checks of an export found, for people: validation.html.

It is made from validation.json and the report, so it holds no patron's value: rows are told by their number. It loads
nothing from elsewhere. (Great Expectations' own pages fetch sixteen things, and show what stands in the cells.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from patronload import notify
from patronload.reports import Report, counted

ROWS_SHOWN = 20
"""So many row numbers stand on the page for a check; all of them are in failing.parquet."""


class Part(NamedTuple):
    """The checks with one consequence, under a heading of their own."""

    heading: str
    about: str
    checks: list[Line]


class Line(NamedTuple):
    """A check as the page shows it: a word and a sign for how it went, and what it looks for."""

    state: str
    word: str
    looks_for: str
    columns: str
    expectation: str
    arguments: list[tuple[str, str]]
    looked_at: int | None
    failed: int
    share: str
    rows: str


PARTS = {
    "file": ("Stops the run", "If one of these fails, nothing is sent."),
    "rows": ("Rejects the row", "A row that fails one of these is not sent; the others are."),
    "blank": ("Empties the cell", "A cell that fails one of these counts as an empty one; the patron is loaded."),
    "warn": ("Only warns", "What fails one of these is told, and loaded as it is."),
}
"""The headings, by the scope of a check, in the order of what a failure costs."""

FAILED_WORDS = {"file": "Stopped the run", "rows": "Rejected rows", "blank": "Emptied cells", "warn": "Warns"}


def page(report: Report, validation: Mapping[str, Any]) -> str:
    """The page; `validation` is what validation.json holds."""
    checks = list(validation["checks"])
    failed = [check for check in checks if not check["passed"]]
    return (
        notify.templates()
        .get_template("validation.html")
        .render(
            report=report,
            day=notify.day_in_words(report.day),
            rows=validation["rows"],
            version=validation.get("great_expectations", "unknown"),
            headline=_headline(len(checks), len(failed), refused=any(check["scope"] == "file" for check in failed)),
            refused=any(check["scope"] == "file" for check in failed),
            clean=not failed,
            parts=list(_parts(checks)),
            gate_words=notify.GATE_WORDS,
        )
    )


def _headline(checks: int, failed: int, *, refused: bool) -> str:
    if refused:
        return "The file is refused"
    if not failed:
        return f"{'The one check' if checks == 1 else f'All {checks} checks'} passed"
    return f"{failed} of {counted(checks, 'check')} found something"


def _parts(checks: Iterable[Mapping[str, Any]]) -> Iterable[Part]:
    listed = list(checks)
    for scope, (heading, about) in PARTS.items():
        own = [check for check in listed if check["scope"] == scope]
        if own:
            # What was found stands first; within that the order of the mapping file.
            yield Part(heading, about, [_line(check) for check in sorted(own, key=lambda check: bool(check["passed"]))])


def _line(check: Mapping[str, Any]) -> Line:
    looked_at, failed = check.get("looked_at"), check["failed"]
    passed = check["passed"]
    return Line(
        state="passed" if passed and not failed else "tolerated" if passed else f"failed-{check['scope']}",
        word="Passed" if passed and not failed else "Passed, mostly" if passed else FAILED_WORDS[check["scope"]],
        looks_for=check.get("looks_for") or check["sentence"],
        columns=", ".join(check["columns"]),
        expectation=check["expectation"],
        arguments=[(name, _written(value)) for name, value in check.get("arguments", {}).items()],
        looked_at=looked_at,
        failed=failed,
        share=_share(failed, looked_at),
        rows=_rows(check.get("rows", ()), failed),
    )


def _share(failed: int, looked_at: int | None) -> str:
    if not failed or not looked_at:
        return ""
    part = 100 * failed / looked_at
    return f"{part:.1f} %" if part >= 0.1 else "under 0.1 %"  # noqa: PLR2004 - what one decimal can show


def _rows(rows: Iterable[int], failed: int) -> str:
    shown = list(rows)[:ROWS_SHOWN]
    more = failed - len(shown)
    return ", ".join(map(str, shown)) + (f" and {more:,} more" if shown and more > 0 else "")


def _written(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
