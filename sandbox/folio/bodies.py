# ruff: noqa: N815 - the names are FOLIO's
"""The request bodies that FOLIO accepts: the users of /users and of /user-import, and related records."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.folio.jackson import (
    Date,
    Flag,
    Integer,
    RequiredInteger,
    RequiredList,
    RequiredText,
    RequiredTrue,
    Text,
    TextSet,
)

UUID = r"^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[1-5][a-fA-F0-9]{3}-[89abAB][a-fA-F0-9]{3}-[a-fA-F0-9]{12}$"
"""FOLIO: raml-util uuid.schema; versions 1 to 5 of variant 8 to b."""

Uuid = Annotated[Text, Field(pattern=UUID)]
RequiredUuid = Annotated[RequiredText, Field(pattern=UUID)]


FieldType = Literal[
    "RADIO_BUTTON",
    "SINGLE_CHECKBOX",
    "SINGLE_SELECT_DROPDOWN",
    "MULTI_SELECT_DROPDOWN",
    "TEXTBOX_SHORT",
    "TEXTBOX_LONG",
    "DATE_PICKER",
]
Communication = Literal["Support", "Programs", "Services"]


class Body(BaseModel):
    """FOLIO: RMB refuses a property the schema does not have (additionalProperties: false)."""

    model_config = ConfigDict(strict=True, extra="forbid")


class AddressLines(Body):
    """The lines of an address, without its type."""

    id: Text = None
    countryId: Text = None
    addressLine1: Text = None
    addressLine2: Text = None
    city: Text = None
    region: Text = None
    postalCode: Text = None
    primaryAddress: Flag = None


class ImportedAddress(AddressLines):
    """FOLIO: mod-user-import userdataimport.json; addressTypeId is a name."""

    addressTypeId: Text = None


class Address(AddressLines):
    """FOLIO: mod-users userdata.json; addressTypeId is an id, and required."""

    addressTypeId: RequiredUuid


class PersonalNames(Body):
    """FOLIO: when there is a `personal` at all, it has a lastName."""

    pronouns: Annotated[Text, Field(max_length=300)] = None
    lastName: RequiredText
    firstName: Text = None
    middleName: Text = None
    preferredFirstName: Text = None
    email: Text = None
    phone: Text = None
    mobilePhone: Text = None
    dateOfBirth: Date = None
    preferredContactTypeId: Text = None
    profilePictureLink: Text = None


class ImportedPersonal(PersonalNames):
    """FOLIO: mod-user-import userdataimport.json."""

    addresses: list[ImportedAddress | None] | None = None


class Personal(PersonalNames):
    """FOLIO: mod-users userdata.json."""

    addresses: list[Address | None] | None = None


class Tags(Body):
    """FOLIO: raml-util tags.schema."""

    tagList: list[Text] | None = None


class RequestPreference(Body):
    """FOLIO: mod-user-import userImportRequestPreference.json; holdShelf has the one value true."""

    id: Uuid = None
    userId: Uuid = None
    holdShelf: RequiredTrue
    delivery: Flag = False
    defaultServicePointId: Uuid = None
    defaultDeliveryAddressTypeId: Text = None
    fulfillment: Literal["Delivery", "Hold Shelf"] | None = None
    metadata: dict[str, Any] | None = None


class UserFields(Body):
    """The fields of a user in both /users and /user-import."""

    id: Text = None
    barcode: Text = None
    active: Flag = None
    type: Text = None
    meta: dict[str, Any] | None = None
    proxyFor: list[Text] | None = None
    enrollmentDate: Date = None
    expirationDate: Date = None
    createdDate: Date = None
    updatedDate: Date = None
    metadata: dict[str, Any] | None = None
    tags: Tags | None = None
    customFields: dict[str, Any] | None = None
    preferredEmailCommunication: Annotated[TextSet[Communication], Field(max_length=3)] = None


class UserBody(UserFields):
    """The body of POST and PUT /users. FOLIO: mod-users userdata.json."""

    username: Text = None
    externalSystemId: Text = None
    patronGroup: Uuid = None
    departments: TextSet[Uuid] = None
    personal: Personal | None = None


class ImportedUser(UserFields):
    """FOLIO: mod-user-import userdataimport.json; names instead of ids, both identifiers required."""

    username: RequiredText
    externalSystemId: RequiredText
    patronGroup: Text = None
    departments: TextSet[Text] = None
    personal: ImportedPersonal | None = None
    requestPreference: RequestPreference | None = None


class LaterPersonal(Personal):
    """FOLIO: mod-users 19.7.0; mod-user-import 3.11.0 has no such property."""

    preferredContactTypeIds: list[Text] | None = None


class LaterUserBody(UserBody):
    """The body of POST and PUT /users from mod-users 19.7.0 on."""

    personal: LaterPersonal | None = None


class PermissionUser(Body):
    """The body of POST /perms/users. FOLIO: mod-permissions permissionUser.json."""

    id: Uuid = None
    userId: RequiredText
    permissions: list[Text] | None = None
    metadata: dict[str, Any] | None = None


class ServicePointsUser(Body):
    """The body of POST and PUT /service-points-users. FOLIO: mod-inventory-storage service-points-user.json."""

    id: Uuid = None
    userId: RequiredUuid
    servicePointsIds: list[Uuid] | None = None
    defaultServicePointId: Uuid = None
    metadata: dict[str, Any] | None = None


class StoredRequestPreference(Body):
    """The body of POST and PUT of a request preference. FOLIO: mod-circulation-storage request-preference.json."""

    id: Uuid = None
    userId: RequiredUuid
    holdShelf: RequiredTrue
    delivery: Flag = False
    defaultServicePointId: Uuid = None
    defaultDeliveryAddressTypeId: Uuid = None
    fulfillment: Literal["Delivery", "Hold Shelf"] | None = None
    metadata: dict[str, Any] | None = None


class DepartmentBody(Body):
    """The body of POST and PUT /departments. FOLIO: mod-users department.json; usageNumber is the server's."""

    id: Uuid = None
    name: RequiredText
    code: RequiredText
    usageNumber: Integer = None
    source: Text = None
    metadata: dict[str, Any] | None = None


