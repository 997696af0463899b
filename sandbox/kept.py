"""Keep the content of the library systems in the sandbox's folder from one start to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sandbox.folio.gateway import Folio
from sandbox.folio.store import Store, Table
from sandbox.infiniti.users import School


def save(path: Path, folio: Folio, school: School) -> None:
    """Write it, completely or not at all."""
    tables = {tenant: {name: list(table) for name, table in _tables(store)} for tenant, store in folio.stores.items()}
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps({"folio": tables, "infiniti": school.users}), encoding="utf-8")
    unfinished.rename(path)


def restore(path: Path, folio: Folio, school: School) -> bool:
    """Give the library systems what was kept; whether anything was."""
    if not path.exists():
        return False
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for tenant, tables in content["folio"].items():
        if tenant in folio.stores:
            _fill(folio.store(tenant), tables)
    school.users |= content["infiniti"]
    return True


def _tables(store: Store) -> list[tuple[str, Table]]:
    return [(name, table) for name, table in vars(store).items() if isinstance(table, Table)]


def _fill(store: Store, kept: dict[str, list[dict[str, Any]]]) -> None:
    for name, table in _tables(store):
        for row in table:
            table.delete(row["id"])
        for row in kept.get(name, []):
            table.put(row)
