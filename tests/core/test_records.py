"""Records: what polars reads is what Python's strict reader would have read, in good files and in bad ones."""

import csv
import io
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import csv_records, reading
from patronload.rows import ROW

TOKENS = [*",,a1é#\\ \0\x01\r\n\n", "\U0001f600", "\r\n", '"', '""', '"x"']
LAWLESS = st.lists(st.sampled_from(TOKENS), max_size=30).map("".join)
CELLS = st.text(st.sampled_from('ab ,"\r\né\0\x01'), max_size=4)


@st.composite
def by_the_rules(draw):
    """A table as a careful program writes it, with a short or a long row now and then."""
    rows = draw(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8))
    out = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(out, lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])), quoting=quoting).writerows(rows)
    return out.getvalue()


def plainly(text):
    """What the file says, by Python's reader alone: whole rows, ragged rows, or that it cannot be read."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    whole, ragged = {}, {}
    try:
        for number, cells in enumerate(reader, 2):
            blank = not any(cell.strip() for cell in cells)
            if not blank:
                (whole if len(cells) == 3 else ragged)[number] = cells
    except csv.Error:
        return "cannot be read"
    return whole, ragged


def ours(content, encoding="utf-8"):
    try:
        read = reading.read(content, Layout(encoding=encoding))
    except SourceError as error:
        return "cannot be read" if "cannot be read: it has a stray double quote" in str(error) else str(error)
    whole = {number: list(cells) for number, *cells in read.frame.iter_rows()}
    ragged = dict(read.rejects.select("row", "value").iter_rows())
    assert read.ragged[ROW].to_list() == list(ragged)
    return whole, ragged


def same(text, encoding="utf-8", block=csv_records.BLOCK):
    expected = plainly(text)
    if expected != "cannot be read":
        expected = expected[0], {number: ",".join(cells) for number, cells in expected[1].items()}
    with patch.object(csv_records, "BLOCK", block):
        assert ours(f"A,B,C\n{text}".encode(encoding), encoding) == expected


@settings(max_examples=400)
@given(text=LAWLESS, block=st.sampled_from([5, 13, csv_records.BLOCK]))
@example(text="a,5'10\",b\na,6'2\",b\n", block=csv_records.BLOCK)
@example(text='"a"b,c,d\n', block=csv_records.BLOCK)
@example(text="a,b,\x01\na,b,c,\x02\n", block=csv_records.BLOCK)
def test_any_text_is_read_as_pythons_strict_reader_reads_it(text, block):
    """The same rows, the same ragged rows, the same refusals, wherever the blocks are cut."""
    same(text, block=block)


@settings(max_examples=150)
@given(text=by_the_rules(), encoding=st.sampled_from(["utf-8", "utf-16", "cp1252"]), block=st.sampled_from([4, 31]))
def test_a_table_is_read_so_in_any_encoding(text, encoding, block):
    """Also where a block ends within a character."""
    same(text, encoding, block)


@settings(max_examples=100)
@given(text=by_the_rules())
def test_a_table_by_the_rules_needs_no_careful_reader(text):
    """That would be ten times slower."""
    list(csv_records.quick([f"A,B,C\n{text}".encode()], ",", 1, ["A", "B", "C"]))


@settings(max_examples=100)
@given(text=LAWLESS, place=st.integers(0, 30), byte=st.sampled_from([b"\xff", b"\xe9", b"\xed\xa0\x80", b"\xc3"]))
def test_a_byte_that_is_no_text_is_never_read(text, place, byte):
    """Wherever it stands: in a cell, in a short row, in a row with too many cells, beside a stray quote."""
    content = text.encode()
    broken = b"A,B,C\n" + content[:place] + byte + content[place:]
    try:
        broken.decode()
    except UnicodeDecodeError:
        assert "is not utf-8: line" in ours(broken)


def test_a_file_with_every_mark_in_it_is_read_carefully():
    """Someone's export of control characters is odd, and still text; its short rows cannot be found by a mark."""
    text = "".join(map(chr, csv_records.MARKS)) + ",b,c\nshort,row\n"
    same(text)
    with pytest.raises(csv_records.Irregular):
        list(csv_records.quick([f"A,B,C\n{text}".encode()], ",", 1, ["A", "B", "C"]))


@pytest.mark.parametrize("delimiter", ["¦", "\t", "|", " "])
def test_any_one_character_may_stand_between_cells(delimiter):
    """Also one that is more than one byte."""
    read = reading.read(f"A{delimiter}B\n1{delimiter}é\n".encode(), Layout(delimiter=delimiter))
    assert read.frame.drop(ROW).rows() == [("1", "é")]
