"""The data of one FOLIO tenant: users under FOLIO's unique rules, reference data, request preferences."""

from __future__ import annotations

import bisect
import json
import time
import uuid
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sandbox.folio import cql, reference
from sandbox.folio.folding import fold
from sandbox.folio.java_dates import stamp

Row = dict[str, Any]

UNIQUE = ("externalSystemId", "username", "barcode")
"""FOLIO: mod-users schema.json, uniqueIndex of the table users. "" is a value, absent is none."""


EXACT_UP_TO = 1000
"""FOLIO: RMB README, "Estimated totalRecords": a number above this is what the query planner guesses."""

LONGEST_KEY = 2704
"""PostgreSQL's btree: the bytes that the index entry of a unique value may have."""


class Page(NamedTuple):
    """A part of what a query found, and how many FOLIO says it found in all."""

    rows: list[Row]
    total: int


class Event(NamedTuple):
    """A change of a stored user, with its time. FOLIO: mod-users' domain events, one for every POST, PUT and DELETE."""

    what: Literal["created", "updated", "deleted"]
    user_id: str
    time: float


@dataclass
class Consortium:
    """An ECS consortium: the tenant in the middle, and what every tenant of it keeps."""

    central: str
    stores: dict[str, Store] = field(default_factory=dict)
    affiliations: list[tuple[str, str]] = field(default_factory=list)
    """User id and new type, for each change between patron and staff. FOLIO: mod-users UserOutboxService."""


class Table:
    """Rows by id, with look-ups over the columns named `unique`, compared folded."""

    def __init__(self, unique: Iterable[str] = (), rows: Iterable[Row] = ()) -> None:
        self._rows: dict[str, Row] = {}
        self._ids: list[str] = []
        self._keys: dict[str, dict[str, str]] = {column: {} for column in unique}
        self.wanders = False
        """Whether pages of a query without sortBy begin anywhere. FOLIO: PostgreSQL promises no order without one."""
        self._wandered = 0
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
        found = [row for row in self._candidates(parsed) if parsed.matches(self._view(row, query))]
        for index, descending in reversed(parsed.sort):
            found.sort(key=cql.sort_key(index), reverse=descending)
        if self.wanders and not parsed.sort:
            found = self._turn(found)
        rows = found[offset : offset + limit]
        return Page(rows, total_records(len(found), len(rows), limit, offset))

    def _view(self, row: Row, query: str) -> Row:  # noqa: ARG002 - what a table that joins another one looks for
        """A row as a query sees it."""
        return row

    def _turn(self, found: list[Row]) -> list[Row]:
        """FOLIO: PostgreSQL's synchronised scans; each scan may join another one in its middle."""
        self._wandered = (self._wandered * 5 + 7) % max(1, len(found))
        return found[self._wandered :] + found[: self._wandered]

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


