"""The rules of mod-users: what it takes to create, change and delete a user."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.folio.bodies import stamp
from sandbox.folio.consortium import check_member, note_affiliation
from sandbox.folio.custom_fields import values_fit
from sandbox.folio.folding import fold
from sandbox.folio.refusals import Refusal, errors, text
from sandbox.folio.store import LONGEST_KEY, UNIQUE, Row, Store

DUPLICATE_USERNAME = "User with this username already exists"
DUPLICATE_BARCODE = "This barcode has already been taken"
DUPLICATE_ID = "User with this id already exists"


def create(store: Store, body: Row, author: str) -> Row:
    """Store a new user; returns it as stored.

    Raises:
        Refusal: 400, 422 or 500 by the rules below, in the order of mod-users UsersAPI.postUsers.
    """
    user = stored_form(body)
    one_address_per_type(user)
    trim_username(user)
    remove_empty_custom_fields(user)
    values_fit(store, user)
    address_types_exist(store, user, "You cannot add addresses with non-existent address types")
    patron_group_exists(store, user)
    user["id"] = user.get("id") or str(uuid.uuid4())
    id_is_free(store, user)
    check_member(store, user, 422)
    departments_exist_on_post(store, user)
    keys_fit(user, 422)
    keys_are_free_on_post(store, user)
    now = stamp(datetime.now(UTC))
    user |= {"createdDate": now, "updatedDate": now, "metadata": _metadata({}, author, now)}
    store.users.put(user)
    store.note("created", user["id"])
    return user


def change(store: Store, user_id: str, body: Row, author: str) -> None:
    """Replace a stored user by the body; what the body leaves out is gone.

    Raises:
        Refusal: 400, 404 or 422 by the rules below, in the order of mod-users UsersAPI.putUsersByUserId.
    """
    user = stored_form(body)
    remove_empty_custom_fields(user)
    values_fit(store, user)
    one_address_per_type(user)
    if user.get("id") != user_id:
        raise text(400, "You cannot change the value of the id field")
    address_types_exist(store, user, "All addresses types defined for users must be existing")
    patron_group_exists(store, user)
    old = store.users.get(user_id)
    if old is None:
        raise text(404, "Not found")
    check_member(store, user, 400)
    departments_exist_on_put(store, user)
    keys_fit(user, 400)
    keys_are_free_on_put(store, user)
    now = stamp(datetime.now(UTC))
    user |= {"createdDate": _created_date_after_put(store, old, now), "updatedDate": now}
    user["metadata"] = _metadata(old.get("metadata", {}), author, now)
    store.users.put(user)
    store.note("updated", user_id)
    note_affiliation(store, old, user)


def _created_date_after_put(store: Store, old: Row, now: str) -> str:
    """FOLIO: mod-users MODUSERS-548; up to 19.5.4 every PUT sets createdDate to now, metadata.createdDate stays."""
    kept: str = old.get("createdDate", now)
    return kept if store.version("mod-users") >= (19, 6) else now


def delete(store: Store, user_id: str) -> None:
    """Forget a user.

    Raises:
        Refusal: 404, when there is none.
    """
    if user_id not in store.users:
        raise text(404, user_id)
    store.users.delete(user_id)
    store.note("deleted", user_id)


def expire(store: Store, author: str, now: datetime | None = None) -> int:
    """Make users whose expirationDate has passed inactive; how many.

    FOLIO: mod-users ExpirationTool, each minute: active==true AND expirationDate < now, in UTC.
    """
    moment = stamp(now or datetime.now(UTC))
    found = [user for user in store.users if user.get("active") and user.get("expirationDate", moment) < moment]
    for user in found:
        change(store, user["id"], {**_body(user), "active": False}, author)
    return len(found)


def _body(user: Row) -> Row:
    return {name: value for name, value in user.items() if name not in ("createdDate", "updatedDate", "metadata")}


def stored_form(body: Row) -> Row:
    """FOLIO: the lists of mod-users' User class default to empty, so a stored user always has them."""
    user: Row = {"departments": [], "proxyFor": [], "preferredEmailCommunication": []} | body
    user["departments"] = list(dict.fromkeys(user["departments"]))
    if "personal" in user:
        user["personal"] = {"addresses": []} | user["personal"]
    return user


def one_address_per_type(user: Row) -> None:
    """FOLIO: mod-users AddressValidator."""
    types = [address.get("addressTypeId") for address in addresses(user)]
    if len(types) != len(set(types)):
        raise text(400, "Users are limited to one address per addresstype")


