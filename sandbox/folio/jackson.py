"""JSON as FOLIO's modules read it: numbers where text is expected and the like are converted, not refused.

FOLIO: RMB's RestRouting reads a body with Jackson and its default coercions, then checks it with Jakarta Validation.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from sandbox.folio.java_dates import LONGEST, read_date, trim, write_date
from sandbox.folio.refusals import Refusal, compact, text

LONGEST_INTEGER = 2**31 - 1

UNREADABLE = "unreadable"
MISSING = "missing"

_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_WHITESPACE = " \t\r\n"
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "null")
"""Texts that stand for nothing where a number, a boolean or a date is expected."""

Read = TypeVar("Read", bound=BaseModel)


class Number(float):
    """A number with a decimal point or an exponent, and how it was written."""

    def __new__(cls, written: str) -> Self:
        """The number that is written so."""
        number = super().__new__(cls, written)
        number.written = written
        return number

    written: str


def _to_text(value: Any) -> Any:
    """FOLIO: Jackson's StringDeserializer takes numbers and booleans as they are written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.written
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str | None) else _refuse("java.lang.String", value)


def _to_flag(value: Any) -> Any:
    """FOLIO: Jackson's BooleanDeserializer; a blank text is null, 0 is false, any other whole number true."""
    if isinstance(value, str):
        return _FLAGS[trim(value)] if trim(value) in _FLAGS else _null_if_blank(value, "java.lang.Boolean")
    if isinstance(value, int) and not isinstance(value, bool):
        return value != 0
    return value if isinstance(value, bool | None) else _refuse("java.lang.Boolean", value)


def to_true(value: Any) -> Any:
    """FOLIO: an enum of booleans, which jsonschema2pojo reads as a boolean first; only true is in it."""
    flag = _to_flag(value)
    return _refuse("java.lang.Boolean", value) if flag is False else flag


def _to_integer(value: Any) -> Any:
    """FOLIO: Jackson's IntegerDeserializer; a fraction is cut off, a text of digits is a number."""
    if isinstance(value, str):
        if not _INTEGER.fullmatch(trim(value)):
            return _null_if_blank(value, "java.lang.Integer")
        value = int(value)
    if value is None:
        return None
    if isinstance(value, bool | list | dict) or not -LONGEST_INTEGER - 1 <= value <= LONGEST_INTEGER:
        return _refuse("java.lang.Integer", value)
    return int(value)


def _to_date(value: Any) -> Any:
    """FOLIO: Jackson's DateDeserializer; a blank text is null, a whole number is milliseconds since 1970."""
    if isinstance(value, str) and trim(value) not in _NULLS:
        try:
            return read_date(value)
        except ValueError:
            return _refuse("java.util.Date", value)
    if isinstance(value, str | None):
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not -LONGEST <= value < LONGEST:
        return _refuse("java.util.Date", value)
    return write_date(value)


def _null_if_blank(value: str, java_type: str) -> None:
    if trim(value) not in _NULLS:
        _refuse(java_type, value)


def _refuse(java_type: str, value: Any) -> NoReturn:
    kinds: dict[type, str] = {
        dict: "Object value (token `JsonToken.START_OBJECT`)",
        list: "Array value (token `JsonToken.START_ARRAY`)",
    }
    of = kinds.get(type(value), f'String "{value}"' if isinstance(value, str) else f"value {json.dumps(value)}")
    raise PydanticCustomError(
        UNREADABLE, "Cannot deserialize value of type `{type}` from {of}", {"type": java_type, "of": of}
    )


def _require(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError(MISSING, "must not be null")
    return value


def _to_set(value: Any) -> Any:
    """FOLIO: a list with uniqueItems is a LinkedHashSet."""
    return list(dict.fromkeys(value)) if isinstance(value, list) and all(map(_is_hashable, value)) else value


def _is_hashable(value: Any) -> bool:
    return not isinstance(value, list | dict)


Text = Annotated[str | None, BeforeValidator(_to_text)]
Flag = Annotated[bool | None, BeforeValidator(_to_flag)]
Integer = Annotated[int | None, BeforeValidator(_to_integer)]
Date = Annotated[str | None, BeforeValidator(_to_date)]
Item = TypeVar("Item")
TextSet = Annotated[list[Item] | None, BeforeValidator(_to_set)]
RequiredList = Annotated[list[Item], BeforeValidator(_require)]

# The order matters: the last one is done first.
RequiredText = Annotated[str, BeforeValidator(_require), BeforeValidator(_to_text)]
RequiredTrue = Annotated[Literal[True], BeforeValidator(_require), BeforeValidator(to_true)]
RequiredInteger = Annotated[int, BeforeValidator(_require), BeforeValidator(_to_integer)]


def read(model: type[Read], content_type: str, body: bytes) -> Read:
    """The body as `model`.

    Raises:
        Refusal: 400 in plain text for a wrong content type and for what Jackson cannot read; 422 with errors JSON for
            an unknown property and for what the validator finds. FOLIO: RMB's RestRouting; mod-user-import refuses the
            whole request, nothing is written.
    """
    if content_type.partition(";")[0].strip() not in ("application/json", ""):
        raise text(400, f'Content-type header must be ["application/json"] but it is "{content_type}"')
    try:
        return model.model_validate(_parse(body))
    except ValidationError as error:
        raise refusal(model, error) from None


def _parse(body: bytes) -> Any:
    """
    The JSON at the body's beginning; what follows it is ignored.

    FOLIO: Vert.x decodes the body as UTF-8, whatever it is; a lone surrogate is later written as a question mark.
    """
    try:
        return _DECODER.raw_decode(body.decode("utf-8", "replace").lstrip(_WHITESPACE))[0]
    except ValueError as error:
        raise text(400, f"Unexpected character or end of input: {error}") from None
    except RecursionError:
        raise text(400, "Document nesting depth exceeds the maximum allowed") from None


def _whole(written: str) -> int | Number:
    """A whole number; -0 stays as it is written."""
    return Number(written) if written == "-0" else int(written)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"Non-standard token '{word}'")


