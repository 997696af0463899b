"""The checks of folio-custom-fields when a custom field itself is created or changed."""

from __future__ import annotations

import base64
import re
import unicodedata
from typing import Any

from sandbox.folio.refusals import errors
from sandbox.folio.store import Row, Store

LONGEST_NAME, LONGEST_HELP_TEXT, LONGEST_OPTION = 65, 100, 100
MOST_OPTIONS = {"RADIO_BUTTON": 5, "SINGLE_SELECT_DROPDOWN": 200, "MULTI_SELECT_DROPDOWN": 200}
"""FOLIO: custom-fields-application.properties."""

_PARTS = {"SINGLE_CHECKBOX": "checkboxField", "TEXTBOX_SHORT": "textField", "TEXTBOX_LONG": "textField"}
_PARTS |= dict.fromkeys(MOST_OPTIONS, "selectField")
_COMMON = ("id", "name", "refId", "type", "entityType", "visible", "required", "isRepeatable", "order", "helpText")


def complete(store: Store, field: Row) -> Row:
    """
    A new field as it is stored: with a refId made from its name, a place in the order and ids for its options.

    FOLIO: CustomFieldsServiceImpl.save; a refId that is sent is ignored.
    """
    order = max((row.get("order", 0) for row in store.custom_fields), default=0) + 1
    return with_defaults(field | {"refId": _ref_id(store, field["name"]), "order": order})


def with_defaults(field: Row) -> Row:
    """A field with the format that a text box has at least, and an id for each option."""
    if field["type"].startswith("TEXTBOX"):
        return {"textField": {"fieldFormat": "TEXT"}} | field
    if "selectField" in field:
        options: list[Row] = field["selectField"]["options"]["values"]
        highest = max((int(option["id"].partition("_")[2]) for option in options if "id" in option), default=0)
        for option in options:
            if "id" not in option:
                highest += 1
                option["id"] = f"opt_{highest}"
    return field


def _ref_id(store: Store, name: str) -> str:
    """FOLIO: CustomFieldsServiceImpl.unAccentName, getCustomFieldRefId; homeCampus, then homeCampus_2."""
    capitalized = "".join(word.capitalize() for word in re.split(r"(\s+)", name))
    plain = "".join(one for one in unicodedata.normalize("NFD", capitalized) if not unicodedata.combining(one))
    letters = re.sub(r"[^a-zA-Z]", "", plain)
    base = letters[:1].lower() + letters[1:] or base64.b64encode(name.encode()).decode().rstrip("=")
    taken = {row["refId"] for row in store.custom_fields}
    numbers = [int(ref.rpartition("_")[2]) for ref in taken if re.fullmatch(rf"{re.escape(base)}_\d+", ref)]
    highest = max([1 if base in taken else 0, *numbers])
    return base if highest < 1 else f"{base}_{highest + 1}"


def check_definition(field: Row) -> None:
    """FOLIO: folio-custom-fields DefinitionValidator.

    Raises:
        Refusal: 422.
    """
    _must(len(field["name"]) <= LONGEST_NAME, f"The 'name' length cannot be more than {LONGEST_NAME}")
    is_short = len(field.get("helpText", "")) <= LONGEST_HELP_TEXT
    _must(is_short, f"The 'helpText' length cannot be more than {LONGEST_HELP_TEXT}")
    _check_parts(field)
    if field["type"] in MOST_OPTIONS:
        _check_select_field(field)


def _check_parts(field: Row) -> None:
    """FOLIO: CustomDefinitionValidationUtil.onlyHasAllowedFields."""
    kind = field["type"]
    allowed = [*_COMMON, "metadata", "displayInAccordion", *([_PARTS[kind]] if kind in _PARTS else [])]
    for name in field:
        message = f"Attribute {name} is not allowed, following attributes are allowed for field of type {kind} : "
        _must(name in allowed, f"{message}[{', '.join(allowed)}]")
    if kind in ("SINGLE_CHECKBOX", "RADIO_BUTTON", "MULTI_SELECT_DROPDOWN"):
        _must(not field.get("isRepeatable"), f"Repeatable is not supported by custom field of type {kind}")
    if kind == "SINGLE_CHECKBOX":
        words = f"The 'checkBox' property should be defined for '{kind}' custom field type."
        _must("checkboxField" in field, words)


def _check_select_field(field: Row) -> None:
    """FOLIO: SelectableFieldValidator."""
    kind = field["type"]
    _must("selectField" in field, f"The 'selectField' property should be defined for '{kind}' custom field type.")
    options: list[Row] = field["selectField"]["options"]["values"]
    values = [option["value"] for option in options]
    ids = [option["id"] for option in options if "id" in option]
    most, is_multiple = MOST_OPTIONS[kind], kind == "MULTI_SELECT_DROPDOWN"
    _must(1 <= len(options) <= most, f"The options amount should be in range 1 - {most}")
    are_short = all(value.strip() and len(value) <= LONGEST_OPTION for value in values)
    _must(are_short, f"The option name cannot be blank or have more than {LONGEST_OPTION} length")
    _must(len(set(values)) == len(values), "Option values should be unique")
    _must(len(set(ids)) == len(ids), "Option IDs should be unique")
    defaults = sum(bool(option.get("default")) for option in options)
    _must(is_multiple or defaults <= 1, "The max defaults amount is 1")
    _must(field["selectField"].get("multiSelect") is is_multiple, _wrong_flag(is_multiple))


def _wrong_flag(expected: bool) -> str:
    return f"The 'multiSelect' property should be defined and equals {str(expected).lower()}"


def check_unchanged(field: Row, stored: Row) -> None:
    """FOLIO: CustomFieldsServiceImpl.update; neither type nor format may change.

    Raises:
        Refusal: 422.
    """
    old_type, new_type = stored["type"], field["type"]
    words = f"The type of the custom field can not be changed: newType = {new_type}, oldType = {old_type}"
    _must(new_type == old_type, words, "type", new_type)
    old, new = _format(stored), _format(field)
    words = f"The format of the custom field can not be changed: newFormat = {new}, oldFormat = {old}"
    _must(new == old, words, "fieldFormat", str(new))


def _format(field: Row) -> str | None:
    text_field: dict[str, Any] = field.get("textField") or {}
    return text_field.get("fieldFormat", "TEXT") if field["type"].startswith("TEXTBOX") else None


def _must(is_fine: bool, message: str, key: str = "", value: str = "") -> None:
    if not is_fine:
        raise errors(message, key, value)
