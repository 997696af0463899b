"""Is it the right file: what the figures of the last loads make of the next one."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronload.checks import gates
from patronload.checks.gates import Loaded
from patronload.config.source import Layout
from patronload.config.tenants import Limits
from patronload.exports import trailers
from patronload.exports.trailers import Trailer

CHICAGO = ZoneInfo("America/Chicago")
DAY = date(2026, 11, 20)


def loaded(day=DAY, **more):
    figures = {
        "run": f"scheduled__{day}",
        "day": day,
        "file": f"patrons_{day:%Y%m%d}.csv",
        "file_day": day,
        "modified": datetime(day.year, day.month, day.day, 8, tzinfo=UTC),
        "sha256": "ab" * 32,
        "columns": ("ID", "CARD", "ROLE"),
        "rows": 1000,
        "rejected": 10,
        "groups": {"undergrad": 700, "staff": 300},
        "by_hand": False,
    }
    return Loaded(**(figures | more))


def the_only(verdicts):
    (verdict,) = verdicts
    return verdict


@pytest.mark.parametrize(
    ("day", "hour", "passed"),
    [
        pytest.param(DAY, 8, True, id="the same moment"),
        pytest.param(DAY, 9, True, id="a corrected file of the same day"),
        pytest.param(DAY, 7, False, id="an earlier file of the same day"),
        pytest.param(date(2026, 11, 21), 1, True, id="the next day"),
        pytest.param(date(2026, 11, 19), 23, False, id="a day before"),
    ],
)
def test_a_file_that_is_older_than_the_last_one(day, hour, passed):
    """By the day it is of, and on one day by when it was written; the sentence has both days, in the library's time."""
    modified = datetime(2026, 11, 20, hour, tzinfo=UTC).astimezone(CHICAGO)
    verdict = gates.newest(day, modified, loaded())
    assert verdict.passed is passed
    assert "the load of 20 November 2026 had patrons_20261120.csv from 20 November 2026" in verdict.sentence
    assert "(written 20 Nov 2026, 02:00 CST)" in verdict.sentence


def test_without_an_earlier_load_every_gate_says_so_and_passes():
    """The first load of a library is not stopped for want of a past."""
    everything = Limits(known_ids="60%", row_change="10%", group_change="10%", reject_change="1%")
    verdicts = [
        gates.newest(DAY, datetime.now(UTC), None),
        gates.columns(everything, ["ID"], None),
        *gates.rows(everything, 5, []),
        *gates.groups(everything, {"staff": 5}, []),
        *gates.rejects(everything, 5, 5, []),
        *gates.known_ids(0.6, 0, 5, []),
    ]
    assert [(verdict.passed, verdict.sentence) for verdict in verdicts] == [(True, gates.NO_EARLIER)] * 6


def test_what_a_tenant_does_not_ask_for_is_not_asked():
    """Bands differ from library to library; without them the mail is not about figures that nobody chose."""
    usual = Limits()
    last = [loaded()]
    assert gates.rows(usual, 1, last) == gates.groups(usual, {"x": 1}, last) == gates.rejects(usual, 9, 9, last) == []
    assert gates.complete(usual, 1, 1, None) == []
    assert gates.fewest_known(usual, "updates") is None
    assert gates.fewest_known(usual, "everyone") == 0.5
    assert gates.fewest_known(Limits(known_ids="5%"), "updates") == 0.05


@pytest.mark.parametrize(
    ("rows", "passed"), [(719, False), (720, True), (1000, True), (1320, True), (1321, False), (0, False)]
)
def test_the_number_of_rows_is_held_against_all_of_the_last_loads(rows, passed):
    """From the smallest less the share to the largest and the share, in figures a librarian can check."""
    last = [loaded(rows=900), loaded(rows=1100), loaded(rows=1000)]
    verdict = the_only(gates.rows(Limits(row_change="20%"), rows, last))
    assert verdict.passed is passed
    assert verdict.sentence == (
        f"The file has {rows:,} rows; expected 720 to 1,320 (by the last 3 loads; that of 20 November 2026 had 1,000 "
        "rows)."
    )


def test_a_column_that_is_gone_stops_the_run_and_a_new_one_does_not():
    """A missing column would leave a field stale for everybody; one more is read by nobody."""
    gone = gates.columns(Limits(), ["ID", "ROLE", "KIND"], loaded())
    assert (gone.passed, gone.effect) == (False, "stop")
    assert "(20 November 2026): expected 3, found 3; missing CARD; new KIND." in gone.sentence
    more = gates.columns(Limits(), ["X", "ROLE", "CARD", "ID"], loaded())
    assert (more.passed, more.effect) == (False, "warn")
    assert gates.columns(Limits(changed_columns="warn"), ["ID"], loaded()).effect == "warn"
    assert gates.columns(Limits(), ["ROLE", "ID", "CARD"], loaded()).passed


