"""Databases for the tests of queries: SQLite, through a hook like those of Airflow's providers."""

import io
import sqlite3
from pathlib import Path
from typing import Any

from airflow.providers.common.sql.hooks.sql import DbApiHook

from patronload import sources
from patronload.config.source import Most, SqlSource
from tests.sources.places import DAY, Taken


class SqliteHook(DbApiHook):
    """Airflow's provider for SQLite in short: the connection's host is the file."""

    conn_name_attr = "sqlite_conn_id"
    conn_type = "sqlite"

    def get_conn(self) -> sqlite3.Connection:
        """A connection of Python's own driver."""
        return sqlite3.connect(self.connection.host or "")


def query(include: Path, text: str, name: str = "lib.sql") -> str:
    """A query next to the tenant files; returns its name."""
    folder = include / "tenants"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return name


def source_of(name: str = "lib.sql", **most: int) -> SqlSource:
    """The source of a query over the connection `registrar`."""
    return SqlSource(type="sql", connection="registrar", query=name, most=Most(**most))


def result(source: SqlSource | None = None, **options: Any) -> Taken:
    """The result of the query, as it is kept."""
    into = io.BytesIO()
    source = source or source_of()
    return Taken(sources.fetch(source, source.path_on(DAY), into, **{"day": DAY} | options), into.getvalue())


def lines(taken: Taken) -> list[str]:
    """The lines of a result."""
    return taken.content.decode("utf-8").split("\r\n")[:-1]
