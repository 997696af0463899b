"""Exports as Excel workbooks and as JSON, read as strictly as CSV."""

import io
import json
from datetime import date, datetime

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from patronload.checks import validation
from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import merging, reading
from patronload.mapping.transform import transform
from patronload.rows import ROW

MAPPING = "target: folio\nfields:\n  externalSystemId: ID\n  username: LOGIN\n  personal.lastName: LAST\n"


def workbook(**sheets):
    """A workbook with these sheets; a text is a text cell."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        day = book.add_format({"num_format": "mm/dd/yyyy"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for row, cells in enumerate(rows):
                for column, cell in enumerate(cells):
                    if isinstance(cell, date):
                        sheet.write_datetime(row, column, cell, day)
                    elif isinstance(cell, str) and cell.startswith("="):
                        sheet.write_formula(row, column, cell, None, "of a formula")
                    elif isinstance(cell, str):
                        sheet.write_string(row, column, cell)
                    else:
                        sheet.write(row, column, cell)
    return file.getvalue()


def test_cells_of_a_workbook_are_text():
    """Text as it is, with its zeros; a date by its type, a formula by its value, and row numbers of the sheet."""
    rows = [
        ["ID", "EXPIRES", "NOTE", "YEAR", "OK"],
        ["00123", date(2027, 8, 31), "=A2", 2027, True],
        ["", "", "", "", ""],
        ["1E5", datetime(2027, 8, 31, 10, 30), " x ", 1.5, ""],  # noqa: DTZ001 - cells have no zone
    ]
    read = reading.read(workbook(Patrons=rows, Other=[["X"]]), Layout(delimiter="|"))
    assert read.frame.rows() == [
        (2, "00123", "2027-08-31", "of a formula", "2027", "TRUE"),
        (4, "1E5", "2027-08-31 10:30:00", " x ", "1.5", ""),
    ]


def test_a_number_is_no_id(mapping):
    """Its zeros are lost. The row is rejected with advice; the other rows are loaded."""
    content = workbook(S=[["ID", "LOGIN", "LAST", "ROOM"], [413, "ann", "Adams", 7], ["0000414", "bob", "Baker", 8]])
    merged = merging.merge([("a.xlsx", reading.read(content, Layout()))], mapping(MAPPING), "reject")
    assert merged.rejects.select("row", "column", "value").rows() == [(2, "ID", "413")]
    assert "format the column as text" in merged.rejects["reason"].item()
    assert merged.frame[ROW].to_list() == [2, 3]


@pytest.mark.parametrize("error", ["#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?"])
@pytest.mark.parametrize("name", ["S", "A & B", "Ärger"])
def test_an_error_of_a_spreadsheet_is_not_a_blank_cell(mapping, name, error):
    """On whichever sheet it is: the row is rejected, as in CSV, and the others are loaded."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        book.add_worksheet("first").write_formula(0, 0, "=X", None, "#NULL!")
        sheet = book.add_worksheet(name)
        for row, cells in enumerate([["ID", "LOGIN", "LAST"], ["01", "ann", ""], ["02", "bob", "Baker"]]):
            for column, cell in enumerate(cells):
                sheet.write_string(row, column, cell)
        sheet.write_formula(1, 2, "=VLOOKUP(A2,X,2)", None, error)
    read = reading.read(file.getvalue(), Layout(sheet=name))
    assert read.frame["LAST"].to_list() == [error, "Baker"]
    refused = validation.validate(read, mapping(MAPPING)).rejects
    assert refused.select("row", "column").rows() == [(2, "LAST")]
    assert "is an error message of a spreadsheet" in refused["reason"].item()


def test_the_sheet_can_be_named():
    """And lines before the header, and a sheet without a header."""
    content = workbook(Notes=[["x"]], Patrons=[["Title"], ["ID", "LOGIN"], ["1", "ann"]])
    assert reading.read(content, Layout(sheet="Patrons", skip_lines=1)).frame.rows() == [(3, "1", "ann")]
    bare = workbook(S=[["1", "ann"]])
    assert reading.read(bare, Layout(columns=["ID", "LOGIN"])).frame.rows() == [(1, "1", "ann")]
    with pytest.raises(SourceError, match="no sheet called Patron;"):
        reading.read(content, Layout(sheet="Patron"))


def test_a_row_with_more_cells_than_the_header_is_rejected():
    """As in CSV."""
    read = reading.read(workbook(S=[["ID", "LOGIN"], ["1", "a", "more"], ["2", "b"]]), Layout())
    assert read.ragged[ROW].to_list() == [2]
    assert read.frame.rows() == [(3, "2", "b")]


