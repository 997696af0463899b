"""Sum up a week's loads, for those who want one mail a week: each address gets one, whatever number of libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from patronload import dates
from patronload.artifacts import names
from patronload.artifacts import run as runs
from patronload.config import tenants
from patronload.config.tenants import Tenant
from patronload.reporting import contact_steps, mails, templates
from patronload.reporting.report import Report, count_of
from patronload.reporting.smtp import Mail
from patronload.reporting.words import LOOKS, Look

DAYS = 7


class Week(NamedTuple):
    """One library's loads of a week, the first one first; dry runs are none."""

    tenant: Tenant
    loads: tuple[Report, ...]
    last: date
    """The last of the library's own seven days."""

    @property
    def first(self) -> date:
        """The first one."""
        return self.last - timedelta(days=DAYS - 1)

    @property
    def days(self) -> str:
        """16 Nov 2026 to 22 Nov 2026."""
        return f"{dates.short(self.first)} to {dates.short(self.last)}"

    @property
    def well(self) -> int:
        """How many loads succeeded."""
        return sum(load.outcome in ("loaded", "loaded_with_rejects") for load in self.loads)

    @property
    def before(self) -> int:
        """How many runs had nothing to do, as their file had been loaded before: neither a success nor a failure."""
        return sum(load.outcome == "already_loaded" for load in self.loads)

    @property
    def undone(self) -> int:
        """How many of the runs undid a load instead of loading."""
        return sum(load.outcome == "undone" for load in self.loads)


def digests(until: datetime) -> dict[str, list[Week]]:
    """Address -> the libraries whose weeks it is to hear of, up to `until` (aware)."""
    found: dict[str, list[Week]] = {}
    spelt: dict[str, str] = {}
    for _, tenant in tenants.load_all():
        if isinstance(tenant, Tenant) and tenant.notify.weekly:
            week = Week(tenant, tuple(_loads(tenant, until)), _last_day(tenant, until))
            for address in tenant.notify.weekly:
                found.setdefault(spelt.setdefault(address.casefold(), address), []).append(week)
    return found


def mail(address: str, weeks: Sequence[Week], until: datetime) -> Mail:
    """One mail about a week of one or more libraries, which ends at `until` (aware)."""
    undone, well = sum(week.undone for week in weeks), sum(week.well for week in weeks)
    before = sum(week.before for week in weeks)
    loads = sum(len(week.loads) for week in weeks) - undone - before
    quiet = [week.tenant.library for week in weeks if len(week.loads) == week.undone]
    headline = f"{well} of {count_of(loads, 'load')} succeeded" if loads else "No load this week"
    days = {week.days for week in weeks}
    last = max((week.last for week in weeks), default=until.date())
    content = {
        "headline": headline,
        "looks": LOOKS,
        "lead": _lead(quiet, undone, before),
        "look": _look(good=bool(loads) and well == loads and not quiet),
        "week": weeks[0].days if len(days) == 1 else f"week to {dates.short(last)}",
        "weeks": [(_title(week, alone=len(days) == 1), [_line(load) for load in week.loads]) for week in weeks],
    }
    where = weeks[0].tenant.library if len(weeks) == 1 else f"{len(weeks)} libraries"
    return Mail(
        subject=mails.subject(headline, f"{where}, week to {dates.short(last)}"),
        to=(address,),
        html=templates.environment().get_template("digest.html").render(content),
        text=templates.environment().get_template("digest.txt").render(content),
    )


def _title(week: Week, *, alone: bool) -> str:
    """The library, with its own days where not all libraries have the same ones."""
    return week.tenant.library if alone else f"{week.tenant.library}, {week.days}"


def _lead(quiet: Sequence[str], undone: int, before: int) -> str:
    said = {
        f"There was no load for {', '.join(quiet)}.": bool(quiet),
        f"Already loaded: {count_of(before, 'file')}, with nothing to do.": bool(before),
        f"Undone: {count_of(undone, 'load')}.": bool(undone),
    }
    return " ".join(sentence for sentence, holds in said.items() if holds)


def _look(*, good: bool) -> Look:
    """The colours of a load that succeeded, or of one that needs attention."""
    return LOOKS["loaded" if good else "loaded_with_rejects"]._replace(word="The week")


class Line(NamedTuple):
    """
    A load in a list: its day, its outcome and that one's colour, its figures, what else is worth a mention, and why it
    failed.
    """

    day: str
    word: str
    colour: str
    load: Report
    besides: str
    reason: str


def _line(load: Report) -> Line:
    look = LOOKS[load.outcome]
    word = f"{look.word}, corrected rows" if load.corrected else look.word
    return Line(f"{load.day:%a} {load.day.day} {load.day:%b}", word, look.colour, load, _besides(load), _reason(load))


def _reason(load: Report) -> str:
    """Why a load failed, without what only people on call can use: contacts read this mail too."""
    return contact_steps.without_technical(load.failure.message) if load.failure else ""


def _besides(load: Report) -> str:
    """19,968 unchanged, 9 left, 2 returned, 24 to correct."""
    left, returned = (load.people.left, load.people.returned) if load.people else (0, 0)
    parts = {"unchanged": load.unchanged, "left": left, "returned": returned, "to correct": load.to_correct}
    return ", ".join(f"{number:,} {words}" for words, number in parts.items() if number)


def _last_day(tenant: Tenant, until: datetime) -> date:
    """The library's last day that is over."""
    return until.astimezone(tenant.zone).date() - timedelta(days=1)


def _loads(tenant: Tenant, until: datetime) -> Iterator[Report]:
    """The reports that were written in the library's own week: seven whole days by its clocks."""
    last = _last_day(tenant, until)
    first, end = (
        datetime.combine(day, time(), tenant.zone).astimezone(UTC)
        for day in (last - timedelta(days=DAYS - 1), last + timedelta(days=1))
    )
    ended = [
        (touched, run)
        for run in runs.all_runs(tenant.tenant)
        if (touched := run.written_at(names.REPORT)) and first <= touched < end
    ]
    for _, run in sorted(ended, key=lambda pair: pair[0]):
        report = Report.from_json(run.read_json(names.REPORT))
        if report.outcome != "dry_run":
            yield report
