"""Check a mapping file against the rules of its library system that do not depend on an export."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from patronload.documents.yaml_files import Key

if TYPE_CHECKING:
    from patronload.config.mapping import Mapping
    from patronload.config.rules import Rule, Variant

Value = str | bool


def unmet(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """Each rule of the library system that the mapping breaks whatever the export has, with the key of the field."""
    yield from _wrong_choices(mapping)
    yield from _incomplete_entries(mapping)
    yield from _entries_alike(mapping)
    yield from _incomplete_trues(mapping)


def _wrong_choices(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """Fields that take only certain values and get another one."""
    for path, rule in mapping.fields.items():
        choices = mapping.system.choices.get(path)
        wrong = [value for value in _possible_values(rule, mapping) if choices and value not in choices]
        if choices and wrong:
            listed = " or ".join(map(_in_words, choices))
            allowed = f"{mapping.system.name} takes {listed} here, in this spelling"
            yield ("fields", path), f"{allowed}; {_in_words(wrong[0])} was given."


def _incomplete_entries(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """Addresses without a type."""
    seen = set()
    for path in mapping.fields:
        entry, needed = _entry(path), mapping.system.needed_beside.get(_without_numbers(path))
        if needed and entry not in seen and f"{entry}.{needed}" not in mapping.fields:
            seen.add(entry)
            yield ("fields", path), f"{mapping.system.name} ignores {entry} without its {needed}. Add {entry}.{needed}."


def _entries_alike(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """Addresses of the same type."""
    seen: dict[tuple[str, str], str] = {}
    for path, rule in mapping.fields.items():
        kind = re.sub(r"\[\d\]", "[]", path)
        if kind in mapping.system.apart and isinstance(rule.value, str):
            other = seen.setdefault((kind, rule.value.casefold()), path)
            if other != path:
                yield ("fields", path), f"is '{rule.value}', the same as {other}. Each entry needs a different value."


def _incomplete_trues(mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """Fields that are always true, without the fields that true requires."""
    for path, needed in mapping.system.needed_with.items():
        missing = [field for field in needed if field not in mapping.fields]
        given = _possible_values(mapping.fields[path], mapping) if path in mapping.fields else []
        if missing and given and all(given):
            refusal = f"{mapping.system.name} refuses true without {' and '.join(missing)}"
            yield ("fields", path), f"{refusal}. Add {'it' if len(missing) == 1 else 'them'}, or write false."


def _possible_values(rule: Rule, mapping: Mapping) -> list[Value]:
    """The values that a rule can produce, as far as the mapping file lists them: fixed ones and those of lookups."""
    return [value for variant in rule.variants for value in constants(variant, mapping)]


def constants(variant: Variant, mapping: Mapping) -> list[Value]:
    """The values that one way to fill a field can produce, as far as the mapping file lists them."""
    fixed = variant.default if variant.value is None else variant.value
    listed = list(fixed) if isinstance(fixed, list) else [fixed] if fixed is not None else []
    return [*listed, *mapping.lookups.get(variant.lookup or "", {}).values()]


def _in_words(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"


def _entry(path: str) -> str:
    """personal.addresses[0].city becomes personal.addresses[0]."""
    return path.rpartition(".")[0]


def _without_numbers(path: str) -> str:
    """personal.addresses[0].city becomes personal.addresses; empty for a path outside a list."""
    found = re.match(r"(.+)\[\d\]\.", path)
    return found[1] if found else ""
