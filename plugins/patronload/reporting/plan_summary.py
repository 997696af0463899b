"""
The plan of a load in figures and words: patrons by action, patrons by field, and the most frequent transitions.

Report page, mail, approval question and the pages in Airflow all show this one model. It names no patron: fields,
counts, and the values of fields that hold a code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Words(NamedTuple):
    """The name of an action in a table, its meaning, and its words in a sentence; {} is the number."""

    name: str
    meaning: str
    phrase: str


ACTIONS: dict[str, Words] = {
    "create": Words("To create", "new in {target}", "create {:,}"),
    "update": Words("To update", "a value differs from {target}", "update {:,}"),
    "return": Words("To bring back", "had left, and are in the file again", "bring back {:,}"),
    "leave": Words("To make inactive", "no longer in the file", "make {:,} inactive"),
    "inactive": Words("Already inactive", "no longer in the file, and inactive before", ""),
    "unchanged": Words("Unchanged", "{target} already has exactly this", "leave {:,} unchanged"),
}
"""The actions of a plan in the order in which people read them; see targets.delivery.CHANGES."""

OF_FILE = ("create", "update", "return", "unchanged")
"""The actions on patrons of the file. The others are about people who have left."""

SENT = ("create", "update", "return")
"""The actions of rows of the file that are sent."""


class Action(NamedTuple):
    """How many patrons an action is about."""

    action: str
    name: str
    patrons: int
    meaning: str


class Field(NamedTuple):
    """How many patrons get another value in a field."""

    name: str
    patrons: int


class Transition(NamedTuple):
    """How many patrons go from one code to another in a field."""

    field: str
    before: str
    after: str
    patrons: int


class PlanSummary(NamedTuple):
    """A plan in figures. Without any action the load has no plan, or one that concerns no patron."""

    actions: tuple[Action, ...]
    fields: tuple[Field, ...]
    transitions: tuple[Transition, ...]

    def number_of(self, *actions: str) -> int:
        """How many patrons some actions are about."""
        return sum(each.patrons for each in self.actions if each.action in actions)

    @property
    def sentence(self) -> str:
        """Create 20, update 12, leave 19,968 unchanged: to be read after "would"; empty without a plan."""
        phrases = [words(each.action, "").phrase.format(each.patrons) for each in self.actions]
        return ", ".join(phrase for phrase in phrases if phrase)


def summary(effects: Mapping[str, Any] | None, target: str) -> PlanSummary:
    """The figures of plan.json and report.json (see checks.effects.Effects) in order, each with its words."""
    found = effects or {}
    counts: dict[str, int] = found.get("actions", {})
    order = [*ACTIONS, *(action for action in counts if action not in ACTIONS)]
    transitions = [
        Transition(field, before, after, count)
        for field, lines in found.get("transitions", {}).items()
        for before, after, count in lines
    ]
    return PlanSummary(
        actions=tuple(_action(action, counts[action], target) for action in order if counts.get(action)),
        fields=tuple(Field(name, count) for name, count in found.get("fields", {}).items()),
        transitions=tuple(sorted(transitions, key=lambda one: -one.patrons)),
    )


def words(action: str, target: str) -> Words:
    """The words for an action; one that this version does not know is called as it is written."""
    known = ACTIONS.get(action) or Words(action.capitalize(), "", f"{action} {{:,}}")
    return known._replace(meaning=known.meaning.format(target=target))


def _action(action: str, count: int, target: str) -> Action:
    found = words(action, target)
    return Action(action, found.name, count, found.meaning)
