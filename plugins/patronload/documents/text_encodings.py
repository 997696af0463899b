"""The names of text encodings in YAML files."""

import codecs
from typing import Annotated

from pydantic import AfterValidator

NOT_ENCODINGS = {"idna", "punycode", "utf-7", "unicode-escape", "raw-unicode-escape"}
"""Python codecs that are not encodings of a text file."""


def _encoding_name(name: str) -> str:
    try:
        known = codecs.lookup(name)
        plain = "a,\u00e9".encode(name, errors="replace").decode(name)[:2] == "a,"
    except (LookupError, ValueError):
        known, plain = None, False
    if known is None or not plain or known.name in NOT_ENCODINGS:
        raise ValueError(f"'{name}' is not an encoding. Write one like utf-8, utf-16, cp1252 or iso-8859-15.")
    return name


Encoding = Annotated[str, AfterValidator(_encoding_name)]
"""Python's name of an encoding."""
