"""The command line: what it writes, what it says, and how it exits."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress

import pytest
from pysequoia import Tsk, encrypt

from patronload.__main__ import main
from patronload.config import mapping_files, schemas

HEADER = "externalSystemId,username,barcode,patronGroup,lastName,firstName,email,phone,expirationDate\n"
EXPORT = HEADER + "u-1,ann,001,Student,Adams,Ann,,,\n"
EXPORT += "u-2,bob,002,Nobody,Baker,Bob,,,\nu-3,cas,003,Staff,Clark,Cas,,,2037-06-30\n"


@pytest.fixture
def include(project, tmp_path, monkeypatch):
    """A copy of include/ that a test may break."""
    copy = tmp_path / "include"
    shutil.copytree(project / "include", copy)
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(copy))
    return copy


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "patrons.csv"
    path.write_text(EXPORT)
    return path


def test_check_passes_the_files_of_the_repository(capsys):
    """Every tenant and mapping file is named, so that one can see that it was looked at."""
    assert main(["check"]) == 0
    told = capsys.readouterr().out
    for name in ("tenants/northfield.yaml", "tenants/stclare.yaml", "mappings/folio/banner_patrons.yaml"):
        assert f"✓ {name}" in told


def test_a_preview_for_infiniti_tells_what_only_infiniti_would_refuse(project, tmp_path, capsys):
    """Its own rules are known without asking it; who cannot borrow is told, and what is posted is shown."""
    export = project / "tests/samples/infiniti/school_patrons/what_infiniti_would_refuse/export.csv"
    out = tmp_path / "out"
    assert main(["preview", "--mapping", "infiniti/school_patrons", "--export", str(export), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "9 rows: 1 patron, 8 rejected" in told
    assert "Please note: 1 patron has no barcode and cannot borrow: row 10." in told
    (posted,) = (out / "patrons.jsonl").read_text().splitlines()
    assert json.loads(posted)["enabled"] == "Y"
    rejects = (out / "rejects.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(rejects) == 9
    assert ",3,plan,Leaves in,31,\"Leaves in '31': the graduation year is not written" in rejects[2]


def test_check_tells_every_mistake_with_its_line_and_goes_on(include, capsys):
    """One broken file does not hide the next; the exit code is for scripts."""
    tenant = include / "tenants" / "stclare.yaml"
    tenant.write_text(tenant.read_text().replace("max_rejects: 5%", "max_reject: 5%"))
    mapping = include / "mappings" / "folio" / "flat_patrons.yaml"
    mapping.write_text(
        mapping.read_text() + "\nexpect:\n  rows:\n    - expect_nothing: {column: a}\n    - expect_no: {}\n"
    )
    assert main(["check"]) == 1
    captured = capsys.readouterr()
    assert "✓ tenants/northfield.yaml" in captured.out
    told = " ".join(captured.err.split())
    assert "stclare.yaml, line 23: limits.max_reject: no such key; did you mean 'max_rejects'?" in told
    assert "flat_patrons.yaml, line 24: expect.rows[0].expect_nothing: no such check; " in told
    assert "flat_patrons.yaml, line 25: expect.rows[1].expect_no: no such check; " in told


def test_check_reads_all_files_even_if_one_raises_an_unexpected_error(include, capsys, monkeypatch):
    """The developers get the place in the code, the others their answer."""
    load = mapping_files.load_file
    monkeypatch.setattr(mapping_files, "load_file", lambda path: 1 / 0 if path.stem == "banner_patrons" else load(path))
    assert main(["check"]) == 1
    captured = capsys.readouterr()
    assert "✗ mappings/folio/banner_patrons.yaml" in captured.out
    assert "✓ mappings/infiniti/school_patrons.yaml" in captured.out
    told = " ".join(captured.err.split())
    assert "banner_patrons.yaml: this file causes an unexpected error. Unexpected ZeroDivisionError at" in told


def test_preview_writes_the_patrons_as_they_are_posted_the_rejects_and_a_report(export, tmp_path, capsys):
    """One record a line; every row is a patron or a reject."""
    out = tmp_path / "out"
    assert main(["preview", "--mapping", "folio/flat_patrons", "--export", str(export), "--out", str(out)]) == 0
    patrons = [json.loads(line) for line in (out / "patrons.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [patron["username"] for patron in patrons] == ["ann", "cas"]
    assert patrons[0] == {
        "externalSystemId": "u-1",
        "username": "ann",
        "barcode": "001",
        "active": True,
        "type": "patron",
        "patronGroup": "undergrad",
        "personal": {"lastName": "Adams", "firstName": "Ann", "preferredContactTypeId": "email"},
    }
    assert patrons[1]["expirationDate"] == "2037-06-30T23:59:59.000+00:00"
    rejects = (out / "rejects.csv").read_text(encoding="utf-8-sig").splitlines()
    assert rejects[0].startswith(HEADER.strip())
    assert rejects[1].startswith("u-2,bob,002,Nobody,Baker,Bob,,,")
    report = json.loads((out / "report.json").read_text())
    assert (report["rows"], report["patrons"], report["rejected"]) == (3, 2, 1)
    told = capsys.readouterr().out
    assert "3 rows: 2 patrons, 1 rejected" in told
    assert "not set up in the mapping yet" in " ".join(told.split())


def test_only_its_owner_can_read_a_preview(export, tmp_path, capsys):
    """It holds patrons; also where an earlier one was open to everyone."""
    out = tmp_path / "out"
    for _ in range(2):
        assert main(["preview", "--mapping", "folio/flat_patrons", "--export", str(export), "--out", str(out)]) == 0
        assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}
        for path in out.iterdir():
            path.chmod(0o644)
    assert out.stat().st_mode & 0o777 == 0o700


def test_preview_of_a_tenant_uses_its_layout_and_its_limits(export, tmp_path, capsys):
    """What would stop the load is said here already."""
    out = tmp_path / "out"
    assert main(["preview", "--tenant", "stclare", "--export", str(export), "--out", str(out)]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "The run would stop: 1 of 3 rows are rejected; limits.max_rejects allows 5%" in told


WITHOUT_CARDS = "externalSystemId,username,patronGroup,lastName,firstName,email,phone,expirationDate\n"
WITHOUT_CARDS += "u-1,ann,Student,Adams,Ann,,,\n"
LACKS = "The export has no column barcode"


@pytest.mark.parametrize("which", [["--mapping", "folio/flat_patrons"], ["--tenant", "stclare"]])
def test_preview_of_an_export_without_a_column_warns_as_the_load_does(which, include, tmp_path, capsys):
    """The field stays as it is; nobody shall ask the sender in vain."""
    (tmp_path / "export.csv").write_text(WITHOUT_CARDS)
    out = tmp_path / "out"
    assert main(["preview", *which, "--export", str(tmp_path / "export.csv"), "--out", str(out)]) == 0
    warning = f"{LACKS}. The fields that need it keep their value in FOLIO."
    assert f"Please note: {warning}" in " ".join(capsys.readouterr().out.split())
    assert json.loads((out / "report.json").read_text())["warnings"] == [warning]
    assert "barcode" not in json.loads((out / "patrons.jsonl").read_text())


def test_preview_stops_for_a_missing_column_where_the_tenants_load_would(include, tmp_path, capsys):
    """With source.missing_columns: stop."""
    tenant = include / "tenants" / "stclare.yaml"
    tenant.write_text(tenant.read_text().replace("source:\n", "source:\n  missing_columns: stop\n"))
    (tmp_path / "export.csv").write_text(WITHOUT_CARDS)
    arguments = ["--tenant", "stclare", "--export", str(tmp_path / "export.csv"), "--out", str(tmp_path / "out")]
    assert main(["preview", *arguments]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert f"The run would stop: {LACKS}. Is there a header line" in told
    assert "Please note" not in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--mapping", "folio/nope", "--export", "EXPORT"], "nope.yaml"),
        (["--mapping", "folio/flat_patrons", "--export", "nope.csv"], "nope.csv"),
        (["--tenant", "nope", "--export", "EXPORT"], "'nope'"),
    ],
)
def test_preview_says_in_one_sentence_what_is_not_there(arguments, told, export, tmp_path, capsys):
    """No traceback for a slip of the pen."""
    arguments = [str(export) if word == "EXPORT" else word for word in arguments]
    assert main(["preview", *arguments, "--out", str(tmp_path / "out")]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [("--delimiter", ""), ("--delimiter", '"'), ("--delimiter", "semicolon"), ("--encoding", "utf-9")]
)
def test_preview_refuses_a_layout_that_makes_no_sense(option, export, tmp_path, capsys):
    """In one sentence that names the option, with the exit code of wrong arguments."""
    out = str(tmp_path / "out")
    assert main(["preview", "--mapping", "folio/flat_patrons", "--export", str(export), "--out", out, *option]) == 2
    said = capsys.readouterr().err
    assert option[0] in said
    assert "String should" not in said


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    """Without the number of an error of the system."""
    assert main(["draft", "--export", "nope.csv", "--name", "elm", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "No such file or directory: 'nope.csv'\n"


def test_preview_takes_a_tab_as_people_write_it(export, tmp_path):
    """A shell makes it hard to type the sign itself."""
    export.write_text(EXPORT.replace(",", "\t"))
    out = str(tmp_path / "out")
    words = ["preview", "--mapping", "folio/flat_patrons", "--export", str(export), "--out", out, "--delimiter", "\\t"]
    assert main(words) == 0


def test_the_schemas_in_the_repository_are_those_of_the_models(include, project):
    """Run `python -m patronload schemas` after a change to the models."""
    assert main(["schemas"]) == 0
    for name in schemas.all_schemas():
        assert (project / "include" / "schemas" / name).read_text() == (include / "schemas" / name).read_text()


def test_a_draft_of_a_sample_passes_the_check_and_holds_nobody(include, export, capsys):
    """A library's first evening: two files that load as they are, and no patron's data in them."""
    assert main(["draft", "--export", str(export), "--name", "elm", "--out", str(include)]) == 0
    written = (include / "mappings/folio/elm.yaml").read_text() + (include / "tenants/elm.yaml").read_text()
    assert main(["check"]) == 0, capsys.readouterr().err
    assert "personal.lastName" in written
    assert "Adams" not in written
    assert "u-1" not in written


def test_a_draft_says_which_columns_found_no_field(include, tmp_path):
    """Other names, another delimiter, dates in their own way."""
    sample = tmp_path / "sample.csv"
    sample.write_text("Student ID;Login;SURNAME;Shoe size;Valid until\n1;a;Adams;44;31/08/2031\n")
    assert main(["draft", "--export", str(sample), "--name", "elm", "--out", str(include)]) == 0
    mapping = (include / "mappings/folio/elm.yaml").read_text()
    assert "# No field was found for these columns: Shoe size.\n" in mapping
    assert "column: Student ID" in mapping
    assert "date: '%d/%m/%Y'" in mapping
    assert "delimiter: ;" in (include / "tenants/elm.yaml").read_text()


def test_check_warns_about_what_a_draft_has_left_open(include, tmp_path, capsys):
    """A draft in a language that it does not know passes the check, and says what a person still has to write."""
    sample = tmp_path / "sample.csv"
    sample.write_text("Personnr;Fornamn;Efternamn\n1;a;Adams\n")
    assert main(["draft", "--export", str(sample), "--name", "elm", "--out", str(include)]) == 0
    capsys.readouterr()
    assert main(["check", "elm"]) == 0
    warned = " ".join(capsys.readouterr().err.split())
    asked = "externalSystemId, username, personal.lastName: write the column's name instead of 'WHICH COLUMN?'."
    assert f"Warning: elm.yaml: mapping: in folio/elm.yaml, {asked}" in warned


@pytest.mark.parametrize("name", ["Northfield", "a b", "../x", ""])
def test_a_draft_has_a_name_that_a_tenant_may_have(include, export, capsys, name):
    """Nothing is written elsewhere, and no file that does not load."""
    with pytest.raises(SystemExit):
        main(["draft", "--export", str(export), "--name", name, "--out", str(include)])
    assert "must be lower-case letters, digits and _, beginning with a letter" in capsys.readouterr().err


@pytest.fixture(scope="module")
def pgp_key():
    return Tsk.generate("Loader <loader@college.example>")


@pytest.mark.parametrize("which", [["--mapping", "folio/flat_patrons"], ["--tenant", "stclare"]])
def test_preview_of_an_encrypted_export(which, pgp_key, include, export, tmp_path, capsys):
    """With the private key in a file; nothing but its name is told of it."""
    tenant = include / "tenants" / "stclare.yaml"
    tenant.write_text(tenant.read_text().replace("source:\n", "source:\n  pgp: stclare_pgp\n"))
    (tmp_path / "key.asc").write_text(str(pgp_key))
    closed = tmp_path / "patrons.csv.pgp"
    closed.write_bytes(encrypt(WITHOUT_CARDS.encode(), recipients=[pgp_key.extract_certificate()]))
    key = ["--pgp-key", str(tmp_path / "key.asc")]
    call = ["preview", *which, "--export", str(closed), "--out", str(tmp_path / "out")]
    assert main([*call, *key]) == 0
    assert "1 rows: 1 patron, 0 rejected" in capsys.readouterr().out
    assert main(call) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert ("encrypted with PGP (see source.pgp" in told) if "--mapping" in which else ("--pgp-key FILE" in told)
    closed.write_bytes(WITHOUT_CARDS.encode())
    assert main([*call, *key]) == 1
    assert "The export is not encrypted" in " ".join(capsys.readouterr().err.split())


def test_preview_with_the_passphrase_of_a_key(pgp_key, export, tmp_path, capsys, monkeypatch):
    """From the environment; a wrong one is told with the way out, and without the key."""
    (tmp_path / "key.asc").write_text("nonsense")
    call = ["preview", "--mapping", "folio/flat_patrons", "--export", str(export), "--out", str(tmp_path / "out")]
    export.write_bytes(encrypt(export.read_bytes(), recipients=[pgp_key.extract_certificate()]))
    assert main([*call, "--pgp-key", str(tmp_path / "key.asc")]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "The PGP key of the file key.asc cannot be used" in told
    assert "PATRONLOAD_PGP_PASSPHRASE" in told


def test_preview_names_filled_columns_that_no_rule_reads(tmp_path, capsys):
    """A column that was forgotten is seen while the mapping is written; an empty one is not mentioned."""
    export = tmp_path / "patrons.csv"
    export.write_text(
        "externalSystemId,username,patronGroup,lastName,shoeSize,hatSize\n1,ann,Staff,Adams,38,\n2,bob,Staff,Baker,,\n"
    )
    arguments = ["--mapping", "folio/flat_patrons", "--export", str(export), "--out", str(tmp_path / "out")]
    main(["preview", *arguments])
    printed = " ".join(capsys.readouterr().out.split())
    assert "No rule reads these columns: shoeSize (1 filled)." in printed


def test_preview_of_a_file_without_a_header_shows_no_patron(tmp_path, capsys):
    """Its first line is a person, and a name must not be taken for a column."""
    export = tmp_path / "patrons.csv"
    export.write_text("1,ann,Adams\n2,bob,Baker\n")
    arguments = ["--mapping", "folio/flat_patrons", "--export", str(export), "--out", str(tmp_path / "out")]
    assert main(["preview", *arguments]) == 1
    assert "Adams" not in "".join(capsys.readouterr()) + (tmp_path / "out/report.json").read_text()


FEW_RULES = """
target: folio
fields:
  externalSystemId: ID
  username: ID
  patronGroup: ROLE
  personal.lastName: LAST
  personal.addresses[0].addressTypeId: TYPE
  personal.addresses[0].city: CITY
