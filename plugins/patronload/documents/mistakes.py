"""Turn the errors that pydantic found in a tenant or mapping file into plain sentences."""

import typing
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from patronload.documents.models import Document, suggestion
from patronload.documents.yaml_files import Key, YamlFile

AT_LEAST = {1: "one", 2: "two"}

WORDS = {
    "string_pattern_mismatch": "'{given}' does not have the right form.",
    "string_too_short": "must not be empty.",
    "string_too_long": "'{given}' is too long; the maximum length is {max_length}.",
    "greater_than_equal": "{given} is too small; the minimum is {ge}.",
    "less_than_equal": "{given} is too large; the maximum is {le}.",
    "literal_error": "takes {expected}; '{given}' was given.",
    "bool_type": "takes true or false; '{given}' was given.",
    "int_type": "takes a whole number; '{given}' was given.",
    "int_from_float": "takes a whole number; '{given}' was given.",
    "float_type": "takes a number; '{given}' was given.",
    "list_type": "takes a list; write [{given}], even for a single value.",
    "tuple_type": "takes a list; write [{given}], even for a single value.",
    "too_short": "needs at least {least}.",
}
"""The sentence for each type of pydantic error."""


class Place(NamedTuple):
    """The description of a key in the models: its field, the model of its value, and for `type` the possible types."""

    field: FieldInfo | None
    model: type[Document] | None
    types: Sequence[str] = ()

    @property
    def keys(self) -> list[str]:
        """The keys that are allowed here."""
        return [field.alias or name for name, field in self.model.model_fields.items()] if self.model else []

    @property
    def listed(self) -> str:
        """The keys as a sentence."""
        return f" There are: {', '.join(self.keys)}." if self.keys else ""

    @property
    def hint(self) -> str:
        """An example or description of the value, as far as the model has one."""
        if self.field and self.field.examples:
            return f" Write it like {' or '.join(map(str, self.field.examples))}."
        return f" Its meaning: {self.field.description}." if self.field and self.field.description else ""


def sentences(model: type[Document], file: YamlFile, errors: Sequence[ErrorDetails]) -> Iterator[tuple[Key, str]]:
    """Each mistake once: the key as it is in the file, and what is wrong with it."""
    found: dict[Key, ErrorDetails] = {}
    for error in errors:
        # Pydantic reports a value that fits none of several types once for each type; the first report is enough.
        found.setdefault(_key_in_file(file, error), error)
    for key, error in found.items():
        if error["type"] in ("missing", "union_tag_not_found"):
            yield key[:-1], _missing(_place(model, key, file.data), key)
            continue
        # If entries of a list are wrong, the list is not too short.
        if error["type"] == "too_short" and any(other[: len(key)] == key != other for other in found):
            continue
        yield key, _sentence(model, file, key, error)


def _sentence(model: type[Document], file: YamlFile, key: Key, error: ErrorDetails) -> str:
    kind: str = error["type"]
    given: object = error.get("input")
    place = _place(model, key, file.data)
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(str(key[-1]), _place(model, key[:-1], file.data))
    if kind == "union_tag_invalid":
        return f"'{context['tag']}' is not a type. Possible types: {context['expected_tags']}."
    if kind == "value_error":
        return str(context.get("error") or f"{context.get('reason')} '{given}' was given.")
    if given is None:
        return f"is empty.{place.hint or place.listed}"
    if kind in ("string_type", "model_type", "dict_type"):
        return _of_another_kind(kind, given, place)
    words = WORDS.get(kind, f"{error['msg'].removesuffix('.')}; '{{given}}' was given.")
    least = AT_LEAST.get(context.get("min_length", 1), context.get("min_length"))
    hint = "" if kind == "literal_error" else place.hint or place.listed
    return words.format_map({**context, "given": given, "least": least}) + hint


def _unknown_key(name: str, around: Place) -> str:
    """The new name of a key that was renamed, else the nearest of the keys that are allowed there."""
    renamed = around.model.renamed if around.model else {}
    if name in renamed:
        return f"is now called '{renamed[name]}'. Rename the key."
    return f"no such key; {suggestion(name, around.keys)}"


def _missing(place: Place, key: Key) -> str:
    one_of = f"Write one of: {', '.join(place.types)}." if place.types else "Add it."
    return f"the key '{key[-1]}' is missing. {one_of}"


def _of_another_kind(kind: str, given: object, place: Place) -> str:
    """Text or keys are expected, but YAML reads something else. A rule of a mapping takes either."""
    is_rule = "value" in place.keys
    if kind == "string_type" or is_rule:
        return _no_text(given, place, is_rule=is_rule)
    return f"takes keys of its own.{place.listed or ' Write it like {UG: undergrad}.'}"


def _no_text(given: object, place: Place, *, is_rule: bool) -> str:
    if isinstance(given, bool) and is_rule:
        return f"takes a column's name, or keys. Write {{value: {str(given).lower()}}} for the same value everywhere."
    if isinstance(given, bool):
        return f"YAML reads this as yes or no ({str(given).lower()}), not as text. Write it in quotes."
    if isinstance(given, int | float):
        return f"YAML reads this as the number {given}, not as text. Write it in quotes."
    if isinstance(given, date):
        return "YAML reads this as a date, not as text. Write it in quotes."
    if not is_rule:
        return f"takes a single text, not {'keys' if isinstance(given, dict) else 'a list'}.{place.hint}"
    return f"takes a column's name, or keys.{place.listed}"


def _key_in_file(file: YamlFile, error: ErrorDetails) -> Key:
    """The key as it is in the file, or should be: pydantic puts the names of union members between the keys."""
    written: Key = ()
    data: Any = file.data
    last = len(error["loc"]) - 1
    for position, part in enumerate(error["loc"]):
        if isinstance(data, dict) and (part in data or position == last):
            written, data = (*written, part), data.get(part)
        elif isinstance(data, list) and isinstance(part, int):
            written, data = (*written, part), data[part] if part < len(data) else None
    return (*written, "type") if error["type"].startswith("union_tag") else written


def _place(model: type[Document], key: Key, data: Any) -> Place:
    """Follow a key from the top through the models."""
    annotation: Any = model
    field: FieldInfo | None = None
    types: list[str] = []
    for part in key:
        current = _model_in(annotation, data)
        types = [_types(found)[0] for found in _models(annotation) if part == "type" and _types(found)]
        field = _field(current, part)
        if field:
            annotation = field.annotation
        data = data.get(part) if isinstance(data, dict) else None
    return Place(field, _model_in(annotation, data), types)


def _field(model: type[Document] | None, part: str | int) -> FieldInfo | None:
    known = model.model_fields.items() if model else ()
    return next((field for name, field in known if part == (field.alias or name)), None)


def _model_in(annotation: Any, data: Any) -> type[Document] | None:
    """The model in an annotation; in a union of models, the one whose `type` the data names."""
    found = _models(annotation)
    kind = data.get("type") if isinstance(data, dict) else None
    chosen = [part for part in found if kind in _types(part)]
    return next(iter(chosen or found), None)


def _models(annotation: Any) -> list[type[Document]]:
    return [part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, Document)]


def _types(model: type[Document]) -> tuple[str, ...]:
    return typing.get_args(model.model_fields["type"].annotation) if "type" in model.model_fields else ()


def _parts(annotation: Any) -> list[Any]:
    """The types within an annotation: Annotated, unions, lists and dictionaries taken apart."""
    inner = typing.get_args(annotation)
    return [part for argument in inner for part in _parts(argument)] if inner else [annotation]
