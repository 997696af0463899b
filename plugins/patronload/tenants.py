"""A tenant: one library's answers to who, by which mapping, when, from where, to where, within which limits."""

import codecs
import re
import string
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from pydantic import AfterValidator, BeforeValidator, EmailStr, Field

from patronload import documents, paths, yaml_files
from patronload.documents import Document
from patronload.errors import ConfigError, Defect


def _is_dated(path: str) -> str:
    """Only {date:...} may stand in braces, and it must make sense to Python's strftime."""
    try:
        parts = list(string.Formatter().parse(path))
    except ValueError as error:
        raise ValueError(f"the braces do not match in '{path}'. Write {{date:%Y%m%d}}, for example.") from error
    for _, name, form, conversion in parts:
        if name is not None and (name != "date" or conversion or "%" not in (form or "") or "{" in (form or "")):
            raise ValueError(f"{{{name}}} is not known. In braces there can only be a date, like {{date:%Y%m%d}}.")
    return path


def _is_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise ValueError(f"'{name}' is no time zone. Write one like America/Chicago or Europe/Dublin.") from None


def _is_cron(schedule: str) -> str:
    # croniter also takes a sixth part, for seconds, which Airflow does not.
    if len(schedule.split()) != len(("minute", "hour", "day", "month", "weekday")) or not croniter.is_valid(schedule):
        raise ValueError(f"'{schedule}' is no cron line of five parts. Write one like \"30 4 * * *\" (04:30 each day).")
    return schedule


NOT_ENCODINGS = {"idna", "punycode", "utf-7", "unicode-escape", "raw-unicode-escape"}
"""Codecs of Python's that change text in another way than an encoding does."""


def _is_encoding(name: str) -> str:
    try:
        known = codecs.lookup(name)
        plain = "a,\u00e9".encode(name, errors="replace").decode(name)[:2] == "a,"
    except (LookupError, ValueError):
        known, plain = None, False
    if known is None or not plain or known.name in NOT_ENCODINGS:
        raise ValueError(f"'{name}' is no encoding. Write one like utf-8, utf-16, cp1252 or iso-8859-15.")
    return name


def _is_share(limit: Any) -> Any:
    if isinstance(limit, float) and 0 <= limit <= 1:
        raise ValueError(f"{limit} is neither a share like 2% nor a number of rows like 40. Write {limit:.0%}?")
    rows = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0
    if not rows and not (isinstance(limit, str) and re.fullmatch(r"\d{1,2}(\.\d+)?%|100%", limit)):
        raise ValueError(f"'{limit}' is neither a share like 2% nor a number of rows like 40.")
    return limit


def _is_delimiter(sign: str) -> str:
    if sign in '"\r\n':
        raise ValueError('a quote or a line\'s end cannot stand between two cells. Write a sign like ";" or "\\t".')
    return sign


# The tag tenant:<tenant> may not be longer than 100 signs in Airflow.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=93, examples=["northfield"])]
ConnectionId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.-]+$", description="the id of an Airflow connection", examples=["northfield_sftp"]),
]
DatedPath = Annotated[str, Field(min_length=1), AfterValidator(_is_dated)]


ColumnName = Annotated[str, Field(min_length=1)]


class Layout(Document):
    """How the export is written."""

    delimiter: Annotated[str, AfterValidator(_is_delimiter)] = Field(
        ",", min_length=1, max_length=1, description="what stands between two cells", examples=['"|"', '"\\t" (a tab)']
    )
    encoding: Annotated[str, AfterValidator(_is_encoding)] = Field(
        "utf-8",
        description="Python's name of the encoding, for a file that has no byte order mark and is no UTF-8",
        examples=["cp1252"],
    )
    rename: dict[ColumnName, ColumnName] = Field(
        default_factory=dict, description="what a column is called in the export: what the mapping file calls it"
    )
    widths: dict[ColumnName, Annotated[int, Field(strict=True, ge=1, le=10_000)]] | None = Field(
        None,
        min_length=1,
        description="a fixed width file: each column and its number of characters, in their order; no header line",
    )
    digits: dict[ColumnName, Annotated[int, Field(strict=True, ge=1, le=100)]] = Field(
        default_factory=dict,
        description="columns of so many digits each: a cell with fewer lost its zeros to a spreadsheet",
    )
    member: str | None = Field(
        None, min_length=1, description="in a zip file of several files: the name of the export, with * or ?"
    )


