"""The lines of a plan: patrons that may be sent to FOLIO, of which there may be millions, and what is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl

from patronload.folding import fold
from patronload.systems.folio import FOLIO
from patronload.targets.delivery import UNCHANGED, Record
from patronload.targets.folio import identity_conflicts, merge, touched_users
from patronload.targets.folio.contested_ids import Claims
from patronload.targets.folio.identity_conflicts import Claim, Holder, Order
from patronload.targets.folio.touched_users import Stored
from patronload.targets.outgoing import Outgoing
from patronload.targets.spool import Spool

TRIAL = 10
"""Users who go first, alone; one partition of mod-user-import's, so that what it says of them is exact."""


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
    """The action for the patron: create, update or leave."""
    is_unchanged: bool = False
    """FOLIO has all that the record says. Of the record only the ids and the e-mail address are kept then."""
    former: str | None = None
    """The externalSystemId that the user has until the load gives them the record's; see taking_over.Found."""
    later: str | None = None
    """The externalSystemId, as FOLIO stores it, that an undo gives the user after the import; "" for none."""


IDS = dict.fromkeys(merge.IDS, pl.String())

LINES: dict[str, Any] = {
    "row": pl.UInt32(),
    "action": pl.String(),
    "is_unchanged": pl.Boolean(),
    **dict.fromkeys(("stored_id", "changed", "former"), pl.String()),
    **IDS,
    **dict.fromkeys(("id", "email"), pl.String()),
    "unsaid": pl.List(pl.String()),
    "has_group": pl.Boolean(),
    "patron": pl.String(),
}
"""A line as it waits on disk; without the record if nothing changes."""

TO_SEND: dict[str, Any] = {
    **dict.fromkeys(("row", "level"), pl.UInt32()),
    "action": pl.String(),
    "known": pl.Boolean(),
    # Most rows change the same fields, so that few texts differ.
    "changed": pl.Categorical(),
    **dict.fromkeys(("former", "later"), pl.String()),
    **IDS,
    "unsaid": pl.List(pl.String()),
    "patron": pl.String(),
}
"""The patrons to send; see delivery.Planned."""


class Lines:
    """The lines of a plan: on disk, except for hashes of their ids."""

    def __init__(self) -> None:
        self._spool = Spool(LINES)
        self._claims = Claims()

    def add(self, line: Line, its_claim: Claim) -> None:
        """Append a line."""
        record = line.record
        self._claims.add(its_claim)
        self._spool.add(
            line.row,
            line.action,
            line.is_unchanged,
            line.stored_id,
            line.changed,
            line.former,
            *(record.get(name) for name in IDS),
            record.get("id"),
            (record.get("personal") or {}).get("email"),
            line.unsaid,
            bool(record.get("patronGroup")),
            None if line.is_unchanged else to_text(record),
        )

    def contested(self, stored: Stored) -> tuple[list[Line], list[Holder]]:
        """The lines whose ids anyone else wants or holds, with ids only, and the stored users who hold some of them."""
        rows, holders = self._claims.contested(stored)
        if not rows:
            return [], []
        chosen = pl.col("row").is_in(list(rows))
        found = (line for part in self.parts() for line in part.filter(chosen).iter_rows(named=True))
        return [_with_ids_only(line) for line in found], holders

    def parts(self) -> Iterator[pl.DataFrame]:
        """All lines, part by part; see LINES."""
        return self._spool.parts()

    def close(self) -> None:
        """Forget the lines."""
        self._spool.close()


class Settled:
    """The lines that are in no conflict with each other, each with its level; see identity_conflicts.Order."""

    def __init__(self, lines: Lines, order: Order) -> None:
        self._lines = lines
        self._conflicts = list(order.conflicts)
        self._levels = {row: level for row, level in order.levels.items() if level}
        self.height = self.known = self.taken_over = self.renamed = 0
        """How many patrons are sent, how many of them FOLIO has, and how many of these get another externalSystemId."""
        self.without_group: list[int] = []
        """Rows of new patrons without a patron group."""
        self._first_known: list[int] = []
        unchanged = [pl.DataFrame(schema=UNCHANGED)]
        for part in self._parts():
            same = pl.col("is_unchanged")
            unchanged.append(part.filter(same).select("row", key=FOLIO.key).cast(pl.Schema(UNCHANGED)))
            self._count(part.filter(~same))
        self.unchanged = pl.concat(unchanged)
        """The rows that are not sent because FOLIO has all of them already, with their keys."""

    def _count(self, going: pl.DataFrame) -> None:
        known = pl.col("stored_id").is_not_null()
        self.height += going.height
        self.known += going.filter(known).height
        former = going["former"].drop_nulls()
        self.taken_over += int((former == "").sum())
        self.renamed += int((former != "").sum())
        self.without_group.extend(going.filter(~known & ~pl.col("has_group"))["row"])
        trial = going.filter(known, pl.col("level") == 0)["row"].head(TRIAL - len(self._first_known))
        self._first_known.extend(trial)

    def records(self) -> Iterator[Record]:
        """The records that are sent."""
        for part in self._parts():
            yield from map(json.loads, part.filter(~pl.col("is_unchanged"))["patron"])

    def to_send(self, chunk_size: int, departing: list[Line]) -> Outgoing:
        """
        The patrons to send; those who leave go last.

        When there is more than one chunk, a few users whom FOLIO has already go before all others. FOLIO:
        mod-user-import that cannot read what mod-users keeps fails every update; ten are enough to see that.
        """
        trial = self._first_known if self.height > chunk_size else []
        after_trial = (~pl.col("row").is_in(trial)).cast(pl.UInt32) if trial else pl.lit(0, pl.UInt32)
        going, last = Outgoing(pl.DataFrame(schema=TO_SEND)), 0
        for part in self._parts():
            levelled = part.with_columns(
                pl.col("level") + after_trial,
                known=pl.col("stored_id").is_not_null(),
                later=pl.lit(None, pl.String),
            )
            last = max([last, *levelled["level"].unique()])
            going.add(levelled.filter(~pl.col("is_unchanged")).select(*TO_SEND).cast(pl.Schema(TO_SEND)))
        going.add(to_send(departing, {line.row: last + 1 for line in departing}))
        return going

    def _parts(self) -> Iterator[pl.DataFrame]:
        """The settled lines, part by part, with their levels."""
        for part in self._lines.parts():
            settled = part.filter(~pl.col("row").is_in(self._conflicts)) if self._conflicts else part
            level = pl.lit(0)
            if self._levels:
                level = pl.col("row").replace_strict(list(self._levels), list(self._levels.values()), default=0)
            yield settled.with_columns(level.cast(pl.UInt32).alias("level"))


def _with_ids_only(line: dict[str, Any]) -> Line:
    record = {name: line[name] for name in (*IDS, "id") if line[name] is not None}
    record |= {"personal": {"email": line["email"]}} if line["email"] else {}
    return Line(line["row"], record, line["stored_id"], line["changed"], [], former=line["former"])


def to_send(lines: list[Line], levels: dict[int, int]) -> pl.DataFrame:
    """Some lines as patrons to send, in their order; see TO_SEND."""
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
    schema = TO_SEND | {"changed": pl.String()}
    return pl.DataFrame(list(made), schema=schema, orient="row").cast(pl.Schema(TO_SEND))


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
