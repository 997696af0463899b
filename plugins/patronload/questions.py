"""
What a person is asked about an unusual load, and how Airflow's page puts it.

No patron is named in it: only what the gates found, the file, and counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple


class Figure(NamedTuple):
    """A line of the table: what it is, in this load, and in the last one (empty where that does not tell)."""

    name: str
    now: str
    before: str


class Question(NamedTuple):
    """
    Whether a load is right: what is unusual about it, its figures, and until when an answer counts (aware).

    `last` says which load the figures are beside, like: load of 20 November 2026; empty when there was none.
    """

    sentences: tuple[str, ...]
    figures: tuple[Figure, ...]
    last: str
    until: datetime


def markdown(question: Question, target: str) -> str:
    """The question as Airflow shows it, with the figures as a table."""
    until = f"{question.until:%a} {question.until.day} {question.until:%b %Y, %H:%M %Z}"
    what_follows = (
        f"**Approve**: the load goes on, into {plain(target)}. **Reject**: nothing is sent, and the run ends. Write "
        "the reason in either case: it goes into the report and the mail, with your name; name no patron in it."
    )
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
            what_follows,
            "",
            f"Nothing was sent yet. Without an answer by {until}, nothing will be.",
        ]
    )


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", text)


def _table(question: Question) -> Iterable[str]:
    compared = bool(question.last)
    heads = ["", "This load", *([question.last[:1].upper() + question.last[1:]] if compared else [])]
    yield _line(heads)
    yield _line(["---", "---:", *(["---:"] if compared else [])])
    for figure in question.figures:
        yield _line([plain(cell) for cell in (figure.name, figure.now, *([figure.before] if compared else []))])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
