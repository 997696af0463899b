"""
Plan a load into Infiniti: what each patron is sent as, and which rows are set aside.

Infiniti cannot be queried. So this module checks Infiniti's rules as far as the file shows them, and detects changed
usernames with the patron ledger of earlier loads.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import polars as pl

from patronload import rows
from patronload.config.mapping import Mapping
from patronload.systems.infiniti import INFINITI, InfinitiTarget
from patronload.targets.delivery import (
    CHANGES,
    DEPARTURES,
    NO_BACKGROUND,
    TOO_MANY,
    UNCHANGED,
    Background,
    Leaving,
    Offline,
    Planned,
    Problem,
    Record,
    newcomer,
    only_known,
    reject,
    skip_newcomers,
)
from patronload.targets.infiniti import changes
from patronload.targets.outgoing import Outgoing
from patronload.targets.patron_ledger import LEFT, PatronLedger
from patronload.targets.spool import Spool, in_parts

YES_NO = {True: "Y", False: "N"}
"""Infiniti: y, yes, true, 1 and n, no, false, 0; the article's sample writes Y and N."""

GENDERS = ("M", "F")

FEW = 10

TOGETHER = 50_000
"""The rows that were sent last are looked up for this many patrons at once; each time, earlier runs are read."""

NO_YEAR = "a student (staffmember false) has no graduation year, and Infiniti requires one"
ODD_YEAR = "the graduation year is not written with four digits, like 2031"
ODD_GENDER = "the gender is neither M nor F; leave it empty for everyone else"
NEW_USERNAME = "the patron had another username in the last load; sending this one would create a second account"
OTHERS_CARD = "the barcode was under another username in the last load; perhaps the same patron, under a second account"


class Line(NamedTuple):
    """A patron that may be sent: the row, all columns that the mapping fills, and what is done: update, leave, ..."""

    row: int
    record: Record
    action: str = "update"
    before: Record | None = None
    """The row that Infiniti has confirmed last, if it is known."""


class _Sorted(NamedTuple):
    """The patrons of a file, and the problems of those that cannot be sent."""

    lines: list[Line]
    problems: list[tuple[int, Problem]]


def plan(
    settings: InfinitiTarget,
    patrons: pl.DataFrame | pl.LazyFrame,
    mapping: Mapping,
    background: Background = NO_BACKGROUND,
) -> Planned:
    """The plan for `patrons` (row, username, librarybarcode, adminsystemid, patron; see transform)."""
    return _Planning(settings, mapping, background).plan(patrons.lazy())


