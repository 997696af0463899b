"""Load a mapping file with its tables, and check that its parts fit each other and the target."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from patronload import settings
from patronload.config import expectations, field_rules, ownership, requirements
from patronload.config.mapping import BLANK, OTHERWISE, Expectations, Lookup, Mapping
from patronload.config.rules import Variant
from patronload.documents import loading, models, yaml_files
from patronload.errors import ConfigError
from patronload.systems import fields


def load(name: str) -> Mapping:
    """The mapping of this name, like folio/banner_patrons. Raises ConfigError with file, line, key and advice."""
    return load_file(settings.mappings() / f"{name}.yaml")


def load_file(path: Path) -> Mapping:
    """The mapping in the file at `path`. Raises ConfigError."""
    file = _with_tables(yaml_files.read(path))
    mistakes = [models.complaint(file, key, sentence) for key, sentence in expectations.mistakes(file.data)]
    try:
        mapping = loading.load(Mapping, file)
    except ConfigError as error:
        raise ConfigError("\n".join([str(error), *mistakes])) from None
    mistakes += [models.complaint(file, key, sentence) for key, sentence in _mistakes(mapping)]
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return mapping


def doubts(name: str) -> list[str]:
    """The warnings of `check` about the mapping file; none if it cannot be read, which is reported separately."""
    with suppress(Exception):  # an unexpected error too: one file must never hide the mistakes in the others
        return [f"mapping: in {name}.yaml, {doubt}" for doubt in load(name).doubts]
    return []


def _with_tables(file: yaml_files.YamlFile) -> yaml_files.YamlFile:
    """The file with the lookup tables that it names read in. Raises ConfigError for a table that cannot be read."""
    lookups = file.data.get("lookups")
    if not isinstance(lookups, dict):
        return file
    read = {name: _table(file, name, table) if isinstance(table, str) else table for name, table in lookups.items()}
    return file._replace(data=file.data | {"lookups": read})


def _table(file: yaml_files.YamlFile, name: str, table: str) -> dict[str, str | bool]:
    path = file.path.parent / table
    if not re.fullmatch(r"[\w-]+\.csv", table) or not path.is_file():
        sentence = f"there is no file {table} next to the mapping file. Name a file there, like patron_groups.csv."
        raise ConfigError(models.complaint(file, ("lookups", name), sentence))
    try:
        lines = io.StringIO(yaml_files.read_text(path), newline="")
    except ConfigError as error:
        raise ConfigError(models.complaint(file, ("lookups", name), str(error))) from None
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines)][1:]
    found: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        if any(row) and (len(row) != len(("code", "value")) or not all(row) or row[0] in found):
            sentence = f"{table}, line {number}: write a code and its value, and each code only once."
            raise ConfigError(models.complaint(file, ("lookups", name), sentence))
        if any(row):
            found[row[0]] = row[1]
    yes_no = set(found.values()) <= {"true", "false"}
    return {code: value == "true" for code, value in found.items()} if yes_no else dict(found)


def _mistakes(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    """Mistakes beyond a single key: parts of the file that do not fit each other or the target."""
    for path, rule in mapping.fields.items():
        kind = fields.kind(mapping.target, path)
        if kind is None:
            yield ("fields", path), f"no such field; {models.suggestion(path, fields.names(mapping.target))}"
        else:
            yield from field_rules.mistakes(path, kind, rule, mapping)
    for path in mapping.insisted_on:
        if path not in mapping.fields:
            yield ("fields",), f"{path} is missing; {mapping.system.name} refuses a patron without it."
    for name in mapping.lookups:
        if not any(variant.lookup == name for rule in mapping.fields.values() for variant in rule.variants):
            yield ("lookups", name), "no rule uses this table. Remove it, or name it in a rule's 'lookup'."
    yield from _wrong_lists(mapping)
    yield from _dead_codes(mapping)
    yield from required_blanks(mapping, mapping.expect)
    yield from _wrong_owners(mapping)
    yield from _gaps(mapping)
    yield from requirements.unmet(mapping)


def required_blanks(mapping: Mapping, expect: Expectations) -> Iterator[tuple[yaml_files.Key, str]]:
    """Checks in `blank` of a column that fills a required field."""
    for place, check in enumerate(expect.blank):
        column = check.arguments.get("column")
        for path in [path for path in mapping.required if mapping.fields[path].columns == [column]][:1]:
            key = ("expect", "blank", place, check.name)
            yield key, f"{column} cannot be emptied, because {path} is required. Move the check to 'rows'."


def _wrong_lists(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    known = mapping.can_be_combined
    for place, path in enumerate(mapping.combine):
        if path not in known:
            sentence = f"'{path}' is not a list that this mapping fills; {models.suggestion(path, known)}"
            yield ("combine", place), sentence if known else f"'{path}' is not a list that this mapping fills."


def _wrong_owners(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    if mapping.ownership and mapping.system.owners is None:
        yield (
            ("ownership",),
            f"{mapping.system.name} cannot say what it has, so the campus owns all fields. Remove this section.",
        )
        return
    known = ownership.paths(mapping.target, mapping.fields)
    for path in mapping.ownership:
        if path not in known:
            yield ("ownership", path), f"no such field here, or it has no owner; {models.suggestion(path, known)}"


JOINERS = "\u200c\u200d"
"""Invisible characters that some languages need."""


def _dead_codes(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    """Codes that no cell can have: blanks around a cell are removed, and a blank cell is not a code."""
    for name, table in mapping.lookups.items():
        for code in table:
            if not code.strip():
                advice = f"Write '{BLANK}: ...' for a blank cell, or 'default' in the rule."
                yield ("lookups", name, code), f"a blank cell is not a code, so this line has no effect. {advice}"
            elif code != code.strip():
                yield ("lookups", name, code), f"cells are compared without blanks around them. Write '{code.strip()}'."
            elif hidden := [sign for sign in code if unicodedata.category(sign) == "Cf" and sign not in JOINERS]:
                advice = f"Invisible characters are removed from cells, but this code has U+{ord(hidden[0]):04X}"
                yield ("lookups", name, code), f"{advice}, so this line has no effect. Type the code again."
        for variant in [variant for rule in mapping.fields.values() for variant in rule.variants]:
            yield from _wrong_case(name, table, variant)


def _wrong_case(name: str, table: Lookup, variant: Variant) -> Iterator[tuple[yaml_files.Key, str]]:
    """Codes that no cell has after the last step of the rule."""
    change = {"upper": str.upper, "lower": str.lower}.get(variant.steps[-1].name if variant.steps else "")
    if variant.lookup == name and change:
        for code in table:
            if code not in (BLANK, OTHERWISE) and change(code) != code:
                sentence = f"the step '{variant.steps[-1].name}' changes each code first, so write '{change(code)}'."
                yield ("lookups", name, code), sentence


def _gaps(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    """Gaps in the numbers of a list, like addresses[1] without addresses[0]."""
    places: dict[str, set[int]] = {}
    for path in mapping.fields:
        if found := re.match(r"(.+)\[(\d)\]", path):
            places.setdefault(found[1], set()).add(int(found[2]))
    for name, numbers in places.items():
        if numbers != set(range(len(numbers))):
            yield ("fields",), f"{name} has the numbers {sorted(numbers)}. Number from [0] without gaps."
