"""The steps of a load, one after the other, without a scheduler: a folder, the stand-in FOLIO, a run folder."""

import gzip
import html
import json
import shutil
from datetime import date

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pysequoia import Tsk, encrypt

from patronload.artifacts import names, tables
from patronload.artifacts.run import Run
from patronload.config import tenants
from patronload.errors import (
    ConfigError,
    Defect,
    RefusedError,
    SourceError,
    TargetError,
    TransientError,
    ValidationError,
)
from patronload.loads import leases
from patronload.loads.load import Load
from patronload.loads.posting import post
from patronload.reporting import smtp
from patronload.targets.folio.user_import import UserImport
from sandbox.folio import FolioServer, FolioTenant
from tests import stages

COLUMNS = [
    "externalSystemId",
    "username",
    "barcode",
    "patronGroup",
    "lastName",
    "firstName",
    "email",
    "phone",
    "expirationDate",
]
GOOD = ["u-1,ann,001,Student,Adams,Ann,,,\n", "u-2,bob,002,Staff,Baker,Bob,,,\n", "u-3,cas,003,Staff,Clark,Cas,,,\n"]


@pytest.fixture(scope="module")
def folio():
    """A FOLIO with one tenant for each test that wants an empty one."""
    with FolioServer([FolioTenant("main", "loader", "secret-of-folio")]) as server:
        yield server


@pytest.fixture(scope="module")
def include(project, tmp_path_factory, folio):
    """Tenant files with one library, whose exports lie in a folder."""
    folder = tmp_path_factory.mktemp("library")
    shutil.copytree(project / "include" / "mappings", folder / "include" / "mappings")
    tenant = {
        "tenant": "lib",
        "library": "A Library",
        "mapping": "folio/flat_patrons",
        "timezone": "Europe/Dublin",
        "source": {"type": "folder", "path": str(folder / "patrons.csv"), "quiet_seconds": 0},
        "target": {"type": "folio", "connection": "lib_folio", "folio_tenant": "main", "chunk_size": 3, "send": "all"},
        "limits": {"max_rejects": "100%"},
        "notify": {"on_failure": ["oncall@lib.example"]},
    }
    (folder / "include" / "tenants").mkdir()
    (folder / "include" / "tenants" / "lib.yaml").write_text(yaml.safe_dump(tenant))
    return folder


@pytest.fixture(autouse=True)
def settings_of_the_library(include, folio, monkeypatch):
    connection = {"conn_type": "http", "host": folio.url, "login": "loader", "password": "secret-of-folio"}
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(include / "include"))
    monkeypatch.setenv("AIRFLOW_CONN_LIB_FOLIO", json.dumps(connection))


@pytest.fixture
def load(include, tmp_path):
    """A load of the lines given, in a run folder of its own."""
    count = iter(range(10**6))

    def make(lines, **options):
        (include / "patrons.csv").write_text(",".join(COLUMNS) + "\n" + "".join(lines), encoding="utf-8")
        name = f"run{next(count)}"
        return Load(tenants.load("lib"), Run(tmp_path / name / "lib" / "run"), name, date(2026, 11, 21), **options)

    return make


def until(load, last):
    """Take the steps up to and with `last`; what that one handed on."""
    for step in (stages.fetch, stages.validate, stages.transform, stages.plan, stages.post, stages.report):
        handed_on = step(load)
        if step is last:
            return handed_on
    return None


def test_a_step_that_runs_again_makes_its_artifacts_anew_until_something_was_sent(load, include):
    """A mended file can be fetched in the same run; after the first chunk the run goes on with what it sent."""
    first = load(GOOD[:2])
    assert until(first, stages.validate)["rows"] == 2
    (include / "patrons.csv").write_text(",".join(COLUMNS) + "\n" + "".join(GOOD))
    assert until(first, stages.plan)["new"] == 3
    stages.post(first)
    (include / "patrons.csv").write_text(",".join(COLUMNS) + "\n" + "u-9,zoe,009,Staff,Zed,Zoe,,,\n")
    before = first.run.read(names.EXPORT), first.run.read(names.PATRONS)
    assert set(until(first, stages.plan)) == {"kept"}
    assert (first.run.read(names.EXPORT), first.run.read(names.PATRONS)) == before


