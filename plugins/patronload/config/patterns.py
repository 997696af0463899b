"""
Regular expressions in mapping files.

They run in the Rust engine of polars, which takes linear time whatever the pattern and the text. So it has no
lookaround and no backreferences.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StrictStr

UNSUPPORTED = {
    "look-around": "lookaround such as (?=...) or (?<!...) is not supported",
    "backreferences": "a backreference such as \\1 is not supported",
    "size limit": "it is too large",
}
"""Words in the engine's errors, and the reason to give."""


def _pattern(pattern: str) -> str:
    if reason := problem(pattern):
        raise ValueError(f"'{pattern}' cannot be used as a pattern: {reason}. Write one like ^[0-9]{{8}}$.")
    return pattern


def problem(pattern: str) -> str | None:
    """The reason why the engine does not take a pattern, or None if it does."""
    import polars as pl  # slow to import, and only a mapping with patterns needs it

    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        text = str(error)
        known = next((reason for word, reason in UNSUPPORTED.items() if word in text), None)
        found = re.search(r"(?m)^error: (.+)", text)
        return known or (found[1] if found else "it is not a regular expression")
    return None


def groups(pattern: str) -> int:
    """The number of groups in a pattern that the engine takes."""
    import polars as pl  # as above

    return len(pl.Series([""]).str.extract_groups(pattern).struct.fields)


def group_names(pattern: str) -> set[str]:
    """The groups that a replacement may name: the whole match as 0, the numbers of the groups, and their names."""
    import polars as pl  # as above

    fields = pl.Series([""]).str.extract_groups(pattern).struct.fields
    return {"0", *map(str, range(1, len(fields) + 1)), *fields}


Pattern = Annotated[StrictStr, Field(min_length=1, examples=['"^[0-9]{8}$"']), AfterValidator(_pattern)]
"""A regular expression that runs in linear time."""
