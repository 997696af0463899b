# ruff: noqa: N815 - the names are FOLIO's
"""What FOLIO accepts as a request body: the users of /users and of /user-import, checked as RMB checks them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from sandbox.folio.refusals import Refusal, text

UUID = r"^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[1-5a-fA-F0-9][a-fA-F0-9]{3}-[89abAB0-9a-fA-F][a-fA-F0-9]{3}-[a-fA-F0-9]{12}$"

_DATE = re.compile(r"(?P<day>\d{4}-\d\d-\d\d)(T(?P<time>\d\d:\d\d(:\d\d(\.\d{1,9})?)?)(?P<zone>Z|[+-]\d\d(:?\d\d)?)?)?")


def stamp(moment: datetime) -> str:
    """A time as FOLIO writes it: 2026-05-17T00:00:00.000+00:00."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def jackson_date(value: str) -> str:
    """A date as Jackson's StdDateFormat reads it: no zone is UTC, digits alone are milliseconds since 1970.

    FOLIO: RMB RestRouting, a date that cannot be parsed is a 400 for the whole request; 2026-05-17 is stored as
    midnight UTC, which is the evening of the 16th in the Americas.
    """
    try:
        if re.fullmatch(r"-?\d+", value):
            return stamp(datetime.fromtimestamp(int(value) / 1000, UTC))
        found = _DATE.fullmatch(value)
        if found:
            zone = (found["zone"] or "Z").replace("Z", "+00:00")
            return stamp(datetime.fromisoformat(f"{found['day']}T{found['time'] or '00:00'}{zone}"))
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("unparsable_date", "Cannot deserialize value of type `java.util.Date`")


Date = Annotated[str, AfterValidator(jackson_date)]
Uuid = Annotated[str, Field(pattern=UUID)]


class Body(BaseModel):
    """FOLIO: RMB refuses a property the schema does not have (additionalProperties: false)."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Address(Body):
    """FOLIO: addressTypeId is a name in /user-import, an id in /users."""

    id: str | None = None
    countryId: str | None = None
    addressLine1: str | None = None
    addressLine2: str | None = None
    city: str | None = None
    region: str | None = None
    postalCode: str | None = None
    addressTypeId: str | None = None
    primaryAddress: bool | None = None


class Personal(Body):
    """FOLIO: when there is a `personal` at all, it has a lastName."""

    pronouns: Annotated[str, Field(max_length=300)] | None = None
    lastName: str
    firstName: str | None = None
    middleName: str | None = None
    preferredFirstName: str | None = None
    email: str | None = None
    phone: str | None = None
    mobilePhone: str | None = None
    dateOfBirth: Date | None = None
    addresses: list[Address] | None = None
    preferredContactTypeId: str | None = None
    profilePictureLink: str | None = None


class Tags(Body):
    """FOLIO: raml-util tags.schema."""

    tagList: list[str] | None = None


class UserBody(Body):
    """The body of POST and PUT /users. FOLIO: mod-users userdata.json."""

    id: Uuid | None = None
    username: str | None = None
    externalSystemId: str | None = None
    barcode: str | None = None
    active: bool | None = None
    type: str | None = None
    patronGroup: str | None = None
    departments: list[str] | None = None
    meta: dict[str, Any] | None = None
    proxyFor: list[str] | None = None
    personal: Personal | None = None
    enrollmentDate: Date | None = None
    expirationDate: Date | None = None
    createdDate: Date | None = None
    updatedDate: Date | None = None
    metadata: dict[str, Any] | None = None
    tags: Tags | None = None
    customFields: dict[str, Any] | None = None
    preferredEmailCommunication: (
        Annotated[list[Literal["Support", "Programs", "Services"]], Field(max_length=3)] | None
    ) = None


class LaterPersonal(Personal):
    """FOLIO: mod-users 19.7.0; mod-user-import 3.11.0 has no such property."""

    preferredContactTypeIds: list[str] | None = None


class LaterUserBody(UserBody):
    """The body of POST and PUT /users from mod-users 19.7.0 on."""

    personal: LaterPersonal | None = None


class PermissionUser(Body):
    """The body of POST /perms/users. FOLIO: mod-permissions permissionUser.json."""

    id: Uuid | None = None
    userId: str
    permissions: list[str] | None = None
    metadata: dict[str, Any] | None = None


class ServicePointsUser(Body):
    """The body of POST and PUT /service-points-users. FOLIO: mod-inventory-storage service-points-user.json."""

    id: Uuid | None = None
    userId: Uuid
    servicePointsIds: list[Uuid] | None = None
    defaultServicePointId: Uuid | None = None
    metadata: dict[str, Any] | None = None


class StoredRequestPreference(Body):
    """The body of POST and PUT of a request preference. FOLIO: mod-circulation-storage request-preference.json."""

    id: Uuid | None = None
    userId: Uuid
    holdShelf: Literal[True]
    delivery: bool
    defaultServicePointId: Uuid | None = None
    defaultDeliveryAddressTypeId: Uuid | None = None
    fulfillment: Literal["Delivery", "Hold Shelf"] | None = None
    metadata: dict[str, Any] | None = None


class DepartmentBody(Body):
    """The body of POST and PUT /departments. FOLIO: mod-users department.json; usageNumber is the server's."""

    id: Uuid | None = None
    name: str
    code: str
    usageNumber: int | None = None
    source: str | None = None
    metadata: dict[str, Any] | None = None


