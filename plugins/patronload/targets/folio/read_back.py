"""Read back from FOLIO the users behind the patrons of a chunk, and find what keeps it from creating the others."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from patronload.folding import fold
from patronload.targets.delivery import Failed, Patron, Record
from patronload.targets.folio import answers
from patronload.targets.folio.client import Folio
from patronload.targets.folio.comparison import Comparison, moment
from patronload.targets.folio.merge import IDS


class ReadBack:
    """The stored users behind the patrons of a chunk, and whether they are as they were sent."""

    def __init__(self, folio: Folio) -> None:
        self._folio = folio

    def users(self, patrons: list[Patron]) -> dict[str, Record]:
        """The users FOLIO has for these patrons, by externalSystemId; with their request preference if one was sent."""
        users = self._folio.users_by_external_system_ids(patron.key for patron in patrons)
        asked = [patron.key for patron in patrons if "requestPreference" in patron.record]
        preferences = self._folio.preferences_by_user_ids(users[key]["id"] for key in asked if key in users)
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
                    found.setdefault(row, answers.held(row, name, value, holder))
        return found

    def holds(self, patron: Patron, user: Record | None) -> bool:
        """Whether a user, as `users` returns it, is what an import of the patron leaves behind."""
        return (
            user is not None
            and self._comparison.holds(patron.record, user)
            and self._comparison.holds_preference(patron.record, user["requestPreference"])
        )

    @cached_property
    def _comparison(self) -> Comparison:
        return Comparison(self._folio)


def is_created_since(user: Record, when: datetime) -> bool:
    """
    Whether FOLIO created the user at `when` or later, by its own clock. A user without any date was there before.

    FOLIO: mod-users up to 19.5.4 sets createdDate at every update; RMB's metadata.createdDate never changes.
    """
    created = (user.get("metadata") or {}).get("createdDate") or user.get("createdDate")
    return created is not None and moment(created) >= when
