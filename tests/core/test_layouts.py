"""How a file begins, what its header is called, and cells without quotes."""

import csv
import io
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronload.checks import validation
from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import csv_records, headers, merging, reading
from patronload.rows import ROW

PATRONS = "ID,LOGIN,LAST\n"


def rows(text, encoding="utf-8", **layout):
    """The rows of an export, with their numbers."""
    return reading.read(text.encode(encoding), Layout(encoding=encoding, **layout)).frame.rows()


@pytest.mark.parametrize(
    "cell", ['"Bo" Adams', '"', 'Bo "the Bear" Adams', '"Bo Adams', "5'10\"", '"a""b"', 'O"Neil', '""']
)
def test_without_quoting_a_quote_is_a_character(cell):
    """The row of the field, and others of its kind; a delimiter separates cells whatever is around it."""
    text = f"ID|LOGIN|LAST\n1001|ann|{cell}\n1002|bo|Baker\n"
    assert rows(text, delimiter="|", quote="none") == [(2, "1001", "ann", cell), (3, "1002", "bo", "Baker")]


def test_a_stray_quote_is_reported_with_what_to_do():
    """The message names the key."""
    with pytest.raises(SourceError, match=r"Row 2 .* write quote: none under source"):
        rows('ID|LAST\n1001|"Bo" Adams\n', delimiter="|")


@settings(deadline=None, max_examples=60)
@given(
    cells=st.lists(
        st.lists(st.text(st.characters(exclude_characters="|\r\n", codec="utf-8")), min_size=2, max_size=2), min_size=1
    ),
    block=st.sampled_from([7, csv_records.BLOCK]),
)
def test_any_text_without_delimiters_is_read_as_it_is(cells, block):
    """Quickly and carefully alike; rows that are blank do not count, and one that repeats the header neither."""
    wanted = [
        tuple(row) for row in cells if any(map(str.strip, row)) and [cell.strip().lower() for cell in row] != ["a", "b"]
    ]
    text = "\n".join(["A|B", *("|".join(row) for row in cells)]) + "\n"
    with patch.object(csv_records, "BLOCK", block):
        read = reading.read(text.encode(), Layout(delimiter="|", quote="none"))
    assert [row[1:] for row in read.frame.rows()] == wanted
    assert read.ragged.is_empty()


def test_a_file_without_a_header_line_has_the_columns_of_the_tenant_file():
    """Its first line is row 1. A wrong number of cells rejects the row as usual."""
    read = reading.read(b"1001\tann\r\n1002\tbo\textra\r\n", Layout(delimiter="\t", columns=["ID", "LOGIN"]))
    assert read.frame.rows() == [(1, "1001", "ann")]
    assert read.ragged[ROW].to_list() == [2]
    assert "the row has 3 cells, the header 2" in read.rejects["reason"].item()


@pytest.mark.parametrize("separator", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;"])
def test_the_first_line_of_excel_names_the_delimiter(separator):
    """Whatever the tenant file says; the row numbers are those of the file."""
    assert rows(f"{separator}\r\nID;LOGIN\r\n1001;ann\r\n") == [(3, "1001", "ann")]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_before_the_header_are_left_out(encoding, end):
    """A title may have anything in it, also a stray quote."""
    text = end.join(['Patrons of "Whitman', "", "ID,LOGIN", "1001,Zoë", ""])
    assert rows(text, encoding, skip_lines=2) == [(4, "1001", "Zoë")]


def test_a_title_and_a_separator_line_together():
    """The separator line comes first."""
    assert rows("sep=;\nTitle\nID;LOGIN\n1;a\n", skip_lines=1) == [(4, "1", "a")]


def test_a_file_that_is_only_a_title_is_empty():
    """As an empty file."""
    with pytest.raises(SourceError, match="empty"):
        rows("Title\n", skip_lines=3)


def test_a_header_that_is_repeated_is_not_a_row():
    """Files that were put one after the other; the report says so."""
    text = 'ID,LOGIN\n1,a\nID,LOGIN\n2,b\n"ID","LOGIN"\nID,x\n'
    read = reading.read(text.encode(), Layout())
    assert read.frame.rows() == [(2, "1", "a"), (4, "2", "b"), (6, "ID", "x")]
    assert read.rows == 3
    assert read.notices == ("The header line is repeated in rows 3, 5. It does not count as a row.",)


@pytest.mark.parametrize("line", ["id,login", " ID , LOGIN ", "Id,Login"])
def test_a_header_that_is_repeated_in_another_spelling_is_not_a_row(line):
    """Names of columns are compared without case and blanks, here too."""
    read = reading.read(f"ID,LOGIN\n1,a\n{line}\n2,b\n".encode(), Layout())
    assert read.frame.rows() == [(2, "1", "a"), (4, "2", "b")]
    assert read.notices == ("The header line is repeated in row 3. It does not count as a row.",)


@pytest.mark.parametrize("line", ["sep=;", "sep=;;;;", '"sep=;"', "SEP=;"])
def test_a_separator_line_in_every_form(line):
    """Some programs fill it up with delimiters."""
    assert rows(f"{line}\nID;LOGIN\n1;a\n") == [(3, "1", "a")]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("Patrons of 2026\nID,Login Name,Card\n1,ann,7\n", 2),
        ("Patrons of 2026,,\nid,login name,card\n1,ann,7\n", 2),
        ("Patrons\nof 2026\n\nID,Login Name,Card\n1,ann,7\n", 4),
    ],
)
def test_a_title_above_the_header_is_reported_with_what_to_do(mapping, text, row):
    """The message names the row of the header and the key."""
    found = validation.validate(reading.read(text.encode(), Layout()), mapping(MAPPING))
    (sentence,) = found.refusals
    assert f"Row {row} has them" in sentence
    assert f"write skip_lines: {row - 1} under source" in sentence


