"""The steps of a load, one after the other, without a scheduler: a folder, the stand-in FOLIO, a run folder."""

import json
import shutil
from datetime import date

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patronload import runs, steps, tenants
from patronload.errors import ConfigError, Defect, SourceError, TargetError, ValidationError
from patronload.runs import Run
from sandbox.folio import FolioServer, FolioTenant

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
        "target": {"type": "folio", "connection": "lib_folio", "folio_tenant": "main", "chunk_size": 3},
        "limits": {"most_rejects": "100%"},
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
        return steps.Load(tenants.load("lib"), Run(tmp_path / name), name, date(2026, 11, 21), **options)

    return make


def until(load, last):
    """Take the steps up to and with `last`; what that one handed on."""
    for step in (steps.fetch, steps.validate, steps.transform, steps.post, steps.report):
        handed_on = step(load)
        if step is last:
            return handed_on
    return None


def test_a_step_that_runs_again_makes_its_artifacts_anew_until_something_was_sent(load, include):
    """A mended file can be fetched in the same run; after the first chunk the run goes on with what it sent."""
    first = load(GOOD[:2])
    assert until(first, steps.validate)["rows"] == 2
    (include / "patrons.csv").write_text(",".join(COLUMNS) + "\n" + "".join(GOOD))
    assert until(first, steps.transform)["patrons"] == 3
    steps.post(first)
    (include / "patrons.csv").write_text(",".join(COLUMNS) + "\n" + "u-9,zoe,009,Staff,Zed,Zoe,,,\n")
    before = first.run.read(runs.EXPORT), first.run.read(runs.PATRONS)
    assert set(until(first, steps.transform)) == {"kept"}
    assert (first.run.read(runs.EXPORT), first.run.read(runs.PATRONS)) == before


def test_chunks_of_an_earlier_try_do_not_stay_behind(load, include):
    """A shorter file makes fewer chunks; an old one must not be sent along."""
    again = load([f"u-{n},l{n},{n},Staff,L{n},,,,\n" for n in range(9)])
    until(again, steps.transform)
    assert len(again.run.names("chunks")) == 3
    (include / "patrons.csv").write_text(",".join(COLUMNS) + "\n" + GOOD[0])
    until(again, steps.transform)
    assert again.run.names("chunks") == ["chunks/0001.json.zst"]


def test_what_stopped_a_run_is_left_behind_until_the_step_goes_well(load, include):
    """The report knows it without Airflow, and a run that was mended is not told as failed."""
    broken = load(GOOD)
    (include / "patrons.csv").unlink()
    with pytest.raises(SourceError):
        steps.fetch(broken)
    assert broken.run.read_json(runs.FAILURE)["step"] == "fetch"
    assert steps.report(broken)["outcome"] == "failed"
    mended = steps.Load(*load(GOOD)[:1], *broken[1:])
    assert until(mended, steps.report)["outcome"] == "loaded"
    assert not broken.run.has(runs.FAILURE)


def test_an_error_that_nobody_foresaw_tells_its_place_and_hides_its_text(load, monkeypatch):
    """A library's exception may quote a cell; it must not reach the log, the mail or the report."""
    odd = load(GOOD)
    until(odd, steps.fetch)

    def fail(*_):
        raise KeyError("Adams, Ann")

    monkeypatch.setattr("patronload.exports.read", fail)
    with pytest.raises(Defect) as caught:
        steps.validate(odd)
    assert "KeyError" in str(caught.value)
    assert "test_steps.py" in str(caught.value)
    assert "Adams" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "Adams" not in json.dumps(odd.run.read_json(runs.FAILURE))


def test_too_many_rejects_after_the_mapping_stop_the_run_too(load, include):
    """An unlisted code in every row is found only by the mapping; it is the same limit."""
    strict = load(["u-1,ann,001,Nobody,Adams,Ann,,,\n", *GOOD[1:]])
    limits = strict.tenant.limits.model_copy(update={"most_rejects": "10%"})
    strict = strict._replace(tenant=strict.tenant.model_copy(update={"limits": limits}))
    until(strict, steps.validate)
    with pytest.raises(ValidationError, match="1 of 3 rows are rejected"):
        steps.transform(strict)
    assert strict.run.names("chunks") == []
    assert steps.report(strict)["outcome"] == "stopped"
    assert "Nobody" in strict.run.read(runs.REJECTS).decode("utf-8-sig")


def test_rejects_that_were_mended_load(load):
    """The library's way back: open rejects.csv, mend the cell, send the file."""
    wrong = load([*GOOD, "u-4,dee,004,Nobody,=Dee,Dee,,,\n"])
    until(wrong, steps.report)
    rejected = wrong.run.read(runs.REJECTS).decode("utf-8-sig").splitlines(keepends=True)
    assert len(rejected) == 2
    mended = rejected[1].replace("Nobody", "Staff", 1)
    again = load([])
    again.run.write(runs.EXPORT, (rejected[0] + mended).encode())
    for step in (steps.validate, steps.transform, steps.post):
        handed_on = step(again)
    assert (handed_on["created"], handed_on["failed"]) == (1, 0)
    assert '"lastName":"=Dee"' in pl.read_parquet(again.run.folder / runs.PATRONS)["patron"][0]


def test_a_run_by_hand_takes_another_file_of_the_same_folder_and_no_other(load, include):
    """Whoever may start a run may not read any file of the machine."""
    (include / "other.csv").write_text(",".join(COLUMNS) + "\n" + GOOD[2])
    other = load(GOOD[:2], source_path="other.csv")
    assert until(other, steps.validate)["rows"] == 1
    for path in ("/etc/passwd", "../other.csv", f"{include}/../x.csv", "file:///etc/passwd"):
        with pytest.raises(ConfigError, match="folder of the tenant's exports"):
            steps.fetch(load(GOOD, source_path=path))


def test_a_wrong_password_is_told_without_it(load, folio, monkeypatch):
    """The connection is named, its secret is not."""
    wrong = {"conn_type": "http", "host": folio.url, "login": "loader", "password": "hunter2-hunter2"}
    monkeypatch.setenv("AIRFLOW_CONN_LIB_FOLIO", json.dumps(wrong))
    refused = load(GOOD)
    until(refused, steps.transform)
    with pytest.raises(TargetError, match="lib_folio") as caught:
        steps.post(refused)
    assert "hunter2" not in str(caught.value)
    assert refused.run.names("sent") == []
    assert steps.report(refused)["not_sent"] == 3


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
        told = until(load(lines), steps.report)
    except ValidationError:
        assert delivered == 0, "only an empty export may stop here"
        return
    assert told["rows"] == delivered
    assert told["rows"] == told["created"] + told["updated"] + told["failed"] + told["rejected"]
    assert told["not_sent"] == 0
    assert len(store.users) - before == told["created"]


def test_the_patrons_are_exactly_what_is_posted(load):
    """patrons.parquet, the chunks and the order of the rows are one and the same."""
    whole = load(GOOD * 1)
    until(whole, steps.transform)
    patrons = pl.read_parquet(whole.run.folder / runs.PATRONS)
    assert patrons["row"].to_list() == [2, 3, 4]
    assert patrons["chunk"].to_list() == [1, 1, 1]
    import zstandard

    body = json.loads(zstandard.decompress(whole.run.read("chunks/0001.json.zst")))
    assert body["users"] == [json.loads(text) for text in patrons["patron"]]
    assert body["totalRecords"] == 3
    assert "deactivateMissingUsers" not in body
