"""A tenant file: what it says, and what is said about each mistake in it."""

import re
from collections.abc import Callable
from datetime import date, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from patronload.config import tenants
from patronload.config.leavers import Exceptions, Leavers
from patronload.config.source import SftpSource
from patronload.config.tenants import Tenant
from patronload.errors import ConfigError
from tests.config.conftest import change, write
from tests.config.files import JARGON, TENANT

Change = Callable[[str, str], int]


def test_reads_every_key(include: Path) -> None:
    """What is written is what is there."""
    tenant = tenants.load("riverside")
    assert (tenant.tenant, tenant.library, tenant.mapping) == ("riverside", "Riverside College Library", "folio/people")
    assert (tenant.schedule, tenant.timezone, tenant.zone) == ("30 4 * * *", "Europe/Dublin", ZoneInfo("Europe/Dublin"))
    assert tenant.dag_id == "patron_load__riverside"
    assert tenant.source.model_dump() == {
        "type": "sftp",
        "connection": "riverside_sftp",
        "path": "out/people_{date:%Y%m%d}.csv",
        "delimiter": ";",
        "encoding": "cp1252",
        "quote": "double",
        "columns": None,
        "sheet": "Patrons",
        "skip_lines": 1,
        "trailer": "TRAILER;*;{rows}",
        "rename": {"Staff No": "ID"},
        "widths": {"ID": 8, "LOGIN": 20},
        "digits": {"ID": 8},
        "member": "people*.csv",
        "files": ("out/staff_{date:%Y%m%d}.csv",),
        "same_person": "first",
        "pgp": "riverside_pgp",
        "missing_columns": "keep",
        "contains": "everyone",
        "expected_by": "06:00",
        "look_again_seconds": 120,
        "quiet_seconds": 2,
        "most": {"bytes": 1000, "rows": 10, "columns": 20, "cells": 200, "cell": 30, "zip_entries": 1},
    }
    assert tenant.target.model_dump() == {
        "type": "folio",
        "connection": "riverside_folio",
        "folio_tenant": "fs1",
        "source_type": "riverside",
        "chunk_size": 100,
        "chunk_bytes": 500_000,
        "member_of": "fs0",
        "unknown_values": "stop",
        "dropped_values": "stop",
        "blank_cells": "erase",
        "send": "all",
        "staff": {"expirationDate": "load"},
        "same_email": "ignore",
        "match": {"users_without_id": ("barcode", "username"), "identities": "identities/riverside.csv"},
        "protected": {
            "custom_field": "protectedFields",
            "tags": {"keep": "all", "own-email": ("personal.email",)},
        },
        "create": ("departments", "options"),
    }
    assert [check.arguments for check in tenant.expect.warn] == [{"column": "EMAIL"}]
    assert tenant.limits.model_dump() == {
        "min_rows": 10,
        "max_rejects": "2.5%",
        "min_bytes": 1000,
        "same_file": "stop",
        "older_file": "warn",
        "changed_columns": "warn",
        "known_ids": "60%",
        "row_change": "20%",
        "group_change": "10%",
        "reject_change": "1.5%",
        "becoming_inactive": "3%",
        "created": 500,
        "changed": "30%",
        "changed_fields": {"barcode": "2%"},
    }
    assert tenant.leavers is not None
    assert tenant.leavers.model_dump() == {
        "action": "deactivate",
        "after": "14 days",
        "missing_loads": 5,
        "max": 40,
        "announce": "3 days",
        "exceptions": {
            "patron_groups": ("faculty",),
            "departments": ("Emeriti",),
            "custom_fields": {"keepActive": True},
            "ids": "exceptions/riverside.csv",
        },
        "unless": ("open_loans", "open_fees"),
        "set": {"customFields.leftOn": "today"},
    }
    assert list(tenant.notify.always) == ["systems@riverside.example"]
    assert list(tenant.notify.on_rejects) == ["desk@riverside.example"]
    assert list(tenant.notify.on_failure) == ["oncall@riverside.example", "second@riverside.example"]
    assert list(tenant.notify.on_success) == list(tenant.notify.weekly) == ["head@riverside.example"]
    assert (tenant.notify.on_stop, tenant.notify.on_no_file) == (("campus@riverside.example",), ())
    assert tenant.notify.on_decline == ("head@riverside.example",)
    assert (tenant.notify.webhook, tenant.notify.slack) == ("riverside_webhook", "riverside_slack")
    assert tenant.deadline == "6 hours"
    assert tenant.links is not None
    assert tenant.links.approvers == ("head@riverside.example",)
    assert tenant.source.expected_time == time(6)
    people = {"export": "Campus office, x1234", "target": "FOLIO office, x2345", "airflow": "Consortium"}
    assert tenant.people.model_dump() == people
    # Patrons are not kept for longer than the report on them.
    assert (tenant.keep.patron_days, tenant.keep.report_days) == (1, 1)


