"""The made-up exports are the same everywhere, and have the faults that they say they have."""

import csv
import hashlib
import io
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from local import stand_ins
from local.exports import (
    NORTHFIELD_DEPARTMENTS,
    UNKNOWN_DEPARTMENT,
    Export,
    days_before,
    northfield,
    stclare,
    wattlegrove,
)

DAY = date(2026, 11, 20)
EVERY_KIND_OF_DAY = [
    date(2026, 1, 2),
    DAY,
    date(2026, 11, 30),  # a multiple of fifty days since the year 1
    date(2026, 12, 31),
    date(2027, 1, 1),
    date(2028, 2, 29),
    date(2050, 9, 1),
]


def read(export: Export, delimiter: str) -> list[dict[str, str]]:
    text = io.StringIO(export.content.decode("utf-8-sig"), newline="")
    return list(csv.DictReader(text, delimiter=delimiter))


@pytest.mark.parametrize("library", ["northfield", "stclare", "wattlegrove"])
def test_the_same_day_gives_the_same_bytes_in_every_process(library, project):
    """Two machines that make the export of a day get the same file."""
    code = (
        "import hashlib; from datetime import date; from local import exports;"
        f"print(hashlib.sha256(exports.{library}(date(2026, 11, 20)).content).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = {"northfield": northfield, "stclare": stclare, "wattlegrove": wattlegrove}[library](DAY)
    assert there.stdout.strip() == hashlib.sha256(here.content).hexdigest()


def test_northfields_faults_are_where_they_are_said_to_be():
    """Each row that is named as faulty has its fault, and no other row has."""
    export = northfield(DAY)
    rows = read(export, "|")
    assert rows == list(export.rows)
    assert len(rows) > 3000
    found = {
        kind: {number for number, row in enumerate(rows, 2) if test(row, rows)} for kind, test in NORTHFIELD.items()
    }
    cards = [row["CARD"] for row in rows if row["CARD"]]
    twice = {card for card in cards if cards.count(card) > 1}
    found["barcode_twice"] = {number for number, row in enumerate(rows, 2) if row["CARD"] in twice}
    assert found == {kind: set(numbers) for kind, numbers in export.faults.items()}


NORTHFIELD = {
    "required_empty": lambda row, _: not (row["ID"] and row["LOGIN"] and row["SURNAME"]),
    "unknown_group": lambda row, _: row["ROLE"] not in {"UG", "GR", "FAC", "STF"},
    "unreadable_date": lambda row, _: row["EXPIRES"].startswith("31/"),
    "unknown_department": lambda row, _: UNKNOWN_DEPARTMENT in row["DEPTS"],
}


def test_identifiers_are_unique_as_folio_compares_them():
    """The only fault of an identifier is one that was put there."""
    for export, columns, delimiter in (
        (northfield(DAY), ("ID", "LOGIN"), "|"),
        (stclare(DAY), ("externalSystemId", "username"), ","),
    ):
        rows = read(export, delimiter)
        for column in columns:
            values = [row[column].lower() for row in rows if row[column]]
            assert len(values) == len(set(values))


def test_stclares_file_is_as_a_registry_types():
    """A byte order mark, quotes and line breaks inside cells, leading zeros, accents and apostrophes are all there."""
    export = stclare(DAY)
    rows = read(export, ",")
    assert export.content.startswith(b"\xef\xbb\xbf")
    assert rows == list(export.rows)
    assert any("\n" in row["phone"] for row in rows)
    assert any('"' in row["firstName"] for row in rows)
    assert any("'" in row["lastName"] for row in rows)
    assert any(not row["firstName"].isascii() for row in rows)
    assert all(row["barcode"].startswith("00") for row in rows if row["barcode"])


def test_wattle_groves_file_is_as_a_schools_windows_program_writes():
    """Its encoding, accents, leavers with a row of their own, and each fault where it is said to be."""
    export = wattlegrove(DAY)
    rows = list(csv.DictReader(io.StringIO(export.content.decode("cp1252"), newline="")))
    assert rows == list(export.rows)
    assert any(not row["Given name"].isascii() for row in rows)
    assert any(row["Status"] == "Left" for row in rows)
    assert {row["Type"] for row in rows} == {"Student", "Staff", "Parent"}
    cards = [row["Card"] for row in rows if row["Card"]]
    found = {
        "barcode_twice": [n for n, row in enumerate(rows, 2) if row["Card"] and cards.count(row["Card"]) > 1],
        "unknown_type": [n for n, row in enumerate(rows, 2) if row["Type"] == "Parent"],
        "no_graduation_year": [n for n, row in enumerate(rows, 2) if row["Type"] == "Student" and not row["Leaves in"]],
        "ill_formed_email": [n for n, row in enumerate(rows, 2) if " at " in row["Email"]],
    }
    assert found == {kind: list(numbers) for kind, numbers in export.faults.items()}
    assert all(not row["Email"] or row["Email"].endswith(".example") for row in rows)


@pytest.mark.parametrize("export", [northfield, stclare, wattlegrove])
@pytest.mark.parametrize("day", EVERY_KIND_OF_DAY, ids=str)
def test_every_day_is_like_any_other(export, day):
    """Whatever the date, a file is as long as the day before's: three people left, three joined, few changed."""
    key = {"northfield": "ID", "stclare": "externalSystemId", "wattlegrove": "Code"}[export.__name__]
    before, after = ({row[key]: row for row in export(each, 300).rows} for each in (day - timedelta(days=1), day))
    assert len(before) == len(after) == 300
    assert len(before.keys() - after.keys()) == len(after.keys() - before.keys()) == 3
    changed = [number for number in before.keys() & after.keys() if before[number] != after[number]]
    # Each day has its own faulty rows: at most five kinds, four rows of each.
    assert 0 < len(changed) <= 60


def test_departments_are_known_ones_but_for_the_one_fault():
    """FOLIO refuses a department it does not know; only the rows named in the faults have one."""
    named = {name for row in northfield(DAY).rows for name in row["DEPTS"].split(";") if name}
    assert named == {*NORTHFIELD_DEPARTMENTS, UNKNOWN_DEPARTMENT}


def test_nobody_can_be_written_to_or_called():
    """Mail addresses are under .example, telephone numbers from the ranges kept for films."""
    for row in northfield(DAY).rows:
        assert row["EMAIL"].endswith(".example")
        assert not row["PHONE"] or " 555-01" in row["PHONE"]
    for row in stclare(DAY).rows:
        assert not row["email"] or row["email"].endswith(".example")
        assert not row["phone"] or row["phone"].startswith("020 91")


def test_days_before_end_with_the_day():
    """The oldest comes first."""
    assert days_before(DAY, 2) == [date(2026, 11, 18), date(2026, 11, 19), DAY]


def test_a_demo_that_runs_past_midnight_keeps_its_day(monkeypatch):
    """The load that the demo starts is for the day whose export it has put on the server."""
    moments = iter((datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))

    class Clock:
        now = staticmethod(lambda _: next(moments))

    monkeypatch.setattr(stand_ins, "datetime", Clock)
    library = stand_ins.LIBRARIES[0]._replace(zone="Etc/GMT+1")
    assert [library.today, library.today] == [date(2026, 12, 31)] * 2
