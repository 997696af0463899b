"""Reading what is no plain CSV file: packed, fixed width, several files; and what a spreadsheet or program spoilt."""

import csv
import gzip
import io
import json
import zipfile
from contextlib import suppress
from itertools import product

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from patronload.checks import validation
from patronload.config.source import Layout, Most
from patronload.errors import SourceError
from patronload.exports import fixed_width, merging, mojibake, reading, reject_files, unpacking
from patronload.mapping.transform import transform
from patronload.rows import ROW, no_rejects

MAPPING = """
target: folio
fields:
  externalSystemId: ID
  username: LOGIN
  personal.lastName: SURNAME
"""

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=8)


def zipped(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name.replace("_csv", ".csv"), content)
    return out.getvalue()


@given(content=st.binary(max_size=300), cut=st.integers(1, 40))
def test_what_was_packed_comes_out_and_a_part_of_it_never_does(content, cut):
    """A file that was cut short must not be taken for a short file."""
    if not content.startswith((unpacking.GZIP, b"PK")):
        assert unpacking.unpack(content) == content
    for packed in (gzip.compress(content), zipped(patrons_csv=content)):
        assert unpacking.unpack(packed) == content
        with pytest.raises(SourceError, match="damaged or incomplete"):
            unpacking.unpack(packed[: max(len(packed) - cut, 4)])


def test_very_many_gzip_files_in_one_take_linear_time():
    """A file of 20 MB must not keep a worker busy for a day; zeros may be between them."""
    content = gzip.compress(b"ID\n") + (gzip.compress(b"") + b"\0") * 1_000_000 + gzip.compress(b"1\n")
    assert unpacking.unpack(content) == b"ID\n1\n"
    long = b"x" * 3_000_000
    assert unpacking.unpack(gzip.compress(long) + bytes(20_000) + gzip.compress(b"1\n")) == long + b"1\n"


def test_a_damaged_zip_file_is_told_so_however_it_is_damaged():
    """Python's reader has errors of many kinds for it, which would end the run with a traceback."""
    content = b"".join(b"%d,x\n" % number for number in range(300))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("patrons.csv", content)
    whole = out.getvalue()
    told = set()
    for place, value in product(range(4, len(whole)), (0x00, 0xEF)):
        damaged = bytearray(whole)
        damaged[place] = value
        with suppress(SourceError):
            told.add(unpacking.unpack(bytes(damaged)))
    assert told == {content}


def test_a_file_that_unfolds_beyond_measure_is_refused_before_it_fills_the_memory():
    """Also where the zip file's own list of sizes lies."""
    bomb = gzip.compress(b"0" * (unpacking.HARMLESS + (2 << 20)))
    with pytest.raises(SourceError, match="no export does"):
        unpacking.unpack(bomb)
    lying = bytearray(zipped(patrons_csv=b"0" * (unpacking.HARMLESS + (2 << 20))))
    place = bytes(lying).index(b"PK\x01\x02") + 24
    lying[place : place + 4] = (5).to_bytes(4, "little")
    with pytest.raises(SourceError):
        unpacking.unpack(bytes(lying))


@given(rows=st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=5))
def test_fixed_width_cells_hold_what_was_put_into_them(rows):
    """Counted in characters, not in bytes."""
    lines = [f"{a[:8]:8}{b[:8]:8}" for a, b in rows]
    found = fixed_width.read(io.StringIO("\n".join(lines)), 99, {"A": 8, "B": 8}, Most()).frame
    kept = [(a.rstrip(" "), b.rstrip(" ")) for a, b in rows if (a + b).strip()]
    assert found.drop(ROW).rows() == [row for row in kept if "".join(row).strip()]