def test_a_title_above_the_header_if_only_one_column_is_needed(mapping):
    """The header is found by that column."""
    rules = mapping("target: folio\nfields:\n  externalSystemId: ID\n  username: ID\n  barcode: CARD\n")
    read = reading.read(b"Patrons of 2026\nID,CARD\n1,2\n", Layout())
    (sentence,) = validation.validate(read, rules.over(read.columns)).refusals
    assert "Row 2 has them" in sentence


def test_accents_in_a_header_may_be_written_in_two_ways(mapping):
    """As separate characters, as some systems write them, or as one."""
    rules = mapping("target: folio\nfields:\n  externalSystemId: Numéro\n  username: Numéro\n")
    read = reading.read("Nume\u0301ro,A\n1,2\n".encode(), Layout())
    assert reading.with_names(read, rules.columns).columns == ["Numéro", "A"]


def test_a_column_with_two_names_in_the_mapping_is_refused(mapping):
    """One of the two fields would be lost. A file that has both columns is read."""
    rules = mapping("target: folio\nfields:\n  externalSystemId: ID\n  username: id\n")
    with pytest.raises(SourceError, match="calls a column both ID and id, and the export has only ID"):
        reading.with_names(reading.read(b"ID,A\n1,2\n", Layout()), rules.columns)
    assert reading.with_names(reading.read(b"ID,id\n1,2\n", Layout()), rules.columns).columns == ["ID", "id"]


@pytest.mark.parametrize(
    ("header", "place"),
    [
        (b"ID|N\0TE", 2),
        (b"\0ID|NOTE", 1),
        (b'"I\0D"|NOTE', 1),
        (b"ID|NOTE\0", 2),
        (b"ID||\0", 3),
        (b"\xef\xbb\xbfI\0D|A", 1),
    ],
)
def test_a_header_with_a_nul_is_refused(header, place):
    """The name is damaged, and polars panics."""
    with pytest.raises(SourceError, match=f"Column {place} of the export has a NUL character"):
        reading.read(header + b"\n1|2\n", Layout(delimiter="|"))


def test_a_header_line_that_the_tenant_file_repeats():
    """`columns` for a file that has a header after all."""
    read = reading.read(b"ID,LOGIN\n1,a\n", Layout(columns=["ID", "LOGIN"]))
    assert read.frame.rows() == [(2, "1", "a")]


MAPPING = "target: folio\nfields:\n  externalSystemId: ID\n  username: Login Name\n  barcode: Card\n"


@pytest.mark.parametrize("header", ["id,login name,CARD", " ID ,LOGIN  NAME,card", "Id,Login name,Card"])
def test_names_are_compared_without_case_and_blanks(mapping, header):
    """It is reported once, and rejects keep the library's own names."""
    read = reading.read(f"{header}\n1,ann,7\n".encode(), Layout())
    merged = merging.merge([("a.csv", read)], mapping(MAPPING), "reject")
    assert set(merged.columns) == {"ID", "Login Name", "Card"}
    (notice,) = merged.notices
    assert notice.startswith("The export spells columns differently than the mapping: ")
    original = [merged.names.get(name, name) for name in merged.columns]
    assert original == [name.strip() for name in header.split(",")]


def test_two_columns_that_differ_in_case_only_are_not_confused(mapping):
    """The exact one is used; without it none is."""
    read = reading.read(b"ID,id,LOGIN NAME,login name,Card\n1,2,a,b,7\n", Layout())
    merged = merging.merge([("a.csv", read)], mapping(MAPPING), "reject")
    assert merged.columns == ["ID", "id", "LOGIN NAME", "login name", "Card"]


def test_renaming_and_digits_ignore_case_too():
    """The keys of the tenant file as well."""
    read = reading.read(
        b"student number,CARD\n1,0000007\n2,7\n", Layout(rename={"Student Number": "ID"}, digits={"Card": 7})
    )
    assert read.columns == ["ID", "Card"]
    assert read.names == {"ID": "student number", "Card": "CARD"}
    assert read.rejects["row"].to_list() == [3]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "University ID,Last Name,First Name,E-mail",
            "The first line has: University ID, Last Name, First Name, E-mail.",
        ),
        ("ColleagueID,NetID,Addr 1,ST,Zip,Last Name,City", "ColleagueID, NetID, Addr 1, ST, Zip, Last Name, City."),
        ("username,personal_lastName,address_line1", "username, personal_lastName, address_line1."),
        ("1001,ann,21001,UG,Adams,Ann,a1@x.example", None),
        ("Adams,Ann,undergrad", None),
        ("Street,Picabo,skier,Hailey", None),
        ("Ann,Group,Role Adams,Music,Smith", None),
        ("0000413", None),
    ],
)
def test_a_wrong_header_is_shown_unless_it_may_be_a_patron(header, words):
    """Only words of headers are ever shown."""
    shown = headers.shown(header.split(","))
    assert shown.endswith(words) if words else not shown


@given(st.lists(st.text(), min_size=1, max_size=8))
def test_nothing_but_words_of_headers_is_ever_shown(cells):
    """Whatever the first line is."""
    for word in headers.WORD.findall(headers.shown(cells).removeprefix(" The first line has: ")):
        assert word.lower() in headers.WORDS | {"and", "more"}


def test_a_rejects_file_comes_back_as_we_write_it():
    """With its header and quotes, although the library's exports have neither."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["ID", "LAST", "reject_row"], ["1", 'Bo "B" Adams', "2"]])
    read = reading.read(file.getvalue().encode(), Layout(quote="none", columns=["ID", "LAST"], skip_lines=1))
    assert read.mended
    assert read.frame.rows() == [(2, "1", 'Bo "B" Adams')]
