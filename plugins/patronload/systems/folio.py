"""FOLIO: the properties of its users, and the keys of a FOLIO target in a tenant file."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from patronload.documents.models import Document, suggestion
from patronload.systems.description import Kind, Owner, System, Target

_ADDRESS = {
    "id": Kind.TEXT,
    "addressTypeId": Kind.TEXT,
    "addressLine1": Kind.TEXT,
    "addressLine2": Kind.TEXT,
    "city": Kind.TEXT,
    "region": Kind.TEXT,
    "postalCode": Kind.TEXT,
    "countryId": Kind.TEXT,
    "primaryAddress": Kind.YES_NO,
}

_FIELDS: dict[str, Kind] = {
    "id": Kind.TEXT,
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
"""
FOLIO: the properties of a user in mod-user-import 3.11.0's schema (userdataimport.json), without those that the server
sets or that are deprecated: meta, proxyFor, createdDate, updatedDate, metadata, and the id, userId and metadata of a
request preference. `id` is for a new user; the id of an existing user never changes (see targets/folio/merge.py).
"""

_OWNERS: dict[str, Owner] = {
    "type": "first",
    "personal.preferredFirstName": "first",
    "personal.pronouns": "first",
    "personal.profilePictureLink": "first",
    "personal.preferredContactTypeId": "first",
    "preferredEmailCommunication": "first",
    "requestPreference": "first",
    "tags": "first",
}
"""Patrons keep what they chose for themselves in FOLIO."""

FOLIO = System(
    type="folio",
    name="FOLIO",
    key="externalSystemId",
    fields=_FIELDS,
    # FOLIO: userdataimport.json, `required`; the whole request is refused without them.
    required=("externalSystemId", "username"),
    # FOLIO: as above, personal's `required`.
    required_within={"personal": "personal.lastName"},
    # FOLIO: mod-users, the unique indexes of its schema.json, table users, and its primary key.
    unique=("externalSystemId", "username", "barcode", "id"),
    settled_by_plan=("barcode",),
    more={r"customFields\.[A-Za-z0-9_-]+": Kind.CUSTOM},
    owners=_OWNERS,
    once=("id",),
    # A mixture of the file's half and the library's half would make no sense.
    renewable=("expirationDate",),
    whole=("requestPreference", "tags"),
    group="patronGroup",
    # FOLIO: mod-users finds a user by externalSystemId without case and accents.
    folds_keys=True,
    coded=("active", "patronGroup", "type", "personal.preferredContactTypeId"),
    names_of_people=(
        "personal.lastName",
        "personal.firstName",
        "personal.middleName",
        "personal.preferredFirstName",
    ),
    # No one is born tomorrow, and no card is valid for ever.
    ranges={
        "expirationDate": ("1900-01-01", "+30 years"),
        "enrollmentDate": ("1900-01-01", "+10 years"),
        "personal.dateOfBirth": ("1900-01-01", "today"),
    },
    # FOLIO: mod-users usergroup.json, expirationOffsetInDays.
    by_group=("expirationDate",),
    # Empty dates of SQL Server, Excel and Unix, and "never".
    placeholders={"expirationDate": ("1899-12-30", "1900-01-01", "1970-01-01", "9999-12-31")},
    # FOLIO: userdataimport.json and userImportRequestPreference.json, the enums.
    choices={
        "preferredEmailCommunication": ("Support", "Programs", "Services"),
        "requestPreference.holdShelf": (True,),
        "requestPreference.fulfillment": ("Hold Shelf", "Delivery"),
    },
    # FOLIO: mod-user-import drops an address of no known type, and keeps one of each type.
    needed_beside={"personal.addresses": "addressTypeId"},
    apart=("personal.addresses[].addressTypeId",),
    # FOLIO: mod-user-import UserRequestManagerValidator.
    needed_with={
        "requestPreference.delivery": (
            "requestPreference.fulfillment",
            "requestPreference.defaultDeliveryAddressTypeId",
        )
    },
)


STAFF_FIELDS = ("active", "patronGroup", "expirationDate")
"""The fields that staff keep unless a tenant file says otherwise; they always keep their type and username."""

FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]


class Protected(Document):
    """Users, or fields of users, that someone protects by hand in FOLIO."""

    custom_field: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="the refId of a custom field that names a user's protected fields, or all",
        examples=["protectedFields"],
    )
    tags: dict[str, Literal["all"] | tuple[FieldPath, ...]] = Field(
        default_factory=dict,
        description="a tag on a user: the fields that it protects, or all",
        examples=["{do-not-load: all, own-email: [personal.email]}"],
    )


FIELDS_OF_KNOWN_VALUES = ("patronGroup", "departments", "requestPreference.defaultServicePointId")
"""Fields whose values FOLIO has to know; so does it the custom fields, and their options."""

NEVER_LEFT_OUT = ("patronGroup",)
"""A patron without a group could not borrow."""


CUSTOM = "customFields.NAME"


def _unknown_values(written: Any) -> Any:
    if not isinstance(written, dict):
        if written in ("reject", "stop"):
            return written
        raise ValueError(f"takes reject, stop, or a choice for each field, like {LEAVE_OUT}; '{written}' was given.")
    for path, choice in written.items():
        if path not in FIELDS_OF_KNOWN_VALUES and not re.fullmatch(r"customFields\.[A-Za-z0-9_-]+", str(path)):
            raise ValueError(f"'{path}' has no such values; {suggestion(path, [*FIELDS_OF_KNOWN_VALUES, CUSTOM])}")
        if choice not in ("reject", "stop", "leave_out"):
            raise ValueError(f"{path} takes reject, stop or leave_out; '{choice}' was given.")
        if choice == "leave_out" and path in NEVER_LEFT_OUT:
            raise ValueError(f"{path} cannot be left out, because a patron needs one. Write reject or stop.")
    return written


LEAVE_OUT = "{departments: leave_out, customFields.homeCampus: leave_out}"

UnknownValues = Annotated[
    Literal["reject", "stop"] | dict[str, Literal["reject", "stop", "leave_out"]],
    PlainValidator(
        _unknown_values,
        json_schema_input_type=Literal["reject", "stop"] | dict[str, Literal["reject", "stop", "leave_out"]],
    ),
]
"""The choice for unknown values: the same everywhere, or by field; fields that are not listed reject their rows."""


class Match(Document):
    """Who a row is, when FOLIO does not have its externalSystemId."""

    users_without_id: tuple[Literal["barcode", "username"], ...] = Field(
        (),
        description="take over users without an externalSystemId who have the row's barcode, or username",
        examples=["[barcode, username]"],
    )
    identities: str | None = Field(
        None,
        pattern=r"^[\w./-]+\.csv$",
        description="a file next to the tenant file with changed externalSystemIds: old_id, new_id, decision",
        examples=["identities/elmwood.csv"],
    )


class FolioTarget(Target):
    """A FOLIO tenant, loaded by mod-user-import's POST /user-import."""

    type: Literal["folio"]
    folio_tenant: str = Field(
        pattern=r"^[A-Za-z0-9_-]+$", description="sent as X-Okapi-Tenant", examples=["fs00001234"]
    )
    source_type: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9]+$",
        description="FOLIO puts this and an underscore before each externalSystemId",
        examples=["banner"],
    )
    chunk_size: int = Field(250, strict=True, ge=1, le=1000, description="maximum number of patrons in one request")
    chunk_bytes: int = Field(
        900_000, strict=True, ge=10_000, description="maximum bytes in one request; many gateways refuse more than 1 MB"
    )
    member_of: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="the consortium's central tenant, if the user of the connection logs in there",
        examples=["fs00000001"],
    )
    send: Literal["changed", "all"] = Field(
        "changed", description="patrons whose record differs from what FOLIO has, or every patron of the file"
    )
    unknown_values: UnknownValues = Field(
        "reject",
        description="a patron group, department, custom field, option or service point unknown to FOLIO: reject its "
        "rows, stop the run, or, field by field, leave the value out",
        examples=["reject", LEAVE_OUT],
    )
    dropped_values: Literal["warn", "stop"] = Field(
        "warn", description="an address type or contact type that FOLIO would drop silently: warn, or stop the run"
    )
    blank_cells: Literal["keep", "erase"] = Field(
        "keep", description="a blank cell: keep the patron's field as it is in FOLIO, or erase it"
    )
    staff: dict[Literal["active", "patronGroup", "expirationDate"], Literal["keep", "load"]] = Field(
        default_factory=dict,
        description="which of these fields the file may change for users of type staff, system, shadow or dcb",
        examples=["{expirationDate: load}"],
    )
    same_email: Literal["reject", "report", "ignore"] = Field(
        "report",
        description="a new patron with the e-mail address of a user who is not in the file: perhaps the same person",
    )
    match: Match = Field(
        default_factory=Match, description="how to find the user of a row if FOLIO does not have its externalSystemId"
    )
    protected: Protected = Field(
        default_factory=Protected, description="users, or fields, that someone protects by hand in FOLIO"
    )
    create: tuple[Literal["departments", "options"], ...] = Field(
        (),
        description="what may be created in FOLIO if the file has it and FOLIO does not",
        examples=["[departments]"],
    )

    def unknown_value(self, path: str) -> Literal["reject", "stop", "leave_out"]:
        """The action for a value of this field that FOLIO does not know."""
        if isinstance(self.unknown_values, str):
            return self.unknown_values
        return self.unknown_values.get(path, "reject")

    @property
    def identities(self) -> str | None:
        """The tenant's list of changed externalSystemIds."""
        return self.match.identities
