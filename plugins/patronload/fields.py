"""
The fields that a mapping may fill, for each target.

FOLIO: the properties of a user in mod-user-import 3.11.0's schema (userdataimport.json). Left out are those that the
server sets or that are deprecated there: id, meta, proxyFor, createdDate, updatedDate, metadata.
"""

import re
from enum import Enum


class Kind(Enum):
    """What a field takes."""

    TEXT = "text"
    YES_NO = "true or false"
    DATE = "a date"
    LIST = "a list"
    CUSTOM = "text, a list, or only true and false"


_ADDRESS = {
    "addressTypeId": Kind.TEXT,
    "addressLine1": Kind.TEXT,
    "addressLine2": Kind.TEXT,
    "city": Kind.TEXT,
    "region": Kind.TEXT,
    "postalCode": Kind.TEXT,
    "countryId": Kind.TEXT,
    "primaryAddress": Kind.YES_NO,
}

FOLIO: dict[str, Kind] = {
    "externalSystemId": Kind.TEXT,
    "username": Kind.TEXT,
    "barcode": Kind.TEXT,
    "active": Kind.YES_NO,
    "type": Kind.TEXT,
    "patronGroup": Kind.TEXT,
    "departments": Kind.LIST,
    "enrollmentDate": Kind.DATE,
    "expirationDate": Kind.DATE,
    "personal.lastName": Kind.TEXT,
    "personal.firstName": Kind.TEXT,
    "personal.middleName": Kind.TEXT,
    "personal.preferredFirstName": Kind.TEXT,
    "personal.pronouns": Kind.TEXT,
    "personal.email": Kind.TEXT,
    "personal.phone": Kind.TEXT,
    "personal.mobilePhone": Kind.TEXT,
    "personal.dateOfBirth": Kind.DATE,
    "personal.preferredContactTypeId": Kind.TEXT,
    "personal.profilePictureLink": Kind.TEXT,
    **{f"personal.addresses[].{name}": kind for name, kind in _ADDRESS.items()},
    "preferredEmailCommunication": Kind.LIST,
    "requestPreference.holdShelf": Kind.YES_NO,
    "requestPreference.delivery": Kind.YES_NO,
    "requestPreference.fulfillment": Kind.TEXT,
    "requestPreference.defaultServicePointId": Kind.TEXT,
    "requestPreference.defaultDeliveryAddressTypeId": Kind.TEXT,
    "tags.tagList": Kind.LIST,
}

OF_TARGET = {"folio": FOLIO}

RANGES = {
    "folio": {
        "expirationDate": ("1900-01-01", "+30 years"),
        "enrollmentDate": ("1900-01-01", "+10 years"),
        "personal.dateOfBirth": ("1900-01-01", "today"),
    }
}
"""Between which days a date makes sense, unless a mapping says `earliest` or `latest`: nobody is born tomorrow."""

REQUIRED = {"folio": ("externalSystemId", "username")}
"""Fields without which the target refuses the whole request (mod-user-import: userdataimport.json, `required`)."""

REQUIRED_WITHIN = {"folio": {"personal": "personal.lastName"}}
"""Fields that must be there as soon as anything beside them is (userdataimport.json, personal's `required`)."""

UNIQUE = {"folio": ("externalSystemId", "username", "barcode")}
"""Fields that no two patrons may share (mod-users: the unique indexes of its schema.json, table users)."""


def kind(target: str, path: str) -> Kind | None:
    """What the field at `path` takes, or None if the target has no such field."""
    if target == "folio" and re.fullmatch(r"customFields\.[A-Za-z0-9_-]+", path):
        return Kind.CUSTOM
    return None if "[]" in path else OF_TARGET[target].get(re.sub(r"\[[0-9]\]", "[]", path))


def names(target: str) -> list[str]:
    """The fields of a target as a person writes them, the first address standing for all."""
    return [path.replace("[]", "[0]") for path in OF_TARGET[target]]
