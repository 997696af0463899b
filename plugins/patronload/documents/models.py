"""The base of the models of tenant and mapping files, and the wording of their error messages."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from patronload.documents.yaml_files import Key, YamlFile

MOST_LISTED = 24
"""The maximum number of names that a suggestion lists; of more names it gives only the nearest."""

FROM_A_FILE = {"from": "file"}
"""The validation context in which pydantic knows that the values come from a file, not from code."""


class Document(BaseModel):
    """A part of a tenant or mapping file: immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Keys that had another name once: the old name, and the one that replaces it."""

    @field_validator("*")
    @classmethod
    def _refuse_empty(cls, given: Any, info: ValidationInfo) -> Any:
        """In a file, a key that may be left out may not be left empty, because something may have been forgotten."""
        if given is None and info.context == FROM_A_FILE:
            raise PydanticCustomError("left_empty", "is left empty")
        return given


def complaint(file: YamlFile, key: Key, sentence: str) -> str:
    """`northfield.yaml, line 12: target.chunk_size: ...`"""
    return f"{file.place(key)}: {dotted_path(key)}: {sentence}"


def dotted_path(key: Key) -> str:
    """('expect', 'rows', 0) becomes expect.rows[0]."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.lstrip(".") or "the file"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'lower'? There are: lower, upper, ...` for a `word` that is not one of the `known`."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 3)
    meant = f"did you mean '{near[0]}'? " if near else ""
    if len(names) > MOST_LISTED:
        others = f"There are also: {', '.join(near[1:])}, and more." if near[1:] else "docs/mapping-files.md lists all."
        return meant + others
    return f"{meant}{'There' if meant else 'there'} are: {', '.join(names)}."
