"""The way back: rejects, corrected in a spreadsheet and sent again, whatever the spreadsheet makes of them."""

import csv
import io
from datetime import UTC, datetime

import pytest
from python_calamine import load_workbook
from xlsxwriter import Workbook

from patronload.artifacts import names
from patronload.artifacts.models import Delivery, Uploaded
from tests.one_library import COLUMNS

ROW = {
    "externalSystemId": "0000413", "username": "ann", "barcode": "00217004016", "patronGroup": "Student",
    "lastName": "Nuñez", "firstName": "Ann", "email": "", "phone": "", "expirationDate": "",
}  # fmt: skip
"""A person whose ids a spreadsheet would damage."""

BOB = ROW | {"username": "bob", "barcode": "21"}

WRONG = ROW | {"patronGroup": "Oops"}

GOOD = ROW | {"externalSystemId": "0000900", "username": "good", "barcode": "00900"}


def as_text(lines, delimiter=",", columns=None):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns or list(lines[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


@pytest.fixture
def rejected(library):
    """A load with a good row and two rows with unknown groups; the lines of its rejects."""

    def load(*rows, **configured):
        library.configure(limits={"max_rejects": "100%"}, **configured)
        rows = rows or (WRONG, BOB | {"externalSystemId": "12000000000001", "patronGroup": "Oops"})
        delimiter = configured.get("delimiter", ",")
        path = library.folder / "exports" / "patrons.csv"
        path.write_bytes(as_text([GOOD, *rows], delimiter, COLUMNS).encode(configured.get("encoding", "utf-8")))
        made = library.loaded("first")
        assert made.rejected == len(rows)
        content = library.load("first").run.read(names.REJECTS)
        text = content.decode("utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else configured["encoding"])
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))

    return load


@pytest.fixture
def sent_back(library):
    """A corrected file, loaded: its report, and the lines of its own rejects."""

    def send(content, name="corrected.csv", run="second"):
        (library.folder / "exports" / name).write_bytes(content)
        made = library.loaded(run, source_path=name)
        text = library.load(run).run.read(names.REJECTS).decode("utf-8-sig")
        delimiter = next(sign for sign in "|;\t," if sign in text.splitlines()[0])
        return made, list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))

    return send


def corrected(lines, **cells):
    return [line | {"patronGroup": "Staff"} | cells for line in lines]


def test_an_id_that_a_spreadsheet_changed_is_refused_with_the_original(rejected, sent_back):
    """0000413 came back as 413 in a file with semicolons; the other row is loaded, and no mail has a patron's id."""
    first, second = rejected(delimiter="|")
    lines = [*corrected([first], externalSystemId="413"), *corrected([second])]
    made, (line,) = sent_back(as_text(lines, ";").encode("utf-8-sig"))
    assert (made.loaded, made.rejected) == (1, 1)
    assert (line["externalSystemId"], line["reject_value"]) == ("0000413", "413")
    assert "was '0000413' when the row was rejected" in line["reject_reason"]
    assert ["0000413" in reason.reason for reason in made.reasons] == [False]
    assert [(gate.gate, gate.state) for gate in made.gates] == [("corrected_rejects", "passed")]


def test_a_refused_row_can_be_sent_again_without_harm(rejected, sent_back):
    """It goes back with its original value, so that it is not compared with the damaged one the next time."""
    first, second = rejected()
    _, lines = sent_back(as_text(corrected([first, second], externalSystemId="413")).encode())
    assert {line["externalSystemId"] for line in lines} == {"0000413", "12000000000001"}
    damaged = [line | {"externalSystemId": line["externalSystemId"].lstrip("0")} for line in lines]
    made, lines = sent_back(as_text(damaged).encode(), run="third")
    assert [line["externalSystemId"] for line in lines] == ["0000413"]
    made, lines = sent_back(as_text(lines).encode(), run="fourth")
    assert (made.loaded, lines) == (1, [])


def test_of_several_loads_the_right_one_is_found(rejected, sent_back, library):
    """Yesterday's file comes back after tonight's load, which rejected other people in the same rows."""
    first, second = rejected()
    zoe = WRONG | {"externalSystemId": "0000777", "username": "zoe", "barcode": "0077"}
    zed = WRONG | {"externalSystemId": "0000778", "username": "zed", "barcode": "0078"}
    (library.folder / "exports" / "patrons.csv").write_text(as_text([GOOD, zoe, zed], ",", COLUMNS))
    assert library.loaded("tonight").rejected == 2
    made, (line,) = sent_back(as_text([*corrected([first], externalSystemId="413"), *corrected([second])]).encode())
    assert (made.loaded, line["externalSystemId"]) == (1, "0000413")


def test_without_the_rejects_the_report_warns(rejected, sent_back, library):
    """They were deleted because of their age; whether zeros are missing cannot be known."""
    lines = rejected()
    library.load("first").run.remove(names.REJECTS)
    made, _ = sent_back(as_text(corrected(lines)).encode())
    assert [(gate.gate, gate.state) for gate in made.gates] == [("corrected_rejects", "warned")]


def test_the_workbook_can_be_corrected_and_sent_again(rejected, sent_back, library):
    """A load leaves it beside the CSV file. Here a program corrects it as Excel does."""
    rejected()
    book = load_workbook(io.BytesIO(library.load("first").run.read(names.REJECTS_WORKBOOK)))
    rows = book.get_sheet_by_name("Rejects").to_python()
    out = io.BytesIO()
    with Workbook(out, {"in_memory": True}) as again:
        sheet = again.add_worksheet()
        for place, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(place, column, cell.replace("Oops", "Staff"))
    made, _ = sent_back(out.getvalue(), "corrected.xlsx")
    assert (made.loaded, made.rejected) == (2, 0)


def test_an_uploaded_file_is_loaded_without_a_path(rejected, library):
    """It lies in the run's own folder; and no run for a past day takes it for that day's export."""
    first, second = rejected()
    content = as_text([*corrected([first], externalSystemId="413"), *corrected([second])]).encode()
    run = library.load("uploaded").run
    moment = datetime(2026, 11, 20, 9, tzinfo=UTC)
    run.write(names.UPLOADED_FILE, content)
    file = {"name": "mine.csv", "path": "uploaded in Airflow by ann", "size": len(content), "sha256": "0" * 64}
    Uploaded(**file, modified=moment, fetched=moment, by="ann").write(run)
    made = library.loaded("uploaded")
    assert (made.loaded, made.rejected, made.export.name) == (1, 1, "mine.csv")
    asked = {name: Delivery.read(library.load(name).run).asked for name in ("first", "uploaded")}
    assert asked == {"first": library.load("first").path, "uploaded": file["path"]}
