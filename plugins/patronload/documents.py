"""Turn a YAML file into a model, or say which line is wrong and what to write instead."""

import difflib
from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from patronload.errors import ConfigError
from patronload.yaml_files import Key, YamlFile

MOST_LISTED = 16
"""Of more names than this only the nearest are told."""


class Document(BaseModel):
    """A part of a tenant or mapping file: never changed once read, and closed to keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyDocument = TypeVar("AnyDocument", bound=Document)


def load(model: type[AnyDocument], file: YamlFile) -> AnyDocument:
    """
    The file as a `model`.

    Raises ConfigError with one line for each mistake: file, line, key, what is wrong, what to write instead.
    """
    from patronload import mistakes  # only a file with mistakes needs it

    try:
        return model.model_validate(file.data)
    except ValidationError as error:
        told = [complaint(file, key, sentence) for key, sentence in mistakes.sentences(model, file, error.errors())]
        raise ConfigError("\n".join(told)) from None


def complaint(file: YamlFile, key: Key, sentence: str) -> str:
    """`northfield.yaml, line 12: target.chunk_size: ...`"""
    return f"{file.place(key)}: {dotted(key)}: {sentence}"


def dotted(key: Key) -> str:
    """('expect', 'rows', 0) becomes expect.rows[0]."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.lstrip(".") or "the file"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'lower'? There are: lower, upper, ...` for a `word` that is not one of the `known`."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 3)
    meant = f"did you mean '{near[0]}'? " if near else ""
    if len(names) > MOST_LISTED:
        others = f"There are also: {', '.join(near[1:])}, and more." if near[1:] else "docs/ lists all."
        return meant + others
    return f"{meant}There are: {', '.join(names)}."