def test_a_patron_group_that_is_off_is_named_with_its_figures():
    """In parts of a hundred, and a group that is new is not named: its name may be a patron's."""
    last = [loaded(groups={"undergrad": 700, "staff": 300}), loaded(groups={"undergrad": 80, "staff": 20})]
    limits = Limits(group_change="10%")
    assert the_only(gates.groups(limits, {"undergrad": 65, "staff": 35}, last)).passed
    verdict = the_only(gates.groups(limits, {"undergrad": 30, "staff": 20, "Ann Adams": 50}, last))
    assert not verdict.passed
    assert "'undergrad' expected 60% to 90%, found 30%" in verdict.sentence
    assert "groups that these loads did not have: expected at most 10%, found 50%" in verdict.sentence
    assert "Ann Adams" not in verdict.sentence
    assert not the_only(gates.groups(limits, {}, last)).passed


def test_more_rejects_than_usual():
    """Against the worst of the last loads; fewer are never wrong."""
    last = [loaded(rejected=10), loaded(rejected=30)]
    limits = Limits(reject_change="1%")
    assert the_only(gates.rejects(limits, 40, 1000, last)).passed
    assert the_only(gates.rejects(limits, 0, 1000, last)).passed
    verdict = the_only(gates.rejects(limits, 41, 1000, last))
    assert not verdict.passed
    assert "4.1% of the rows are rejected (41 of 1,000); expected at most 4%" in verdict.sentence


def test_too_few_known_patrons():
    """The share is told, and what it may mean."""
    assert the_only(gates.known_ids(0.5, 50, 100, [loaded()])).passed
    verdict = the_only(gates.known_ids(0.5, 49, 100, [loaded()]))
    assert not verdict.passed
    assert "49% of the patrons are known from the last load (49 of 100; the last one of 20 November 2026)" in (
        verdict.sentence
    )
    assert the_only(gates.known_ids(0.5, 0, 0, [loaded()])).passed, "no patron is nobody else's patron"


def test_the_marks_of_ids_hold_no_id():
    """One id has one mark per salt, as FOLIO compares ids; another salt gives another mark."""
    ids = gates.folded_ids(pl.Series(["JOSÉ", "jose", "ann", None]))
    assert ids.to_list() == ["jose", "ann"]
    first, second = gates.marks(ids, "ab" * 32), gates.marks(ids, "cd" * 32)
    assert first.dtype == pl.UInt64
    assert set(first).isdisjoint(second)
    assert first.to_list() == gates.marks(ids, "ab" * 32).to_list()


@given(ids=st.sets(st.text(max_size=12), max_size=30), others=st.sets(st.text(max_size=12), max_size=30))
def test_marks_tell_ids_as_the_ids_themselves_would(ids, others):
    """Comparing marks is comparing ids."""
    mine, theirs = (gates.folded_ids(pl.Series(sorted(some), dtype=pl.String)) for some in (ids, others))
    marked = gates.marks(mine, "ab" * 32).is_in(gates.marks(theirs, "ab" * 32).implode())
    assert marked.to_list() == mine.is_in(theirs.implode()).to_list()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r\n\r\n"])
def test_a_trailer_is_taken_off_and_tells_its_rows(encoding, end):
    """What is left is the export as it would be without it, byte for byte."""
    layout = Layout(delimiter=";", encoding=encoding, trailer="TRL;*;{rows}")
    rows = "ID;NÄME\r\n1;Ann\r\n2;Bob\r\n"
    content, trailer = trailers.split(f"{rows}TRL;20261120;0002{end}".encode(encoding), layout)
    assert content == rows.encode(encoding)
    assert trailer == Trailer("TRL;*;{rows}", 2)


@pytest.mark.parametrize("content", [b"", b"ID\n1\n", b"ID\n1\nTRL;two", b"ID\n1\nTRL;2 \xff\n", b"TRL;"])
def test_a_trailer_that_is_not_there_is_told_and_nothing_is_taken_off(content):
    """A file that was cut short has lost it; bytes that are no text are for the reader to tell of."""
    layout = Layout(trailer="TRL;{rows}")
    assert trailers.split(content, layout) == (content, Trailer("TRL;{rows}", None))
    assert trailers.split(content, Layout()) == (content, None)


def test_the_trailers_of_several_files_tell_of_all_rows():
    """One that is missing leaves nothing told."""
    two, three, none = (Trailer("TRL;{rows}", rows) for rows in (2, 3, None))
    assert trailers.of_all([two, three]) == Trailer("TRL;{rows}", 5)
    assert trailers.of_all([two, none]) == none
    assert trailers.of_all([None, None]) is None


def test_completeness_is_what_the_tenant_knows_of_the_file():
    """Bytes, and the trailer's own count."""
    limits = Limits(min_bytes=500)
    short, trailer = gates.complete(limits, 499, 10, Trailer("T{rows}", 11))
    assert (short.passed, trailer.passed) == (False, False)
    assert short.sentence == "The file has 499 bytes; expected at least 500."
    assert trailer.sentence == "The trailer line counts 11 rows; found 10."
    assert all(verdict.passed for verdict in gates.complete(limits, 500, 10, Trailer("T{rows}", 10)))
    (missing,) = gates.complete(Limits(), 500, 10, Trailer("T{rows}", None))
    assert (missing.passed, "not the trailer that source.trailer describes (T{rows})" in missing.sentence) == (
        False,
        True,
    )


def test_percents_are_written_as_people_write_them():
    """Without a nought that says nothing."""
    assert [gates.percent(part) for part in (0, 0.2, 0.0123, 1)] == ["0%", "20%", "1.2%", "100%"]