def test_what_may_be_left_out_is_safe(include: Path) -> None:
    """A short file is a careful one: some patrons, fields kept, an empty file stopped."""
    short = """\
tenant: short
library: Short
mapping: folio/people
timezone: Europe/Dublin
source: {type: folder, path: /exports/a.csv}
target: {type: folio, connection: x, folio_tenant: fs1}
notify: {on_failure: [a@b.example]}
"""
    write(include / "tenants/short.yaml", short)
    tenant = tenants.load("short")
    assert tenant.schedule is None
    assert (tenant.source.delimiter, tenant.source.encoding, tenant.source.contains) == (",", "utf-8", "updates")
    assert tenant.source.quiet_seconds == 5
    assert (tenant.source.expected_by, tenant.source.look_again_seconds) == (None, 300)
    assert (tenant.notify.on_stop, tenant.notify.on_no_file, tenant.notify.weekly) == (None, None, ())
    assert (tenant.people.export, tenant.keep.patron_days, tenant.keep.report_days) == (None, 30, 400)
    assert (tenant.target.source_type, tenant.target.chunk_size) == (None, 250)
    target = tenant.target
    assert (target.unknown_values, target.dropped_values, target.blank_cells) == ("reject", "warn", "keep")
    assert (target.create, target.member_of) == ((), None)
    assert (target.staff, target.same_email) == ({}, "report")
    assert (target.protected.custom_field, target.protected.tags) == (None, {})
    assert tenant.limits.min_rows == 1
    assert (tenant.limits.same_file, tenant.limits.older_file, tenant.limits.changed_columns) == (
        "skip",
        "stop",
        "stop",
    )
    assert (tenant.source.trailer, tenant.limits.known_ids, tenant.limits.row_change) == (None, None, None)
    assert list(tenant.notify.always) == []


def test_is_never_changed_once_read(include: Path) -> None:
    """What was checked is what is used."""
    tenant = tenants.load("riverside")
    with pytest.raises(ValidationError):
        tenant.library = "Another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "dated"),
    [
        ("out/people_{date:%Y%m%d}.csv", "out/people_20261105.csv"),
        ("{date:%Y}/{date:%m}/people.csv", "2026/11/people.csv"),
        ("people_{date-1:%Y%m%d}.csv", "people_20261104.csv"),
        ("people_{date-5:%Y%m%d}_{date:%d}.csv", "people_20261031_05.csv"),
        ("people_{date+30:%Y-%m}.csv", "people_2026-12.csv"),
        ("people_{date:%d.%m.%y}_*.csv", "people_05.11.26_*.csv"),
        ("people_{date:%j}.csv", "people_309.csv"),
        ("people.csv", "people.csv"),
        ("people_{{1}}.csv", "people_{1}.csv"),
        ("100%.csv", "100%.csv"),
    ],
)
def test_fills_in_the_day(include: Path, path: str, dated: str) -> None:
    """In Python's own form for dates."""
    change(include / "tenants/riverside.yaml", "path: out/people_{date:%Y%m%d}.csv", f"path: '{path}'")
    assert tenants.load("riverside").source.path_on(date(2026, 11, 5)) == dated