def test_chunks_of_an_earlier_try_do_not_stay_behind(load, include):
    """A shorter file makes fewer chunks; an old one must not be sent along."""
    again = load([f"u-{n},l{n},{n},Staff,L{n},,,,\n" for n in range(9)])
    until(again, stages.plan)
    assert len(again.run.names("chunks")) == 3
    (include / "patrons.csv").write_text(",".join(COLUMNS) + "\n" + GOOD[0])
    until(again, stages.transform)
    assert again.run.names("chunks") == []
    stages.plan(again)
    assert again.run.names("chunks") == ["chunks/0001.json.zst"]


def test_nothing_of_another_file_stays_behind(load, include):
    """Rejects, and how full the fields were, would be taken for those of a file that turns out to be loaded already."""
    first = load(GOOD)
    until(first, stages.report)
    (include / "patrons.csv").write_text(",".join(COLUMNS) + "\n" + "u-4,dan,004,Staff,,Dan,,,\n" + GOOD[0])
    again = first._replace(run=first.run.sibling("again"), run_id="again")
    for stage in (stages.fetch, stages.validate, stages.transform, stages.plan, stages.report):
        stage(again)
    gone = (names.REJECTS, names.REJECTS_WORKBOOK, names.FIELDS, names.PATRONS, names.TRANSFORM_REJECTS, names.PLAN)
    assert all(again.run.has(name) for name in gone)
    (include / "patrons.csv").write_text(",".join(COLUMNS) + "\n" + "".join(GOOD))
    stages.fetch(again)
    assert set(stages.validate(again)) == {"already_loaded"}
    assert not [name for name in gone if again.run.has(name)]


def test_what_stopped_a_run_is_left_behind_until_the_step_goes_well(load, include):
    """The report knows it without Airflow, and a run that was mended is not told as failed."""
    broken = load(GOOD)
    (include / "patrons.csv").unlink()
    with pytest.raises(SourceError):
        stages.fetch(broken)
    assert broken.run.read_json(names.FAILURE)["stage"] == "fetch"
    assert stages.report(broken)["outcome"] == "no_file"
    mended = Load(*load(GOOD)[:1], *broken[1:])
    assert until(mended, stages.report)["outcome"] == "loaded"
    assert not broken.run.has(names.FAILURE)


def test_an_unexpected_error_names_its_place_and_hides_its_text(load, monkeypatch):
    """A library's exception may quote a cell; it must not reach the log, the mail or the report."""
    odd = load(GOOD)
    until(odd, stages.fetch)

    def fail(*_):
        raise KeyError("Adams, Ann")

    monkeypatch.setattr("patronload.exports.reading.read", fail)
    with pytest.raises(Defect) as caught:
        stages.validate(odd)
    assert "KeyError" in str(caught.value)
    assert "test_steps.py" in str(caught.value)
    assert "Adams" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "Adams" not in json.dumps(odd.run.read_json(names.FAILURE))


def test_too_many_rejects_after_the_mapping_stop_the_run_too(load, include):
    """An unlisted code in every row is found only by the mapping; it is the same limit."""
    strict = load(["u-1,ann,001,Nobody,Adams,Ann,,,\n", *GOOD[1:]])
    limits = strict.tenant.limits.model_copy(update={"max_rejects": "10%"})
    strict = strict._replace(tenant=strict.tenant.model_copy(update={"limits": limits}))
    until(strict, stages.validate)
    with pytest.raises(ValidationError, match="1 of 3 rows are rejected"):
        stages.transform(strict)
    assert strict.run.names("chunks") == []
    assert stages.report(strict)["outcome"] == "stopped"
    assert "Nobody" in strict.run.read(names.REJECTS).decode("utf-8-sig")


