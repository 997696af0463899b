"""What one FOLIO tenant holds: users under FOLIO's unique rules, reference data, request preferences."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

from sandbox.folio import cql, reference
from sandbox.folio.folding import fold

Row = dict[str, Any]

UNIQUE = ("externalSystemId", "username", "barcode")
"""FOLIO: mod-users schema.json, uniqueIndex of the table users. "" is a value, absent is none."""


class Page(NamedTuple):
    """A part of what a query found, and how many it found in all."""

    rows: list[Row]
    total: int


class Table:
    """Rows by id, with look-ups over the columns named `unique`, compared folded."""

    def __init__(self, unique: Iterable[str] = (), rows: Iterable[Row] = ()) -> None:
        self._rows: dict[str, Row] = {}
        self._ids: list[str] = []
        self._keys: dict[str, dict[str, str]] = {column: {} for column in unique}
        for row in rows:
            self.put(row)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._rows.values()))

    def __contains__(self, row_id: object) -> bool:
        return row_id in self._rows

    def get(self, row_id: str) -> Row | None:
        """The row with this id."""
        return self._rows.get(row_id)

    def find(self, column: str, value: str) -> Row | None:
        """The row whose unique column is the same once both are folded."""
        row_id = self._keys[column].get(fold(value))
        return None if row_id is None else self._rows[row_id]

    def holder(self, column: str, row: Row) -> Row | None:
        """Another row that already has this row's value in a unique column."""
        value = row.get(column)
        found = None if value is None else self.find(column, value)
        return None if found is None or found["id"] == row["id"] else found

    def put(self, row: Row) -> None:
        """Insert or replace. Whether the values are free is asked before."""
        self._forget(row["id"])
        if row["id"] not in self._rows:
            bisect.insort(self._ids, row["id"])
        self._rows[row["id"]] = row
        for column, keys in self._keys.items():
            if row.get(column) is not None:
                keys[fold(row[column])] = row["id"]

    def delete(self, row_id: str) -> None:
        """Remove the row and its keys."""
        self._forget(row_id)
        del self._rows[row_id]
        self._ids.pop(bisect.bisect_left(self._ids, row_id))

    def _forget(self, row_id: str) -> None:
        old = self._rows.get(row_id, {})
        for column, keys in self._keys.items():
            if old.get(column) is not None:
                keys.pop(fold(old[column]), None)

    def search(self, query: str, limit: int, offset: int) -> Page:
        """The rows a CQL query finds.

        Raises:
            Refusal: 400, when it is not CQL.
        """
        parsed = cql.parse(query) if query else cql.EVERYTHING
        found = [row for row in self._candidates(parsed) if parsed.matches(row)]
        for index, descending in reversed(parsed.sort):
            found.sort(key=cql.sort_key(index), reverse=descending)
        return Page(found[offset : offset + limit], len(found))

    def _candidates(self, parsed: cql.Query) -> Iterable[Row]:
        """The rows worth testing, in the table's own order unless the query sorts by id."""
        for column in self._keys.keys() & parsed.exact.keys():
            return self._some(self._keys[column].get(fold(value)) for value in parsed.exact[column])
        if "id" in parsed.exact:
            return self._some(parsed.exact["id"])
        if parsed.sort[:1] == [("id", False)]:
            return self._some(self._ids[bisect.bisect_right(self._ids, parsed.after) :])
        return list(self._rows.values())

    def _some(self, ids: Iterable[str | None]) -> list[Row]:
        return [self._rows[row_id] for row_id in dict.fromkeys(ids) if row_id is not None and row_id in self._rows]


class Store:
    """One FOLIO tenant. Reference data may be changed by a test: `store.groups.put({...})`."""

    def __init__(self) -> None:
        self.users = Table(UNIQUE)
        self.groups = Table(("group",), reference.groups())
        self.address_types = Table(("addressType",), reference.address_types())
        self.departments = Table(("name", "code"))
        self.custom_fields = Table(("refId",))
        self.service_points = Table(("name", "code"), reference.service_points())
        self.preferences = Table(("userId",))
        self.permission_users: list[str] = []
        self.modules: dict[str, tuple[str, ...]] = dict(reference.MODULES)

    def user(self, external_system_id: str) -> Row | None:
        """A copy of the stored user with this externalSystemId, compared as FOLIO compares."""
        return deepcopy(self.users.find("externalSystemId", external_system_id))
