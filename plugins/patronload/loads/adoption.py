"""
Take over users whom earlier programs loaded, so that they are in the patron ledger and can leave.

It is a parameter of one run, with that run's complete file. A dry run comes first, and a person is always asked.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from patronload.artifacts import names, questions, tables
from patronload.artifacts.models import Plan
from patronload.checks.gates import Verdict
from patronload.errors import ConfigError
from patronload.loads import leavers
from patronload.loads.load import Load
from patronload.reporting.report import count_of
from patronload.targets.delivery import TAKEN_OVER, Adopting
from patronload.targets.patron_ledger import PatronLedger

PREFIX = "prefix"

MOST_GROUPS = 12
"""The largest groups are counted one by one."""


def wanted(load: Load) -> Adopting | None:
    """The users to take over; None in an ordinary run. Raises ConfigError when it cannot be done."""
    if not load.adopt:
        return None
    name = load.tenant.system.name
    if not load.tenant.system.can_be_asked:
        raise ConfigError(
            f"Nothing was sent. {name} cannot be queried, so it is unknown whom earlier programs loaded, and no users "
            "can be taken over. Start the load without 'Take over users'."
        )
    if load.tenant.source.contains != "everyone" or load.source_path:
        raise ConfigError(
            "Nothing was sent. Users can be taken over only by a load of the usual complete file, because only such a "
            "file shows who is missing: source.contains must be everyone, and 'Source path' empty."
        )
    if load.tenant.approval is None:
        raise ConfigError(
            "Nothing was sent. Taking over users always needs approval. Add 'approval: {}' to the tenant file, then "
            "start the run again."
        )
    if not load.dry_run and not _was_tried(load):
        raise ConfigError(
            "Nothing was sent. Before users are taken over, start a dry run with the same text under 'Take over "
            "users', and review its figures."
        )
    groups = tuple(group for part in load.adopt.split(",") if (group := part.strip()))
    return Adopting(by_prefix=True) if groups == (PREFIX,) else Adopting(by_prefix=False, groups=groups)


def _was_tried(load: Load) -> bool:
    for run in load.run.others():
        plan = Plan.find(run) if run.has(names.REPORT) else None
        if plan and (plan.adopt or {}).get("asked_for") == load.adopt and run.read_json(names.REPORT).get("dry_run"):
            return True
    return False


def settle(load: Load, found: pl.DataFrame | None, in_file: pl.Series, ledger: PatronLedger) -> dict[str, Any] | None:
    """Keep the users who are taken over as an artifact; the figures for plan.json. `in_file` are hashes of keys."""
    if found is None:
        return None
    others = leavers.of_other_tenants(load, found.filter(pl.col("state") == TAKEN_OVER)["key"].to_list())
    is_others = pl.col("key").is_in(list(others)) & (pl.col("state") == TAKEN_OVER)
    found = found.with_columns(state=pl.when(is_others).then(pl.lit("another library")).otherwise("state"))
    tables.write(load.run, names.ADOPTED, found)
    taken = found.filter(pl.col("state") == TAKEN_OVER)
    present = ledger.hashes(taken["key"]).is_in(in_file.implode()).sum()
    groups = (
        taken.group_by("group", "type").len("count").sort("count", "group", "type", descending=[True, False, False])
    )
    return {
        "asked_for": load.adopt,
        "users": taken.height,
        "in_file": int(present),
        "groups": [list(line) for line in groups.iter_rows()],
        "others": dict(found.filter(pl.col("state") != TAKEN_OVER).group_by("state").len().sort("state").iter_rows()),
    }


def verdicts(figures: dict[str, Any] | None, *, dry_run: bool) -> list[Verdict]:
    """The sentence of the question: how many users, of which groups and types."""
    if not figures or not figures["users"]:
        return []
    return [Verdict(questions.ADOPT, False, _sentence(figures), "warn" if dry_run else "ask")]


def sentences(figures: dict[str, Any] | None) -> list[str]:
    """The sentence of the report when there is nothing to take over."""
    return [_none(figures)] if figures and not figures["users"] else []


def _sentence(figures: dict[str, Any]) -> str:
    missing = figures["users"] - figures["in_file"]
    groups = [
        f"{count:,} {group or 'without a group'} ({kind or 'no type'})" for group, kind, count in figures["groups"]
    ]
    more = [f"{len(groups) - MOST_GROUPS} smaller groups"] if len(groups) > MOST_GROUPS else []
    return (
        f"{count_of(figures['users'], 'user')} whom earlier programs loaded would be taken over: "
        f"{', '.join([*groups[:MOST_GROUPS], *more])}. {missing:,} of them are not in the file, and leave after "
        f"the usual days and loads.{_left_out(figures)}"
    )


def _none(figures: dict[str, Any]) -> str:
    return f"There are no users to take over for '{figures['asked_for']}'.{_left_out(figures)}"


def _left_out(figures: dict[str, Any]) -> str:
    others = ", ".join(f"{count:,} {state}" for state, count in figures["others"].items())
    return f" Not taken over: {others}." if others else ""


def take_over(load: Load, ledger: PatronLedger) -> None:
    """Add the users to the ledger, as if this load had brought them in. Who is known already stays as known."""
    if not load.run.has(names.ADOPTED):
        return
    taken = tables.read(load.run, names.ADOPTED).filter(pl.col("state") == TAKEN_OVER)
    new = taken.filter(~ledger.hashes(taken["key"]).is_in(ledger.patrons["hash"].implode()))
    ledger.confirm(new.select("key"), "key", load.day)
