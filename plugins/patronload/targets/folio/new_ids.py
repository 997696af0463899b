"""
Give users of FOLIO the externalSystemId under which a chunk has them, just before the chunk is sent.

An undo gives them the one that they had before a load, just after its chunk.

FOLIO: mod-user-import finds users by externalSystemId alone, so a user who has none, or another one, has to get it
first: by PUT /users/ID of mod-users, with the user as FOLIO has it at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from patronload.systems.folio import FOLIO
from patronload.targets.delivery import Chunk, Failed, Patron, Record
from patronload.targets.folio import answers
from patronload.targets.folio.client import Folio
from patronload.targets.folio.protection import is_staff

GONE = "FOLIO no longer has the user whom this row was to take over"
CHANGED = "the user whom this row was to take over was given another externalSystemId in FOLIO after the plan"
STAFF = "the user whom this row was to take over became staff in FOLIO after the plan"

NO_LONGER = "FOLIO no longer has the user whose externalSystemId was to go back"
ANOTHER_KEY = "the user whose externalSystemId was to go back was given another one in FOLIO after the plan"
STAFF_NOW = "the user whose externalSystemId was to go back became staff in FOLIO after the plan"


def give(folio: Folio, chunk: Chunk, changed: Callable[[], None]) -> dict[int, Failed]:
    """
    Change the externalSystemId of the chunk's users who need it; return the rows where that failed, and why.

    It may be called again: who has the id already is left alone. `changed` is called after each change. Raises
    TransientError and TargetError.
    """
    patrons = [patron for patron in chunk.patrons if patron.row in chunk.former]
    if not patrons:
        return {}
    users = _users(folio, patrons)
    failed = {}
    for patron in patrons:
        user = users.get(str(patron.record["id"]))
        if user is not None and _key(user) == folio.prefix + patron.key:
            continue
        refusal = _obstacle(folio, patron, user, chunk.former[patron.row])
        if refusal is None and user is not None:
            refusal = _change(folio, patron, user)
        if refusal is None:
            changed()
        else:
            failed[patron.row] = refusal
    return failed


def are_back(folio: Folio, chunk: Chunk) -> set[int]:
    """The rows whose users have the externalSystemId from before the load again. Raises as `give`."""
    patrons = [patron for patron in chunk.patrons if patron.row in chunk.later]
    users = _users(folio, patrons)
    return {
        patron.row
        for patron in patrons
        if (user := users.get(str(patron.record["id"]))) and _key(user) == chunk.later[patron.row]
    }


def give_back(folio: Folio, chunk: Chunk, rows: Collection[int], changed: Callable[[], None]) -> dict[int, Failed]:
    """
    Give users of these rows the externalSystemId from before the load; return the rows where that failed, and why.

    It may be called again, and raises as `give`.
    """
    patrons = [patron for patron in chunk.patrons if patron.row in rows]
    users = _users(folio, patrons)
    failed = {}
    for patron in patrons:
        user, later = users.get(str(patron.record["id"])), chunk.later[patron.row]
        if user is not None and _key(user) == later:
            continue
        refusal = _kept(folio, patron, user)
        if refusal is None and user is not None:
            others = {name: value for name, value in user.items() if name != FOLIO.key}
            refusal = _put(folio, patron, others | ({FOLIO.key: later} if later else {}))
        if refusal is None:
            changed()
        else:
            failed[patron.row] = refusal
    return failed


def _users(folio: Folio, patrons: list[Patron]) -> dict[str, Record]:
    """The users behind patrons, by their ids in FOLIO."""
    ids = [str(patron.record["id"]) for patron in patrons]
    return {user["id"]: user for user in folio.users_by("id", ids)} if ids else {}


def _key(user: Record) -> str:
    return user.get(FOLIO.key) or ""


def _kept(folio: Folio, patron: Patron, user: Record | None) -> Failed | None:
    """Why the user may not get the former id again; None if they may."""
    words = None
    if user is None:
        words = NO_LONGER
    elif is_staff(user):
        words = STAFF_NOW
    elif _key(user) != folio.prefix + patron.key:
        words = ANOTHER_KEY
    return None if words is None else Failed(patron.row, words, words)


def _obstacle(folio: Folio, patron: Patron, user: Record | None, former: str) -> Failed | None:
    """Why the user may not get the id any more; None if it may."""
    words = None
    if user is None:
        words = GONE
    elif is_staff(user):
        words = STAFF
    elif _key(user) not in (former, folio.prefix + former):
        words = CHANGED
    return None if words is None else Failed(patron.row, words, words)


def _change(folio: Folio, patron: Patron, user: Record) -> Failed | None:
    return _put(folio, patron, user | {FOLIO.key: folio.prefix + patron.key})


def _put(folio: Folio, patron: Patron, user: Record) -> Failed | None:
    refusal = folio.change_user(user)
    return None if refusal is None else answers.refused_update(patron.row, refusal)