@pytest.mark.parametrize(
    ("limit", "rows", "allowed"),
    [("2.5%", 1000, 25), ("0%", 1000, 0), ("100%", 7, 7), ("40", 10, 40), ("0", 1000, 0), ("5%", 0, 0)],
)
def test_counts_the_rejects_allowed(include: Path, limit: str, rows: int, allowed: float) -> None:
    """A share of the rows, or a number whatever the rows."""
    change(include / "tenants/riverside.yaml", "max_rejects: 2.5%", f"max_rejects: {limit}")
    assert tenants.load("riverside").limits.rejects_allowed(rows) == pytest.approx(allowed)


# What is written, what is written instead, the key that is named, and a part of what is said.
MISTAKES = [
    ("tenant: riverside", "tenant: riverside\ntype: sftp", "type", "no such key"),
    ("tenant: riverside", f"tenant: {'r' * 94}", "tenant", "too long"),
    ("out/people_{date:%Y%m%d}.csv", "x{date:%Y{0}}.csv", "source.path", "Braces"),
    ("out/people_{date:%Y%m%d}.csv", "x{date-x:%Y}.csv", "source.path", "Day before: {date-1:%Y%m%d}."),
    ("out/people_{date:%Y%m%d}.csv", "x{date-1}.csv", "source.path", "Braces"),
    ("encoding: cp1252", "encoding: unicode_escape", "source.encoding", "is not an encoding"),
    ("encoding: cp1252", "encoding: idna", "source.encoding", "is not an encoding"),
    ("  quote: double", "  quote: off", "source.quote", "takes 'double' or 'none'"),
    (
        "  widths: {ID: 8, LOGIN: 20}",
        "  columns: [ID, ID]",
        "source.columns",
        "'ID' cannot be a column's name, or occurs",
    ),
    ("  skip_lines: 1", "  skip_lines: -1", "source.skip_lines", "too small"),
    (
        "unknown_values: stop",
        "unknown_values: {departmnts: leave_out}",
        "target.unknown_values",
        "'departmnts' has no such values; did you mean 'departments'?",
    ),
    (
        "unknown_values: stop",
        "unknown_values: {patronGroup: leave_out}",
        "target.unknown_values",
        "patronGroup cannot be left out",
    ),
    ("unknown_values: stop", "unknown_values: leave_out", "target.unknown_values", "takes reject, stop, or a choice"),
    ("unknown_values: stop", "unknown_values: {departments: x}", "target.unknown_values", "departments takes reject"),
    (
        "tenant: riverside",
        "tenant: other",
        "tenant",
        "the file is called riverside.yaml; both must have the same name.",
    ),
    ("tenant: riverside", "tenant: River-Side", "tenant", "River-Side"),
    ("tenant: riverside", "tenant: 7", "tenant", "YAML reads this as the number 7, not as text. Write it in quotes."),
    (
        "tenant: riverside",
        "tenant: riverside\ntenent: x",
        "tenent",
        "no such key; did you mean 'tenant'? There are: tenant,",
    ),
    ("library: Riverside College Library", "library: 12", "library", "reads this as the number 12, not as text. Write"),
    (
        "library: Riverside College Library",
        "library: yes",
        "library",
        "reads this as yes or no (true), not as text. Write",
    ),
    ("library: Riverside College Library", "library:", "library", ""),
    ("library: Riverside College Library", "library: ''", "library", ""),
    ("library: Riverside College Library", "library: 2026-11-21", "library", "quotes"),
    (
        "mapping: folio/people",
        "mapping: folio/peple",
        "mapping",
        "did you mean 'folio/people'? There are: folio/people.",
    ),
    ("mapping: folio/people", "mapping: folio/x", "mapping", "no such mapping; "),
    ("mapping: folio/people", "mapping: people", "mapping", "folio/"),
    ("mapping: folio/people", "mapping: ../../etc/passwd", "mapping", "folio/"),
    ('schedule: "30 4 * * *"', 'schedule: "30 4 * *"', "schedule", 'Write one like "30 4 * * *" (04:30 each day).'),
    ('schedule: "30 4 * * *"', "schedule:", "schedule", "is empty. Its meaning: a cron line; left out: loads are"),
    ('schedule: "30 4 * * *"', 'schedule: "0 0 31 2 *"', "schedule", "no date matches '0 0 31 2 *'. Write one like"),
    ('schedule: "30 4 * * *"', 'schedule: "R 4 * * *"', "schedule", "has a random time. Write a fixed one, like"),
    (
        'schedule: "30 4 * * *"',
        'schedule: "r(0-9) 4 * * *"',
        "schedule",
        "has a random time. Write a fixed one, like",
    ),
    ("known_ids: 60%", "known_ids:", "limits.known_ids", "is empty. Write it like 60%."),
    (
        'schedule: "30 4 * * *"',
        "schedule: daily",
        "schedule",
        "'daily' is not a cron line of five parts. Write one like",
    ),
    (
        'schedule: "30 4 * * *"',
        'schedule: "@daily"',
        "schedule",
        "'@daily' is not a cron line of five parts. Write one like",
    ),
    (
        'schedule: "30 4 * * *"',
        'schedule: "0 30 4 * * *"',
        "schedule",
        "is not a cron line of five parts. Write one like",
    ),
    ('schedule: "30 4 * * *"', 'schedule: "61 4 * * *"', "schedule", "61 4 * * *"),
    (
        "timezone: Europe/Dublin",
        "timezone: Europe/Dublim",
        "timezone",
        "is not a time zone. Write one like America/Chicago or",
    ),
    ("timezone: Europe/Dublin", "timezone: GMT-5", "timezone", "is not a time zone. Write one like America/Chicago or"),
    (
        "timezone: Europe/Dublin",
        "timezone: ../UTC",
        "timezone",
        "is not a time zone. Write one like America/Chicago or",
    ),
    ("timezone: Europe/Dublin", "timezone: -5", "timezone", "YAML reads this as the number -5, not as text."),
    ("  connection: riverside_sftp", "  conection: riverside_sftp", "source.conection", "did you mean 'connection'?"),
    ("  connection: riverside_sftp", "  connection: river side", "source.connection", ""),
    (
        "out/people_{date:%Y%m%d}.csv",
        "'{day:%Y}.csv'",
        "source.path",
        "Braces can only hold a date, like {date:%Y%m%d}.",
    ),
    ("out/people_{date:%Y%m%d}.csv", "x{day:%Y}.csv", "source.path", "{day} is not known. Braces can only hold"),
    (
        "out/people_{date:%Y%m%d}.csv",
        "x{date}.csv",
        "source.path",
        "Braces can only hold a date, like {date:%Y%m%d}.",
    ),
    ("out/people_{date:%Y%m%d}.csv", "x{date:YMD}.csv", "source.path", "Braces can only hold a date, like"),
    ("out/people_{date:%Y%m%d}.csv", "x{date.year}.csv", "source.path", "Braces can only hold a date, like"),
    ("out/people_{date:%Y%m%d}.csv", "x{}.csv", "source.path", "Braces can only hold a date, like"),
    ("out/people_{date:%Y%m%d}.csv", "x{date:%Y.csv", "source.path", "the braces do not match in"),
    ("out/people_{date:%Y%m%d}.csv", "x}.csv", "source.path", "the braces do not match in"),
    ("out/people_{date:%Y%m%d}.csv", "x{date!r:%Y}.csv", "source.path", ""),
    ('delimiter: ";"', 'delimiter: "||"', "source.delimiter", ""),
    ('delimiter: ";"', "delimiter: tab", "source.delimiter", '"\\t"'),
    ('delimiter: ";"', 'delimiter: "\\n"', "source.delimiter", ""),
    ('delimiter: ";"', "delimiter: '\"'", "source.delimiter", ""),
    (
        "encoding: cp1252",
        "encoding: cp12525",
        "source.encoding",
        "is not an encoding. Write one like utf-8, utf-16, cp1252 or",
    ),
    ("encoding: cp1252", "encoding: base64", "source.encoding", "is not an encoding. Write one like"),
    ("encoding: cp1252", "encoding: 1252", "source.encoding", "YAML reads this as the number 1252, not as text."),
    ("contains: everyone", "contains: all", "source.contains", "'updates' or 'everyone'"),
    ("quiet_seconds: 2", "quiet_seconds: -1", "source.quiet_seconds", "0"),
    ("quiet_seconds: 2", "quiet_seconds: 3600", "source.quiet_seconds", "600"),
    ("quiet_seconds: 2", "quiet_seconds: soon", "source.quiet_seconds", "number"),
    ("quiet_seconds: 2", "quiet_seconds: true", "source.quiet_seconds", ""),
    ('expected_by: "06:00"', "expected_by: 16:00", "source.expected_by", 'Write one like "06:00", in quotes.'),
    ('expected_by: "06:00"', 'expected_by: "24:00"', "source.expected_by", "is not a time of day."),
    ('expected_by: "06:00"', 'expected_by: "6am"', "source.expected_by", "is not a time of day."),
    ("look_again_seconds: 120", "look_again_seconds: 1", "source.look_again_seconds", "10"),
    ("patrons: 14 days", "patrons: 14", "keep.patrons", "is not a number of days. Write one like 30 days."),
    ("patrons: 14 days", "patrons: 2 weeks", "keep.patrons", "is not a number of days. Write one like 30 days."),
    ("patrons: 14 days", "patrons: 0 days", "keep.patrons", "is not a number of days. Write one like 30 days."),
    ("answer_within: 90 minutes", "answer_within: 90", "approval.answer_within", "like 12 hours."),
    ("answer_within: 90 minutes", "answer_within: 0 hours", "approval.answer_within", "like 12 hours."),
    ("answer_within: 90 minutes", "answer_within: 21 hours", "approval.answer_within", "Write at most 20 hours."),
    ("ask: [head@riverside.example]", "ask: []", "approval.ask", ""),
    ("approval:\n", "approval: yes\nwas:\n", "approval", "takes keys of its own. There are: ask, answer_within"),
    ("approval:\n", "approval: 12\nwas:\n", "approval", "takes keys of its own. There are: ask, answer_within"),
    ("ask: [head@riverside.example]", "ask: [head]", "approval.ask[0]", "@"),
    ("  type: folio", "  type: foliio", "target.type", "'folio'"),
    ("folio_tenant: fs1", "folio_tenant: fs 1", "target.folio_tenant", ""),
    ("folio_tenant: fs1", "folio_tenant: 0011", "target.folio_tenant", "not as text. Write it in quotes."),
    ("source_type: riverside", "source_type: river_side", "target.source_type", ""),
    ("chunk_size: 100", "chunk_size: 0", "target.chunk_size", "1"),
    ("chunk_size: 100", "chunk_size: 5000", "target.chunk_size", "1000"),
    ("chunk_size: 100", "chunk_size: many", "target.chunk_size", "number"),
    ("chunk_size: 100", "chunk_size: true", "target.chunk_size", ""),
    ("chunk_size: 100", "chunksize: 100", "target.chunksize", "no such key; did you mean 'chunk_size'?"),
    ("chunk_size: 100", "deactivateMissingUsers: true", "target.deactivateMissingUsers", "no such key; "),
    ("chunk_size: 100", "user: loader", "target.user", "no such key; "),
    ("chunk_size: 100", "password: secret", "target.password", "no such key; "),
    ("min_rows: 10", "min_rows: -1", "limits.min_rows", "0"),
    (
        "max_rejects: 2.5%",
        "max_rejects: 5 percent",
        "limits.max_rejects",
        "is neither a share like 2% nor a number of rows",
    ),
    (
        "max_rejects: 2.5%",
        "max_rejects: 101%",
        "limits.max_rejects",
        "is neither a share like 2% nor a number of rows",
    ),
    ("max_rejects: 2.5%", "max_rejects: 0.05", "limits.max_rejects", "5%"),
    ("max_rejects: 2.5%", "max_rejects: -5", "limits.max_rejects", ""),
    ("max_rejects: 2.5%", "max_rejects: true", "limits.max_rejects", ""),
    ("row_change: 20%", "row_change: 0.2", "limits.row_change", "20%"),
    ("known_ids: 60%", "known_ids: 160%", "limits.known_ids", "20%"),
    ("min_bytes: 1000", "min_bytes: 1 kB", "limits.min_bytes", ""),
    ("same_file: stop", "same_file: load", "limits.same_file", "skip"),
    ("TRAILER;*;{rows}", "TRAILER;*", "source.trailer", "{rows}"),
    ("always: [", "allways: [", "notify.allways", "no such key; did you mean 'always'? There are: always,"),
    ("[desk@riverside.example]", "[desk]", "notify.on_rejects[0]", "@"),
    ("[desk@riverside.example]", "[7]", "notify.on_rejects[0]", "YAML reads this as the number 7, not as text."),
    ("[desk@riverside.example]", "desk@riverside.example", "notify.on_rejects", "["),
    ("[oncall@riverside.example, second@riverside.example]", "[]", "notify.on_failure", ""),
    ("source:\n", "sources: {}\nsource:\n", "sources", "no such key; did you mean 'source'?"),
]