def test_rejects_that_were_mended_load(load):
    """The library's way back: open rejects.csv, mend the cell, send the file."""
    wrong = load([*GOOD, "u-4,dee,004,Nobody,=Dee,Dee,,,\n"])
    until(wrong, stages.report)
    rejected = wrong.run.read(names.REJECTS).decode("utf-8-sig").splitlines(keepends=True)
    assert len(rejected) == 2
    mended = rejected[1].replace("Nobody", "Staff", 1)
    again = load([])
    again.run.write(names.EXPORT, (rejected[0] + mended).encode())
    for step in (stages.validate, stages.transform, stages.plan, stages.post):
        handed_on = step(again)
    assert (handed_on["created"], handed_on["failed"]) == (1, 0)
    assert '"lastName":"=Dee"' in pl.read_parquet(again.run.folder / names.PATRONS)["patron"][0]


@pytest.fixture
def with_source(load):
    """A load whose tenant says something else of its source."""

    def make(**changed):
        one = load([])
        source = one.tenant.source.model_copy(update=changed)
        return one._replace(tenant=one.tenant.model_copy(update={"source": source}))

    return make


def test_several_files_are_one_delivery(with_source, include, tmp_path):
    """Each is kept as it came, packed or not; every row of them is accounted for, and the stated file counts."""
    folder = tmp_path / "exports"
    folder.mkdir()
    header = ",".join(COLUMNS) + "\n"
    (folder / "a.csv").write_text(header + "u-91,ann,091,Student,Adams,Ann,,,\n")
    (folder / "b.csv.gz").write_bytes(
        gzip.compress((header + "u-91,ann,091,Staff,Adams,Ann,,,\nu-92,bea,092,Staff,Bell,Bea,,,\n").encode())
    )
    delivery = with_source(path=str(folder / "*"), files="all", same_person="first")
    assert stages.fetch(delivery)["more_files"] == 1
    assert delivery.run.read("more/0002.csv") == (folder / "b.csv.gz").read_bytes()
    assert stages.validate(delivery) == {"rows": 3, "rejected": 1}
    assert stages.transform(delivery) == {"patrons": 2, "rejected": 1}
    patrons = pl.read_parquet(delivery.run.folder / names.PATRONS)
    assert [json.loads(patron)["patronGroup"] for patron in patrons["patron"]] == ["undergrad", "staff"]


def test_an_encrypted_export_loads_and_an_open_one_is_refused(with_source, include, monkeypatch):
    """Only the library's own mended rejects may come back in the open."""
    key = Tsk.generate("Loader <loader@college.example>")
    connection = {"conn_type": "generic", "extra": {"private_key": str(key)}}
    monkeypatch.setenv("AIRFLOW_CONN_LIB_PGP", json.dumps(connection))
    text = (",".join(COLUMNS) + "\n" + "".join(GOOD)).encode()
    closed = with_source(pgp="lib_pgp", path=str(include / "patrons.csv"))
    (include / "patrons.csv").write_bytes(text)
    stages.fetch(closed)
    closed.run.write(names.EXPORT, encrypt(text, recipients=[key.extract_certificate()]))
    assert stages.validate(closed) == {"rows": len(GOOD), "rejected": 0}
    closed.run.write(names.EXPORT, text)
    with pytest.raises(SourceError, match="The export is not encrypted"):
        stages.validate(closed)
    mended = text.replace(b"expirationDate\n", b"expirationDate,reject_row,reject_reason\n").replace(b",\n", b",,2,x\n")
    closed.run.write(names.EXPORT, mended)
    assert stages.validate(closed)["rows"] == len(GOOD)


def test_a_run_by_hand_takes_another_file_of_the_same_folder_and_no_other(load, include):
    """Whoever may start a run may not read any file of the machine."""
    (include / "other.csv").write_text(",".join(COLUMNS) + "\n" + GOOD[2])
    other = load(GOOD[:2], source_path="other.csv")
    assert until(other, stages.validate)["rows"] == 1
    for path in ("/etc/passwd", "../other.csv", f"{include}/../x.csv", "file:///etc/passwd", f"{include}/sub/x.csv"):
        with pytest.raises(ConfigError, match="folder of this tenant's exports"):
            stages.fetch(load(GOOD, source_path=path))


