"""Reading: what a cell holds arrives, and every row is either whole or a reject."""

import csv
import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import csv_records, json_exports, reading, sizes, trailers, workbooks
from patronload.rows import ROW

# All text but surrogates, which no encoding can write, and what is blank, because blank rows are left out on purpose.
CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS).filter(lambda row: any(cell.strip() for cell in row)), max_size=6)


def written(rows, delimiter=",", line_end="\r\n"):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("A", "B", "C"), *rows])
    return text.getvalue()


@given(rows=TABLES, delimiter=st.sampled_from(",;|\t"), line_end=st.sampled_from(["\n", "\r\n"]))
def test_any_text_in_a_cell_is_read_as_it_was_written(rows, delimiter, line_end):
    """No leading zero, accent, quote, newline or NUL is lost between the file and the frame."""
    read = reading.read(written(rows, delimiter, line_end).encode(), Layout(delimiter=delimiter))
    assert read.frame.drop(ROW).rows() == rows
    assert read.rows == len(rows)


@pytest.mark.parametrize("name", ["*", "^A.*$", "__row__", "__key__"])
def test_a_name_that_means_something_else_to_us_is_refused(name):
    """polars takes * and ^...$ for several columns; nobody's header is meant so."""
    with pytest.raises(SourceError, match="Column 2 of the export has a name that cannot be used"):
        reading.read(f"A,{name}\n1,2\n".encode(), Layout())


def test_a_header_of_twenty_thousand_columns_is_read_in_time():
    """Nonsense has to be told as such before the night is over."""
    header = ",".join(f"c{number}" for number in range(20_000))
    assert len(reading.read(f"{header}\n".encode(), Layout(most={"columns": 20_000})).columns) == 20_000


def test_a_blank_line_is_none_however_it_is_written():
    """Spreadsheets leave lines of blanks or of a few delimiters behind."""
    read = reading.read(b"A,B,C,D\n1,2,3,4\n   \n,,\n,,,\n\n", Layout())
    assert (read.rows, read.rejects.height) == (1, 0)


def test_a_long_cell_is_no_stray_quote():
    """A note of a few pages is odd, and not a mistake of ours to tell."""
    assert reading.read(f"A,B\n1,{'x' * 200_000}\n".encode(), Layout()).rows == 1


@given(widths=st.lists(st.integers(min_value=0, max_value=6), max_size=12))
def test_every_row_is_whole_or_a_reject_or_blank(widths):
    """Rows with too few or too many cells are told, by their number as a spreadsheet shows it; none disappears."""
    text = "A,B,C\n" + "".join(",".join(["x"] * width) + "\n" for width in widths)
    read = reading.read(text.encode(), Layout())
    by_width = {number: width for number, width in enumerate(widths, 2) if width}
    assert read.frame[ROW].to_list() == [number for number, width in by_width.items() if width == 3]
    assert read.rejects["row"].to_list() == [number for number, width in by_width.items() if width != 3]
    assert read.ragged[ROW].to_list() == read.rejects["row"].to_list()
    assert read.rows == len(by_width)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!doctype html>\n<p>Log in</p>", "a web page"),
        (b"\xef\xbb\xbf<!DOCTYPE html>\n<html>", "a web page"),
        (b'\xef\xbb\xbf\r\n<?xml version="1.0"?>\n<patrons/>', "an XML file"),
    ],
)
def test_markup_is_told_as_what_it_is(content, what):
    """Also behind the mark that Windows' programs write before UTF-8; it was one odd column before."""
    with pytest.raises(SourceError, match=f"The export is {what}, not a CSV file"):
        reading.read(content, Layout())


def test_a_trailer_of_very_many_digits_is_none():
    """Python takes no number of more than 4,300 digits, and no export has so many rows."""
    content = f"CARD\n1\nT|{'9' * 5000}\n".encode()
    found = reading.read(content, Layout(delimiter="|", trailer="T|{rows}"))
    assert found.trailer is not None
    assert found.trailer.rows is None


def test_a_trailer_with_many_stars_takes_linear_time():
    """Whoever writes the last line must not keep a worker busy for years."""
    content = b"ID\n1\n" + b"a" * 200_000 + b"!"
    found = reading.read(content, Layout(trailer="*a" * 20 + "{rows}"))
    assert found.trailer is not None
    assert found.trailer.rows is None


