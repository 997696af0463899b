"""The words that make a text read like a translation stay out of everything that people read."""

import ast
import re

import pytest

from tests.documentation.pages import PROJECT
from tests.documentation.wording import lines

WORST = {
    r"mend(s|ed|ing)?": "fix, correct",
    r"anew": "again; re-read, re-plan",
    r"told": "reported, listed, named",
    r"tells? of": "reports, lists, names",
    r"so many": "a maximum of; this many",
    r"signs": "characters",
    r"foresaw|foreseen": "unexpected",
    r"sign of life": "heartbeat",
    r"(by|of) (itself|themselves)": "automatically, alone",
    r"gone on with": "resumed",
    r"went wrong|everything goes wrong": "fail, failed",
    r"did not go well|goes well|went well": "failed, succeeded",
    r"(?<!there )(is|are) no(?= [a-z])(?! (longer|more|less|different|better)\b)": "is not a",
    r"not for you to see": "you do not have access",
    r"not mixed": "differs",
    r"looked at": "checked, evaluated",
    r"made-up": "fictional, random",
    r"nobody": "no one",
    r"(some|any|every)body": "someone, anyone, everyone",
    r"insist(s|ed|ing)?( on)?": "require",
    r"said no|said yes|a yes": "declined, approved",
    r"laid over": "merged into",
    r"in vain": "without success",
}
"""Patterns of the words, and what to write instead."""


@pytest.mark.parametrize("pattern", WORST)
def test_a_word_is_not_used(pattern):
    """Docs, templates, YAML, messages, docstrings and comments use the plain word instead."""
    word = re.compile(rf"\b({pattern})\b", re.IGNORECASE)
    found = [str(line) for line in lines() if word.search(line.text)]
    assert not found, f"write instead: {WORST[pattern]}\n" + "\n".join(found)


def test_a_docstring_begins_with_what_is_returned_or_done():
    """Not with a clause about it, such as "What the report says": a reader looks for a noun or a verb."""
    clause = re.compile(r"(What|Which|Those|Of|By|As)\b")
    found = [
        f"{path.relative_to(PROJECT)}:{node.lineno}: {text[:80]}"
        for folder in ("plugins", "dags", "sandbox", "faults", "local", "deploy", "benchmarks")
        for path in sorted(PROJECT.glob(f"{folder}/**/*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if clause.match(text := node.value.value.strip())
    ]
    assert not found, "\n".join(found)