def test_the_rejects_of_any_layout_come_back_and_load(mapping):
    """Windows text, fixed width, gzip, renamed columns, UTF-16: the mended rows become patrons, spelt as they were."""
    rules = mapping(MAPPING)
    text = "ID,LOGIN,SURNAME\n1,a,Núñez\n2,,=Müller\n"
    layouts = [
        (text.encode("cp1252"), Layout(encoding="cp1252")),
        (gzip.compress(text.encode()), Layout()),
        (text.encode("utf-16"), Layout(encoding="utf-16")),
        (text.replace("LOGIN", "Net ID").encode(), Layout(rename={"Net ID": "LOGIN"})),
        (text.replace(",", ";").encode("cp1252"), Layout(delimiter=";", encoding="cp1252")),
        (
            "1 a Núñez   \n2   =Müller \n".encode("cp1252"),
            Layout(widths={"ID": 2, "LOGIN": 2, "SURNAME": 8}, encoding="cp1252"),
        ),
    ]
    for content, layout in layouts:
        read = reading.read(content, layout)
        refused = validation.validate(read, rules).rejects.with_columns(stage=pl.lit("validate"))
        assert refused["row"].n_unique() == 1, layout
        delivered = pl.concat([read.frame, read.ragged]).rename(read.names)
        file = reject_files.write(delivered, refused, layout.delimiter, read.encoding)
        header = file.decode(read.encoding).removeprefix("\ufeff").splitlines()[0]
        assert header.startswith("ID" + layout.delimiter + ("Net ID" if layout.rename else "LOGIN"))
        mended = file.decode(read.encoding).replace(
            f"2{layout.delimiter}{layout.delimiter}", f"2{layout.delimiter}b{layout.delimiter}"
        )
        again = reading.read(mended.encode(read.encoding), layout)
        assert again.mended
        found = validation.validate(again, rules)
        made = transform(again.frame, rules, found.rejects)
        assert [*made.patrons["patron"]] == [
            '{"externalSystemId":"2","username":"b","personal":{"lastName":"=Müller"}}'
        ], layout


@settings(max_examples=60)
@given(
    files=st.lists(st.lists(st.integers(1, 6), max_size=4, unique=True), min_size=1, max_size=3),
    same_person=st.sampled_from(["first", "last", "reject"]),
)
def test_of_a_person_in_several_files_the_stated_row_counts(mapping, files, same_person):
    """Every row is there once, numbered on; each person is taken from the first or the last of their files."""
    rules = mapping(MAPPING)
    read = [
        (
            f"f{place}",
            reading.read(("ID,LOGIN,SURNAME\n" + "".join(f"{i},{i},f{place}\n" for i in ids)).encode(), Layout()),
        )
        for place, ids in enumerate(files)
    ]
    one = merging.merge(read, rules, same_person)
    assert one.rows == sum(map(len, files))
    assert sorted([*one.frame[ROW], *one.ragged[ROW]]) == list(range(2, one.rows + 2))
    if same_person != "reject":
        order = files if same_person == "last" else files[::-1]
        places = range(len(files)) if same_person == "last" else reversed(range(len(files)))
        taken = {str(i): f"f{place}" for place, ids in zip(places, order, strict=True) for i in ids}
        assert dict(one.frame.select("ID", "SURNAME").iter_rows()) == taken
        assert set(one.rejects["row"]) == set(one.ragged[ROW])


@settings(max_examples=60)
@given(files=st.lists(st.lists(st.sampled_from(["{:3}a", "{:3}too long", ""]), max_size=4), min_size=2, max_size=3))
def test_rows_of_several_fixed_width_files_have_a_number_each(mapping, files):
    """They have no header line: with its last row's number taken twice, a good row is rejected with a bad one."""
    layout = Layout(widths={"ID": 3, "LOGIN": 3})
    texts = ["\n".join(line.format(place) for place, line in enumerate(lines)) for lines in files]
    read = [(f"f{place}", reading.read(text.encode(), layout)) for place, text in enumerate(texts)]
    one = merging.merge(read, mapping(MAPPING), "reject")
    numbers = [*one.frame[ROW], *one.ragged[ROW]]
    assert len(set(numbers)) == one.rows == sum(line != "" for lines in files for line in lines)
    assert set(one.rejects["row"]) == set(one.ragged[ROW])
    if all("" not in lines for lines in files):
        assert sorted(numbers) == list(range(1, one.rows + 1))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_without_a_mark_the_order_of_the_bytes_has_to_be_named(encoding, order):
    """Python's reader ends with an error of its own there; what is read by guessing may be other letters."""
    content = "ID,LOGIN,SURNAME\n1,a,Núñez\n".encode(f"{encoding}-{order}")
    for more in ({}, {"widths": {"ID": 40}}, {"trailer": "T;{rows}"}):
        with pytest.raises(SourceError, match=rf"Write {encoding}-le \(usual on Windows\), {encoding}-be or"):
            reading.read(content, Layout(encoding=encoding, **more))
    assert reading.read(content, Layout(encoding=f"{encoding}-{order}")).frame["SURNAME"].to_list() == ["Núñez"]
    with pytest.raises(SourceError, match="The export is empty"):
        reading.read(b"", Layout(encoding=encoding))


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_an_export_beside_mended_rows_is_held_to_its_limits(mapping, names):
    """Whichever comes first: a rejects file is held to none, and a file that was cut short would load with it."""
    read = {
        "a": reading.read(b"ID,LOGIN,SURNAME,reject_row\n1,a,L,7\n", Layout()),
        "b": reading.read(b"ID,LOGIN,SURNAME\n2,b,M\n", Layout()),
    }
    rules = mapping(MAPPING)
    assert not merging.merge([(name, read[name]) for name in names], rules, "reject").mended
    assert merging.merge([("a", read["a"])] * 2, rules, "reject").mended


