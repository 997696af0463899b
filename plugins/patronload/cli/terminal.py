"""Print in colours, with wrapped lines and progress, on a terminal; elsewhere plain, each sentence on one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class _Output(Console):
    """A console that prints nothing more once its reader has gone, as in `preview ... | head`."""

    def on_broken_pipe(self) -> None:
        """Continue without output: the files are still written, and the exit code is that of the command."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


WIDEST = 10_000
"""Columns in a pipe, where no line is wrapped: a sentence and a line of a table stay in one piece."""

out = _Output(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else WIDEST)
err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal what takes long, and for how long already."""
    if not err.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        progress.add_task(what, total=None)
        yield
