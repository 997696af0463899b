"""Read from FOLIO the users whom a load touches: those it is about, and those who hold one of its ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import polars as pl

from patronload.folding import fold
from patronload.targets.delivery import Record
from patronload.targets.folio import merge
from patronload.targets.folio.client import PAGE, QUERY_IDS, Folio
from patronload.targets.folio.identity_conflicts import Holder
from patronload.targets.folio.protection import is_staff

QUERIES = 4
"""A patron is looked up by externalSystemId, username, barcode and e-mail address; hardly ever by id as well."""

PAGE_COST = 10
"""A page of users costs FOLIO about as much as this many lookups."""

SHARING = 50
"""The maximum number of users with the same e-mail address that are read."""


class Stored(NamedTuple):
    """Stored users whom a load touches: as JSON by folded externalSystemId, and all who hold one of its ids."""

    users: dict[str, bytes]
    holders: dict[str, Holder]
    preferences: dict[str, Record]
    read: str
    without_id: dict[str, bytes] = {}  # noqa: RUF012 - it is never changed
    """By id, users without an externalSystemId who have a username or barcode of the load; for target.match only."""
    prefixed: int = 0
    """Rows whose externalSystemId begins with source_type already, and with just that one FOLIO has a user."""

    def user(self, key: str) -> Record | None:
        """The stored user with this externalSystemId, compared as FOLIO does."""
        raw = self.users.get(fold(key))
        return None if raw is None else json.loads(raw)


NONE = Stored({}, {}, {}, "")
"""No users, for a load whose users could not be read."""


def read(folio: Folio, patrons: pl.DataFrame, others: Iterable[str] = ()) -> Stored:
    """
    The users whom the load touches: each looked up when the load is small beside FOLIO, else all of them read.

    `others` are keys of users who are not in the file.
    """
    wanted = _Wanted(folio, patrons, others)
    if not wanted.keys:
        return Stored({}, {}, {}, "nothing")
    by_id = len(wanted.keys) * QUERIES / QUERY_IDS <= 1 + folio.count_users() * PAGE_COST / PAGE
    for user in wanted.look_up(folio) if by_id else folio.all_users():
        wanted.take(user)
    if by_id:
        preferences = folio.preferences_by_user_ids(wanted.ours)
    else:
        preferences = {one["userId"]: one for one in folio.all_preferences() if one["userId"] in wanted.ours}
    how = "by id" if by_id else "all"
    return Stored(wanted.users, wanted.holders, preferences, how, wanted.without_id, wanted.prefixed)


class _Wanted:
    """The ids of a load, folded, and the stored users who have one of them."""

    def __init__(self, folio: Folio, patrons: pl.DataFrame, others: Iterable[str]) -> None:
        prefix = folio.prefix
        self.takes_over = bool(folio.target.match.users_without_id)
        of_file = [prefix + key for key in patrons["externalSystemId"]]
        self.keys = [*of_file, *(prefix + key for key in others)]
        self.prefixed_keys = [
            key for key in patrons["externalSystemId"] if prefix and fold(key).startswith(fold(prefix))
        ]
        self.usernames = patrons["username"].drop_nulls().to_list()
        self.barcodes = patrons["barcode"].drop_nulls().to_list()
        self.ids = patrons["id"].drop_nulls().to_list()
        self.emails = {key: email for key, email in zip(of_file, _emails(patrons), strict=True) if email}
        self._keys, self._usernames, self._barcodes, self._ids = (
            {fold(one) for one in values} for values in (self.keys, self.usernames, self.barcodes, self.ids)
        )
        self._emails = set(self.emails.values())
        self._prefixed = {fold(key) for key in self.prefixed_keys}
        self.prefixed = 0
        self.users: dict[str, bytes] = {}
        self.without_id: dict[str, bytes] = {}
        self.holders: dict[str, Holder] = {}
        self.ours: set[str] = set()
        """The ids of the stored users whom the load is about."""

    def look_up(self, folio: Folio) -> Iterator[Record]:
        yield from folio.users_by("externalSystemId", self.keys + self.prefixed_keys)
        yield from folio.users_by("username", self.usernames)
        yield from folio.users_by("barcode", self.barcodes)
        yield from folio.users_by("id", self.ids)
        new = [email for key, email in self.emails.items() if fold(key) not in self.users]
        yield from folio.users_by("personal.email", dict.fromkeys(new), each=SHARING)

    def take(self, user: Record) -> None:
        """Keep a user who has one of the ids; of the others nothing."""
        key, username, barcode = (user.get(name) for name in merge.IDS)
        self.prefixed += key is not None and fold(key) in self._prefixed and user["id"] not in self.holders
        if key is not None and fold(key) in self._keys:
            self.users[fold(key)] = json.dumps(user, ensure_ascii=False).encode()
            self.ours.add(user["id"])
        elif fold(user["id"]) not in self._ids and not self._holds(username, barcode, email(user)):
            return
        if not key and self.takes_over:
            self.without_id[user["id"]] = json.dumps(user, ensure_ascii=False).encode()
            self.ours.add(user["id"])
        self.holders[user["id"]] = Holder(user["id"], key or "", username, barcode, email(user), is_staff(user))

    def _holds(self, username: str | None, barcode: str | None, email: str | None) -> bool:
        return (
            (username is not None and fold(username) in self._usernames)
            or (barcode is not None and fold(barcode) in self._barcodes)
            or email in self._emails
        )


def _emails(patrons: pl.DataFrame) -> Iterator[str | None]:
    for text in patrons["patron"]:
        yield email(json.loads(text))


def email(record: Record) -> str | None:
    """The user's e-mail address as FOLIO compares it, if any."""
    written = (record.get("personal") or {}).get("email")
    return str(written).strip().lower() if written else None
