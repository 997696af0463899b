"""
Read from FOLIO the users whom a load touches: those it is about, and those who hold one of its ids.

There may be millions of both. So of the file only hashes of its ids are in memory, and the users wait on disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import polars as pl

from patronload.folding import fold
from patronload.targets.delivery import Record
from patronload.targets.folio import merge
from patronload.targets.folio.client import PAGE, QUERY_IDS, Folio
from patronload.targets.folio.identity_conflicts import Holder
from patronload.targets.folio.protection import is_staff
from patronload.targets.hashed_column import HashedColumn
from patronload.targets.record_store import RecordStore
from patronload.targets.spool import in_parts

QUERIES = 4
"""A patron is looked up by externalSystemId, username, barcode and e-mail address; hardly ever by id as well."""

PAGE_COST = 10
"""A page of users costs FOLIO about as much as this many lookups."""

SHARING = 50
"""The maximum number of users with the same e-mail address that are read."""

HELD = ("externalSystemId", "username", "barcode", "id", "personal.email")
"""The fields by which stored users are found."""


class Stored:
    """Stored users whom a load touches: those it is about, with their request preferences, and who holds its ids."""

    def __init__(self, read: str = "") -> None:
        self.read = read
        """How they were read, in words."""
        self.prefixed = 0
        """Rows whose externalSystemId begins with source_type already, and with just that one FOLIO has a user."""
        self.held = {name: HashedColumn() for name in HELD}
        """The values that the users hold, folded; the place of each is the number of its user."""
        self._users = RecordStore()
        self._is_own = bytearray()
        """Whether a user has an externalSystemId of the load, or of the other keys that were asked for."""
        self._is_asked_for = bytearray()
        """Whether a user may be changed: the same, and users without an externalSystemId who may be taken over."""
        self.has_without_key = False
        """Whether there are users without an externalSystemId who have a username or barcode of the load."""
        self._preferences, self._owners = RecordStore(), HashedColumn()

    def user(self, key: str) -> Record | None:
        """The stored user with this externalSystemId, compared as FOLIO does."""
        return next(self._with("externalSystemId", key, only_own=True), None)

    def preference(self, user_id: str) -> Record | None:
        """The request preference of a stored user."""
        found = (self._preferences.get(int(place)) for place in self._owners.places(user_id))
        return next((one for one in found if one["userId"] == user_id), None)

    def holder(self, number: int) -> Holder:
        """A user as far as ids go."""
        return _holder(self._users.get(number))

    def holders(self) -> Iterator[Holder]:
        """All users, as far as ids go."""
        return map(self.holder, range(len(self._users)))

    def holder_of_key(self, key: str) -> Holder | None:
        """Like `user`, including users who only hold an id of the load."""
        return next(map(_holder, self._with("externalSystemId", key)), None)

    def without_key(self, name: str, value: str) -> Record | None:
        """The user without an externalSystemId who has this username or barcode; for target.match only."""
        found = (user for user in self._with(name, value) if not user.get("externalSystemId"))
        return next(found, None) if self.has_without_key else None

    def add(self, user: Record, *, is_own: bool, is_without_key: bool = False) -> None:
        """Keep a user."""
        self._users.add(user)
        self._is_own.append(is_own)
        self._is_asked_for.append(is_own or is_without_key)
        self.has_without_key |= is_without_key
        for name, column in self.held.items():
            value = _value(user, name)
            column.add(None if value is None else fold(value))

    def add_preference(self, preference: Record) -> None:
        """Keep a request preference."""
        self._preferences.add(preference)
        self._owners.add(preference["userId"])

    def ids(self) -> Iterator[str]:
        """The ids of the users whom the load may change."""
        return (self._users.get(number)["id"] for number, wanted in enumerate(self._is_asked_for) if wanted)

    def may_change(self, user_id: str) -> bool:
        """Whether this is the id of a user whom the load may change."""
        return any(self._is_asked_for[place] for place in self.held["id"].places(fold(user_id)))

    def close(self) -> None:
        """Forget the users."""
        self._users.close()
        self._preferences.close()

    def _with(self, name: str, value: str, *, only_own: bool = False) -> Iterator[Record]:
        """The users with a value; the last first, because what FOLIO says later is newer."""
        folded = fold(value)
        for place in self.held[name].places(folded)[::-1]:
            if self._is_own[place] or not only_own:
                user = self._users.get(int(place))
                if fold(_value(user, name) or "") == folded:
                    yield user


def _value(user: Record, name: str) -> str | None:
    found: str | None = email(user) if name == "personal.email" else user.get(name)
    return found


def _holder(user: Record) -> Holder:
    key, username, barcode = (user.get(name) for name in merge.IDS)
    return Holder(user["id"], key or "", username, barcode, email(user), is_staff(user))


NONE = Stored()
"""No users, for a load whose users could not be read."""


def read(folio: Folio, patrons: pl.DataFrame | pl.LazyFrame, others: Iterable[str] = ()) -> Stored:
    """
    The users whom the load touches: each looked up when the load is small beside FOLIO, else all of them read.

    `others` are keys of users who are not in the file.
    """
    wanted = _Wanted(folio, patrons.lazy(), others)
    if not wanted.height:
        return Stored("nothing")
    by_id = wanted.height * QUERIES / QUERY_IDS <= 1 + folio.count_users() * PAGE_COST / PAGE
    if by_id:
        wanted.look_up(folio)
    else:
        wanted.pick(folio)
    return wanted.stored


class _Wanted:
    """The ids of a load, folded, and the stored users who have one of them."""

    def __init__(self, folio: Folio, patrons: pl.LazyFrame, others: Iterable[str]) -> None:
        self._prefix = folio.prefix
        self._patrons = patrons
        self._others = list(others)
        self._takes_over = bool(folio.target.match.users_without_id)
        self._keys = HashedColumn(map(fold, self.keys()))
        self._prefixed = HashedColumn(map(fold, self.prefixed_keys()))
        self._ids = {name: HashedColumn(map(fold, self.column(name))) for name in ("username", "barcode", "id")}
        self._emails = HashedColumn(email for _, email in self.emails())
        self.height = len(self._keys)
        """How many users may be asked for by their keys."""
        self.stored = Stored()

    def column(self, name: str) -> Iterator[str]:
        """The values of one of the load's ids."""
        for part in in_parts(self._patrons, name):
            yield from part[name].drop_nulls()

    def keys(self) -> Iterator[str]:
        """The externalSystemIds as FOLIO has them."""
        return (self._prefix + key for key in chain(self.column("externalSystemId"), self._others))

    def prefixed_keys(self) -> Iterator[str]:
        """The externalSystemIds of the file that have FOLIO's prefix already."""
        prefix = fold(self._prefix)
        return (key for key in self.column("externalSystemId") if prefix and fold(key).startswith(prefix))

    def emails(self) -> Iterator[tuple[str, str]]:
        """The e-mail addresses of the file, as FOLIO compares them, each with the patron's key in FOLIO."""
        for part in in_parts(self._patrons, "externalSystemId", "patron"):
            for key, text in part.iter_rows():
                if found := email(json.loads(text)):
                    yield self._prefix + key, found

    def look_up(self, folio: Folio) -> None:
        """Ask FOLIO for each of the ids."""
        self.stored.read = "by id"
        seen: set[str] = set()
        for user in self._looked_up(folio):
            if user["id"] not in seen:
                seen.add(user["id"])
                self._take(user)
        ids = self.stored.ids()
        while batch := list(islice(ids, PAGE)):
            for preference in folio.preferences_by_user_ids(batch).values():
                self.stored.add_preference(preference)

    def _looked_up(self, folio: Folio) -> Iterator[Record]:
        found = HashedColumn()
        for user in folio.users_by("externalSystemId", chain(self.keys(), self.prefixed_keys())):
            found.add(fold(user["externalSystemId"]))
            yield user
        for name in ("username", "barcode", "id"):
            yield from folio.users_by(name, self.column(name))
        new = (email for key, email in self.emails() if fold(key) not in found)
        yield from folio.users_by("personal.email", dict.fromkeys(new), each=SHARING)

    def pick(self, folio: Folio) -> None:
        """Read all users and request preferences, and keep those of the load."""
        self.stored.read = "all"
        for user in folio.all_users():
            self._take(user)
        for preference in folio.all_preferences():
            if self.stored.may_change(preference["userId"]):
                self.stored.add_preference(preference)

    def _take(self, user: Record) -> None:
        """Keep a user who has one of the ids; of the others nothing."""
        key = user.get("externalSystemId")
        self.stored.prefixed += key is not None and fold(key) in self._prefixed
        is_own = key is not None and fold(key) in self._keys
        if is_own or self._holds(user):
            self.stored.add(user, is_own=is_own, is_without_key=not key and self._takes_over)

    def _holds(self, user: Record) -> bool:
        values = ((column, user.get(name)) for name, column in self._ids.items())
        address = email(user)
        return any(value is not None and fold(value) in column for column, value in values) or (
            address is not None and address in self._emails
        )


def email(record: Record) -> str | None:
    """The user's e-mail address as FOLIO compares it, if any."""
    written = (record.get("personal") or {}).get("email")
    return str(written).strip().lower() if written else None
