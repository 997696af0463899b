"""
Count the changes that a load would make to the patrons in the library system, and judge whether they are too many.

A file can be valid and its effect absurd: a column of past dates makes a whole library inactive. So there are separate
limits on the effect, which stop the load or ask a person, like the limits on the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from patronload.checks.gates import Verdict, percent, share
from patronload.config.tenants import Limits

AT_LEAST = 10
"""Fewer users than this never stop a load by their share of all, unless they are more than half."""

HALF = 0.5

TRANSITIONS = 20
"""The most frequent transitions that are kept of each field."""


class Effects(NamedTuple):
    """
    The effect of a plan.

    actions: patrons by action (create, update, unchanged, leave). fields: patrons by the field that changes.
    transitions: of each field that holds a code, how many patrons go from which value to which, the most frequent
    first. active: how many of the stored users in the file are active now; known: how many there are.
    """

    actions: dict[str, int]
    fields: dict[str, int]
    transitions: dict[str, list[tuple[str, str, int]]]
    active: int
    known: int

    def to_json(self) -> dict[str, Any]:
        """The data for plan.json."""
        return self._asdict()

    def moving(self, field: str, before: str, after: str) -> int:
        """How many patrons go from one value to another in a field that holds a code."""
        return sum(number for old, new, number in self.transitions.get(field, []) if (old, new) == (before, after))


class Tally:
    """Counts the lines of a plan's changes (see delivery.CHANGES), part by part."""

    def __init__(self, coded: Iterable[str]) -> None:
        self._coded = list(coded)
        self._actions: list[pl.DataFrame] = []
        self._fields: list[pl.DataFrame] = []
        self._transitions: list[pl.DataFrame] = []

    def add(self, part: pl.DataFrame) -> None:
        """Count a part. A patron's lines may stand in two parts."""
        self._actions.append(part.select("row", "action").unique())
        fields = part.filter(pl.col("field").is_not_null())
        # Leavers are counted as such, and not as patrons whose `active` changes.
        of_file = fields.filter(pl.col("action") != "leave")
        self._fields.append(of_file.group_by("field").len("count"))
        coded = of_file.filter(pl.col("field").is_in(self._coded))
        self._transitions.append(coded.group_by("field", "before", "after").len("count"))

    def effects(self, active: int, known: int) -> Effects:
        """The sum of all parts."""
        actions = pl.concat(self._actions).unique() if self._actions else pl.DataFrame(schema={"action": pl.String})
        counted = actions.group_by("action").len().sort("action")
        return Effects(
            actions=dict(counted.iter_rows()),
            fields=_sums(self._fields, "field"),
            transitions=self._frequent(),
            active=active,
            known=known,
        )

    def _frequent(self) -> dict[str, list[tuple[str, str, int]]]:
        found: dict[str, list[tuple[str, str, int]]] = {}
        if not self._transitions:
            return found
        keys = ["field", "before", "after"]
        counted = pl.concat(self._transitions).group_by(keys).agg(pl.col("count").sum())
        for field, before, after, count in counted.sort(["count", *keys], descending=[True, *[False] * 3]).iter_rows():
            lines = found.setdefault(field, [])
            if len(lines) < TRANSITIONS:
                lines.append((in_words(before), in_words(after), count))
        return found


def in_words(value: str | None) -> str:
    """A value of the changes as people read it; nothing is (empty)."""
    if value is None:
        return "(empty)"
    read = json.loads(value)
    if isinstance(read, bool):
        return "true" if read else "false"
    return "; ".join(map(str, read)) if isinstance(read, list) else str(read)


def verdicts(limits: Limits, effects: Effects, *, is_first: bool) -> list[Verdict]:
    """
    The limits on the effect that a plan is outside of, as gates that failed. `is_first`: no load of the library went
    through before, many changes are expected.
    """
    # No one is known before the first load, so everyone would be over a share of the known.
    created = None if is_first and isinstance(limits.created, str) else limits.created
    changed = effects.actions.get("update", 0) + effects.actions.get("return", 0)
    found = [
        _check(
            "becoming_inactive", limits.becoming_inactive, effects.moving("active", "true", "false"), effects.active
        ),
        _check("created", created, effects.actions.get("create", 0), effects.known),
        _check("changed", limits.changed, changed, effects.known),
    ]
    if not is_first:
        found += [
            _check("changed_fields", limit, effects.fields.get(field, 0), effects.known, field)
            for field, limit in limits.changed_fields.items()
        ]
    return [verdict for verdict in found if verdict is not None]


WORDS: Mapping[str, str] = {
    "becoming_inactive": "{count:,} of {whole:,} active users would become inactive",
    "created": "{count:,} users would be created, in addition to {whole:,} in the file who are already known",
    "changed": "{count:,} of {whole:,} known users would be changed",
    "taken_over": "{count:,} users without an externalSystemId would be taken over",
    "changed_fields": "the {field} of {count:,} of {whole:,} known users would change",
}


def taken_over(users: int) -> Iterator[Verdict]:
    """The gate that asks a person before a load takes over users whom other people made."""
    if users:
        yield Verdict("taken_over", False, f"{WORDS['taken_over'].format(count=users)}.")


def _check(gate: str, limit: str | int | None, count: int, whole: int, field: str = "") -> Verdict | None:
    if limit is None or not _is_over(limit, count, whole):
        return None
    key = f"{gate}.{field}" if field else gate
    what = WORDS[gate].format(count=count, whole=whole, field=field)
    allows = limit if isinstance(limit, int) else percent(share(limit))
    return Verdict(gate, False, f"{what[:1].upper()}{what[1:]}; limits.{key} allows {allows}.")


def _is_over(limit: str | int, count: int, whole: int) -> bool:
    if isinstance(limit, int):
        return count > limit
    return count > share(limit) * whole and (count >= AT_LEAST or count > HALF * whole)


def _sums(parts: list[pl.DataFrame], key: str) -> dict[str, int]:
    if not parts:
        return {}
    summed = pl.concat(parts).group_by(key).agg(pl.col("count").sum())
    return dict(summed.sort(["count", key], descending=[True, False]).iter_rows())
