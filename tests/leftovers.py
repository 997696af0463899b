"""What a run may leave behind, made up for the tests of reports and mails."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from patronload.artifacts import tables
from patronload.artifacts.left_behind import LeftBehind
from patronload.artifacts.models import (
    ApprovalRecord,
    ChunkResult,
    Delivery,
    Failure,
    Gates,
    Plan,
    Validation,
)
from patronload.artifacts.progress import Progress, with_state
from patronload.config import tenants
from patronload.reporting import account
from patronload.reporting.report import People, Report
from patronload.rows import no_notes, no_skipped

TENANT = tenants.load_file(Path(__file__).parent.parent / "include" / "tenants" / "northfield.yaml")

DELIVERY = {
    "name": "patrons_20261121.csv",
    "path": "outgoing/patrons_20261121.csv",
    "size": 1_204_111,
    "modified": "2026-11-21T09:58:12+00:00",
    "sha256": "ab" * 32,
    "fetched": "2026-11-21T10:30:04+00:00",
}


def rejects(*lines: tuple[int, str, str]) -> pl.DataFrame:
    """Rejects, each from its row, stage and summary."""
    told = [
        {"row": row, "stage": stage, "column": "ID", "value": "x", "reason": f"{summary}: 'x'", "summary": summary}
        for row, stage, summary in lines
    ]
    return pl.concat([tables.no_rejects(), pl.DataFrame(told, schema=tables.no_rejects().schema)])


def patrons(chunks: dict[int, list[int]]) -> pl.DataFrame:
    pairs = [(row, chunk) for chunk, rows in chunks.items() for row in rows]
    return pl.DataFrame(pairs, schema={"row": pl.UInt32, "chunk": pl.UInt32}, orient="row")


def result(chunk: int, created=0, updated=0, failed=(), unconfirmed=()) -> dict[str, Any]:
    refused = [{"row": row, "message": "User with x exists", "summary": "the barcode is taken"} for row in failed]
    return {
        "chunk": chunk,
        "patrons": created + updated + len(refused) + len(unconfirmed),
        "created": created,
        "updated": updated,
        "failed": refused,
        "unconfirmed": list(unconfirmed),
        "looked_up": False,
        "answers": [],
    }


MODELS = {
    "delivery": Delivery,
    "validation": Validation,
    "gates": Gates,
    "approval": ApprovalRecord,
    "plan": Plan,
    "failure": Failure,
}


def left_behind(**more: Any) -> LeftBehind:
    """What a run of ten rows leaves, loaded without a fault, unless `more` says otherwise. JSON stays JSON."""
    given = {
        "url": "file:///artifacts/northfield/scheduled__2026-11-21",
        "delivery": DELIVERY,
        "validation": {"rows": 10, "columns": ["ID"], "checks": []},
        "rejects": tables.no_rejects(),
        "noted": no_notes(),
        "skipped": no_skipped(),
        "patrons": patrons({1: [2, 3, 4, 5, 6], 2: [7, 8, 9, 10, 11]}),
        "sent": {1, 2},
        "results": [result(1, created=5), result(2, created=1, updated=4)],
        "unchanged": pl.DataFrame(schema={"row": pl.UInt32, "key": pl.String}),
        "departures": None,
    } | more
    planned, sent = given.pop("patrons"), given.pop("sent")
    results = {one["chunk"]: ChunkResult.model_validate(one) for one in given.pop("results")}
    rows = None if planned is None else with_state(planned, set(results), set(sent))
    if given.get("approval"):
        given["approval"] = {"question": "a hash", "turn": 0} | given["approval"]
    found = {name: model.model_validate(given[name]) if given.get(name) else None for name, model in MODELS.items()}
    return LeftBehind(**given | found, progress=Progress(rows, list(results.values())))


def build(*, dry_run: bool = False, tenant: tenants.Tenant = TENANT, **more: Any) -> Report:
    """The report of what left_behind() gives."""
    return account.build(tenant, "scheduled__2026-11-21", date(2026, 11, 21), left_behind(**more), dry_run=dry_run)


def accounted(report: Report) -> int:
    parts = (report.created, report.updated, report.unchanged, report.failed, report.rejected, report.skipped)
    return sum(parts) + report.not_sent + report.unconfirmed


def sums_up(people: People) -> bool:
    """Whether the patrons of earlier loads add up."""
    parts = (people.in_file, people.missing, people.left, people.inactive, people.exempt, people.gone, people.waiting)
    return people.known == sum(parts)


def failure(kind: str, stage="post", message="A sentence.") -> dict[str, str]:
    return {"stage": stage, "kind": kind, "message": message}