def _clean(pairs: dict[str, Any]) -> dict[str, Any]:
    return {_without_surrogates(key): _without_surrogates(value) for key, value in pairs.items()}


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("?", value)
    return [_without_surrogates(one) for one in value] if isinstance(value, list) else value


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=_whole, parse_constant=_refuse_constant, object_hook=_clean)


def refusal(model: type[BaseModel], error: ValidationError) -> Refusal:
    """The answer: Jackson stops at the first thing it cannot read, the validator lists everything it finds."""
    findings = error.errors(include_url=False, include_context=False)
    for finding in findings:
        if finding["type"] not in _CONSTRAINTS and finding["type"] != "extra_forbidden":
            return text(400, f"{finding['msg']} (through reference chain: {_chain(model, finding['loc'])})")
    for finding in findings:
        if finding["type"] == "extra_forbidden":
            return _errors([_unrecognized(model, finding)])
    return _errors([_violation(finding) for finding in findings])


def _errors(errors: list[dict[str, Any]]) -> Refusal:
    return Refusal(422, compact({"errors": errors}), "application/json")


def _unrecognized(model: type[BaseModel], finding: ErrorDetails) -> dict[str, Any]:
    """FOLIO: RestRouting gives Jackson's text, with an empty key and value."""
    *path, name = finding["loc"]
    owner = _java_class(path)
    chain = _chain(model, finding["loc"])
    message = (
        f'Unrecognized field "{name}" (class org.folio.rest.jaxrs.model.{owner}), not marked as ignorable'
        f" (through reference chain: {chain})"
    )
    return {"message": message, "type": "1", "code": "-1", "parameters": [{"key": "", "value": ""}]}


def _java_class(path: list[int | str]) -> str:
    names = [part for part in path if isinstance(part, str)]
    return _CLASSES.get(names[-1] if names else "", "UserdataimportCollection" if not path else "User")


def _chain(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """org.folio.rest.jaxrs.model.UserdataimportCollection["users"]->java.util.ArrayList[1]->...User["barcode"]"""
    links: list[str] = []
    path: list[int | str] = []
    for part in location:
        if isinstance(part, int):
            links.append(f"java.util.ArrayList[{part}]")
        else:
            owner = _java_class(path) if path or model.__name__ == "ImportBody" else model.__name__
            links.append(f'org.folio.rest.jaxrs.model.{owner}["{part}"]')
        path.append(part)
    return "->".join(links)


_CLASSES = {
    "users": "User",
    "personal": "Personal",
    "addresses": "Address",
    "requestPreference": "RequestPreference",
    "tags": "Tags",
    "included": "Included",
    "departments": "Department",
    "customFields": "CustomField",
}
"""The Java class behind a property."""


def _violation(finding: ErrorDetails) -> dict[str, Any]:
    """FOLIO: RestRouting.isValidRequest; the code is the constraint's message template."""
    constraint, message = _CONSTRAINTS[finding["type"]]
    value = "null" if constraint == "NotNull" else _java_text(finding["input"])
    parameters = [{"key": _path(finding["loc"]), "value": value}]
    code = f"jakarta.validation.constraints.{constraint}.message"
    return {"message": message or finding["msg"], "type": "1", "code": code, "parameters": parameters}


def _java_text(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


_CONSTRAINTS = {
    MISSING: ("NotNull", "must not be null"),
    "string_pattern_mismatch": ("Pattern", ""),
    "string_too_long": ("Size", "size must be between 0 and 300"),
    "too_long": ("Size", "size must be between 0 and 3"),
}


def _path(location: tuple[int | str, ...]) -> str:
    """users[3].personal.lastName"""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).lstrip(".")
