"""Invisible characters never reach an id, names are in Unicode's NFC, and what was left out is listed."""

import json
import unicodedata

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from patronload.checks import validation
from patronload.config.source import Layout
from patronload.exports import reading, reject_files
from patronload.mapping import invisible
from patronload.mapping.transform import transform
from patronload.rows import blank_noted, without

MAPPING = """
target: folio
fields:
  externalSystemId: ID
  username: ID
  barcode: CARD
  personal.lastName: LAST
"""


def loaded(mapping, *rows, encoding="utf-8"):
    """The patrons, the rejects and the notes of an export."""
    export = reading.read("\n".join(["ID,CARD,LAST", *rows]).encode(encoding), Layout(encoding=encoding))
    rules = mapping(MAPPING)
    found = validation.validate(export, rules)
    accepted = without(blank_noted(export.visible, found.noted), found.skipped)
    made = transform(accepted, rules, found.rejects)
    return [json.loads(text) for text in made.patrons["patron"]], found


@pytest.mark.parametrize(
    "sign",
    [
        "\u200b",
        "\u200e",
        "\u200f",
        "\ufeff",
        "\u00ad",
        "\u202e",
        "\u2066",
        "\U000e0041",
        "\ufff9",
        "\u3164",
        "\u2800",
        "\ufffe",
        "\U000e0100",
        "\u2060",
        "\u200d",
        "\u200c",
        "\x07",
        "\x85",
        "\ufe0f",
    ],
)
@pytest.mark.parametrize("cell", ["{}1001", "10{}01", "1001{}", "1001{} ", "\u00a01001{}"])
def test_an_invisible_character_never_reaches_an_id(mapping, sign, cell):
    """Wherever it is in the cell; the note shows its number."""
    (patron,), found = loaded(mapping, f"{cell.format(sign)},{cell.format(sign)},Adams")
    assert (patron["externalSystemId"], patron["barcode"]) == ("1001", "1001")
    assert found.rejects.is_empty()
    assert set(found.noted["summary"]) == {
        "ID has invisible characters, which are left out",
        "CARD has invisible characters, which are left out",
    }
    assert all(f"<U+{ord(sign):04X}>" in value for value in found.noted["value"])


def test_ids_that_look_alike_are_one_patron(mapping):
    """They share an id, and the reason shows the same text for both."""
    _, found = loaded(mapping, "1001,1,Adams", "1001\u200b,2,Adams")
    assert set(found.rejects["row"]) == {2, 3}
    assert set(found.rejects["value"]) == {"1001"}


@pytest.mark.parametrize("encoding", ["cp1252", "iso-8859-15", "utf-16", "utf-8-sig"])
def test_in_every_encoding(mapping, encoding):
    """A soft hyphen in Latin-1 is a single byte."""
    (patron,), found = loaded(mapping, "10\u00ad01,7,Müller", encoding=encoding)
    assert patron["externalSystemId"] == "1001"
    assert patron["personal"]["lastName"] == "Müller"
    assert found.noted["row"].to_list() == [2]


def test_names_are_composed_and_keep_their_joiners(mapping):
    """An accent of its own joins its letter; Persian keeps its zero-width non-joiner."""
    patrons, found = loaded(mapping, "1,1,Jose\u0301", "2,2,می\u200cخواهم", "3,3,A\u030angstro\u0308m")
    assert [patron["personal"]["lastName"] for patron in patrons] == ["José", "می\u200cخواهم", "Ångström"]
    assert found.noted.is_empty()


def test_garbled_text_is_still_found(mapping):
    """The í of a wrong encoding has a soft hyphen in it."""
    patrons, found = loaded(mapping, "1,1,GarcÃ\u00ada", "2,2,Adams")
    assert [patron["externalSystemId"] for patron in patrons] == ["2"]
    assert "is garbled" in found.rejects["reason"].item()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("ID,LAST\n1,Müller\n", "utf-8"),
        ("\ufeffID,LAST\n1,Nguy\u1ec5n\n2,O\u2019Brien\n3,\u0141ukasz, 20 \u00b0\n", "utf-8"),
        ("ID,LAST\n1,Иванов\n2,山田\n3,김\n", "utf-8"),
        ("ID,LAST\n1,Müller\n", "cp1252"),
        ("ID\r\n1\t2\r\n", "cp1252"),
        ("ID,LAST\n1,Adams\n", "cp932"),
    ],
)
def test_a_plain_file_is_not_searched(text, encoding):
    """Accents alone give no reason to, nor do other characters that begin like an invisible one."""
    assert not invisible.may_occur(text.encode(encoding), encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("ID,LAST\n1,Mu\u0308ller\n", "utf-8"),
        ("ID\n10\u00ad01\n", "cp1252"),
        ("ID\n10\x0701\n", "cp1252"),
        ("ID,LAST\n1,山田\n", "cp932"),
        ("ID\n10\u206001\n", "utf-16-le"),
    ],
)
def test_a_file_that_may_have_one_is_searched(text, encoding):
    """In UTF-16 an invisible character may look like two letters of ASCII, and in doubt a file is searched."""
    assert invisible.may_occur(text.encode(encoding), encoding)


