"""Names of encodings in YAML: those that are one."""

import codecs
from typing import Annotated

from pydantic import AfterValidator

NOT_ENCODINGS = {"idna", "punycode", "utf-7", "unicode-escape", "raw-unicode-escape"}
"""Codecs of Python's that change text in another way than an encoding does."""


def _is_encoding(name: str) -> str:
    try:
        known = codecs.lookup(name)
        plain = "a,\u00e9".encode(name, errors="replace").decode(name)[:2] == "a,"
    except (LookupError, ValueError):
        known, plain = None, False
    if known is None or not plain or known.name in NOT_ENCODINGS:
        raise ValueError(f"'{name}' is no encoding. Write one like utf-8, utf-16, cp1252 or iso-8859-15.")
    return name


Encoding = Annotated[str, AfterValidator(_is_encoding)]
"""Python's name of an encoding."""
