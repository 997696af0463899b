"""What a user import's `included` part does to departments and custom fields, before any user is looked at."""

from __future__ import annotations

import uuid
from copy import deepcopy

from sandbox.folio.bodies import IncludedCustomField, IncludedDepartment, SelectOption, SelectOptions
from sandbox.folio.refusals import text
from sandbox.folio.store import Row, Store


class FieldsUnknown(Exception):  # noqa: N818 - the module's answer, not an error of this program
    """FOLIO: CustomFieldMappingFailedException for an included custom field."""


def prepare_departments(store: Store, departments: list[IncludedDepartment]) -> None:
    """FOLIO: DepartmentsService.updateSystemDepartments; matched by exact name, else by code, which renames it for all.

    Raises:
        Refusal: when the database refuses a new one; the whole request fails with 500.
    """
    by_name = {row["name"] for row in store.departments}
    by_code = {row["code"]: row for row in store.departments}
    for department in departments:
        if department.name in by_name:
            continue
        stored = by_code.get(department.code or "")
        if stored:
            store.departments.put(stored | {"name": department.name})
        else:
            _create_department(store, department)


def _create_department(store: Store, department: IncludedDepartment) -> None:
    """FOLIO: DepartmentsService.generateCode; a missing code is NAME with _ for blanks."""
    code = department.code if (department.code or "").strip() else department.name.upper().replace(" ", "_")
    row: Row = {"id": str(uuid.uuid4()), "name": department.name, "code": code}
    if store.departments.holder("name", row) or store.departments.holder("code", row):
        raise text(422, "Failed to prepare departments: Failed to create department")
    store.departments.put(row)


def prepare_custom_fields(store: Store, fields: list[IncludedCustomField]) -> None:
    """FOLIO: CustomFieldsService.updateCustomFields; options are added, never taken away.

    Raises:
        FieldsUnknown: for a refId the tenant does not have; the whole request fails with 500.
    """
    for field in fields:
        stored = store.custom_fields.find("refId", field.refId)
        if stored is None or stored["refId"] != field.refId:
            raise FieldsUnknown(f"Custom fields do not exist in the system: [{field.refId}].")
        row = deepcopy(stored)
        if field.selectField and "selectField" in row:
            _add_options(row, field.selectField.options)
        store.custom_fields.put(row)


def _add_options(row: Row, options: SelectOptions) -> None:
    values: list[Row] = row["selectField"]["options"]["values"]
    for option in options.values:
        known = next((value for value in values if value["value"] == option.value), None)
        if known:
            known["default"] = option.default  # the schema's default is false, so a listed option loses its flag
        else:
            values.append(_new_option(values, option))


def _new_option(values: list[Row], option: SelectOption) -> Row:
    """FOLIO: CustomFieldsService.createOptionId; the highest number plus one."""
    highest = max((int(value["id"].partition("_")[2]) for value in values), default=0)
    return {"id": f"opt_{highest + 1}", "value": option.value, "default": option.default}