def test_a_wrong_password_is_told_without_it(load, folio, monkeypatch):
    """The connection is named, its secret is not."""
    wrong = {"conn_type": "http", "host": folio.url, "login": "loader", "password": "hunter2-hunter2"}
    monkeypatch.setenv("AIRFLOW_CONN_LIB_FOLIO", json.dumps(wrong))
    refused = load(GOOD)
    until(refused, stages.transform)
    before = len(folio.journal)
    with pytest.raises(TargetError, match="lib_folio") as caught:
        stages.plan(refused)
    assert len(folio.journal) == before + 1, "many wrong tries lock an account"
    assert "hunter2" not in str(caught.value)
    assert refused.run.names("sent") == []
    assert stages.report(refused)["not_sent"] == 3


KEYS = st.sampled_from(["", "a", "A", "á", "b", "B ", "c", "d", "e", "f", "g"])
GROUPS = st.sampled_from(["Student", "Staff", "Nobody", ""])
DATES = st.sampled_from(["", "2027-01-31", "2027-02-31"])
ROWS = st.tuples(KEYS, KEYS, KEYS, GROUPS, st.sampled_from(["Doe", "", "O'Neil"]), DATES)
LINES = st.one_of(
    ROWS.map(lambda row: ",".join([*row[:5], "", "", "", row[5]]) + "\n"),
    st.sampled_from(["\n", "only,three,cells\n", ",,,,,,,,\n"]),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, max_size=12))
def test_every_row_of_every_export_is_accounted_for(load, folio, lines):
    """rows = created + updated + failed + rejected, counted against the file and against FOLIO, whatever the file."""
    store = folio.store("main")
    before = len(store.users)
    delivered = sum(1 for line in lines if line.strip(",\n"))
    try:
        told = until(load(lines), stages.report)
    except ValidationError:
        assert delivered == 0, "only an empty export may stop here"
        return
    assert told["rows"] == delivered
    assert told["rows"] == told["created"] + told["updated"] + told["failed"] + told["rejected"]
    assert told["not_sent"] == 0
    assert len(store.users) - before == told["created"]


def test_the_patrons_are_exactly_what_is_posted(load):
    """planned.parquet, the chunks and the order of the rows are one and the same; new patrons are what was mapped."""
    whole = load(GOOD * 1)
    until(whole, stages.plan)
    patrons = pl.read_parquet(whole.run.folder / names.PATRONS)
    planned = pl.read_parquet(whole.run.folder / names.PLANNED)
    assert planned["row"].to_list() == [2, 3, 4]
    assert planned["chunk"].to_list() == [1, 1, 1]
    import zstandard

    body = json.loads(zstandard.decompress(whole.run.read("chunks/0001.json.zst")))
    assert body["users"] == [json.loads(text) for text in patrons["patron"]]
    assert body["totalRecords"] == 3
    assert "deactivateMissingUsers" not in body


def planned(load, lines, **changed):
    """A load whose tenant has other settings of the target, taken up to and with `plan`."""
    made = load(lines)
    source = {"missing_columns": changed.pop("missing_columns", "stop")}
    tenant = made.tenant.model_copy(
        update={
            "target": made.tenant.target.model_copy(update=changed),
            "source": made.tenant.source.model_copy(update=source),
        }
    )
    made = made._replace(tenant=tenant)
    for step in (stages.fetch, stages.validate, stages.transform):
        step(made)
    return made


def test_what_the_plan_sets_aside_is_a_reject_of_its_own_stage(load, folio):
    """The library finds the row in rejects.csv and in the report, counted once; the others load."""
    planned_load = planned(load, ["p-1,pia,p1,Student,Pax,Pia,,,\n", "p-2,PIA,p2,Student,Pax,Paul,,,\n"][:1])
    stages.plan(planned_load)
    stages.post(planned_load)
    other = planned(load, ["p-2,Pía,p2,Student,Pax,Paul,,,\n", "p-3,pat,p3,Staff,Pax,Pat,,,\n"])
    assert stages.plan(other) == {"new": 1, "known": 0, "unchanged": 0, "chunks": 1, "rejected": 1}
    stages.post(other)
    told = stages.report(other)
    assert (told["created"], told["rejected"], told["failed"], told["not_sent"]) == (1, 1, 0, 0)
    rejects = other.run.read(names.REJECTS).decode("utf-8-sig").splitlines()
    assert len(rejects) == 2
    assert ",plan,username,Pía," in rejects[1]
    (reason,) = other.run.read_json(names.REPORT)["reasons"]
    assert reason["stage"] == "plan"
    assert "pia" not in json.dumps(other.run.read_json(names.REPORT)).lower()