def test_a_trailer_behind_very_many_line_breaks_takes_little_memory():
    """No list of all lines is made."""
    content = b"ID" + b"\n" * 1_000_000 + b"T|0"
    tracemalloc.start()
    try:
        rest, found = trailers.split(content, Layout(trailer="T|{rows}"))
        assert tracemalloc.get_traced_memory()[1] < 5 * len(content)
    finally:
        tracemalloc.stop()
    assert found is not None
    assert (rest, found.rows) == (content[:-3], 0)


@given(st.text("T|* 1#-é.<", max_size=6), st.text("T|*1<é", max_size=3), st.text("T| 12#-é.<>", max_size=9))
def test_a_trailer_is_read_as_its_form_says(before, after, line):
    """A star stands for any text, everything else for itself."""
    form = f"T{before}{{rows}}{after}"
    parts = (".*".join(map(re.escape, part.split("*"))) for part in (f"T{before}", after))
    expected = re.fullmatch("([0-9]{1,18})".join(parts), line.strip())
    found = reading.read(f"ID\n1\n{line}".encode(), Layout(trailer=form)).trailer
    assert found is not None
    assert found.rows == (int(expected[1]) if expected else None)


@pytest.mark.parametrize(
    ("most", "content", "says"),
    [
        ({"bytes": 10}, b"ID,A\n1,22222\n", "source.most.bytes allows: 13 of at most 10"),
        ({"columns": 2}, b"A,B,C\n1,2,3\n", "source.most.columns allows: 3 of at most 2"),
        ({"rows": 2}, b"A\n1\n2\n3\n", "source.most.rows allows: 3 of at most 2"),
        ({"cells": 5}, b"A,B\n1,2\n1,2\n1,2\n", "source.most.cells allows: 6 of at most 5"),
        ({"cell": 4}, b"A,B\n1,22222\n", "source.most.cell allows: 5 of at most 4"),
        ({"cell": 4}, b'A,B\n1,"2""222"\n', "source.most.cell allows: 5 of at most 4"),
    ],
)
def test_an_export_that_is_too_large_is_refused(most, content, says):
    """With the key of the tenant file that allows it; one less is taken."""
    ((key, limit),) = most.items()
    with pytest.raises(SourceError, match=re.escape(says)):
        reading.read(content, Layout(most={key: limit}))
    found = {"bytes": 13, "columns": 3, "rows": 3, "cells": 6, "cell": 5}[key]
    assert reading.read(content, Layout(most={key: found})).rows


def test_a_file_with_another_delimiter_does_not_fill_the_memory(monkeypatch):
    """Every row has the wrong number of cells then, and each of them is kept as it is."""
    monkeypatch.setattr(csv_records, "MOST_RAGGED", 10)
    with pytest.raises(SourceError, match=r"source\.delimiter"):
        reading.read(b"A,B\n" + b"1\n" * 11, Layout())


def test_a_zip_file_of_very_many_entries_is_refused():
    """Before its directory is read."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for number in range(50):
            file.writestr(f"{number}.txt", "")
    with pytest.raises(SourceError, match=r"source\.most\.zip_entries"):
        reading.read(packed.getvalue(), Layout(most={"zip_entries": 49}))
    with pytest.raises(SourceError, match="50 files"):
        reading.read(packed.getvalue(), Layout())


def list_of(entries: int) -> tuple[bytes, bytes]:
    """The beginning of a zip file, and a list of this many entries."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a.csv", "ID")
    content = packed.getvalue()
    begins = content.index(b"PK\x01\x02")
    return content[:begins], content[begins : content.index(b"PK\x05\x06")] * entries


def end_of_zip(disks: bytes, entries: int, size: int, place: int, comment: int) -> bytes:
    """The end of a zip file, which says what its list is like."""
    return b"PK\x05\x06" + disks + struct.pack("<HHLLH", entries, entries, size, place, comment)


def with_a_second_end() -> bytes:
    """A zip file whose end says one entry, and whose other end, for large files, says all of them."""
    head, entries = list_of(2_000)
    large = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 2_000, 2_000, len(entries), len(head))
    place = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(head) + len(entries), 1)
    return head + entries + large + place + end_of_zip(bytes(4), 1, 51, len(head), 0)


def with_an_end_within_its_end() -> bytes:
    """A zip file whose end has the mark of an end once more, where the numbers of disks are."""
    head, entries = list_of(2_000)
    return head + entries + end_of_zip(b"PK\x05\x06", 2_000, len(entries), 1, 0)