@pytest.mark.parametrize("cut", [100, 1000, -30])
def test_a_damaged_workbook_is_refused(cut):
    """With a message, not with an unexpected error."""
    with pytest.raises(SourceError):
        reading.read(workbook(S=[["ID"], ["1"]])[:cut], Layout())


LINES = (
    '{"ID": "007", "LAST": "Zoë", "n": 1.50, "tags": ["a", "b"]}\n\n'
    '{"LAST": null, "ID": 12345678901234567890, "ok": true}\n'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_json_lines(encoding):
    """Keys are columns, numbers keep their digits, and the row number is that of the line."""
    read = reading.read(LINES.encode(encoding), Layout(encoding=encoding))
    assert read.columns == ["ID", "LAST", "n", "tags", "ok"]
    assert read.frame.rows() == [
        (1, "007", "Zoë", "1.50", '["a","b"]', ""),
        (3, "12345678901234567890", "", "", "", "true"),
    ]


def test_a_json_array():
    """Its entries are numbered from 1."""
    read = reading.read(b' [\n {"ID": "1"},\n {"ID": "2", "A": "x"}\n]', Layout())
    assert read.frame.rows() == [(1, "1", ""), (2, "2", "x")]


@pytest.mark.parametrize("content", ['{"users": [{"ID": "1"}]}', '{"data": [{"ID": "1"}, {"ID": "2"}]}\n'])
def test_a_list_within_an_object_is_refused_with_advice(content):
    """Nothing says that it has the patrons."""
    with pytest.raises(SourceError, match="a JSON object with a list in it, not a list of patrons"):
        reading.read(content.encode(), Layout())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"ID": "1"}\n{"ID": "2"', "line 2 is not JSON"),
        ('[{"ID": "1"},\n{"ID": }]', "line 2 is not JSON"),
        ('{"ID": "1", "ID": "2"}', "the same key twice"),
        ('{"ID": "1"}\n["x"]', "line 2 is not an object"),
        ('{"a":' * 100_000, "nested too deep|is not JSON"),
        ("[]", "empty"),
    ],
)
def test_wrong_json_is_refused_with_its_line(text, words):
    """Without quoting the file."""
    with pytest.raises(SourceError, match=words):
        reading.read(text.encode(), Layout())


@pytest.mark.parametrize("header", ["[ID],[LOGIN]", "{ID},x", '"[x]",b'])
def test_a_header_with_brackets_is_still_csv(header):
    """Databases put names into brackets."""
    assert reading.read(f"{header}\n1,2\n".encode(), Layout()).rows == 1


@pytest.mark.parametrize(
    "text",
    ["<?xml version='1.0'?><patrons/>", "<patrons>\n  <patron id='1'/>", "<!-- made by us --><a/>", "<a b='1'/>"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_xml_is_refused_with_advice(text, encoding):
    """Nothing guesses which element is a patron."""
    with pytest.raises(SourceError, match=r"an XML file, .*Ask the sender for CSV, Excel"):
        reading.read(text.encode(encoding), Layout(encoding=encoding))


def test_a_header_with_angle_brackets_is_no_xml():
    """Only a tag after a tag is."""
    assert reading.read(b"<id>,<name>\n1,Ann\n", Layout()).columns == ["<id>", "<name>"]


def test_an_invisible_character_that_json_writes_as_its_number(mapping):
    """The file has only ASCII characters, and the id has none that is not seen."""
    rules = mapping("target: folio\nfields:\n  externalSystemId: ID\n  username: ID\n")
    read = reading.read(b'{"ID": "10\\u200b01"}\n{"ID": "1002\\u00ad"}\n{"ID": "1003"}', Layout())
    made = transform(read.visible, rules, read.rejects)
    assert [json.loads(text)["username"] for text in made.patrons["patron"]] == ["1001", "1002", "1003"]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.dictionaries(st.sampled_from(["A", "B"]), st.text(), min_size=1), min_size=1))
def test_any_text_in_json_is_read_as_it_is(objects):
    """As long as something is in the row; a row that repeats the header does not count."""
    objects = [{"A": "1", "B": "2"}, *objects]
    read = reading.read("\n".join(map(json.dumps, objects)).encode(), Layout())
    cells = [(one.get("A", ""), one.get("B", "")) for one in objects]
    wanted = [row for row in cells if any(map(str.strip, row)) and [cell.strip().lower() for cell in row] != ["a", "b"]]
    assert [row[1:] for row in read.frame.select(ROW, "A", "B").rows()] == wanted