def test_a_row_that_was_refused_before_is_told_to_whom_it_is_in_the_way(load, folio):
    """Its patron is in the file: the other row names it, and nobody is told to change an externalSystemId."""
    until(load(["r-1,ria,card-r,Student,Roe,Ria,,,\n"]), stages.post)
    planned_load = planned(load, ["r-2,rex,card-r,Student,Roe,Rex,,,\n", "r-1,ria,card-s,Student,,Ria,,,\n", GOOD[0]])
    stages.plan(planned_load)
    (line,) = tables.read(planned_load.run, names.PLAN_REJECTS).iter_rows(named=True)
    assert line["row"] == 2
    assert line["reason"].endswith("row 3, which was set aside too")


def refusing(load, folio, rows, refused, **limits):
    """A load up to plan, of which FOLIO will refuse some rows, each with status 200."""
    letter = chr(ord("a") + rows % 26)
    made = planned(
        load, [f"{letter}-{n},{letter}{n},{letter}{n},Staff,L{n},,,,\n" for n in range(rows)], chunk_size=200
    )
    tenant = made.tenant.model_copy(update={"limits": made.tenant.limits.model_copy(update=limits)})
    made = made._replace(tenant=tenant)
    stages.plan(made)
    users = [{"externalSystemId": f"{letter}-{n}", "errorMessage": "Failed to update: 500"} for n in range(refused)]
    figures = {"totalRecords": rows, "createdRecords": rows - refused, "failedRecords": refused, "failedUsers": users}
    folio.faults.answer(200, body=json.dumps({"message": "Users were imported successfully.", **figures}))
    return made


@pytest.mark.parametrize(
    ("refused", "max_rejects", "words"),
    [(10, "100%", "refused all 10 patrons"), (3, "20%", "3 of 10 rows were not loaded"), (2, "20%", None)],
)
def test_a_load_that_folio_refuses_is_no_success(load, folio, refused, max_rejects, words):
    """Status 200 or not: over the limit the run has failed, is told so with its figures, and may be loaded again."""
    made = refusing(load, folio, 10, refused, max_rejects=max_rejects)
    if words is None:
        stages.post(made)
        assert stages.report(made)["outcome"] == "loaded_with_rejects"
        return
    for _ in range(2):  # clearing it is safe, and changes nothing
        before = len(folio.imports)
        with pytest.raises(RefusedError, match=words):
            stages.post(made)
        told = stages.report(made)
        assert (told["outcome"], told["rows"], told["failed"]) == ("failed", 10, refused)
        assert (told["created"], told["not_sent"], told["unconfirmed"]) == (10 - refused, 0, 0)
    assert len(folio.imports) == before
    again = made._replace(run=Run(made.run.folder.parents[1] / "again" / "lib" / "run"), run_id="again")
    assert until(again, stages.validate) == {"rows": 10, "rejected": 0}, "it was not loaded already"


def test_limits_do_not_hold_for_a_load_that_is_wanted_anyway(load, folio):
    """A person gave a reason, or has mended a few rows; but nothing at all is no load for them either."""
    stages.post(refusing(load, folio, 11, 5, max_rejects="1%")._replace(load_anyway="the new term"))
    mended = refusing(load, folio, 13, 5, max_rejects="1%")
    mended.run.write_json(names.FACTS, mended.run.read_json(names.FACTS) | {"mended": True})
    stages.post(mended)
    with pytest.raises(RefusedError, match="refused all 12"):
        stages.post(refusing(load, folio, 12, 12, max_rejects="1%")._replace(load_anyway="the new term"))


