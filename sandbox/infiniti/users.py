"""The users of a school's Infiniti, and what its import does with the rows of a file.

The rules are those of the vendor's article "Non-interactive Patron Import and Update". What the article leaves open is
an oddity that can be switched (`Oddities`); each comment that begins with "Infiniti:" says where a rule comes from.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

User = dict[str, Any]
"""The stored data of a user: the columns by their documented names, enabled and staffmember as true or false."""

COLUMNS = (
    "username", "enabled", "staffmember", "givenname", "surname", "middlename", "preferredname", "emailaddress",
    "graduationyear", "librarybarcode", "adminsystemid", "gender", "password", "formclass", "presentationgrouplabel",
)  # fmt: skip
"""Infiniti: the article's two lists, which its own sample does not keep to."""

BOOLEANS = {**dict.fromkeys(("y", "yes", "true", "1"), True), **dict.fromkeys(("n", "no", "false", "0"), False)}
"""Infiniti: the article lists them in small letters, its sample has capitals; both are taken."""

CREATED, UPDATED = "User Created", "User Updated"

NAMES = {
    "emailaddress": "emailAddress",
    "graduationyear": "graduationYear",
    "librarybarcode": "libraryBarcode",
    "staffmember": "staffMember",
}
"""Infiniti: a text names a field with capitals that the header does not have."""


@dataclass
class Oddities:
    """Behaviour that the article leaves open, each with the likeliest default.

    details: an object by row number, an array of all outcomes, an object of the failed rows only, or none.
    first_row: the number of the first user in an object. header_line: the header is listed before it, as invalid.
    doubled: a failure says its reason twice, as in the article. unauthorised, failed: statuses not in the article.
    blank_cells: an empty cell erases what was there, or keeps it. empty: the file that counts as empty.
    unknown_columns: an unknown column is ignored, or the file is refused.
    spellings: other names for columns in the header, like {"middleinitialname": "middlename"}.
    """

    details: Literal["object", "array", "failed", "none"] = "object"
    first_row: int = 1
    header_line: bool = False
    doubled: bool = True
    unauthorised: int = 401
    failed: int = 200
    blank_cells: Literal["erase", "keep"] = "erase"
    empty: Literal["any", "header only", "zero bytes"] = "any"
    unknown_columns: Literal["ignore", "refuse"] = "ignore"
    encoding: str = "utf-8"
    spellings: dict[str, str] = field(default_factory=dict)


class Event(NamedTuple):
    """Something that happened to a user: created, updated, or given a password."""

    what: Literal["created", "updated", "password"]
    username: str


class FileRefused(Exception):  # noqa: N818 - it becomes an answer
    """The file cannot be imported at all; its text is the summary."""


class _RowRefused(Exception):  # noqa: N818 - becomes the row's outcome
    """A row cannot be imported; its text is the reason."""