class _Planning:
    """Plans part by part, because there may be millions of patrons."""

    def __init__(self, settings: InfinitiTarget, mapping: Mapping, background: Background) -> None:
        self.settings = settings
        self.mapping = mapping
        self.background = background
        self.problems: list[tuple[int, Problem]] = []
        self.newcomers: list[tuple[int, str]] = []
        self.without_barcode: list[int] = []
        self.new = self.known = 0
        """How many patrons are sent whom no load has brought in before, and how many others."""
        self.fresh = _fresh(settings, background)
        self.unchanged = [pl.DataFrame(schema=UNCHANGED)]
        self.outgoing = Outgoing(pl.DataFrame(schema=TO_SEND))
        self.changes = Spool(CHANGES)
        self.waiting: list[Line] = []
        """Lines that are sent, until the rows that were sent last are looked up for many of them at once."""

    def plan(self, patrons: pl.LazyFrame) -> Planned:
        count = 0
        for part in in_parts(patrons, "row", "patron"):
            count += part.height
            self._part(part)
        self._send_waiting()
        departing, outcomes = _departures(self.background.leaving, self.mapping)
        self._send(departing)
        unchanged = pl.concat(self.unchanged)
        for row, key in unchanged.iter_rows():
            self.changes.add(row, key, "unchanged", None, None, None, None)
        if self.mapping.newcomers == "reject":
            self.problems += [(row, newcomer(INFINITI.key, key, INFINITI.name)) for row, key in self.newcomers]
        rejects = _rejects(self.problems, self.mapping)
        return Planned(
            patrons=self.outgoing,
            rejects=rejects,
            stops=[],
            summary=self._summary(count, unchanged.height, rejects["row"].n_unique()),
            skipped=skip_newcomers(self.newcomers if self.mapping.newcomers == "skip" else [], INFINITI.name),
            unchanged=unchanged,
            changes=self.changes,
            departures=outcomes,
        )

    def _summary(self, patrons: int, unchanged: int, rejected: int) -> dict[str, Any]:
        ledger = self.background.ledger
        has_lines = bool(self.new + self.known + unchanged)
        return {
            "patrons": patrons,
            "new": self.new,
            "known": self.known,
            "unchanged": unchanged,
            "stored": self.known + unchanged,
            "rejected": rejected,
            "read": "nothing" if ledger is None else "the ledger",
            "warnings": [
                *_without_barcode(self.without_barcode, self.mapping),
                *_of_ledger(self.settings, ledger, has_lines=has_lines),
            ],
            "findings": [],
            "create": {},
        }

    def _part(self, patrons: pl.DataFrame) -> None:
        """Decide for each patron of a part whether it is sent."""
        lines = list(self._sound_lines(patrons))
        self.without_barcode += _rows_without_barcode(lines)
        confirmed = _confirmed_rows(lines, self.background.ledger, self.fresh)
        same = [(line.row, line.record[INFINITI.key]) for line in lines if line.row in confirmed]
        self.unchanged.append(pl.DataFrame(same, UNCHANGED, orient="row"))
        for line in lines:
            if line.row not in confirmed:
                self.waiting.append(line)
                if len(self.waiting) >= TOGETHER:
                    self._send_waiting()

    def _sound_lines(self, patrons: pl.DataFrame) -> Iterator[Line]:
        """The patrons that may be sent; what is wrong with the others is noted."""
        ledger = self.background.ledger
        made = _sort(patrons, self.mapping)
        self.problems += made.problems
        for line in (_with_password_or_not(line, self.settings, ledger) for line in made.lines):
            if self.mapping.newcomers != "create" and not _is_known(line, self.background):
                self.newcomers.append((line.row, line.record[INFINITI.key]))
                continue
            found = [*_unwritable(line, self.settings.encoding), *_username_problems(line, self.settings, ledger)]
            self.problems += ((line.row, problem) for problem in found)
            if not found:
                yield line._replace(action=_action(line, ledger))

    def _send_waiting(self) -> None:
        lines = _with_before(self.waiting, self.mapping, self.background)
        known = sum(line.action == "update" for line in lines)
        self.known += known
        self.new += len(lines) - known
        self._send(lines)
        self.waiting = []

    def _send(self, lines: list[Line]) -> None:
        self.outgoing.add(to_send(lines))
        _note_changes(self.changes, lines)


def _action(line: Line, ledger: PatronLedger | None) -> str:
    return "update" if ledger is not None and line.record[INFINITI.key] in ledger else "create"


def _is_known(line: Line, background: Background) -> bool:
    """Whether a load of this library, or of another tenant into the same Infiniti, has brought the patron in."""
    key, ledger = line.record[INFINITI.key], background.ledger
    return (ledger is not None and key in ledger) or key in background.elsewhere


def _fresh(settings: InfinitiTarget, background: Background) -> pl.DataFrame | None:
    """The hash and content of the patrons whom Infiniti has confirmed lately; None where everyone is sent."""
    ledger, day = background.ledger, background.day
    if ledger is None or day is None or settings.send == "all" or not settings.refresh_days:
        return None
    since = day - timedelta(settings.refresh_days)
    # A patron who was disabled as a leaver has to be enabled again, even by the same row.
    return ledger.patrons.filter(pl.col("confirmed") > since, pl.col("state") != LEFT).select("hash", "content")


def _confirmed_rows(lines: list[Line], ledger: PatronLedger | None, fresh: pl.DataFrame | None) -> set[int]:
    """The rows that say what Infiniti confirmed lately, and said the same then."""
    if ledger is None or fresh is None:
        return set()
    said = pl.DataFrame(
        {
            "row": pl.Series([line.row for line in lines], dtype=pl.UInt32),
            "hash": ledger.hashes(line.record[INFINITI.key] for line in lines),
            "content": ledger.contents(_content(line) for line in lines),
        }
    )
    return set(said.join(fresh, on=["hash", "content"], how="semi")["row"])


def _content(line: Line) -> str:
    """A hash of all fields except the password, to compare with the previous load."""
    return hashlib.sha256(_text(without_password(line.record)).encode()).hexdigest()


