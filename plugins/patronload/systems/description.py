"""What there is to say of a kind of library system: what a mapping may fill there, and what a tenant file may set."""

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
"""Who may change a field; see ownership."""


class Kind(Enum):
    """What a field takes."""

    TEXT = "text"
    YES_NO = "true or false"
    DATE = "a date"
    YEAR = "a year"
    LIST = "a list"
    CUSTOM = "text, a date, a list, or only true and false"


class Target(Document):
    """What a tenant file says of any library system; each kind has a model of its own with its own `type`."""

    type: str
    connection: ConnectionId
    chunk_size: int
    chunk_bytes: int


@dataclass(frozen=True)
class System:
    """
    A kind of library system.

    type: its name in YAML. name: as its people write it. key: the field by which it knows a patron. fields: what a
    mapping may fill; [] stands for a number. required: without them it refuses a patron; required_within: as soon as
    anything beside them is there. unique: no two patrons may share them. more: fields that a library names itself, by
    the pattern of their path. owners: who owns a field when a mapping says nothing; None where it cannot be asked what
    it has, so that nobody but the campus can own anything. once: what a new patron is given, and nobody can change.
    whole: objects that are one value. group: the field
    that tells what kind of patron somebody is. ranges: between which days a date makes sense, unless a mapping says
    `earliest` or `latest`. remembered: what the ledger keeps of a patron beside the key; none: there is no ledger.
    choices: all that a field may hold, where these are words of the system's own. needed_beside: what an entry of a
    list cannot be without. apart: what no two entries of a list may share. needed_with: fields without which another
    one cannot be true.
    """

    type: str
    name: str
    key: str
    fields: dict[str, Kind]
    required: tuple[str, ...]
    unique: tuple[str, ...]
    required_within: dict[str, str] = field(default_factory=dict)
    more: dict[str, Kind] = field(default_factory=dict)
    owners: dict[str, Owner] | None = field(default_factory=dict)
    once: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    group: str = ""
    ranges: dict[str, tuple[str, str]] = field(default_factory=dict)
    remembered: tuple[str, ...] = ()
    choices: dict[str, tuple[str | bool, ...]] = field(default_factory=dict)
    needed_beside: dict[str, str] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    needed_with: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def can_be_asked(self) -> bool:
        """Whether it tells what it has."""
        return self.owners is not None

    def kind(self, path: str) -> Kind | None:
        """What the field at `path` takes, or None if there is no such field."""
        for pattern, kind in self.more.items():
            if re.fullmatch(pattern, path):
                return kind
        return None if "[]" in path else self.fields.get(re.sub(r"\[[0-9]\]", "[]", path))

    @property
    def names(self) -> list[str]:
        """The fields as a person writes them, the first address standing for all."""
        return [path.replace("[]", "[0]") for path in self.fields]
