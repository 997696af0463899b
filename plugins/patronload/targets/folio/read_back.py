"""Read back from FOLIO the users behind the patrons of a chunk, and find what keeps it from creating the others."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from patronload.folding import fold
from patronload.targets.delivery import Chunk, Failed, Patron, Record
from patronload.targets.folio import answers, stored_users, three_way
from patronload.targets.folio.client import Folio
from patronload.targets.folio.comparison import Comparison, moment
from patronload.targets.folio.merge import IDS
from patronload.targets.folio.reference_data import LISTS, Reference


class ReadBack:
    """The stored users behind the patrons of a chunk, and whether they are as they were sent."""

    def __init__(self, folio: Folio) -> None:
        self._folio = folio

    def users(self, patrons: list[Patron]) -> dict[str, Record]:
        """The users FOLIO has for these patrons, by externalSystemId, each with its `requestPreference` or None."""
        users = self._folio.users_by_external_system_ids(patron.key for patron in patrons)
        preferences = self._folio.preferences_by_user_ids(user["id"] for user in users.values())
        return {key: user | {"requestPreference": preferences.get(user["id"])} for key, user in users.items()}

    def obstacles(self, patrons: list[Patron]) -> dict[int, Failed]:
        """
        Why FOLIO cannot create some of these patrons, by row: another user has one of their ids.

        A user with the patron's very externalSystemId is the patron, created late by a request that was thought lost.
        """
        own = {patron.row: self._folio.prefix + patron.key for patron in patrons}
        names = (*IDS, "id")
        wanted = {name: {p.row: str(p.record[name]) for p in patrons if p.record.get(name)} for name in names}
        wanted["externalSystemId"] = {row: self._folio.prefix + key for row, key in wanted["externalSystemId"].items()}
        found: dict[int, Failed] = {}
        for name, values in wanted.items():
            holders = {fold(user[name]): user for user in self._folio.users_by(name, values.values()) if user.get(name)}
            for row, value in values.items():
                holder = holders.get(fold(value))
                if holder is not None and holder.get("externalSystemId") != own[row]:
                    found.setdefault(row, answers.id_conflict(row, name, value, holder))
        return found

    def holds(self, patron: Patron, user: Record | None) -> bool:
        """Whether a user, as `users` returns it, is what an import of the patron leaves behind."""
        return (
            user is not None
            and self._comparison.holds(patron.record, user)
            and self._comparison.holds_preference(patron.record, user["requestPreference"])
        )

    def as_planned(self, patron: Patron, user: Record | None, chunk: Chunk) -> Patron:
        """
        The patron with the plan's changes merged into the user that FOLIO has now, as `users` returns it.

        So an edit made in FOLIO since the plan is kept. Without a user, or where a plan does not say what it changes,
        the patron stays as planned.
        """
        if user is None or chunk.changed is None or stored_users.unknown_properties(_without_preference(user)):
            return patron
        now = stored_users.as_import(user, self._folio.prefix, self._reference, user["requestPreference"])
        changed = chunk.changed.get(patron.row)
        paths = three_way.every_path(patron.record) if changed is None else changed.split("\n") if changed else []
        return patron._replace(record=three_way.apply(now, patron.record, paths))

    @cached_property
    def _reference(self) -> Reference:
        return Reference(**{name: self._folio.names(*where) for name, where in LISTS.items()})

    @cached_property
    def _comparison(self) -> Comparison:
        return Comparison(self._folio)


def _without_preference(user: Record) -> Record:
    return {name: value for name, value in user.items() if name != "requestPreference"}


def is_created_since(user: Record, when: datetime) -> bool:
    """
    Whether FOLIO created the user at `when` or later, by its own clock. A user without any date was there before.

    FOLIO: mod-users up to 19.5.4 sets createdDate at every update; RMB's metadata.createdDate never changes.
    """
    created = (user.get("metadata") or {}).get("createdDate") or user.get("createdDate")
    return created is not None and moment(created) >= when