def _with_before(lines: list[Line], mapping: Mapping, background: Background) -> list[Line]:
    """The lines, those of known patrons with the row that Infiniti has confirmed last, as far as it is still kept."""
    ledger, keys = background.ledger, [line.record[INFINITI.key] for line in lines if line.action == "update"]
    if ledger is None or not keys:
        return lines
    kept = {key: without_password(_whole(json.loads(text), mapping)) for key, text in background.recall(keys).items()}
    said = pl.DataFrame(
        {
            "key": pl.Series(list(kept), dtype=pl.String),
            "hash": ledger.hashes(kept),
            "content": ledger.contents(_content(Line(0, record)) for record in kept.values()),
        }
    )
    proven = set(said.join(ledger.patrons, on=["hash", "content"], how="semi")["key"])
    known = {key: record for key, record in kept.items() if key in proven}
    return [line._replace(before=known.get(line.record[INFINITI.key])) for line in lines]


def _departures(leaving: Leaving | None, mapping: Mapping) -> tuple[list[Line], pl.DataFrame]:
    """
    The leavers, sent as their last row with `enabled` N; see delivery.DEPARTURES.

    Infiniti: a row needs all required columns, so someone whose last row is not kept any more is not sent.
    """
    lines: list[Line] = []
    outcomes: list[tuple[Any, ...]] = []
    for key in leaving.keys if leaving else ():
        text = leaving.records.get(key) if leaving else None
        reason = _stays(key, text, leaving) if leaving else ""
        if leaving is None or text is None or reason:
            outcomes.append((key, None, None, None, "exempt", reason))
            continue
        row, record = leaving.first_row + len(lines), json.loads(text)
        name = ", ".join(part for part in (record.get("surname"), record.get("givenname")) if part)
        group = record.get(INFINITI.group)
        if leaving.waits:
            outcomes.append((key, None, name or None, group, leaving.state, TOO_MANY))
            continue
        outcomes.append((key, row, name or None, group, leaving.state, None))
        last = without_password(_whole(record, mapping))
        lines.append(Line(row, {**last, "enabled": YES_NO[False]}, "leave", last))
    return lines, pl.DataFrame(outcomes, schema=DEPARTURES, orient="row")


def _stays(key: str, text: str | None, leaving: Leaving) -> str:
    """Why a patron whose turn it is does not leave; empty if they do."""
    if text is None:
        return "the row that was sent last is no longer kept"
    if key in leaving.excepted:
        return "is on the list of exceptions"
    record = json.loads(text)
    if leaving.mentioned & {str(record[name]) for name in INFINITI.unique if record.get(name)}:
        return "may be in a row of the file whose username cannot be read"
    return ""


def _note_changes(spool: Spool, lines: list[Line]) -> None:
    """Add each patron's fields as they were sent last and as they are sent now; see infiniti.changes."""
    for line in lines:
        key, after = line.record[INFINITI.key], without_password(line.record)
        if line.action == "create":
            spool.add(line.row, key, "create", None, None, _text(after), None)
            continue
        why = changes.LEFT if line.action == "leave" else changes.FILE
        for change in changes.changes(line.before, after, why):
            before, now = (None if value is None else _text(value) for value in (change.before, change.after))
            spool.add(line.row, key, line.action, change.field or None, before, now, change.why)


def offline(mapping: Mapping, patrons: pl.DataFrame) -> Offline:
    """The patrons as they are posted, without passwords, and the errors of the others."""
    made = _sort(patrons, mapping)
    posted = [_text(without_password(line.record)) for line in made.lines]
    warnings = [*_without_barcode(_rows_without_barcode(made.lines), mapping), *only_known(mapping)]
    return Offline(posted, _rejects(made.problems, mapping), warnings)


def _sort(patrons: pl.DataFrame, mapping: Mapping) -> _Sorted:
    lines, problems = [], []
    for row, text in patrons.select("row", "patron").iter_rows():
        record = json.loads(text)
        found = list(_problems(record))
        problems += [(row, problem) for problem in found]
        if not found:
            lines.append(Line(row, _whole(record, mapping)))
    return _Sorted(lines, problems)


def _whole(record: Record, mapping: Mapping) -> Record:
    """All columns that the mapping fills, in Infiniti's order: one header is good for every patron of a load."""
    filled = {name: record.get(name, "") for name in INFINITI.fields if name in mapping.fields}
    return {name: YES_NO[value] if isinstance(value, bool) else value for name, value in filled.items()}


def _problems(record: Record) -> Iterator[Problem]:
    """Why Infiniti would refuse a patron, as far as the file shows it."""
    year, gender = record.get("graduationyear"), record.get("gender")
    if year is None and record.get("staffmember") is False:
        yield Problem("graduationyear", "", NO_YEAR)
    if year is not None and not re.fullmatch(r"\d{4}", year, re.ASCII):
        yield Problem("graduationyear", year, ODD_YEAR)
    if gender is not None and gender not in GENDERS:
        yield Problem("gender", gender, ODD_GENDER)