class Source(Layout):
    """Where the export lies, and how it is written."""

    path: DatedPath = Field(
        description="may hold {date:%Y%m%d}, the run's day in the tenant's zone, and * or ?; of several the newest"
    )
    files: Literal["newest", "all"] | Annotated[tuple[DatedPath, ...], Field(min_length=1)] = Field(
        "newest",
        description="of several files that match the path the newest, or all; or a list of more paths to be read too",
    )
    same_person: Literal["reject", "first", "last"] = Field(
        "reject", description="a person in two files: nobody's row is taken, or that of the first or the last file"
    )
    pgp: ConnectionId | None = Field(
        None, description="the Airflow connection with the private key, for an export that is encrypted by PGP"
    )
    missing_columns: Literal["keep", "stop"] = Field(
        "keep",
        description="a column that the export lacks leaves its field as FOLIO has it, with a warning, or stops the run",
    )
    contains: Literal["updates", "everyone"] = Field(
        "updates", description="everyone: a full file; updates: some patrons"
    )
    quiet_seconds: float = Field(
        5,
        strict=True,
        ge=0,
        le=600,
        description="a file whose size or time changes within this time is still being written",
    )

    def path_on(self, day: date) -> str:
        """The path for a day: each {date:...} filled in."""
        return self.path.format(date=day)

    def path_instead(self, path: str) -> str:
        """The path to take when a person names one for a single run. Raises ConfigError for one that is not allowed."""
        if not path.isprintable():
            raise ConfigError("The source path holds signs that no path has. Write it anew.")
        return path


class SftpSource(Source):
    """A file on an SFTP server. Host, user, password or key, and host key are in the Airflow connection."""

    type: Literal["sftp"]
    connection: ConnectionId


class FolderSource(Source):
    """A file in a folder or a bucket: any path that Airflow's ObjectStoragePath takes, like s3://conn@bucket/exports/."""

    type: Literal["folder"]

    @property
    def folder(self) -> str:
        """Where the exports lie: all of the path up to the first part that varies."""
        fixed = re.split(r"[{*?\[]", self.path, maxsplit=1)[0]
        return fixed.rpartition("/")[0]

    def path_instead(self, path: str) -> str:
        """As for every source; but whoever may start a run may not read any file of this machine."""
        super().path_instead(path)
        if not self.folder:
            raise ConfigError("The tenant's exports have no folder of their own, so no other file can be named.")
        inside = path if path.startswith(f"{self.folder}/") else f"{self.folder}/{path}"
        if ".." in path.split("/") or ("/" in path and inside != path):
            raise ConfigError(f"The source path has to be a file in {self.folder}, the folder of the tenant's exports.")
        return inside


class FolioTarget(Document):
    """A FOLIO tenant, loaded by mod-user-import's POST /user-import."""

    type: Literal["folio"]
    connection: ConnectionId
    folio_tenant: str = Field(
        pattern=r"^[A-Za-z0-9_-]+$", description="sent as X-Okapi-Tenant", examples=["fs00001234"]
    )
    source_type: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9]+$",
        description="FOLIO puts it and an underscore before each externalSystemId",
        examples=["banner"],
    )
    chunk_size: int = Field(250, strict=True, ge=1, le=1000, description="most patrons in one request")
    chunk_bytes: int = Field(
        900_000, strict=True, ge=10_000, description="most bytes in one request; gateways often refuse over 1 MB"
    )
    member_of: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="the consortium's central tenant, if the user of the connection logs in there",
        examples=["fs00000001"],
    )
    unknown_values: Literal["reject", "stop"] = Field(
        "reject",
        description="a patron group, department or custom field that FOLIO does not know: the rows, or the run",
    )
    dropped_values: Literal["warn", "stop"] = Field(
        "warn", description="an address type or contact type that FOLIO would drop without a word"
    )
    blank_cells: Literal["keep", "erase"] = Field(
        "keep", description="an empty cell leaves the patron's field as FOLIO has it, or empties it"
    )
    create: tuple[Literal["departments", "options"], ...] = Field(
        (),
        description="what may be created in FOLIO when the file has it and FOLIO does not",
        examples=["[departments]"],
    )


