"""The `source` of a tenant file: where the export is, and how it is written."""

import calendar
import posixpath
import re
import string
from datetime import date, time
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from patronload import plain_text
from patronload.config import queries
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
            raise ValueError(f"'{name}' cannot be a column's name, or occurs twice. Give each column its own name.")
    return columns


class Most(Document):
    """
    How large an export may be. Larger ones are refused before they fill a worker's memory; a file that is meant to do
    harm can be small and unpack to anything.
    """

    bytes: int = Field(
        1_000_000_000, strict=True, ge=1, description="of a file as it is delivered, and unpacked or decrypted"
    )
    rows: int = Field(5_000_000, strict=True, ge=1, le=50_000_000, description="of a file")
    columns: int = Field(1_000, strict=True, ge=1, le=100_000, description="of a file")
    cells: int = Field(200_000_000, strict=True, ge=1, description="rows times columns")
    cell: int = Field(1_000_000, strict=True, ge=1, le=16_000_000, description="bytes of a cell")
    zip_entries: int = Field(1_000, strict=True, ge=1, le=100_000, description="files and folders in a zip file")


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
        None, min_length=1, description="the name of the export in a zip file with several files; may contain * and ?"
    )
    most: Most = Field(Most(), description="how large an export may be", examples=["{rows: 8000000}"])

    @model_validator(mode="after")
    def _check_keys_fit(self) -> "Layout":
        if self.widths and (self.columns or self.quote == "none"):
            raise ValueError("'widths' is for fixed-width files and names their columns. Remove 'columns' and 'quote'.")
        return self


