"""The rules of mod-users: what it takes to create, change and delete a user."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from sandbox.folio.consortium import check_member, note_affiliation
from sandbox.folio.custom_fields import check_custom_fields
from sandbox.folio.folding import fold
from sandbox.folio.java_dates import stamp
from sandbox.folio.refusals import Refusal, errors, text
from sandbox.folio.store import LONGEST_KEY, UNIQUE, Row, Store

DUPLICATE_USERNAME = "User with this username already exists"
DUPLICATE_BARCODE = "This barcode has already been taken"
DUPLICATE_ID = "User with this id already exists"
INTERNAL_ERROR = "Internal Server Error, Please contact System Administrator or try again"
NULL_ADDRESS = 'Cannot invoke "org.folio.rest.jaxrs.model.Address.getAddressTypeId()" because "address" is null'

_TAKEN = {"username": DUPLICATE_USERNAME, "barcode": DUPLICATE_BARCODE}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def create(store: Store, body: Row, author: str) -> Row:
    """Store a new user; returns it as stored.

    Raises:
        Refusal: 400, 422 or 500 by the rules below, in the order of mod-users UsersAPI.postUsers.
    """
    user = stored_form(body)
    check_no_picture_of_a_shadow(user)
    check_date_of_birth(user)
    check_one_address_per_type(user)
    trim_username(user)
    remove_empty_custom_fields(user)
    check_custom_fields(store, user)
    check_address_types(store, user, "You cannot add addresses with non-existent address types")
    check_patron_group(store, user)
    user["id"] = user.get("id") or str(uuid.uuid4())
    check_member(store, user, 422)
    check_storable_on_post(user)
    check_id_is_free(store, user)
    check_departments_on_post(store, user)
    check_keys_on_post(store, user)
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
    check_no_picture_of_a_shadow(user)
    check_date_of_birth(user)
    remove_empty_custom_fields(user)
    check_custom_fields(store, user)
    check_one_address_per_type(user)
    if user.get("id") != user_id:
        raise text(400, "You cannot change the value of the id field")
    check_address_types(store, user, "All addresses types defined for users must be existing")
    check_patron_group(store, user)
    old = store.users.get(user_id)
    if old is None:
        raise text(404, user_id)
    check_member(store, user, 400)
    check_storable_on_put(user)
    check_departments_on_put(store, user)
    check_keys_on_put(store, user)
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


def delete_found(store: Store, query: str) -> None:
    """Forget all users whom a query finds. FOLIO: mod-users UsersAPI.deleteUsers.

    Raises:
        Refusal: 400, when the query is blank or not CQL.
    """
    if not query.strip():
        raise text(400, "Expected CQL but query parameter is empty")
    for user in store.users.search(query, len(store.users), 0).rows:
        delete(store, user["id"])


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


def check_no_picture_of_a_shadow(user: Row) -> None:
    """FOLIO: mod-users UsersAPI.isProfilePictureLinkPresentForShadow; the user of another tenant has no picture."""
    if user.get("type") == "shadow" and (user.get("personal") or {}).get("profilePictureLink") is not None:
        raise text(500, "Profile Picture feature is not applicable for user's type SHADOW")


def check_date_of_birth(user: Row) -> None:
    """FOLIO: mod-users UsersAPI.validateDateOfBirth."""
    born = (user.get("personal") or {}).get("dateOfBirth", "")
    if born.startswith(("+0000", "-")):
        raise text(400, "dateOfBirth must be at least 0001-01-01")


def check_one_address_per_type(user: Row) -> None:
    """FOLIO: mod-users AddressValidator."""
    if None in addresses(user):
        raise text(500, NULL_ADDRESS)
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


def check_address_types(store: Store, user: Row, refusal: str) -> None:
    """FOLIO: mod-users UsersAPI.checkAllAddressTypesValid."""
    if any(address.get("addressTypeId") not in store.address_types for address in addresses(user)):
        raise text(400, refusal)


def check_patron_group(store: Store, user: Row) -> None:
    """FOLIO: mod-users UsersAPI.validatePatronGroup; no patron group at all is fine."""
    group = user.get("patronGroup")
    if group is not None and group not in store.groups:
        raise text(400, f"Cannot add {group}. Patron group not found")


def check_storable_on_post(user: Row) -> None:
    """FOLIO: RMB ValidationHelper.handleError; 500, with a text only when it is not the database that refuses."""
    if not _UUID.fullmatch(user["id"]):
        raise text(500, INTERNAL_ERROR)
    if _has_nul(user):
        raise Refusal(500, "")
    if any(_is_too_long(user.get(column)) for column in UNIQUE):
        raise text(500, INTERNAL_ERROR)


def check_storable_on_put(user: Row) -> None:
    """FOLIO: mod-users UsersAPI.handleUpdateUserFailures; an overlong key names the index, and so reads as taken."""
    if _has_nul(user):
        raise text(400, "\\u0000 cannot be converted to text.")
    for column in UNIQUE:
        if _is_too_long(user.get(column)):
            raise text(400, _TAKEN.get(column, 'Index row references tuple (0,1) in relation "users".'))


def _has_nul(value: Any) -> bool:
    """PostgreSQL's jsonb stores no U+0000."""
    if isinstance(value, dict):
        return any(_has_nul(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


def _is_too_long(value: str | None) -> bool:
    """
    Whether a unique value has no room in its index; measured: random text of 2,690 bytes fits, 2,705 does not.

    PostgreSQL's btree; the entry has a header of 8 bytes, a length of 4, and is filled up to a multiple of 8. Text
    that repeats itself is compressed there, which the stand-in does not do.
    """
    size = 8 + 4 + len(fold(value or "").encode())
    return -(-size // 8) * 8 > LONGEST_KEY


def check_id_is_free(store: Store, user: Row) -> None:
    """FOLIO: mod-users UsersAPI.saveUser, DUPLICATE_ID_ERROR."""
    if user["id"] in store.users:
        raise errors(DUPLICATE_ID, "id", user["id"])


def check_keys_on_post(store: Store, user: Row) -> None:
    """
    FOLIO: mod-users UsersAPI.saveUser looks for a word in the database's text, which has the value in it too.

    So a username like "david" that is taken is reported as a taken id. What has no such word gets RMB's text.
    """
    column = _taken_key(store, user)
    if column:
        value = fold(user[column])
        detail = f"{_folded_column(column)})=({value})"
        for word, message in (("id", DUPLICATE_ID), ("username", DUPLICATE_USERNAME), ("barcode", DUPLICATE_BARCODE)):
            if word in detail:
                raise errors(message, word, user.get(word, ""))
        field, first = _folded_column(column).partition(")")[0], value.partition(")")[0]
        raise errors(f"duplicate {field} value violates unique constraint: {first}", field, first)


def check_keys_on_put(store: Store, user: Row) -> None:
    """FOLIO: mod-users UsersAPI.updateUser answers 400 with two texts of its own, else with the database's detail."""
    column = _taken_key(store, user)
    if column:
        detail = f"Key ({_folded_column(column)})=({fold(user[column])}) already exists."
        raise text(400, _TAKEN.get(column, detail))


def _taken_key(store: Store, user: Row) -> str | None:
    """The first unique column in which another user has this user's value."""
    return next((column for column in UNIQUE if store.users.holder(column, user)), None)


def check_departments_on_post(store: Store, user: Row) -> None:
    """FOLIO: the foreign key fails in the database; mod-users has no text for it on POST: 500, empty."""
    if _unknown_department(store, user) is not None:
        raise Refusal(500, "")


def check_departments_on_put(store: Store, user: Row) -> None:
    """FOLIO: the same foreign key on PUT: 400 with the database's detail."""
    unknown = _unknown_department(store, user)
    if unknown is not None:
        raise text(400, f'Key (departments)=({unknown}) is not present in table "departments".')


def check_group_is_unused(store: Store, group: Row) -> None:
    """FOLIO: RMB's PgUtil.deleteById, the foreign key of users to groups.

    Raises:
        Refusal: 400.
    """
    if any(user.get("patronGroup") == group["id"] for user in store.users):
        reason = f"Cannot delete groups.id = {group['id']} because id is still referenced from table users."
        raise text(400, reason)


def check_address_type_is_unused(store: Store, kind: Row) -> None:
    """FOLIO: mod-users AddressTypeAPI.deleteAddresstypesByAddresstypeId.

    Raises:
        Refusal: 400.
    """
    if any(
        address and address.get("addressTypeId") == kind["id"] for user in store.users for address in addresses(user)
    ):
        raise text(400, f"Cannot remove address type '{kind['id']}' as it is being used")


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