class Limits(Document):
    """The run stops, and nothing is sent, outside of these."""

    fewest_rows: int = Field(1, strict=True, ge=0, description="the file is shorter than this")
    most_rejects: Annotated[str | int, BeforeValidator(_is_share, json_schema_input_type=str | int)] = Field(
        "10%", description="more rows than this are rejected: a share like 2%, or a number"
    )

    def rejects_allowed(self, rows: int) -> float:
        """How many of `rows` rows may be rejected."""
        if isinstance(self.most_rejects, int):
            return self.most_rejects
        return float(self.most_rejects.removesuffix("%")) / 100 * rows


class Notify(Document):
    """Who gets the mail, by how the run ended."""

    always: tuple[EmailStr, ...] = ()
    on_rejects: tuple[EmailStr, ...] = ()
    on_failure: tuple[EmailStr, ...] = Field(min_length=1, examples=["[oncall@consortium.example]"])


class Tenant(Document):
    """One library we run loads for."""

    tenant: Name = Field(description="the DAG is patron_load__<tenant>; the file's name without .yaml")
    library: str = Field(min_length=1, description="the library's name, as its people write it")
    mapping: str = Field(
        pattern=r"^[\w-]+/[\w-]+$",
        description="a file below include/mappings, without .yaml",
        examples=["folio/banner_patrons"],
    )
    schedule: Annotated[str, AfterValidator(_is_cron)] | None = Field(None, description="cron; left out: by hand only")
    timezone: Annotated[str, AfterValidator(_is_zone)] = Field(description="of the schedule and of the run's day")
    source: Annotated[SftpSource | FolderSource, Field(discriminator="type")]
    target: FolioTarget
    limits: Limits = Limits()
    notify: Notify

    @property
    def dag_id(self) -> str:
        """The name of the library's DAG in Airflow."""
        return f"patron_load__{self.tenant}"

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the library's days begin and end."""
        return ZoneInfo(self.timezone)


def names() -> list[str]:
    """The tenants that have a file, sorted."""
    return sorted(path.stem for path in paths.tenants().glob("*.yaml"))


def load(name: str) -> Tenant:
    """The tenant of this name. Raises ConfigError with file, line, key and what to write instead."""
    return load_file(paths.tenants() / f"{name}.yaml")


def load_file(path: Path) -> Tenant:
    """The tenant in the file at `path`. Raises ConfigError."""
    file = yaml_files.read(path)
    tenant = documents.load(Tenant, file)
    if tenant.tenant != path.stem:
        raise ConfigError(
            documents.complaint(file, ("tenant",), f"the file is named {path.stem}.yaml; give both one name.")
        )
    mapping = paths.mappings() / f"{tenant.mapping}.yaml"
    if not mapping.is_file():
        known = sorted(
            p.relative_to(paths.mappings()).with_suffix("").as_posix() for p in paths.mappings().rglob("*.yaml")
        )
        raise ConfigError(
            documents.complaint(file, ("mapping",), f"no such mapping; {documents.suggestion(tenant.mapping, known)}")
        )
    if not tenant.mapping.startswith(f"{tenant.target.type}/"):
        raise ConfigError(
            documents.complaint(file, ("mapping",), f"this mapping is not for the target type {tenant.target.type}.")
        )
    return tenant


def load_all() -> Iterator[tuple[str, Tenant | ConfigError]]:
    """Each tenant's name with the tenant, or with what is wrong with its file."""
    for name in names():
        try:
            yield name, load(name)
        except ConfigError as error:
            yield name, error
        except Exception as error:  # noqa: BLE001 - one file, whatever is in it, must not take all DAGs down
            yield name, ConfigError(f"{name}.yaml: nobody foresaw what is in this file. {Defect.hiding(error)}")