def test_a_gateway_that_refuses_in_mid_load(load, folio):
    """A 400 that is not FOLIO's own looks as if patrons were wrong; the run fails all the same, and all are counted."""
    made = planned(load, [f"g-{n},g{n},g{n},Staff,L{n},,,,\n" for n in range(20)], chunk_size=5)
    tenant = made.tenant.model_copy(update={"limits": made.tenant.limits.model_copy(update={"max_rejects": "10%"})})
    made = made._replace(tenant=tenant)
    stages.plan(made)
    folio.faults.answer(400, nth=2, times=1000, body="Tenant not enabled")
    with pytest.raises(RefusedError, match="15 of 20 rows were not loaded"):
        stages.post(made)
    folio.faults.clear()
    told = stages.report(made)
    assert (told["outcome"], told["created"], told["failed"], told["not_sent"]) == ("failed", 5, 15, 0)


@pytest.fixture
def wizards(folio):
    """Patron groups that FOLIO does not have any more."""
    groups = folio.store("main").groups
    staff = groups.find("group", "staff")
    groups.delete(staff["id"])
    yield
    groups.put(staff)


def test_a_stop_of_the_plan_is_told_with_its_findings(load, wizards):
    """Nothing is sent; every row is accounted for; the report says what FOLIO does not know."""
    stopped = planned(load, GOOD, unknown_values="stop")
    with pytest.raises(TargetError, match=r"the patron group 'staff' \(2 rows\)"):
        stages.plan(stopped)
    told = stages.report(stopped)
    assert (told["outcome"], told["rows"], told["rejected"], told["not_sent"]) == ("failed", 3, 2, 1)
    assert stopped.run.names("chunks") == stopped.run.names("sent") == []


def test_too_many_rejects_of_the_plan_stop_the_run(load, wizards):
    """The limit is one for all stages."""
    strict = planned(load, GOOD)
    limits = strict.tenant.limits.model_copy(update={"max_rejects": "50%"})
    strict = strict._replace(tenant=strict.tenant.model_copy(update={"limits": limits}))
    with pytest.raises(ValidationError, match="2 of 3 rows are rejected"):
        stages.plan(strict)
    told = stages.report(strict)
    assert (told["outcome"], told["rejected"], told["not_sent"]) == ("stopped", 2, 1)
    assert not strict.run.has(names.PLANNED)


def test_a_warning_of_the_plan_is_in_the_report(load, wizards):
    """Whoever gets the mail learns which value FOLIO does not know."""
    warned = planned(load, GOOD)
    stages.plan(warned)
    stages.report(warned)
    assert "'staff' (2 rows)" in warned.run.read_json(names.REPORT)["warnings"][0]
    assert "'staff' (2 rows)" in html.unescape(warned.run.read(names.REPORT_PAGE).decode())


def test_a_dry_run_plans(load, folio):
    """It tells what would be sent and what would not, and FOLIO is as before."""
    before = len(folio.store("main").users)
    dry = planned(load, ["d-1,dan,d1,Student,Dun,Dan,,,\n"])._replace(dry_run=True)
    stages.plan(dry)
    told = stages.report(dry)
    assert (told["outcome"], told["not_sent"]) == ("dry_run", 1)
    assert len(folio.store("main").users) == before


def test_a_missing_column_keeps_the_field(load, include, folio):
    """By default; erasing is for blank cells only. With `stop` the run stops, and always for a required column."""
    header, cells = ",".join(COLUMNS), "m-1,mia,m1,Student,Moon,Mia,,555,\n"
    first = planned(load, [cells])
    stages.plan(first)
    stages.post(first)
    again = load([])
    short = header.replace(",phone", ""), cells.replace(",555", "").replace("Moon", "Sun")
    (include / "patrons.csv").write_text("\n".join(short))
    target = again.tenant.target.model_copy(update={"blank_cells": "erase"})
    allowed = again._replace(tenant=again.tenant.model_copy(update={"target": target}))
    until(allowed, stages.report)
    user = folio.store("main").user("m-1")
    assert (user["personal"]["lastName"], user["personal"]["phone"]) == ("Sun", "555")
    assert "The export has no column phone" in allowed.run.read_json(names.REPORT)["warnings"][0]
    source = again.tenant.source.model_copy(update={"missing_columns": "stop"})
    strict = again._replace(tenant=again.tenant.model_copy(update={"source": source}))
    with pytest.raises(ValidationError, match="no column phone"):
        until(strict._replace(run=Run(again.run.folder.parent / "other")), stages.report)
    (include / "patrons.csv").write_text(f"{header.replace(',lastName', '')}\nm-1,mia,m1,Student,Mia,,555,\n")
    with pytest.raises(ValidationError, match="no column lastName"):
        until(again._replace(run=Run(again.run.folder.parent / "third")), stages.report)