LETTERS = st.characters(min_codepoint=0xC0, max_codepoint=0x17F, exclude_characters="ŠšŽžŒœŸ")
"""Without those that Windows-1252 has where UTF-8 goes on: Ğ read in the wrong encoding is Äž, and so is Äž itself."""


@given(name=st.text(LETTERS, min_size=1, max_size=10))
@example(name="ÂŠ")
def test_a_name_is_garbled_when_it_was_read_in_the_wrong_encoding_and_not_before(name):
    """A letter of Latin script alone is never UTF-8 read as Windows-1252; read so once, it always is."""
    try:
        wrong = name.encode().decode("cp1252")
    except UnicodeDecodeError:
        wrong = name.encode().decode("latin-1")
    assert mojibake.is_garbled(wrong)
    assert not mojibake.is_garbled(name)


@pytest.mark.parametrize(
    "name",
    [
        "RENÉ\u00a0SMITH",
        "Groß\u00a0Gerau",
        "Voß–Schmidt",
        "MALMÖ–LUND",
        "ANDRÉ’S",
        "“Le CAFÉ”",
        "NOË\u00a0B",
        "LUNEDÌ–A",
    ],
)
def test_a_capital_before_a_dash_a_quotation_mark_or_a_no_break_space_is_not_garbled(name):
    """Word and web pages write them, and to Windows-1252 they are what the second byte of a character could be."""
    assert not mojibake.is_garbled(name)


@pytest.mark.parametrize(
    "name",
    [
        "Məmmədov",
        "Kaʻahumanu",
        "Ka\u0301roly",
        "Ọ\u0301la",
        "Čapek",
        "Иван",
        "Παππάς",
        "Nguyễn",
        "O’Neill",
        "משה",
        "Zoë–Ann",
    ],
)
def test_garbled_names_of_many_languages_are_seen(name):
    """Also of those whose letters are beyond the ones of Western Europe."""
    wrong = "".join(bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in name.encode())
    assert any(mojibake.is_garbled(text) for text in (wrong, name.encode().decode("latin-1")))


BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace() and chr(code) not in "\x1c\x1d\x1e\x1f")


@settings(max_examples=150)
@given(
    cells=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    packed=st.booleans(),
    delimiter=st.sampled_from([",", "\t", "¦"]),
)
def test_any_text_survives_from_the_bytes_of_a_cell_to_json(mapping, cells, encoding, packed, delimiter):
    """Through encoding, packing, quoting and mapping: but for the blanks around it, FOLIO gets what was written."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("ID", "LOGIN", "SURNAME"), *((n, n, cell) for n, cell in enumerate(cells))])
    content = out.getvalue().encode(encoding)
    read = reading.read(gzip.compress(content) if packed else content, Layout(delimiter=delimiter, encoding=encoding))
    made = transform(read.frame, mapping(MAPPING), no_rejects())
    names = [json.loads(patron).get("personal", {}).get("lastName", "") for patron in made.patrons["patron"]]
    assert names == [cell.strip(BLANKS) for cell in cells]


@settings(deadline=None)
@given(st.text() | st.text("aZ Ãâ©\u00ad™ŠŒƒˆ‚“íÅł\ufffd\0", max_size=6))
@example("JosÃ©")
@example("GarcÃ\u00ada")
@example("Ã‚")
@example("a\0b")
def test_the_quick_look_misses_no_garbled_text(text):
    """A file whose bytes have nothing suspicious is not searched cell by cell."""
    if mojibake.is_garbled(text):
        assert mojibake.may_occur(f"ID,LAST\n1,{text}\n".encode(), "utf-8")


def test_accents_alone_are_not_suspicious():
    """Names of many languages have two letters with accents side by side; other encodings are always searched."""
    assert not mojibake.may_occur("ID,LAST\n1,Müller\n2,Łódź\n3,Nguyễn\n4,Çağlar\n".encode(), "utf-8")
    assert mojibake.may_occur(b"ID,LAST\n1,Adams\n", "cp1252")
