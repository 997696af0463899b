"""
Read the result of a query, through the hook of any Airflow provider for databases, and write it as CSV.

Only a SELECT is sent, inside a transaction that may not write where the database has such, and nothing is committed.
The rows pass through in parts; PostgreSQL hands them over in parts as well.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime
from typing import IO, TYPE_CHECKING, Any

from patronload import connections, plain_text
from patronload.config import queries
from patronload.config.source import SqlSource
from patronload.errors import ConfigError, MissingError, PatronloadError, SourceError, TransientError
from patronload.sources.cell_texts import NoText, cell_text
from patronload.sources.deliveries import Delivered

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook

log = logging.getLogger(__name__)

PART = 1000
"""Rows read at a time."""

READ_ONLY = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
    "mysql": "START TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}
"""How a database is asked to refuse writing, by SQLAlchemy's name of it."""

BUSY = ("08", "40", "53", "55", "57", "58")
"""Classes of SQLSTATE that a later attempt may not meet (PostgreSQL, appendix A: lost connection, no memory, ...)."""

WRONG_QUERY = ("42", "25006")
"""SQLSTATE: wrong syntax, an unknown name, no permission, or writing. The text quotes the query, never a row."""


def fetch(source: SqlSource, day: date, into: IO[bytes], until: datetime | None = None) -> Delivered:
    """Write the result of the day's query into `into`, as CSV in UTF-8. Raises as sources.fetch does."""
    text = queries.read(source.path)
    if until is not None:
        raise MissingError(
            f"The query {source.path} has no {{date:...}}, so it gives the current result and not that of a past day."
        )
    now, result = datetime.now(UTC).replace(microsecond=0), _Result(source, into)
    with _cursor(source, queries.on(text, day)) as cursor:
        result.write_header(_columns(source, cursor))
        while rows := _next(source, cursor):
            result.write(rows)
    if not result.rows:
        raise MissingError(f"The query {source.path} on {source.connection} has no rows yet.")
    log.info("The query %s has %s rows", source.path, f"{result.rows:,}")
    name = source.path.removesuffix(".sql") + ".csv"
    where = f"{source.path} on {source.connection}"
    return Delivered(name, where, result.size, now, result.digest.hexdigest())


def look(source: SqlSource, day: date) -> str:
    """A sentence about the result of the query; only its first rows are read. Raises as `fetch` does."""
    with _cursor(source, queries.on(queries.read(source.path), day)) as cursor:
        columns, first = _columns(source, cursor), _next(source, cursor, 1)
    if not first:
        raise MissingError(f"The query {source.path} on {source.connection} has no rows yet.")
    return f"The query {source.path} has rows, with the columns {', '.join(columns)}."


class _Result:
    """The rows on their way into a file: as texts, counted, within the limits."""

    def __init__(self, source: SqlSource, into: IO[bytes]) -> None:
        self._source, self._into = source, into
        self._columns: list[str] = []
        self.rows = self.size = 0
        self.digest = hashlib.sha256()

    def write_header(self, columns: list[str]) -> None:
        self._columns = columns
        self._expect_at_most("columns", len(columns))
        self._append([columns])

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        # The header is row 1, as in a file.
        texts = [self._texts(row, number) for number, row in enumerate(rows, self.rows + 2)]
        self.rows += len(rows)
        self._expect_at_most("rows", self.rows)
        self._expect_at_most("cells", self.rows * len(self._columns))
        self._append(texts)

    def _texts(self, row: Sequence[Any], number: int) -> list[str]:
        try:
            return [cell_text(value) for value in row]
        except NoText:
            column, why = next(_without_text(self._columns, row))
            raise SourceError(
                f"The result of {self._source.path}, row {number}, column {column}: {why} Use CAST in the query "
                f"to return text, or leave the column out."
            ) from None

    def _append(self, rows: list[list[str]]) -> None:
        lines = io.StringIO(newline="")
        csv.writer(lines).writerows(rows)
        block = lines.getvalue().encode("utf-8")
        self.size += len(block)
        self._expect_at_most("bytes", self.size)
        self.digest.update(block)
        self._into.write(block)

    def _expect_at_most(self, kind: str, number: int) -> None:
        most = getattr(self._source.most, kind)
        if number > most:
            raise SourceError(
                f"The result of {self._source.path} is larger than source.most.{kind} allows: {most:,}. If the query "
                "is right, raise that limit in the tenant file; otherwise correct the query."
            )


def _without_text(columns: list[str], row: Sequence[Any]) -> Iterator[tuple[str, NoText]]:
    for column, value in zip(columns, row, strict=True):
        try:
            cell_text(value)
        except NoText as why:
            yield column, why


