"""
Plan how a load into Infiniti is undone: the rows that were sent before go again, and created users are disabled.

Infiniti cannot be asked what it has, so nothing can be compared: what someone has changed there since is overwritten.
What was there before is known only as the row that an earlier load sent. If that is no longer kept, the patrons stay as
they are, and are listed.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import polars as pl

from patronload import rows
from patronload.systems.infiniti import INFINITI
from patronload.targets.delivery import CHANGES, STAYS, UNCHANGED, Planned, Record, UndoFigures, Undoing
from patronload.targets.infiniti.plan import YES_NO, Line, to_send, without_password
from patronload.targets.outgoing import Outgoing
from patronload.targets.spool import Spool

SHARED = "another library that feeds this Infiniti has this patron too"
NOT_KEPT = "the row that was sent before this load is no longer kept"


class _Back(NamedTuple):
    """A patron's row, key, and the record that is sent; None if nothing is, with the reason."""

    row: int
    key: str
    record: Record | None
    is_same: bool = False
    why: str = ""


def plan(undoing: Undoing) -> Planned:
    """The plan that leads back."""
    sent = [_kept(_back(one, leave=undoing.leave), undoing.kept) for one in undoing.sent.iter_rows(named=True)]
    going = [one for one in sent if one.record is not None and not one.is_same]
    quiet = [one for one in sent if one.is_same]
    lost = [one for one in sent if one.record is None]
    created = undoing.sent.filter("created")
    lines = [Line(one.row, one.record, "update") for one in going if one.record is not None]
    rejects = [(one.row, INFINITI.key, None, f"{INFINITI.key}: {one.why}", one.why) for one in lost]
    stays = [(one.row, one.key, None, None, None, None, one.why) for one in lost]
    figures = UndoFigures(
        patrons=undoing.sent.height,
        back=len(going),
        becoming_inactive=0
        if undoing.leave
        else created.filter(pl.col("row").is_in([one.row for one in going])).height,
        left=created.height if undoing.leave else 0,
    )
    return Planned(
        patrons=Outgoing.of(_in_files(lines)),
        rejects=pl.DataFrame(rejects, schema=rows.REJECTS, orient="row"),
        stops=[],
        summary={
            "patrons": undoing.sent.height,
            "new": 0,
            "known": len(lines),
            "unchanged": len(quiet),
            "rejected": len(lost),
            "read": "the artifacts",
            "warnings": ["Infiniti cannot say what it has: changes made there since the load are overwritten."],
            "findings": [],
            "create": {},
            "undo": figures._asdict(),
        },
        unchanged=pl.DataFrame([(one.row, one.key) for one in quiet], schema=UNCHANGED, orient="row"),
        changes=_changes(sent),
        stays=pl.DataFrame(stays, schema=STAYS, orient="row"),
    )


def _back(sent: dict[str, Any], *, leave: bool) -> _Back:
    wrote = without_password(json.loads(sent["patron"]))
    if sent["created"]:
        return _Back(sent["row"], sent["key"], {**wrote, "enabled": YES_NO[False]}, is_same=leave)
    if sent["before"] is None:
        return _Back(sent["row"], sent["key"], None, why=NOT_KEPT)
    was = without_password(json.loads(sent["before"]))
    return _Back(sent["row"], sent["key"], was, is_same=was == wrote)


def _kept(back: _Back, kept: frozenset[str]) -> _Back:
    """A patron of another library too is not disabled."""
    disables = back.record is not None and not back.is_same and back.record.get("enabled") == YES_NO[False]
    return back._replace(record=None, why=SHARED) if disables and back.key in kept else back


def _in_files(lines: list[Line]) -> pl.DataFrame:
    """The patrons to send; those whose rows have the same columns go in files of their own."""
    kinds: dict[tuple[str, ...], int] = {}
    apart = [kinds.setdefault(tuple(line.record), len(kinds)) for line in lines]
    frame = to_send(lines)
    number = pl.DataFrame(
        {"row": [line.row for line in lines], "apart": apart}, schema={"row": pl.UInt32, "apart": pl.UInt32}
    )
    return frame.drop("apart").join(number, on="row", how="left").sort("apart", "row")


def _changes(sent: list[_Back]) -> Spool:
    """Infiniti does not tell what it has, so the fields are not compared."""
    changes = Spool(CHANGES)
    for one in sent:
        if one.record is not None:
            changes.add(one.row, one.key, "unchanged" if one.is_same else "update", None, None, None, None)
    return changes
