"""Chunks: no patron lost, none twice, none too large a request."""

import json
import tempfile
from itertools import groupby
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from patronload.artifacts.names import CHUNKS, chunk_number
from patronload.artifacts.run import Run
from patronload.loads.posting import chunks
from patronload.targets.outgoing import Outgoing
from tests.targets.loads import folio_target


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


WAITING = {"row": pl.UInt32, "level": pl.UInt32, "patron": pl.String}


@given(
    sizes=st.lists(st.integers(min_value=1, max_value=500), max_size=60),
    patrons=st.integers(min_value=1, max_value=10),
    most=st.integers(min_value=50, max_value=1200),
)
def test_chunks_hold_to_both_limits_and_to_the_order(sizes, patrons, most):
    """Every patron is in one chunk, in order; a chunk is within both limits, but for a patron larger than one."""
    numbers = chunks.numbers(sizes, patrons, most)
    assert len(numbers) == len(sizes)
    assert numbers == sorted(numbers)
    for _, chunk in groupby(zip(numbers, sizes, strict=True), key=lambda pair: pair[0]):
        held = [size for _, size in chunk]
        assert len(held) <= patrons
        assert len(held) == 1 or sum(held) + len(held) - 1 <= most
    assert sorted(set(numbers)) == list(range(1, len(set(numbers)) + 1))


def test_a_chunk_is_filled_before_the_next_is_begun():
    """Fewer requests than needed would be too large; more would be slow."""
    assert chunks.numbers([10, 10, 10, 10, 10], 2, 1000) == [1, 1, 2, 2, 3]
    assert chunks.numbers([10, 10, 10], 9, 21) == [1, 1, 2]


@given(
    levels=st.lists(st.integers(min_value=0, max_value=2), max_size=25),
    size=st.integers(min_value=1, max_value=6),
    in_memory=st.integers(min_value=1, max_value=8),
)
def test_a_load_on_disk_has_the_same_chunks(levels, size, in_memory):
    """However large the parts in which the patrons are read: all of a level, cut as one list, then the next level."""
    texts = [f'{{"row":{row}}}' for row in range(len(levels))]
    frame = pl.DataFrame({"row": range(len(levels)), "level": levels, "patron": texts}, schema=WAITING)
    patrons = Outgoing(frame.clear(), in_memory)
    for part in frame.iter_slices(3):
        patrons.add(part)
    expected, before = [], 0
    for level in sorted(set(levels)):
        numbers = chunks.numbers([len(texts[0])] * levels.count(level), size, 10**6)
        expected += [before + number for number in numbers]
        before = expected[-1]
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        assert chunks.write(run, folio_target(chunk_size=size), patrons) == expected
        found = {chunk_number(name): json.loads(zstandard.decompress(run.read(name))) for name in run.names(CHUNKS)}
    patrons.close()
    in_order = sorted(range(len(levels)), key=lambda row: levels[row])
    assert found.keys() == set(expected)
    assert {number: [user["row"] for user in body["users"]] for number, body in found.items()} == {
        number: [row for row, its_number in zip(in_order, expected, strict=True) if its_number == number]
        for number in set(expected)
    }