def _columns(source: SqlSource, cursor: Any) -> list[str]:
    """The names of the result's columns. Raises ConfigError if two are alike, because a rule could mean either."""
    names = [plain_text.one_line(str(column[0])) for column in cursor.description or ()]
    if not names:
        raise ConfigError(f"The query {source.path} returns no rows at all. It must be a SELECT.")
    if twice := [name or "(no name)" for name in names if not name or names.count(name) > 1]:
        raise ConfigError(
            f"The query {source.path} has columns of the same name, or without one: {', '.join(sorted(set(twice)))}. "
            "Give each column its own name with AS."
        )
    return names


def _next(source: SqlSource, cursor: Any, number: int = PART) -> list[Sequence[Any]]:
    """The next rows. A connection of PostgreSQL may ask for rows as dictionaries, in the order of the columns."""
    with _in_words(source, "reading the result"):
        return [tuple(row.values()) if isinstance(row, dict) else row for row in cursor.fetchmany(number)]


@contextmanager
def _cursor(source: SqlSource, statement: str) -> Iterator[Any]:
    """A cursor on the result of a statement. Nothing is committed."""
    hook = _hook(source.connection)
    if len(hook.split_sql_string(statement)) != 1:
        raise ConfigError(f"{source.path} has more than one statement. Only one SELECT is sent.")
    with _in_words(source, "connecting", connecting=True):
        connection = hook.get_conn()
    try:
        with _in_words(source, "running the query"):
            if read_only := READ_ONLY.get(hook.dialect_name):
                with closing(connection.cursor()) as settings:
                    settings.execute(read_only)
            cursor = _open(connection)
        try:
            with _in_words(source, "running the query"):
                cursor.execute(statement)
            yield cursor
        finally:
            with suppress(Exception):
                cursor.close()
    finally:
        # What fails here must not hide the cause, and everything has been read.
        with suppress(Exception):
            connection.rollback()
        with suppress(Exception):
            connection.close()


def _open(connection: Any) -> Any:
    """A cursor; of PostgreSQL one at the server, or the driver would fetch the whole result at once."""
    if type(connection).__module__.startswith("psycopg"):
        cursor = connection.cursor(name="patronload")
        cursor.itersize = PART
        return cursor
    cursor = connection.cursor()
    cursor.arraysize = PART
    return cursor


def _hook(connection_id: str) -> DbApiHook:
    """The hook for a connection. Raises ConfigError if it is not one for a database."""
    connections.get(connection_id)
    # Seconds to import, and checking tenant files does not need it.
    from airflow.providers.common.compat.sdk import AirflowException
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.sdk import BaseHook

    try:
        hook = BaseHook.get_hook(connection_id)
    except (AirflowException, ImportError, ValueError) as error:
        raise ConfigError(
            f"Airflow has no provider for the type of the connection '{connection_id}' ({type(error).__name__}). "
            "Install it, or correct the type."
        ) from None
    if not isinstance(hook, DbApiHook):
        raise ConfigError(f"The connection '{connection_id}' is not a database connection. Correct its type.")
    return hook


@contextmanager
def _in_words(source: SqlSource, doing: str, *, connecting: bool = False) -> Iterator[None]:
    """Turn the errors of any driver into ours. What it says after it has seen rows may hold values, and is left out."""
    try:
        yield
    except PatronloadError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver has its own, with no base in common
        raise _error(source, doing, error, connecting=connecting) from None


def _error(source: SqlSource, doing: str, error: Exception, *, connecting: bool) -> PatronloadError:
    place, state = f"The database of the connection '{source.connection}'", _state(error)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if connecting:
        reason = plain_text.one_line(str(error)).strip().rstrip(".")
        if state[:2] in ("28", "3D") or "authentication failed" in reason or "does not exist" in reason:
            return ConfigError(
                f"{place} refused our login ({reason}). Correct the connection, or ask the database's owner."
            )
        return TransientError(f"{place} cannot be reached ({reason}). Try again later.")
    if state.startswith(WRONG_QUERY) or "ProgrammingError" in kinds or _is_sqlite_error(error):
        reason = plain_text.one_line(str(error).partition("\n")[0]).strip().rstrip(".")
        return ConfigError(f"{place} refuses the query {source.path}: {reason}. Correct the query, or the permissions.")
    what = f"{type(error).__name__}{f' {state}' if state else ''}"
    if state[:2] in BUSY or (not state and kinds & {"OperationalError", "InterfaceError", "OSError"}):
        return TransientError(f"{place} failed when {doing} ({what}). Try again later.")
    return SourceError(
        f"{place} failed when {doing} of {source.path} ({what}). The text of the error is left out because it may "
        "contain patron data; run the query yourself to see it."
    )


def _state(error: Exception) -> str:
    """The SQLSTATE of an error, if its driver gives it."""
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")


def _is_sqlite_error(error: Exception) -> bool:
    """SQLite: an unknown name or wrong syntax, for which it has no SQLSTATE, and for writing in spite of query_only."""
    return getattr(error, "sqlite_errorname", "") in ("SQLITE_ERROR", "SQLITE_READONLY")