def test_no_character_is_missed():
    """Each one that is left out, or becomes another one alone or after a letter, is found in the bytes of UTF-8."""
    every = [chr(code) for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000]
    composed = {part for each in every for part in unicodedata.normalize("NFD", each)[1:]}
    cells = pl.DataFrame({"LAST": every})
    changed = cells.filter(invisible.cleaned(cells)["LAST"] != cells["LAST"])["LAST"].to_list()
    assert len(changed) > 1000
    missed = [each for each in {*composed, *changed} if not invisible.may_occur(f"1{each}".encode(), "utf-8")]
    assert missed == []


def test_json_may_write_it_as_a_number(mapping):
    """The bytes of such a file are plain text."""
    export = reading.read(rb'[{"ID": "10\u200b01", "CARD": "7", "LAST": "Jose\u0301"}]', Layout())
    assert export.visible.select("ID", "LAST").rows() == [("1001", "José")]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_an_encoding_in_which_ascii_bytes_are_other_characters(encoding):
    """In UTF-16 without a mark, a right-to-left override is a dot and a blank."""
    assert invisible.may_occur("10\u202e01".encode(encoding), encoding)


@pytest.mark.parametrize("cell", ["1001\u00a0", " \u00a01001", "\u202f1001", "1001\u2007 "])
def test_a_no_break_space_at_an_end_is_left_out_and_listed(mapping, cell):
    """It looks like any other blank, and no one sees why two ids differ. A cell that has nothing else is blank."""
    (patron,), found = loaded(mapping, f"{cell},\u00a0,De\u00a0Smet")
    assert (patron["externalSystemId"], patron["personal"]["lastName"]) == ("1001", "De\u00a0Smet")
    assert "barcode" not in patron
    assert found.noted["column"].to_list() == ["ID"]
    assert "<U+" in found.noted["value"].item()


@pytest.mark.parametrize("found", ["\n", "\t", "\r\n", "\u2028"])
@pytest.mark.parametrize("column", ["ID", "CARD"])
def test_a_line_break_never_reaches_an_id(mapping, column, found):
    """The row is rejected, because it may be two values; at an end it is a blank, and a step may take it out."""
    cells = {"ID": ["1001", "1002", "1003"], "CARD": ["21", "22", "23"]}
    cells[column][0] = f"7{found}8"
    cells[column][1] += found
    lines = [f'"{one}","{card}",Ad{found}ams' for one, card in zip(*cells.values(), strict=True)]
    text = "ID,CARD,LAST\n" + "\n".join(
        line.replace(f"Ad{found}", f'"Ad{found}').replace("ams", 'ams"') for line in lines
    )
    read = reading.read(text.encode(), Layout())
    refused = validation.validate(read, mapping(MAPPING)).rejects
    assert refused.select("row", "column").unique().rows() == [(2, column)]
    assert "in the middle" in refused["reason"][0]
    steps = MAPPING.replace("ID", "{column: ID, steps: [digits]}").replace("CARD", "{column: CARD, steps: [digits]}")
    assert validation.validate(read, mapping(steps)).rejects.is_empty()


@settings(deadline=None, max_examples=200)
@given(st.text())
@example("a\u200db")
@example("e\u0301\u200b\u0301")
def test_whatever_would_change_is_found_beforehand(text):
    """The quick look at the bytes misses nothing, and cleaning twice is cleaning once."""
    import polars as pl

    frame = pl.DataFrame({"A": [text]})
    once = invisible.cleaned(frame)
    assert invisible.cleaned(once).equals(once)
    assert unicodedata.is_normalized("NFC", once["A"].item())
    if once["A"].item() != text:
        assert invisible.may_occur(text.encode(), "utf-8")


@given(st.lists(st.none() | st.text() | st.text("aé1- \x01\x0b\x7f\x85\u00ad\u0301\u200b\u200d\ufe0f\t\n", max_size=6)))
def test_the_short_cut_for_plain_cells_changes_nothing(cells):
    """Only cells that may have such characters are changed; the others are as they would be after all the changes."""
    frame = pl.DataFrame({"LAST": cells}, schema={"LAST": pl.String})
    text = pl.col("LAST").str.replace_all(invisible.INVISIBLE, "").str.replace_all(invisible.LONE_JOINERS, "${1}")
    assert invisible.cleaned(frame).equals(frame.select(text.str.normalize("NFC")))


def test_the_rejects_file_has_the_cells_as_they_came():
    """What the library sent is what it gets back."""
    export = reading.read("ID,LAST\n1001\u200b,Jose\u0301\n".encode(), Layout())
    import polars as pl

    rejects = pl.DataFrame({"row": [2], "stage": ["x"], "column": ["ID"], "value": ["1"], "reason": ["r"]})
    written = reject_files.write(export.frame, rejects, ",", "utf-8")
    assert "1001\u200b,Jose\u0301," in written.decode("utf-8-sig")
