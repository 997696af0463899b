"""
What a person is asked about an unusual load, and how Airflow's page puts it.

No patron is named in it: only what the gates found, the file, and counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from patronload import dates


class Figure(NamedTuple):
    """A line of the table: what it is, in this load, and in the last one (empty where that does not tell)."""

    name: str
    now: str
    before: str


class Question(NamedTuple):
    """
    Whether a load is right: what is unusual about it, its file and the last load's (if there was one), the figures, and
    until when an answer counts (aware).
    """

    sentences: tuple[str, ...]
    files: tuple[str, ...]
    figures: tuple[Figure, ...]
    until: datetime

    @property
    def compared(self) -> bool:
        """Whether there was a load before."""
        return len(self.files) > 1


def markdown(question: Question, target: str) -> str:
    """The question as Airflow shows it, in a narrow column, with the figures as a table."""
    until = dates.with_weekday(question.until, question.until.tzinfo)
    return "\n".join(
        [
            "### What is unusual",
            "",
            *(f"* {plain(sentence)}" for sentence in question.sentences),
            "",
            "### What would be loaded",
            "",
            *_table(question),
            "",
            *(f"* {plain(sentence)}" for sentence in question.files),
            "",
            "### What follows",
            "",
            f"* **Approve**: the load goes on, into {plain(target)}.",
            "* **Reject**: nothing is sent, and the run ends.",
            f"* **No answer** by {until}: nothing is sent.",
            "",
            "The reason goes into the report and the mail, with your name. Name no patron in it.",
        ]
    )


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", text)


def _table(question: Question) -> Iterable[str]:
    yield _line(["", "Now", *(["Last load"] if question.compared else [])])
    yield _line(["---", "---:", *(["---:"] if question.compared else [])])
    for figure in question.figures:
        shown = figure if question.compared else figure[:2]
        yield _line(plain(cell) for cell in shown)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
