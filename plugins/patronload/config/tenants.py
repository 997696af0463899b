"""A tenant file: one library, its mapping, schedule, source, target and limits, and the people who get its mails."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from patronload import settings, systems
from patronload.config import expectations, queries, tenant_values
from patronload.config.leavers import Leavers
from patronload.config.links import Addresses, Links
from patronload.config.mapping import Expectations
from patronload.config.source import AnySource, SftpSource, SqlSource
from patronload.config.tenant_values import Age, CronLine, LibraryName, Percent, ShareOrNumber, TimeZone, Wait
from patronload.documents import loading, models, yaml_files
from patronload.documents.models import Document
from patronload.errors import ConfigError, Defect
from patronload.systems import System
from patronload.systems.folio import FolioTarget
from patronload.systems.infiniti import InfinitiTarget

DAG_PREFIX = "patron_load__"
"""The beginning of each library's DAG id; the tenant's name follows."""

# The tag tenant:<tenant> may not be longer than 100 characters in Airflow.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=93, examples=["northfield"])]


class Limits(Document):
    """Outside these limits the run stops and nothing is sent."""

    renamed: ClassVar[Mapping[str, str]] = {
        "fewest_rows": "min_rows",
        "most_rejects": "max_rejects",
        "fewest_bytes": "min_bytes",
    }

    min_rows: int = Field(1, strict=True, ge=0, description="minimum number of rows in the file")
    max_rejects: ShareOrNumber = Field("10%", description="maximum rejected rows: a share like 2%, or a number")
    min_bytes: int = Field(0, strict=True, ge=0, description="minimum size of the file in bytes")
    same_file: Literal["skip", "stop"] = Field(
        "skip", description="a file that was already loaded: skip it, or stop the run"
    )
    older_file: Literal["stop", "warn"] = Field("stop", description="a file older than the last one that was loaded")
    changed_columns: Literal["stop", "warn"] = Field("stop", description="a column of the last load is missing")
    known_ids: Percent | None = Field(
        None, description="minimum share of patrons who were in the last load", examples=["60%"]
    )
    row_change: Percent | None = Field(
        None, description="maximum change in the number of rows since the last loads", examples=["20%"]
    )
    group_change: Percent | None = Field(
        None,
        description="maximum change in the share of a patron group since the last loads, in percentage points",
        examples=["10%"],
    )
    reject_change: Percent | None = Field(
        None,
        description="maximum rise in the share of rejects since the last loads, in percentage points",
        examples=["1%"],
    )

    becoming_inactive: ShareOrNumber | None = Field(
        "5%", description="more of the active users in the file than this would become inactive: a share, or a number"
    )
    created: ShareOrNumber | None = Field(
        None,
        description="more users than this would be created: a share of the known ones, or a number",
        examples=["20%"],
    )
    changed: ShareOrNumber | None = Field(
        None, description="more of the known users than this would be changed: a share, or a number", examples=["30%"]
    )
    changed_fields: dict[str, ShareOrNumber] = Field(
        {"username": "5%", "barcode": "10%"},
        description="one of these fields would change for more of the known users than this; not in the first load",
    )

    def rejects_allowed(self, rows: int) -> float:
        """The maximum number of rejects among `rows` rows."""
        if isinstance(self.max_rejects, int):
            return self.max_rejects
        return float(self.max_rejects.removesuffix("%")) / 100 * rows


class Approval(Document):
    """A load outside the limits does not stop: a person is asked in Airflow before anything is sent."""

    ask: Addresses | None = Field(
        None,
        min_length=1,
        description="who gets the mail with the question; left out: the addresses of notify.on_failure",
        examples=["[head@library.example]"],
    )
    answer_within: Wait = Field(
        "12 hours", description="without an answer by then, the load is declined; hours or minutes, maximum 20 hours"
    )

    first_load: bool = Field(False, strict=True, description="whether the library's first load needs approval too")
    load_anyway: bool = Field(
        False,
        strict=True,
        description="whether a load with a reason in 'Load anyway' needs no approval; left out: it still needs one",
    )

    @property
    def longest(self) -> timedelta:
        """How long the load waits for an answer."""
        return tenant_values.duration(self.answer_within)


class Notify(Document):
    """Who gets the mail about a run, by its outcome."""

    always: Addresses = ()
    on_success: Addresses = Field((), description="every row was loaded")
    on_rejects: Addresses = ()
    on_stop: Addresses | None = Field(None, description="the export was refused; left out: on_failure")
    on_no_file: Addresses | None = Field(None, description="the file is late or did not arrive; left out: on_failure")
    on_decline: Addresses | None = Field(
        None, description="a person declined the load or did not answer; left out: on_failure"
    )
    on_failure: Addresses = Field(min_length=1, examples=["[oncall@consortium.example]"])
    weekly: Addresses = Field((), description="one mail a week that summarizes the loads")
    webhook: str | None = Field(
        None,
        min_length=1,
        description="an Airflow connection of type http; each outcome is posted there as JSON",
        examples=["loads_webhook"],
    )
    slack: str | None = Field(
        None,
        min_length=1,
        description="an Airflow connection of type slackwebhook; each outcome is posted there",
        examples=["loads_slack"],
    )


class Rejects(Document):
    """The rejects are put back for the library, besides lying in the run's folder."""

    to: str = Field(
        min_length=1,
        pattern=r"^[^*?\[\]{}]+$",
        description="a folder in the library's own SFTP account, where the rejects of a load are put",
        examples=["outgoing/rejects/"],
    )

    def path(self, tenant: str, day: date, name: str) -> str:
        """Where a file of the rejects is put: outgoing/rejects/northfield_2026-11-21_rejects.xlsx."""
        return posixpath.join(self.to, f"{tenant}_{day}_{name}")