def with_a_far_end() -> bytes:
    """A zip file whose end is as far from the end of the file as Python looks for it."""
    head, entries = list_of(2_000)
    return head + entries + end_of_zip(bytes(4), 2_000, len(entries), len(head), 0xFFFF) + bytes(1 << 16)


@pytest.mark.parametrize("made", [with_a_second_end, with_an_end_within_its_end, with_a_far_end])
def test_a_zip_file_cannot_hide_how_many_entries_it_has(made):
    """Python would read them all: a file of 60 MB has a million."""
    with pytest.raises(SourceError, match=r"source\.most\.zip_entries"):
        reading.read(made(), Layout())


def understated(method: int) -> bytes:
    """A zip file of a few bytes, or kilobytes, with 400 MB in it, which states 1,000 bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as file, file.open("a.csv", "w") as into:
        for _ in range(400):
            into.write(bytes(1 << 20))
    content = bytearray(packed.getvalue())
    place = content.rindex(b"PK\x01\x02") + 24
    content[place : place + 4] = (1_000).to_bytes(4, "little")
    return bytes(content)


def test_a_zip_file_with_more_in_it_than_it_states_is_damaged():
    """Also if its checksum is that of the stated size: another reader would unpack the rest as well."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.csv", "ID\n1\n2\n")
    content = bytearray(packed.getvalue())
    place = content.rindex(b"PK\x01\x02")
    content[place + 16 : place + 20] = zlib.crc32(b"ID\n1\n").to_bytes(4, "little")
    content[place + 24 : place + 28] = (5).to_bytes(4, "little")
    with pytest.raises(SourceError, match="damaged or incomplete"):
        reading.read(bytes(content), Layout())


def test_bzip2_in_a_zip_file_is_refused():
    """Python cannot unpack it piece by piece, and 700 bytes may become 700 MB."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("a.csv", "ID\n1\n")
    with pytest.raises(SourceError, match="compressed with bzip2, which is not supported"):
        reading.read(packed.getvalue(), Layout())


def test_a_column_name_has_no_characters_that_are_not_shown():
    """It stands in messages, mails and pages; a header with a zero byte is refused."""
    export = reading.read("ID,LAST\u202e\x1b[2J,CARD\u200b\n1,2,3\n".encode(), Layout())
    assert export.columns == ["ID", "LAST[2J", "CARD"]


def workbook(fill: Callable[[xlsxwriter.Workbook], None]) -> bytes:
    """The content of a workbook that `fill` has filled."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        fill(book)
    return content.getvalue()


def far_corner(book: xlsxwriter.Workbook) -> None:
    """A workbook of 5 kB with a cell in the last row and the last column that there are."""
    sheet = book.add_worksheet()
    sheet.write(0, 0, "ID")
    sheet.write(1_048_575, 16_383, "1")


def many_sheets(book: xlsxwriter.Workbook) -> None:
    """Each of its thirty sheets is as large as one may be, and nearly empty."""
    for _ in range(30):
        sheet = book.add_worksheet()
        sheet.write(0, 0, "ID")
        sheet.write(9_998, 999, "1")


def one_text(book: xlsxwriter.Workbook) -> None:
    """A workbook of 400 kB, whose cells all have the same text of 32,000 characters."""
    sheet = book.add_worksheet()
    for row in range(20_000):
        for column in range(10):
            sheet.write_string(row, column, "x" * 32_000)


