"""Whether the values of a user's custom fields fit the tenant's fields and options, as mod-users sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from sandbox.folio.refusals import Refusal
from sandbox.folio.store import Row, Store

LONGEST = {"TEXTBOX_SHORT": 150, "TEXTBOX_LONG": 1500}
"""FOLIO: folio-custom-fields; the two sizes of a text box."""

_FORMATS = {
    "NUMBER": re.compile(r"-?\d+(\.\d+)?"),
    "EMAIL": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "URL": re.compile(r"(https?|ftp)://\S+"),
}


def values_fit(store: Store, user: Row) -> None:
    """
    FOLIO: folio-custom-fields ValidationServiceImpl, which mod-users calls on POST and PUT: 422, all mistakes at once.

    The library's texts on types, options and unknown fields are its own; those on length and format are in its manner.
    """
    mistakes = [
        mistake
        for ref_id, value in (user.get("customFields") or {}).items()
        for mistake in _mistakes(store, ref_id, value)
    ]
    if mistakes:
        raise Refusal(422, json.dumps({"errors": mistakes}), "application/json")


def _mistakes(store: Store, ref_id: str, value: Any) -> Iterator[Row]:
    field = store.custom_fields.find("refId", ref_id)
    if field is None or field["refId"] != ref_id:
        yield _error(f"Custom field with refId {ref_id} is not found", ref_id, "customFields")
    elif words := _misfit(field, value):
        yield _error(words, json.dumps(value), ref_id)


def _error(message: str, key: str, value: str) -> Row:
    return {"message": message, "parameters": [{"key": key, "value": value}]}


def _misfit(field: Row, value: Any) -> str | None:
    """Why a value does not fit its field; several values where the field holds one, or the other way, do not."""
    kind = field["type"]
    if kind == "SINGLE_CHECKBOX":
        return None if isinstance(value, bool) else f"Field with type {kind} must be a boolean"
    if kind == "MULTI_SELECT_DROPDOWN" or field.get("isRepeatable"):
        if not isinstance(value, list):
            return f"Field with type {kind} must be an array"
        return next((words for one in value if (words := _misfit_of_one(field, one))), None)
    return _misfit_of_one(field, value)


def _misfit_of_one(field: Row, value: Any) -> str | None:
    if not isinstance(value, str):
        return f"Field with type {field['type']} must be a string"
    if "selectField" in field:
        options = [option["id"] for option in field["selectField"]["options"]["values"]]
        return None if value in options else f"Field {field['refId']} can only have following values {options}"
    if field["type"] == "DATE_PICKER":
        return None if _is_date(value) else f"Field with type DATE_PICKER must be a date: {value}"
    longest = LONGEST.get(field["type"])
    if longest and len(value) > longest:
        return f"Maximum length of the field with type {field['type']} is {longest}"
    form = _FORMATS.get((field.get("textField") or {}).get("fieldFormat", ""))
    return None if form is None or form.fullmatch(value) else f"Field {field['refId']} has an invalid format"


def _is_date(value: str) -> bool:
    try:
        return bool(date.fromisoformat(value[:10]))
    except ValueError:
        return False
