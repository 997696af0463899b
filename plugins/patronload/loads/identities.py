"""Read a library's list of changed keys: which of them are the same person, and which are not."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from patronload import settings
from patronload.config.tenants import Tenant
from patronload.documents import yaml_files
from patronload.errors import ConfigError
from patronload.folding import fold
from patronload.targets.delivery import Identity

COLUMNS = ("old_id", "new_id", "decision")

DECISIONS = {"": True, "same person": True, "another person": False}
"""The texts allowed in the column decision, and whether the two ids are the same person's."""


def of(tenant: Tenant) -> list[Identity]:
    """The decisions in the tenant's list. Raises ConfigError, with the line, when the list cannot be used."""
    name = tenant.target.identities
    if name is None:
        return []
    path = settings.tenants() / name
    if not path.is_file():
        raise ConfigError(f"There is no file {name} next to the tenant file; target.match.identities names it.")
    found = dict(_lines(name, yaml_files.read_text(path)))
    _check_once(name, found)
    return list(found.values())


def _lines(name: str, text: str) -> Iterator[tuple[int, Identity]]:
    """Each decision by its line. A spreadsheet of some countries writes semicolons."""
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [cell.strip().lower() for cell in next(lines, [])]
    if header not in (list(COLUMNS), list(COLUMNS[:2])):
        raise ConfigError(f"{name}, line 1: expected the columns {', '.join(COLUMNS)}.")
    for cells in lines:
        if any(cell.strip() for cell in cells):
            yield lines.line_num, _identity(f"{name}, line {lines.line_num}", [cell.strip() for cell in cells])


def _identity(place: str, cells: list[str]) -> Identity:
    old, new, decision, *rest = [*cells, "", "", ""]
    if not old or not new or any(rest):
        raise ConfigError(f"{place}: expected an old id, a new id, and perhaps a decision.")
    if decision.lower() not in DECISIONS:
        raise ConfigError(f"{place}: the decision must be 'same person', 'another person', or blank.")
    return Identity(old, new, DECISIONS[decision.lower()])


def _check_once(name: str, found: dict[int, Identity]) -> None:
    """An id can become one other, and stand for one other. Raises ConfigError."""
    for column in ("old", "new"):
        ids = {line: fold(getattr(one, column)) for line, one in found.items() if one.is_same}
        count = Counter(ids.values())
        lines = [str(line) for line, key in ids.items() if count[key] > 1]
        if lines:
            raise ConfigError(f"{name}: lines {', '.join(lines)} have the same {column}_id; only one can be right.")