def total_records(found: int, returned: int, limit: int, offset: int) -> int:
    """
    The totalRecords of an answer: exact up to a thousand, above it too low unless the page itself proves more.

    FOLIO: RMB README, "Estimated totalRecords"; the adjustments are those of RMB's PostgresClient.
    """
    if found <= EXACT_UP_TO or limit == 0:
        return found
    estimate = max(EXACT_UP_TO, found * 9 // 10)
    if returned == 0:
        return min(offset, estimate)
    return offset + returned if returned < limit else max(offset + returned, estimate)


KEYWORDS = (
    ("username",),
    ("personal", "firstName"),
    ("personal", "preferredFirstName"),
    ("personal", "lastName"),
    ("personal", "middleName"),
    ("personal", "email"),
    ("barcode",),
    ("id",),
    ("externalSystemId",),
    ("customFields",),
)
"""FOLIO: mod-users schema.json, fullTextIndex keywords."""


class Users(Table):
    """Users; a query may also ask for `keywords` and for the patron group's own fields, as in patronGroup.group."""

    def __init__(self, groups: Table) -> None:
        super().__init__(UNIQUE)
        self._groups = groups

    def _view(self, row: Row, query: str) -> Row:
        """FOLIO: mod-users UsersAPI.getCQL joins the groups when the query has patronGroup with a dot."""
        view = row
        if "patronGroup." in query:
            group = self._groups.get(row.get("patronGroup", "")) or {}
            view = view | {f"patronGroup.{name}": value for name, value in group.items()}
        if "keywords" in query:
            view = view | {"keywords": " ".join(_texts(row))}
        return view


def _texts(row: Row) -> Iterator[str]:
    for path in KEYWORDS:
        value: Any = row
        for name in path:
            value = (value or {}).get(name)
        if value is not None:
            yield value if isinstance(value, str) else json.dumps(value)


class Store:
    """One FOLIO tenant. Reference data may be changed by a test: `store.groups.put({...})`."""

    def __init__(self) -> None:
        self.groups = Table(("group",), reference.groups())
        self.groups.wanders = True
        self.users = Users(self.groups)
        self.address_types = Table(("addressType",), reference.address_types())
        self.departments = Table(("name", "code"))
        self.custom_fields = Table(("refId",))
        self.service_points = Table(("name", "code"), reference.service_points())
        self.preferences = Table(("userId",))
        self.permission_users = Table(("userId",))
        self.service_points_users = Table(("userId",))
        self.proxies = Table()
        self.note_types = Table(("name",), reference.note_types())
        self.notes = Table()
        self.manual_blocks = Table()
        self.accounts = Table()
        """Fees and fines. FOLIO: mod-feesfines."""
        self.loans = Table()
        self.modules: dict[str, tuple[str, ...]] = dict(reference.MODULES)
        self.consortium: Consortium | None = None
        self.history: list[Event] = []
        """The events of each user, in order."""

    def note(self, what: Literal["created", "updated", "deleted"], user_id: str) -> None:
        """Keep in mind what happened to a user."""
        self.history.append(Event(what, user_id, time.time()))

    @property
    def orphans(self) -> dict[str, list[Row]]:
        """Permission users and request preferences of users that do not exist.

        FOLIO: UserImportAPI.createNewUser posts the one before the user, processUser the other after a failed create.
        """
        tables = {"permission_users": self.permission_users, "preferences": self.preferences}
        return {name: [row for row in table if row["userId"] not in self.users] for name, table in tables.items()}

    def upgrade(self, module: str, version: str) -> None:
        """Replace a module by another version.

        mod-users up to 19.5.4 sets createdDate at every PUT; mod-users 19.7.0 brings its migration along.

        FOLIO: mod-users 19.7.0, migrate_preferred_contact_id_to_array.sql gives every user with a contact type a
        property that mod-user-import 3.11.0 does not know.
        """
        old = next(name for name in self.modules if name.rpartition("-")[0] == module)
        self.modules[f"{module}-{version}"] = self.modules.pop(old)
        if self.has_contact_lists:
            for user in self.users:
                contact = (user.get("personal") or {}).get("preferredContactTypeId")
                if contact:
                    user["personal"]["preferredContactTypeIds"] = [contact]

    @property
    def has_contact_lists(self) -> bool:
        """Whether mod-users is 19.7.0 or later, whose users have personal.preferredContactTypeIds."""
        return self.version("mod-users") >= (19, 7)

    def version(self, module: str) -> tuple[int, ...]:
        """The version of a module, the highest when there are two during an upgrade; () without one."""
        versions = [name.rpartition("-")[2] for name in self.modules if name.rpartition("-")[0] == module]
        return max((tuple(int(part) for part in version.split(".")) for version in versions), default=())

    def lend(self, user_id: str, item: str = "A book") -> Row:
        """Lend the user something; returns the loan, to be put into `loans` again with another status when it ends."""
        loan: Row = {
            "id": str(uuid.uuid4()),
            "userId": user_id,
            "itemId": str(uuid.uuid4()),
            "item": {"title": item},
            "loanDate": stamp(datetime.now(UTC)),
            "status": {"name": "Open"},
            "action": "checkedout",
        }
        self.loans.put(loan)
        return loan

    def charge(self, user_id: str, amount: float) -> Row:
        """Charge the user a fee; returns the account, which is open until its status is changed."""
        account: Row = {
            "id": str(uuid.uuid4()),
            "userId": user_id,
            "feeFineId": str(uuid.uuid4()),
            "ownerId": str(uuid.uuid4()),
            "amount": amount,
            "remaining": amount,
            "status": {"name": "Open"},
            "paymentStatus": {"name": "Outstanding"},
        }
        self.accounts.put(account)
        return account

    def user(self, external_system_id: str) -> Row | None:
        """A copy of the stored user with this externalSystemId, compared as FOLIO compares."""
        return deepcopy(self.users.find("externalSystemId", external_system_id))