@pytest.mark.parametrize(("old", "new", "key", "sentence"), MISTAKES)
def test_a_mistake_gives_file_line_key_and_a_way_out(
    change_tenant: Change, old: str, new: str, key: str, sentence: str
) -> None:
    """Whoever wrote it can mend it without us."""
    line = change_tenant(old, new) + (1 if new.startswith("tenant: riverside\n") else 0)
    with pytest.raises(ConfigError) as caught:
        tenants.load("riverside")
    said = str(caught.value).splitlines()
    about = [text for text in said if text.startswith(f"riverside.yaml, line {line}: {key}: ")]
    assert about, said
    assert sentence in about[0]
    assert not JARGON.search(str(caught.value)), said


@pytest.mark.parametrize(
    ("left_out", "key", "around"),
    [
        ("tenant: riverside\n", "tenant", "the file"),
        ("library: Riverside College Library\n", "library", "the file"),
        ("mapping: folio/people\n", "mapping", "the file"),
        ("timezone: Europe/Dublin\n", "timezone", "the file"),
        ("  connection: riverside_sftp\n", "connection", "source"),
        ("  path: out/people_{date:%Y%m%d}.csv\n", "path", "source"),
        ("  connection: riverside_folio\n", "connection", "target"),
        ("  folio_tenant: fs1\n", "folio_tenant", "target"),
        ("  on_failure: [oncall@riverside.example, second@riverside.example]\n", "on_failure", "notify"),
        ("  type: sftp\n", "type", "source"),
        ("  type: folio\n", "type", "target"),
    ],
)
def test_what_is_missing_is_named(include: Path, left_out: str, key: str, around: str) -> None:
    """Each key that must be there, and where it belongs."""
    path = include / "tenants/riverside.yaml"
    change(path, left_out, "")
    start = path.read_text().splitlines().index(f"{around}:") + 1 if around != "the file" else 1
    with pytest.raises(ConfigError) as caught:
        tenants.load("riverside")
    assert str(caught.value).startswith(f"riverside.yaml, line {start}: {around}: the key '{key}' is missing. ")


