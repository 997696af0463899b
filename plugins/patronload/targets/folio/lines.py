"""The lines of a plan: patrons that may be sent to FOLIO, and the tables that are made of them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import polars as pl

from patronload.folding import fold
from patronload.systems.folio import FOLIO
from patronload.targets.delivery import (
    UNCHANGED,
    Record,
)
from patronload.targets.folio import (
    identity_conflicts,
    merge,
    touched_users,
)
from patronload.targets.folio.identity_conflicts import Claim


class Line(NamedTuple):
    """A patron that may be sent, before the ids of all of them are compared."""

    row: int
    record: Record
    stored_id: str | None
    changed: str | None
    """The paths at which the record differs from the stored user (see three_way), one a line; None for a new user."""
    unsaid: list[str]
    """Contested fields whose value was not sent to FOLIO, by their names in last_changed.said."""
    action: str = ""
    """What is done with the patron: create, update or leave."""
    is_unchanged: bool = False
    """FOLIO has all that the record says. Of the record only the ids and the e-mail address are kept then."""
    former: str | None = None
    """The externalSystemId that the user has until the load gives them the record's; see taking_over.Found."""
    later: str | None = None
    """The externalSystemId, as FOLIO stores it, that an undo gives the user after the import; "" for none."""


def to_send(lines: list[Line], levels: dict[int, int]) -> pl.DataFrame:
    """
    The patrons to send, in their order.

    Columns: row, level, action, known, changed, former, later,
    externalSystemId, username, barcode, unsaid, patron.
    """
    ids = dict.fromkeys(merge.IDS, pl.String())
    schema = {
        **dict.fromkeys(("row", "level"), pl.UInt32()),
        "action": pl.String(),
        "known": pl.Boolean(),
        **dict.fromkeys(("changed", "former", "later"), pl.String()),
        **ids,
        "unsaid": pl.List(pl.String()),
        "patron": pl.String(),
    }
    made = (
        (
            line.row,
            levels[line.row],
            line.action,
            line.stored_id is not None,
            line.changed,
            line.former,
            line.later,
            *(line.record.get(name) for name in merge.IDS),
            line.unsaid,
            to_text(line.record),
        )
        for line in lines
    )
    # Most rows change the same fields, so that few texts differ.
    return pl.DataFrame(list(made), schema=schema, orient="row").cast({"changed": pl.Categorical()})


def unchanged_rows(lines: list[Line]) -> pl.DataFrame:
    """The rows that are not sent because FOLIO has all of them already, with their keys."""
    found = [(line.row, line.record[FOLIO.key]) for line in lines if line.is_unchanged]
    return pl.DataFrame(found, schema=UNCHANGED, orient="row")


def ids(record: Record) -> Record:
    """The ids and the e-mail address of a record."""
    ids = {name: record[name] for name in (*merge.IDS, "id") if name in record}
    address = (record.get("personal") or {}).get("email")
    return ids | ({"personal": {"email": address}} if address else {})


def to_json(value: Any) -> str | None:
    """A value of a field as JSON; None stays None."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def to_text(record: Record) -> str:
    """A record as JSON, as it is sent."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def former_keys(lines: list[Line]) -> dict[str, int]:
    """How many users get an externalSystemId, and how many get another one."""
    former = [line.former for line in lines if line.former is not None]
    return {"taken_over": former.count(""), "renamed": len(former) - former.count("")}


def claim(line: Line, others: frozenset[str], *, brings_ids: bool) -> Claim:
    """
    The ids that a line wants, folded; brings_ids: the file has ids, and FOLIO keeps its own. `others` are ids of stored
    users who are certainly other people.
    """
    record = line.record
    if brings_ids and line.stored_id:
        record = record | {"id": line.stored_id}
    wants = {name: fold(record[name]) for name in identity_conflicts.SHARED if record.get(name) is not None}
    return Claim(line.row, line.stored_id, wants, touched_users.email(record), others)
