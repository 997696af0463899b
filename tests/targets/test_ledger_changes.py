"""What a load changed in the patron ledger goes back with it, and what other loads have written since stays."""

import io
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronload.targets.ledger_changes import LedgerChanges
from patronload.targets.patron_ledger import GONE, MISSING, PRESENT, PatronLedger

DAY = date(2026, 11, 20)
SECRET = bytes(32)
PATRONS = st.lists(st.integers(1, 9), unique=True, max_size=9)


def ledger():
    return PatronLedger(SECRET, PatronLedger.empty().patrons)


def load(known, numbers, day, ids=()):
    """A complete file of these patrons, confirmed."""
    keys = pl.DataFrame({"key": [f"u-{number}" for number in numbers]}, schema={"key": pl.String})
    for name in ids:
        keys = keys.with_columns(pl.format("{}-{}", pl.lit(name), pl.col("key")).alias(name))
    known.take(keys, "key", ids)
    content = pl.Series(known.contents(f"{key} on {day}" for key in keys["key"]))
    known.confirm(keys.select("key", content), "key", day)
    known.count_missing(known.hashes(keys["key"]), day)
    return known


def lines(known):
    return known.patrons.rows()


@given(st.lists(PATRONS, min_size=1, max_size=3), PATRONS)
def test_undoing_the_last_load_gives_the_ledger_before_it(before, numbers):
    """For the patrons who were there before; those whom it brought in are known by their keys only."""
    known = ledger()
    for place, one in enumerate(before):
        load(known, one, DAY + timedelta(place))
    first = known.copy()
    load(known, numbers, DAY + timedelta(7))
    back = LedgerChanges.between(first, known).undo(known)
    there = pl.col("hash").is_in(first.patrons["hash"].implode())
    assert back.patrons.filter(there).rows() == lines(first)
    new = back.patrons.filter(~there)
    assert new["last_load"].null_count() == new.height
    assert set(new["state"]) <= {GONE}
    assert back.last_counted == first.last_counted


@given(PATRONS, PATRONS)
def test_undoing_that_gives_the_load_again(before, numbers):
    """As an undo of an undo does."""
    known = load(ledger(), before, DAY)
    first = known.copy()
    load(known, numbers, DAY + timedelta(1))
    back = LedgerChanges.between(first, known).undo(known)
    again = LedgerChanges.between(known, back).undo(back)
    assert again.patrons.rows() == known.patrons.rows()
    assert again.last_counted == known.last_counted


def test_what_a_later_load_has_written_stays():
    """Value by value."""
    known = load(ledger(), [1, 2], DAY)
    first = known.copy()
    load(known, [1], DAY + timedelta(1))
    changes = LedgerChanges.between(first, known)
    load(known, [1, 2, 3], DAY + timedelta(2))
    later = known.patrons.rows()
    assert changes.undo(known).patrons.rows() == later
    assert changes.undo(known).last_counted == DAY + timedelta(2)


@pytest.mark.parametrize("undone_before", [True, False])
def test_whom_a_later_file_has_stays_one_of_the_librarys(undone_before: bool):
    """The load that brought a patron in is undone; a later one still stands, so that they can be missing after it."""
    known = load(ledger(), [1], DAY)
    if undone_before:
        first = known.copy()
        load(known, [1, 2], DAY + timedelta(1))
        known = LedgerChanges.between(first, known).undo(known)
        assert state_of(known, 2) == GONE
    first = known.copy()
    load(known, [1, 2], DAY + timedelta(2))
    changes = LedgerChanges.between(first, known)
    load(known, [1, 2], DAY + timedelta(3))
    back = changes.undo(known)
    assert state_of(back, 2) == PRESENT
    assert state_of(load(back, [1], DAY + timedelta(4)), 2) == MISSING


def state_of(known, number):
    (state,) = known.patrons.filter(pl.col("hash") == known.hash(f"u-{number}"))["state"]
    return state


def test_ids_are_known_of_patrons_whom_the_load_brought_in():
    """So that a system that cannot be asked takes nobody for another patron."""
    known = ledger()
    first = known.copy()
    load(known, [1], DAY, ids=["card"])
    back = LedgerChanges.between(first, known).undo(known)
    assert "u-1" in back
    assert back.is_anothers("card", "card-u-1", "u-2")


def test_a_load_that_writes_twice_is_undone_as_one():
    """A task that was killed and continues."""
    known = load(ledger(), [1, 2], DAY)
    first = known.copy()
    load(known, [1, 3], DAY + timedelta(1))
    half = known.copy()
    load(known, [3, 4], DAY + timedelta(1))
    parts = LedgerChanges.between(first, half).followed_by(LedgerChanges.between(half, known))
    file = io.BytesIO()
    parts.lines.write_parquet(file, metadata=parts.metadata)
    file.seek(0)
    metadata = pl.read_parquet_metadata(file)
    file.seek(0)
    read = LedgerChanges.of(pl.read_parquet(file), metadata)
    back = read.undo(known)
    there = pl.col("hash").is_in(first.patrons["hash"].implode())
    assert back.patrons.filter(there).rows() == lines(first)
