"""What waits on disk until it is read: all of it comes back, in order, and only this process can read it."""

import io
import tempfile
from pathlib import Path
from typing import IO

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronload.targets.hashed_column import HashedColumn
from patronload.targets.outgoing import Outgoing
from patronload.targets.record_store import RecordStore
from patronload.targets.spool import Spool, in_parts

SCHEMA = {"row": pl.UInt32, "name": pl.String}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_all_lines_come_back_in_order():
    """However many parts they fill; without lines there is one empty part, which has the columns."""
    spool = Spool(SCHEMA, part=3)
    for row in range(8):
        spool.add(row, f"n{row}")
    parts = list(spool.parts())
    assert [part.height for part in parts] == [3, 3, 2]
    assert pl.concat(parts).rows() == [(row, f"n{row}") for row in range(8)]
    assert pl.concat(spool.parts()).height == 8, "they can be read again"
    spool.close()
    (empty,) = Spool(SCHEMA).parts()
    assert (empty.columns, empty.height) == (["row", "name"], 0)


def test_no_patron_can_be_read_on_the_disk(tmp_path: Path):
    """Nor anything of one; and a spool that is closed leaves nothing behind."""
    spool = Spool(SCHEMA, part=2)
    for row in range(5):
        spool.add(row, "Adams, Ann")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in files:
        assert b"Adams" not in path.read_bytes()
        assert b"PAR1" not in path.read_bytes()
        assert path.parent.stat().st_mode & 0o077 == 0
    spool.close()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30),
    in_memory=st.integers(1, 9),
    at_once=st.integers(1, 9),
)
def test_patrons_go_in_the_order_of_their_levels(rows, in_memory, at_once):
    """Whatever waits on disk: by level, then by `apart`, then as they were added."""
    numbered = [(row, *place) for row, place in enumerate(rows)]
    schema = {"row": pl.UInt32, "level": pl.UInt32, "apart": pl.Boolean}
    frame = pl.DataFrame(numbered, schema=schema, orient="row")
    outgoing = Outgoing(frame.clear(), in_memory)
    for part in frame.iter_slices(at_once):
        outgoing.add(part)
    assert outgoing.frame().rows() == sorted(numbered, key=lambda line: line[1:])
    assert outgoing.height == len(rows)
    for part in outgoing.parts():
        assert part.select("level", "apart").n_unique() == 1
    outgoing.close()


def test_a_table_is_read_in_parts():
    """Each row once, in order, with the columns that are asked for."""
    table = pl.DataFrame({"row": range(120_000)}).with_columns(other=pl.lit("x"))
    content = io.BytesIO()
    table.write_parquet(content)
    content.seek(0)
    for lazy in (table.lazy(), pl.scan_parquet(content)):
        parts = list(in_parts(lazy, "row"))
        assert len(parts) == 3
        assert pl.concat(parts).equals(table.select("row"))
    assert not list(in_parts(table.clear().lazy(), "row"))


@given(st.lists(st.text(max_size=8), max_size=12))
def test_every_record_is_found_by_its_number(names):
    """Whether it is in memory or on disk, and whatever its text."""
    store = RecordStore(in_memory=4)
    records = [{"number": number, "name": name, "none": None} for number, name in enumerate(names)]
    assert [store.add(record) for record in records] == [*range(len(records))]
    assert [store.get(number) for number in reversed(range(len(records)))] == records[::-1]
    store.add({"name": "one more"})
    assert store.get(len(records)) == {"name": "one more"}
    assert len(store) == len(records) + 1
    store.close()


def test_no_record_can_be_read_on_the_disk(tmp_path: Path, monkeypatch):
    """The file has no name; here it gets one. A small load has no file."""
    opened: list[Path] = []

    def named(**_: str) -> IO[bytes]:
        opened.append(tmp_path / "records")
        return opened[-1].open("w+b")

    monkeypatch.setattr(tempfile, "TemporaryFile", named)
    store = RecordStore(in_memory=30)
    for number in range(30):
        store.add({"name": "Adams, Ann", "number": number})
    assert not opened
    for number in range(30, 60):
        store.add({"name": "Adams, Ann", "number": number})
    assert store.get(59)["name"] == store.get(30)["name"] == "Adams, Ann"
    (path,) = opened
    store.get(31)
    assert path.stat().st_size
    assert b"Adams" not in path.read_bytes()
    assert b"number" not in path.read_bytes()
    store.close()


@given(st.lists(st.one_of(st.none(), st.sampled_from("abcde")), max_size=20))
def test_a_column_of_hashes_knows_the_places(texts):
    """Of each text, also after more were added; what is not there is nowhere."""
    column = HashedColumn(texts[:10])
    assert [*column.places("a")] == [place for place, text in enumerate(texts[:10]) if text == "a"]
    for text in texts[10:]:
        column.add(text)
    for wanted in "abcdef":
        assert [*column.places(wanted)] == [place for place, text in enumerate(texts) if text == wanted]
        assert (wanted in column) is (wanted in texts)
    assert len(column) == len(texts)
