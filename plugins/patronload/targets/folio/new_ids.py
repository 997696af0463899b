"""
Give users of FOLIO the externalSystemId under which a chunk has them, just before the chunk is sent.

FOLIO: mod-user-import finds users by externalSystemId alone, so a user who has none, or another one, has to get it
first: by PUT /users/ID of mod-users, with the user as FOLIO has it at that moment.
"""

from __future__ import annotations

from collections.abc import Callable

from patronload.targets.delivery import Chunk, Failed, Patron, Record
from patronload.targets.folio import answers
from patronload.targets.folio.client import Folio
from patronload.targets.folio.protection import is_staff

GONE = "FOLIO no longer has the user whom this row was to take over"
CHANGED = "the user whom this row was to take over has got another externalSystemId in FOLIO since the plan"
STAFF = "the user whom this row was to take over has become staff in FOLIO since the plan"


def give(folio: Folio, chunk: Chunk, changed: Callable[[], None]) -> dict[int, Failed]:
    """
    Change the externalSystemId of the chunk's users who need it; return the rows where that failed, and why.

    It may be called again: who has the id already is left alone. `changed` is called after each change. Raises
    TransientError and TargetError.
    """
    patrons = [patron for patron in chunk.patrons if patron.row in chunk.former]
    if not patrons:
        return {}
    users = {user["id"]: user for user in folio.users_by("id", [str(patron.record["id"]) for patron in patrons])}
    failed = {}
    for patron in patrons:
        user = users.get(str(patron.record["id"]))
        if user is not None and user.get("externalSystemId") == folio.prefix + patron.key:
            continue
        refusal = _obstacle(folio, patron, user, chunk.former[patron.row])
        if refusal is None and user is not None:
            refusal = _change(folio, patron, user)
        if refusal is None:
            changed()
        else:
            failed[patron.row] = refusal
    return failed


def _obstacle(folio: Folio, patron: Patron, user: Record | None, former: str) -> Failed | None:
    """Why the user may not get the id any more; None if it may."""
    words = None
    if user is None:
        words = GONE
    elif is_staff(user):
        words = STAFF
    elif (user.get("externalSystemId") or "") not in (former, folio.prefix + former):
        words = CHANGED
    return None if words is None else Failed(patron.row, words, words)


def _change(folio: Folio, patron: Patron, user: Record) -> Failed | None:
    refusal = folio.change_user(user | {"externalSystemId": folio.prefix + patron.key})
    return None if refusal is None else answers.refused_update(patron.row, refusal)
