"""What a library system demands of what a mapping sends, as far as the mapping file alone tells it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from patronload.documents.yaml_files import Key

if TYPE_CHECKING:
    from patronload.config.mapping import Mapping, Rule

Value = str | bool


def unmet(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """Each demand that the mapping cannot meet, whatever is in the export, with the key of the field."""
    yield from _words(mapping)
    yield from _entries_without(mapping)
    yield from _entries_alike(mapping)
    yield from _without_company(mapping)


def _words(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """A field that takes certain words, and is given another one."""
    for path, rule in mapping.fields.items():
        choices = mapping.system.choices.get(path)
        wrong = [value for value in _given(rule, mapping) if choices and value not in choices]
        if choices and wrong:
            listed = " or ".join(map(_shown, choices))
            told = f"{mapping.system.name} takes {listed} here, spelt like this"
            yield ("fields", path), f"{told}; {_shown(wrong[0])} was given."


def _entries_without(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """An address without a type."""
    seen = set()
    for path in mapping.fields:
        entry, needed = _entry(path), mapping.system.needed_beside.get(_unnumbered(path))
        if needed and entry not in seen and f"{entry}.{needed}" not in mapping.fields:
            seen.add(entry)
            told = f"{mapping.system.name} takes nothing of {entry} without its {needed}"
            yield ("fields", path), f"{told}. Add {entry}.{needed}."


def _entries_alike(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """Two addresses of one type."""
    seen: dict[tuple[str, str], str] = {}
    for path, rule in mapping.fields.items():
        kind = re.sub(r"\[\d\]", "[]", path)
        if kind in mapping.system.apart and isinstance(rule.value, str):
            other = seen.setdefault((kind, rule.value.casefold()), path)
            if other != path:
                yield ("fields", path), f"is '{rule.value}' like {other}. Give each entry its own."


def _without_company(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """A field that is always true, without those that it needs then."""
    for path, needed in mapping.system.needed_with.items():
        missing = [field for field in needed if field not in mapping.fields]
        given = _given(mapping.fields[path], mapping) if path in mapping.fields else []
        if missing and given and all(given):
            told = f"{mapping.system.name} refuses true without {' and '.join(missing)}"
            yield ("fields", path), f"{told}. Add {'it' if len(missing) == 1 else 'them'}, or let it be false."


def _given(rule: Rule, mapping: Mapping) -> list[Value]:
    """The values that a rule can give, as far as the mapping file tells them: a fixed one, or those of its lookup."""
    if rule.value is not None:
        return list(rule.value) if isinstance(rule.value, list) else [rule.value]
    return list(mapping.lookups.get(rule.lookup or "", {}).values())


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"


def _entry(path: str) -> str:
    """personal.addresses[0].city becomes personal.addresses[0]."""
    return path.rpartition(".")[0]


def _unnumbered(path: str) -> str:
    """personal.addresses[0].city becomes personal.addresses; nothing of what is no entry of a list."""
    found = re.match(r"(.+)\[\d\]\.", path)
    return found[1] if found else ""
