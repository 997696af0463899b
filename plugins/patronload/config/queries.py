"""The query of a source of type sql: one SELECT in a file next to the tenant file, with the day filled in."""

import re
from collections.abc import Iterator
from datetime import date

from patronload import settings
from patronload.config.tenant_values import DAY, dated
from patronload.errors import ConfigError

MOST_BYTES = 100_000
"""The maximum size of a query's file."""

_PLACE = re.compile(rf"\{{{DAY}:[^{{}}]*%[^{{}}]*\}}")
"""{date:%Y-%m-%d}, {date-1:%Y-%m-%d}; other braces belong to the query."""

_TEXT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", re.DOTALL)
"""Comments, and texts and names in quotes, which may hold anything."""


def read(name: str) -> str:
    """The text of a query. Raises ConfigError if it is missing or cannot be one."""
    path = settings.tenants() / name
    try:
        content = path.read_bytes()
    except OSError:
        raise ConfigError(f"there is no file {name} next to the tenant file. Write the query into it.") from None
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{name} is larger than {MOST_BYTES:,} bytes. Make a view of it in the database.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{name} is not UTF-8 in line {line}. Save it as UTF-8.") from None
    if wrong := [f"{name}: {sentence}" for sentence in _mistakes(text)]:
        raise ConfigError(" ".join(wrong))
    return text


def is_dated(text: str) -> bool:
    """Whether a query asks for the day of the run."""
    return _PLACE.search(text) is not None


def on(text: str, day: date) -> str:
    """The statement for a day, without the semicolon at its end."""
    return _PLACE.sub(lambda place: dated(place[0], day), text).strip().removesuffix(";")


def _mistakes(text: str) -> Iterator[str]:
    """The checks of a query; the real protection is the database account and a read-only transaction."""
    bare = _TEXT.sub(" ", text).strip().removesuffix(";")
    word = re.match(r"[A-Za-z]*", bare.lstrip("( \t\r\n"))
    if not word or word[0].upper() not in ("SELECT", "WITH"):
        yield "a query begins with SELECT or WITH. Nothing else is sent to the database."
    if ";" in bare:
        yield "there is a semicolon inside, and only one statement is sent. Remove it."
    for place in re.finditer(r"\{\s*(?:date|day)[^{}]*\}", text, re.IGNORECASE):
        if not _PLACE.fullmatch(place[0]):
            yield f"{place[0]} is not known. Write '{{date:%Y-%m-%d}}', in quotes."