"""


def test_preview_warns_of_patrons_without_a_group_and_addresses_without_a_type(tmp_path):
    """As a load does: FOLIO cannot store such an address, and such a patron cannot borrow."""
    (tmp_path / "m.yaml").write_text(FEW_RULES)
    export = tmp_path / "patrons.csv"
    export.write_text("ID,ROLE,LAST,TYPE,CITY\n1,staff,Adams,Home,Cork\n2,,Baker,,Cork\n")
    out = tmp_path / "out"
    assert main(["preview", "--mapping", str(tmp_path / "m.yaml"), "--export", str(export), "--out", str(out)]) == 0
    posted = [json.loads(line)["personal"] for line in (out / "patrons.jsonl").read_text().splitlines()]
    assert [person.get("addresses") for person in posted] == [[{"addressTypeId": "Home", "city": "Cork"}], None]
    warnings = " ".join(json.loads((out / "report.json").read_text())["warnings"])
    assert "In row 3 a new patron has no patron group" in warnings
    assert "In row 3 an address has no type" in warnings


@pytest.mark.parametrize(
    "which", ["folio/flat_patrons.yaml", "MAPPINGS/folio/flat_patrons.yaml", "MAPPINGS/folio/flat_patrons"]
)
def test_preview_takes_a_mapping_by_its_path_too(which, include, export, tmp_path):
    """With and without .yaml."""
    which = which.replace("MAPPINGS", str(include / "mappings"))
    assert main(["preview", "--mapping", which, "--export", str(export), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/patrons.jsonl").read_text().count("\n") == 2


def test_preview_of_a_tenant_with_another_delimiter_and_encoding(export, tmp_path):
    """A file that somebody saved again in a spreadsheet."""
    export.write_bytes(
        EXPORT.replace(",", ";").replace("Adams", "Núñez").replace("Nobody", "Staff").encode("mac_roman")
    )
    words = ["--tenant", "stclare", "--delimiter", ";", "--encoding", "mac_roman"]
    assert main(["preview", *words, "--export", str(export), "--out", str(tmp_path / "out")]) == 0
    assert "Núñez" in (tmp_path / "out/patrons.jsonl").read_text(encoding="utf-8")


def test_preview_applies_the_rules_of_folio_that_need_no_folio(tmp_path, capsys):
    """What FOLIO refuses in any case is rejected here already, and what it would drop is left out with a warning."""
    columns = "externalSystemId,username,patronGroup,lastName,id,preferredContactTypeId,preferredEmailCommunication,"
    columns += "requestPreference_delivery,active\n"
    lines = [
        "1,ann,staff,Adams,,fax,Support,,y",
        "2,bob,staff,Baker,not-a-uuid,email,,,y",
        "3,cas,staff,Clark,,email,Adverts,,y",
        "4,dan,staff,Dee,,email,,y,y",
    ]
    mapping = tmp_path / "own.yaml"
    mapping.write_text("""target: folio
