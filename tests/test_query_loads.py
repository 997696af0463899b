"""Loads from a query and from a web server, through all stages, and what happens while they have nothing yet."""

import json
import sqlite3
from datetime import UTC, datetime

import pytest
import yaml

from patronload.config import tenants
from patronload.doctor import examination
from patronload.errors import ConfigError, MissingError
from patronload.loads import late_file
from tests.one_library import DAY
from tests.sources.databases import SqliteHook, query
from tests.sources.web_server import Answer, FileServer

QUERY = """
SELECT id AS externalSystemId, login AS username, card AS barcode, "role" AS patronGroup, last AS lastName,
       first AS firstName, NULL AS email, NULL AS phone, expires AS expirationDate
FROM patrons WHERE valid_on <= '{date:%Y-%m-%d}' ORDER BY id
"""
HEADER = "externalSystemId,username,barcode,patronGroup,lastName,firstName,email,phone,expirationDate\n"


def set_source(library, **source):
    """The library's tenant file, with another source."""
    path = library.folder / "include" / "tenants" / "lib.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"source": source}))


@pytest.fixture
def folio_of_the_library(empty_folio):
    """A FOLIO without users for each test."""
    return empty_folio


@pytest.fixture
def artifacts(tmp_path, monkeypatch):
    """Where `doctor` tries out the storage."""
    monkeypatch.setenv("PATRONLOAD_ARTIFACTS", f"file://{tmp_path}/trial")
    monkeypatch.delenv("PATRONLOAD_ARTIFACTS_KEYS", raising=False)


@pytest.fixture
def registrar(library, monkeypatch):
    """The library's database, whose view is empty until the registrar's night job has run."""
    path = library.folder / "registrar.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE patrons (id, login, card, role, last, first, expires, valid_on)")
    database.commit()
    monkeypatch.setenv("AIRFLOW_CONN_REGISTRAR", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    monkeypatch.setattr("airflow.sdk.BaseHook.get_hook", SqliteHook)
    query(library.folder / "include", QUERY)
    set_source(library, type="sql", connection="registrar", query="lib.sql", expected_by="06:30")
    yield database
    database.close()


def test_a_load_from_a_query(library, registrar):
    """The people of the day are loaded, with the zeros of their ids; the same result is not loaded twice."""
    with pytest.raises(MissingError, match="has no rows yet"):
        library.loaded("early")
    morning = datetime(DAY.year, DAY.month, DAY.day, 11, tzinfo=UTC)
    assert late_file.next_look(tenants.load("lib"), DAY, morning), "the load waits for its file"
    registrar.executemany(
        "INSERT INTO patrons VALUES (?, ?, ?, 'Student', ?, 'Ann', '2037-06-30', ?)",
        [
            ("0413", "ann", "0021", "Ní Bhriain", "2026-11-20"),
            ("0414", "bob", "0022", 'O"Neil, jr', "2026-11-20"),
            ("0415", "eve", "0023", "Tomorrow", "2026-11-21"),
        ],
    )
    registrar.commit()
    report = library.loaded("run")
    assert (report.outcome, report.rows, report.created) == ("loaded", 2, 2)
    assert {user["externalSystemId"]: user["personal"]["lastName"] for user in users(library)} == {
        "0413": "Ní Bhriain",
        "0414": 'O"Neil, jr',
    }
    assert library.loaded("again").outcome == "already_loaded"


def test_a_load_of_a_past_day(library, registrar):
    """The query asks for that day, so its result is that day's."""
    registrar.execute("INSERT INTO patrons VALUES ('1', 'ann', '21', 'Student', 'Adams', 'Ann', NULL, '2026-11-20')")
    registrar.commit()
    assert library.loaded("run", past=True).created == 1


@pytest.mark.usefixtures("registrar")
@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({"query": "missing.sql"}, "line 10: source.query: there is no file missing.sql next to the tenant file"),
        ({"query": "../lib.sql"}, "source.query"),
        ({"query": "lib.sql", "delimiter": ";"}, "'delimiter' cannot be used with a query. Remove it."),
        ({"query": "lib.sql", "path": "x"}, "path"),
    ],
)
def test_a_tenant_file_with_a_mistake(library, source, sentence):
    """`check` finds it, with the line."""
    set_source(library, type="sql", connection="registrar", **source)
    with pytest.raises(ConfigError) as error:
        tenants.load("lib")
    assert sentence in str(error.value)


@pytest.mark.usefixtures("registrar")
def test_a_source_path_does_not_apply(library):
    """Another query is for the tenant file to name."""
    with pytest.raises(ConfigError, match="A query has no source path"):
        library.loaded("run", source_path="other.sql")


@pytest.mark.usefixtures("artifacts")
def test_doctor_examines_a_query(registrar):
    """An empty result is a warning; then the columns are named, and no person."""
    assert {check.subject: check.state for check in examination.examine("lib")}["export"] == "warning"
    registrar.execute("INSERT INTO patrons VALUES ('1', 'ann', '21', 'Student', 'Adams', 'Ann', NULL, '2020-01-01')")
    registrar.commit()
    export = {check.subject: check for check in examination.examine("lib")}["export"]
    assert export.state == "passed"
    assert "with the columns externalSystemId, username" in export.sentences[0]
    assert "Adams" not in export.sentences[0]


@pytest.mark.usefixtures("artifacts")
def test_a_load_from_a_web_server(library, tmp_path, monkeypatch):
    """Nothing at first, then the day's file; a corrected file of the same folder by its name."""
    (tmp_path / "tls").mkdir()
    with FileServer(tmp_path / "tls") as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        fields = {"conn_type": "http", "host": server.url, "login": "lib", "password": "secret-of-the-export"}
        monkeypatch.setenv("AIRFLOW_CONN_REGISTRAR", json.dumps(fields))
        set_source(library, type="https", connection="registrar", path="out/patrons.csv?day={date:%Y%m%d}")
        with pytest.raises(MissingError, match="answers 404"):
            library.loaded("early")
        row = "0413,ann,0021,Student,Adams,Ann,,,\n"
        server.answers["/out/patrons.csv?day=20261120"] = Answer((HEADER + row).encode())
        assert library.loaded("run").outcome == "loaded"
        another = row.replace("0413,ann,0021", "0414,bob,0022")
        server.answers["/out/more.csv"] = Answer((HEADER + row + another).encode())
        assert library.loaded("more", source_path="more.csv", load_anyway="a test").rows == 2
        assert [user["externalSystemId"] for user in users(library)] == ["0413", "0414"]
        assert {check.subject: check.state for check in examination.examine("lib")}["export"] == "warning"


def users(library):
    """The users that the load has sent, by id."""
    found = (user for user in library.folio.store("main").users if user.get("externalSystemId"))
    return sorted(found, key=lambda user: user["externalSystemId"])
