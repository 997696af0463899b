"""Corrected rejects: recognised however a spreadsheet saved them, and compared with what was rejected."""

import csv
import io
import zipfile
from typing import NamedTuple
from xml.etree import ElementTree as ET

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import load_workbook
from xlsxwriter import Workbook

from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import reading, reject_files, reject_workbooks, returned_rejects, workbooks
from patronload.rows import ROW

MAPPING = """
target: folio
fields:
  externalSystemId: {column: ID, required: true}
  username: {column: LOGIN, required: true}
  barcode: CARD
  patronGroup: ROLE
  personal.lastName: {column: LAST, required: true}
  personal.phone: PHONE
"""

XL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

ANN = {"ID": "0000413", "LOGIN": "ann", "CARD": "00217004016", "ROLE": "Oops", "LAST": "Nuñez", "PHONE": "0312555"}
BOB = ANN | {"ID": "12000000000001", "LOGIN": "bob", "CARD": "A-7", "LAST": "Bo", "PHONE": ""}
REASONS = {"ROLE": "'Oops' is a code that is not set up", "CARD": "CARD 'x' is also in row 3", None: "User exists"}


LAYOUTS = [
    Layout(delimiter="|"),
    Layout(delimiter="\t", encoding="cp1252"),
    Layout(delimiter=";"),
    Layout(encoding="utf-16-le"),
    Layout(encoding="cp500", delimiter="|"),
    Layout(widths={"ID": 9, "LOGIN": 9}),
]


class Rejects(NamedTuple):
    """The rejects of a load: as the library gets them, as a spreadsheet shows them, and as they are read."""

    content: bytes
    lines: list[dict[str, str]]
    workbook: bytes
    original: reading.Export


def written(*rows: dict[str, str], reported: str | None = "ROLE", layout: Layout | None = None) -> Rejects:
    layout = layout or Layout()
    frame = pl.DataFrame(rows or [ANN, BOB]).insert_column(
        0, pl.Series(ROW, range(2, 2 + len(rows or [1, 2])), pl.UInt32)
    )
    refused = frame.select(
        row=ROW,
        stage=pl.lit("plan"),
        column=pl.lit(reported, pl.String),
        value=pl.lit("x"),
        reason=pl.lit(REASONS[reported]),
    )
    content = reject_files.write(frame, refused, layout.delimiter, layout.encoding)
    original = reading.read(content, layout)
    lines = original.frame.drop(ROW).hstack(original.ours.drop(ROW)).to_dicts()
    return Rejects(content, lines, reject_workbooks.write(frame, refused, {}), original)


