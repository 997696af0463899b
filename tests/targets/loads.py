"""Invented patrons, and runs that hold them ready to be posted."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import zstandard

from patronload import targets
from patronload.artifacts.run import Run
from patronload.connections import Connection
from patronload.loads.posting import post as posting
from patronload.loads.posting.post import Totals
from patronload.systems.folio import FolioTarget
from patronload.targets.delivery import Patience, Planned
from sandbox.folio import FolioServer

FOLIO_TENANT = "fs00001234"
PASSWORD = "Loader-pass-1"

QUICK = Patience(connect=5, answer=20, read=10, busy=2, settle=0.3, between=0.1, rest=0.3, at_most=15)
"""As patient as a test can be."""

FIRST_ROW = 2


def folio_target(**given: Any) -> FolioTarget:
    return FolioTarget.model_validate(
        {
            "type": "folio",
            "connection": "northfield_folio",
            "folio_tenant": FOLIO_TENANT,
            "source_type": "banner",
            "chunk_size": 25,
            **given,
        }
    )


def account(server: FolioServer, **given: Any) -> Connection:
    fields = {"host": server.url, "login": "loader", "password": PASSWORD, **given}
    return Connection("northfield_folio", **fields)


def person(number: int, **changed: Any) -> dict[str, Any]:
    """An invented patron; what is None in `changed` is left out."""
    whole = {
        "externalSystemId": f"{number:08}",
        "username": f"patron{number}",
        "barcode": f"2{number:07}",
        "active": True,
        "type": "patron",
        "patronGroup": "undergrad",
        "expirationDate": "2099-06-30",
        "personal": {
            "lastName": "O'Brádaigh",
            "firstName": f"Zoë {number}",
            "email": f"patron{number}@example.edu",
            "preferredContactTypeId": "email",
            "addresses": [{"addressTypeId": "Home", "addressLine1": f"{number} Elm Street", "city": "Northfield"}],
        },
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


def people(count: int, first: int = 1, **changed: Any) -> list[dict[str, Any]]:
    return [person(number, **changed) for number in range(first, first + count)]


def make_run(
    folder: Path,
    records: Iterable[dict[str, Any]],
    target: FolioTarget | None = None,
    *,
    in_levels: bool = False,
    known: Iterable[int] | None = None,
) -> Run:
    """
    A run as the stage `plan` leaves it behind; with `in_levels` each chunk is a level of its own. `known`: the numbers
    of the patrons that FOLIO had when the load was planned; None as older plans, which do not say it.

    What all runs of a library share is beside the run, and what all libraries share two folders above it. Both are in
    `folder`, the test's own.
    """
    target, run = target or folio_target(), Run(folder / "artifacts" / "northfield" / "run")
    rows = []
    for number, chunk in enumerate(_batches(records, target.chunk_size), start=1):
        texts = [json.dumps(record, ensure_ascii=False) for record in chunk]
        run.write(f"chunks/{number:04}.json.zst", zstandard.compress(targets.request_body(target, texts)))
        rows += [
            {"chunk": number, "patron": text}
            | {name: record.get(name) for name in ("externalSystemId", "username", "barcode")}
            for record, text in zip(chunk, texts, strict=True)
        ]
    frame = pl.DataFrame(rows, infer_schema_length=None).with_row_index("row", FIRST_ROW)
    if rows:
        level = pl.col("chunk") if in_levels else pl.lit(0)
        frame = frame.with_columns(pl.col("chunk").cast(pl.UInt32), level=level.cast(pl.UInt32))
    if known is not None:
        keys = [person(number)["externalSystemId"] for number in known]
        frame = frame.with_columns(known=pl.col("externalSystemId").is_in(keys))
    with run.writing("planned.parquet") as file:
        frame.write_parquet(file)
    return run


def run_of_plan(folder: Path, planned: Planned, target: FolioTarget | None = None) -> Run:
    """A run with a real plan, one chunk a level."""
    target, run = target or folio_target(), Run(folder / "artifacts" / "northfield" / "run")
    frame = planned.patrons.frame().with_columns(chunk=pl.col("level") + 1)
    for (number,), part in frame.group_by("chunk"):
        body = targets.request_body(target, part["patron"])
        run.write(f"chunks/{number:04}.json.zst", zstandard.compress(body))
    with run.writing("planned.parquet") as file:
        frame.drop("patron").write_parquet(file)
    return run


def _batches(records: Iterable[dict[str, Any]], size: int) -> list[tuple[dict[str, Any], ...]]:
    records = list(records)
    return [tuple(records[start : start + size]) for start in range(0, len(records), size)]


def post(run: Run, server: FolioServer, target: FolioTarget | None = None, patience: Patience = QUICK) -> Totals:
    target = target or folio_target()
    with targets.open_target(target, lambda _: account(server), patience) as folio:
        return posting.post(run, folio)


def results(run: Run) -> list[dict[str, Any]]:
    return [run.read_json(name) for name in run.names("results")]


def posted(server: FolioServer) -> list[str]:
    """Every externalSystemId that came in by a user import, as often as it came."""
    return [key for seen in server.imports for key in seen.external_system_ids]


def stored(server: FolioServer, record: dict[str, Any], source_type: str = "banner_") -> dict[str, Any] | None:
    return server.store(FOLIO_TENANT).user(source_type + record["externalSystemId"])


def add_user(server: FolioServer, record: dict[str, Any], created: str = "2020-01-01T00:00:00.000+00:00") -> None:
    """Somebody FOLIO has had since long ago."""
    users = server.store(FOLIO_TENANT).users
    user = {name: value for name, value in record.items() if name not in ("patronGroup", "personal")}
    user |= {"id": f"00000000-0000-4000-8000-{len(users):012}", "departments": [], "proxyFor": []}
    user |= {"externalSystemId": f"banner_{record['externalSystemId']}", "personal": {"lastName": "Before"}}
    users.put(user | {"createdDate": created, "updatedDate": created, "metadata": {"createdDate": created}})
