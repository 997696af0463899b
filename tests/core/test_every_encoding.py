"""No text is lost or changed on its way in, into the rejects and back, in every encoding and with every delimiter."""

import csv
import io
from encodings.aliases import aliases
from functools import cache

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from patronload.config.source import Layout
from patronload.documents.text_encodings import Encoding
from patronload.exports import reading, reject_files, reject_workbooks
from patronload.rows import ROW

HEADER = ("ID", "NAME")

DELIMITERS = ",;\t|~^:§¦é'\\ =-@\x01\x0b\x1c\x1f\x7f\x85\u00a0\u2028"

SPECIAL = "\"',;|\t =+-@\r\n\u00a0\x1a\x85"


def offered() -> list[str]:
    """Every encoding that a tenant file may name."""
    known: TypeAdapter[str] = TypeAdapter(Encoding)
    names: list[str] = []
    for name in sorted({*aliases.values(), "utf_8_sig", "cp737", "cp856", "cp875", "koi8_u"}):
        try:
            names.append(known.validate_python(name))
        except ValidationError:
            continue
    return names


def holds(text: str, encoding: str) -> bool:
    """Whether a text survives the encoding. Some codecs read bytes that they never write."""
    try:
        return text.encode(encoding).decode(encoding) == text
    except UnicodeError:
        return False


def is_other_text_in_utf_8(content: bytes, text: str) -> bool:
    """No one can tell which encoding was meant; real files are practically never like this."""
    try:
        return not content.isascii() and content.decode().removeprefix("\ufeff") != text
    except UnicodeDecodeError:
        return False


@cache
def signs_of(encoding: str) -> list[str]:
    """The characters of an encoding, from all scripts with an alphabet and a few others."""
    every = map(chr, (*range(1, 0x3000), *range(0x4E00, 0x4E80), 0xAC00, 0x1F600))
    return [sign for sign in every if holds(sign, encoding)]


def cells(encoding: str, forbidden: str) -> st.SearchStrategy[str]:
    special = [sign for sign in SPECIAL if holds(sign, encoding)]
    sign = st.sampled_from(special) | st.sampled_from(signs_of(encoding))
    return st.lists(sign.filter(lambda sign: sign not in forbidden), max_size=6).map("".join)


def written(rows: list[tuple[str, str]], layout: Layout) -> str:
    if layout.quote == "none":
        return "".join(layout.delimiter.join(row) + "\r\n" for row in rows)
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=layout.delimiter, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def read_back(content: bytes, layout: Layout) -> list[tuple[str, ...]]:
    export = reading.read(content, layout)
    assert export.ragged.is_empty()
    return export.frame.drop(ROW).rows()


def test_many_encodings_are_offered():
    """Otherwise the next test would show little."""
    assert {"cp1252", "utf_8", "utf_16", "cp500", "shift_jis", "gb18030", "iso2022_jp", "mac_roman"} <= {*offered()}
    assert len(offered()) > 80


def comes_back(rows: list[tuple[str, str]], layout: Layout) -> None:
    """Read an export, write its rejects as a CSV file and as a workbook, and read both."""
    content = written([HEADER, *rows], layout).encode(layout.encoding)
    # A row without text does not count, and a line that repeats the header neither.
    bare = pl.DataFrame(rows, schema=HEADER, orient="row").select(pl.all().str.strip_chars().str.to_lowercase())
    wanted = [row for row, cells in zip(rows, bare.rows(), strict=True) if any(cells) and cells != ("id", "name")]
    assert read_back(content, layout) == wanted

    frame = reading.read(content, layout).frame
    rejects = frame.select(row=ROW, stage=pl.lit("plan"), column=pl.lit("ID"), value=pl.lit("1"), reason=pl.lit("why"))
    assert read_back(reject_files.write(frame, rejects, layout.delimiter, layout.encoding), layout) == wanted
    assert read_back(reject_workbooks.write(frame, rejects, {}) or b"", layout) == wanted


@pytest.mark.parametrize("encoding", offered())
def test_every_character_is_the_same_in_and_back(encoding):
    """All characters of an encoding, with the usual delimiters; at least one text is not UTF-8 by accident."""
    text = "".join(filter(str.isprintable, signs_of(encoding)))
    parts = [text[at : at + 20] for at in range(0, len(text), 20)]
    rows = [("1", part) for part in parts if holds(part, encoding)]
    for delimiter, quote in (("|", "double"), ("\t", "none")):
        layout = Layout(delimiter=delimiter, encoding=encoding, quote=quote)
        text = written(rows, layout)
        assert not is_other_text_in_utf_8(text.encode(encoding), text)
        comes_back([row for row in rows if quote == "double" or delimiter not in row[1]], layout)


@given(data=st.data())
def test_any_text_is_the_same_in_and_back(data):
    """With quotes, delimiters, line breaks and blanks, where the layout can hold them."""
    encoding = data.draw(st.sampled_from(offered()))
    delimiter = data.draw(st.sampled_from([sign for sign in DELIMITERS if holds(sign, encoding)]))
    layout = Layout(delimiter=delimiter, encoding=encoding, quote=data.draw(st.sampled_from(["double", "none"])))
    cell = cells(encoding, f"{delimiter}\r\n" if layout.quote == "none" else "")
    rows = [("1", "x"), *data.draw(st.lists(st.tuples(cell, cell), max_size=3))]
    text = written([HEADER, *rows], layout)
    assume(holds(text, encoding) and not is_other_text_in_utf_8(text.encode(encoding), text))
    comes_back(rows, layout)
