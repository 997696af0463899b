"""
Put the question about an unusual load into words, for mails and for Airflow's page.

No patron is named in it: only what the gates found, the file, and counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from patronload import dates, plain_text
from patronload.reporting.plan_summary import PlanSummary

MOST = 8
"""How many fields and transitions a question lists."""


class Figure(NamedTuple):
    """A line of the table: its name, its value in this load, and in the last one (empty if that is unknown)."""

    name: str
    now: str
    before: str


class Choice(NamedTuple):
    """A possible answer: the words on its button, and what follows."""

    name: str
    follows: str


APPROVE, WITHOUT_LEAVERS, REJECT = "Approve", "Approve without leavers", "Reject"

CHOICES = (Choice(APPROVE, "the load continues"), Choice(REJECT, "nothing is sent, and the run ends"))
"""The answers to whether a load is right; no answer means the last one."""

WITH_LEAVERS = (
    Choice(APPROVE, "the load continues, and also makes the patrons in leavers.csv leave"),
    Choice(WITHOUT_LEAVERS, "the patrons in the file are loaded, and the leavers wait"),
)
"""The answers if too many patrons would leave."""


class Question(NamedTuple):
    """
    Whether a load is right: what is unusual about it, its file and the last load's (if there was one), the figures,
    until when an answer counts (aware), which fields the plan changes, and what can be answered; the last choice is
    what no answer means.
    """

    sentences: tuple[str, ...]
    files: tuple[str, ...]
    figures: tuple[Figure, ...]
    until: datetime
    plan: PlanSummary = PlanSummary((), (), ())
    choices: tuple[Choice, ...] = CHOICES
    is_undo: bool = False
    """Whether a load is to be undone; then there is no file."""

    @property
    def headline(self) -> str:
        """The question in one line."""
        return "Undo this load?" if self.is_undo else "Is this load right?"

    @property
    def subject(self) -> str:
        """The question as Airflow lists it, after library and day."""
        return "undo an earlier load?" if self.is_undo else "is this load right?"

    @property
    def lead(self) -> str:
        """Why there is a question."""
        if self.is_undo:
            return "A run that undoes an earlier load is waiting for approval. Nothing has been changed yet."
        follows = self.choices[-1].follows
        why = "Something about it is unusual, so it is waiting for approval. Nothing has been sent yet."
        return f"{why} Without an answer, {follows}."

    @property
    def first(self) -> str:
        """The heading above the sentences."""
        return "The question" if self.is_undo else "What is unusual"

    @property
    def second(self) -> str:
        """The heading above the figures."""
        return "What would happen" if self.is_undo else "What would be loaded"

    @property
    def compared(self) -> bool:
        """Whether there was a load before."""
        return len(self.files) > 1


def markdown(question: Question, target: str) -> str:
    """The question as Airflow shows it, in a narrow column, with the figures as a table."""
    until = dates.with_weekday(question.until, question.until.tzinfo)
    return "\n".join(
        [
            f"### {question.first}",
            "",
            *(f"* {plain(sentence)}" for sentence in question.sentences),
            "",
            f"### {question.second} in {plain(target)}"
            if question.is_undo
            else f"### {question.second} into {plain(target)}",
            "",
            *_table(question),
            "",
            *(f"* {plain(sentence)}" for sentence in question.files),
            "",
            *_changes(question.plan),
            "### The answers",
            "",
            *(f"* **{choice.name}**: {choice.follows}." for choice in question.choices),
            f"* **No answer** by {until}: {question.choices[-1].follows}.",
            "",
            "Your reason and your name will appear in the report and the mail. Do not name a patron.",
        ]
    )


def _changes(plan: PlanSummary) -> Iterator[str]:
    """The fields that would change, and the most frequent transitions between codes; nothing if none does."""
    if not plan.fields:
        return
    yield from ("### What would change", "", _line(["Field", "Patrons"]), _line(["---", "---:"]))
    for field in plan.fields[:MOST]:
        yield _line([plain(field.name), f"{field.patrons:,}"])
    yield ""
    for each in plan.transitions[:MOST]:
        yield f"* {plain(f'{each.field}: {each.before} to {each.after}, {each.patrons:,}')}"
    yield from ("", "The tab *Plan* of this run shows each patron before and after.", "")


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", plain_text.one_line(text))


def _table(question: Question) -> Iterable[str]:
    yield _line(["", "Now", *(["Last load"] if question.compared else [])])
    yield _line(["---", "---:", *(["---:"] if question.compared else [])])
    for figure in question.figures:
        shown = figure if question.compared else figure[:2]
        yield _line(plain(cell) for cell in shown)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