def _unwritable(line: Line, encoding: str) -> Iterator[Problem]:
    for name, value in line.record.items():
        try:
            value.encode(encoding)
        except UnicodeEncodeError:
            shown = "" if name == "password" else value
            yield Problem(name, shown, f"a letter cannot be written in {encoding}; see target.encoding")


def _username_problems(line: Line, settings: InfinitiTarget, ledger: PatronLedger | None) -> Iterator[Problem]:
    """
    A username that a patron did not have before would make a second account.

    An adminsystemid identifies a person. A card goes from hand to hand, so a barcode tells it of newcomers only.
    """
    if ledger is None or settings.changed_usernames == "send":
        return
    username = line.record[INFINITI.key]
    telling = ("adminsystemid",) if username in ledger else ("adminsystemid", "librarybarcode")
    for name in telling:
        value = line.record.get(name)
        if value and ledger.is_anothers(name, value, username):
            yield Problem(name, value, NEW_USERNAME if name == "adminsystemid" else OTHERS_CARD)
            return


def _with_password_or_not(line: Line, settings: InfinitiTarget, ledger: PatronLedger | None) -> Line:
    """The password goes to those alone who are new, if the tenant wants it: it could undo what someone chose."""
    if ledger is None:
        wanted = settings.passwords == "everyone_at_first"
    else:
        wanted = settings.passwords != "never" and line.record[INFINITI.key] not in ledger
    keeps = wanted and line.record.get("password")
    return line if keeps else line._replace(record=without_password(line.record))


def without_password(record: Record) -> Record:
    """A record without the password: one that was sent once is not sent again."""
    return {name: value for name, value in record.items() if name != "password"}


TO_SEND: dict[str, Any] = {
    **dict.fromkeys(("row", "level"), pl.UInt32),
    "action": pl.String,
    "apart": pl.Boolean,
    "content": pl.String,
    **dict.fromkeys(INFINITI.unique, pl.String),
    "patron": pl.String,
}
"""
The patrons to send; see delivery.Planned. Who leaves goes last.

Those with a password go in files of their own (`apart`): in the others there must be no such column, an empty cell of
which might take a password away.
"""


def to_send(lines: list[Line]) -> pl.DataFrame:
    """Lines as patrons to send, in their order; see TO_SEND."""
    made = [
        (
            line.row,
            int(line.action == "leave"),
            line.action,
            "password" in line.record,
            _content(line),
            *(line.record.get(name) or None for name in INFINITI.unique),
            _text(line.record),
        )
        for line in lines
    ]
    return pl.DataFrame(made, schema=TO_SEND, orient="row")


def _text(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _rejects(problems: Iterable[tuple[int, Problem]], mapping: Mapping) -> pl.DataFrame:
    found: list[dict[str, Any]] = [reject(row, problem, mapping) for row, problem in problems]
    return pl.DataFrame(found, schema=rows.REJECTS, orient="row")


def _rows_without_barcode(lines: list[Line]) -> list[int]:
    return [line.row for line in lines if not line.record.get("librarybarcode")]


def _without_barcode(rows_without: list[int], mapping: Mapping) -> list[str]:
    """Infiniti: without a barcode no one can borrow; one is never made up."""
    if mapping.newcomers != "create":
        return []
    if "librarybarcode" not in mapping.fields:
        return ["The mapping fills no librarybarcode; a new patron cannot borrow without one."]
    if not rows_without:
        return []
    named = ", ".join(map(str, rows_without[:FEW]))
    named += f" and {len(rows_without) - FEW:,} more" if rows_without[FEW:] else ""
    have = "patron has" if len(rows_without) == 1 else "patrons have"
    return [f"{len(rows_without):,} {have} no barcode and cannot borrow: row{'s' if rows_without[1:] else ''} {named}."]


def _of_ledger(settings: InfinitiTarget, ledger: PatronLedger | None, *, has_lines: bool) -> list[str]:
    if ledger is not None or not has_lines:
        return []
    passwords = {
        "never": "",
        "newcomers": " It is not known either who is new, so no passwords are sent.",
        "everyone_at_first": " Everyone is sent a password, including patrons whom Infiniti already has.",
    }[settings.passwords]
    return [f"No earlier load of this library is known, so changed usernames cannot be noticed this time.{passwords}"]