class Keep(Document):
    """How long a run's artifacts are kept after its end, while the DAG patron_loads_purge is switched on."""

    patrons: Age = Field("30 days", description="files with patron data: the export, the rejects, what was sent")
    reports: Age = Field("400 days", description="all other files (figures, reasons); then the run's folder is deleted")

    @property
    def patron_days(self) -> int:
        """Days that files with patron data are kept; never longer than the reports."""
        return min(tenant_values.days(self.patrons), self.report_days)

    @property
    def report_days(self) -> int:
        """Days that reports are kept."""
        return tenant_values.days(self.reports)


class People(Document):
    """Who can help when a load fails, with name and address, as the mails should show it."""

    export: str | None = Field(None, description="who sends the export", examples=["Registrar, x1234"])
    target: str | None = Field(None, description="who looks after the library system")
    airflow: str | None = Field(None, description="who looks after Airflow and these files")


class Tenant(Document):
    """One library whose patrons we load."""

    tenant: Name = Field(description="the file's name without .yaml; the DAG is patron_load__<tenant>")
    library: LibraryName = Field(min_length=1, description="the library's name, as its staff write it")
    mapping: str = Field(
        pattern=r"^[\w-]+/[\w-]+$",
        description="a file in include/mappings, without .yaml",
        examples=["folio/banner_patrons"],
    )
    schedule: CronLine | None = Field(None, description="a cron line; left out: loads are started by hand only")
    timezone: TimeZone = Field(description="the time zone of the schedule and of the run's day")
    deadline: Wait | None = Field(
        None,
        description="a load that has not ended after this time is reported by mail; left out: none is",
        examples=["4 hours"],
    )
    source: Annotated[AnySource, Field(discriminator="type")]
    target: Annotated[FolioTarget | InfinitiTarget, Field(discriminator="type")]
    expect: Expectations = Field(
        Expectations(), description="checks of this library's exports, in addition to those of the mapping file"
    )
    limits: Limits = Limits()
    leavers: Leavers | None = Field(
        None,
        description="patrons whom complete files no longer have; left out: they are only counted",
        examples=["{action: deactivate, after: 14 days}"],
    )
    approval: Approval | None = Field(
        None, description="a load outside the limits asks a person; left out: it stops", examples=["{}"]
    )
    rejects: Rejects | None = Field(
        None,
        description="where the rejects are put for the library; left out: only into the run's folder",
        examples=["{to: outgoing/rejects/}"],
    )
    notify: Notify
    links: Links | None = Field(
        None,
        description="pages for people without an account in Airflow; left out: the mails lead into Airflow",
        examples=["{approvers: [head@library.example]}"],
    )
    people: People = People()
    keep: Keep = Keep()

    @property
    def system(self) -> System:
        """The kind of library system that the patrons are loaded into."""
        return systems.KNOWN[self.target.type]

    @property
    def dag_id(self) -> str:
        """The id of the library's DAG in Airflow."""
        return f"{DAG_PREFIX}{self.tenant}"

    @property
    def asset(self) -> str:
        """The Airflow asset for the library's patrons in its system; each real load is an event of it."""
        return f"x-{self.target.type}://{self.tenant}/patrons"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which the library's days begin and end."""
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
            models.complaint(file, ("tenant",), f"the file is called {path.stem}.yaml; both must have the same name.")
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
    about = [*_mistakes_about_query(tenant), *_mistakes_about_leavers(tenant), *_mistakes_about_rejects(tenant)]
    if wrong := [models.complaint(file, key, sentence) for key, sentence in about]:
        raise ConfigError("\n".join(wrong))
    return tenant


