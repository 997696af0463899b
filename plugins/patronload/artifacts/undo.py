"""The artifacts of an undo: what a run undoes, and that a load was undone."""

from __future__ import annotations

from patronload.artifacts import names
from patronload.artifacts.content import Content, Moment
from patronload.artifacts.run import Run


class Undo(Content):
    """
    The run that another run undoes, as fetch found it, with its day and its file.

    `load` is the load that it is about in the end: a run may undo a run that undid a load. `undoes_load` says
    whether that load counts as undone afterwards. `leave`: created users stay as they are.
    """

    file = names.UNDO

    run: str
    day: str
    export: str | None = None
    load: str
    undoes_load: bool = True
    leave: bool = False


class Undone(Content):
    """The run that has undone this one, and when."""

    file = names.UNDONE

    by: str
    at: Moment


def is_undone(run: Run) -> bool:
    """Whether another run has undone this one."""
    return run.has(names.UNDONE)