def test_all_mistakes_are_told_at_once(include: Path) -> None:
    """Not one a day."""
    path = include / "tenants/riverside.yaml"
    change(path, "timezone: Europe/Dublin", "timezone: Europe/Dublim")
    change(path, "chunk_size: 100", "chunksize: 100")
    change(path, "max_rejects: 2.5%", "max_rejects: lots")
    with pytest.raises(ConfigError) as caught:
        tenants.load("riverside")
    assert [text.split(": ")[1] for text in str(caught.value).splitlines()] == [
        "timezone",
        "target.chunksize",
        "limits.max_rejects",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("[desk@riverside.example]", "[7]"),
        ("[oncall@riverside.example, second@riverside.example]", "[oncall]"),
        ("max_rejects: 2.5%", "max_rejects: 0.05"),
    ],
)
def test_one_mistake_is_told_once(change_tenant: Change, old: str, new: str) -> None:
    """Two sentences about one slip send people looking for the second."""
    change_tenant(old, new)
    with pytest.raises(ConfigError) as caught:
        tenants.load("riverside")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("new", "old"), [("min_rows", "fewest_rows"), ("max_rejects", "most_rejects"), ("min_bytes", "fewest_bytes")]
)
def test_a_key_that_was_renamed_names_the_new_one(change_tenant: Change, new: str, old: str) -> None:
    """A tenant file from before the change says what to rename, and where."""
    line = change_tenant(f"  {new}: ", f"  {old}: ")
    with pytest.raises(ConfigError) as caught:
        tenants.load("riverside")
    assert str(caught.value) == f"riverside.yaml, line {line}: limits.{old}: is now called '{new}'. Rename the key."