def of_another_library(load):
    """The same load for another tenant file that names the same FOLIO tenant."""
    run = Run(load.run.root.folder / "other" / "run")
    return load._replace(tenant=load.tenant.model_copy(update={"tenant": "other"}), run=run)


def test_two_libraries_of_one_folio_tenant_take_turns(load, monkeypatch):
    """From its plan until its report a load has FOLIO for itself; a dry run changes nothing, and need not wait."""
    monkeypatch.setattr(leases, "AT_MOST", 0)
    monkeypatch.setattr(leases, "BETWEEN", 0.01)
    first = load(GOOD)
    second = of_another_library(first)
    until(first, stages.plan)
    until(second, stages.transform)
    with pytest.raises(TransientError, match=f"lib/{first.run_id}"):
        stages.plan(second)
    stages.plan(second._replace(dry_run=True))
    stages.post(first)
    with pytest.raises(TransientError):
        stages.plan(second)
    stages.report(first)
    assert until(second, stages.report)["outcome"] == "loaded"
    assert not [name for name in first.run.root.names("_leases") if name.endswith(".held.json")]


def test_without_a_report_the_mail_says_so(load, monkeypatch):
    """The task report failed: those who hear of failures learn what to clear."""
    sent = []
    monkeypatch.setattr(smtp, "send", sent.append)
    made = load(GOOD)
    until(made, stages.plan)
    assert stages.notify(made) == {"outcome": "failed", "mails": 1}
    assert sent[0].to == ("oncall@lib.example",)
    assert "together with 'report' and 'notify'" in sent[0].text


def test_a_leftover_of_plan_leaves_the_newer_plan_alone(load, monkeypatch):
    """Airflow begins the task again while its first process reads FOLIO's users; that one is through later."""
    made, plan, kept = load(GOOD), UserImport.plan, []

    def overtaken(*given):
        found = plan(*given)
        monkeypatch.setattr(UserImport, "plan", plan)
        stages.plan(made)
        kept.append(made.run.read(names.PLAN))
        return found

    until(made, stages.transform)
    monkeypatch.setattr(UserImport, "plan", overtaken)
    with pytest.raises(TransientError, match="earlier process"):
        stages.plan(made)
    assert made.run.read(names.PLAN) == kept[0]
    stages.post(made)
    assert stages.report(made)["outcome"] == "loaded"


def test_what_a_leftover_of_post_ends_with_is_not_the_runs(load, monkeypatch):
    """It notices that another process has taken over when that one is through: the load has not failed."""
    made, send = load(GOOD), post.post

    def overtaken(run, target, watch):
        monkeypatch.setattr(post, "post", send)
        stages.post(made)
        watch.before()

    until(made, stages.plan)
    monkeypatch.setattr(post, "post", overtaken)
    with pytest.raises(TransientError, match="earlier process"):
        stages.post(made)
    assert stages.report(made)["outcome"] == "loaded"


def test_a_plan_that_was_overtaken_is_not_sent(load):
    """Cleared after a later load has gone through, it would undo that one; its rows stay accounted for."""
    old = load(GOOD)
    new = of_another_library(old)
    until(old, stages.plan)
    assert stages.report(old)["not_sent"] == 3
    assert until(new, stages.report)["outcome"] == "loaded"
    with pytest.raises(TargetError, match=r"other/.*Start a new run"):
        stages.post(old)
    assert (stages.report(old)["outcome"], stages.report(old)["not_sent"]) == ("failed", 3)


def test_a_load_that_is_through_may_be_cleared_after_a_later_one(load):
    """There is nothing left to send, and so nothing to undo."""
    first = load(GOOD)
    until(first, stages.report)
    until(of_another_library(first), stages.report)
    assert stages.post(first)["patrons"] == 3
    assert stages.report(first)["outcome"] == "loaded"
