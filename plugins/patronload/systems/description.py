"""The description of a library system: the fields that a mapping may fill, and the keys of a tenant file's target."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Literal

from pydantic import Field

from patronload.documents.models import Document

ConnectionId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.-]+$", description="the id of an Airflow connection", examples=["northfield_sftp"]),
]

Owner = Literal["campus", "library", "first", "last"]
"""Who may change a field; see config.ownership."""


class Kind(Enum):
    """The kind of value that a field takes."""

    TEXT = "text"
    YES_NO = "true or false"
    DATE = "a date"
    YEAR = "a year"
    LIST = "a list"
    CUSTOM = "text, a date, a list, or only true and false"


class Target(Document):
    """The keys of a tenant file for any library system; each system has its own model with its own `type`."""

    type: str
    connection: ConnectionId
    chunk_size: int
    chunk_bytes: int

    @property
    def identities(self) -> str | None:
        """A file next to the tenant file that says which changed keys are the same person's; None without one."""
        return None


@dataclass(frozen=True)
class System:
    """
    A kind of library system: its names, the fields that a mapping may fill, and the rules for their values.

    Each rule about single values works without asking the system, so that `check` can report a wrong mapping file.
    """

    # Names.

    type: str
    """Its name in YAML files."""
    name: str
    """Its name as people write it, in messages."""

    # Fields, by their path; [] in a path stands for a number.

    fields: dict[str, Kind]
    """All fields with a fixed name, in the order in which messages list them."""
    more: dict[str, Kind] = field(default_factory=dict)
    """Fields that each library names itself, by the pattern (regular expression) of their path."""
    group: str = ""
    """The field with a patron's group."""

    names_of_people: tuple[str, ...] = ()
    """The fields with names of people."""

    # Identity: how the system recognizes a patron.

    key: str = ""
    """The field by which it finds a patron again."""
    unique: tuple[str, ...] = ()
    """Fields that no two patrons may share."""
    settled_by_plan: tuple[str, ...] = ()
    """Fields where the plan decides between two rows of a file: the row whose patron has the value keeps it."""
    folds_keys: bool = False
    """Whether keys that differ in case or accents only are one patron's."""
    remembered: tuple[str, ...] = ()
    """The fields that the patron ledger keeps of a patron, besides the key; without any there is no ledger."""

    # What a patron has to have.

    required: tuple[str, ...] = ()
    """Fields without which the system refuses a patron."""
    required_within: dict[str, str] = field(default_factory=dict)
    """The path of an object -> the field that is required as soon as anything in that object is filled."""
    needed_beside: dict[str, str] = field(default_factory=dict)
    """The path of a list -> the property without which an entry is useless."""
    needed_with: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The path of a true-or-false field -> the fields without which it cannot be true."""

    # Values that make sense.

    choices: dict[str, tuple[str | bool, ...]] = field(default_factory=dict)
    """The only values of a field, where the system defines them."""
    ranges: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The first and last sensible day of a date field, unless a mapping says `earliest` or `latest`."""
    by_group: tuple[str, ...] = ()
    """Date fields for which the system has an offset from today for each patron group."""
    placeholders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Days that other systems write in a date field when there is no date."""
    apart: tuple[str, ...] = ()
    """Properties that no two entries of a list may share."""
    coded: tuple[str, ...] = ()
    """Fields that hold a code and never a person's own value, so reports may show what they change to."""

    # Who changes what.

    owners: dict[str, Owner] | None = field(default_factory=dict)
    """The owner of a field when a mapping names none. None if the system cannot be read: the campus owns all then."""
    once: tuple[str, ...] = ()
    """Fields that are set for a new patron and never change after that."""
    renewable: tuple[str, ...] = ()
    """Dates that can be left alone until they are near (renew_within)."""
    whole: tuple[str, ...] = ()
    """Objects that have a single owner, because parts from two owners make no sense together."""

    @property
    def can_be_asked(self) -> bool:
        """Whether its patrons can be read."""
        return self.owners is not None

    def kind(self, path: str) -> Kind | None:
        """The kind of value that the field at `path` takes, or None if there is no such field."""
        for pattern, kind in self.more.items():
            if re.fullmatch(pattern, path):
                return kind
        return None if "[]" in path else self.fields.get(re.sub(r"\[[0-9]\]", "[]", path))

    @property
    def names(self) -> list[str]:
        """The fields as they are written in a mapping file, with the first address only."""
        return [path.replace("[]", "[0]") for path in self.fields]