def test_a_type_that_is_not_known_lists_the_types(change_tenant: Change) -> None:
    """What can be written there."""
    change_tenant("  type: sftp", "  type: sfpt")
    with pytest.raises(
        ConfigError, match=r"^riverside\.yaml, line \d: source.*'sfpt' is not a type. Possible types: 'sftp', "
    ):
        tenants.load("riverside")


def test_a_key_of_another_type_is_refused(change_tenant: Change) -> None:
    """A folder has no connection of its own; the message lists the keys of a folder, not those of a server."""
    change_tenant("  type: sftp", "  type: folder")
    with pytest.raises(ConfigError) as caught:
        tenants.load("riverside")
    assert str(caught.value).startswith("riverside.yaml, line 8: source.connection: no such key; ")
    assert "connection" not in str(caught.value).partition("There are: ")[2]


def test_a_mapping_for_another_target_is_refused(include: Path) -> None:
    """The fields would not fit."""
    write(include / "mappings/infiniti/people.yaml", "target: infiniti\n")
    change(include / "tenants/riverside.yaml", "mapping: folio/people", "mapping: infiniti/people")
    with pytest.raises(
        ConfigError, match=r"riverside\.yaml, line 3: mapping: this mapping is not for the target type folio"
    ):
        tenants.load("riverside")