class Source(Layout):
    """Where the export is, and how it is written."""

    path: DatedPath = Field(
        description="may contain {date:%Y%m%d} (the run's day in the tenant's time zone), {date-1:%Y%m%d} (the day "
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
        description="seconds to watch the file; if its size or time changes meanwhile, it is still being written",
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

    @property
    def paths(self) -> list[str]:
        """The paths of the delivery as the tenant file has them, with {date:...}."""
        return [self.path, *(self.files if isinstance(self.files, tuple) else ())]

    def more_paths_on(self, day: date) -> list[str]:
        """The further paths of the delivery for a day."""
        return [dated(path, day) for path in self.paths[1:]]

    @property
    def doubts(self) -> list[str]:
        """The warnings of `check`."""
        found = [(path, part) for path in self.paths if (part := looks_dated(path))]
        return [
            f"source: '{part}' in {path} is not filled in, so only a file with exactly this name is found. For the day "
            "of the run write {date:%Y%m%d}, for the day before {date-1:%Y%m%d}."
            for path, part in found
        ]

    def path_instead(self, path: str, day: date) -> str:
        """
        The path to use when a person enters one for a single run; a mere name is one in the folder of the day's export.

        Raises ConfigError for another folder than those of this tenant's exports: a run must not read other files.
        """
        if not plain_text.is_shown(path):
            raise ConfigError("The source path contains invisible characters. Type it again.")
        inside = path if "/" in path else posixpath.join(posixpath.dirname(self.path_on(day)), path)
        folder = posixpath.dirname(inside)
        if ".." in re.split(r"[/\\]", inside) or not any(_is_folder_of(each, folder) for each in self.paths):
            named = posixpath.dirname(self.path) or "the folder where the account begins"
            raise ConfigError(f"The source path must be a file in {named}, the folder of this tenant's exports.")
        return inside


def _is_folder_of(path: str, folder: str) -> bool:
    """Whether a folder is one that `path`, as the tenant file has it, may lead to on some day."""
    pattern = ""
    for text, name, form, _ in string.Formatter().parse(posixpath.dirname(path)):
        pattern += re.sub(r"\\\[.*?\\\]|\\\?", "[^/]", re.escape(text)).replace(r"\*", "[^/]*")
        if name:
            pattern += re.sub(r"%(.)", _like, re.escape(form or "%Y-%m-%d").replace(r"\%", "%"))
    return re.fullmatch(pattern, folder) is not None


WORDS_OF_DATES: dict[str, list[str]] = {
    "a": [*calendar.day_abbr],
    "A": [*calendar.day_name],
    "b": [*calendar.month_abbr],
    "B": [*calendar.month_name],
}
"""The names of days and months in a path; any other word would be another folder."""


def _like(directive: re.Match[str]) -> str:
    """A pattern for a part of a date."""
    if words := WORDS_OF_DATES.get(directive[1]):
        return f"({'|'.join(re.escape(word) for word in words if word)})"
    return {"Y": "[0-9]{4}", "j": "[0-9]{3}"}.get(directive[1], "[0-9]{1,2}")


class SftpSource(Source):
    """A file on an SFTP server. The Airflow connection has the host, user, password or key, and host key."""

    type: Literal["sftp"]
    connection: ConnectionId


class FolderSource(Source):
    """A file in a folder or bucket: any path that Airflow's ObjectStoragePath takes, like s3://conn@bucket/exports/."""

    type: Literal["folder"]


ESCAPED = re.compile("%(2[ef]|5c|0)", re.IGNORECASE)
"""Slashes, dots, backslashes and control characters in an address, which a server may take for what they stand for."""


class HttpsSource(Source):
    """A file that a web server gives out. The Airflow connection has the address, and how we log in."""

    not_for_it: ClassVar[tuple[str, ...]] = ("quiet_seconds",)

    type: Literal["https"]
    connection: ConnectionId
    path: DatedPath = Field(
        description="the file's address, after the address in the connection; may contain {date:%Y%m%d} and a query",
        examples=["reports/patrons.csv?day={date:%Y-%m-%d}"],
    )

    @field_validator("path")
    @classmethod
    def _check_path(cls, path: str) -> str:
        steps = path.partition("?")[0].split("/")
        if "://" in path or path.startswith("//") or ".." in steps or "#" in path or "*" in steps[-1]:
            raise ValueError(
                f"'{path}' is not the path of one file on the server. Write the part after the connection's address, "
                "without * and .., like reports/patrons.csv."
            )
        return path

    @model_validator(mode="after")
    def _check_keys_apply(self) -> "HttpsSource":
        _refuse(self, "a web server")
        if self.files == "all":
            raise ValueError("a web server does not list its files. Leave out 'files', or list the further paths.")
        return self

    def path_instead(self, path: str, day: date) -> str:
        """Like Source.path_instead; a question mark begins the query of an address."""
        name, mark, query = path.partition("?")
        return HttpsSource.model_validate(
            {"type": "https", "connection": self.connection, "path": self._file_instead(name, day) + mark + query}
        ).path

    def _file_instead(self, name: str, day: date) -> str:
        if ESCAPED.search(name):
            raise ConfigError("The source path must not contain %2F, %2E or the like. Write the characters themselves.")
        bare = self.model_copy(update={"path": self.path.partition("?")[0]})
        return Source.path_instead(bare, name, day)


class SqlSource(Source):
    """The result of a query. The Airflow connection has the database, and how we log in."""

    not_for_it: ClassVar[tuple[str, ...]] = (
        *("delimiter", "encoding", "quote", "columns", "sheet", "skip_lines", "trailer", "widths", "member"),
        *("files", "same_person", "pgp", "quiet_seconds"),
    )

    type: Literal["sql"]
    connection: ConnectionId
    path: str = Field(
        alias="query",
        pattern=r"^[A-Za-z0-9_-]+\.sql$",
        description="the name of the file with the query, next to the tenant file; it may contain '{date:%Y-%m-%d}'",
        examples=["elmwood.sql"],
    )

    @model_validator(mode="after")
    def _check_keys_apply(self) -> "SqlSource":
        _refuse(self, "a query")
        return self

    @property
    def is_dated(self) -> bool:
        """Whether the query asks for the day of the run."""
        return queries.is_dated(queries.read(self.path))

    def path_on(self, day: date) -> str:  # noqa: ARG002 - the same file on each day
        """The name of the query's file."""
        return self.path

    def path_instead(self, path: str, day: date) -> str:  # noqa: ARG002 - whatever they are
        """Raises ConfigError: another query is for the tenant file to name."""
        raise ConfigError(
            "A query has no source path. Start the load without one; corrected rejects are uploaded on the page of "
            "their run."
        )

    @property
    def doubts(self) -> list[str]:
        """None: `check` reads the query."""
        return []


def _refuse(source: HttpsSource | SqlSource, kind: str) -> None:
    """Raise ValueError for keys that do nothing for this kind of source."""
    given = [f"'{name}'" for name in source.not_for_it if name in source.model_fields_set]
    if given:
        raise ValueError(f"{' and '.join(given)} cannot be used with {kind}. Remove it.")


AnySource = SftpSource | FolderSource | SqlSource | HttpsSource
"""The kinds of source."""
