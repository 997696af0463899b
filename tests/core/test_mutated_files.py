"""
Files as libraries send them, changed at random as transport, editors and spreadsheets change them.

Reading, validating and mapping them raises only errors of our own, and every row of a file that is read is accounted
for. A run tries a few hundred files; `make fuzz` tries 20,000, and other ones each time.
"""

import csv
import gzip
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from xlsxwriter import Workbook

from patronload.config.mapping import Mapping
from patronload.config.source import Layout
from patronload.errors import PatronloadError
from patronload.exports import encodings, reading
from patronload.mapping import transform
from patronload.rows import ROW

FILES = int(os.environ.get("PATRONLOAD_MUTATED_FILES") or 400)
SEED = int(os.environ.get("PATRONLOAD_MUTATED_SEED") or 1)
BATCHES = max(8, FILES // 400)
"""Each takes well under the time that a test may take."""

MAPPING = """
target: folio
skip:
  - {column: ROLE, is: ALUM, reason: alumni are not loaded}
fields:
  externalSystemId: {column: ID, required: true}
  username: {column: LOGIN, required: true, steps: [lower]}
  barcode: CARD
  patronGroup: {column: ROLE, lookup: groups}
  departments: {column: DEPTS, split: ";"}
  personal.lastName: {column: LAST, required: true, steps: [name_case]}
  personal.email: EMAIL
  expirationDate: {column: EXPIRES, date: ["%Y-%m-%d", "%d.%m.%Y"]}
lookups:
  groups: {UG: undergrad, STF: staff, otherwise: visitor}
"""

HEADER = ["ID", "LOGIN", "CARD", "ROLE", "DEPTS", "LAST", "EMAIL", "EXPIRES"]
PEOPLE = [
    ["0001001", "ann", "00217004016", "UG", "History;Law", "O'Neil", "a@x.example", "2030-06-30"],
    ["0001002", "bob", "", "STF", "", 'Ní "Bo" Bhriain', "", "31.08.2031"],
    ["0001003", "cas", "21003", "ALUM", "Law", "Müller-Lüdenscheidt", "c@x.example", ""],
    ["0001004", "dee", "21004", "", "a,b|c", "Two\nLines", "d@x.example", "2030-02-30"],
    ["0001005", "eve", "21005", "XX", "", "ŁÓDŹ", "eve", "not a date"],
]
TOKENS = [b'"', b"'", b",", b";", b"|", b"\t", b"\n", b"\r", b"\r\n", b"\0", b"\x1a", b"\xff", b"\xef\xbb\xbf", b"\xc2"]
TOKENS += [b"sep=;\r\n", b"[", b"{", b"}", b"\\", b"&amp;", b"\xe2\x80\x8b", b"\xc3\xa9", b"=1+1", b"PK\x03\x04"]
TOKENS += [b"\x1f\x8b"]


class Sample(NamedTuple):
    """A file before it is changed; `counted`: whether its rows can be counted line by line, without our reader."""

    content: bytes
    layout: Layout
    counted: bool = False


def delimited(delimiter: str, encoding: str = "utf-8", line_end: str = "\r\n") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows([HEADER, *PEOPLE])
    return text.getvalue().encode(encoding, errors="replace")


def plain(delimiter: str) -> bytes:
    lines = [[cell.replace("\n", " ").replace(delimiter, "/") for cell in row] for row in [HEADER, *PEOPLE]]
    return "\n".join(map(delimiter.join, lines)).encode()


def workbook() -> bytes:
    out = io.BytesIO()
    with Workbook(out, {"in_memory": True}) as book:
        book.set_properties({"created": datetime(2026, 11, 20, tzinfo=UTC)})
        sheet = book.add_worksheet("Patrons")
        for number, row in enumerate([HEADER, *PEOPLE]):
            for place, cell in enumerate(row):
                sheet.write_string(number, place, cell)
    return out.getvalue()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo("patrons.csv"), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def samples() -> list[Sample]:
    objects = [dict(zip(HEADER, row, strict=True)) for row in PEOPLE]
    fixed = "".join("".join(cell.replace("\n", " ")[:20].ljust(20) for cell in row) + "\n" for row in PEOPLE)
    return [
        Sample(delimited(","), Layout(), counted=True),
        Sample(delimited(";", "cp1252", "\n"), Layout(delimiter=";", encoding="cp1252"), counted=True),
        Sample(delimited("\t", "utf-16"), Layout(delimiter="\t", encoding="utf-16")),
        Sample(plain("|"), Layout(delimiter="|", quote="none"), counted=True),
        Sample(b"\n".join(plain("\t").split(b"\n")[1:]), Layout(delimiter="\t", quote="none", columns=tuple(HEADER))),
        Sample(b"A title\n" + delimited(",") + b"TRAILER,5\n", Layout(skip_lines=1, trailer="TRAILER,{rows}")),
        Sample(fixed.encode(), Layout(widths=dict.fromkeys(HEADER, 20))),
        Sample("\n".join(map(json.dumps, objects)).encode(), Layout()),
        Sample(json.dumps(objects, ensure_ascii=False).encode(), Layout()),
        Sample(workbook(), Layout()),
        Sample(gzip.compress(delimited(","), mtime=0), Layout()),
        Sample(zipped(delimited(",")), Layout()),
    ]


def change(content: bytes, dice: random.Random) -> bytes:
    """One change: bytes lost, doubled, moved, replaced, or put in, or the end cut off."""
    start, length = dice.randrange(len(content) + 1), dice.choice([1, 1, 2, 5, 30])
    piece = content[start : start + length]
    ways: list[Callable[[], bytes]] = [
        lambda: content[:start] + content[start + length :],
        lambda: content[:start] + piece * 2 + content[start + length :],
        lambda: content[:start] + dice.choice(TOKENS) + content[start:],
        lambda: content[:start] + dice.choice(TOKENS) + content[start + length :],
        lambda: content[:start] + dice.randbytes(length) + content[start + length :],
        lambda: content[:start],
        lambda: content[start + length :] + content[:start] + piece,
        lambda: content.replace(dice.choice(TOKENS), dice.choice(TOKENS)),
    ]
    return dice.choice(ways)()


def mutated(dice: random.Random, all_samples: list[Sample]) -> Sample:
    sample = dice.choice(all_samples)
    content = sample.content
    for _ in range(dice.choice([1, 1, 1, 2, 4])):
        content = change(content, dice)
    return sample._replace(content=content)


def lines_in(sample: Sample) -> int | None:
    """The rows of a file that is CSV, counted by Python's reader; None if that is not for a few lines to decide."""
    content, layout = sample.content, sample.layout
    begins = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:5].lower()
    if not sample.counted or begins[:4] == b"sep=" or begins[:1] in (b"[", b"{") or b"reject_" in content:
        return None
    if begins[:2] in (b"pk", b"\x1f\x8b"):
        return None
    text = content.decode(encodings.detected(content, layout.encoding)).removeprefix("\ufeff")
    if layout.quote == "none":
        rows = [line.split(layout.delimiter) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    else:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, strict=True))
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    header, *others = filled
    folded = [cell.strip().casefold() for cell in header]
    return sum([cell.strip().casefold() for cell in row] != folded for row in others)