fields:
  externalSystemId: {column: externalSystemId, required: true}
  username: {column: username, required: true}
  patronGroup: patronGroup
  personal.lastName: {column: lastName, required: true}
  id: id
  personal.preferredContactTypeId: preferredContactTypeId
  preferredEmailCommunication: {column: preferredEmailCommunication, split: ";"}
  requestPreference.holdShelf: {value: true}
  requestPreference.delivery: {column: requestPreference_delivery, lookup: yes_no}
  requestPreference.fulfillment: {cases: [{when: {column: requestPreference_delivery, is: x}, value: Delivery}]}
  requestPreference.defaultDeliveryAddressTypeId: {cases: [{when: {column: lastName, is: x}, value: Home}]}
lookups:
  yes_no: {y: true, n: false}
""")
    (tmp_path / "patrons.csv").write_text(columns + "\n".join(lines) + "\n")
    words = ["--mapping", str(mapping), "--export", str(tmp_path / "patrons.csv"), "--out", str(tmp_path / "out")]
    assert main(["preview", *words]) == 0
    (posted,) = (tmp_path / "out/patrons.jsonl").read_text().splitlines()
    assert "preferredContactTypeId" not in json.loads(posted)["personal"]
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert any("contact type" in warning and "'fax'" in warning for warning in report["warnings"])
    reasons = " ".join(reason["summary"] for reason in report["reasons"])
    assert [word in reasons for word in ("UUID", "Support, Programs and Services", "delivery needs")] == [True] * 3
    assert (tmp_path / "out/rejects.xlsx").exists()


def test_preview_writes_what_was_noted_and_nothing_of_an_earlier_one(include, export, tmp_path):
    """Row by row, for a spreadsheet."""
    mapping = include / "mappings/folio/flat_patrons.yaml"
    mapping.write_text(mapping.read_text() + "expect: {warn: [expect_column_values_to_not_be_null: {column: email}]}\n")
    words = ["preview", "--mapping", "folio/flat_patrons", "--export", str(export), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert (tmp_path / "out/noted.csv").read_text(encoding="utf-8-sig").count("email") == 6
    export.write_text(EXPORT.replace(",,,", ",a@x.example,,").replace("Nobody", "Staff"))
    assert main(words) == 0
    assert [(tmp_path / "out" / name).exists() for name in ("noted.csv", "rejects.xlsx")] == [False, False]


def test_a_closed_pipe_ends_the_output_and_not_the_work(project, export, tmp_path):
    """As in `preview ... | head -1`: no traceback, the files are there, and the exit code is that of the work."""
    script = "import sys; from patronload.__main__ import main; sys.stdin.readline(); sys.exit(main(sys.argv[1:]))"
    words = ["preview", "--mapping", "folio/flat_patrons", "--export", str(export), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(project / "plugins")},
    )
    process.stdout.close()  # nobody reads, before anything is written
    process.stdin.write(b"go\n")
    process.stdin.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), errors) == (0, b"")
    assert (tmp_path / "out/report.json").exists()


def on_a_screen(words, project, tmp_path):
    """What a command prints on a terminal of 60 columns."""
    ours, theirs = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"PYTHONPATH": str(project / "plugins"), "TERM": "xterm-256color", "COLUMNS": "60", "LINES": "40"}
    command = [sys.executable, "-m", "patronload", *words]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment):
        os.close(theirs)
        printed = b""
        with suppress(OSError):  # the other end is closed
            while part := os.read(ours, 4096):
                printed += part
    os.close(ours)
    return printed.decode()


def test_colours_wrapped_lines_and_progress_are_for_a_screen_only(project, tmp_path):
    """In a pipe there is only the text, each sentence and each line of a table on one line."""
    export = str(project / "docs/examples/patrons.csv")
    words = ["preview", "--mapping", "folio/flat_patrons", "--export", export, "--out", str(tmp_path / "out")]
    shown = on_a_screen(words, project, tmp_path)
    assert "Checking and mapping the export" in shown
    assert "\x1b[1m" in shown, "bold"
    piped = subprocess.run(
        [sys.executable, "-m", "patronload", *words],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(project / "plugins"), "COLUMNS": "60"},
    )
    assert b"\x1b" not in piped.stdout + piped.stderr
    assert b"Checking and mapping" not in piped.stdout + piped.stderr
    (written,) = (line for line in piped.stdout.decode().splitlines() if line.startswith("Written to"))
    assert len(written) > 60
    assert b"barcode (barcode) is the same in two or more rows" in piped.stdout
    assert "barcode (barcode) is the same in two or more rows" not in shown


def test_a_draft_never_replaces_a_file_without_being_asked(include, export, capsys):
    """Neither of the two is written; --force replaces them."""
    words = ["draft", "--export", str(export), "--name", "northfield", "--out", str(include)]
    before = (include / "tenants/northfield.yaml").read_text()
    assert main(words) == 1
    assert "already exist" in capsys.readouterr().err
    assert (include / "tenants/northfield.yaml").read_text() == before
    assert not (include / "mappings/folio/northfield.yaml").exists()
    assert main([*words, "--force"]) == 0
    assert (include / "tenants/northfield.yaml").read_text() != before


def test_a_draft_with_a_delimiter_of_its_own(include, tmp_path):
    """One that a draft does not try by itself."""
    (tmp_path / "sample.txt").write_text("id~login~last\n1~ann~Adams\n")
    words = ["draft", "--export", str(tmp_path / "sample.txt"), "--name", "elm", "--out", str(include)]
    assert main(words) == 1
    assert main([*words, "--delimiter", "~"]) == 0
    assert "delimiter: '~'" in (include / "tenants/elm.yaml").read_text().replace('"', "'")