def sheet_of(rows: bytes) -> bytes:
    """A workbook with these rows, as XML."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(far_corner))) as whole,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in whole.infolist():
            text = whole.read(part)
            if part.filename == "xl/worksheets/sheet1.xml":
                text = re.sub(
                    rb"<sheetData>.*</sheetData>", b"<sheetData>" + rows + b"</sheetData>", text, flags=re.DOTALL
                )
            packed.writestr(part.filename, text)
    return content.getvalue()


def row_of(number: int) -> bytes:
    """A row of this many cells, each of two to four characters."""
    return b",".join(b"%d" % (10 + each % 1000) for each in range(number)) + b"\n"


HARMFUL = {
    "one line of fixed width": gzip.compress(b"ab " * 20_000_000),
    "a header of millions of columns": gzip.compress(row_of(15_000_000)),
    "a row of millions of cells": gzip.compress(b"ID,A\n" + row_of(15_000_000)),
    "a row of millions of cells with line breaks": gzip.compress(
        b"ID,A\n" + (b'"a\nb",' + row_of(900_000)[:-1] + b",") * 15
    ),
    "rows of nearly a million cells": gzip.compress(b"ID,A\n" + (row_of(900_000)[:-1] + b'"\n') * 15),
    "rows of too many cells": gzip.compress(b"ID,A\n" + row_of(1_000) * 15_000),
    "rows of empty cells": gzip.compress(row_of(1_000) + (b"1" + b"," * 999 + b"\n") * 45_000),
    "a cell of quotes": gzip.compress(b'ID,A\n"' + b'""' * 30_000_000 + b'",1\n'),
    "workbook": workbook(far_corner),
    "many sheets": workbook(many_sheets),
    "one text": workbook(one_text),
    "rows without numbers": sheet_of(b'<row r="1048575"/><row>' + b"<c/>" * 16_000 + b"<c><v>1</v></c></row>"),
    "many cells": sheet_of(b"<row>" + b"<c><v>1</v></c>" * 5_000_000 + b"</row>"),
    "JSON of tiny objects": gzip.compress(b"[" + b"{}," * 20_000_000 + b"{}]"),
    "JSON of tiny lists": gzip.compress(b'[{"ID":[' + b"[]," * 20_000_000 + b"[]]}]"),
    "JSON with other keys in each object": b"[" + b",".join(b'{"k%d":1}' % n for n in range(40_000)) + b"]",
    "JSON lines without keys": json.dumps({str(n): n for n in range(1_000)}).encode() + b"\n{}" * 3_000_000,
    "lines of one character": gzip.compress(b"1\n" * 30_000_000),
    "short lines of many columns": gzip.compress(b"1\n" * 3_000_000),
    "columns": b"ID" + b"," * 100_000 + b"\n1\n",
    "gzip": gzip.compress(b"ID,A,B,C,D,E,F,G,H\n" + (b"1,2,3,4,5,6,7,8,9\n" * 50 + b"1,x,y,z,1,2,3,4,5\n") * 200_000),
    "zip bomb": gzip.compress(b"0" * 300_000_000, 9),
    "short rows": b"ID,A\n" + b"1\n" * 3_000_000,
    "LZMA that states too little": understated(zipfile.ZIP_LZMA),
    "bzip2 that states too little": understated(zipfile.ZIP_BZIP2),
    "nested zip": gzip.compress(gzip.compress(b"0" * 100_000_000)),
}


LARGE = {
    "JSON of tiny rows": gzip.compress(b'{"I":1}\n' * 1_400_000),
    "JSON with one wide character": gzip.compress(('{"I":"\U0001f600"}\n' + '{"I":"ab"}\n' * 1_300_000).encode()),
    "an array of tiny rows": gzip.compress(b"[" + b'{"I":1},' * 1_400_000 + b'{"I":1}]'),
    "blank rows of many columns": gzip.compress(row_of(1_000) + (b"," * 999 + b"\n") * 60_000),
    "a stray quote behind wide rows": gzip.compress(row_of(1_000) + row_of(1_000) * 10_000 + b'5"x' + b"," * 999),
    "repeated headers": gzip.compress(b"ID,A\n" * 12_000_000),
}
"""Small files that are odd, but may be read."""

LAYOUTS = {
    "one line of fixed width": {"widths": {"ID": 3, "A": 4}},
    "lines of one character": {"widths": {"ID": 3}},
    "short lines of many columns": {"widths": {f"C{number}": 1 for number in range(900)}},
}


def test_an_ordinary_workbook_is_read_whatever_wrote_it():
    """Also where its cells and rows do not say their places, or have a prefix."""
    cell = '<c t="inlineStr"><is><t>{}</t></is></c>'
    rows = "".join(f"<row>{cell.format(text)}{cell.format(7)}</row>" for text in ("ID", "0001"))
    export = reading.read(sheet_of(rows.encode()), Layout())
    assert (export.columns, export.rows) == (["ID", "7"], 1)


def with_part(name: str, text: bytes) -> bytes:
    """A workbook with this text in one of its parts."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(sheet_of(b"<row><c><v>1</v></c></row>"))) as whole,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for part in whole.infolist():
            packed.writestr(part.filename, text if part.filename == name else whole.read(part))
    return content.getvalue()


