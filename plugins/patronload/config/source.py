"""The `source` of a tenant file: where the export is, and how it is written."""

import re
import string
from datetime import date, time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from patronload.config.conditions import is_usable
from patronload.config.tenant_values import (
    ClockTime,
    ColumnName,
    DatedPath,
    Delimiter,
    TrailerLine,
    dated,
    looks_dated,
)
from patronload.documents.models import Document
from patronload.documents.text_encodings import Encoding
from patronload.errors import ConfigError
from patronload.systems.description import ConnectionId


def _distinct(columns: tuple[str, ...]) -> tuple[str, ...]:
    for name in columns:
        if columns.count(name) > 1 or not is_usable(name):
            raise ValueError(f"'{name}' cannot be a column's name, or is there twice. Give each column its own.")
    return columns


class Layout(Document):
    """How the export is written."""

    delimiter: Delimiter = Field(",", description="the character between two cells", examples=['"|"', '"\\t" (a tab)'])
    encoding: Encoding = Field(
        "utf-8",
        description="Python's name of the encoding, for a file that has no byte order mark and is not UTF-8",
        examples=["cp1252"],
    )
    quote: Literal["double", "none"] = Field(
        "double",
        description="double: a cell may be in double quotes, and a quote in it is doubled; none: a quote is a "
        "character like any other",
    )
    columns: Annotated[tuple[ColumnName, ...], AfterValidator(_distinct)] | None = Field(
        None,
        min_length=1,
        description="the names of the columns, in order, for a file without a header line",
        examples=["[ID, LOGIN, CARD]"],
    )
    sheet: str | None = Field(
        None, min_length=1, description="in an Excel workbook: the name of the sheet; left out: the first one"
    )
    skip_lines: int = Field(0, strict=True, ge=0, le=1000, description="lines before the header, such as a title")
    trailer: TrailerLine | None = Field(
        None,
        description="the last line of a complete file, with {rows} for the number of rows and * for any text",
        examples=['"TRAILER,*,{rows}"'],
    )
    rename: dict[ColumnName, ColumnName] = Field(
        default_factory=dict, description="a column's name in the export: its name in the mapping file"
    )
    widths: dict[ColumnName, Annotated[int, Field(strict=True, ge=1, le=10_000)]] | None = Field(
        None,
        min_length=1,
        description="a fixed width file without a header: each column and its number of characters, in order",
    )
    digits: dict[ColumnName, Annotated[int, Field(strict=True, ge=1, le=100)]] = Field(
        default_factory=dict,
        description="columns whose values always have this many digits: one with fewer has lost its leading zeros",
    )
    member: str | None = Field(
        None, min_length=1, description="the name of the export in a zip file of several files; may hold * or ?"
    )

    @model_validator(mode="after")
    def _check_keys_fit(self) -> "Layout":
        if self.widths and (self.columns or self.quote == "none"):
            raise ValueError("'widths' names the columns of a file without cells, so leave out 'columns' and 'quote'.")
        return self


class Source(Layout):
    """Where the export is, and how it is written."""

    path: DatedPath = Field(
        description="may hold {date:%Y%m%d} (the run's day in the tenant's time zone), {date-1:%Y%m%d} (the day "
        "before), * and ?"
    )
    files: Literal["newest", "all"] | Annotated[tuple[DatedPath, ...], Field(min_length=1)] = Field(
        "newest",
        description="take the newest of the files that match the path, or all of them; or a list of further paths",
    )
    same_person: Literal["reject", "first", "last"] = Field(
        "reject", description="a person in two files: reject both rows, or take the one of the first or last file"
    )
    pgp: ConnectionId | None = Field(
        None, description="the Airflow connection with the private key, for an export encrypted with PGP"
    )
    missing_columns: Literal["keep", "stop"] = Field(
        "keep",
        description="when the export lacks a column: keep the field as it is and warn, or stop the run",
    )
    contains: Literal["updates", "everyone"] = Field(
        "updates", description="everyone: the file lists all patrons; updates: only some of them"
    )
    quiet_seconds: float = Field(
        5,
        strict=True,
        ge=0,
        le=600,
        description="a file whose size or time changes within this many seconds is still being written",
    )

    expected_by: ClockTime | None = Field(
        None,
        description="wait for the file until the library's day ends; after this local time it is late",
        examples=['"06:00"'],
    )
    look_again_seconds: int = Field(
        300, strict=True, ge=10, le=3600, description="seconds to wait before looking for the file again"
    )

    @property
    def is_dated(self) -> bool:
        """Whether the path holds the day of the file."""
        return any(name is not None for _, name, _, _ in string.Formatter().parse(self.path))

    @property
    def expected_time(self) -> time:
        """The library's local time by which the file is expected; midnight if the tenant file names none."""
        return time.fromisoformat(self.expected_by) if self.expected_by else time()

    def path_on(self, day: date) -> str:
        """The path for a day, with each {date:...} filled in."""
        return dated(self.path, day)

    def more_paths_on(self, day: date) -> list[str]:
        """The further paths of the delivery for a day."""
        return [dated(path, day) for path in self.files] if isinstance(self.files, tuple) else []

    @property
    def doubts(self) -> list[str]:
        """What `check` warns about."""
        paths = [self.path, *(self.files if isinstance(self.files, tuple) else ())]
        found = [(path, part) for path in paths if (part := looks_dated(path))]
        return [
            f"source: '{part}' in {path} is not filled in, so a file of just this name is looked for. For the day of "
            "the run write {date:%Y%m%d}, for the day before {date-1:%Y%m%d}."
            for path, part in found
        ]

    def path_instead(self, path: str) -> str:
        """The path to use when a person enters one for a single run. Raises ConfigError if it is not allowed."""
        if not path.isprintable():
            raise ConfigError("The source path contains invisible characters. Type it again.")
        return path


class SftpSource(Source):
    """A file on an SFTP server. The Airflow connection has the host, user, password or key, and host key."""

    type: Literal["sftp"]
    connection: ConnectionId


class FolderSource(Source):
    """A file in a folder or bucket: any path that Airflow's ObjectStoragePath takes, like s3://conn@bucket/exports/."""

    type: Literal["folder"]

    @property
    def folder(self) -> str:
        """The folder of the exports: the path up to its first variable part."""
        fixed = re.split(r"[{*?\[]", self.path, maxsplit=1)[0]
        return fixed.rpartition("/")[0]

    def path_instead(self, path: str) -> str:
        """As for every source, but only in the folder of the exports: a run must not read other files."""
        super().path_instead(path)
        if not self.folder:
            raise ConfigError("This tenant's exports have no folder of their own, so a source path is not allowed.")
        inside = path if path.startswith(f"{self.folder}/") else f"{self.folder}/{path}"
        if ".." in path.split("/") or ("/" in path and inside != path):
            raise ConfigError(f"The source path must be a file in {self.folder}, the folder of this tenant's exports.")
        return inside
