"""The required result of undoing a run, written from docs/undo.md; a part of the oracle of weeks."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeVar

HERE, AWAY, LEFT, ASIDE = "here", "away", "left", "aside"
"""A patron whom a tenant's loads brought in: in its last file; missing; made inactive; inactive before or gone."""

Thing = TypeVar("Thing")


@dataclass
class User:
    """The data that the library system must have of a person."""

    cells: dict[str, str]
    active: bool = True
    staff: bool = False
    note: str = ""
    ends: date | None = None
    """The day on which `expire` ended the card."""
    loans: int = 0
    maybe: bool = False
    """Whether the user was created by a load that was killed, which may not have come so far."""
    instead: dict[str, str] | None = None
    """The cells, if a load that was killed did not come so far, of a staff user whom its undo leaves as it is."""


@dataclass
class Memory:
    """A patron as a tenant's loads know them; `last`: the day of the last load that had them, None without one."""

    state: str = HERE
    since: date | None = None
    loads: int = 0
    last: date | None = None


@dataclass
class Ran:
    """The changes of a run: users and memory, each before the run and after it; and the file, or what it undid."""

    day: date
    users: dict[str, tuple[User | None, User]]
    memory: dict[str, tuple[Memory | None, Memory]]
    rows: list[dict[str, str]] = field(default_factory=list)
    undoes: str = ""
    counts: bool = False
    """Whether it counted who is missing."""
    is_undone: bool = False


def changes(before: Mapping[str, Thing], after: Mapping[str, Thing]) -> dict[str, tuple[Thing | None, Thing]]:
    """Whatever is different after a run, as it was and as it is."""
    return {key: (before.get(key), deepcopy(now)) for key, now in after.items() if before.get(key) != now}


def user(now: User, was: User | None, wrote: User, *, kept: bool) -> User:
    """
    A user of a library system that can be asked: what is still as the run wrote it goes back.

    `kept`: another tenant has the user, who must not become inactive.
    """
    if now.staff or (was and was.staff):
        return now
    if was is None:
        return replace(now, active=False) if now.active and wrote.active and not kept else now
    same = [name for name in now.cells if now.cells[name] == wrote.cells[name]]
    back = replace(now, cells=now.cells | {name: was.cells[name] for name in same})
    if now.ends == wrote.ends:
        back.ends = was.ends
    # FOLIO makes inactive whose card is over.
    if now.active == wrote.active and not (was.active and back.ends) and not (kept and not was.active):
        back.active = was.active
    return back


def blindly(now: User, was: User | None, wrote: User, *, kept: bool) -> User:
    """A user of a library system that cannot be asked: what was sent before the run is sent again."""
    if was is None:
        return now if kept else replace(now, cells=wrote.cells, active=False)
    return replace(now, cells=was.cells, active=was.active)


def memory(now: Memory, was: Memory | None, wrote: Memory, newest: date | None) -> Memory:
    """
    The knowledge about a patron without the run. What later loads have found stays; the run no longer counts.

    `newest`: the day of the last load that counts.
    """
    was = was or Memory()
    back = replace(now)
    if now.last == wrote.last:
        back.last = was.last
    if now.since and now.since == wrote.since:
        back.loads = max(0, now.loads - (wrote.loads - was.loads))
        back.since = (was.since or newest) if back.loads else None
    elif (now.since, now.loads) == (wrote.since, wrote.loads):
        back.since, back.loads = was.since, was.loads
    if now.state == wrote.state:
        back.state = was.state
    if back.state in (HERE, AWAY):
        back.state = AWAY if back.since else HERE
    return back


def mark(runs: dict[str, Ran], by: str) -> None:
    """Note that a run has undone another one; if that had undone a third one, this one counts again."""
    is_gone, run = True, runs[by].undoes
    while run:
        runs[run].is_undone = is_gone
        is_gone, run = not is_gone, runs[run].undoes