def _mistakes_about_query(tenant: Tenant) -> Iterator[tuple[yaml_files.Key, str]]:
    """Why the query of a source of type sql cannot be sent."""
    if isinstance(tenant.source, SqlSource):
        try:
            queries.read(tenant.source.path)
        except ConfigError as error:
            yield ("source", "query"), str(error)


def _mistakes_about_leavers(tenant: Tenant) -> Iterator[tuple[yaml_files.Key, str]]:
    """The mistakes in `leavers`: settings that this library's target or mapping cannot satisfy."""
    rules, system = tenant.leavers, tenant.system
    if rules is None:
        return
    if tenant.source.contains != "everyone":
        yield (
            ("leavers",),
            "only a complete file shows who has left. Write 'contains: everyone' under source, or remove this.",
        )
    if system.can_be_asked:
        for path in rules.set:
            if system.kind(path) is None:
                yield ("leavers", "set", path), f"no such field; {models.suggestion(path, system.names)}"
        return
    kept = rules.exceptions
    asked = {
        ("leavers", "except", "patron_groups"): kept.patron_groups,
        ("leavers", "except", "departments"): kept.departments,
        ("leavers", "except", "custom_fields"): kept.custom_fields,
        ("leavers", "while"): rules.unless,
        ("leavers", "set"): rules.set,
    }
    for key, value in asked.items():
        if value:
            yield key, f"{system.name} cannot be asked about its patrons. Remove it; 'except: {{ids: ...}}' works."


def _mistakes_about_rejects(tenant: Tenant) -> Iterator[tuple[yaml_files.Key, str]]:
    """Why the rejects cannot be put where the tenant file says."""
    if tenant.rejects is None:
        return
    if not isinstance(tenant.source, SftpSource):
        yield (
            ("rejects", "to"),
            "rejects can only be put into an SFTP account. Remove this, or use a source of type sftp.",
        )
        return
    put = tenant.rejects.path(tenant.tenant, date(2000, 1, 1), "rejects.csv")
    for path in tenant.source.paths:
        if fnmatchcase(posixpath.normpath(put), posixpath.normpath(re.sub(r"\{date[^}]*\}", "*", path))):
            told = f"the next load would read the rejects there as an export: they match {path}. Name another folder."
            yield ("rejects", "to"), told


def load_all() -> Iterator[tuple[str, Tenant | ConfigError]]:
    """Each tenant's name, with the tenant or with the error in its file."""
    for name in names():
        try:
            yield name, load(name)
        except ConfigError as error:
            yield name, error
        except Exception as error:  # noqa: BLE001 - one file, whatever is in it, must not take all DAGs down
            yield name, ConfigError(f"{name}.yaml: this file causes an unexpected error. {Defect.hiding(error)}")
