"""A tenant: one library's answers to who, by which mapping, when, from where, to where, within which limits."""

import re
import string
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter
from pydantic import AfterValidator, BeforeValidator, EmailStr, Field

from patronload import settings, systems
from patronload.config import expectations
from patronload.config.mapping import Expectations
from patronload.documents import loading, models, yaml_files
from patronload.documents.models import Document
from patronload.documents.text_encodings import Encoding
from patronload.errors import ConfigError, Defect
from patronload.systems import System
from patronload.systems.description import ConnectionId
from patronload.systems.folio import FolioTarget
from patronload.systems.infiniti import InfinitiTarget


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
    # croniter also takes an R for any minute it likes, another one each time it is asked.
    if re.search(r"(?<![A-Z])[RH](?![A-Z])", schedule.upper()):
        raise ValueError(f"'{schedule}' leaves the time to chance. Write it out, like \"30 4 * * *\" (04:30 each day).")
    try:
        croniter(schedule, datetime.now(UTC)).get_next()
    except CroniterBadDateError:
        raise ValueError(f"'{schedule}' is a day that never comes. Write one like \"30 4 1 * *\" (the 1st).") from None
    return schedule


def _is_share(limit: Any) -> Any:
    if isinstance(limit, float) and 0 <= limit <= 1:
        raise ValueError(f"{limit} is neither a share like 2% nor a number of rows like 40. Write {limit:.0%}?")
    rows = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0
    if not rows and not (isinstance(limit, str) and re.fullmatch(r"\d{1,2}(\.\d+)?%|100%", limit)):
        raise ValueError(f"'{limit}' is neither a share like 2% nor a number of rows like 40.")
    return limit


def _is_percent(share: Any) -> Any:
    if not (isinstance(share, str) and re.fullmatch(r"\d{1,2}(\.\d+)?%|100%", share)):
        raise ValueError(f"'{share}' is no share. Write one like 20%.")
    return share


ROWS_HERE = "{rows}"
"""Where a trailer tells the number of rows."""


def _is_trailer(line: str) -> str:
    if line.count(ROWS_HERE) != 1 or "\n" in line:
        raise ValueError(
            f"'{line}' does not say where the number of rows stands. Write it like \"TRAILER,{ROWS_HERE}\"."
        )
    return line