def as_text(lines, delimiter=","):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(lines[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def as_workbook(lines, numbers=()):
    out = io.BytesIO()
    with Workbook(out, {"in_memory": True}) as book:
        book.add_worksheet("Notes").write_string(0, 0, "mine")
        sheet = book.add_worksheet("Rejects")
        for row, line in enumerate([dict(zip(lines[0], lines[0], strict=True)), *lines], 1):
            for place, (name, cell) in enumerate(line.items()):
                if row > 1 and name in numbers and cell:
                    sheet.write_number(row, place, float(cell))
                else:
                    sheet.write_string(row, place, cell)
    return out.getvalue()


def compared(content, rejects, rules, layout=None):
    """The corrected file, compared; and the reason for each refused row."""
    export = reading.read(content, layout or Layout())
    assert export.mended
    found = returned_rejects.find(export, [rejects.original], rules)
    assert found is rejects.original
    made = returned_rejects.compare(export, found, rules)
    assert made.rows == export.rows
    return made, made.rejects


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("own", LAYOUTS)
def test_a_corrected_file_is_recognised_whatever_the_spreadsheet_made_of_it(own, encoding, delimiter):
    """The library's files have tabs or |, or a fixed width; Excel saves commas and a mark, or UTF-16."""
    rejects = written(layout=own.model_copy(update={"widths": None}))
    export = reading.read(as_text(rejects.lines, delimiter).encode(encoding), own)
    assert export.mended
    assert export.frame.drop(ROW).to_dicts() == [ANN, BOB]


@pytest.mark.parametrize("spelt", [str.upper, str.title, lambda name: f" {name} "])
@pytest.mark.parametrize("own", [Layout(delimiter="\t", skip_lines=2), Layout()])
def test_our_columns_are_recognised_in_any_spelling(own, spelt):
    """In a text file and in a workbook: as an export, no row would be compared."""
    lines = [
        {spelt(name) if "reject" in name else name: cell for name, cell in line.items()} for line in written().lines
    ]
    for content in (as_text(lines).encode(), as_workbook(lines)):
        export = reading.read(content, own)
        assert (export.mended, export.columns) == (True, [*ANN])
        assert export.ours["reject_row"].to_list() == ["2", "3"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\r\n', "SEP=;;;;\r\n"])
def test_a_corrected_file_may_begin_with_excels_line(mapping, line, encoding):
    """The rows are compared with their own originals."""
    rejects = written()
    lines = [rejects.lines[0] | {"ID": "413"}, rejects.lines[1] | {"ROLE": "UG"}]
    made, refused = compared((line + as_text(lines, ";")).encode(encoding), rejects, mapping(MAPPING))
    assert refused["row"].to_list() == [3]
    assert made.frame.drop(ROW).to_dicts() == [BOB | {"ROLE": "UG"}]


@pytest.mark.parametrize("encoding", ["mac_roman", "cp850", "cp437"])
@pytest.mark.parametrize("name", ["Nuñez", "Zoë", "Ångström", "Élodie Çelik"])
def test_letters_that_a_spreadsheet_saved_in_another_encoding_are_refused(mapping, name, encoding):
    """Excel for Mac saves CSV in Mac Roman; such a name would be loaded."""
    rejects = written(ANN | {"LAST": name}, BOB)
    content = as_text(rejects.lines).encode(encoding)
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        content = content.decode("latin-1").encode()
    _, refused = compared(content, rejects, mapping(MAPPING))
    assert refused.select("row", "column").rows() == [(2, "LAST")]
    assert f"was '{name}'" in refused["reason"].item()


def test_a_corrected_accent_is_taken(mapping):
    """Another letter is a correction."""
    rejects = written(ANN | {"LAST": "Nuñez"}, BOB)
    for name in ("Nunez", "Núñez", "Nuñes", "Nuńez"):
        made, refused = compared(as_text([rejects.lines[0] | {"LAST": name}]).encode(), rejects, mapping(MAPPING))
        assert (refused.height, made.frame["LAST"].to_list()) == (0, [name])


def test_a_file_with_little_left_to_compare_is_compared(mapping):
    """Both ids lost their zeros, and the only other cell was corrected: the rows are still those that were rejected."""
    row = {"ID": "0000413", "LOGIN": "0000413", "ROLE": "Oops"}
    rejects = written(row)
    lines = [rejects.lines[0] | {"ID": "413", "LOGIN": "413", "ROLE": "UG"}]
    _, refused = compared(as_text(lines).encode(), rejects, mapping(MAPPING))
    assert refused.select("row", "column").rows() == [(2, "ID"), (2, "LOGIN")]


def test_a_corrected_file_of_a_library_with_a_trailer_and_renamed_columns():
    """It has no trailer, and the library's own names of the columns."""
    own = Layout(trailer="END,{rows}", rename={"ID": "STUDENT"})
    export = reading.read(as_text(written().lines).encode(), own)
    assert (export.columns[0], export.trailer, export.rows) == ("STUDENT", None, 2)


def test_a_corrected_workbook_is_read_as_it_is():
    """Text cells, on whichever sheet they are, after blank lines; with the row numbers that the spreadsheet shows."""
    export = reading.read(as_workbook(written().lines), Layout())
    assert export.frame.drop(ROW).to_dicts() == [ANN, BOB]
    assert export.frame[ROW].to_list() == [3, 4]


def test_the_workbook_that_the_library_gets_reads_back():
    """Saved without a change, all rows are as they were rejected."""
    rejects = written(ANN | {"LAST": "=1+1", "PHONE": "+1 312 555 0100"}, BOB)
    export = reading.read(rejects.workbook, Layout())
    assert export.frame.drop(ROW).to_dicts() == rejects.original.frame.drop(ROW).to_dicts()


DAMAGED = {
    "ID": ["413", "413.0", "4.13E+02", "413,00", " 413 "],
    "CARD": ["217004016", "2.17E+08", "2,17E+08", "217,004,016", "0217004016"],
    "PHONE": ["312555", "312555.0", "3.13E+05"],
    "LAST": ["Nu?ez"],
}


@pytest.mark.parametrize(("column", "now"), [(column, cell) for column, cells in DAMAGED.items() for cell in cells])
@pytest.mark.parametrize("reported", ["ROLE", "CARD", None])
def test_a_value_that_a_spreadsheet_damaged_is_refused_with_the_original(mapping, reported, column, now):
    """0000413 came back as 413, and would be a new patron. Whichever cell was reported; the other row is loaded."""
    rejects = written(reported=reported)
    ann, bob = rejects.lines
    made, refused = compared(as_text([ann | {column: now}, bob]).encode(), rejects, mapping(MAPPING))
    ((row, where, value, reason, summary),) = refused.rows()
    assert (row, where, value) == (2, column, now.strip())
    assert f"was '{ANN[column]}' when the row was rejected" in reason
    assert ANN[column] not in summary
    # The row goes back with its original value.
    assert made.ragged.drop(ROW).to_dicts() == [ANN]
    assert made.frame["LOGIN"].to_list() == ["bob"]


@pytest.mark.parametrize("now", ["1.2E+13", "12000000000000", "12,000,000,000,001", "1,2E+13", "12000000000001.00"])
def test_a_long_id_that_became_a_number_is_refused(mapping, now):
    """Whatever the spreadsheet's language."""
    rejects = written(ANN | {"ID": "12000000000001"}, BOB | {"ID": "7"})
    _, refused = compared(as_text([rejects.lines[0] | {"ID": now}]).encode(), rejects, mapping(MAPPING))
    assert refused["column"].to_list() == ["ID"]


@pytest.mark.parametrize(
    ("was", "now"),
    [("12345678901234567", "12345678901234500"), ("3-4", "04-Mar"), ("MAR1", "01-Mar"), ("12E4", "1.20E+05")],
)
def test_rounded_numbers_and_dates(mapping, was, now):
    """A spreadsheet keeps fifteen digits, and takes some codes for dates or powers of ten."""
    rejects = written(ANN | {"PHONE": was}, BOB)
    _, refused = compared(as_text([rejects.lines[0] | {"PHONE": now}]).encode(), rejects, mapping(MAPPING))
    assert refused["column"].to_list() == ["PHONE"]


@pytest.mark.parametrize(("column", "now"), [("ID", "0000414"), ("ID", ""), ("LOGIN", "anna"), ("CARD", "00217004017")])
def test_an_id_that_is_not_the_reported_cell_must_not_change(mapping, column, now):
    """It would be another person."""
    rejects = written()
    _, refused = compared(as_text([rejects.lines[0] | {column: now}]).encode(), rejects, mapping(MAPPING))
    assert refused["column"].to_list() == [column]
    assert "is not the reported cell" in refused["reason"].item()


@pytest.mark.parametrize(
    ("reported", "changes"),
    [
        ("ROLE", {"ROLE": "Staff"}),
        ("CARD", {"CARD": "00217004017"}),
        ("CARD", {"CARD": ""}),
        ("ROLE", {"LAST": "Núñez", "PHONE": "555"}),
        ("ROLE", {"LAST": "Ñúñez", "PHONE": ""}),
        (None, {"ID": "0000414", "CARD": "4711"}),
        ("ROLE", {"LOGIN": "  ann  ", "ROLE": "Staff"}),
    ],
)
def test_corrections_are_taken(mapping, reported, changes):
    """The reported cell, cells that are no ids, and every cell where FOLIO named none."""
    rejects = written(reported=reported)
    made, refused = compared(as_text([rejects.lines[0] | changes]).encode(), rejects, mapping(MAPPING))
    assert refused.height == 0
    assert made.frame.drop(ROW).to_dicts() == [ANN | changes]


@pytest.mark.parametrize("left", reject_files.COLUMNS)
def test_with_one_of_our_columns_left_the_rows_are_still_compared(mapping, left):
    """Without the row number the ids show which row it was."""
    rejects = written()
    lines = [{name: cell for name, cell in line.items() if name in (*ANN, left)} for line in rejects.lines]
    _, refused = compared(as_text([lines[0] | {"ID": "413"}, lines[1]]).encode(), rejects, mapping(MAPPING))
    assert refused["column"].to_list() == ["ID"]


def test_a_row_that_was_not_rejected_does_not_come_in_this_way(mapping):
    """No limit and no gate applies to such a file."""
    rejects = written()
    stranger = rejects.lines[0] | {"reject_row": "99", "ID": "5", "LOGIN": "new", "CARD": "5"}
    made, refused = compared(as_text([*rejects.lines, stranger]).encode(), rejects, mapping(MAPPING))
    assert (refused["row"].to_list(), made.frame.height) == ([4], 2)


def test_rows_are_compared_after_their_numbers_were_sorted_alone(mapping):
    """Someone sorted a single column of the sheet: then every number is another row's, and the ids tell the rows."""
    rejects = written(ANN, BOB)
    first, second = rejects.lines
    swapped = [
        first | {"reject_row": second["reject_row"], "ID": "413"},
        second | {"reject_row": first["reject_row"], "ROLE": "STU"},
    ]
    export = reading.read(as_text(swapped).encode(), Layout())
    original = returned_rejects.find(export, [rejects.original], mapping(MAPPING))
    assert original is not None
    compared = returned_rejects.compare(export, original, mapping(MAPPING))
    assert compared.frame["LOGIN"].to_list() == ["bob"]
    assert compared.rejects["reason"].str.contains("was '0000413' when the row was rejected").to_list() == [True]


def test_numbers_in_a_workbook_are_compared_too(mapping):
    """A cell that became a number lost its zeros; a long one that kept its digits is right."""
    rejects = written()
    made, refused = compared(as_workbook(rejects.lines, numbers=["ID"]), rejects, mapping(MAPPING))
    assert refused.select("column", "value").rows() == [("ID", "413")]
    assert made.frame["ID"].to_list() == ["12000000000001"]


def test_of_several_loads_the_one_that_is_most_alike_is_found(mapping):
    """Yesterday's file comes back after tonight's load, which rejected others in the same rows for the same reason."""
    rules, yesterday = mapping(MAPPING), written()
    tonight = written(
        ANN | {"ID": "0777", "LOGIN": "zoe", "CARD": "077", "LAST": "Zed"}, BOB | {"ID": "8", "LOGIN": "z"}
    )
    export = reading.read(as_text([line | {"ROLE": "Staff"} for line in yesterday.lines]).encode(), Layout())
    assert returned_rejects.find(export, [tonight.original, yesterday.original], rules) is yesterday.original
    assert returned_rejects.find(export, [], rules) is None


TEXT = st.text(st.characters(codec="cp1252", exclude_characters="\x00"), max_size=6)


@settings(max_examples=150)
@given(
    rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4),
    layout=st.builds(
        Layout,
        delimiter=st.sampled_from([",", ";", "\t", "|", "§", "~"]),
        encoding=st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "iso-8859-15",
                                  "mac_roman", "cp437", "utf-8-sig", "cp500", "shift_jis", "gb18030"]),
    ),
)  # fmt: skip
def test_rejects_read_back_exactly_as_written(rows, layout):
    """In every encoding and with every delimiter, in the CSV file and in the workbook."""
    lines = [ANN | {"LAST": last, "PHONE": phone} for last, phone in rows]
    rejects = written(*lines, layout=layout)
    for content in (rejects.content, rejects.workbook):
        assert reading.read(content, layout).frame.drop(ROW).to_dicts() == lines


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Â…", "cp1252"), ("Ã¼", "iso-8859-1"), ("ï»¿x", "cp1252"), ("Ð¯", "iso-8859-1"), ("þÿ", "cp1252")],
)
def test_text_whose_bytes_are_utf_8_too_is_not_taken_for_utf_8(text, encoding):
    """In cp1252 the bytes C2 85 are the letter Â and an ellipsis; as UTF-8 they would be a control character."""
    layout = Layout(encoding=encoding)
    assert reading.read(written(ANN | {"LAST": text}, layout=layout).content, layout).frame["LAST"].item() == text


