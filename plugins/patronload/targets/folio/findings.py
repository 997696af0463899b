"""The findings of a plan, as lines of the report, without patron data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

MAX_ROWS_NAMED = 20


class Finding(NamedTuple):
    """A line of the report. effect: reject (the rows), warn, stop (the run), create; values: with their rows."""

    kind: str
    effect: str
    sentence: str
    values: list[dict[str, Any]]


def prefixed_ids(rows: int, prefix: str) -> Iterator[Finding]:
    """Rows whose externalSystemId has the prefix of target.source_type already."""
    if rows:
        yield Finding(
            "externalSystemId",
            "warn",
            f"In {_count(rows)} the externalSystemId already begins with '{prefix}', and FOLIO has a user with "
            f"exactly that externalSystemId. FOLIO puts '{prefix}' in front of it again, so these rows become other "
            "users. Remove the prefix in the mapping, or remove target.source_type from the tenant file.",
            [],
        )


def other_ids(rows: int) -> Iterator[Finding]:
    """Rows whose id is not their user's."""
    if rows:
        yield Finding(
            "id",
            "warn",
            f"In {_count(rows)} the id is not the one that the user has in FOLIO. A user's id never "
            "changes, so the patrons are loaded and keep theirs.",
            [],
        )


def same_emails(rows: list[int]) -> Iterator[Finding]:
    """Rows of new patrons with the e-mail address of a user who is not in the file."""
    if rows:
        what = "a new patron has" if len(rows) == 1 else "new patrons have"
        yield Finding(
            "personal.email",
            "warn",
            f"In {in_rows(rows)} {what} the e-mail address of a user in FOLIO who is not in this file: perhaps the "
            "same person, under a new externalSystemId. Such rows are loaded. To reject them, write same_email: reject "
            "under target in the tenant file.",
            [],
        )


def new_ids(taken_over: int, renamed: int, doubles: int) -> Iterator[Finding]:
    """Users who get an externalSystemId, or another one; and lines of the tenant's list that come too late."""
    yield from _taken_over(taken_over)
    yield from _renames(renamed)
    yield from _doubles(doubles)


def _taken_over(users: int) -> Iterator[Finding]:
    """Users without an externalSystemId who get the one of a row."""
    if users:
        yield Finding(
            "externalSystemId",
            "warn",
            f"{_count(users, 'user')} in FOLIO without an externalSystemId {_has(users)} the barcode or username of a "
            "row. The load takes them over: it gives them the row's externalSystemId and updates them. before.parquet "
            "keeps the users as they are now.",
            [],
        )


def _renames(users: int) -> Iterator[Finding]:
    """Users whose externalSystemId changes as the tenant's list says."""
    if users:
        yield Finding(
            "externalSystemId",
            "warn",
            f"{_count(users, 'user')} in FOLIO {'gets' if users == 1 else 'get'} a new externalSystemId, as the list "
            "of target.match.identities says.",
            [],
        )


def _doubles(lines: int) -> Iterator[Finding]:
    """Lines of the tenant's list that come too late."""
    if lines:
        yield Finding(
            "externalSystemId",
            "warn",
            f"{_count(lines, 'line')} of the list of target.match.identities "
            f"{'names' if lines == 1 else 'name'} two users who are both in FOLIO. Nothing is changed for "
            "them: merge them in FOLIO, or correct the list.",
            [],
        )


def kept_back_rows(rows: int) -> Iterator[Finding]:
    """Rows that would change what staff keep."""
    if rows:
        yield Finding(
            "staff",
            "warn",
            f"{_count(rows)} would change the status, patron group or expiry date of staff (users of type staff, "
            "system, shadow or dcb). They keep what they have. To load these fields, name them under target.staff in "
            "the tenant file.",
            [],
        )


def without_offset(lacking: dict[str, int]) -> Iterator[Finding]:
    """Patrons whose group has no expiration offset in FOLIO, by its name."""
    if lacking:
        named = ", ".join(
            f"'{group}' ({_count(rows)})" if group else f"none ({_count(rows)})" for group, rows in lacking.items()
        )
        yield Finding(
            "expirationDate",
            "warn",
            f"FOLIO has no expiration offset for the patron group {named}. These patrons are loaded without a new "
            "expiry date. Set the offset in FOLIO (Settings, Users, Patron groups), or map another date.",
            [],
        )


def without_group(rows: list[int]) -> Iterator[Finding]:
    """Rows of new patrons without a patron group."""
    if rows:
        what = "a new patron has" if len(rows) == 1 else "new patrons have"
        yield Finding(
            "patronGroup",
            "warn",
            f"In {in_rows(rows)} {what} no patron group, so they cannot borrow. Fill in the group, or give the rule "
            "for patronGroup a 'default' in the mapping.",
            [],
        )


def _count(number: int, what: str = "row") -> str:
    return f"{number:,} {what if number == 1 else f'{what}s'}"


def _has(number: int) -> str:
    return "has" if number == 1 else "have"


def in_rows(rows: list[int]) -> str:
    """Row 5; rows 5, 9 and 12; or the first twenty and how many more."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    named = sorted(rows)[:MAX_ROWS_NAMED]
    rest = f"{len(rows) - len(named):,} more" if len(rows) > len(named) else str(named.pop())
    return f"rows {', '.join(map(str, named))} and {rest}"