def _is_clock(clock: Any) -> Any:
    # Without quotes, YAML reads 16:00 as the number 960.
    if not isinstance(clock, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", clock):
        raise ValueError(f"'{clock}' is no time of the day. Write one like \"06:00\", in quotes.")
    return clock


def _is_age(age: Any) -> Any:
    if not isinstance(age, str) or not re.fullmatch(r"[1-9]\d{0,3} days?", age):
        raise ValueError(f"'{age}' is no age. Write a number of days, like 30 days.")
    return age


LONGEST_WAIT = timedelta(hours=20)
"""For an answer: a run that waits holds back the next day's."""


def _is_wait(wait: Any) -> Any:
    if not isinstance(wait, str) or not re.fullmatch(r"[1-9]\d{0,3} (minute|hour)s?", wait):
        raise ValueError(f"'{wait}' is no time to wait. Write a number of hours or minutes, like 12 hours.")
    if waited(wait) > LONGEST_WAIT:
        raise ValueError(f"'{wait}' is too long: the next day's load waits for this one. Write 20 hours at most.")
    return wait


def waited(wait: str) -> timedelta:
    """12 hours, 90 minutes."""
    number, unit = wait.split()
    return timedelta(**{f"{unit.removesuffix('s')}s": int(number)})


def _is_delimiter(sign: str) -> str:
    if sign in '"\r\n':
        raise ValueError('a quote or a line\'s end cannot stand between two cells. Write a sign like ";" or "\\t".')
    return sign


DAG_PREFIX = "patron_load__"
"""What the DAG of every library begins with; the tenant's name follows."""

# The tag tenant:<tenant> may not be longer than 100 signs in Airflow.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=93, examples=["northfield"])]
Percent = Annotated[str, BeforeValidator(_is_percent)]
DatedPath = Annotated[str, Field(min_length=1), AfterValidator(_is_dated)]


ColumnName = Annotated[str, Field(min_length=1)]


class Layout(Document):
    """How the export is written."""

    delimiter: Annotated[str, AfterValidator(_is_delimiter)] = Field(
        ",", min_length=1, max_length=1, description="what stands between two cells", examples=['"|"', '"\\t" (a tab)']
    )
    encoding: Encoding = Field(
        "utf-8",
        description="Python's name of the encoding, for a file that has no byte order mark and is no UTF-8",
        examples=["cp1252"],
    )
    trailer: Annotated[str, AfterValidator(_is_trailer)] | None = Field(
        None,
        description="the last line of a whole file; {rows} stands for the number of rows, * for any text",
        examples=['"TRAILER,*,{rows}"'],
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
        description="a column that the export lacks leaves its field as it is, with a warning, or stops the run",
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

    expected_by: Annotated[str, BeforeValidator(_is_clock, json_schema_input_type=str)] | None = Field(
        None,
        description="a file that is not there yet is waited for until the library's day ends; at this time it is late",
        examples=['"06:00"'],
    )
    look_again_seconds: int = Field(
        300, strict=True, ge=10, le=3600, description="how long to wait before looking for the file again"
    )

    @property
    def is_dated(self) -> bool:
        """Whether the path says which day a file is of."""
        return any(name == "date" for _, name, _, _ in string.Formatter().parse(self.path))

    @property
    def expected_time(self) -> time:
        """The library's local time by which the file is expected; midnight when nothing is said."""
        return time.fromisoformat(self.expected_by) if self.expected_by else time()

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


class Limits(Document):
    """The run stops, and nothing is sent, outside of these."""

    renamed: ClassVar[Mapping[str, str]] = {
        "fewest_rows": "min_rows",
        "most_rejects": "max_rejects",
        "fewest_bytes": "min_bytes",
    }

    min_rows: int = Field(1, strict=True, ge=0, description="the file is shorter than this")
    max_rejects: Annotated[str | int, BeforeValidator(_is_share, json_schema_input_type=str | int)] = Field(
        "10%", description="more rows than this are rejected: a share like 2%, or a number"
    )

    min_bytes: int = Field(0, strict=True, ge=0, description="the file is smaller than this")
    same_file: Literal["skip", "stop"] = Field(
        "skip", description="a file that was loaded already: there is nothing to do, or the run stops"
    )
    older_file: Literal["stop", "warn"] = Field("stop", description="a file that is older than the last one loaded")
    changed_columns: Literal["stop", "warn"] = Field("stop", description="a column of the last load is missing")
    known_ids: Percent | None = Field(
        None, description="fewer of the patrons than this share are known from the last load", examples=["60%"]
    )
    row_change: Percent | None = Field(
        None, description="the rows are more or fewer than in the last loads by more than this", examples=["20%"]
    )
    group_change: Percent | None = Field(
        None,
        description="the share of a patron group is off that of the last loads by more of a hundred than this",
        examples=["10%"],
    )
    reject_change: Percent | None = Field(
        None,
        description="the share of rejects is above that of the last loads by more of a hundred than this",
        examples=["1%"],
    )

    def rejects_allowed(self, rows: int) -> float:
        """How many of `rows` rows may be rejected."""
        if isinstance(self.max_rejects, int):
            return self.max_rejects
        return float(self.max_rejects.removesuffix("%")) / 100 * rows


Addresses = tuple[EmailStr, ...]
Wait = Annotated[str, BeforeValidator(_is_wait, json_schema_input_type=str)]


class Approval(Document):
    """A load outside of the limits does not stop: a person is asked in Airflow before anything is sent."""

    ask: Addresses | None = Field(
        None,
        min_length=1,
        description="who gets the mail with the question; left out: those of notify.on_failure",
        examples=["[head@library.example]"],
    )
    answer_within: Wait = Field(
        "12 hours", description="without an answer by then the load is declined; hours or minutes, 20 hours at most"
    )

    @property
    def longest(self) -> timedelta:
        """How long an answer is waited for."""
        return waited(self.answer_within)


class Notify(Document):
    """Who gets the mail, by how the run ended."""

    always: Addresses = ()
    on_success: Addresses = Field((), description="every row was loaded")
    on_rejects: Addresses = ()
    on_stop: Addresses | None = Field(None, description="the export was refused; left out: on_failure")
    on_no_file: Addresses | None = Field(None, description="the file is late, or never came; left out: on_failure")
    on_decline: Addresses | None = Field(
        None, description="a person said no to the load, or nobody answered; left out: on_failure"
    )
    on_failure: Addresses = Field(min_length=1, examples=["[oncall@consortium.example]"])
    weekly: Addresses = Field((), description="one mail a week that sums up the loads")


Age = Annotated[str, BeforeValidator(_is_age, json_schema_input_type=str)]


class Keep(Document):
    """How long a run's artifacts are kept after its end, while the DAG that clears them away is switched on."""

    patrons: Age = Field("30 days", description="all that holds patrons: the export, the rejects, what was sent")
    reports: Age = Field("400 days", description="the rest: the figures and the reasons; then the run's folder goes")

    @property
    def patron_days(self) -> int:
        """Days that patrons are kept; never longer than the report on them."""
        return min(_days(self.patrons), self.report_days)

    @property
    def report_days(self) -> int:
        """Days that reports are kept."""
        return _days(self.reports)


def _days(age: str) -> int:
    return int(age.split(maxsplit=1)[0])


class People(Document):
    """Who can act when a load goes wrong, by name and address, as it should stand in the mail."""

    export: str | None = Field(None, description="whoever sends the export", examples=["Registrar, x1234"])
    target: str | None = Field(None, description="whoever looks after the library system")
    airflow: str | None = Field(None, description="whoever looks after Airflow and these files")


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
    target: Annotated[FolioTarget | InfinitiTarget, Field(discriminator="type")]
    expect: Expectations = Field(
        Expectations(), description="what this library's exports must be like beyond what the mapping file expects"
    )
    limits: Limits = Limits()
    approval: Approval | None = Field(
        None, description="a load outside of the limits asks a person; left out: it stops", examples=["{}"]
    )
    notify: Notify
    people: People = People()
    keep: Keep = Keep()

    @property
    def system(self) -> System:
        """The kind of library system that it is loaded into."""
        return systems.KNOWN[self.target.type]

    @property
    def dag_id(self) -> str:
        """The name of the library's DAG in Airflow."""
        return f"{DAG_PREFIX}{self.tenant}"

    @property
    def asset(self) -> str:
        """Airflow's asset that stands for the library's patrons in its system; each real load is an event of it."""
        return f"x-{self.target.type}://{self.tenant}/patrons"

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the library's days begin and end."""
        return ZoneInfo(self.timezone)


def names() -> list[str]:
    """The tenants that have a file, sorted."""
    return sorted(path.stem for path in settings.tenants().glob("*.yaml"))


def load(name: str) -> Tenant:
    """The tenant of this name. Raises ConfigError with file, line, key and what to write instead."""
    return load_file(settings.tenants() / f"{name}.yaml")


def load_file(path: Path) -> Tenant:
    """The tenant in the file at `path`. Raises ConfigError."""
    file = yaml_files.read(path)
    mistakes = [models.complaint(file, key, sentence) for key, sentence in expectations.mistakes(file.data)]
    try:
        tenant = loading.load(Tenant, file)
    except ConfigError as error:
        raise ConfigError("\n".join([str(error), *mistakes])) from None
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    if tenant.tenant != path.stem:
        raise ConfigError(
            models.complaint(file, ("tenant",), f"the file is named {path.stem}.yaml; give both one name.")
        )
    mapping = settings.mappings() / f"{tenant.mapping}.yaml"
    if not mapping.is_file():
        known = sorted(
            p.relative_to(settings.mappings()).with_suffix("").as_posix() for p in settings.mappings().rglob("*.yaml")
        )
        raise ConfigError(
            models.complaint(file, ("mapping",), f"no such mapping; {models.suggestion(tenant.mapping, known)}")
        )
    if not tenant.mapping.startswith(f"{tenant.target.type}/"):
        raise ConfigError(
            models.complaint(file, ("mapping",), f"this mapping is not for the target type {tenant.target.type}.")
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
