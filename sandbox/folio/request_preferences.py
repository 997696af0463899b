"""Whether mod-user-import takes a request preference."""

from __future__ import annotations

from sandbox.folio import users
from sandbox.folio.name_resolution import Names, RowRefused
from sandbox.folio.store import Row

INVALID = "User Preference validation failed: "
NO_PERSONAL = (
    'Cannot invoke "org.folio.rest.jaxrs.model.Personal.getAddresses()"'
    ' because the return value of "org.folio.rest.jaxrs.model.User.getPersonal()" is null'
)


def check_preference(preference: Row, user: Row, known: Names) -> None:
    """FOLIO: mod-user-import UserRequestManagerValidator.

    Raises:
        RowRefused: the preference contradicts itself or names what the tenant or the user does not have.
    """
    service_point = preference.get("defaultServicePointId")
    if service_point is not None and service_point not in known.service_points:
        raise _not_in("defaultServicePointId", "service point")
    if preference.get("delivery"):
        _check_delivery(preference, user, known)
    else:
        _must_be(preference, "fulfillment", present=False)
        _must_be(preference, "defaultDeliveryAddressTypeId", present=False)


def _check_delivery(preference: Row, user: Row, known: Names) -> None:
    _must_be(preference, "fulfillment", present=True)
    _must_be(preference, "defaultDeliveryAddressTypeId", present=True)
    address_type = known.address_types.get(preference["defaultDeliveryAddressTypeId"])
    if address_type is None:
        raise _not_in("defaultDeliveryAddressTypeId", "addresses")
    if "personal" not in user:
        raise RowRefused(NO_PERSONAL)
    if address_type not in {address.get("addressTypeId") for address in users.addresses(user)}:
        raise _not_in("defaultDeliveryAddressTypeId", "user addresses")


def _not_in(name: str, collection: str) -> RowRefused:
    return RowRefused(f"{INVALID}Provided {name} value does not exist in {collection} collection")


def _must_be(preference: Row, name: str, present: bool) -> None:
    if (preference.get(name) is not None) != present:
        raise RowRefused(f"{INVALID}{name} must {'not be null' if present else 'be not specified'}")
