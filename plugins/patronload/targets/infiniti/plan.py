"""
Plan a load into Infiniti: what each patron is sent as, and which rows are set aside.

Infiniti cannot be asked what it has. So this module checks Infiniti's rules as far as the file shows them, and detects
changed usernames with the patron ledger of earlier loads.
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
from patronload.targets.patron_ledger import LEFT, PatronLedger
from patronload.targets.spool import Spool

YES_NO = {True: "Y", False: "N"}
"""Infiniti: y, yes, true, 1 and n, no, false, 0; the article's sample writes Y and N."""

GENDERS = ("M", "F")

FEW = 10

NO_YEAR = "a student (staffmember false) has no graduation year, and Infiniti requires one"
ODD_YEAR = "the graduation year is not written with four digits, like 2031"
ODD_GENDER = "the gender is neither M nor F; leave it empty for everyone else"
NEW_USERNAME = "the patron had another username in the last load; sent like this, there would be a second account"
OTHERS_CARD = "the barcode was another username's in the last load; perhaps the same patron, under a second account"


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
    settings: InfinitiTarget, patrons: pl.DataFrame, mapping: Mapping, background: Background = NO_BACKGROUND
) -> Planned:
    """The plan for `patrons` (row, username, librarybarcode, adminsystemid, patron; see transform)."""
    ledger = background.ledger
    made = _sort(patrons, mapping)
    lines, problems = list[Line](), made.problems
    newcomers: list[tuple[int, str]] = []
    for line in (_with_password_or_not(line, settings, ledger) for line in made.lines):
        if mapping.newcomers != "create" and not _is_known(line, background):
            newcomers.append((line.row, line.record[INFINITI.key]))
            continue
        found = [*_unwritable(line, settings.encoding), *_username_problems(line, settings, ledger)]
        problems += ((line.row, problem) for problem in found)
        if not found:
            lines.append(line)
    if mapping.newcomers == "reject":
        problems += [(row, newcomer(INFINITI.key, key, INFINITI.name)) for row, key in newcomers]
    lines = [line._replace(action=_action(line, ledger)) for line in lines]
    confirmed = _confirmed_rows(lines, settings, background)
    unchanged = [line for line in lines if line.row in confirmed]
    going = _with_before([line for line in lines if line.row not in confirmed], mapping, background)
    departing, outcomes = _departures(background.leaving, mapping)
    known = sum(line.action == "update" for line in going)
    rejects = _rejects(problems, mapping)
    return Planned(
        patrons=to_send([*going, *departing]),
        rejects=rejects,
        stops=[],
        summary={
            "patrons": patrons.height,
            "new": len(going) - known,
            "known": known,
            "unchanged": len(unchanged),
            "stored": known + len(unchanged),
            "rejected": rejects["row"].n_unique(),
            "read": "nothing" if ledger is None else "the ledger",
            "warnings": [*_without_barcode(lines, mapping), *_of_ledger(settings, ledger, lines)],
            "findings": [],
            "create": {},
        },
        skipped=skip_newcomers(newcomers if mapping.newcomers == "skip" else [], INFINITI.name),
        unchanged=pl.DataFrame([(line.row, line.record[INFINITI.key]) for line in unchanged], UNCHANGED, orient="row"),
        changes=_changes([*going, *departing], unchanged),
        departures=outcomes,
    )


def _action(line: Line, ledger: PatronLedger | None) -> str:
    return "update" if ledger is not None and line.record[INFINITI.key] in ledger else "create"


def _is_known(line: Line, background: Background) -> bool:
    """Whether a load of this library, or of another tenant into the same Infiniti, has brought the patron in."""
    key, ledger = line.record[INFINITI.key], background.ledger
    return (ledger is not None and key in ledger) or key in background.elsewhere