class GroupBody(BaseModel):
    """The body of POST and PUT /groups. FOLIO: mod-users usergroup.json; it takes any further property."""

    model_config = ConfigDict(strict=True, extra="allow")

    id: Uuid = None
    group: RequiredText
    desc: Text = None
    expirationOffsetInDays: Integer = None
    source: Text = None
    metadata: dict[str, Any] | None = None


class AddressTypeBody(Body):
    """The body of POST and PUT /addresstypes. FOLIO: mod-users addresstype.json."""

    id: Uuid = None
    addressType: RequiredText
    desc: Text = None
    metadata: dict[str, Any] | None = None


class IncludedDepartment(BaseModel):
    """FOLIO: mod-user-import department.json is the one schema that allows extra properties."""

    model_config = ConfigDict(strict=True, extra="allow")

    id: Uuid = None
    name: RequiredText
    code: Text = None


class SelectOption(Body):
    """FOLIO: selectFieldOption.json of mod-user-import and of folio-custom-fields."""

    id: Annotated[Text, Field(pattern=r"^opt_\d{1,5}$")] = None
    value: RequiredText
    default: Flag = False


class SelectOptions(Body):
    """FOLIO: selectFieldOptions.json."""

    values: list[SelectOption]
    sortingOrder: Literal["ASC", "DESC", "CUSTOM"] | None = None


class SelectField(Body):
    """FOLIO: selectField.json."""

    multiSelect: Flag = None
    options: SelectOptions