class School:
    """The data of one school's Infiniti."""

    def __init__(self, oddities: Oddities | None = None) -> None:
        self.oddities = oddities or Oddities()
        self.users: dict[str, User] = {}
        self.history: list[Event] = []

    def rows(self, content: bytes) -> list[User]:
        """The rows of a file, by documented column names. Raises FileRefused."""
        try:
            text = content.decode(self.oddities.encoding).removeprefix("\ufeff")
        except UnicodeDecodeError:
            raise FileRefused("The file is not a CSV file.") from None
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if line]
        self._check_empty(lines)
        if not lines:
            return []
        header = [self.oddities.spellings.get(name, name) for name in (each.strip().lower() for each in lines[0])]
        self._check_header(header)
        # A row with too many or too few cells is imported as far as its cells go.
        return [dict(zip(header, line, strict=False)) for line in lines[1:]]

    def _check_empty(self, lines: list[list[str]]) -> None:
        refused = {"header only": not lines, "zero bytes": len(lines) == 1}.get(self.oddities.empty, False)
        if refused:
            raise FileRefused("The file has no users.")

    def _check_header(self, header: list[str]) -> None:
        if "username" not in header:
            raise FileRefused("The file has no column username.")
        unknown = [name for name in header if name not in COLUMNS]
        if unknown and self.oddities.unknown_columns == "refuse":
            raise FileRefused(f"The column {unknown[0]} is not known.")

    def take(self, row: User) -> str:
        """Create or update one user; the outcome in Infiniti's words."""
        try:
            user = self._user(row)
        except _RowRefused as refused:
            return f"{refused} User failed to import: {refused} " if self.oddities.doubled else f"{refused}"
        name = user["username"]
        is_new = name not in self.users
        self.users[name] = user
        self.history.append(Event("created" if is_new else "updated", name))
        if row.get("password", "").strip():
            self.history.append(Event("password", name))
        return CREATED if is_new else UPDATED

    def _user(self, row: User) -> User:
        """The user as it will be kept. Raises _RowRefused."""
        given = {name: value.strip() for name, value in row.items() if name in COLUMNS}
        if not given.get("username"):
            raise _RowRefused("Field (username) may not be blank.")
        before = self.users.get(given["username"])
        user = (before or {}) | dict(self._values(given))
        for name in ("enabled", "staffmember"):
            if name not in user:  # Infiniti: both columns MUST be there; one that exists has them already
                raise _RowRefused(f"Field ({_display_name(name)}) may not be blank.")
        if not user["staffmember"] and not user.get("graduationyear"):
            raise _RowRefused("Field (graduationYear) is mandatory for students.")
        barcode = user.get("librarybarcode")
        if barcode and any(
            other.get("librarybarcode") == barcode for name, other in self.users.items() if name != user["username"]
        ):
            raise _RowRefused("Field (libraryBarcode) is already in use.")
        return user

    def _values(self, given: User) -> Iterator[tuple[str, Any]]:
        for name, value in given.items():
            if value == "":
                if self.oddities.blank_cells == "erase" and name not in ("enabled", "staffmember"):
                    yield name, ""
            else:
                yield name, _check_value(name, value)


def _check_value(name: str, value: str) -> Any:
    """A value as it is kept. Raises _RowRefused. Infiniti: the article's list of types."""
    if name in ("enabled", "staffmember"):
        if value.lower() not in BOOLEANS:
            raise _RowRefused(f"Field ({_display_name(name)}) is not a boolean.")
        return BOOLEANS[value.lower()]
    if name == "emailaddress" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", value):
        raise _RowRefused("Field (emailAddress) is not a well-formed email address.")
    if name == "graduationyear" and not re.fullmatch(r"\d{4}", value):
        raise _RowRefused("Field (graduationYear) is not a year.")
    if name == "gender" and value not in ("M", "F"):
        raise _RowRefused("Field (gender) is not one of M, F or blank.")
    return value


def _display_name(name: str) -> str:
    return NAMES.get(name, name)


def result(school: School, outcomes: list[str]) -> dict[str, Any]:
    """The JSON of an import. Infiniti: the article's three examples."""
    counts = {"created": outcomes.count(CREATED), "updated": outcomes.count(UPDATED)}
    counts["failed"] = len(outcomes) - sum(counts.values())
    sentences = [
        _count_sentence(len(outcomes), "processed"),
        *(_count_sentence(count, what) for what, count in counts.items()),
    ]
    answer: dict[str, Any] = {"success": not counts["failed"], "summary": " ".join(sentences)}
    details = _details(school.oddities, outcomes) if counts["failed"] else None
    return answer if details is None else answer | {"details": details}


def _count_sentence(number: int, what: str) -> str:
    return f"{number} user{'' if number == 1 else 's'} {what}."


def _details(odd: Oddities, outcomes: list[str]) -> dict[str, str] | list[str] | None:
    if odd.details == "none":
        return None
    header = ["Line is invalid."] if odd.header_line else []
    if odd.details == "array":
        return [*header, *outcomes]
    outcome_of = {odd.first_row + place: outcome for place, outcome in enumerate(outcomes)}
    if header:
        outcome_of = {odd.first_row - 1: header[0], **outcome_of}
    if odd.details == "failed":
        outcome_of = {row: outcome for row, outcome in outcome_of.items() if outcome not in (CREATED, UPDATED)}
    return {str(row): outcome for row, outcome in outcome_of.items()}