def trim_username(user: Row) -> None:
    """FOLIO: mod-users UsersAPI trims the username on POST, not on PUT, and no other key ever."""
    if (user.get("username") or "").strip():
        user["username"] = user["username"].strip()


def remove_empty_custom_fields(user: Row) -> None:
    """FOLIO: mod-users UsersAPI.removeCustomFieldIfEmpty."""
    if "customFields" in user:
        user["customFields"] = {ref_id: value for ref_id, value in user["customFields"].items() if value != ""}


def address_types_exist(store: Store, user: Row, refusal: str) -> None:
    """FOLIO: mod-users UsersAPI.checkAllAddressTypesValid."""
    if any(address.get("addressTypeId") not in store.address_types for address in addresses(user)):
        raise text(400, refusal)


def patron_group_exists(store: Store, user: Row) -> None:
    """FOLIO: mod-users UsersAPI.validatePatronGroup; no patron group at all is fine."""
    group = user.get("patronGroup")
    if group is not None and group not in store.groups:
        raise text(400, f"Cannot add {group}. Patron group not found")


def id_is_free(store: Store, user: Row) -> None:
    """FOLIO: mod-users UsersAPI.saveUser, DUPLICATE_ID_ERROR."""
    if user["id"] in store.users:
        raise errors(DUPLICATE_ID, "id", user["id"])


def keys_are_free_on_post(store: Store, user: Row) -> None:
    """FOLIO: mod-users UsersAPI.saveUser; the database names the index, two of the three have a text of their own."""
    if store.users.holder("externalSystemId", user):
        value = user["externalSystemId"]
        message = f"duplicate {_folded_column('externalSystemId')} value violates unique constraint: {value}"
        raise errors(message, _folded_column("externalSystemId"), value)
    if store.users.holder("username", user):
        raise errors(DUPLICATE_USERNAME, "username", user["username"])
    if store.users.holder("barcode", user):
        raise errors(DUPLICATE_BARCODE, "barcode", user["barcode"])


def keys_are_free_on_put(store: Store, user: Row) -> None:
    """FOLIO: mod-users UsersAPI.updateUser answers 400 with two texts of its own, else with the database's detail."""
    if store.users.holder("externalSystemId", user):
        raise text(400, f"Key ({_folded_column('externalSystemId')})=({user['externalSystemId']}) already exists.")
    if store.users.holder("username", user):
        raise text(400, DUPLICATE_USERNAME)
    if store.users.holder("barcode", user):
        raise text(400, DUPLICATE_BARCODE)


def keys_fit(user: Row, status: int) -> None:
    """FOLIO: PostgreSQL's btree has no room for a very long unique value; the database's own text."""
    for column in UNIQUE:
        size = len(fold(str(user.get(column) or "")).encode())
        if size > LONGEST_KEY:
            words = f"index row size {size} exceeds btree version 4 maximum {LONGEST_KEY} for index"
            words = f'{words} "users_{column.lower()}_idx_unique"'
            raise errors(words, column) if status == 422 else text(status, words)  # noqa: PLR2004 - Unprocessable


def departments_exist_on_post(store: Store, user: Row) -> None:
    """FOLIO: the foreign key fails in the database; mod-users has no text for it on POST: 500, empty."""
    if _unknown_department(store, user) is not None:
        raise Refusal(500, "")


def departments_exist_on_put(store: Store, user: Row) -> None:
    """FOLIO: the same foreign key on PUT: 400 with the database's detail."""
    unknown = _unknown_department(store, user)
    if unknown is not None:
        raise text(400, f'Key (departments)=({unknown}) is not present in table "departments".')


def addresses(user: Row) -> list[dict[str, Any]]:
    """The addresses of a user; empty without any."""
    found: list[dict[str, Any]] = (user.get("personal") or {}).get("addresses") or []
    return found


def _unknown_department(store: Store, user: Row) -> str | None:
    return next((name for name in user["departments"] if name not in store.departments), None)


def _folded_column(column: str) -> str:
    return f"lower(f_unaccent(jsonb ->> '{column}'::text))"


def _metadata(old: Row, author: str, now: str) -> Row:
    """FOLIO: RMB's metadata; who and when, set by the server."""
    created = old or {"createdDate": now, "createdByUserId": author}
    return created | {"updatedDate": now, "updatedByUserId": author}