def examine(sample: Sample, mapping: Mapping) -> str:
    """Read and map a file; the outcome in a word. Raises AssertionError if a row is lost or counted twice."""
    try:
        export = reading.read(sample.content, sample.layout)
        rows = [*export.frame[ROW].to_list(), *export.ragged[ROW].to_list()]
        assert len(rows) == len(set(rows)) == export.rows
        counted = lines_in(sample)
        assert counted in (None, export.rows), f"{counted} rows, and {export.rows} are read"
        if set(mapping.columns) - set(export.columns):
            return "lacks a column"
        made = transform.transform(export.visible, mapping, export.rejects)
    except PatronloadError:
        return "refused"
    good, bad = set(made.patrons["row"]), set(made.rejects["row"]) | set(export.rejects["row"])
    assert good.isdisjoint(bad)
    assert good | bad == set(rows)
    for patron in made.patrons[transform.PATRON]:
        json.loads(patron or "{}")  # of a row without any value, which validate rejects for its missing id
    return "read"


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_changed_file_is_read_or_refused_and_no_row_is_lost(mapping, batch):
    """Never an error of another kind, such as a panic of a library or a KeyError."""
    rules, originals = mapping(MAPPING), samples()
    outcomes: dict[str, int] = {}
    for number in range(batch, FILES, BATCHES):
        sample = mutated(random.Random(f"{SEED}.{number}"), originals)
        try:
            outcome = examine(sample, rules)
        except BaseException as error:  # noqa: BLE001 - a panic of polars is no Exception
            told = f"PATRONLOAD_MUTATED_SEED={SEED}, file {number}: {error!r}, {sample.layout!r}: {sample.content!r}"
            pytest.fail(told[:3000])
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes["read"] > FILES / BATCHES / 10, "most changes leave something to read"
    assert outcomes["refused"]


def test_an_unchanged_file_is_read():
    """Otherwise the test above would show nothing."""
    for sample in samples():
        assert reading.read(sample.content, sample.layout).rows == len(PEOPLE)
        assert lines_in(sample) in (None, len(PEOPLE))
