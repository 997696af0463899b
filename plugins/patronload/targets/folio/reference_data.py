"""The reference data of a FOLIO tenant: groups, address types, departments, custom fields, service points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from patronload.targets.delivery import Record
from patronload.targets.folio.client import CUSTOM_FIELDS, Folio

CONTACT_TYPES = {"mail": "001", "email": "002", "text": "003", "phone": "004", "mobile": "005"}
"""FOLIO: mod-user-import UserDataProcessingService and mod-users PersonalContactType; names in any case, codes not."""

CONTACT_NAMES = {code: name for name, code in CONTACT_TYPES.items()}

LISTS = {
    "groups": ("/groups", "usergroups", "group"),
    "address_types": ("/addresstypes", "addressTypes", "addressType"),
    "departments": ("/departments", "departments", "name"),
    "custom_fields": (CUSTOM_FIELDS, "customFields", "refId"),
    "service_points": ("/service-points", "servicepoints", "id"),
}
"""Where each list is, what its answer calls it, and the property by which the user import names an entry."""


@dataclass(frozen=True)
class Reference:
    """Each list by the names that the user import takes. FOLIO: mod-user-import compares letter by letter."""

    groups: dict[str, Record]
    address_types: dict[str, Record]
    departments: dict[str, Record]
    custom_fields: dict[str, Record]
    service_points: dict[str, Record]

    @cached_property
    def group_names(self) -> dict[str, str]:
        """The patron groups' names by id."""
        return _by_id(self.groups)

    @cached_property
    def address_type_names(self) -> dict[str, str]:
        """The address types' names by id."""
        return _by_id(self.address_types)

    @cached_property
    def department_names(self) -> dict[str, str]:
        """The departments' names by id."""
        return _by_id(self.departments)

    @cached_property
    def options(self) -> dict[str, dict[str, str]]:
        """For each custom field with options: the id of each option by its name."""
        return {key: option_ids(field) for key, field in self.custom_fields.items() if field.get("selectField")}

    def service_point(self, named: str) -> str | None:
        """The id of the service point with this id, code or name."""
        return named if named in self.service_points else self.service_point_names.get(named)

    @cached_property
    def service_point_names(self) -> dict[str, str]:
        """The ids of the service points by name and code; where a code is another one's name, the code counts."""
        points = self.service_points.items()
        return {point[key]: one for key in ("name", "code") for one, point in points if point.get(key)}

    @cached_property
    def option_names(self) -> dict[str, dict[str, str]]:
        """For each custom field with options: the name of each option by its id."""
        return {key: {number: name for name, number in ids.items()} for key, ids in self.options.items()}


def option_ids(field: Record) -> dict[str, str]:
    """The options of a custom field: their ids by their names."""
    values: list[dict[str, Any]] = field["selectField"]["options"]["values"]
    return {option["value"]: option["id"] for option in values}


def _by_id(entries: dict[str, Record]) -> dict[str, str]:
    return {entry["id"]: name for name, entry in entries.items()}


def create(folio: Folio, wanted: dict[str, Any]) -> None:
    """
    Make departments (name and code) and options (names by custom field) that FOLIO has not got, one after the other.

    Not by the import's `included`: that renames a department whose code it finds, and takes an option's default away.
    FOLIO: mod-user-import DepartmentsService, CustomFieldsService. Raises TargetError, TransientError.
    """
    if departments := wanted.get("departments"):
        there = folio.names(*LISTS["departments"])
        for department in departments:
            if department["name"] not in there:
                folio.add_department(department["name"], department["code"])
    if options := wanted.get("options"):
        fields = folio.names(*LISTS["custom_fields"])
        for key, names in options.items():
            missing = [name for name in names if name not in option_ids(fields[key])]
            if missing:
                folio.change_custom_field(_with_options(fields[key], missing))


def _with_options(field: Record, names: list[str]) -> Record:
    """FOLIO: folio-custom-fields; an option's id is opt_ and a number, at most five digits."""
    select = field["selectField"]
    values = list(select["options"]["values"])
    highest = max((int(value["id"].partition("_")[2]) for value in values), default=-1)
    added = [
        {"id": f"opt_{highest + place}", "value": name, "default": False} for place, name in enumerate(names, start=1)
    ]
    return field | {"selectField": select | {"options": select["options"] | {"values": values + added}}}
