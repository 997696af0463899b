"""Whether the values of a user's custom fields fit the tenant's fields, as folio-custom-fields in mod-users sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from sandbox.folio.refusals import Refusal, compact
from sandbox.folio.store import Row, Store
from sandbox.folio.web_formats import is_email, is_url

LONGEST = {"TEXTBOX_SHORT": 150, "TEXTBOX_LONG": 1500}
"""FOLIO: custom-fields-application.properties."""

_NUMBERS = (
    r"-?\d+",
    r"-?\d*[,|.]\d+",
    r"-?\d{1,3}(\s\d{3})+([,|.]\d+)?",
    r"-?\d{1,3}(,\d{3})+(\.\d+)?",
)
_NUMBER = re.compile("|".join(f"(?:{form})" for form in _NUMBERS), re.ASCII)
_ISO_DATE = re.compile(r"(?P<year>\d{4}|-\d{4}|[+-]\d{5,9})-(?P<month>\d\d)-(?P<day>\d\d)", re.ASCII)
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NO_BREAK_SPACES = "\u00a0\u2007\u202f\u0085"
"""Blank to Python, not blank to Java."""


class Misfit(Exception):  # noqa: N818 - an answer of FOLIO's, not an error of this program
    """Why a value does not fit its field."""


def check_custom_fields(store: Store, user: Row) -> None:
    """FOLIO: folio-custom-fields ValidationServiceImpl, which mod-users calls on POST and PUT.

    Raises:
        Refusal: 422 with all misfits at once.
    """
    values = (user.get("customFields") or {}).items()
    misfits = [misfit for ref_id, value in values for misfit in _misfits(store, ref_id, value)]
    if misfits:
        raise Refusal(422, compact({"errors": misfits}), "application/json")


def _misfits(store: Store, ref_id: str, value: Any) -> Iterator[Row]:
    field = store.custom_fields.find("refId", ref_id)
    if field is None or field["refId"] != ref_id:
        yield _error(f"Custom field with refId {ref_id} is not found", "customFields", ref_id)
        return
    try:
        _check(field, value)
    except Misfit as misfit:
        yield _error(str(misfit), ref_id, compact(value))


def _error(message: str, key: str, value: str) -> Row:
    """FOLIO: folio-custom-fields ValidationUtil.createError."""
    return {"message": message, "type": "1", "code": "-1", "parameters": [{"key": key, "value": value}]}


def _check(field: Row, value: Any) -> None:
    """FOLIO: the CustomFieldValueValidator for the field's type."""
    kind = field["type"]
    if kind == "SINGLE_CHECKBOX":
        _must(isinstance(value, bool), f"Field with type {kind} must be a boolean")
    elif kind == "DATE_PICKER":
        _check_date(_string(field, value))
    elif "selectField" in field:
        _check_selection(field, value)
    elif field.get("isRepeatable") and isinstance(value, list):
        for one in value:
            _check_text(field, one)
    else:
        _check_text(field, value)


def _must(is_fine: bool, message: str) -> None:
    if not is_fine:
        raise Misfit(message)


def _string(field: Row, value: Any) -> str:
    _must(isinstance(value, str), f"Field with type {field['type']} must be a string")
    return str(value)


def _check_selection(field: Row, value: Any) -> None:
    """FOLIO: SelectFieldValueValidator; a multi-select takes a single text too."""
    if field.get("isRepeatable"):
        _must(isinstance(value, list), f"Field with type {field['type']} must be an array")
    takes_several = field.get("isRepeatable") or field["type"] == "MULTI_SELECT_DROPDOWN"
    options: list[Row] = field["selectField"]["options"]["values"]
    for one in value if takes_several and isinstance(value, list) else [value]:
        is_option = _string(field, one) in {option["id"] for option in options}
        _must(is_option, f"Field {field['refId']} can only have following values: {_java_list(options)}")


def _java_list(options: list[Row]) -> str:
    """FOLIO: the options as jsonschema2pojo's toString writes them."""
    texts = (f"id={option['id']},value={option['value']},_default={_java(option)}" for option in options)
    return f"[{', '.join(f'org.folio.rest.jaxrs.model.SelectFieldOption@0[{text}]' for text in texts)}]"


def _java(option: Row) -> str:
    return json.dumps(bool(option.get("default")))


def _check_text(field: Row, value: Any) -> None:
    """FOLIO: TextBoxFieldValueValidator; first the format, then the length."""
    text = _string(field, value)
    _check_format((field.get("textField") or {}).get("fieldFormat", "TEXT"), text)
    longest = LONGEST[field["type"]]
    _must(len(text.encode("utf-16-le")) // 2 <= longest, f"Maximum length of the value is {longest}")


def _check_format(name: str, text: str) -> None:
    """FOLIO: the FormatValidator for the field's format."""
    if name == "EMAIL":
        _must(is_email(text), f"Invalid Email format: {text}")
    elif name == "URL":
        _must(is_url(text), f"Invalid URL: {text}")
    elif name == "NUMBER":
        _must(bool(_NUMBER.fullmatch(text)), f"Invalid Number format: {text}")
    else:
        is_blank = all(letter.isspace() and letter not in _NO_BREAK_SPACES for letter in text)
        _must(not is_blank, "Invalid Text format")


def _check_date(text: str) -> None:
    """FOLIO: DateFormatValidator; Java's ISO_LOCAL_DATE and nothing behind it."""
    found = _ISO_DATE.fullmatch(text)
    _must(bool(found), f"Invalid date format: {text}")
    assert found is not None
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    _must(1 <= month <= len(_DAYS), f"Invalid date format: {text}")
    _must(1 <= day <= _DAYS[month - 1] + (is_leap and month == 2), f"Invalid date format: {text}")  # noqa: PLR2004
