"""The rejects file: safe to open, mended by the library, and read back as what it was."""

import csv
import io
import logging

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronload.exports import reject_files
from patronload.exports.reject_files import COLUMNS
from patronload.rows import ROW


def export(*rows: tuple[str, ...], columns=("ID", "NAME", "NOTE")) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys(columns, pl.String), orient="row")
    return frame.insert_column(0, pl.Series(ROW, range(2, 2 + frame.height), dtype=pl.UInt32))


def rejects(*lines: tuple) -> pl.DataFrame:
    names = ("row", "stage", "column", "value", "reason")
    schema = {"row": pl.UInt32} | dict.fromkeys(names[1:], pl.String)
    return pl.DataFrame(list(lines), schema=schema, orient="row")


def lines(content: bytes, encoding="utf-8-sig", delimiter=",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(encoding), newline=""), delimiter=delimiter, strict=True))


def reread(content: bytes, encoding="utf-8-sig", delimiter=",") -> pl.DataFrame:
    """The mended file as exports.read would hand it to `restore`: text, without row numbers."""
    header, *cells = lines(content, encoding, delimiter)
    return pl.DataFrame(cells, schema=dict.fromkeys(header, pl.String), orient="row")


def bad(row: int) -> tuple:
    return (row, "validate", "ID", "x", "the id is not of eight digits")


def test_own_columns_first():
    """The library finds its own columns in its own order, and after them where, what and why."""
    content = reject_files.write(
        export(("1", "Ada", ""), ("2", "Bo", "n")), rejects((3, "transform", "NAME", "Bo", "too short")), "|", "utf-8"
    )
    assert lines(content, delimiter="|") == [
        ["ID", "NAME", "NOTE", *COLUMNS],
        ["2", "Bo", "n", "3", "transform", "NAME", "Bo", "too short"],
    ]


def test_one_line_a_row():
    """A row with several problems stands in the file once, and tells all of them in one order."""
    problems = rejects(
        (3, "validate", "ID", "x", "not eight digits"),
        (2, "post", None, None, "User with barcode exists"),
        (3, "validate", "NAME", None, "is empty"),
    )
    _, first, second = lines(reject_files.write(export(("1", "Ada", ""), ("x", "", "")), problems, ",", "utf-8"))
    assert first[3:] == ["2", "post", "", "", "User with barcode exists"]
    assert second[3:] == ["3", "validate", "ID; NAME", "x; ", "not eight digits; is empty"]


def test_nothing_rejected():
    """With nothing rejected the file has its header and no line."""
    content = reject_files.write(export(("1", "Ada", "")), rejects(), ",", "utf-8")
    assert content == "\ufeffID,NAME,NOTE,reject_row,reject_stage,reject_column,reject_value,reject_reason\r\n".encode()


def test_row_that_is_not_in_the_export():
    """A rejected row without cells of its own (a row with a cell too few) is still told."""
    content = reject_files.write(export(), rejects(bad(9)), ",", "utf-8")
    assert lines(content)[1] == ["", "", "", "9", "validate", "ID", "x", "the id is not of eight digits"]


WIDE = "\uff1d\uff0b\uff0d\uff20"  # = + - @ of a Japanese keyboard
SIGNS = "=+-@\t\r\n" + WIDE


@pytest.mark.parametrize(
    "cell", ["+1 312 555 0100", "  =1", "\u00a0=1", "'=1", "''@", *(f"{sign}A1" for sign in SIGNS)]
)
def test_formulas(cell):
    """No cell, header or reason is left that a spreadsheet could take for a formula."""
    content = reject_files.write(
        export((cell, cell, ""), columns=("ID", cell, "NOTE")), rejects((2, "validate", cell, cell, cell)), ",", "utf-8"
    )
    header, line = lines(content)
    assert [header[1], line[0], line[1], line[5], line[6], line[7]] == [f"'{cell}"] * 6


@pytest.mark.parametrize("cell", ["O'Brien", "'tis", "''", "a=b", "00123", "", "\u00b4=", "Zoë-Ann"])
def test_harmless(cell):
    """A cell that is no formula stays as it is, with its apostrophes and leading zeros."""
    content = reject_files.write(export((cell, "", "")), rejects(bad(2)), ",", "utf-8")
    assert lines(content)[1][0] == cell


@pytest.mark.parametrize("delimiter", [",", "|", ";", "\t", "§"])
@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_layouts(encoding, delimiter):
    """The file is written as the library writes its own, and reads back with the same layout."""
    rows = export(('Zoë "Zo" O\'Neill', f"one{delimiter}two", "line 1\nline 2\r\nline 3\rline 4"))
    content = reject_files.write(rows, rejects(bad(2)), delimiter, encoding)
    text = content.decode(encoding).removeprefix("\ufeff").encode()
    assert reject_files.restore(reread(text, "utf-8", delimiter)).equals(rows.drop(ROW))


def test_byte_order_mark():
    """UTF-8 begins with the mark that Excel needs to show accents; exactly one."""
    for encoding in ("utf-8", "utf-8-sig"):
        content = reject_files.write(export(("é", "", "")), rejects(bad(2)), ",", encoding)
        assert content.startswith(b"\xef\xbb\xbfID,")


def test_reason_beyond_the_encoding(caplog):
    """A reason with a character that the library's encoding lacks costs that character, not the file's encoding."""
    reason = (2, "post", None, None, "naïve → no")
    content = reject_files.write(export(("Zoë", "", "")), rejects(reason), ",", "iso-8859-1")
    assert lines(content, "iso-8859-1")[1] == ["Zoë", "", "", "2", "post", "", "", "naïve ? no"]
    assert not caplog.records


def test_cell_beyond_the_encoding(caplog):
    """A cell that the encoding cannot hold is kept: the file is UTF-8 then, and the log says so without the cell."""
    with caplog.at_level(logging.WARNING):
        content = reject_files.write(export(("Łukasz", "", "")), rejects(bad(2)), ",", "iso-8859-1")
    assert lines(content)[1][0] == "Łukasz"
    assert caplog.messages == ["The rejects file is written in UTF-8: iso-8859-1 lacks some of its characters."]


def test_an_export_is_left_alone():
    """Only a rejects file loses apostrophes; an export that begins cells with them keeps each."""
    rows = export(("'=1", "''+2", "'x"))
    assert reject_files.restore(rows) is rows


def test_restore_keeps_the_row_numbers():
    """The row numbers beside the cells stay first and as they are."""
    frame = reread(reject_files.write(export(("=1", "", "")), rejects(bad(2)), ",", "utf-8"))
    restored = reject_files.restore(frame.insert_column(0, pl.Series(ROW, [2], dtype=pl.UInt32)))
    assert restored.rows() == [(2, "=1", "", "")]


@pytest.mark.parametrize(
    "cell", ["x;=cmd|' /C calc'!A0", "x, =1", 'x;"=1"', "x\t@A1", "x\n=1", "x;'=1", "x|\uff1d1", "a;b,+1;-2"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_formula_behind_a_separator_of_another_spreadsheet(cell, delimiter):
    """Whatever sign the library's spreadsheet separates by, no cell of it begins with a formula (OWASP)."""
    frame = export((cell, f" {cell}", "x"), ("1", "2", cell))
    content = reject_files.write(frame, rejects((2, "post", "ID", cell, cell), bad(3)), delimiter, "utf-8")
    for other in ",;\t|":
        opened = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=other)
        assert not [part for line in opened for part in line if part.lstrip(' \t\r\n"\u00a0')[:1] in [*"=+-@", *WIDE]]
    assert reject_files.restore(reread(content, delimiter=delimiter)).rows() == frame.drop(ROW).rows()


@pytest.mark.parametrize("left", COLUMNS)
def test_one_of_our_columns_is_enough(left):
    """The others may be deleted; a telephone number must not keep its apostrophe."""
    mended = reread(reject_files.write(export(("+1 312", "", "")), rejects(bad(2)), ",", "utf-8"))
    mended = mended.drop([column for column in COLUMNS if column != left])
    assert reject_files.is_rejects_file(mended.columns)
    assert reject_files.restore(mended).rows() == [("+1 312", "", "")]


CELLS = st.text(st.sampled_from("=+-@'\t\r\n \u00a0\uff1d\"|,;a0é")) | st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=300)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4), delimiter=st.sampled_from(",|;\t"))
def test_any_text_survives(rows, delimiter):
    """Whatever a cell holds, writing it and reading it back gives the same text, and never a formula in between."""
    frame = export(*rows)
    content = reject_files.write(frame, rejects(*(bad(number) for number in frame[ROW])), delimiter, "utf-8")
    mended = reread(content, delimiter=delimiter)
    assert reject_files.restore(mended).rows() == frame.drop(ROW).rows()
    assert not [cell for line in mended.rows() for cell in line if cell[:1] and cell[0] in SIGNS]


@settings(max_examples=300)
@given(cells=st.sets(CELLS, min_size=2, max_size=6))
def test_guarding_tells_texts_apart(cells):
    """Two different texts never become the same text."""
    frame = export(*((cell, "", "") for cell in sorted(cells)))
    content = reject_files.write(frame, rejects(*(bad(number) for number in frame[ROW])), ",", "utf-8")
    assert reread(content)["ID"].n_unique() == len(cells)