@pytest.mark.parametrize("name", ["xl/sharedStrings.xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"])
@pytest.mark.parametrize(
    "text",
    [b"<" + b"a" * 900_000, b"<sheet " + b"a" * 900_000 + b">", b"<c" + b" r" * 450_000, b'<c t="e">' * 100_000],
    ids=["a tag", "an attribute", "blanks", "errors"],
)
def test_a_workbook_is_searched_in_linear_time(name, text):
    """One of 1 kB must not keep a worker busy for days."""
    content = with_part(name, text)
    with suppress(SourceError):
        workbooks.check_size(content)
    assert not any(workbooks.error_cells(content).get(7, {}))


def test_an_error_without_a_value_does_not_take_that_of_the_next_cell():
    """It belongs to another column, or to another person."""
    text = '<c t="inlineStr"><is><t>{}</t></is></c>'
    rows = f"<row>{text.format('ID')}{text.format('CARD')}</row>"
    rows += '<row><c t="e"/><c t="str"><v>17</v></c></row><row><c t="e"></c><c t="str"><v>18</v></c></row>'
    assert reading.read(sheet_of(rows.encode()), Layout()).frame.rows() == [(2, "#N/A", "17"), (3, "#N/A", "18")]


def megabytes_to_read(folder: Path, project: Path, name: str, content: bytes) -> tuple[str, int]:
    """Whether a file was read or refused, and the memory of the process that did it."""
    (folder / "export").write_bytes(content)
    program = (
        "import json, re, sys\n"
        "from patronload.config.source import Layout\n"
        "from patronload.errors import SourceError\n"
        "from patronload.exports import reading\n"
        "try:\n"
        "    reading.read(open(sys.argv[1], 'rb').read(), Layout(**json.loads(sys.argv[2])))\n"
        "    print('read')\n"
        "except SourceError as error:\n"
        "    print('refused')\n"
        "print(re.search('VmHWM:[^0-9]*([0-9]+) kB', open('/proc/self/status').read())[1])\n"
    )
    command = [sys.executable, "-c", program, str(folder / "export"), json.dumps(LAYOUTS.get(name, {}))]
    environment = os.environ | {"PYTHONPATH": str(project / "plugins")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    outcome, kilobytes = done.stdout.split()
    return outcome, int(kilobytes) // 1000


@pytest.mark.parametrize("name", HARMFUL)
def test_a_small_file_cannot_fill_the_memory(tmp_path, project, name):
    """Each is refused, in a process of its own that takes less than 500 MB."""
    outcome, megabytes = megabytes_to_read(tmp_path, project, name, HARMFUL[name])
    assert outcome == "refused"
    assert 0 < megabytes < 500


@pytest.mark.parametrize("name", LARGE)
def test_an_odd_file_is_read_in_little_memory(tmp_path, project, name):
    """Tiny rows and many empty cells shrink to nothing, but each takes memory once it is unpacked."""
    outcome, megabytes = megabytes_to_read(tmp_path, project, name, LARGE[name])
    assert outcome == "read"
    assert 0 < megabytes < 500


def test_many_empty_cells_are_read_if_the_tenant_file_says_so(monkeypatch):
    """A very wide export of few values is rare, and not always wrong."""
    monkeypatch.setattr(sizes, "FEW_CELLS", 10)
    content = b"ID,A,B,C,D,E,F,G\n" + b"1,,,,,,,\n" * 10
    with pytest.raises(SourceError, match=r"'cells: 200000000' under source\.most"):
        reading.read(content, Layout())
    assert reading.read(content, Layout(most={"cells": 80})).rows == 10


def test_the_line_of_json_that_is_wrong_is_found_far_behind_the_beginning(monkeypatch):
    """Also where the text was read in several pieces, and where objects go on over several lines."""
    monkeypatch.setattr(json_exports, "LONGEST", 40)
    good = '{"ID":\n "1"},\r\n' * 50
    with pytest.raises(SourceError, match="line 101 is not JSON"):
        reading.read(f"[{good}oops]".encode(), Layout())
    with pytest.raises(SourceError, match=r"line 101 is not JSON, or an object there has more than 40"):
        reading.read((f"[{good}" + '{"ID": "' + "x" * 500 + '"}]').encode(), Layout())
    export = reading.read(f'[{good}{{"A": 2}}] \n'.encode(), Layout())
    assert (export.columns, export.rows, export.frame.row(-1)) == (["ID", "A"], 51, (51, "", "2"))
