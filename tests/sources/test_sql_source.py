"""The result of a query as an export, from SQLite and from a real PostgreSQL."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from local.airflow import free_port
from local.servers import Postgres, missing
from patronload import sources
from patronload.config import queries
from patronload.config.source import Layout
from patronload.errors import ConfigError, MissingError, SourceError, TransientError
from patronload.exports import reading
from patronload.sources.cell_texts import NoText, cell_text
from tests.sources.databases import SqliteHook, lines, query, result, source_of
from tests.sources.places import DAY

PEOPLE = [("0001", 'Zoë, "Zo" O\'Neil', "2027-06-30", 1), ("0002", "two\nlines", None, 0)]


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the tenant files."""
    monkeypatch.setenv("PATRONLOAD_INCLUDE", str(tmp_path / "include"))
    return tmp_path / "include"


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A database with two people, and the connection `registrar` to it."""
    database = sqlite3.connect(tmp_path / "registrar.db")
    database.execute("CREATE TABLE people (id TEXT, name TEXT, expires TEXT, active INTEGER)")
    database.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", PEOPLE)
    database.commit()
    fields = {"conn_type": "sqlite", "host": str(tmp_path / "registrar.db")}
    monkeypatch.setenv("AIRFLOW_CONN_REGISTRAR", json.dumps(fields))
    monkeypatch.setattr("airflow.sdk.BaseHook.get_hook", SqliteHook)
    with closing(database):
        yield database


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL for the tests of this file."""
    if "postgres" in missing():
        pytest.skip("not installed: postgres (.ci/run installs it on Debian and Ubuntu)")
    with Postgres(free_port()) as running:
        yield running


@pytest.fixture
def postgres(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs statements in the database of the connection `registrar`."""
    account: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "password": server.password}
    fields = {"conn_type": "postgres", "login": server.user, "schema": server.user, **account}
    monkeypatch.setenv("AIRFLOW_CONN_REGISTRAR", json.dumps(fields))

    def run(*statements: str) -> None:
        with psycopg.connect(dbname=server.user, user=server.user, autocommit=True, **account) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    run("DROP TABLE IF EXISTS people", "CREATE TABLE people (id text, name text)")
    return run


@pytest.mark.usefixtures("sqlite")
def test_the_result_is_kept_as_csv(include: Path) -> None:
    """With the names of the query as the header, a blank for NULL, and texts as they are; it is read back the same."""
    query(include, 'SELECT id AS "ID", name AS "NAME", expires AS "EXPIRES" FROM people ORDER BY id;\n')
    taken = result()
    assert taken.content == (
        b'ID,NAME,EXPIRES\r\n0001,"Zo\xc3\xab, ""Zo"" O\'Neil",2027-06-30\r\n0002,"two\nlines",\r\n'
    )
    assert (taken.delivered.name, taken.delivered.path) == ("lib.csv", "lib.sql on registrar")
    assert taken.delivered.size == len(taken.content)
    export = reading.read(taken.content, Layout())
    assert export.frame.rows() == [(2, *(cell or "" for cell in PEOPLE[0][:3])), (3, "0002", "two\nlines", "")]


@pytest.mark.usefixtures("sqlite")
def test_the_day_is_filled_in(include: Path) -> None:
    """As in a path, also the day before; braces of other kinds belong to the query."""
    query(include, "SELECT '{date:%Y-%m-%d}' AS a, '{date-1:%d.%m.%Y}' AS b, '{x}' AS c, '%' AS d")
    assert lines(result()) == ["a,b,c,d", "2026-11-20,19.11.2026,{x},%"]
    assert source_of().is_dated


@pytest.mark.usefixtures("sqlite")
def test_a_result_without_rows_is_not_there_yet(include: Path) -> None:
    """A library's view is often empty until its night job has run; a late file waits for it."""
    query(include, "SELECT id FROM people WHERE id = '9'")
    for attempt in (result, lambda: sources.look(source_of(), DAY, ZoneInfo("UTC"))):
        with pytest.raises(MissingError, match=r"lib\.sql on registrar has no rows yet"):
            attempt()


@pytest.mark.usefixtures("sqlite")
def test_a_past_day_needs_a_query_that_asks_for_it(include: Path) -> None:
    """Today's people are not those of last week."""
    query(include, "SELECT id FROM people")
    with pytest.raises(MissingError, match="not that of a past day"):
        result(until=datetime(2026, 11, 21, tzinfo=UTC))


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize(
    ("most", "kind"),
    [({"rows": 1}, "rows"), ({"columns": 3}, "columns"), ({"cells": 7}, "cells"), ({"bytes": 40}, "bytes")],
)
def test_a_result_beyond_the_limits_is_refused(include: Path, most: dict[str, int], kind: str) -> None:
    """A join that went wrong can have any size."""
    query(include, "SELECT * FROM people")
    with pytest.raises(SourceError, match=rf"source\.most\.{kind}"):
        result(source_of(**most))


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "SELECT id, name AS id FROM people",
            "the same name, or without one: id. Give each column its own name with AS",
        ),
        ("SELECT id FROM peeple", "refuses the query lib.sql: no such table: peeple"),
        ("SELECT idd FROM people", "refuses the query lib.sql: no such column: idd"),
        (
            "WITH a AS (SELECT 1) INSERT INTO people SELECT 1, 1, 1, 1 FROM a",
            "refuses the query lib.sql: attempt to write",
        ),
    ],
)
def test_a_query_that_is_wrong(include: Path, text: str, sentence: str) -> None:
    """The message says what to correct, and the database stays as it is."""
    query(include, text)
    with pytest.raises(ConfigError) as error:
        result()
    assert sentence in str(error.value)


