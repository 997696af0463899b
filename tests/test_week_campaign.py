"""Weeks of complete files while everything goes wrong, and that their oracle would notice a product that is wrong."""

import ast
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from faults import week, week_oracle, week_undo
from faults.campaign import several
from faults.week_oracle import LEFT, Oracle
from faults.week_undo import Ran
from patronload.artifacts import names, tables
from patronload.config.leavers import Leavers
from patronload.loads import leavers, ledger_updates
from patronload.targets import ledger_changes
from patronload.targets.folio import departures, three_way
from patronload.targets.infiniti import plan as infiniti_plan


def test_weeks_of_two_libraries_come_out_right():
    """Joiners, leavers, returners, half files, old files, edits by hand and undos: FOLIO holds what the oracle says."""
    (figures,) = several([161], "folio-weeks")
    assert figures.complaints == []
    assert figures.struck > 5


def test_weeks_of_a_school_come_out_right():
    """The same for Infiniti."""
    (figures,) = several([2], "infiniti-weeks")
    assert figures.complaints == []
    assert figures.struck > 3


def test_weeks_have_everything_in_them():
    """Of a hundred weeks, many have leavers, returners, patrons who wait, undos, and each kind of night."""
    kinds: set[str] = set()
    left = waiting = returned = staff = 0
    undone: Counter[str] = Counter()
    for seed in range(1, 101):
        made = week.make(seed)
        oracle = Oracle(made)
        for night in made.nights:
            kinds.add(night.kind)
            before = {key for key, memory in oracle.memory[night.tenant].items() if memory.state == LEFT}
            outcome = oracle.night(night)
            if outcome.outcome == "undone":
                of_undo = bool(oracle.runs[night.tenant].get(night.undoes, NOTHING).undoes)
                edited = any(edit.what == "phone" for edit in night.edits)
                undone.update({"undo of an undo": of_undo, "edited": edited, night.kind: 1})
            left += outcome.left or 0
            waiting += outcome.waiting or 0
            returned += len(before - {key for key, one in oracle.memory[night.tenant].items() if one.state == LEFT})
        staff += sum(user.staff for user in oracle.users.values())
    assert kinds == {"complete", *week.KINDS, *week.BETWEEN}
    assert undone["undo"] > 200
    assert undone["given up"] > 100
    assert undone["undo of an undo"] > 10
    assert undone["edited"] > 100
    assert (left > 300, waiting > 200, returned > 40, staff > 100) == (True, True, True, True)


def test_the_same_seed_is_the_same_week():
    """A week that failed can be played again."""
    assert week.make(4711) == week.make(4711)


def by_prefix(folio: Any, leaving: Any, stored: Any, reading: Any, rules: Any) -> Any:
    """Everyone whose id begins like a leaver's, and who is not in the file, leaves too."""
    beginning, keys = leaving.keys[0][:1], [*leaving.keys]
    for user in folio.all_users():
        key = user["externalSystemId"]
        if key.startswith(beginning) and stored.user(key) is None:
            keys.append(key)
            stored.add(user, is_own=True)
    return planned_departures(folio, leaving._replace(keys=keys), stored, reading, rules)


planned_departures = departures.plan
NOTHING = Ran(date(2024, 11, 4), {}, {})


def accepted_only(load: Any, mapping: Any) -> Iterator[str]:
    """A rejected row is taken for none."""
    yield from tables.read(load.run, names.PATRONS)[mapping.system.key]


def over_an_edit(_before: Any, _written: Any, _now: Any, paths: Any) -> three_way.Taken:
    """All that the load wrote goes back, whoever has changed it since."""
    return three_way.Taken(list(paths), [])


def as_left(_counted: Any) -> Iterator[pl.Expr]:
    """The days and loads of the missing stay as an undone load has counted them."""
    yield from map(pl.col, ledger_changes.COUNTS)


def by_calendar(day: Any, ahead: int, rules: Any) -> pl.Expr:
    """The days alone decide."""
    return pl.col("missing_since") <= day + timedelta(ahead) - timedelta(rules.grace_days)


BUGS = {
    "prefix match instead of exact keys": (161, departures, "plan", by_prefix, "whom no load brought in"),
    "a rejected row counted as missing": (102, leavers, "keys_in_file", accepted_only, "must be"),
    "half a file": (132, Leavers, "max_leavers", lambda *_: 1e9, "must be 0 and"),
    "staff deactivated": (51, departures, "is_staff", lambda _: False, "left and 0 wait"),
    "grace by calendar only": (80, leavers, "_is_due", by_calendar, "must be"),
    "undo over a manual edit": (45, three_way, "undone", over_an_edit, "must be '555-02"),
    "users created by an undone load do not return": (
        *(11, ledger_updates, "add_undo", lambda *_: None),
        "active is False, must be True",
    ),
    "an undone load still counts": (193, ledger_changes, "_counts", as_left, "must be"),
    "the other library's patrons": (181, leavers, "of_other_tenants", lambda *_, **__: set(), "must be"),
}


@pytest.mark.parametrize(("seed", "thing", "name", "change", "complaint"), BUGS.values(), ids=BUGS.keys())
def test_a_wrong_product_is_noticed(monkeypatch, seed, thing, name, change, complaint):
    """Each of these would harm people, and the week says so."""
    monkeypatch.setattr(thing, name, change)
    (figures,) = several([seed], "folio-weeks")
    assert any(complaint in sentence for sentence in figures.complaints), figures.complaints


def test_a_returner_who_is_not_sent_is_noticed(monkeypatch):
    """Infiniti's unchanged rows are known by the ledger only, which must not forget who was disabled."""
    monkeypatch.setattr(infiniti_plan, "LEFT", "present")
    wrong = list(several([136, 108], "infiniti-weeks"))
    assert any("enabled is False, must be True" in sentence for one in wrong for sentence in one.complaints)


def test_no_code_is_shared_with_the_product():
    """The oracle imports the registries, and nothing of Patronload."""
    for module in (week, week_oracle, week_undo):
        assert "patronload" not in {name.partition(".")[0] for name in _imports(module.__file__)}


def _imports(path: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