def test_one_broken_file_leaves_the_others(include: Path) -> None:
    """One library's slip must not keep the others' patrons out."""
    write(include / "tenants/broken.yaml", "tenant: broken\n")
    write(include / "tenants/also_broken.yaml", "[")
    write(include / "tenants/notes.txt", "not a tenant")
    found = dict(tenants.load_all())
    assert list(found) == ["also_broken", "broken", "riverside"]
    assert isinstance(found["broken"], ConfigError)
    assert isinstance(found["also_broken"], ConfigError)
    assert isinstance(found["riverside"], Tenant)


def test_an_empty_folder_has_no_tenants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new installation is no error."""
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path))
    assert tenants.names() == []
    assert list(tenants.load_all()) == []


def test_the_tenants_of_the_project_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that `make demo` runs."""
    monkeypatch.delenv("PATRONLOAD_INCLUDE", raising=False)
    broken = [(name, found) for name, found in tenants.load_all() if isinstance(found, ConfigError)]
    assert broken == []
    assert {"northfield", "stclare"} <= set(tenants.names())


def test_the_file_of_these_tests_uses_every_key() -> None:
    """A new key comes with a test."""
    for model in (
        Tenant,
        SftpSource,
        tenants.FolioTarget,
        tenants.Limits,
        Leavers,
        Exceptions,
        tenants.Approval,
        tenants.Rejects,
        tenants.Notify,
        tenants.People,
        tenants.Keep,
    ):
        for name, field in model.model_fields.items():
            assert f"{field.alias or name}:" in TENANT


def test_nobody_can_leave_by_a_file_of_updates(include: Path) -> None:
    """Whoever is not in it has not changed; that is all it says."""
    write(include / "tenants/riverside.yaml", TENANT.replace("contains: everyone", "contains: updates"))
    with pytest.raises(ConfigError, match=r"riverside.yaml, line \d+: leavers: .*contains: everyone"):
        tenants.load("riverside")


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("rejects/*", "rejects/"),
        ("out/*.csv", "out"),
        ("out/riverside_{date:%Y-%m-%d}_rejects.csv", "./out/"),
        ("/out/*/*.csv", "/out/rejects"),
    ],
)
def test_rejects_are_not_put_where_the_next_load_takes_them_for_an_export(
    change_tenant: Change, path: str, to: str
) -> None:
    """It would load the wrong rows again."""
    change_tenant("out/people_{date:%Y%m%d}.csv", f'"{path}"')
    change_tenant("to: outgoing/rejects/", f"to: {to}")
    with pytest.raises(ConfigError, match=r"rejects.to: the next load would read the rejects there as an export"):
        tenants.load("riverside")


