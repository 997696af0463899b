"""Lines before the header of an export: a title, or Excel's sep=; which names the delimiter."""

from __future__ import annotations

import re
from typing import NamedTuple

from patronload.config.source import Layout

SEPARATOR = re.compile(r'\ufeff?"?sep=([^"\r\n])"?\1*(?=[\r\n]|$)', re.IGNORECASE)
"""Excel: the first line may name the delimiter of a CSV file; other programs fill the line up with it."""

LINE_END = re.compile(r"\r\n|\r|\n")

LONGEST = 64
"""Bytes in which a sep= line ends, in every encoding."""


class Begun(NamedTuple):
    """An export from its header on, its layout, and the number of lines before it."""

    content: bytes
    layout: Layout
    lines: int


def without(content: bytes, layout: Layout) -> Begun:
    """
    The export from its header on. Raises UnicodeDecodeError for bytes that are not in the layout's encoding.

    The text after the removed lines is in UTF-8.
    """
    named = SEPARATOR.match(content[:LONGEST].decode(layout.encoding, errors="ignore"))
    lines = layout.skip_lines + bool(named)
    if not lines:
        return Begun(content, layout, 0)
    text = content.decode(layout.encoding).removeprefix("\ufeff")
    ends = LINE_END.finditer(text)
    at = 0
    for _ in range(lines):
        end = next(ends, None)
        at = end.end() if end else len(text)
    changed = {"encoding": "utf-8"} | ({"delimiter": named[1]} if named else {})
    return Begun(text[at:].encode(), layout.model_copy(update=changed), lines)
