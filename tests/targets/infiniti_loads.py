"""Invented patrons of a school, and runs that hold them ready to be posted to the stand-in Infiniti."""

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
from patronload.systems.infiniti import InfinitiTarget
from patronload.targets.delivery import Patience
from sandbox.infiniti import InfinitiServer

QUICK = Patience(connect=5, answer=20, read=10, busy=2, settle=0.2, between=0.1, at_most=15)
"""As patient as a test can be."""

FIRST_ROW = 2


def school_target(**given: Any) -> InfinitiTarget:
    return InfinitiTarget.model_validate(
        {"type": "infiniti", "connection": "school_infiniti", "chunk_size": 5, **given}
    )


def account(server: InfinitiServer, **given: Any) -> Connection:
    fields = {"host": server.url, "login": server.username, "password": server.password, **given}
    return Connection("school_infiniti", **fields)


def pupil(number: int, **changed: Any) -> dict[str, str]:
    """An invented patron as the plan leaves it; what is None in `changed` is left out."""
    whole = {
        "username": f"pupil{number}",
        "enabled": "Y",
        "staffmember": "N",
        "givenname": f"Zoë {number}",
        "surname": 'O\'Brien, "Bee"',
        "emailaddress": f"pupil{number}@school.example",
        "graduationyear": "2031",
        "librarybarcode": f"00{number:06}",
        "adminsystemid": f"A{number:04}",
        **changed,
    }
    return {name: value for name, value in whole.items() if value is not None}


def pupils(count: int, first: int = 1, **changed: Any) -> list[dict[str, str]]:
    return [pupil(number, **changed) for number in range(first, first + count)]


def make_run(folder: Path, records: Iterable[dict[str, str]], target: InfinitiTarget | None = None) -> Run:
    """A run as the step `plan` leaves it behind; what the school's runs share is in `folder` too."""
    target, run, records = target or school_target(), Run(folder / "artifacts" / "school" / "run"), list(records)
    rows = []
    for start in range(0, len(records), target.chunk_size):
        number, part = start // target.chunk_size + 1, records[start : start + target.chunk_size]
        texts = [json.dumps(record, ensure_ascii=False) for record in part]
        run.write(f"chunks/{number:04}.json.zst", zstandard.compress(targets.request_body(target, texts)))
        rows += [{"chunk": number, "username": record["username"]} for record in part]
    frame = pl.DataFrame(rows, schema={"chunk": pl.UInt32, "username": pl.String}).with_row_index("row", FIRST_ROW)
    with run.writing("planned.parquet") as file:
        frame.with_columns(level=pl.lit(0, pl.UInt32)).write_parquet(file)
    return run


def post(run: Run, server: InfinitiServer, target: InfinitiTarget | None = None, **given: Any) -> Totals:
    with targets.open_target(target or school_target(), lambda _: account(server, **given), QUICK) as infiniti:
        return posting.post(run, infiniti)


def results(run: Run) -> list[dict[str, Any]]:
    return [run.read_json(name) for name in run.names("results")]