class RequestPreference(Body):
    """FOLIO: mod-user-import userImportRequestPreference.json; holdShelf has the one value true."""

    id: Uuid | None = None
    userId: Uuid | None = None
    holdShelf: Literal[True]
    delivery: bool
    defaultServicePointId: Uuid | None = None
    defaultDeliveryAddressTypeId: str | None = None
    fulfillment: Literal["Delivery", "Hold Shelf"] | None = None
    metadata: dict[str, Any] | None = None


class ImportedUser(UserBody):
    """FOLIO: mod-user-import userdataimport.json; names instead of ids, both identifiers required."""

    id: str | None = None
    username: str
    externalSystemId: str
    requestPreference: RequestPreference | None = None


class IncludedDepartment(BaseModel):
    """FOLIO: mod-user-import department.json is the one schema that allows extra properties."""

    model_config = ConfigDict(strict=True, extra="allow")

    id: Uuid | None = None
    name: str
    code: str | None = None


class SelectOption(Body):
    """FOLIO: mod-user-import selectFieldOption.json."""

    id: Annotated[str, Field(pattern=r"opt_\d{1,5}")] | None = None
    value: str
    default: bool = False


class SelectOptions(Body):
    """FOLIO: mod-user-import selectFieldOptions.json."""

    values: list[SelectOption]
    sortingOrder: Literal["ASC", "DESC", "CUSTOM"] | None = None


class SelectField(Body):
    """FOLIO: mod-user-import selectField.json."""

    multiSelect: bool | None = None
    options: SelectOptions


class IncludedCustomField(Body):
    """FOLIO: mod-user-import customField.json."""

    id: Uuid | None = None
    name: str | None = None
    refId: str
    type: (
        Literal[
            "RADIO_BUTTON",
            "SINGLE_CHECKBOX",
            "SINGLE_SELECT_DROPDOWN",
            "MULTI_SELECT_DROPDOWN",
            "TEXTBOX_SHORT",
            "TEXTBOX_LONG",
            "DATE_PICKER",
        ]
        | None
    ) = None
    entityType: str | None = None
    visible: bool | None = None
    required: bool | None = None
    isRepeatable: bool | None = None
    order: int | None = None
    helpText: str | None = None
    checkboxField: dict[str, Any] | None = None
    selectField: SelectField | None = None
    textField: dict[str, Any] | None = None
    displayInAccordion: str | None = None
    metadata: dict[str, Any] | None = None


class CustomFieldBody(IncludedCustomField):
    """The body of POST and PUT /custom-fields. FOLIO: folio-custom-fields custom-field.json."""

    name: str
    refId: str = ""
    entityType: str = "user"


class Included(Body):
    """What is to be made or changed before the users are."""

    departments: list[IncludedDepartment] | None = None
    customFields: list[IncludedCustomField] | None = None


class ImportBody(Body):
    """The body of POST /user-import. FOLIO: mod-user-import userdataimportCollection.json."""

    users: list[ImportedUser]
    totalRecords: int
    deactivateMissingUsers: bool | None = None
    updateOnlyPresentFields: bool | None = None
    sourceType: str | None = None
    included: Included | None = None


class Credentials(BaseModel):
    """FOLIO: mod-login loginCredentials; a missing one is a 400, not the usual 422."""

    model_config = ConfigDict(extra="allow")

    username: str
    password: str


Read = TypeVar("Read", bound=BaseModel)

# FOLIO: what RMB's validator finds is a 422 with errors JSON; what Jackson cannot read at all is a 400 in plain text.
_VALIDATOR_FINDINGS = {
    "missing",
    "extra_forbidden",
    "literal_error",
    "string_pattern_mismatch",
    "string_too_long",
    "too_long",
}


def read(model: type[Read], content_type: str, body: bytes) -> Read:
    """The body as `model`.

    Raises:
        Refusal: 400 for a wrong content type, malformed JSON, a wrong type or an unparsable date; 422 for a missing
            or unknown property or a value outside its list. FOLIO: RMB RestRouting; mod-user-import refuses the whole
            request, nothing is written.
    """
    if content_type.split(";", maxsplit=1)[0].strip().lower() != "application/json":
        raise text(400, f'Content-type header must be ["application/json"] but it is "{content_type}"')
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_context=False)) from None


def _refusal(findings: list[ErrorDetails]) -> Refusal:
    unreadable = [finding for finding in findings if finding["type"] not in _VALIDATOR_FINDINGS]
    if unreadable:
        return text(400, f"Json content error: {unreadable[0]['msg']} at {_path(unreadable[0])}")
    body = {"errors": [_error(finding) for finding in findings], "total_records": len(findings)}
    return Refusal(422, json.dumps(body), "application/json")


def _error(finding: ErrorDetails) -> dict[str, Any]:
    value = "null" if finding["type"] == "missing" else str(finding["input"])
    return {
        "message": _MESSAGES.get(finding["type"], finding["msg"]),
        "type": "1",
        "code": "javax.validation.constraints",
        "parameters": [{"key": _path(finding), "value": value}],
    }


_MESSAGES = {"missing": "must not be null", "extra_forbidden": "Unrecognized field"}


def _path(finding: ErrorDetails) -> str:
    """users[3].personal.lastName"""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in finding["loc"])
    return "".join(parts).lstrip(".")