def test_rejects_are_only_put_into_an_sftp_account(change_tenant: Change) -> None:
    """In a folder of ours they lie already."""
    change_tenant("  type: sftp\n  connection: riverside_sftp\n", "  type: folder\n")
    with pytest.raises(ConfigError, match=r"rejects.to: rejects can only be put into an SFTP account"):
        tenants.load("riverside")


def test_leavers_fill_fields_that_there_are(include: Path) -> None:
    """A field that FOLIO does not have would be refused with each leaver."""
    write(include / "tenants/riverside.yaml", TENANT.replace("customFields.leftOn: today", "leftOn: today"))
    with pytest.raises(ConfigError, match=r"riverside.yaml, line \d+: leavers.set.leftOn: no such field"):
        tenants.load("riverside")


def test_infiniti_cannot_be_asked_about_leavers(include: Path) -> None:
    """It does not tell a patron's group, or loans; a list of usernames works."""
    text = """\
tenant: school
library: School
mapping: infiniti/school
timezone: Australia/Sydney
source: {type: folder, path: /exports/a.csv, contains: everyone}
target: {type: infiniti, connection: x}
notify: {on_failure: [a@b.example]}
leavers:
  action: deactivate
  except:
    patron_groups: [Staff]
    ids: school.csv
  while: [open_loans]
"""
    write(include / "tenants/school.yaml", text)
    write(include / "mappings/infiniti/school.yaml", "")
    with pytest.raises(ConfigError) as error:
        tenants.load("school")
    lines = str(error.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["leavers.except.patron_groups", "leavers.while"]
    assert all("Infiniti cannot be asked about its patrons" in line for line in lines)


def test_a_library_has_a_name_of_one_line(include: Path) -> None:
    """It is in the subject of mails, in logs and on pages: control, direction and line characters are left out."""
    file = include / "tenants/riverside.yaml"
    change(file, "library: Riverside College Library", 'library: "River\\u202eside\\e[31m\\nCollege\\0"')
    assert tenants.load("riverside").library == "Riverside[31m College"
    file.write_text(re.sub("^library: .*$", lambda _: 'library: "\\e\\0"', file.read_text(), flags=re.MULTILINE))
    with pytest.raises(ConfigError, match="library: has no visible characters"):
        tenants.load("riverside")


@pytest.mark.parametrize("part", ["YYYYMMDD", "yyyy-mm-dd", "DDMMYYYY", "MM_DD_YYYY"])
def test_a_placeholder_of_other_programs_is_doubted(include: Path, part: str) -> None:
    """It is looked for literally, so `check` warns and says what to write."""
    change(include / "tenants/riverside.yaml", "path: out/people_{date:%Y%m%d}.csv", f"path: out/whitman_{part}.txt")
    (doubt,) = tenants.load("riverside").source.doubts
    assert doubt.startswith(f"source: '{part}' in out/whitman_{part}.txt is not filled in")
    assert "{date-1:%Y%m%d}" in doubt


def test_a_path_that_is_filled_in_is_not_doubted(include: Path) -> None:
    """Neither is a name that has no date."""
    assert tenants.load("riverside").source.doubts == []


def test_a_fixed_width_file_has_its_columns_from_the_widths(include: Path) -> None:
    """So a second list of them is refused."""
    change(include / "tenants/riverside.yaml", "  skip_lines: 1", "  skip_lines: 1\n  columns: [ID]")
    with pytest.raises(ConfigError, match=r"riverside.yaml, line \d+: source\.?\w*: 'widths' is for fixed-width"):
        tenants.load("riverside")
