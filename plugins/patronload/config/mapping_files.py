"""Load a mapping file with its tables, and check that its parts fit each other and the target."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from patronload import settings
from patronload.config import expectations, ownership, requirements
from patronload.config.mapping import Expectations, Mapping, Rule
from patronload.documents import loading, models, yaml_files
from patronload.errors import ConfigError
from patronload.systems import fields
from patronload.systems.fields import Kind


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
        elif rule.lookup is not None and rule.lookup not in mapping.lookups:
            known = models.suggestion(rule.lookup, mapping.lookups) if mapping.lookups else "there are none."
            yield ("fields", path, "lookup"), f"no such table in 'lookups'; {known}"
        elif sentence := _misfit(kind, rule, mapping):
            yield ("fields", path), sentence
    for path in mapping.insisted_on:
        if path not in mapping.fields:
            yield ("fields",), f"{path} is missing; {mapping.system.name} refuses a patron without it."
    for name in mapping.lookups:
        if not any(rule.lookup == name for rule in mapping.fields.values()):
            yield ("lookups", name), "no rule uses this table. Remove it, or name it in a rule's 'lookup'."
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


def _wrong_owners(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    if mapping.ownership and mapping.system.owners is None:
        yield (
            ("ownership",),
            f"the patrons of {mapping.system.name} cannot be read, so the campus owns all fields. Remove this section.",
        )
        return
    known = ownership.paths(mapping.target, mapping.fields)
    for path in mapping.ownership:
        if path not in known:
            yield ("ownership", path), f"no such field here, or it has no owner; {models.suggestion(path, known)}"


def _misfit(  # noqa: C901, PLR0911 - one return for each reason
    kind: Kind, rule: Rule, mapping: Mapping
) -> str | None:
    """The reason why the rule cannot fill a field of this kind, if there is one."""
    given = (
        [rule.value] if rule.value is not None else list(mapping.lookups[rule.lookup].values()) if rule.lookup else []
    )
    yes_no = bool(given) and all(isinstance(value, bool) for value in given)
    if kind is Kind.YES_NO and not yes_no:
        return "takes true or false. Write {value: true}, or use a lookup with only true and false."
    if kind is Kind.CUSTOM and yes_no:
        return "takes a single true or false for each row. Remove 'split'." if rule.split else None
    if kind is not Kind.YES_NO and any(isinstance(value, bool) for value in given):
        return f"takes {kind.value}, not true or false. Write the value in quotes."
    if kind is Kind.LIST and rule.value is not None and not isinstance(rule.value, list):
        return f"takes a list. Write {{value: [{rule.value}]}}."
    if kind in (Kind.TEXT, Kind.DATE, Kind.YEAR) and isinstance(rule.value, list):
        return f"takes {kind.value}, not a list."
    if kind is Kind.YEAR and not all(re.fullmatch(r"\d{4}", str(value)) for value in given):
        return "takes a year. Write four digits in quotes, like '2031'."
    if kind is Kind.DATE and rule.value is not None and not _is_day(rule.value):
        return "takes a date. Write a fixed date like {value: '2027-08-31'}."
    if kind is Kind.DATE and rule.date is None and rule.value is None:
        return "takes a date. Add its form, like 'date: \"%m/%d/%Y\"'."
    if kind not in (Kind.DATE, Kind.CUSTOM) and rule.date is not None:
        return f"takes {kind.value}, not a date."
    if kind is Kind.LIST and rule.split is None and rule.value is None:
        return "takes a list. Add the text between its values, like 'split: \";\"'."
    if kind in (Kind.TEXT, Kind.YES_NO, Kind.DATE, Kind.YEAR) and rule.split is not None:
        return f"takes {kind.value}, not a list."
    return None


def _is_day(written: object) -> bool:
    try:
        return bool(date.fromisoformat(str(written)).isoformat() == written)
    except ValueError:
        return False


def _gaps(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    """Gaps in the numbers of a list, like addresses[1] without addresses[0]."""
    places: dict[str, set[int]] = {}
    for path in mapping.fields:
        if found := re.match(r"(.+)\[(\d)\]", path):
            places.setdefault(found[1], set()).add(int(found[2]))
    for name, numbers in places.items():
        if numbers != set(range(len(numbers))):
            yield ("fields",), f"{name} has the numbers {sorted(numbers)}. Number from [0] without gaps."