class IncludedCustomField(Body):
    """FOLIO: mod-user-import customField.json."""

    id: Uuid = None
    name: Text = None
    refId: RequiredText
    type: FieldType | None = None
    entityType: Text = None
    visible: Flag = None
    required: Flag = None
    isRepeatable: Flag = None
    order: Integer = None
    helpText: Text = None
    checkboxField: dict[str, Any] | None = None
    selectField: SelectField | None = None
    textField: dict[str, Any] | None = None
    displayInAccordion: Text = None
    metadata: dict[str, Any] | None = None


class TextField(Body):
    """FOLIO: textField.json."""

    fieldFormat: Literal["TEXT", "EMAIL", "NUMBER", "URL"]


class CustomFieldBody(Body):
    """The body of POST and PUT /custom-fields. FOLIO: folio-custom-fields customField.json."""

    id: Uuid = None
    name: RequiredText
    refId: Text = None
    type: FieldType
    entityType: RequiredText
    visible: Flag = True
    required: Flag = False
    isRepeatable: Flag = False
    order: Integer = None
    helpText: Text = None
    checkboxField: dict[str, Any] | None = None
    selectField: SelectField | None = None
    textField: TextField | None = None
    displayInAccordion: Text = None
    metadata: dict[str, Any] | None = None


class Included(Body):
    """Reference data to create or change before the users."""

    departments: list[IncludedDepartment] | None = None
    customFields: list[IncludedCustomField] | None = None


class ImportBody(Body):
    """The body of POST /user-import. FOLIO: mod-user-import userdataimportCollection.json.

    A missing `users` is an empty list, as jsonschema2pojo's lists are; a null is none, and refused.
    """

    users: RequiredList[ImportedUser] = []
    totalRecords: RequiredInteger
    deactivateMissingUsers: Flag = None
    updateOnlyPresentFields: Flag = None
    sourceType: Text = None
    included: Included | None = None


class ProxyFor(Body):
    """The body of POST and PUT /proxiesfor. FOLIO: mod-users proxyfor.json; nothing is required."""

    id: Text = None
    userId: Text = None
    proxyUserId: Text = None
    requestForSponsor: Text = None
    createdDate: Date = None
    notificationsTo: Text = None
    accrueTo: Text = None
    status: Text = None
    expirationDate: Date = None
    metadata: dict[str, Any] | None = None


class NoteLink(Body):
    """FOLIO: mod-notes link.yaml."""

    id: RequiredText
    type: RequiredText


class Note(Body):
    """The body of POST and PUT /notes. FOLIO: mod-notes note.yaml."""

    id: Uuid = None
    typeId: RequiredUuid
    type: Text = None
    title: RequiredText
    domain: RequiredText
    content: Text = None
    popUpOnCheckOut: Flag = None
    popUpOnUser: Flag = None
    links: list[NoteLink] | None = None
    metadata: dict[str, Any] | None = None


class NoteType(Body):
    """The body of POST and PUT /note-types. FOLIO: mod-notes noteType.yaml."""

    id: Uuid = None
    name: RequiredText
    usage: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class ManualBlock(Body):
    """The body of POST and PUT /manualblocks. FOLIO: mod-feesfines manualblockdata.json."""

    id: Uuid = None
    userId: RequiredUuid
    desc: RequiredText
    type: Text = None
    code: Text = None
    staffInformation: Text = None
    patronMessage: Text = None
    expirationDate: Date = None
    borrowing: Flag = None
    renewals: Flag = None
    requests: Flag = None
    metadata: dict[str, Any] | None = None


class Status(Body):
    """FOLIO: the status of a fee or fine."""

    name: RequiredText


class Account(Body):
    """The body of POST and PUT /accounts: one fee or fine. FOLIO: mod-feesfines accountdata.json, in part."""

    model_config = ConfigDict(strict=True, extra="allow")

    id: Uuid = None
    userId: RequiredUuid
    feeFineId: RequiredUuid
    ownerId: RequiredUuid
    amount: float
    remaining: float
    status: Status
    paymentStatus: Status


class Credentials(BaseModel):
    """FOLIO: mod-login loginCredentials; a missing one is a 400, not the usual 422."""

    model_config = ConfigDict(extra="allow")

    username: str
    password: str
