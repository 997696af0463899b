"""Turn a YAML file into a model, or say which line is wrong and what to write instead."""

import difflib
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from patronload.errors import ConfigError
from patronload.yaml_files import Key, YamlFile


class Document(BaseModel):
    """A part of a tenant or mapping file: never changed once read, and closed to keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


AnyDocument = TypeVar("AnyDocument", bound=Document)


def load(model: type[AnyDocument], file: YamlFile) -> AnyDocument:
    """
    The file as a `model`.

    Raises ConfigError with one line for each mistake: file, line, key, what is wrong, what to write instead.
    """
    try:
        return model.model_validate(file.data)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentence(model, file, detail) for detail in error.errors())) from None


def complaint(file: YamlFile, key: Key, sentence: str) -> str:
    """`northfield.yaml, line 12: target.chunk_size: ...`"""
    return f"{file.place(key)}: {dotted(key)}: {sentence}"


def dotted(key: Key) -> str:
    """('expect', 'rows', 0) becomes expect.rows[0]."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.lstrip(".") or "the file"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'lower'? There are lower, upper, ...` for a `word` that is not one of the `known`."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 1)
    return (f"did you mean '{near[0]}'? " if near else "") + f"There are: {', '.join(names)}."


def _sentence(  # noqa: PLR0911 - one return for each kind of mistake
    model: type[Document], file: YamlFile, detail: ErrorDetails
) -> str:
    key = _written(file, detail["loc"])
    kind, given = detail["type"], detail.get("input")
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        around = _fields_at(model, key[:-1], file.data)
        return complaint(file, key, f"no such key; {suggestion(str(key[-1]), around)}")
    if kind == "missing":
        return complaint(file, key[:-1], f"the key '{key[-1]}' is missing. Add it.")
    if kind == "union_tag_not_found":
        return complaint(file, key, f"the key 'type' is missing. Write one of: {_tags(model, key)}.")
    if kind == "union_tag_invalid":
        return complaint(file, key, f"'{context['tag']}' is not a type; there are: {context['expected_tags']}.")
    if kind == "value_error":
        return complaint(file, key, str(context.get("error") or f"{context.get('reason')} '{given}' was given."))
    if kind == "string_type" and isinstance(given, bool | int | float):
        return complaint(file, key, f"YAML reads this as {_yaml_word(given)}, not as text. Write it in quotes.")
    return complaint(file, key, f"{detail['msg'].removesuffix('.')}; '{given}' was given.")


def _written(file: YamlFile, location: tuple[str | int, ...]) -> Key:
    """Pydantic puts the names of union members between the keys; what is left are the keys somebody wrote."""
    key: Key = ()
    data: Any = file.data
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(data, dict) and (part in data or last):
            key, data = (*key, part), data.get(part)
        elif isinstance(data, list) and isinstance(part, int):
            key, data = (*key, part), data[part] if part < len(data) else None
    return key


def _yaml_word(given: Any) -> str:
    return f"yes or no ({str(given).lower()})" if isinstance(given, bool) else f"the number {given}"


def _fields_at(model: type[Document], key: Key, data: Any) -> list[str]:
    """The keys that may stand at `key`, found by walking down the models."""
    annotation: Any = model
    for part in key:
        data = data[part] if isinstance(data, dict | list) else None  # type: ignore[index]  # a part is of its kind
        current = _model_in(annotation, data)
        if current and isinstance(part, str) and part in current.model_fields:
            annotation = current.model_fields[part].annotation
    current = _model_in(annotation, data)
    return [field.alias or name for name, field in current.model_fields.items()] if current else []


def _model_in(annotation: Any, data: Any) -> type[Document] | None:
    """The model behind an annotation; of a union of models the one whose `type` the data names."""
    found = [part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, Document)]
    kind = data.get("type") if isinstance(data, dict) else None
    chosen = [part for part in found if "type" in part.model_fields and kind in _types(part)]
    return next(iter(chosen or found), None)


def _types(model: type[Document]) -> tuple[str, ...]:
    return typing.get_args(model.model_fields["type"].annotation)


def _parts(annotation: Any) -> list[Any]:
    """The types an annotation is made of: Annotated, unions, lists and dictionaries taken apart."""
    inner = typing.get_args(annotation)
    return [part for argument in inner for part in _parts(argument)] if inner else [annotation]


def _tags(model: type[Document], key: Key) -> str:
    field = model.model_fields[str(key[0])]
    return ", ".join(_types(part)[0] for part in _parts(field.annotation) if isinstance(part, type))