def test_the_workbook_has_text_cells_and_instructions():
    """Zeros stay, and the second sheet says what to do."""
    rejects = written()
    book = load_workbook(io.BytesIO(rejects.workbook))
    assert book.sheet_names == ["Rejects", "How to correct"]
    header, *rows = book.get_sheet_by_name("Rejects").to_python()
    assert [dict(zip(header, row, strict=True)) for row in rows] == rejects.lines
    assert any("highlighted" in row[0] for row in book.get_sheet_by_name("How to correct").to_python())


@pytest.mark.parametrize(("reported", "found"), [("ROLE", {"Oops"}), ("CARD", {"00217004016", "A-7"}), (None, set())])
def test_the_workbook_highlights_the_cells_to_correct_and_no_others(reported, found):
    """By a colour of their own; every cell is text."""
    with zipfile.ZipFile(io.BytesIO(written(reported=reported).workbook)) as parts:
        sheet, styles, strings = (
            ET.fromstring(parts.read(f"xl/{name}.xml")) for name in ("worksheets/sheet1", "styles", "sharedStrings")
        )
    colours = [fill.find(f".//{XL}fgColor") for fill in styles.find(f"{XL}fills")]
    orange = [place for place, colour in enumerate(colours) if colour is not None and colour.get("rgb") == "FFFFD9A8"]
    looks = list(styles.find(f"{XL}cellXfs"))
    texts = ["".join(entry.itertext()) for entry in strings]
    cells = [(texts[int(cell.find(f"{XL}v").text)], looks[int(cell.get("s"))]) for cell in sheet.iter(f"{XL}c")]
    assert {text for text, look in cells if int(look.get("fillId")) in orange} == found
    assert {look.get("numFmtId") for _, look in cells} == {"49"}


def test_too_long_cells_make_no_workbook(caplog):
    """The CSV file has them."""
    assert written(ANN | {"LAST": "x" * 40_000}).workbook is None
    assert "too long" in caplog.text


def test_what_only_begins_like_a_workbook_is_refused():
    """In one sentence."""
    with pytest.raises(SourceError):
        reading.read(b"PK\x03\x04nonsense", Layout())


def test_a_damaged_workbook_is_refused_in_a_sentence():
    """Cut off, or with nonsense inside."""
    content = as_workbook(written().lines)
    for place in range(40, len(content), 97):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        try:
            list(workbooks.sheets(bytes(damaged)))
        except SourceError:
            continue
