"""The rules for a tenant that belongs to an ECS consortium."""

from __future__ import annotations

from sandbox.folio.refusals import Refusal, errors, text
from sandbox.folio.store import Row, Store

TYPES = ("patron", "staff", "shadow", "system", "dcb")
"""FOLIO: mod-users UserType; case-sensitive."""

UNPROCESSABLE = 422


def check_member(store: Store, user: Row, status: int) -> None:
    """
    The user's type is one of five, staff have a username, and no other tenant has it; elsewhere anything goes.

    FOLIO: mod-users UserTenantService.validateUserAcrossTenants; 422 on POST, 400 in plain text on PUT.
    """
    if store.consortium is None:
        return
    if user.get("type") not in TYPES:
        raise _refusal(
            f"An invalid user type has been populated to a user, allowed values: [{', '.join(TYPES)}]", status
        )
    if user["type"] == "staff" and not user.get("username"):
        words = f"The user with the ID {user['id']} must have a username since consortium mode is enabled"
        raise _refusal(words, status)
    if user.get("username") and user["type"] != "shadow" and _held_elsewhere(store, user):
        raise _refusal("User with this username already exists", status)


def note_affiliation(store: Store, old: Row, new: Row) -> None:
    """FOLIO: mod-users UserOutboxService; a change between patron and staff makes or ends an affiliation."""
    if store.consortium and {old.get("type"), new.get("type")} == {"patron", "staff"}:
        store.consortium.affiliations.append((new["id"], new["type"]))


def _held_elsewhere(store: Store, user: Row) -> bool:
    assert store.consortium is not None  # the caller has looked
    others = (other for other in store.consortium.stores.values() if other is not store)
    found = (other.users.find("username", user["username"]) for other in others)
    return any(holder is not None and holder["id"] != user["id"] for holder in found)


def _refusal(words: str, status: int) -> Refusal:
    return errors(words) if status == UNPROCESSABLE else text(status, words)