def test_what_a_value_becomes() -> None:
    """Each kind has one form, which does not depend on the database or on this machine's settings."""
    zone = timezone(timedelta(hours=2))
    assert [cell_text(value) for value in VALUES_AND_TEXTS] == list(VALUES_AND_TEXTS.values())
    assert cell_text(datetime(2027, 6, 30, 8, 15, 0, 120000, zone)) == "2027-06-30T08:15:00.120000+02:00"
    assert (cell_text(None), cell_text(True), cell_text(False), cell_text(1), cell_text(0)) == (
        "",
        "true",
        "false",
        "1",
        "0",
    )
    assert cell_text({"homeCampus": "Zürich", "n": Decimal("1.50")}) == '{"homeCampus": "Zürich", "n": "1.50"}'
    assert cell_text(["History", "Law", None]) == '["History", "Law", null]'


VALUES_AND_TEXTS: dict[Any, str] = {
    "": "",
    "  0413 ": "  0413 ",
    217004016: "217004016",
    Decimal("12345678901234567890.10"): "12345678901234567890.10",
    Decimal("1E+5"): "100000",
    1e21: "1000000000000000000000",
    0.5: "0.5",
    date(2027, 6, 30): "2027-06-30",
    date(900, 1, 2): "0900-01-02",
    datetime.fromisoformat("2027-06-30"): "2027-06-30T00:00:00",
    time(8, 15): "08:15:00",
    UUID(int=5): "00000000-0000-0000-0000-000000000005",
}


@pytest.mark.parametrize(
    "value",
    [
        b"\x00",
        bytearray(b"x"),
        memoryview(b"x"),
        float("nan"),
        Decimal("Infinity"),
        timedelta(1),
        object(),
        "\ud800",
        [b""],
    ],
)
def test_what_has_no_text_is_refused(value: Any) -> None:
    """The message names the kind of value, and never the value."""
    with pytest.raises(NoText) as error:
        cell_text(value)
    assert "object at" not in str(error.value)


@pytest.mark.usefixtures("sqlite")
def test_bytes_are_refused_with_their_place(include: Path) -> None:
    """The row is counted as in a file, whose header is row 1."""
    query(include, "SELECT id, CASE id WHEN '0002' THEN x'00ff' ELSE name END AS photo FROM people ORDER BY id")
    with pytest.raises(SourceError, match=r"row 3, column photo: a value of the type bytes cannot be text") as error:
        result()
    assert "O'Neil" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("DELETE FROM people", "begins with SELECT or WITH"),
        ("", "begins with SELECT or WITH"),
        ("-- SELECT\n/* SELECT */ UPDATE people SET id = 1", "begins with SELECT or WITH"),
        ("SELECT 1; DELETE FROM people", "semicolon inside"),
        ("SELECT '{date}'", "{date} is not known"),
        ("SELECT '{day:%Y}'", "{day:%Y} is not known"),
        ("SELECT " + "1," * 60_000 + "1", "larger than 100,000 bytes"),
    ],
)
def test_what_is_no_query(include: Path, text: str, sentence: str) -> None:
    """`check` says so before anything is sent."""
    query(include, text)
    with pytest.raises(ConfigError) as error:
        queries.read("lib.sql")
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    "text", ["select 1", "  (SELECT 1)", "-- a;\nWITH a AS (SELECT ';') SELECT * FROM a;\n", 'SELECT 1 AS ";"']
)
def test_what_is_a_query(include: Path, text: str) -> None:
    """Comments, texts and names may have semicolons."""
    query(include, text)
    assert queries.read("lib.sql") == text


def test_a_query_that_cannot_be_read(include: Path) -> None:
    """It is missing, or not in UTF-8."""
    with pytest.raises(ConfigError, match=r"no file lib\.sql next to the tenant file"):
        queries.read("lib.sql")
    query(include, "")
    (include / "tenants" / "lib.sql").write_bytes(b"SELECT 1 --\n-- Z\xfcrich")
    with pytest.raises(ConfigError, match=r"not UTF-8 in line 2"):
        queries.read("lib.sql")