def _confirmed_rows(lines: list[Line], settings: InfinitiTarget, background: Background) -> set[int]:
    """The rows that say what Infiniti confirmed lately, and said the same then."""
    ledger, day = background.ledger, background.day
    if ledger is None or day is None or settings.send == "all" or not settings.refresh_days:
        return set()
    said = pl.DataFrame(
        {
            "row": pl.Series([line.row for line in lines], dtype=pl.UInt32),
            "hash": ledger.hashes(line.record[INFINITI.key] for line in lines),
            "content": ledger.contents(_content(line) for line in lines),
        }
    )
    since = day - timedelta(settings.refresh_days)
    # Whoever was disabled as a leaver has to be enabled again, even by the same row.
    fresh = ledger.patrons.filter(pl.col("confirmed") > since, pl.col("state") != LEFT).select("hash", "content")
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
    Those who leave, sent as their last row with `enabled` N; see delivery.DEPARTURES.

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


def _changes(lines: list[Line], unchanged: list[Line]) -> Spool:
    """Each patron's fields as they were sent last and as they are sent now; see infiniti.changes."""
    spool = Spool(CHANGES)
    for line in lines:
        key, after = line.record[INFINITI.key], without_password(line.record)
        if line.action == "create":
            spool.add(line.row, key, "create", None, None, _text(after), None)
            continue
        why = changes.LEFT if line.action == "leave" else changes.FILE
        for change in changes.changes(line.before, after, why):
            before, now = (None if value is None else _text(value) for value in (change.before, change.after))
            spool.add(line.row, key, line.action, change.field or None, before, now, change.why)
    for line in unchanged:
        spool.add(line.row, line.record[INFINITI.key], "unchanged", None, None, None, None)
    return spool


def offline(mapping: Mapping, patrons: pl.DataFrame) -> Offline:
    """The patrons as they are posted, without passwords, and the errors of the others."""
    made = _sort(patrons, mapping)
    posted = [_text(without_password(line.record)) for line in made.lines]
    warnings = [*_without_barcode(made.lines, mapping), *only_known(mapping)]
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

    An adminsystemid tells who someone is. A card goes from hand to hand, so a barcode tells it of newcomers only.
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


def to_send(lines: list[Line]) -> pl.DataFrame:
    """
    The patrons to send: row, level, action, apart, content, username, librarybarcode, adminsystemid, patron. Who leaves
    goes last.

    Those with a password go in files of their own: in the others there must be no such column, an empty cell of which
    might take a password away.
    """
    ids = dict.fromkeys(INFINITI.unique, pl.String)
    schema = {
        **dict.fromkeys(("row", "level"), pl.UInt32),
        "action": pl.String,
        "apart": pl.Boolean,
        "content": pl.String,
        **ids,
        "patron": pl.String,
    }
    made = [
        (
            line.row,
            int(line.action == "leave"),
            line.action,
            "password" in line.record,
            _content(line),
            *(line.record.get(name) or None for name in ids),
            _text(line.record),
        )
        for line in lines
    ]
    return pl.DataFrame(made, schema=schema, orient="row").sort("level", "apart", maintain_order=True)


def _text(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _rejects(problems: Iterable[tuple[int, Problem]], mapping: Mapping) -> pl.DataFrame:
    found: list[dict[str, Any]] = [reject(row, problem, mapping) for row, problem in problems]
    return pl.DataFrame(found, schema=rows.REJECTS, orient="row")


def _without_barcode(lines: list[Line], mapping: Mapping) -> list[str]:
    """Infiniti: without a barcode no one can borrow; one is never made up."""
    if mapping.newcomers != "create":
        return []
    if "librarybarcode" not in mapping.fields:
        return ["The mapping fills no librarybarcode; a new patron cannot borrow without one."]
    without = [line.row for line in lines if not line.record["librarybarcode"]]
    if not without:
        return []
    named = ", ".join(map(str, without[:FEW])) + (f" and {len(without) - FEW:,} more" if without[FEW:] else "")
    have = "patron has" if len(without) == 1 else "patrons have"
    return [f"{len(without):,} {have} no barcode and cannot borrow: row{'s' if without[1:] else ''} {named}."]


def _of_ledger(settings: InfinitiTarget, ledger: PatronLedger | None, lines: list[Line]) -> list[str]:
    if ledger is not None or not lines:
        return []
    passwords = {
        "never": "",
        "newcomers": " No one is known to be new either, so no password is sent.",
        "everyone_at_first": " All of them are sent their password, also those whom Infiniti has already.",
    }[settings.passwords]
    return [f"No load of this library is known yet, so that changed usernames are not noticed this time.{passwords}"]
