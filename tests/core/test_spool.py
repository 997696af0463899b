"""Lines that wait on disk until they are read: all of them, in order, and readable by this process only."""

import tempfile
from pathlib import Path

import polars as pl
import pytest

from patronload.targets.spool import Spool

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