@pytest.mark.parametrize("fields", [{"conn_type": "http", "host": "x"}, {"conn_type": "no_such_type", "host": "x"}])
def test_a_connection_that_is_none_to_a_database(
    include: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, str]
) -> None:
    """The message names the connection."""
    monkeypatch.setenv("AIRFLOW_CONN_REGISTRAR", json.dumps(fields))
    query(include, "SELECT 1")
    with pytest.raises(ConfigError, match="connection 'registrar'"):
        result()


@pytest.mark.xdist_group("postgres-source")
class TestPostgreSQL:
    """A real server, through Airflow's own provider."""

    @pytest.mark.usefixtures("postgres")
    def test_typed_columns(self, include: Path) -> None:
        """Each type of a registrar's database in its documented form."""
        query(
            include,
            """SELECT '0001'::char(6) AS id, 7834::integer AS zip, 12.50::numeric AS fee, 0.1::float8 AS share,
            true AS active, false AS staff, '{date:%Y-%m-%d}'::date AS "DAY", timestamp '2027-06-30 08:15' AS at,
            timestamptz '2027-06-30 08:15+00' AT TIME ZONE 'UTC' AS utc, '{"homeCampus": "Zürich"}'::jsonb AS custom,
            ARRAY['Law', 'History'] AS departments, NULL AS nothing, '' AS blank,
            '00000000-0000-4000-8000-000000000001'::uuid AS uuid, 'a"b,c' AS quoted""",
        )
        taken = result()
        frame = reading.read(taken.content, Layout()).frame
        assert frame.row(0, named=True) == {
            "__row__": 2,
            "id": "0001  ",
            "zip": "7834",
            "fee": "12.50",
            "share": "0.1",
            "active": "true",
            "staff": "false",
            "DAY": "2026-11-20",
            "at": "2027-06-30T08:15:00",
            "utc": "2027-06-30T08:15:00",
            "custom": '{"homeCampus": "Zürich"}',
            "departments": '["Law", "History"]',
            "nothing": "",
            "blank": "",
            "uuid": "00000000-0000-4000-8000-000000000001",
            "quoted": 'a"b,c',
        }

    @pytest.mark.usefixtures("postgres")
    def test_a_large_result_comes_in_parts(self, include: Path) -> None:
        """Of a result beyond the limit the server has sent a few parts only, when it is refused."""
        query(include, "SELECT n AS id FROM generate_series(1, 5000) AS n")
        assert result().content.count(b"\r\n") == 5001
        # The server makes each row as it is asked for it; all of them would take hours.
        query(include, "SELECT generate_series(1, 10000000000) AS id")
        with pytest.raises(SourceError, match=r"source\.most\.rows"):
            result(source_of(rows=2500))

    def test_nothing_can_be_written(self, postgres: Callable[..., None], include: Path) -> None:
        """Not by a query that deletes, nor by a function that does."""
        postgres(
            "INSERT INTO people VALUES ('1', 'Ann')",
            "CREATE OR REPLACE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM people; SELECT 1'",
        )
        for text in ("SELECT wipe()", "SELECT id FROM people FOR UPDATE"):
            query(include, text)
            with pytest.raises(ConfigError, match=r"refuses the query lib\.sql: cannot execute") as error:
                result()
            assert "Ann" not in str(error.value)
        query(include, "SELECT id, name FROM people")
        assert lines(result()) == ["id,name", "1,Ann"]

    def test_an_error_about_a_value_does_not_show_it(self, postgres: Callable[..., None], include: Path) -> None:
        """PostgreSQL quotes the value that it cannot read, and that is a patron's."""
        postgres("INSERT INTO people VALUES ('1', 'secret-name')")
        query(include, "SELECT name::date FROM people")
        with pytest.raises(SourceError, match="22007") as error:
            result()
        assert "secret-name" not in str(error.value)

    @pytest.mark.parametrize(
        ("field", "value", "kind"),
        [("password", "wrong", ConfigError), ("schema", "nothing", ConfigError), ("port", None, TransientError)],
    )
    @pytest.mark.usefixtures("postgres")
    def test_a_database_that_does_not_answer_us(
        self, include: Path, monkeypatch: pytest.MonkeyPatch, closed_port: int, field: str, value: str, kind: type
    ) -> None:
        """Only a server that is down is worth another attempt. No password is shown."""
        fields = json.loads(os.environ["AIRFLOW_CONN_REGISTRAR"])
        password = fields["password"]
        fields[field] = value or closed_port
        monkeypatch.setenv("AIRFLOW_CONN_REGISTRAR", json.dumps(fields))
        query(include, "SELECT 1 AS id")
        with pytest.raises(kind) as error:
            result()
        assert "connection 'registrar'" in str(error.value)
        assert password not in str(error.value)

    def test_what_doctor_sees(self, postgres: Callable[..., None], include: Path) -> None:
        """The columns, and no row."""
        postgres("INSERT INTO people VALUES ('1', 'Ann')")
        query(include, 'SELECT id AS "ID", name FROM people')
        seen = sources.look(source_of(), DAY, ZoneInfo("UTC"))
        assert seen == "The query lib.sql has rows, with the columns ID, name."
