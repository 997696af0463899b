"""The effect of a user import's `included` part on departments and custom fields, before any user is imported."""

from __future__ import annotations

import uuid
from copy import deepcopy

from pydantic import ValidationError

from sandbox.folio.bodies import DepartmentBody, IncludedCustomField, IncludedDepartment, SelectOption, SelectOptions
from sandbox.folio.field_definitions import check_definition
from sandbox.folio.jackson import refusal
from sandbox.folio.refusals import Refusal, errors
from sandbox.folio.store import Row, Store

DEPARTMENT_TAKEN = "Department with this {} already exists"

_DEPARTMENTS_FAILED = "Failed to prepare departments: Failed to {} department"
_FIELDS_FAILED = "Failed to prepare custom fields: "
_FIELD_FAILED = f"{_FIELDS_FAILED}Failed to update custom fields: Failed to update custom field."


def prepare_departments(store: Store, departments: list[IncludedDepartment]) -> None:
    """FOLIO: DepartmentsService.updateSystemDepartments; matched by exact name, else by code, which renames it for all.

    Raises:
        Refusal: when mod-users refuses one; the whole request fails with 500.
    """
    by_name = {row["name"] for row in store.departments}
    by_code = {row["code"]: row for row in store.departments}
    for department in departments:
        if department.name in by_name:
            continue
        stored = by_code.get(department.code or "")
        if stored:
            _write_department(store, department, stored["id"], "update", 204)
        else:
            _write_department(store, department, department.id or str(uuid.uuid4()), "create", 201)


def _write_department(store: Store, department: IncludedDepartment, row_id: str, action: str, status: int) -> None:
    """FOLIO: DepartmentsService.generateCode; a missing code is NAME with _ for blanks."""
    row = department.model_dump(exclude_none=True)
    if not row.get("code", "").strip():
        row["code"] = department.name.upper().replace(" ", "_")
    try:
        try:
            DepartmentBody.model_validate(row)
        except ValidationError as error:
            raise refusal(DepartmentBody, error) from None
        check_department_is_free(store, row | {"id": row_id})
    except Refusal as refused:
        raise _unexpected(_DEPARTMENTS_FAILED.format(action), refused, status) from None
    store.departments.put(row | {"id": row_id})


def check_department_is_free(store: Store, row: Row) -> None:
    """FOLIO: mod-users DepartmentsAPI.handleUniqueConstraintViolation.

    Raises:
        Refusal: 422 for a name or code that another department has.
    """
    for column in ("name", "code"):
        if store.departments.holder(column, row):
            raise errors(DEPARTMENT_TAKEN.format(column), column, row[column])


def _unexpected(action: str, refused: Refusal, expected: int) -> Refusal:
    """FOLIO: HttpClientUtil.errorManagement around an answer other than the expected one."""
    return Refusal(500, f"{action}: Response status code {refused.status} is not equal to {expected} - {refused.body}")


def prepare_custom_fields(store: Store, fields: list[IncludedCustomField]) -> None:
    """FOLIO: CustomFieldsService.updateCustomFields; options are added, never taken away.

    Raises:
        Refusal: for a refId the tenant does not have, or a field that mod-users refuses; the request fails with 500.
    """
    for field in fields:
        stored = store.custom_fields.find("refId", field.refId)
        if stored is None or stored["refId"] != field.refId:
            raise Refusal(500, f"{_FIELDS_FAILED}Custom fields do not exist in the system: [{field.refId}].")
        row = deepcopy(stored)
        for name in ("name", "visible", "isRepeatable", "helpText"):
            if getattr(field, name) is not None:
                row[name] = getattr(field, name)
        if field.selectField and "selectField" in row:
            _add_options(row, field.selectField.options)
        try:
            check_definition(row)
        except Refusal as refused:
            raise _unexpected(_FIELD_FAILED, refused, 204) from None
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
