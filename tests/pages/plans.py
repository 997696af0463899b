"""Runs with a plan, as the stage plan leaves them, for the tests of the pages."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl

from patronload.artifacts import names, tables
from patronload.artifacts.models import ApprovalRecord, Gates, Plan
from patronload.artifacts.questions import question_hash
from patronload.artifacts.run import Run
from patronload.checks.effects import Tally
from patronload.targets.delivery import CHANGES

DAG = "patron_load__northfield"
MAIL = "kim@campus.example"
EVIL = '=HYPERLINK("http://evil.example")'


def line(row, key, action, *change, **named):
    """A line of changes.parquet."""
    told = dict(zip(("field", "before", "after", "why"), change, strict=False)) | named
    before, after = (None if told.get(name) is None else json.dumps(told[name]) for name in ("before", "after"))
    return (row, key, action, told.get("field"), before, after, told.get("why"))


def written(run: Run, lines: list[tuple], before: int = 100) -> None:
    """A plan with these lines, as the stage plan leaves it."""
    frame = pl.DataFrame(lines, schema=CHANGES, orient="row")
    tally = Tally(("active", "patronGroup"))
    tally.add(frame)
    with run.writing(names.CHANGES) as file:
        writer = tables.Writer(file)
        for part in frame.iter_slices(1000):
            writer.write(part)
        writer.close()
    effects = tally.effects(before, before)
    sent = {action: effects.actions.get(action, 0) for action in ("create", "update", "return", "unchanged")}
    known = sent["update"] + sent["return"]
    Plan(new=sent["create"], known=known, unchanged=sent["unchanged"], effects=effects.to_json()).write(run)


LINES = [
    line(2, "0017", "create", after={"username": EVIL, "personal": {"email": MAIL, "addresses": [{"city": "Ames"}]}}),
    line(3, "0018", "update", "patronGroup", "undergrad", "graduate", "the file"),
    line(3, "0018", "update", "personal.phone", None, "555-0100", "empty in FOLIO"),
    line(4, "0019", "update", "patronGroup", "undergrad", "graduate", "the file"),
    line(5, "0020", "unchanged"),
    line(6, "0021", "return", "active", before=False, after=True, why="expiry date"),
    line(9, "0022", "leave", "active", before=True, after=False, why="no longer in the file"),
    line(10, "0023", "inactive", why="no longer in the file"),
]  # fmt: skip


def asking(run: Run, gate: str = "becoming_inactive") -> None:
    """The run's plan waits for an answer about a gate."""
    now = datetime.now(UTC)
    delivered = {
        "name": "patrons.csv", "path": "outgoing/patrons.csv", "size": 9, "sha256": "ab" * 32, "day": "2026-11-20",
        "modified": "2026-11-20T09:58:12+00:00", "fetched": "2026-11-20T10:30:04+00:00",
    }  # fmt: skip
    run.write_json(names.DELIVERY, delivered)
    run.write_json(names.VALIDATION, {"rows": 9, "columns": ["ID"], "checks": []})
    verdict = {"gate": gate, "state": "asked", "sentence": "9 of 9 active users would become inactive."}
    Gates.model_validate({"stages": {"plan": {"figures": {"rejected": 1}, "verdicts": [verdict]}}}).write(run)
    rows = pl.DataFrame({"__row__": [2, 7], "ID": ["0017", "0099"]}, schema_overrides={"__row__": pl.UInt32})
    tables.write(run, names.ROWS, rows)
    tables.write(run, names.RAGGED, rows.clear())
    run.write_json(names.FACTS, {"columns": ["ID"], "rows": 2, "mended": False})
    reject = {"row": [7], "column": ["ID"], "value": ["0099"], "reason": ["ID '0099': odd"], "summary": ["ID is odd"]}
    tables.write(run, names.VALIDATE_REJECTS, pl.DataFrame(reject, schema_overrides={"row": pl.UInt32}))
    record = {"asked": now, "until": now + timedelta(hours=12), "question": question_hash(run), "turn": 0}
    ApprovalRecord.model_validate(record).write(run)
